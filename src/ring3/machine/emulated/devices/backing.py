"""Where a disk's sectors are: a file of the host, or bytes that go with the machine."""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ring3.abi.hints import IO


class Backing(Protocol):
    size: int
    """In bytes."""

    def read_at(self, offset: int, size: int) -> bytes: ...
    def write_at(self, offset: int, data: bytes | memoryview) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class MemoryBacking:
    """A disk without a host file: what is written is gone with the machine."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = bytearray(data)
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        self.data[offset : offset + len(data)] = data

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FileBacking:
    """A disk image on the host. OSError where it cannot be opened that way."""

    __slots__ = ("file", "size", "writable")

    def __init__(self, path: str | os.PathLike[str], writable: bool) -> None:
        # Plain seek and read: pread(2) is not everywhere that Python runs.
        self.file: IO[bytes] = open(path, "r+b" if writable else "rb", buffering=0)
        self.writable = writable
        self.size = self.file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, size: int) -> bytes:
        """Short where the host's file has shrunk meanwhile."""
        self.file.seek(offset)
        found = self.file.read(size)
        while len(found) < size:
            more = self.file.read(size - len(found))
            if not more:
                break
            found += more
        return found

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        self.file.seek(offset)
        rest = memoryview(data)
        while rest:
            done = self.file.write(rest)
            rest = rest[done:]

    def flush(self) -> None:
        if self.writable:
            os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()
