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

if TYPE_CHECKING:
    pass

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

# Words of the cell that machine code and Python share.
LEFT: Final = 0
"""Blocks left; the hook that takes it below 0 stops the engine before its block."""
STOP: Final = 1
"""Address of uc_emu_stop."""
PORT: Final = 2
"""Port of the hypercall at hand, or -1."""
HFLAGS: Final = 3
"""Address of the live hflags; eflags lie 40 bytes before, the whole state 176 bytes."""
CHECK_IO: Final = 5
"""Addresses of QEMU's port checks for 1 and 2 bytes here, for 4 bytes three words on."""


def _assembled(listing: str) -> bytes:
    """The bytes of a *listing*: hex, two blanks, the instruction."""
    rows = (line.strip().partition("  ")[0] for line in listing.strip().splitlines())
    return bytes.fromhex("".join(rows))


# Functions that Unicorn calls by the System V convention, with the cell as the last argument.
BLOCK_CODE: Final = _assembled("""
    48ff09          dec  qword [rcx]            (uc rdi, address rsi, size edx, cell rcx)
    7801            js   stop
    c3              ret
    ff6108          stop: jmp [rcx+8]           uc_emu_stop(uc)
""")
# Ring 0: a hypercall. Otherwise, unless CPL <= IOPL: QEMU's check of the TSS bitmap, which raises
# #GP and does not return if the port is refused.
OUT_CODE: Final = _assembled("""
    4d8b4818        mov  r9, [r8+24]            (uc rdi, port esi, size edx, value ecx, cell r8)
    41f60103        test byte [r9], 3
    750a            jnz  user
    89f0            mov  eax, esi
    49894010        mov  [r8+16], rax
    41ff6008        jmp  [r8+8]                 uc_emu_stop(uc)
    418b41d8        user: mov eax, [r9-40]      eflags
    c1e80c          shr  eax, 12
    83e003          and  eax, 3
    458b11          mov  r10d, [r9]
    4183e203        and  r10d, 3
    4139c2          cmp  r10d, eax
    7701            ja   check
    c3              ret
    498db950ffffff  check: lea rdi, [r9-176]    the state
    41ff64d020      jmp  [r8+rdx*8+32]
""")
# The same for IN; nothing answers, so the value is all ones, as from an empty bus.
IN_CODE: Final = _assembled("""
    4c8b4918        mov  r9, [rcx+24]           (uc rdi, port esi, size edx, cell rcx)
    418b41d8        mov  eax, [r9-40]
    c1e80c          shr  eax, 12
    83e003          and  eax, 3
    458b11          mov  r10d, [r9]
    4183e203        and  r10d, 3
    4139c2          cmp  r10d, eax
    760d            jbe  allowed
    498db950ffffff  lea  rdi, [r9-176]
    51              push rcx
    ff54d120        call [rcx+rdx*8+32]
    59              pop  rcx
    83c8ff          allowed: or eax, -1
    c3              ret
""")


class Internals:
    """Exported internals of the library, each a function or None."""

    __slots__ = ("check_io", "flush", "flush_page", "invalidate", "update_cr3")

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
        self.update_cr3 = find("cpu_x86_update_cr3_x86_64", PTR, U64)
        checks = [find(f"helper_check_io{width}_x86_64", PTR, U32) for width in "bwl"]
        self.check_io = None if None in checks else checks


class MachineCode:
    """One executable page for hooks and one page for the cell they work on."""

    __slots__ = ("_code", "_data", "_end", "address", "cell")

    def __init__(self) -> None:
        """Raises OSError or ValueError where this host has no such pages."""
        machine = platform.machine().lower()
        if sys.platform == "win32" or machine not in ("x86_64", "amd64"):
            raise OSError("no machine code for this host")
        everything = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._code = mmap.mmap(-1, 4096, flags=flags, prot=everything)
        self._data = mmap.mmap(-1, 4096, flags=flags)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._data))
        self.cell = memoryview(self._data).cast("q")
        self._end = 0

    def add(self, code: bytes) -> int:
        """Append a function; its address."""
        start = self._end
        self._code[start : start + len(code)] = code
        self._end = start + len(code) + 15 & ~15
        return ctypes.addressof(ctypes.c_char.from_buffer(self._code)) + start
