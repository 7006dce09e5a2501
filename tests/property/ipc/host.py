"""Raw calls on the host, for the kinds of objects that Python's os module does not know."""

from __future__ import annotations

import ctypes
from typing import Any

from ring3.abi.syscalls_x86_64 import NUMBERS

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def raw(name: str, *args: Any) -> int:
    """The host's result of call *name*, or minus its errno."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result: int = _libc.syscall(ctypes.c_long(NUMBERS[name]), *words)
    return result if result != -1 else -ctypes.get_errno()
