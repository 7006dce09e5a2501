"""The timer: a one-shot comparator on virtual time, and the kernel's tick on top of it.

Chosen as Linux has it by default (CONFIG_NO_HZ_IDLE with high-resolution timers): while threads
run there is a tick at HZ=250, which drives preemption; an idle machine has none; and the kernel's
own deadlines (sleeps, timeouts, timers) program the comparator exactly. A purely periodic timer
would wake an idle guest for nothing and be up to 4 ms late; a purely tickless one would need to
know who competes for the CPU. At 250 Hz the tick costs a busy guest well under 1%.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final, Protocol
from ring3.machine.emulated.devices.softirq import HRTIMER, TIMER
from ring3.machine.emulated.layout import IRQ_TIMER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.devices.pic import InterruptController
    from ring3.machine.emulated.devices.schedule import Event, Schedule
    from ring3.machine.emulated.devices.softirq import Softirqs

    class Deadlines(Protocol):
        """core.clock.Clock."""

        def monotonic_ns(self) -> int: ...
        def next_deadline_ns(self) -> int | None: ...
        def run_due(self) -> int: ...


HZ: Final = 250
TICK_NS: Final = 1_000_000_000 // HZ


class Timer:
    """The device: raises IRQ 0 once virtual time reaches the programmed moment."""

    __slots__ = ("controller", "event", "raised", "schedule")

    def __init__(self, schedule: Schedule, controller: InterruptController) -> None:
        self.schedule = schedule
        self.controller = controller
        self.event: Event | None = None
        self.raised = False
        """It has fired, and its interrupt was not taken yet."""

    def program(self, at_ns: int | None) -> None:
        """Fire at *at_ns* (at once if that is past), instead of what was programmed; None: off."""
        event = self.event
        if event is not None:
            if event.at_ns == at_ns:
                return
            event.cancel()
        self.event = None if at_ns is None else self.schedule.at(at_ns, self.fire)

    def fire(self) -> None:
        self.event = None
        self.raised = True
        self.controller.request(IRQ_TIMER, "timer")


class Ticker:
    """The driver. *on_tick* is the scheduler's: a thread's time may be up."""

    __slots__ = ("clock", "idle", "jiffies", "next_tick_ns", "on_tick", "softirqs", "timer")

    def __init__(
        self, timer: Timer, softirqs: Softirqs, clock: Deadlines, on_tick: Callable[[], None]
    ) -> None:
        self.timer = timer
        self.softirqs = softirqs
        self.clock = clock
        self.on_tick = on_tick
        self.jiffies = 0
        self.idle = False
        self.next_tick_ns = clock.monotonic_ns() + TICK_NS
        softirqs.open(HRTIMER, self.expire)

    def expire(self) -> None:
        """The bottom half: the kernel's deadlines that have passed."""
        self.clock.run_due()

    def interrupt(self) -> None:
        """Top half of IRQ 0."""
        self.timer.raised = False
        now = self.clock.monotonic_ns()
        if not self.idle and now >= self.next_tick_ns:
            # Late ones are caught up with: jiffies counts time, not interrupts.
            missed = (now - self.next_tick_ns) // TICK_NS
            self.jiffies += 1 + missed
            self.next_tick_ns += (1 + missed) * TICK_NS
            self.softirqs.raise_softirq(TIMER)
            self.on_tick()
        first = self.clock.next_deadline_ns()
        if first is not None and first <= now:
            self.softirqs.raise_softirq(HRTIMER)

    def set_idle(self, idle: bool) -> None:
        """The CPU has nothing to run (tick_nohz_idle_enter), or has again (..._exit)."""
        if idle == self.idle:
            return
        self.idle = idle
        if not idle:
            late = self.clock.monotonic_ns() - self.next_tick_ns
            if late >= 0:
                ticks = late // TICK_NS + 1
                self.jiffies += ticks
                self.next_tick_ns += ticks * TICK_NS

    def program(self) -> None:
        """Set the comparator for what comes first: the tick or the kernel's next deadline. A
        deadline whose interrupt or bottom half is already on its way needs no further one."""
        if self.timer.raised:
            return
        at = None if self.idle else self.next_tick_ns
        if not self.softirqs.pending >> HRTIMER & 1:
            first = self.clock.next_deadline_ns()
            if first is not None and (at is None or first < at):
                at = first
        self.timer.program(at)
