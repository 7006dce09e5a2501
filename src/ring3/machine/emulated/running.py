"""Runs the CPU until it needs Python: virtual time passes, interrupts are delivered on the way."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.layout import EXIT_BUDGET, EXIT_HYPERCALL

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine

BLOCK_NS: Final = 2
"""Virtual time of one block of guest code (about five instructions)."""
SHORT: Final = 64
"""Blocks to run where an interrupt waits for interrupts to be enabled."""
FAR_NS: Final = 1 << 62


class Runner:
    """The CPU, the clock and the board's next event."""

    def __init__(self, machine: EmulatedMachine) -> None:
        self.engine = machine.hw.engine
        self.board = machine.board
        self.clock = machine.clock
        self.schedule = machine.board.schedule
        self.master = machine.board.controller.master
        self.seen_blocks = 0
        self.seen_serial = -1
        self.due_ns = 0
        """Until then nothing happens on the board by itself (unless ``news`` says so)."""

    def run(self) -> int:
        """Run the CPU until it needs Python, delivering interrupts on the way; the port, or 0 when
        the time until the next event is over."""
        engine, clock = self.engine, self.clock
        if clock.now_ns >= self.due_ns or self.news():
            self.look_at_board()
        code = engine.run()
        blocks = engine.blocks
        clock.now_ns += (blocks - self.seen_blocks) * BLOCK_NS
        self.seen_blocks = blocks
        if code == EXIT_HYPERCALL:
            return engine.port
        if code == EXIT_BUDGET:
            return 0
        raise RuntimeError(f"the board is dead: {engine.failure or code}")

    def news(self) -> bool:
        """A device's request waits, or a deadline was set since the board was last looked at."""
        return bool(
            self.master.irr or self.clock.rearmed or self.schedule.serial != self.seen_serial
        )

    def look_at_board(self) -> None:
        """Let the devices do what is due, deliver an interrupt if one can be, and set the budget
        for the time until the next event."""
        engine, board, clock = self.engine, self.board, self.clock
        self.due_ns = 0
        board.advance()
        if board.pending() is not None:
            if not engine.can_interrupt():
                engine.budget = SHORT
                return
            engine.deliver_irq(board.acknowledge())
        event = board.next_event_ns()
        clock.rearmed = False
        self.seen_serial = self.schedule.serial
        self.due_ns = FAR_NS if event is None else event
        engine.budget = max((self.due_ns - clock.now_ns) // BLOCK_NS, 1)
