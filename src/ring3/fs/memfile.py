"""A regular file in memory: a memfd while it is open or mapped, packed bytes when it is not.

While open the memfd is the truth: bound descriptors write to it without the kernel knowing, so
size, blocks and times are read back from it. A closed file of up to PACK_MOST bytes becomes a
Python bytes object; a larger one keeps its memfd until too many lie idle, and then moves to the
filesystem's store (one memfd for all).
"""

from __future__ import annotations

import os

from ring3.abi.errno import EFBIG, EINVAL, ENFILE, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY, O_TRUNC
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFREG
from ring3.fs.meminode import MemInode
from ring3.vfs.hostcall import close
from ring3.vfs.inode import now_ns
from ring3.vfs.regular import RegularFile, reopen

if TYPE_CHECKING:
    from ring3.fs.tmpfs import TmpFs
    from ring3.vfs.file import File
    from ring3.vfs.inode import Stat, Walker
    from ring3.vfs.path import Place

PACK_MOST = 65536
PAGE = 4096
MFD_EXEC = 0x10
MAX_SIZE = (1 << 63) - 1
"""Linux's MAX_LFS_FILESIZE on 64 bits."""

Packed = list[tuple[int, bytes]]
"""The parts of a packed file that are not holes: (offset, data)."""


def new_memfd() -> int:
    """A memfd that asks for no seals. ENFILE when the kernel process is out of descriptors."""
    try:
        return os.memfd_create("ring3", os.MFD_CLOEXEC | MFD_EXEC)
    except OSError:
        pass  # a host before 6.3, or one that allows no executable memfds
    try:
        return os.memfd_create("ring3", os.MFD_CLOEXEC)
    except OSError as error:
        raise ENFILE(f"memfd: {error.strerror}") from None


def extents(fd: int, start: int, end: int) -> list[tuple[int, int]]:
    """The (start, end) of the data, as opposed to holes, of *fd* within a range."""
    found = []
    at = start
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break  # ENXIO: only a hole is left
        if at >= end:
            break
        stop = min(os.lseek(fd, at, os.SEEK_HOLE), end)
        found.append((at, stop))
        at = stop
    return found


class MemFile(MemInode):
    """Content in ``fd`` (a memfd) or, where that is -1, in ``packed`` or ``stored``."""

    __slots__ = ("blocks", "fd", "files", "host_ctime_ns", "linkable", "packed", "pins", "stored")

    fs: TmpFs

    def __init__(self, fs: TmpFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, S_IFREG | mode, uid, gid)
        self.blocks = 0
        self.fd = -1
        self.packed: Packed = []
        self.stored: list[tuple[int, int, int]] = []
        """Where the content lies in the store: (file offset, store offset, length)."""
        self.files: list[File] = []
        self.pins = 0
        self.host_ctime_ns = 0
        """The memfd's ctime when ``ctime_ns`` was last known to be right."""
        self.linkable = False
        """Made by O_TMPFILE: may get a name though it has none."""

    # --- attributes --------------------------------------------------------------------------
    def refresh(self) -> None:
        fd = self.fd
        if fd < 0:
            return
        st = os.fstat(fd)
        self.size = st.st_size
        self.atime_ns = st.st_atime_ns
        self.mtime_ns = st.st_mtime_ns
        changed = st.st_ctime_ns
        if changed != self.host_ctime_ns:
            self.host_ctime_ns = changed
            if changed > self.ctime_ns:
                self.ctime_ns = changed
        self.account(st.st_blocks)

    def account(self, blocks: int) -> None:
        """The content now takes *blocks* units of 512 bytes."""
        if blocks != self.blocks:
            self.fs.used += (blocks - self.blocks) * 512
            self.blocks = blocks

    def fill(self, st: Stat) -> None:
        st.size = self.size
        st.blocks = self.blocks

    def set_times(self, atime_ns: int | None, mtime_ns: int | None) -> None:
        self.refresh()
        super().set_times(atime_ns, mtime_ns)
        if self.fd >= 0:
            os.utime(self.fd, ns=(self.atime_ns, self.mtime_ns))
            self.host_ctime_ns = os.fstat(self.fd).st_ctime_ns

    # --- content -----------------------------------------------------------------------------
    def content(self) -> int:
        """The memfd with the content, made where there is none."""
        if self.fd < 0:
            fd = new_memfd()
            try:
                self.load_into(fd)
            except OSError as error:
                close(fd)
                raise from_os_error(error) from None
            self.fd = fd
            self.packed = []
            self.fs.store.free(self.stored)
            self.stored = []
            st = os.fstat(fd)
            self.host_ctime_ns = st.st_ctime_ns
            self.account(st.st_blocks)
            self.fs.live[self] = None
        elif self.fs.idle and self in self.fs.idle:
            del self.fs.idle[self]
            self.fs.live[self] = None
        return self.fd

    def close(self) -> None:
        """Give the memfd back."""
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        self.fs.live.pop(self, None)
        self.fs.idle.pop(self, None)

    def load_into(self, fd: int) -> None:
        """Write size, content and times to the empty memfd *fd*."""
        if self.size:
            os.ftruncate(fd, self.size)
        for offset, data in self.packed:
            os.pwrite(fd, data, offset)
        for offset, at, length in self.stored:
            self.fs.store.copy_out(fd, offset, at, length)
        os.utime(fd, ns=(self.atime_ns, self.mtime_ns))

    def open(self, who: Walker, place: Place, flags: int) -> RegularFile:
        if flags & O_TRUNC:
            self.truncate(0)
            self.touch()
        file = self.description(flags & ~O_TRUNC)
        self.files.append(file)
        return file

    def description(self, flags: int) -> RegularFile:
        """A new open file description, not yet in ``files``."""
        fd = self.content()
        bindable = flags & O_ACCMODE == O_RDONLY or not self.fs.is_tight()
        return RegularFile(self, reopen(fd, flags), flags, bindable)

    def truncate(self, size: int) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise EFBIG
        if self.fd < 0:
            if size == self.size:
                return
            if size == 0:
                self.drop_content()
                self.touch()
                return
        fd = self.content()
        try:
            os.ftruncate(fd, size)
        except OSError as error:
            raise from_os_error(error) from None
        finally:
            self.settle()

    def touch(self) -> None:
        """The content changed now."""
        now = now_ns()
        self.ctime_ns = now
        self.set_times(None, now)

    def drop_content(self) -> None:
        """Forget the content: size 0."""
        self.size = 0
        self.packed = []
        self.fs.store.free(self.stored)
        self.stored = []
        self.account(0)

    def room(self, file: File, offset: int | None, size: int) -> int:
        return self.fs.room(self, file, offset, size)

    # --- packing -----------------------------------------------------------------------------
    def pin(self) -> None:
        self.pins += 1
        self.content()

    def unpin(self) -> None:
        self.pins -= 1
        self.settle()

    def open_files(self) -> list[File]:
        return self.files

    def forget(self, file: File) -> None:
        if file in self.files:
            self.files.remove(file)
        self.settle()

    def unused(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Pack, or drop, content that nobody has open."""
        if self.files or self.pins or self.opens:
            return
        if not self.nlink:
            self.close()
            self.drop_content()
            return
        if self.fd < 0:
            return
        self.refresh()
        if self.size <= PACK_MOST:
            self.pack()
        else:
            self.fs.now_idle(self)

    def pack(self) -> None:
        """Move a small file's content out of its memfd."""
        fd, size = self.fd, self.size
        if self.blocks * 512 >= size:
            self.packed = [(0, os.pread(fd, size, 0))] if size else []
        else:
            self.packed = [
                (start, os.pread(fd, end - start, start)) for start, end in extents(fd, 0, size)
            ]
        self.close()

    def move_to_store(self) -> None:
        """Move an idle large file's content to the common store."""
        self.refresh()
        self.stored = [
            (start, self.fs.store.copy_in(self.fd, start, end - start), end - start)
            for start, end in extents(self.fd, 0, self.size)
        ]
        self.close()

    def __del__(self) -> None:
        if self.fd >= 0:
            close(self.fd)


class Store:
    """One memfd for the content of many closed files. Offsets only grow; what is freed is a hole
    again at once, so it takes no memory."""

    __slots__ = ("fd", "tail")

    def __init__(self) -> None:
        self.fd = -1
        self.tail = 0

    def copy_in(self, fd: int, start: int, length: int) -> int:
        """Append *length* bytes of *fd*; return where they are now."""
        if self.fd < 0:
            self.fd = new_memfd()
        at = self.tail
        os.lseek(self.fd, at, os.SEEK_SET)
        self.tail += -(-length // PAGE) * PAGE
        send(self.fd, fd, start, length)
        return at

    def copy_out(self, fd: int, offset: int, at: int, length: int) -> None:
        os.lseek(fd, offset, os.SEEK_SET)
        send(fd, self.fd, at, length)

    def free(self, parts: list[tuple[int, int, int]]) -> None:
        if not parts:
            return
        from ring3.vfs.hostcall import punch

        for _, at, length in parts:
            # The window has to lie inside the file.
            end = at + -(-length // PAGE) * PAGE
            if os.fstat(self.fd).st_size < end:
                os.ftruncate(self.fd, end)
            punch(self.fd, at, length)

    def close(self) -> None:
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()


def send(out: int, source: int, start: int, length: int) -> None:
    """Copy *length* bytes of *source* from *start* on to the position of *out*, in the host."""
    while length > 0:
        try:
            done = os.sendfile(out, source, start, min(length, 1 << 30))
        except OSError as error:
            if error.errno != EINVAL.number:
                raise
            data = os.pread(source, min(length, 1 << 20), start)
            done = os.write(out, data)
        if done == 0:
            return  # the source got shorter meanwhile: the rest stays a hole
        start += done
        length -= done


def missing_pages(fd: int, start: int, end: int) -> int:
    """Pages of the range that have no memory yet."""
    first, last = start // PAGE, -(-end // PAGE)
    have = sum(-(-b // PAGE) - a // PAGE for a, b in extents(fd, first * PAGE, last * PAGE))
    return max(0, last - first - have)
