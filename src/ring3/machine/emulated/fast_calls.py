"""SYSCALL and SYSENTER, by the Operation sections of the Intel SDM (Vol. 2B).

The engine has no transition for either; the ways back (SYSRET, SYSEXIT) are its own.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated import segments
from ring3.machine.emulated.image import (
    AC,
    CS,
    CS_AND_SS,
    HF_ADDSEG,
    HF_CPL,
    HF_CS64,
    HF_INHIBIT_IRQ,
    IF,
    LONG_CODE,
    NT,
    R11,
    RCX,
    RF,
    RIP,
    RSP,
    SS,
    TF,
    VM,
    CpuImage,
)  # fmt: skip
from ring3.machine.emulated.offsets import EFER_SCE
from ring3.machine.emulated.telling import tell_entry

if TYPE_CHECKING:
    from ring3.machine.emulated.implicit import ImplicitMemory
    from ring3.machine.emulated.telling import Probe

LOCK: Final = 0xF0
LEGACY_PREFIXES: Final = bytes.fromhex("2e 36 3e 26 64 65 66 67 f2 f3 f0")
REX_PREFIXES: Final = bytes(range(0x40, 0x50))
SFMASK: Final = 0x257FD5
"""What SYSCALL clears (Linux's syscall_init): CF PF AF ZF SF TF IF DF OF IOPL NT RF AC ID."""
assert SFMASK & (IF | TF | AC | NT)


class FastCalls:
    """The two instructions, on one processor."""

    __slots__ = ("cpu", "flat", "memory", "probe")

    def __init__(self, cpu: CpuImage, memory: ImplicitMemory) -> None:
        self.cpu = cpu
        self.memory = memory
        self.probe: Probe | None = None
        self.flat: dict[int, bytes] = {}
        """CS and SS as they are loaded, by their selector."""

    def call_length(self) -> tuple[int, bool]:
        """The SYSCALL or SYSENTER at hand: its length with prefixes, whether it is none but #UD.

        That is so with LOCK (Vol. 2A, LOCK) and in a VEX encoding, C5 or C4 instead of 0F, which
        the engine takes for the same.
        """
        cpu = self.cpu
        start = cpu.q[RIP] + cpu.segment(CS)[1]
        code = self.memory.peek(start, 15)
        rest = code.lstrip(LEGACY_PREFIXES + (REX_PREFIXES if cpu.long_code else b""))
        prefixes = code[: len(code) - len(rest)]
        vex = {b"\xc5": 1, b"\xc4": 2}.get(rest[:1], 0)
        return len(prefixes) + 2 + vex, vex > 0 or LOCK in prefixes

    def syscall(self, length: int = 2) -> bool:
        """SYSCALL (Vol. 2B) of *length* bytes: False means #UD, with nothing changed.

        #UD unless in 64-bit mode with EFER.SCE; RCX = next RIP, R11 = RFLAGS, RIP = LSTAR, RFLAGS
        masked by SFMASK (and RF cleared), CS and SS flat from STAR[47:32], CPL 0. The stack pointer
        stays the user's: that is why the first instructions in ring 0 must not touch the stack.
        """
        cpu = self.cpu
        q = cpu.q
        at = cpu.at
        flags32 = cpu.hflags
        if not q[at.efer] & EFER_SCE or not flags32 & HF_CS64:
            return False
        before = cpu.registers() if self.probe is not None else None
        flags = cpu.rflags
        q[RCX] = q[RIP] + length
        q[R11] = flags & ~RF
        self.load_flat(q[at.star] >> 32 & 0xFFFC)
        cpu.hflags = flags32 & ~(HF_CPL | HF_INHIBIT_IRQ | HF_ADDSEG) | LONG_CODE
        cpu.rflags = flags & ~q[at.sfmask] & ~RF
        q[RIP] = q[at.lstar]
        if before is not None and self.probe is not None:
            reads = [(n, 0, getattr(cpu, n)) for n in ("efer", "star", "lstar", "sfmask")]
            tell_entry(self.probe, cpu, "syscall", None, None, before, reads, [])
        return True

    def sysenter(self) -> bool:
        """SYSENTER (Vol. 2B): RIP, RSP and CS from MSRs, VM and IF cleared, nothing saved.

        False means #GP(0), for IA32_SYSENTER_CS[15:2] is 0. Works from compatibility and 64-bit
        mode.
        """
        cpu = self.cpu
        selector = cpu.sysenter_cs & 0xFFFC
        if not selector:
            return False
        before = cpu.registers() if self.probe is not None else None
        flags = cpu.rflags
        self.load_flat(selector)
        cpu.hflags = cpu.hflags & ~(HF_CPL | HF_INHIBIT_IRQ | HF_ADDSEG) | LONG_CODE
        cpu.rflags = flags & ~(VM | IF | RF)
        cpu.q[RSP] = cpu.sysenter_esp
        cpu.q[RIP] = cpu.sysenter_eip
        if before is not None and self.probe is not None:
            reads = [("sysenter_cs", 0, selector), ("sysenter_esp", 0, cpu.sysenter_esp),
                     ("sysenter_eip", 0, cpu.sysenter_eip)]  # fmt: skip
            tell_entry(self.probe, cpu, "sysenter", None, None, before, reads, [])
        return True

    def load_flat(self, selector: int) -> None:
        """Load CS and SS as SYSCALL and SYSENTER do: fixed descriptors, nothing is read."""
        flat = self.flat.get(selector)
        if flat is not None:
            self.cpu.b[CS_AND_SS] = flat
            return
        cpu = self.cpu
        cpu.set_segment(CS, selector, 0, segments.FLAT_LIMIT, segments.KERNEL_CS_FLAGS)
        cpu.set_segment(SS, selector + 8, 0, segments.FLAT_LIMIT, segments.KERNEL_DS_FLAGS)
        self.flat[selector] = bytes(cpu.b[CS_AND_SS])
