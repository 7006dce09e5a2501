"""Inodes: what a file is, whatever names lead to it and whoever has it open.

A filesystem subclasses :class:`Inode` and overrides what it can do; everything else is refused
with the errno Linux gives where the operation is missing. Methods are called after all checks
(permission, read-only mounts, sticky bit): those live in ``vfs.ops`` and ``vfs.open``, once.
"""

from __future__ import annotations

import os
import time

from ring3.abi.errno import EINVAL, ENODATA, ENODEV, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, Protocol
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

if TYPE_CHECKING:
    from ring3.machine.base import FileMapping
    from ring3.vfs.access import Cred
    from ring3.vfs.context import FsContext
    from ring3.vfs.file import File
    from ring3.vfs.mount import Filesystem
    from ring3.vfs.path import Place

    Entry = tuple[bytes, int, int]
    """(name, inode number, mode of which only the S_IFMT bits count) of a directory entry."""

FOREVER = float("inf")
DOT, DOTDOT = b".", b".."


class Walker(Protocol):
    """On whose behalf the tree is walked. A Task is one."""

    @property
    def fs(self) -> FsContext: ...
    @property
    def cred(self) -> Cred: ...


class Stat:
    """What stat(2) and statx(2) tell. Times in nanoseconds, *blocks* of 512 bytes, *dev* and
    *rdev* encoded as stat(2) has them (``os.makedev``)."""

    __slots__ = (
        "atime_ns", "blksize", "blocks", "btime_ns", "ctime_ns", "dev", "gid", "ino", "mode",
        "mtime_ns", "nlink", "rdev", "size", "uid",
    )  # fmt: skip

    def __init__(
        self,
        dev: int,
        ino: int,
        mode: int,
        nlink: int = 1,
        uid: int = 0,
        gid: int = 0,
        rdev: int = 0,
        size: int = 0,
        blocks: int = 0,
        atime_ns: int = 0,
        mtime_ns: int = 0,
        ctime_ns: int = 0,
        blksize: int = 4096,
        btime_ns: int | None = None,
    ) -> None:
        self.dev = dev
        self.ino = ino
        self.mode = mode
        self.nlink = nlink
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.size = size
        self.blocks = blocks
        self.atime_ns = atime_ns
        self.mtime_ns = mtime_ns
        self.ctime_ns = ctime_ns
        self.blksize = blksize
        self.btime_ns = btime_ns
        """None where the filesystem keeps no birth time."""

    def __repr__(self) -> str:
        return f"Stat({', '.join(f'{n}={getattr(self, n)!r}' for n in self.__slots__)})"


_clock_fd = -1


def host_clock() -> int:
    """The host's wall clock as its filesystems read it (coarse, but never behind a stamp already
    given): stamps made here and stamps the host puts on memfds come in the order of events."""
    global _clock_fd
    if _clock_fd < 0:
        try:
            _clock_fd = os.memfd_create("ring3-clock", os.MFD_CLOEXEC)
        except AttributeError:
            return time.time_ns()  # no such host files whose stamps could differ
    os.utime(_clock_fd)
    return os.fstat(_clock_fd).st_mtime_ns


class Inode:
    """Base of all inodes. *mode*, *uid*, *gid* and *nlink* may be read at any time; on volatile
    filesystems (a host directory) they are as fresh as the last ``lookup`` or ``refresh``."""

    __slots__ = (
        "__weakref__", "fifo", "fs", "gid", "ino", "locks", "mapping", "mode", "nlink", "opens",
        "rdev", "socket", "texts", "uid", "watches", "writers",
    )  # fmt: skip

    trust: float = FOREVER
    """Seconds for which a name that led here may be used again without asking the directory.
    FOREVER: names change through the VFS only. 0: ask each time."""
    magic: ClassVar[bool] = False
    """A symbolic link that ``jump`` follows, not by its text (those of /proc/PID)."""

    def __init__(
        self, fs: Filesystem, ino: int, mode: int, uid: int = 0, gid: int = 0, rdev: int = 0
    ) -> None:
        self.fs = fs
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.nlink = 2 if mode & S_IFMT == S_IFDIR else 1
        self.opens = 0
        """Open file descriptions of this inode."""
        self.writers = 0
        """Open descriptions that may write: while there are any, this is no program (ETXTBSY)."""
        self.texts = 0
        """Processes whose program this is: nobody may write it meanwhile (ETXTBSY)."""
        self.fifo: Any = None
        """The pipe that the openers of this FIFO share (ipc.pipe)."""
        self.socket: Any = None
        """The AF_UNIX socket bound to this name (net)."""
        self.locks: Any = None
        """File locks held on this inode (syscalls/lock.py)."""
        self.watches: list[Any] | None = None
        """inotify watches (vfs.notify)."""
        self.mapping: FileMapping | None = None
        """The pages of this regular file that the machine keeps, where it keeps any."""

    @property
    def is_dir(self) -> bool:
        return self.mode & S_IFMT == S_IFDIR

    @property
    def is_regular(self) -> bool:
        return self.mode & S_IFMT == S_IFREG

    @property
    def is_symlink(self) -> bool:
        return self.mode & S_IFMT == S_IFLNK

    # --- attributes --------------------------------------------------------------------------
    def restamp(self) -> None:
        """Nothing happened to this inode before now (``Filesystem.use_clock``)."""

    def refresh(self) -> None:
        """Bring the attributes up to date (a host file may have changed by itself)."""

    def stat(self) -> Stat:
        """The attributes as last refreshed."""
        return Stat(self.fs.dev, self.ino, self.mode, self.nlink, self.uid, self.gid, self.rdev)

    def birth_time_ns(self) -> int | None:
        """When the file was made, where ``stat`` does not tell but somebody knows."""
        return None

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        """Change what is not None and set ctime. *mode* has permission bits only."""
        if mode is uid is gid is atime_ns is mtime_ns is None:
            return  # chown(2) with nothing to change
        raise EPERM(f"{self.fs.name} attributes cannot be changed")

    def truncate(self, size: int) -> None:
        """Set a regular file's size."""
        raise EINVAL

    def getxattr(self, name: bytes) -> bytes:
        """ENODATA if there is no such attribute, EOPNOTSUPP if there are none here at all."""
        raise EOPNOTSUPP

    def setxattr(self, name: bytes, value: bytes, flags: int) -> None:
        """*flags*: XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA)."""
        raise EOPNOTSUPP

    def listxattr(self) -> list[bytes]:
        return []

    def removexattr(self, name: bytes) -> None:
        raise ENODATA if name in self.listxattr() else EOPNOTSUPP

    # --- directories -------------------------------------------------------------------------
    def lookup(self, name: bytes) -> Inode | None:
        """The inode *name* leads to, attributes fresh, or None. Never "." or "..". ESTALE if this
        directory itself is no longer there: the walk is made again, trusting nothing."""
        raise ENOTDIR

    def absent(self, name: bytes) -> str:
        """Why *name* is not here, where there is more to say than that it is not."""
        return ""

    def check_alive(self) -> None:
        """ESTALE if this directory was removed behind the VFS's back."""

    def iterate(self) -> list[Entry]:
        """All entries but "." and ".."."""
        raise ENOTDIR

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """Make a regular file; *mode* is its final permission bits."""
        raise EPERM(f"{self.fs.name} takes no new files")

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        raise EPERM(f"{self.fs.name} takes no new directories")

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        raise EPERM(f"{self.fs.name} takes no new links")

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        """Make a FIFO, socket or device node; *mode* has the type bits."""
        raise EPERM(f"{self.fs.name} takes no new nodes")

    def tmpfile(self, mode: int, uid: int, gid: int, linkable: bool) -> Inode:
        """A regular file without a name (O_TMPFILE), nlink 0; *linkable*: link may give it one."""
        raise EOPNOTSUPP

    def link(self, name: bytes, inode: Inode) -> None:
        raise EPERM(f"{self.fs.name} has no hard links")

    def unlink(self, name: bytes, inode: Inode) -> None:
        """Remove *name*, which leads to *inode* and is no directory."""
        raise EPERM(f"{self.fs.name} names cannot be removed")

    def rmdir(self, name: bytes, inode: Inode) -> None:
        """Remove directory *name*. ENOTEMPTY."""
        raise EPERM(f"{self.fs.name} directories cannot be removed")

    def rename(
        self,
        name: bytes,
        inode: Inode,
        new_dir: Inode,
        new_name: bytes,
        target: Inode | None,
        exchange: bool,
    ) -> None:
        """Move *inode* from *name* here to *new_name* in *new_dir*, replacing *target* or, where
        *exchange* is set, swapping with it. ENOTEMPTY."""
        raise EPERM(f"{self.fs.name} names cannot be moved")

    # --- links, content ----------------------------------------------------------------------
    def readlink(self, who: Walker) -> bytes:
        """A symbolic link's text. EINVAL for anything else."""
        raise EINVAL("not a symbolic link")

    def jump(self, who: Walker) -> Place:
        """Where a magic link leads (``path.place_of`` makes a place of an open file)."""
        raise EINVAL("not a magic link")

    def open(self, who: Walker, place: Place, flags: int) -> File:
        """A new open file description (not for directories, O_PATH, FIFOs and devices, which
        ``vfs.open`` opens by itself). *flags* are open(2)'s without the creation flags; O_TRUNC
        stays set where content is to be dropped."""
        raise ENXIO

    def host_open(self, flags: int) -> int:
        """A new host descriptor of a regular file's content, with the access mode of *flags*; the
        caller closes it. ENODEV where no host object holds the content."""
        raise ENODEV

    def read_at(self, offset: int, size: int) -> bytes:
        """Content of a regular file, below any mapping (machine.base.FileContent)."""
        raise ENODEV

    def write_at(self, offset: int, data: bytes) -> None:
        """Change content inside a regular file's size, below any mapping."""
        raise ENODEV

    def content_size(self) -> int:
        """The size of a regular file at this moment."""
        self.refresh()
        return self.stat().size

    def stamp(self) -> object:
        """Changes when the content was changed by somebody outside (FileContent)."""
        return None

    def check_special(self) -> None:
        """Refuse here if this FIFO, socket or device must not be opened."""

    def open_path(self, place: Place, flags: int) -> File:
        """An O_PATH descriptor."""
        from ring3.vfs.directory import PathFile

        return PathFile(place, flags)

    def pin(self) -> None:
        """A mapping uses the content: its host object must stay the same until ``unpin``."""

    def unpin(self) -> None: ...

    def room(self, file: File, offset: int | None, size: int) -> int:
        """How many of *size* bytes may be written now at *offset* (None: the file position)."""
        return size

    def open_files(self) -> list[File]:
        """The open file descriptions with a host descriptor, where the inode keeps a list."""
        return []

    def forget(self, file: File) -> None:
        """*file*, which this inode's ``open`` made, is being released."""

    def unused(self) -> None:
        """An open file description of this inode went away (``opens`` is already counted)."""
