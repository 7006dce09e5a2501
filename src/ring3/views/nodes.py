"""What procfs and sysfs are made of: directories by table, files whose text is made when read.

The text of a file is made at open and put into a memfd that the guest gets a read-only description
of: the native machine can bind that, and the program reads it at full speed. Seeking back to the
start makes the text anew, as programs that keep /proc files open expect. A file that can be
written is served by the kernel call by call where it is opened for writing.
"""

from __future__ import annotations

import os
from importlib import import_module

from ring3.abi.errno import EINVAL, EIO, ENFILE, ENOENT, EPERM, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from ring3.vfs.file import File
from ring3.vfs.inode import Inode, Stat
from ring3.vfs.mount import Filesystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.task.world import World
    from ring3.vfs.inode import Entry, Walker
    from ring3.vfs.path import Place

    Maker = Callable[[Walker], bytes]
    Taker = Callable[[Walker, bytes], None]
    Spec = tuple[int, str]
    """Mode with type bits, and what it is: for a file "module.function" of this room, for a link
    its text."""
    Table = dict[bytes, "Spec | Table"]

FIRST_INO = 0xF000_0000
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
MOST_WRITTEN = 4096
"""Bytes one write to a settings file may have."""


def function(name: str) -> Any:
    """The function that *name* ("module.function") stands for. Modules are loaded when used."""
    module, _, attribute = name.partition(".")
    return getattr(import_module("ring3.views." + module), attribute)


class ViewFs(Filesystem):
    """A tree that shows the kernel. Nothing can be made or removed in it."""

    blksize: ClassVar[int] = 1024
    file_size: ClassVar[int] = 0
    """What stat(2) says of every file."""
    strict: ClassVar[bool] = False
    """A name that does not exist is ENOENT even for who wants to make it (as /proc has it; in
    /sys it is a matter of permission)."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.last_ino = FIRST_INO

    def new_ino(self) -> int:
        self.last_ino += 1
        return self.last_ino


class ViewInode(Inode):
    __slots__ = ("stamp_ns",)

    fs: ViewFs

    def __init__(self, fs: ViewFs, mode: int, uid: int = 0, gid: int = 0, ino: int = 0) -> None:
        super().__init__(fs, ino or fs.new_ino(), mode, uid, gid)
        self.stamp_ns = fs.now_ns()

    def stat(self) -> Stat:
        st = super().stat()
        st.atime_ns = st.mtime_ns = st.ctime_ns = self.stamp_ns
        st.blksize = self.fs.blksize
        if self.mode & S_IFMT == S_IFREG:
            st.size = self.fs.file_size
        return st


class ViewLink(ViewInode):
    __slots__ = ("target",)

    def __init__(self, fs: ViewFs, target: bytes) -> None:
        super().__init__(fs, S_IFLNK | 0o777)
        self.target = target

    def readlink(self, who: Walker) -> bytes:
        return self.target


class ViewFile(ViewInode):
    """*name*: "module.function" that makes the text from (world, who). Where the mode lets anyone
    write, "set_" before the function's name takes what is written, as (world, who, data)."""

    __slots__ = ("name",)

    def __init__(self, fs: ViewFs, mode: int, name: str) -> None:
        super().__init__(fs, S_IFREG | mode)
        self.name = name

    def open(self, who: Walker, place: Place, flags: int) -> File:
        world = self.fs.world
        make = function(self.name)

        def text(reader: Walker) -> bytes:
            made: bytes = make(world, reader)
            return made

        if flags & O_ACCMODE == O_RDONLY:
            return Snapshot(who, text, flags)
        if not self.mode & 0o222:
            raise EPERM("this file cannot be written")
        module, _, attribute = self.name.partition(".")
        take = function(f"{module}.set_{attribute}")
        return Setting(who, text, lambda writer, data: take(world, writer, data), flags)

    def truncate(self, size: int) -> None:
        """Shells open settings with O_TRUNC."""


class ViewDir(ViewInode):
    """Entries by table, made when they are first looked up."""

    __slots__ = ("entries", "table")

    def __init__(self, fs: ViewFs, table: Table, mode: int = 0o555) -> None:
        super().__init__(fs, S_IFDIR | mode)
        self.table = table
        self.entries: dict[bytes, Inode] = {}
        self.nlink = 2 + sum(isinstance(spec, dict) for spec in table.values())

    def lookup(self, name: bytes) -> Inode | None:
        inode = self.find(name)
        if inode is None and self.fs.strict:
            raise ENOENT(f"no such file in {self.fs.name}")
        return inode

    def find(self, name: bytes) -> Inode | None:
        """The entry *name*, None if there is none."""
        inode = self.entries.get(name)
        if inode is None and name in self.table:
            inode = self.entries[name] = self.make(self.table[name])
        return inode

    def make(self, spec: Spec | Table) -> Inode:
        """The inode that *spec* describes."""
        if isinstance(spec, dict):
            return ViewDir(self.fs, spec)
        mode, what = spec
        if mode & S_IFMT == S_IFLNK:
            return ViewLink(self.fs, what.encode())
        return ViewFile(self.fs, mode & 0o777, what)

    def iterate(self) -> list[Entry]:
        found = []
        for name in self.table:
            inode = self.find(name)
            if inode is not None:
                found.append((name, inode.ino, inode.mode))
        return found


# --- open files -------------------------------------------------------------------------------
class Snapshot(File):
    """A text as it was when it was opened, or when the reader last went back to its start.

    It is in a memfd, which can be bound, or (``World.own_objects``) in ``text``, with ``fd`` -1.
    """

    __slots__ = ("fd", "make", "position", "text", "who")
    kind: ClassVar[str] = "regular"
    seekable: ClassVar[bool] = True

    def __init__(self, who: Walker, make: Maker, flags: int) -> None:
        super().__init__(flags)
        self.make = make
        self.who: Any = who
        """Who opened it: the text may depend on that (permissions, namespaces)."""
        content = make(who)
        self.fd = -1
        self.position = 0
        self.text = b""
        world = getattr(who, "world", None)
        if world is not None and world.own_objects:
            self.text = content
            return
        fd = new_memfd()
        try:
            write_all(fd, content)
            # A description of its own that cannot write: the first one goes.
            self.fd = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error) from None
        finally:
            os.close(fd)
        self.bind_fd = self.fd

    def renew(self) -> None:
        """Make the text anew. What is bound shows it too: it is the same memfd."""
        content = self.make(self.who)
        if self.fd < 0:
            self.text = content
            return
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error) from None
        try:
            os.ftruncate(fd, 0)
            write_all(fd, content)
        finally:
            os.close(fd)

    def read(self, size: int) -> bytes:
        if self.fd >= 0:
            return os.read(self.fd, size)
        data = self.text[self.position : self.position + size]
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        if self.fd < 0:
            self.position -= len(data)
            return
        os.lseek(self.fd, -len(data), SEEK_CUR)

    def pread(self, size: int, offset: int) -> bytes:
        if not offset:
            self.renew()
        if self.fd < 0:
            return self.text[offset : offset + size]
        try:
            return os.pread(self.fd, size, offset)
        except OSError as error:
            raise from_os_error(error) from None  # an offset past what files can have
        except OverflowError:
            raise EINVAL from None

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (SEEK_SET, SEEK_CUR):
            raise EINVAL("this file has no end")
        if offset == 0 and whence == SEEK_SET:
            self.renew()
        if self.fd < 0:
            offset += self.position if whence == SEEK_CUR else 0
            if not 0 <= offset < 1 << 63:
                raise EINVAL
            self.position = offset
            return offset
        try:
            return os.lseek(self.fd, offset, whence)
        except OSError as error:
            raise from_os_error(error) from None
        except OverflowError:
            raise EINVAL from None

    def sync(self, data_only: bool) -> None:
        raise EINVAL

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def new_memfd() -> int:
    try:
        return os.memfd_create("proc", os.MFD_CLOEXEC)
    except OSError as error:
        raise ENFILE(f"the kernel is out of descriptors: {error.strerror}") from None


def write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


class Setting(File):
    """A file that somebody opened for writing: each write is one new value."""

    __slots__ = ("content", "make", "position", "take", "who")
    kind: ClassVar[str] = "regular"
    seekable: ClassVar[bool] = True

    def __init__(self, who: Walker, make: Maker | None, take: Taker, flags: int) -> None:
        super().__init__(flags)
        self.who: Any = who
        self.make = make
        self.take = take
        self.position = 0
        self.content = b""

    def read(self, size: int) -> bytes:
        if self.make is None:
            raise EIO
        if self.position == 0:
            self.content = self.make(self.who)
        data = self.content[self.position : self.position + size]
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def write(self, data: bytes) -> int:
        if len(data) > MOST_WRITTEN:
            raise EINVAL("more than a page at once")
        self.take(self.who, data)
        self.position += len(data)
        return len(data)

    def pread(self, size: int, offset: int) -> bytes:
        if self.make is None:
            raise EIO
        return self.make(self.who)[offset : offset + size]

    def pwrite(self, data: bytes, offset: int) -> int:
        self.take(self.who, data)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.position
        elif whence != SEEK_SET:
            raise EINVAL
        if offset < 0:
            raise EINVAL
        self.position = offset
        return offset

    def truncate(self, size: int) -> None:
        """Nothing to cut off."""
