"""Places for open files that never had a name: pipes, sockets, eventfds.

/proc/PID/fd/N is a magic link; for such files it leads to a dentry of their own, whose inode
opens by asking the file itself (``File.reopen``).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import ANON_INODE_FS_MAGIC, PIPEFS_MAGIC, SOCKFS_MAGIC
from ring3.abi.stat import S_IFIFO, S_IFMT, S_IFSOCK
from ring3.vfs.dentry import Dentry
from ring3.vfs.inode import Inode, Stat
from ring3.vfs.mount import Filesystem, Mount
from ring3.vfs.path import Place

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker


class AnonFs(Filesystem):
    """One of each kind per kernel process, mounted nowhere."""

    name = "anon_inodefs"
    magic = ANON_INODE_FS_MAGIC
    nameless = True

    def __init__(self) -> None:
        super().__init__()
        self.set_root(Inode(self, 1, 0o600))


class PipeFs(AnonFs):
    name = "pipefs"
    magic = PIPEFS_MAGIC


class SocketFs(AnonFs):
    name = "sockfs"
    magic = SOCKFS_MAGIC


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


_mounts: dict[int, Mount] = {}
FIRST_INO = 1000
_last_ino = FIRST_INO


def anonymous_mount(kind: int = 0) -> Mount:
    """The mount of nameless files whose mode has type *kind* (S_IFIFO, S_IFSOCK; 0: others)."""
    if kind not in (S_IFIFO, S_IFSOCK):
        kind = 0
    mount = _mounts.get(kind)
    if mount is None:
        fs = PipeFs() if kind == S_IFIFO else SocketFs() if kind == S_IFSOCK else AnonFs()
        mount = _mounts[kind] = Mount(fs)
    return mount


def anonymous_stat(mode: int = 0o600, ino: int = 1, uid: int = 0, gid: int = 0) -> Stat:
    """fstat(2) of a nameless file; *mode* with its type bits."""
    return Stat(anonymous_mount(mode & S_IFMT).fs.dev, ino, mode, 1, uid, gid)


def new_ino() -> int:
    """A fresh inode number for a nameless object."""
    global _last_ino
    _last_ino += 1
    return _last_ino


def restart() -> None:
    """Count inodes from the start (``kernel_setup.restart_numbers``); their filesystems get new
    device numbers with the first that needs one."""
    global _last_ino
    _last_ino = FIRST_INO
    _mounts.clear()


def anonymous_place(file: File) -> Place:
    mount = anonymous_mount(file.stat().mode & S_IFMT)
    fs = mount.fs
    assert isinstance(fs, AnonFs)
    return Place(mount, Dentry(file.target(), None, AnonInode(fs, file)))
