"""Namespaces as files: what the links in /proc/PID/ns lead to."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import NSFS_MAGIC
from ring3.abi.stat import S_IFREG
from ring3.vfs.dentry import Dentry
from ring3.vfs.file import File
from ring3.vfs.inode import Inode
from ring3.vfs.mount import Filesystem, Mount
from ring3.vfs.path import Place

if TYPE_CHECKING:
    from typing import ClassVar

    from ring3.vfs.inode import Walker


class NsFs(Filesystem):
    name = "nsfs"
    magic = NSFS_MAGIC

    def __init__(self) -> None:
        super().__init__()
        self.set_root(Inode(self, 1, S_IFREG | 0o444))


class NsFile(File):
    """An open namespace: something to hold and to compare, with nothing to read."""

    __slots__ = ()
    kind: ClassVar[str] = "ns"

    def __init__(self, flags: int) -> None:
        super().__init__(flags)
        self.placeholder = "inval"


class NsInode(Inode):
    __slots__ = ()

    def open(self, who: Walker, place: Place, flags: int) -> File:
        return NsFile(flags)


_mount: Mount | None = None
_places: dict[int, Place] = {}


def namespace_place(kind: bytes, number: int) -> Place:
    """The place of namespace *number*, always the same one."""
    global _mount
    if _mount is None:
        _mount = Mount(NsFs())
    place = _places.get(number)
    if place is None:
        inode = NsInode(_mount.fs, number, S_IFREG | 0o444)
        place = Place(_mount, Dentry(b"%s:[%d]" % (kind, number), None, inode))
        _places[number] = place
    return place
