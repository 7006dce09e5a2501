"""The keyboard: the terminal's input as interrupts.

Characters, not scan codes, come over the wire into a FIFO of 16 (as a 16550's); each batch raises
IRQ 1. The top half empties the FIFO into a buffer, a tasklet hands the buffer to the line
discipline (*sink*). What the host gave, and when in virtual time, is kept in ``log``: a second run
that is given it (``replay``) sees the same input at the same instruction.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.layout import IRQ_KEYBOARD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.emulated.devices.pic import InterruptController
    from ring3.machine.emulated.devices.schedule import Schedule
    from ring3.machine.emulated.devices.softirq import Softirqs

FIFO: Final = 16
BATCH_NS: Final = 100_000
"""Between two batches: a paste does not arrive in one moment."""
HANG_UP: Final = None
"""In ``log``, instead of bytes: the input ended."""


def nowhere(data: bytes) -> int:
    """Nobody listens yet: keep it."""
    return 0


class Keyboard:
    """*sink* takes bytes, returns how many of them; ``resume`` when it can take more. *ended* is
    called when there will be no more input and all of it was taken."""

    __slots__ = (
        "buffer", "controller", "ended", "fifo", "finished", "log", "moving", "schedule", "sink",
        "softirqs", "wire",
    )  # fmt: skip

    def __init__(
        self, schedule: Schedule, controller: InterruptController, softirqs: Softirqs
    ) -> None:
        self.schedule = schedule
        self.controller = controller
        self.softirqs = softirqs
        self.sink: Callable[[bytes], int] = nowhere
        self.ended: Callable[[], None] | None = None
        self.wire = bytearray()
        """Typed, and not yet in the FIFO: nothing is lost when the guest is slow."""
        self.fifo = bytearray()
        self.buffer = bytearray()
        self.moving = False
        self.finished = False
        self.log: list[tuple[int, bytes | None]] = []

    # --- the host's side -------------------------------------------------------------------------
    def feed(self, data: bytes) -> None:
        """Bytes were typed now."""
        if data:
            self.log.append((self.schedule.now(), bytes(data)))
            self.wire += data
            self.move()

    def hang_up(self) -> None:
        """There will be no more input."""
        if not self.finished:
            self.log.append((self.schedule.now(), HANG_UP))
            self.finished = True
            self.move()

    def replay(self, log: Sequence[tuple[int, bytes | None]]) -> None:
        """Have the input of an earlier run arrive as it did then."""
        for at_ns, data in log:
            if data is None:
                self.schedule.at(at_ns, self.hang_up)
            else:
                self.schedule.at(at_ns, lambda typed=data: self.feed(typed))  # type: ignore[misc]

    def move(self) -> None:
        if not self.moving:
            self.moving = True
            self.schedule.after(BATCH_NS, self.arrive)

    def arrive(self) -> None:
        """A batch comes over the wire. The wire stands still while the FIFO is full."""
        self.moving = False
        room = FIFO - len(self.fifo)
        self.fifo += self.wire[:room]
        del self.wire[:room]
        self.controller.request(IRQ_KEYBOARD, "keyboard")

    # --- the guest kernel's side -----------------------------------------------------------------
    def interrupt(self) -> None:
        """Top half of IRQ 1."""
        self.buffer += self.fifo
        self.fifo.clear()
        if self.wire:
            self.move()
        self.softirqs.schedule_tasklet(self.bottom_half)

    def bottom_half(self) -> None:
        if self.buffer:
            taken = self.sink(bytes(self.buffer))
            del self.buffer[:taken]
        if self.finished and not (self.wire or self.fifo or self.buffer):
            if self.ended is not None:
                ended, self.ended = self.ended, None
                ended()

    def resume(self) -> None:
        """The sink has room again."""
        if self.buffer or self.finished:
            self.softirqs.schedule_tasklet(self.bottom_half)
