"""Typed access to the processor's state, live or saved.

Unicorn keeps a processor in one C structure (QEMU's CPUX86State). ``CpuImage`` reads and writes
that structure's bytes: the live one where its address is known, else the copy that Unicorn's
context calls hand out; a saved thread is such a copy too, so the same class serves all three.
Where the fields lie whose place differs is found at start (``offsets``).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.arithmetic_flags import compute
from ring3.machine.emulated.layout import WORD

if TYPE_CHECKING:
    from ring3.machine.emulated.offsets import Offsets

GPRS: Final = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
R8, R9, R10, R11, R12, R13, R14, R15 = range(8, 16)
RIP: Final = 16
"""Index of the instruction pointer among the image's 64-bit words; the registers come before."""
ES, CS, SS, DS, FS, GS, LDT, TR, GDT, IDT = range(10)

CF, PF, AF, ZF, SF, TF, IF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
IOPL, NT, RF, VM, AC = 0x3000, 0x4000, 0x10000, 0x20000, 0x40000
ARITHMETIC: Final = CF | PF | AF | ZF | SF | OF

HF_CPL: Final = 3
HF_INHIBIT_IRQ: Final = 1 << 3
"""The shadow of STI and MOV SS."""
HF_CS32: Final = 1 << 4
HF_SS32: Final = 1 << 5
HF_ADDSEG: Final = 1 << 6
HF_CS64: Final = 1 << 15
HF_SMAP: Final = 1 << 23
LONG_CODE: Final = HF_CS32 | HF_SS32 | HF_CS64
"""hflags of 64-bit code."""

# The head of the structure, as bytes; unchanged since QEMU 1.0.
EFLAGS_AT: Final = 136
CC_DST_AT: Final = 144
CC_SRC_AT: Final = 152
CC_SRC2_AT: Final = 160
CC_OP_AT: Final = 168
DF_AT: Final = 172
HFLAGS_AT: Final = 176
SEGS_AT: Final = 184
SEG_SIZE: Final = 24
CR_AT: Final = SEGS_AT + 10 * SEG_SIZE

CS_AND_SS: Final = slice(SEGS_AT + SEG_SIZE * CS, SEGS_AT + SEG_SIZE * (SS + 1))
"""The bytes of two neighbours that some transitions load together."""
CS_ONLY: Final = slice(SEGS_AT + SEG_SIZE * CS, SEGS_AT + SEG_SIZE * (CS + 1))
# Indices for the paths where a property costs too much: of 32-bit words ...
HFLAGS: Final = HFLAGS_AT >> 2
CS_SELECTOR: Final = (SEGS_AT + SEG_SIZE * CS) >> 2
SS_SELECTOR: Final = (SEGS_AT + SEG_SIZE * SS) >> 2
GDT_LIMIT: Final = (SEGS_AT + SEG_SIZE * GDT + 16) >> 2
IDT_LIMIT: Final = (SEGS_AT + SEG_SIZE * IDT + 16) >> 2
TR_LIMIT: Final = (SEGS_AT + SEG_SIZE * TR + 16) >> 2
# ... and of 64-bit words.
GDT_BASE: Final = (SEGS_AT + SEG_SIZE * GDT + 8) >> 3
IDT_BASE: Final = (SEGS_AT + SEG_SIZE * IDT + 8) >> 3
TR_BASE: Final = (SEGS_AT + SEG_SIZE * TR + 8) >> 3
CC_EFLAGS: Final = 1
"""cc_op: the flags are in cc_src as they stand, no operation is left to compute them from."""


def word_at(index: int, doc: str) -> property:
    def get(self: CpuImage) -> int:
        return self.q[index]

    def put(self: CpuImage, value: int) -> None:
        self.q[index] = value & WORD

    return property(get, put, doc=doc)


def msr(name: str, doc: str) -> property:
    def get(self: CpuImage) -> int:
        value: int = self.q[getattr(self.at, name)]
        return value

    def put(self: CpuImage, value: int) -> None:
        self.q[getattr(self.at, name)] = value & WORD

    return property(get, put, doc=doc)


def selector_of(index: int, doc: str) -> property:
    def get(self: CpuImage) -> int:
        return self.d[(SEGS_AT + SEG_SIZE * index) >> 2]

    return property(get, doc=doc)


def base_of(index: int, doc: str) -> property:
    return word_at((SEGS_AT + SEG_SIZE * index + 8) >> 3, doc)


class CpuImage:
    """One processor state: ``q`` are its 64-bit words, ``d`` its 32-bit words."""

    __slots__ = ("at", "b", "d", "q")

    def __init__(self, buffer: bytearray | memoryview, at: Offsets) -> None:
        """View *buffer* (at least ``at.size`` bytes, 8-byte aligned, writable)."""
        whole = memoryview(buffer)[: at.size]
        self.at = at
        self.b = whole
        self.q = whole.cast("Q")
        self.d = whole.cast("I")

    rax = word_at(RAX, "")
    rcx = word_at(RCX, "")
    rdx = word_at(RDX, "")
    rbx = word_at(RBX, "")
    rsp = word_at(RSP, "")
    rbp = word_at(RBP, "")
    rsi = word_at(RSI, "")
    rdi = word_at(RDI, "")
    r8 = word_at(R8, "")
    r9 = word_at(R9, "")
    r10 = word_at(R10, "")
    r11 = word_at(R11, "")
    r12 = word_at(R12, "")
    r13 = word_at(R13, "")
    r14 = word_at(R14, "")
    r15 = word_at(R15, "")
    rip = word_at(RIP, "")
    es = selector_of(ES, "")
    cs = selector_of(CS, "")
    ss = selector_of(SS, "")
    ds = selector_of(DS, "")
    fs = selector_of(FS, "")
    gs = selector_of(GS, "")
    fs_base = base_of(FS, "FS base; in 64-bit mode the same as MSR FS_BASE.")
    gs_base = base_of(GS, "GS base as it stands: the kernel's own in ring 0 after SWAPGS.")
    gdt_base = base_of(GDT, "")
    idt_base = base_of(IDT, "")
    tr_base = base_of(TR, "")
    cr0 = word_at(CR_AT >> 3, "")
    cr2 = word_at((CR_AT >> 3) + 2, "The address of the last page fault.")
    cr3 = word_at(
        (CR_AT >> 3) + 3, "Physical address of the top table. Use Engine.set_cr3 to load."
    )
    cr4 = word_at((CR_AT >> 3) + 4, "")
    star = msr("star", "")
    lstar = msr("lstar", "")
    cstar = msr("cstar", "")
    sfmask = msr("sfmask", "")
    efer = msr("efer", "")
    kernel_gs_base = msr("kernel_gs_base", "What SWAPGS exchanges with the GS base.")
    sysenter_esp = msr("sysenter_esp", "")
    sysenter_eip = msr("sysenter_eip", "")

    @property
    def sysenter_cs(self) -> int:
        return self.d[self.at.sysenter_cs]

    @sysenter_cs.setter
    def sysenter_cs(self, value: int) -> None:
        self.d[self.at.sysenter_cs] = value

    @property
    def cpl(self) -> int:
        return self.d[HFLAGS_AT >> 2] & HF_CPL

    @property
    def hflags(self) -> int:
        return self.d[HFLAGS_AT >> 2]

    @hflags.setter
    def hflags(self, value: int) -> None:
        self.d[HFLAGS_AT >> 2] = value

    @property
    def long_code(self) -> bool:
        """In 64-bit mode (CS.L), not in compatibility mode."""
        return bool(self.d[HFLAGS_AT >> 2] & HF_CS64)

    @property
    def user_gs_base(self) -> int:
        """User code's GS base, wherever SWAPGS has put it."""
        return self.q[self.user_gs_place()]

    @user_gs_base.setter
    def user_gs_base(self, value: int) -> None:
        self.q[self.user_gs_place()] = value

    def user_gs_place(self) -> int:
        if self.d[HFLAGS_AT >> 2] & HF_CPL:
            return (SEGS_AT + SEG_SIZE * GS + 8) >> 3
        return self.at.kernel_gs_base

    @property
    def rflags(self) -> int:
        d = self.d
        operation = d[CC_OP_AT >> 2]
        q = self.q
        rest = q[EFLAGS_AT >> 3] & ~(ARITHMETIC | DF)
        if d[DF_AT >> 2] == 0xFFFFFFFF:
            rest |= DF
        if operation == CC_EFLAGS:
            return rest | q[CC_SRC_AT >> 3] & ARITHMETIC | 2
        return (
            rest | 2 | compute(operation, q[CC_DST_AT >> 3], q[CC_SRC_AT >> 3], q[CC_SRC2_AT >> 3])
        )

    @rflags.setter
    def rflags(self, value: int) -> None:
        q = self.q
        q[EFLAGS_AT >> 3] = value & ~(ARITHMETIC | DF) | 2
        q[CC_SRC_AT >> 3] = value & ARITHMETIC
        self.d[CC_OP_AT >> 2] = CC_EFLAGS
        self.d[DF_AT >> 2] = 0xFFFFFFFF if value & DF else 1

    @property
    def interrupts_enabled(self) -> bool:
        """IF alone; ``Engine.can_interrupt`` also minds the shadow of STI."""
        return bool(self.q[EFLAGS_AT >> 3] & IF)

    def segment(self, index: int) -> tuple[int, int, int, int]:
        """(selector, base, limit, flags) of segment register *index*, as cached by the CPU.

        The flags are the descriptor's second doubleword.
        """
        place = (SEGS_AT + SEG_SIZE * index) >> 2
        d = self.d
        return d[place], self.q[(place >> 1) + 1], d[place + 4], d[place + 5]

    def set_segment(self, index: int, selector: int, base: int, limit: int, flags: int) -> None:
        """Load the visible and the hidden part of a segment register."""
        place = (SEGS_AT + SEG_SIZE * index) >> 2
        d = self.d
        d[place] = selector
        self.q[(place >> 1) + 1] = base
        d[place + 4] = limit
        d[place + 5] = flags

    def xmm(self, number: int) -> int:
        """XMM register *number* as an unsigned integer of 128 bits."""
        place = self.at.xmm + 64 * number
        return int.from_bytes(self.b[place : place + 16], "little")

    @property
    def error_code(self) -> int:
        return self.d[self.at.error_code]

    @property
    def is_software_interrupt(self) -> bool:
        """The exception at hand comes from INT n, INT3 or INTO."""
        return self.d[self.at.error_code + 1] != 0

    @property
    def next_rip(self) -> int:
        """Where the INT instruction at hand ends."""
        return self.q[(self.at.error_code + 2) >> 1]

    def forget_exception(self) -> None:
        """Clear ``old_exception``, which Unicorn never does: it makes a #DF of any second fault."""
        self.d[self.at.old_exception] = 0xFFFFFFFF

    def registers(self) -> dict[str, int]:
        """The registers that a transition may change, for probes and reports."""
        regs = dict(zip(GPRS, self.q[:16], strict=True))
        regs.update(
            rip=self.rip, rflags=self.rflags, cs=self.cs, ss=self.ss, cpl=self.cpl,
            gs_base=self.gs_base, kernel_gs_base=self.kernel_gs_base, cr2=self.cr2, cr3=self.cr3,
        )  # fmt: skip
        return regs
