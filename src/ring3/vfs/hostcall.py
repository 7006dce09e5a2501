"""Host system calls that Python's os module lacks. ctypes is loaded at the first use only."""

from __future__ import annotations

import os

from ring3.abi.errno import BY_NUMBER, EIO
from ring3.abi.hints import Any

_libc: Any = None


def libc() -> Any:
    global _libc
    if _libc is None:
        import ctypes

        _libc = ctypes.CDLL(None, use_errno=True)
    return _libc


def fail() -> None:
    """Raise the host's last error as ours."""
    import ctypes

    kind = BY_NUMBER.get(ctypes.get_errno(), EIO)
    raise kind


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2) with any mode."""
    import ctypes

    call = libc().fallocate
    off = ctypes.c_int64
    if call(fd, mode, off(offset), off(length)):
        fail()


def rename_exchange(old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
    """renameat2(2) with RENAME_EXCHANGE."""
    import ctypes

    if libc().renameat2(old_dir, old, new_dir, new, ctypes.c_uint(2)):
        fail()


def birth_time_ns(fd: int, name: bytes = b"") -> int | None:
    """stx_btime of *name* in *fd* (or of *fd* itself), where the host keeps one."""
    import ctypes

    buf = ctypes.create_string_buffer(256)
    at_empty, nofollow, btime = 0x1000, 0x100, 0x800
    if libc().statx(fd, name, at_empty | nofollow, ctypes.c_uint(btime), buf):
        return None
    raw = buf.raw
    if not int.from_bytes(raw[:4], "little") & btime:
        return None
    sec = int.from_bytes(raw[80:88], "little", signed=True)
    return sec * 1_000_000_000 + int.from_bytes(raw[88:92], "little")


def punch(fd: int, offset: int, length: int) -> None:
    """Give the memory of a range of a memfd back, without ctypes."""
    import mmap

    page = mmap.PAGESIZE
    start = offset // page * page
    end = -(-(offset + length) // page) * page
    with mmap.mmap(fd, end - start, offset=start) as window:
        window.madvise(mmap.MADV_REMOVE)


def close(fd: int) -> None:
    """Close *fd*, which may be closed already at interpreter exit."""
    try:
        os.close(fd)
    except OSError:
        pass
