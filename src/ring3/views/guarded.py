"""The host's /etc without its secrets, for a ring3 that runs as root.

An ordinary user is kept from /etc/shadow, private keys and sudoers by the host itself. Root is
not; so what the mode of a file in /etc keeps from others is not opened at all, and a directory
that others may not enter shows nothing. A grant of such a path by name
(``--ro /etc/ssl/private``) shows it all the same.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFMT, S_IFREG, S_IROTH, S_IXOTH
from ring3.fs.host import HostFs
from ring3.fs.hostdir import HostDir
from ring3.fs.hostfile import HostFile
from ring3.fs.hostinode import HostInode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.vfs.file import File
    from ring3.vfs.inode import Entry, Inode, Walker
    from ring3.vfs.path import Place


def path_of(inode: HostInode) -> bytes:
    """The host path of *inode*, as it was last found."""
    names: list[bytes] = []
    at: HostInode = inode
    while at.parent is not None:
        names.append(at.name)
        at = at.parent
    return os.path.join(at.fs.path, *reversed(names))


def refusal(inode: HostInode) -> EACCES:
    path = os.fsdecode(path_of(inode))
    return EACCES(f"{path} is a secret of the host: add --ro {path} to show it")


class SecretFile(HostFile):
    """A file that can be seen but not opened."""

    __slots__ = ()

    def open(self, who: Walker, place: Place, flags: int) -> File:  # type: ignore[override]
        raise refusal(self)

    def host_open(self, flags: int) -> int:
        raise refusal(self)


class SecretDir(HostDir):
    """A directory that can be seen but not entered."""

    __slots__ = ()

    def lookup(self, name: bytes) -> Inode | None:
        raise refusal(self)

    def iterate(self) -> list[Entry]:
        raise refusal(self)


class GuardedFs(HostFs):
    """A hostfs of /etc, or of a directory above it. *shown*: paths granted by name."""

    def __init__(self, path: bytes, shown: Sequence[bytes] = ()) -> None:
        self.shown = tuple(shown)
        super().__init__(path)

    def is_secret(self, inode: HostInode) -> bool:
        path = path_of(inode)
        if not path.startswith(b"/etc/"):
            return False
        return not any(path == each or path.startswith(each + b"/") for each in self.shown)

    def make_inode(self, st: os.stat_result, parent: HostDir | None, name: bytes) -> HostInode:
        kind = st.st_mode & S_IFMT
        hidden = (kind == S_IFREG and not st.st_mode & S_IROTH) or (
            kind == S_IFDIR and not st.st_mode & S_IXOTH
        )
        if not hidden or parent is None:
            return super().make_inode(st, parent, name)
        found: HostInode = (SecretFile if kind == S_IFREG else SecretDir)(self, st, parent, name)
        if not self.is_secret(found):
            return super().make_inode(st, parent, name)
        self.known.put((st.st_dev, st.st_ino), found)
        return found
