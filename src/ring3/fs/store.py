"""Memfds: making them, copying between them, and one that holds the content of many files."""

from __future__ import annotations

import os

from ring3.abi.errno import EINVAL, ENFILE
from ring3.abi.mman import MFD_EXEC
from ring3.vfs.hostcall import close, punch

PAGE = 4096


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
