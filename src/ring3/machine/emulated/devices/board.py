"""All devices of the board, put together, and the few calls that the run loop makes.

    while True:
        board.advance()                          # events due by now become requests
        vector = board.pending()
        if vector is not None and engine.can_interrupt():
            engine.deliver_irq(board.acknowledge())
        run the CPU until board.next_event_ns()  # or idle until board.next_event_ns(idle=True)

On ``PORT_IRQ`` the kernel calls ``handle(vector)`` (the top half and the EOI), and on the way back
to user mode ``bottom_halves()``.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.devices.irq import Interrupts
from ring3.machine.emulated.devices.keyboard import Keyboard
from ring3.machine.emulated.devices.pic import InterruptController
from ring3.machine.emulated.devices.schedule import Schedule
from ring3.machine.emulated.devices.softirq import Softirqs
from ring3.machine.emulated.devices.timer import Ticker, Timer
from ring3.machine.emulated.layout import IRQ_KEYBOARD, IRQ_TIMER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.devices.timer import Deadlines


class Board:
    """*clock* is the kernel's, in virtual time; *on_tick* is called once per tick (250 Hz while
    the CPU is busy), in the timer's top half."""

    def __init__(self, clock: Deadlines, on_tick: Callable[[], None]) -> None:
        self.schedule = Schedule(clock.monotonic_ns)
        self.controller = InterruptController()
        self.interrupts = Interrupts(self.controller)
        self.softirqs = Softirqs()
        self.timer = Timer(self.schedule, self.controller)
        self.ticker = Ticker(self.timer, self.softirqs, clock, on_tick)
        self.interrupts.attach(IRQ_TIMER, "timer", self.ticker.interrupt)
        self.keyboard = Keyboard(self.schedule, self.controller, self.softirqs)
        self.interrupts.attach(IRQ_KEYBOARD, "keyboard", self.keyboard.interrupt)
        self.pending = self.controller.pending
        self.acknowledge = self.controller.acknowledge
        self.handle = self.interrupts.handle
        self.bottom_halves = self.softirqs.run_pending

    def next_event_ns(self, idle: bool = False) -> int | None:
        """The virtual time up to which nothing happens on the board by itself. *idle*: no thread
        can run, so the tick stops; None then means that only the host can bring news."""
        self.ticker.set_idle(idle)
        self.ticker.program()
        return self.schedule.next_ns()

    def advance(self) -> int:
        """Let the devices do what is due by now; return how many events that were."""
        return self.schedule.run_due()
