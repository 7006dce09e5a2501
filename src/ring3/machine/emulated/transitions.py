"""What the CPU does between privilege levels, where the engine leaves it to us.

Each transition follows the Operation section of its instruction in the Intel SDM (Vol. 2) and the
rules for interrupts of Vol. 3A, chapter 6. State changes go to the processor's image; no kernel
code runs here. The way back (SYSRET, SYSEXIT, IRET, RETF from ring 0), SWAPGS, paging and all
privilege checks of ordinary instructions are the engine's.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Final

from . import segments
from .image import (
    AC,
    CS,
    CS_AND_SS,
    CS_ONLY,
    CS_SELECTOR,
    EFER_SCE,
    GDT_BASE,
    GDT_LIMIT,
    HF_ADDSEG,
    HF_CPL,
    HF_CS32,
    HF_CS64,
    HF_INHIBIT_IRQ,
    HF_SS32,
    HFLAGS,
    IDT_BASE,
    IDT_LIMIT,
    IF,
    NT,
    R11,
    RCX,
    RF,
    RIP,
    RSP,
    SS,
    SS_SELECTOR,
    TF,
    TR,
    TR_BASE,
    TR_LIMIT,
    VM,
    CpuImage,
)  # fmt: skip
from .layout import DIRECT_MAP

if TYPE_CHECKING:
    from collections.abc import Callable

    Probe = Callable[[str, dict[str, object]], None]

DE, DB, NMI, BP, OVERFLOW, BR, UD, NM, DFAULT = range(9)
TS, NP, STACK, GP, PAGE_FAULT = 10, 11, 12, 13, 14
HAS_ERROR: Final = frozenset((8, 10, 11, 12, 13, 14, 17, 21, 29, 30))
CONTRIBUTORY: Final = frozenset((DE, TS, NP, STACK, GP))
"""Vol. 3A, Table 6-4."""

_FRAMES: Final = {8 * count: struct.Struct(f"<{count}Q") for count in (5, 6)}
_SEGMENT: Final = struct.Struct("<I4xQII")
"""A segment register in the image."""
HF_LONG: Final = HF_CS32 | HF_SS32 | HF_CS64
"""hflags of 64-bit code."""
_PRESENT, _WRITABLE, _USER, _LARGE = 1, 2, 4, 0x80
_FRAME: Final = 0x000FFFFFFFFFF000


class Fault(Exception):
    """A condition met while a transition is under way."""

    def __init__(self, vector: int, error: int, cr2: int | None = None) -> None:
        super().__init__(vector, error)
        self.vector = vector
        self.error = error
        self.cr2 = cr2


class Gate:
    """A decoded interrupt or trap gate together with its code segment."""

    __slots__ = ("clears", "code", "code_and_stack", "dpl", "gate_dpl", "ist", "offset")

    def __init__(self, low: int, high: int, descriptor: int, dpl: int) -> None:
        self.offset = low & 0xFFFF | (low >> 48) << 16 | (high & 0xFFFFFFFF) << 32
        self.gate_dpl = low >> 45 & 3
        self.ist = low >> 32 & 7
        self.dpl = dpl
        """The CPL to run at."""
        first, second = descriptor & 0xFFFFFFFF, descriptor >> 32
        self.code = _SEGMENT.pack(
            low >> 16 & 0xFFFC | dpl,
            segments.base_of(first, second),
            segments.limit_of(first, second),
            second,
        )
        """CS as it is loaded; and with it SS, null, for a change of stack."""
        self.code_and_stack = self.code + _SEGMENT.pack(dpl, 0, 0, dpl << 13)
        self.clears = TF | VM | RF | NT | (0 if low >> 40 & 1 else IF)


def _stack_place(dpl: int, ist: int) -> int:
    """Offset of a stack pointer in the TSS (Vol. 3A, Figure 7-11)."""
    return 28 + 8 * ist if ist else 4 + 8 * dpl


def _code_privilege(selector: int, descriptor: int, cpl: int, ext: int) -> int:
    """The new CPL for a gate's code segment, or the fault it deserves.

    It must be a code segment of DPL <= CPL, 64-bit, present.
    """
    second = descriptor >> 32
    error = (selector & 0xFFFC) + ext
    if second & 0x1800 != 0x1800 or (second >> 13 & 3) > cpl:
        raise Fault(GP, error)
    if not second & 0x200000 or second & 0x400000:
        raise Fault(GP, error)
    if not second & 0x8000:
        raise Fault(NP, error)
    return cpl if second & 0x400 else second >> 13 & 3


class Shutdown(Exception):
    """A third fault: the processor stops (Vol. 3A, 6.15, "Interrupt 8")."""


class Transitions:
    """The model, bound to one processor and its RAM."""

    __slots__ = ("_flat", "_gates", "_kernel_pages", "_size", "_words", "cpu", "probe", "ram")

    def __init__(self, cpu: CpuImage, ram: memoryview) -> None:
        self.cpu = cpu
        self.ram = ram
        self.probe: Probe | None = None
        self._size = len(ram)
        self._words = ram.cast("Q")
        self._kernel_pages: dict[int, int] = {}
        self._flat: dict[int, bytes] = {}
        self._gates: dict[tuple[int, int, int, int], Gate] = {}

    # --- memory, as the CPU reaches it for its own purposes ---------------------------------------

    def forget_kernel_pages(self) -> None:
        """The kernel half's tables have changed: drop what was remembered of them."""
        self._kernel_pages.clear()

    def physical(self, address: int, write: bool) -> int:
        """Where an implicit supervisor access to *address* goes, or raise its #PF.

        Implicit accesses (descriptors, TSS, stack switch) are supervisor's whatever the CPL, and
        SMAP refuses them user pages even with AC set (Vol. 3A, 4.6.1).
        """
        offset = address - DIRECT_MAP
        if 0 <= offset < self._size:
            return offset
        page = address >> 12
        known = self._kernel_pages.get(page)
        if known is not None:
            return known | address & 0xFFF
        table: int = self.cpu.cr3 & _FRAME
        user = True
        writable = True
        for shift in (39, 30, 21, 12):
            place = table + 8 * (address >> shift & 511)
            entry = int.from_bytes(self.ram[place : place + 8], "little")
            if not entry & _PRESENT:
                raise Fault(PAGE_FAULT, _WRITABLE if write else 0, address)
            user = user and bool(entry & _USER)
            writable = writable and bool(entry & _WRITABLE)
            table = entry & _FRAME
            if entry & _LARGE and shift > 12:
                table += address & (1 << shift) - 1 & ~0xFFF
                break
        if user or (write and not writable):
            raise Fault(PAGE_FAULT, (_WRITABLE if write else 0) | _PRESENT, address)
        if writable and address >> 47:
            self._kernel_pages[page] = table
        return table | address & 0xFFF

    def translate(self, address: int) -> int:
        """Where *address* lies in RAM, whatever the rights, or -1."""
        table: int = self.cpu.cr3 & _FRAME
        for shift in (39, 30, 21, 12):
            entry = self._words[table + 8 * (address >> shift & 511) >> 3]
            if not entry & _PRESENT:
                return -1
            table = entry & _FRAME
            if entry & _LARGE and shift > 12:
                table += address & (1 << shift) - 1 & ~0xFFF
                break
        return table | address & 0xFFF

    def peek(self, address: int, size: int) -> bytes:
        """Memory as a debugger sees it, without rights; short where nothing is mapped."""
        out = bytearray()
        while len(out) < size:
            start = self.translate(address)
            if start < 0:
                break
            part = self.ram[start : min(start + size - len(out), (start | 0xFFF) + 1)]
            out += part
            address += len(part)
        return bytes(out)

    # --- IDT: exceptions, INT n, external interrupts ----------------------------------------------

    def deliver(
        self,
        vector: int,
        error: int | None = None,
        *,
        software: bool = False,
        external: bool = False,
        rip: int | None = None,
    ) -> None:
        """Deliver an event, with the rules for a fault during delivery (Vol. 3A, 6.15, Table 6-5).

        *rip* is the address to return to, by default the current one; for an INT instruction it is
        the next one's, but a fault of the INT itself returns to its begin.
        """
        cpu = self.cpu
        flags = cpu.rflags
        if rip is None:
            rip = cpu.q[RIP]
        if not software and not external and vector != DB:
            flags |= RF  # faults only: traps are DB, and BP and OF by software (Vol. 3B, 17.3.1.1)
        ext = 0 if software else 1
        event = vector
        while True:
            try:
                self._through_idt(vector, error, software, ext, rip, flags, external)
                return
            except Fault as second:
                if vector == DFAULT and not software:
                    raise Shutdown(f"vector {second.vector} while delivering #DF") from second
                hard = not software and not external
                if second.cr2 is not None:
                    cpu.cr2 = second.cr2
                serious = second.vector in CONTRIBUTORY
                if hard and (
                    (vector in CONTRIBUTORY and serious)
                    or (vector == PAGE_FAULT and (serious or second.vector == PAGE_FAULT))
                ):
                    vector, error = DFAULT, 0
                else:
                    vector, error = second.vector, second.error
                if software:
                    rip -= self._int_size(event, rip)
                    flags |= RF
                software = external = False
                ext = 1

    def _int_size(self, vector: int, end: int) -> int:
        """Length of the INT instruction before *end*: INT3 and INTO have one byte, INT n two."""
        short = {BP: b"\xcc", OVERFLOW: b"\xce"}.get(vector)
        return 1 if short is not None and self.peek(end - 1, 1) == short else 2

    def _through_idt(
        self,
        vector: int,
        error: int | None,
        software: bool,
        ext: int,
        rip: int,
        flags: int,
        external: bool,
    ) -> None:
        """INTERRUPT-TO-64-BIT of Vol. 2A, "INT n", Operation, IA-32e-MODE.

        Gates are 16 bytes (Vol. 3A, 6.14.1); RSP is aligned down to 16 bytes and SS:RSP pushed
        whatever the privilege (6.14.2); the stack is switched for a lower CPL or a nonzero IST
        (6.14.4, 6.14.5).
        """
        cpu = self.cpu
        q = cpu.q
        d = cpu.d
        hflags = d[HFLAGS]
        cpl = hflags & HF_CPL
        gate = self._gate(vector, software, ext, cpl)
        old = cpu.registers() if self.probe is not None else None
        rsp = q[RSP]
        switch = gate.dpl < cpl or gate.ist
        top = self._stack_from_tss(gate.dpl, gate.ist, ext) if switch else rsp
        sp = top & ~15
        frame: tuple[int, ...] = (rip, d[CS_SELECTOR], flags, rsp, d[SS_SELECTOR])
        if error is not None:
            frame = (error, *frame)
        self._push(sp, frame)
        if switch:
            # SS becomes a null selector whose RPL is the new CPL (6.14.4, 6.14.5).
            cpu.b[CS_AND_SS] = gate.code_and_stack
        else:
            cpu.b[CS_ONLY] = gate.code
        q[RSP] = sp - 8 * len(frame)
        d[HFLAGS] = hflags & ~(HF_CPL | HF_ADDSEG | HF_INHIBIT_IRQ) | HF_LONG | gate.dpl
        cpu.rflags = flags & ~gate.clears
        q[RIP] = gate.offset
        if old is not None and self.probe is not None:
            kind = "irq" if external else "int" if software else "exception"
            reads = [("IDT", q[IDT_BASE] + 16 * vector, gate.offset)]
            if switch:
                name = f"TSS.IST{gate.ist}" if gate.ist else f"TSS.RSP{gate.dpl}"
                reads.append((name, q[TR_BASE] + _stack_place(gate.dpl, gate.ist), top))
            writes = [(sp - 8 * (i + 1), word) for i, word in enumerate(reversed(frame))]
            self._tell(kind, vector, error, old, reads, writes)

    def _gate(self, vector: int, software: bool, ext: int, cpl: int) -> Gate:
        """The gate for *vector* and its code segment, checked.

        Memory is read each time; what a gate and a descriptor of the same bits mean is remembered.
        """
        q = self.cpu.q
        d = self.cpu.d
        if vector * 16 + 15 > d[IDT_LIMIT]:
            raise Fault(GP, vector * 8 + 2 + ext)
        low = self._word(q[IDT_BASE] + 16 * vector)
        high = self._word(q[IDT_BASE] + 16 * vector + 8)
        selector = low >> 16 & 0xFFF8
        if selector and selector + 7 <= d[GDT_LIMIT]:
            gate = self._gates.get((low, high, self._word(q[GDT_BASE] + selector), cpl))
            if gate is not None and (not software or gate.gate_dpl >= cpl):
                return gate
        return self._checked_gate(vector * 8 + 2 + ext, low, high, software, ext, cpl)

    def _checked_gate(
        self, index: int, low: int, high: int, software: bool, ext: int, cpl: int
    ) -> Gate:
        """Decode a gate met for the first time, or raise what is wrong with it."""
        if low >> 40 & 0x1F not in (segments.INTERRUPT_GATE, segments.TRAP_GATE):
            raise Fault(GP, index)
        if software and (low >> 45 & 3) < cpl:
            raise Fault(GP, index)
        if not low >> 47 & 1:
            raise Fault(NP, index)
        selector = low >> 16 & 0xFFFF
        if not selector & 0xFFFC:
            raise Fault(GP, ext)
        if selector & 4 or (selector & 0xFFF8) + 7 > self.cpu.d[GDT_LIMIT]:  # no LDT here
            raise Fault(GP, (selector & 0xFFFC) + ext)
        descriptor = self._word(self.cpu.q[GDT_BASE] + (selector & 0xFFF8))
        gate = Gate(low, high, descriptor, _code_privilege(selector, descriptor, cpl, ext))
        self._gates[low, high, descriptor, cpl] = gate
        return gate

    def _word(self, address: int) -> int:
        """A 64-bit word by an implicit supervisor access."""
        place = address - DIRECT_MAP
        if 0 <= place < self._size and not place & 7:
            return self._words[place >> 3]
        place = self.physical(address, False)
        return int.from_bytes(self.ram[place : place + 8], "little")

    def _stack_from_tss(self, dpl: int, ist: int, ext: int) -> int:
        q = self.cpu.q
        place = _stack_place(dpl, ist)
        if place + 7 > self.cpu.d[TR_LIMIT]:
            raise Fault(TS, (self.cpu.segment(TR)[0] & 0xFFFC) + ext)
        top = self._word(q[TR_BASE] + place)
        if (top >> 47) not in (0, 0x1FFFF):
            raise Fault(STACK, ext)
        return top

    def _push(self, sp: int, words: tuple[int, ...]) -> None:
        """Store *words*, the last pushed first, below *sp*; a fault leaves no register changed."""
        size = 8 * len(words)
        bottom = sp - size
        if bottom >> 12 == (sp - 1) >> 12:
            # The topmost word is pushed first: a fault is reported there.
            start = self.physical(sp - 8, True) + 8 - size
            _FRAMES[size].pack_into(self.ram, start, *words)
            return
        for position in range(len(words) - 1, -1, -1):
            at = self.physical(bottom + 8 * position, True)
            self.ram[at : at + 8] = words[position].to_bytes(8, "little")

    # --- ports ------------------------------------------------------------------------------------

    def port_allowed(self, port: int, size: int) -> bool:
        """I/O permission (Vol. 1, 18.5): CPL <= IOPL, or all bits of the ports clear in the TSS."""
        cpu = self.cpu
        if cpu.cpl <= cpu.rflags >> 12 & 3:
            return True
        _, base, limit, _ = cpu.segment(TR)
        at = self.physical(base + 102, False)
        place = int.from_bytes(self.ram[at : at + 2], "little") + port // 8
        if place + 1 > limit:
            return False
        at = self.physical(base + place, False)
        bits = int.from_bytes(self.ram[at : at + 2], "little") >> (port & 7)
        return not bits & (1 << size) - 1

    # --- SYSCALL and SYSENTER ---------------------------------------------------------------------

    def call_length(self) -> tuple[int, bool]:
        """The SYSCALL or SYSENTER at hand: its length with prefixes, whether it is none but #UD.

        That is so with LOCK (Vol. 2A, LOCK) and in a VEX encoding, C5 or C4 instead of 0F, which
        the engine takes for the same.
        """
        cpu = self.cpu
        start = cpu.q[RIP] + cpu.segment(CS)[1]
        code = self.peek(start, 15)
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
        self._flat_segments(q[at.star] >> 32 & 0xFFFC)
        cpu.hflags = flags32 & ~(HF_CPL | HF_INHIBIT_IRQ | HF_ADDSEG) | HF_LONG
        cpu.rflags = flags & ~q[at.sfmask] & ~RF
        q[RIP] = q[at.lstar]
        if before is not None and self.probe is not None:
            reads = [(n, 0, getattr(cpu, n)) for n in ("efer", "star", "lstar", "sfmask")]
            self._tell("syscall", None, None, before, reads, [])
        return True

    def sysenter(self) -> None:
        """SYSENTER (Vol. 2B): RIP, RSP and CS from MSRs, VM and IF cleared, nothing saved.

        #GP(0) if IA32_SYSENTER_CS[15:2] is 0. Works from compatibility and 64-bit mode.
        """
        cpu = self.cpu
        selector = cpu.sysenter_cs & 0xFFFC
        if not selector:
            self.deliver(GP, 0)
            return
        before = cpu.registers() if self.probe is not None else None
        flags = cpu.rflags
        self._flat_segments(selector)
        cpu.hflags = cpu.hflags & ~(HF_CPL | HF_INHIBIT_IRQ | HF_ADDSEG) | HF_LONG
        cpu.rflags = flags & ~(VM | IF | RF)
        cpu.q[RSP] = cpu.sysenter_esp
        cpu.q[RIP] = cpu.sysenter_eip
        if before is not None and self.probe is not None:
            reads = [("sysenter_cs", 0, selector), ("sysenter_esp", 0, cpu.sysenter_esp),
                     ("sysenter_eip", 0, cpu.sysenter_eip)]  # fmt: skip
            self._tell("sysenter", None, None, before, reads, [])

    def _flat_segments(self, selector: int) -> None:
        """Load CS and SS as SYSCALL and SYSENTER do: fixed descriptors, nothing is read."""
        flat = self._flat.get(selector)
        if flat is not None:
            self.cpu.b[CS_AND_SS] = flat
            return
        cpu = self.cpu
        cpu.set_segment(CS, selector, 0, segments.FLAT_LIMIT, segments.KERNEL_CS_FLAGS)
        cpu.set_segment(SS, selector + 8, 0, segments.FLAT_LIMIT, segments.KERNEL_DS_FLAGS)
        self._flat[selector] = bytes(cpu.b[CS_AND_SS])

    def _tell(
        self,
        kind: str,
        vector: int | None,
        error: int | None,
        before: dict[str, int],
        reads: list[tuple[str, int, int]],
        writes: list[tuple[int, int]],
    ) -> None:
        assert self.probe is not None
        self.probe(
            "entry",
            {
                "kind": kind,
                "vector": vector,
                "error": error,
                "before": before,
                "after": self.cpu.registers(),
                "reads": reads,
                "writes": writes,
            },
        )


LOCK: Final = 0xF0
LEGACY_PREFIXES: Final = bytes.fromhex("2e 36 3e 26 64 65 66 67 f2 f3 f0")
REX_PREFIXES: Final = bytes(range(0x40, 0x50))
SFMASK: Final = 0x257FD5
"""What SYSCALL clears (Linux's syscall_init): CF PF AF ZF SF TF IF DF OF IOPL NT RF AC ID."""
assert SFMASK & (IF | TF | AC | NT)
