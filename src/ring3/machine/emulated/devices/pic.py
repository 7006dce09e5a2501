"""The interrupt controller: two cascaded 8259As.

Source: Intel 8259A datasheet (231468-003). The terms are its own: a device's *request* is latched
in the IRR (edge triggered, ICW1 LTIM=0), the IMR *masks* lines, the priority resolver picks the
line, the CPU's INTA cycle moves its bit to the ISR (*in service*) and reads the vector (ICW2 base
plus line), and an *EOI* takes it out again. The pair runs in special fully nested mode (ICW4
SFNM=1): without it, a request of the slave could not interrupt another, lower one of the slave,
since the master sees both on its line 2.

Why not an IO-APIC: its priorities are the vectors' upper four bits, and nesting is decided in the
CPU's local APIC; sixteen lines and the order 0, 1, 8..15, 3..7 are easier to follow.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.layout import VECTOR_IRQ

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: Final = 16
CASCADE: Final = 2
"""The master's line at which the slave is."""
SPURIOUS: Final = 7
"""The line that an INTA cycle gets when no request is there (any more)."""
NONE: Final = -1


class Pic8259:
    """One chip. *base*: ICW2, the vector of line 0; *cascade*: lines with a slave (ICW3)."""

    __slots__ = ("base", "cascade", "imr", "irr", "isr")

    def __init__(self, base: int, cascade: int = 0) -> None:
        self.base = base
        self.cascade = cascade
        self.irr = 0
        self.isr = 0
        self.imr = 0xFF & ~cascade

    def winner(self) -> int:
        """The line that may interrupt now, or NONE: the highest request that is not masked, if
        no higher one is in service, nor this one itself. A slave's line may interrupt itself
        (special fully nested mode): the slave has seen to the priority."""
        waiting = self.irr & ~self.imr
        if not waiting:
            return NONE
        first = waiting & -waiting
        if self.isr:
            served = self.isr & -self.isr
            if first > served or (first == served and not first & self.cascade):
                return NONE
        return first.bit_length() - 1

    def accept(self, line: int) -> int:
        """The INTA cycle for *line*: it is in service now. The vector."""
        self.irr &= ~(1 << line)
        self.isr |= 1 << line
        return self.base + line


class InterruptController:
    """The pair, by IRQ number: 0..7 on the master (2 is the cascade), 8..15 on the slave."""

    __slots__ = ("master", "probe", "slave")

    def __init__(self) -> None:
        self.master = Pic8259(VECTOR_IRQ, 1 << CASCADE)
        self.slave = Pic8259(VECTOR_IRQ + 8)
        self.probe: Callable[[str, dict[str, object]], None] | None = None
        """Told of each request ("irq", see layout.PROBES)."""

    # --- the devices' side -----------------------------------------------------------------------
    def request(self, irq: int, what: str = "") -> None:
        """An edge on line *irq*. Further ones before the INTA cycle are one with it."""
        if irq < 8:
            self.master.irr |= 1 << irq
        else:
            self.slave.irr |= 1 << (irq - 8)
            self.cascade()
        if self.probe is not None:
            self.probe("irq", {"irq": irq, "what": what})

    def withdraw(self, irq: int) -> None:
        """The line went down before it was acknowledged (the driver had polled the device)."""
        if irq < 8:
            self.master.irr &= ~(1 << irq)
        else:
            self.slave.irr &= ~(1 << (irq - 8))
            self.cascade()

    def cascade(self) -> None:
        """The slave's INT output is the master's line 2."""
        if self.slave.winner() != NONE:
            self.master.irr |= 1 << CASCADE
        else:
            self.master.irr &= ~(1 << CASCADE)

    # --- the CPU's side --------------------------------------------------------------------------
    def pending(self) -> int | None:
        """The vector that the INT output stands for now, None while it is low."""
        master = self.master
        if not master.irr:
            return None
        line = master.winner()
        if line == NONE:
            return None
        if line == CASCADE:
            return self.slave.base + self.slave.winner()
        return master.base + line

    def acknowledge(self) -> int:
        """The INTA cycle: put the winner in service and read its vector. With no request, the
        vector of line 7 with no bit in service: a spurious interrupt."""
        line = self.master.winner()
        if line == NONE:
            return self.master.base + SPURIOUS
        vector = self.master.accept(line)
        if line == CASCADE:
            vector = self.slave.accept(self.slave.winner())
            self.cascade()
        return vector

    # --- the kernel's side -----------------------------------------------------------------------
    def is_spurious(self, irq: int) -> bool:
        """Whether an interrupt on *irq* was none: its in-service bit is clear (OCW3 RIS)."""
        return irq == SPURIOUS and not self.master.isr >> SPURIOUS & 1

    def eoi(self, irq: int) -> None:
        """Specific EOI (OCW2). For the slave's lines the master gets its own once the slave has
        nothing in service any more, as special fully nested mode wants it."""
        if irq < 8:
            self.master.isr &= ~(1 << irq)
            return
        self.slave.isr &= ~(1 << (irq - 8))
        if not self.slave.isr:
            self.master.isr &= ~(1 << CASCADE)
        self.cascade()

    def mask(self, irq: int) -> None:
        """OCW1: hold requests of *irq* back; they stay latched."""
        if irq < 8:
            self.master.imr |= 1 << irq
        else:
            self.slave.imr |= 1 << (irq - 8)
            self.cascade()

    def unmask(self, irq: int) -> None:
        if irq < 8:
            self.master.imr &= ~(1 << irq)
        else:
            self.slave.imr &= ~(1 << (irq - 8))
            self.cascade()

    def in_service(self) -> list[int]:
        """The IRQs whose handlers are under way, highest priority first."""
        slave = [8 + line for line in range(8) if self.slave.isr >> line & 1]
        found: list[int] = []
        for line in range(8):
            if line == CASCADE:
                found += slave
            elif self.master.isr >> line & 1:
                found.append(line)
        return found
