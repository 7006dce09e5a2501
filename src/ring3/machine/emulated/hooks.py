"""Unicorn's C interface: hooks without the binding's wrapper, and the few internals worth having.

A hook is a ctypes callback (0.2 to 0.5 us) or, where the host is x86-64 and lets us have an
executable page, a few bytes of machine code. Both do the same, to the block.

The Linux build of Unicorn exports its internals; ``Internals`` looks up those that save work
(flushing one page, invalidating by physical address, QEMU's own port check). Without them the
engine does the same in a slower way.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.hooks_code import HOOKS

if TYPE_CHECKING:
    from ring3.machine.emulated.offsets import Offsets

HOOK_INTR: Final = 1
HOOK_INSN: Final = 2
HOOK_CODE: Final = 4
HOOK_BLOCK: Final = 8
HOOK_INSN_INVALID: Final = 1 << 14
INSN_CPUID, INSN_IN, INSN_OUT, INSN_RDTSC, INSN_RDTSCP = 113, 218, 500, 608, 609
INSN_SYSCALL, INSN_SYSENTER = 699, 700

VOID, INT, U32, U64, PTR = (
    None,
    ctypes.c_int,
    ctypes.c_uint32,
    ctypes.c_uint64,
    ctypes.c_void_p,
)

# Words of the cell that machine code (hooks.S) and Python share.
LEFT: Final = 0
"""Blocks left; the hook that takes it below 0 stops the engine before its block."""
STOP: Final = 1
"""Address of uc_emu_stop."""
PORT: Final = 2
"""Port of the hypercall at hand, or -1."""
STATE: Final = 3
"""Address of the live state."""
CHECK_IO: Final = 5
"""Addresses of QEMU's port checks for 1 and 2 bytes here, for 4 bytes three words on."""
MODEL: Final = 9
"""The Python callback for SYSCALL."""
PROBED: Final = 10
"""Not 0: a probe wants to be told, so that every transition goes through Python."""
COMPUTE_FLAGS: Final = 11
"""Address of QEMU's function for lazily kept flags."""

PLAIN: Final = 128
"""Where the table of known plain SYSCALLs begins: PLAIN_ENTRIES pairs (rip, CR3)."""
PLAIN_ENTRIES: Final = 128

MARKS: Final = {"efer": 0x7E000100, "star": 0x7E000200, "lstar": 0x7E000300, "sfmask": 0x7E000400}


def placed(name: str, at: Offsets) -> bytes:
    """Machine code of hook *name* for a state with these offsets."""
    code = bytes.fromhex(HOOKS[name])
    for field, mark in MARKS.items():
        place = 8 * getattr(at, field)
        for inside in (0, 4):
            old = (mark + inside).to_bytes(4, "little")
            code = code.replace(old, (place + inside).to_bytes(4, "little"))
    return code


class Internals:
    """Exported internals of the library, each a function or None."""

    __slots__ = ("check_io", "compute_flags", "flush", "flush_page", "invalidate")

    def __init__(self, library: ctypes.CDLL) -> None:
        def find(name: str, *arguments: Any) -> Any:
            try:
                function = getattr(library, name)
            except AttributeError:
                return None
            function.argtypes = arguments
            function.restype = None
            return function

        self.flush = find("tlb_flush_x86_64", PTR)
        self.flush_page = find("tlb_flush_page_x86_64", PTR, U64)
        self.invalidate = find("tb_invalidate_phys_range_x86_64", PTR, U64, U64)
        checks = [find(f"helper_check_io{width}_x86_64", PTR, U32) for width in "bwl"]
        self.check_io = None if None in checks else checks
        self.compute_flags = find("cpu_cc_compute_all_x86_64", PTR, INT)


class MachineCode:
    """One executable page for hooks and one page for the cell they work on."""

    __slots__ = ("address", "cell", "code", "data", "end")

    def __init__(self) -> None:
        """Raises OSError or ValueError where this host has no such pages."""
        machine = platform.machine().lower()
        if sys.platform == "win32" or machine not in ("x86_64", "amd64"):
            raise OSError("no machine code for this host")
        everything = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.code = mmap.mmap(-1, 4096, flags=flags, prot=everything)
        self.data = mmap.mmap(-1, 4096, flags=flags)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self.cell = memoryview(self.data).cast("q")
        self.end = 0

    def add(self, code: bytes) -> int:
        """Append a function; its address."""
        start = self.end
        self.code[start : start + len(code)] = code
        self.end = start + len(code) + 15 & ~15
        return ctypes.addressof(ctypes.c_char.from_buffer(self.code)) + start
