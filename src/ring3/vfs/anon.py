"""Places for open files that never had a name: pipes, sockets, eventfds.

/proc/PID/fd/N is a magic link; for such files it leads to a dentry of their own, whose inode
opens by asking the file itself (``File.reopen``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring3.abi.mount import ANON_INODE_FS_MAGIC
from ring3.vfs.dentry import Dentry
from ring3.vfs.inode import Inode, Stat
from ring3.vfs.mount import Filesystem, Mount
from ring3.vfs.path import Place

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker


class AnonFs(Filesystem):
    """One per kernel process, mounted nowhere."""

    name = "anon_inodefs"
    magic = ANON_INODE_FS_MAGIC

    def __init__(self) -> None:
        super().__init__()
        self.set_root(Inode(self, 1, 0o600))
        self.last_ino = 1000

    def new_ino(self) -> int:
        """Inode numbers for pipes, sockets and other nameless objects."""
        self.last_ino += 1
        return self.last_ino


class AnonInode(Inode):
    """Stands for an open file where an inode is asked for."""

    __slots__ = ("file",)

    def __init__(self, fs: AnonFs, file: File) -> None:
        st = file.stat()
        super().__init__(fs, st.ino, st.mode, st.uid, st.gid)
        self.file = file

    def stat(self) -> Stat:
        return self.file.stat()

    def open(self, who: Walker, place: Place, flags: int) -> File:
        return self.file.reopen(who, flags)


_mount: Mount | None = None


def anonymous_mount() -> Mount:
    """The mount of all nameless files."""
    global _mount
    if _mount is None:
        _mount = Mount(AnonFs())
    return _mount


def anonymous_stat(mode: int = 0o600, ino: int = 1, uid: int = 0, gid: int = 0) -> Stat:
    """fstat(2) of a nameless file."""
    return Stat(anonymous_mount().fs.dev, ino, mode, 1, uid, gid)


def new_ino() -> int:
    """A fresh inode number for a nameless object."""
    fs = anonymous_mount().fs
    assert isinstance(fs, AnonFs)
    return fs.new_ino()


def anonymous_place(file: File) -> Place:
    mount = anonymous_mount()
    fs = mount.fs
    assert isinstance(fs, AnonFs)
    return Place(mount, Dentry(file.target(), None, AnonInode(fs, file)))
