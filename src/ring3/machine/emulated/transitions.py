"""What the CPU does at an exception, an INT n, an external interrupt, where the engine leaves it
to us: delivery through the IDT.

By the Operation section of INT n in the Intel SDM (Vol. 2A) and the rules for interrupts of
Vol. 3A, chapter 6. State changes go to the processor's image; no kernel code runs here. The way
back (IRET, RETF from ring 0), SWAPGS, paging and all privilege checks of ordinary instructions are
the engine's.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated import segments
from ring3.machine.emulated.gates import Gate, code_privilege, stack_place
from ring3.machine.emulated.image import (
    CS_AND_SS,
    CS_ONLY,
    CS_SELECTOR,
    GDT_BASE,
    GDT_LIMIT,
    HF_ADDSEG,
    HF_CPL,
    HF_INHIBIT_IRQ,
    HFLAGS,
    IDT_BASE,
    IDT_LIMIT,
    LONG_CODE,
    RF,
    RIP,
    RSP,
    SS_SELECTOR,
    TR,
    TR_BASE,
    TR_LIMIT,
    CpuImage,
)  # fmt: skip
from ring3.machine.emulated.implicit import Fault
from ring3.machine.emulated.telling import tell_entry
from ring3.machine.emulated.vectors import (
    BP,
    CONTRIBUTORY,
    DB,
    DFAULT,
    GP,
    NP,
    OVERFLOW,
    PAGE_FAULT,
    STACK,
    TS,
)  # fmt: skip

if TYPE_CHECKING:
    from ring3.machine.emulated.implicit import ImplicitMemory
    from ring3.machine.emulated.telling import Probe


class Shutdown(Exception):
    """A third fault: the processor stops (Vol. 3A, 6.15, "Interrupt 8")."""


class Transitions:
    """The model, bound to one processor and its memory."""

    __slots__ = ("cpu", "gates", "memory", "probe", "push", "word")

    def __init__(self, cpu: CpuImage, memory: ImplicitMemory) -> None:
        self.cpu = cpu
        self.memory = memory
        self.word, self.push = memory.word, memory.push
        self.probe: Probe | None = None
        self.gates: dict[tuple[int, int, int, int], Gate] = {}

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
                self.through_idt(vector, error, software, ext, rip, flags, external)
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
                    rip -= self.int_size(event, rip)
                    flags |= RF
                software = external = False
                ext = 1

    def int_size(self, vector: int, end: int) -> int:
        """Length of the INT instruction before *end*: INT3 and INTO have one byte, INT n two."""
        short = {BP: b"\xcc", OVERFLOW: b"\xce"}.get(vector)
        return 1 if short is not None and self.memory.peek(end - 1, 1) == short else 2

    def through_idt(
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
        gate = self.gate(vector, software, ext, cpl)
        old = cpu.registers() if self.probe is not None else None
        rsp = q[RSP]
        switch = gate.dpl < cpl or gate.ist
        top = self.stack_from_tss(gate.dpl, gate.ist, ext) if switch else rsp
        sp = top & ~15
        frame: tuple[int, ...] = (rip, d[CS_SELECTOR], flags, rsp, d[SS_SELECTOR])
        if error is not None:
            frame = (error, *frame)
        self.push(sp, frame)
        if switch:
            # SS becomes a null selector whose RPL is the new CPL (6.14.4, 6.14.5).
            cpu.b[CS_AND_SS] = gate.code_and_stack
        else:
            cpu.b[CS_ONLY] = gate.code
        q[RSP] = sp - 8 * len(frame)
        d[HFLAGS] = hflags & ~(HF_CPL | HF_ADDSEG | HF_INHIBIT_IRQ) | LONG_CODE | gate.dpl
        cpu.rflags = flags & ~gate.clears
        q[RIP] = gate.offset
        if old is not None and self.probe is not None:
            kind = "irq" if external else "int" if software else "exception"
            reads = [("IDT", q[IDT_BASE] + 16 * vector, gate.offset)]
            if switch:
                name = f"TSS.IST{gate.ist}" if gate.ist else f"TSS.RSP{gate.dpl}"
                reads.append((name, q[TR_BASE] + stack_place(gate.dpl, gate.ist), top))
            writes = [(sp - 8 * (i + 1), word) for i, word in enumerate(reversed(frame))]
            tell_entry(self.probe, cpu, kind, vector, error, old, reads, writes)

    def gate(self, vector: int, software: bool, ext: int, cpl: int) -> Gate:
        """The gate for *vector* and its code segment, checked.

        Memory is read each time; what a gate and a descriptor of the same bits mean is remembered.
        """
        q = self.cpu.q
        d = self.cpu.d
        if vector * 16 + 15 > d[IDT_LIMIT]:
            raise Fault(GP, vector * 8 + 2 + ext)
        low = self.word(q[IDT_BASE] + 16 * vector)
        high = self.word(q[IDT_BASE] + 16 * vector + 8)
        selector = low >> 16 & 0xFFF8
        if selector and selector + 7 <= d[GDT_LIMIT]:
            gate = self.gates.get((low, high, self.word(q[GDT_BASE] + selector), cpl))
            if gate is not None and (not software or gate.gate_dpl >= cpl):
                return gate
        return self.checked_gate(vector * 8 + 2 + ext, low, high, software, ext, cpl)

    def checked_gate(
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
        descriptor = self.word(self.cpu.q[GDT_BASE] + (selector & 0xFFF8))
        gate = Gate(low, high, descriptor, code_privilege(selector, descriptor, cpl, ext))
        self.gates[low, high, descriptor, cpl] = gate
        return gate

    def stack_from_tss(self, dpl: int, ist: int, ext: int) -> int:
        q = self.cpu.q
        place = stack_place(dpl, ist)
        if place + 7 > self.cpu.d[TR_LIMIT]:
            raise Fault(TS, (self.cpu.segment(TR)[0] & 0xFFFC) + ext)
        top = self.word(q[TR_BASE] + place)
        if (top >> 47) not in (0, 0x1FFFF):
            raise Fault(STACK, ext)
        return top
