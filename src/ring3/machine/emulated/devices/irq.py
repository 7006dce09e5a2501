"""What the kernel does with an interrupt: the top halves, and what /proc/interrupts counts.

Source of the ways and words: kernel/irq (struct irq_desc, request_irq), arch/x86/kernel/irq.c.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.devices.pic import CASCADE, LINES
from ring3.machine.emulated.layout import VECTOR_IRQ

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.devices.pic import InterruptController

CHIP = "XT-PIC"
"""Linux's name for the 8259A in /proc/interrupts."""


class Action:
    """Who serves a line: *handler* is the top half, run with interrupts off."""

    __slots__ = ("handler", "name")

    def __init__(self, name: str, handler: Callable[[], None]) -> None:
        self.name = name
        self.handler = handler


class Interrupts:
    """The lines with their actions and counts."""

    __slots__ = ("actions", "controller", "counts", "deepest", "depth", "spurious")

    def __init__(self, controller: InterruptController) -> None:
        self.controller = controller
        self.actions: list[list[Action]] = [[] for _ in range(LINES)]
        self.counts = [0] * LINES
        self.spurious = 0
        self.depth = 0
        self.deepest = 0
        """The most interrupts that were under way at once."""

    def attach(self, irq: int, name: str, handler: Callable[[], None]) -> None:
        """request_irq: have *handler* called for each interrupt on *irq*, and unmask the line."""
        if not 0 <= irq < LINES or irq == CASCADE:
            raise ValueError(f"no device can be at IRQ {irq}")
        self.actions[irq].append(Action(name, handler))
        self.controller.unmask(irq)

    def handle(self, vector: int) -> None:
        """The kernel was entered by *vector*: run the top half and end the interrupt."""
        if self.begin(vector):
            self.end(vector)

    def begin(self, vector: int) -> bool:
        """The first part of ``handle``: count, run the top halves. Until ``end`` only interrupts
        of higher priority can come (where the CPU lets any in). False: it was spurious, and there
        is nothing to end."""
        irq = vector - VECTOR_IRQ
        if self.controller.is_spurious(irq):
            self.spurious += 1
            return False
        self.counts[irq] += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        try:
            for action in self.actions[irq]:
                action.handler()
        except BaseException:
            self.end(vector)  # a bug in one top half is not to hold back all other interrupts
            raise
        return True

    def end(self, vector: int) -> None:
        self.depth -= 1
        self.controller.eoi(vector - VECTOR_IRQ)

    # --- for /proc -------------------------------------------------------------------------------
    def rows(self) -> list[tuple[int, int, str, str]]:
        """(irq, count, chip, names of the actions) of every line that has one."""
        return [
            (irq, self.counts[irq], CHIP, ", ".join(action.name for action in actions))
            for irq, actions in enumerate(self.actions)
            if actions
        ]

    def errors(self) -> int:
        """The ERR line: interrupts nobody had requested."""
        return self.spurious
