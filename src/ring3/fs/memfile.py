"""A regular file in memory: a memfd while it is open or mapped, packed bytes when it is not.

While open the memfd is the truth: bound descriptors write to it without the kernel knowing, so
size, blocks and times are read back from it. A closed file of up to PACK_MOST bytes becomes a
Python bytes object; a larger one keeps its memfd until too many lie idle, and then moves to the
filesystem's store (one memfd for all).
"""

from __future__ import annotations

import os

from ring3.abi.errno import EFBIG, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY, O_TRUNC
from ring3.abi.hints import TYPE_CHECKING
from ring3.fs.fileinode import MAX_SIZE, FileInode
from ring3.fs.store import extents, missing_pages, new_memfd
from ring3.vfs.hostcall import close
from ring3.vfs.regular import RegularFile, reopen

if TYPE_CHECKING:
    from ring3.fs.tmpfs import TmpFs
    from ring3.vfs.inode import Stat, Walker
    from ring3.vfs.path import Place

PACK_MOST = 65536
Packed = list[tuple[int, bytes]]
"""The parts of a packed file that are not holes: (offset, data)."""


class MemFile(FileInode):
    """Content in ``fd`` (a memfd) or, where that is -1, in ``packed`` or ``stored``."""

    __slots__ = ("fd", "host_ctime_ns", "packed", "stored")

    fs: TmpFs

    def __init__(self, fs: TmpFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.fd = -1
        self.packed: Packed = []
        self.stored: list[tuple[int, int, int]] = []
        """Where the content lies in the store: (file offset, store offset, length)."""
        self.host_ctime_ns = 0
        """The memfd's ctime when ``ctime_ns`` was last known to be right."""

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
    def read_at(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self.content(), size, offset)
        except OSError as error:
            raise from_os_error(error) from None
        finally:
            self.settle()

    def write_at(self, offset: int, data: bytes) -> None:
        try:
            os.pwrite(self.content(), data, offset)
        except OSError as error:
            raise from_os_error(error) from None
        finally:
            self.settle()

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

    def host_open(self, flags: int) -> int:
        try:
            return reopen(self.content(), flags)
        finally:
            self.settle()

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
        now = self.fs.now_ns()
        self.ctime_ns = now
        self.set_times(None, now)

    def drop_content(self) -> None:
        """Forget the content: size 0."""
        self.size = 0
        self.packed = []
        self.fs.store.free(self.stored)
        self.stored = []
        self.account(0)

    def missing(self, start: int, end: int) -> int:
        """Pages of a range that have no memory yet."""
        return missing_pages(self.content(), start, end)

    # --- packing -----------------------------------------------------------------------------
    def pin(self) -> None:
        super().pin()
        self.content()

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
