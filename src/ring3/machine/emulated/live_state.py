"""Looks for the processor's state inside Unicorn, which hands out copies only.

Memory is read through /proc/self/mem, where a wrong address is an error instead of a crash; hosts
without it do without the live state.
"""

from __future__ import annotations

import os


def find(handle: int, wanted: bytes) -> tuple[int, int]:
    """(the CPU's address, its state's), where the state begins with *wanted*; (0, 0) if not found.

    It lies behind two pointers, the first of them in what *handle* points to.
    """
    try:
        mem = os.open("/proc/self/mem", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return 0, 0
    try:
        for place in pointers(mem, handle, 0x1000, 0x1B8):
            for env in pointers(mem, place, 0x400, 0x128):
                if read(mem, env, len(wanted)) == wanted:
                    return place, env
    finally:
        os.close(mem)
    return 0, 0


def read(mem: int, address: int, size: int) -> bytes:
    try:
        return os.pread(mem, size, address)
    except (OSError, OverflowError):
        return b""


def pointers(mem: int, address: int, size: int, likely: int) -> list[int]:
    """The words in memory that look like pointers, that at offset *likely* first."""
    data = memoryview(read(mem, address, size)).cast("Q")
    order = [likely // 8, *range(len(data))]
    return [data[i] for i in order if i < len(data) and 0x1000 < data[i] < 1 << 47]
