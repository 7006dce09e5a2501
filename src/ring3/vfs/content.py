"""Open regular files whose content the kernel reaches through their inode, not by a descriptor.

The position is the description's own. Used where no host object is to stand behind a file (the
emulated machine): the same calls as ``vfs.regular``, with the same results.
"""

from __future__ import annotations

from ring3.abi.errno import EBADF, EFBIG, EINVAL, ENODEV, ENOSPC, ENXIO, EOPNOTSUPP
from ring3.abi.fcntl import (
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    O_APPEND,
    O_NOATIME,
)
from ring3.abi.hints import TYPE_CHECKING, Protocol
from ring3.abi.inotify import IN_ACCESS, IN_MODIFY
from ring3.abi.mman import PROT_WRITE
from ring3.abi.mount import MS_NOATIME
from ring3.vfs import notify
from ring3.vfs.regular import RegularFile

if TYPE_CHECKING:
    from ring3.abi.types import Memory

SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE = 0, 1, 2, 3, 4
MAX_SIZE = (1 << 63) - 1


class Owned(Protocol):
    """What this module asks of an inode beyond ``Inode`` (fs.ownfile)."""

    def write_content(self, offset: int, data: bytes) -> None: ...
    def zero_content(self, start: int, end: int, keep: bool) -> None: ...
    def allocate_content(self, start: int, end: int) -> None: ...
    def resize_content(self, size: int) -> None: ...
    def check_size(self, size: int) -> None: ...
    def next_data(self, offset: int) -> int: ...
    def next_hole(self, offset: int) -> int: ...
    def was_read(self) -> None: ...
    def mapping_fd(self, writes: bool) -> int: ...
    def check_map(self, writes: bool) -> None: ...


class ContentFile(RegularFile):
    """An open description with a position of its own; ``fd`` stays -1."""

    __slots__ = ("own", "position")

    def __init__(self, inode: Owned, flags: int) -> None:
        super().__init__(inode, -1, flags, bindable=False)  # type: ignore[arg-type]
        self.own = inode
        self.position = 0

    # --- data --------------------------------------------------------------------------------
    def get(self, offset: int, size: int) -> bytes:
        if offset < 0:
            raise EINVAL("negative offset")
        inode = self._inode
        if inode.mapping is not None:
            inode.mapping.before_read(offset, size)
        data = inode.read_at(offset, size)
        if data:
            mount = self.place.mount if self.place is not None else None
            if not self.flags & O_NOATIME and not (mount and mount.flags & MS_NOATIME):
                self.own.was_read()
            if notify.active:
                self._tell(IN_ACCESS)
        return data

    def put(self, data: bytes, offset: int) -> int:
        if offset < 0:
            raise EINVAL("negative offset")
        inode = self._inode
        if data and offset >= MAX_SIZE:
            raise EFBIG
        data = data[: MAX_SIZE - offset]
        room = inode.room(self, offset, len(data))
        if room < len(data):
            data = self._fit(data, room)
        if not self.privileged:
            self._strip()
        if not data:
            return 0
        self.own.write_content(offset, data)
        if notify.active:
            self._tell(IN_MODIFY)
        return len(data)

    def read(self, size: int) -> bytes:
        data = self.get(self.position, size)
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def write(self, data: bytes) -> int:
        if self.flags & O_APPEND:
            self.position = self._inode.content_size()
        done = self.put(data, self.position)
        self.position += done
        return done

    def pread(self, size: int, offset: int) -> bytes:
        return self.get(offset, size)

    def pwrite(self, data: bytes, offset: int) -> int:
        # As Linux does, whatever POSIX says: O_APPEND goes before the offset.
        if self.flags & O_APPEND:
            offset = self._inode.content_size()
        return self.put(data, offset)

    def seek(self, offset: int, whence: int) -> int:
        size = self._inode.content_size()
        if whence == SEEK_CUR:
            offset += self.position
        elif whence == SEEK_END:
            offset += size
        elif whence in (SEEK_DATA, SEEK_HOLE):
            if not 0 <= offset < size:
                raise ENXIO("beyond the end")
            offset = (self.own.next_data if whence == SEEK_DATA else self.own.next_hole)(offset)
            if whence == SEEK_DATA and offset >= size:
                raise ENXIO("only a hole is left")
        elif whence != SEEK_SET:
            raise EINVAL("whence")
        if not 0 <= offset <= MAX_SIZE:
            raise EINVAL("offset out of range")
        self.position = offset
        return offset

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """As shmem_fallocate(): allocate, or punch holes; no other mode."""
        if not self.writable:
            raise EBADF("not open for writing")
        if mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE):
            raise EOPNOTSUPP("zeroing ranges" if mode & FALLOC_FL_ZERO_RANGE else "mode")
        end = offset + length
        if mode & FALLOC_FL_PUNCH_HOLE:
            self.own.zero_content(offset, end, keep=False)
        else:
            if not mode & FALLOC_FL_KEEP_SIZE:
                self.own.check_size(max(end, self._inode.content_size()))
            if self._inode.room(self, offset, length) < length:
                raise ENOSPC
            self.own.allocate_content(offset, end)
            if not mode & FALLOC_FL_KEEP_SIZE and end > self._inode.content_size():
                self.own.resize_content(end)
        if notify.active:
            self._tell(IN_MODIFY)

    def sync(self, data_only: bool) -> None:
        """There is nothing behind this memory."""

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        from ring3.abi.errno import ENOTTY
        from ring3.abi.ioctl import FIONREAD

        if request != FIONREAD:
            raise ENOTTY
        left = self._inode.content_size() - self.position
        memory.store(arg, (left & 0xFFFFFFFF).to_bytes(4, "little"))
        return 0

    # --- status and binding ------------------------------------------------------------------
    def set_status(self, flags: int) -> None:
        self.flags = flags

    def map_fd(self, prot: int, shared: bool) -> int:
        self.check_map(prot, shared)
        fd = self.own.mapping_fd(shared and self.writable)
        if fd < 0:
            raise ENODEV
        return fd

    def check_map(self, prot: int, shared: bool) -> None:
        super().check_map(prot, shared)
        self.own.check_map(bool(shared and prot & PROT_WRITE))

    def rebind(self, fd: int) -> None:
        raise AssertionError("there is no descriptor to replace")

    def release(self) -> None:
        self._inode.forget(self)
