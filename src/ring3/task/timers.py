"""Interval timers, POSIX timers and the CPU limit: deadlines that end in signals.

Wall-clock timers stand in the kernel's clock. CPU-time timers are sampled: the time left is a
lower bound of when they can be due, so they look again then (at most every millisecond).
"""

from __future__ import annotations

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING, Final, Protocol
from ring3.abi.signal import SI_KERNEL, SI_TIMER, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU
from ring3.abi.time import ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL
from ring3.task.resources import NS, process_cpu_ns, process_user_ns
from ring3.task.sending import is_ignored, send_to_process, send_to_task
from ring3.task.siginfo import SigInfo

if TYPE_CHECKING:
    from ring3.core.clock import Timer
    from ring3.task.process import Process
    from ring3.task.task import Task
    from ring3.task.world import World

# Keys of Process.timers besides the ids of POSIX timers, which count from 0.
INTERVAL_KEYS: Final = {ITIMER_REAL: -1, ITIMER_VIRTUAL: -2, ITIMER_PROF: -3}
CPU_LIMIT_KEY: Final = -4
SIGNALS: Final = {ITIMER_REAL: SIGALRM, ITIMER_VIRTUAL: SIGVTALRM, ITIMER_PROF: SIGPROF}

FASTEST_NS: Final = 100_000
"""A periodic timer rings at most this often, whatever its interval; the rest is overrun."""
SAMPLE_NS: Final = 1_000_000
IDLE_SAMPLE_NS: Final = 50_000_000
IGNORED_NS: Final = 10_000_000
"""How soon a timer whose signal is ignored looks again whether it still is."""


SETTOD_MAX_NS = (1 << 63) - 1 - 30 * 365 * 24 * 3600 * 1_000_000_000
"""TIME_SETTOD_SEC_MAX: thirty years before nanoseconds overflow."""


class Meter(Protocol):
    """A clock that a timer can be set by, in ns."""

    def now(self) -> int: ...
    def arm(self, at: int, owner: Countdown) -> Timer:
        """Have ``owner.due()`` called not long after the meter shows *at*."""


class WallMeter:
    """The monotonic clock, or (*realtime*) the guest's wall clock."""

    __slots__ = ("realtime", "world")

    def __init__(self, world: World, realtime: bool = False) -> None:
        self.world = world
        self.realtime = realtime

    def lead_ns(self) -> int:
        clock = self.world.clock
        return clock.realtime_ns() - clock.monotonic_ns() if self.realtime else 0

    def now(self) -> int:
        clock = self.world.clock
        return clock.realtime_ns() if self.realtime else clock.monotonic_ns()

    def arm(self, at: int, owner: Countdown) -> Timer:
        return self.world.clock.arm(at - self.lead_ns(), owner)


class CpuMeter:
    """CPU time of a process (or of one thread), user time alone where *user*."""

    __slots__ = ("idle_ns", "last", "process", "task", "user")

    def __init__(self, process: Process, task: Task | None = None, user: bool = False) -> None:
        self.process = process
        self.task = task
        self.user = user
        self.last = -1
        self.idle_ns = SAMPLE_NS

    def now(self) -> int:
        if self.task is not None:
            from ring3.task.resources import cpu_ns

            return sum(cpu_ns(self.task))
        if self.user:
            return process_user_ns(self.process)
        return process_cpu_ns(self.process)

    def arm(self, at: int, owner: Countdown) -> Timer:
        now = self.now()
        # A process that does not run is looked at less and less often.
        self.idle_ns = min(self.idle_ns * 2, IDLE_SAMPLE_NS) if now == self.last else SAMPLE_NS
        self.last = now
        threads = max(1, len(self.process.threads))
        wait = max((at - now) // threads, self.idle_ns)
        clock = self.process.world.clock
        return clock.arm(clock.monotonic_ns() + wait, owner)


class Countdown:
    """A deadline on a meter, perhaps periodic. Subclasses say what ``ring`` does."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.deadline = 0
        """On the meter; 0: disarmed."""
        self.interval = 0
        self.timer: Timer | None = None

    def set(self, deadline: int, interval: int) -> None:
        """Arm for *deadline* (0: disarm), then every *interval* (0: once)."""
        self.cancel()
        self.deadline = deadline
        self.interval = interval
        if deadline:
            self.timer = self.meter.arm(deadline, self)

    def cancel(self) -> None:
        self.deadline = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def left(self) -> int:
        """Ns until it rings next; 0 if disarmed, at least 1 if not."""
        if not self.deadline:
            return 0
        left = self.deadline - self.meter.now()
        if left <= 0 and self.interval:
            left = self.interval - -left % self.interval
        return max(left, 1)

    def expire(self) -> None:
        """The kernel's clock has reached the armed time."""
        self.timer = None
        if self.deadline > self.meter.now():
            self.timer = self.meter.arm(self.deadline, self)
        elif self.deadline:
            self.ring()

    def ring(self) -> None:
        raise NotImplementedError

    def forward(self) -> int:
        """Move on to the first period that is not over; return the periods passed over."""
        if not self.interval:
            self.deadline = 0
            return 0
        late = self.meter.now() - self.deadline
        missed = max(0, late // self.interval)
        self.deadline += (missed + 1) * self.interval
        at = max(self.deadline, self.meter.now() + FASTEST_NS)
        self.timer = self.meter.arm(at, self)
        return missed


class IntervalTimer(Countdown):
    """One of the three of setitimer(2)."""

    def __init__(self, process: Process, which: int) -> None:
        meter: Meter
        if which == ITIMER_REAL:
            meter = WallMeter(process.world)
        else:
            meter = CpuMeter(process, user=which == ITIMER_VIRTUAL)
        super().__init__(meter)
        self.process = process
        self.signo = SIGNALS[which]

    def ring(self) -> None:
        self.forward()
        send_to_process(self.process, SigInfo(self.signo, SI_KERNEL))


def interval_timer(process: Process, which: int) -> IntervalTimer:
    """The timer *which* (ITIMER_*) of a process, made at its first use."""
    key = INTERVAL_KEYS[which]
    timer: IntervalTimer | None = process.timers.get(key)
    if timer is None:
        timer = process.timers[key] = IntervalTimer(process, which)
    return timer


class CpuLimit(Countdown):
    """RLIMIT_CPU: SIGXCPU every second from the soft limit on, SIGKILL at the hard one."""

    def __init__(self, process: Process, hard_ns: int) -> None:
        super().__init__(CpuMeter(process))
        self.process = process
        self.hard_ns = hard_ns

    def ring(self) -> None:
        if self.meter.now() >= self.hard_ns:
            self.cancel()
            send_to_process(self.process, SigInfo(SIGKILL, SI_KERNEL))
            return
        send_to_process(self.process, SigInfo(SIGXCPU, SI_KERNEL))
        self.set(self.meter.now() + NS, 0)


def limit_cpu(process: Process, soft_s: int, hard_s: int) -> None:
    """Make RLIMIT_CPU hold for *process*; call it after fork too. A limit of 0 counts as 1 s."""
    old = process.timers.pop(CPU_LIMIT_KEY, None)
    if old is not None:
        old.cancel()
    if soft_s >= 1 << 60:
        return
    limit = CpuLimit(process, max(hard_s, 1) * NS)
    process.timers[CPU_LIMIT_KEY] = limit
    limit.set(max(soft_s, 1) * NS, 0)


class PosixTimer(Countdown):
    """timer_create(2). It rings once until its signal is taken; what comes before is overrun."""

    def __init__(
        self, process: Process, ident: int, clock: int, meter: Meter, signo: int, value: int
    ) -> None:
        super().__init__(meter)
        self.process = process
        self.ident = ident
        self.clock = clock
        self.signo = signo
        """0: no signal (SIGEV_NONE)."""
        self.value = value
        self.task: Task | None = None
        """The thread that gets the signal (SIGEV_THREAD_ID), else None."""
        self.info: SigInfo | None = None
        """The signal while it is queued."""
        self.overrun = 0

    def ring(self) -> None:
        if not self.signo:
            self.forward()
            return
        if self.info is not None:
            return
        if is_ignored(self.process, self.task or self.process.leader, self.signo):
            if self.interval:
                self.timer = self.meter.arm(self.meter.now() + IGNORED_NS, self)
            else:
                self.deadline = 0
            return
        info = SigInfo(self.signo, SI_TIMER, timerid=self.ident, value=self.value)
        info.timer = self
        self.info = info
        if not self.interval:
            self.deadline = 0
        if self.task is not None:
            send_to_task(self.task, info)
        else:
            send_to_process(self.process, info)

    def taken(self, info: SigInfo) -> SigInfo:
        """The signal is delivered (or flushed): count what was missed, and go on."""
        if self.info is info:
            self.info = None
            self.overrun = info.overrun = min(self.forward(), (1 << 31) - 1)
        return info

    def set(self, deadline: int, interval: int) -> None:
        self.withdraw()
        super().set(deadline, interval)

    def withdraw(self) -> None:
        """Take a signal back that is still queued from an earlier setting."""
        info, self.info = self.info, None
        if info is not None:
            owner = self.task.pending if self.task is not None else self.process.pending
            owner.remove(info)


def delete(process: Process, ident: int) -> None:
    """timer_delete."""
    timer = process.timers.pop(ident)
    timer.withdraw()
    timer.cancel()


def drop_posix_timers(process: Process) -> None:
    """exec deletes POSIX timers; interval timers and the CPU limit stay."""
    for ident in [i for i in process.timers if i >= 0]:
        delete(process, ident)


def set_realtime(world: World, now_ns: int) -> None:
    """Set the guest world's wall clock: absolute sleepers and timers look at it again. EINVAL for
    a time before the machine's start would be 1970, or too late (do_settimeofday64)."""
    if not world.clock.monotonic_ns() <= now_ns < SETTOD_MAX_NS:
        raise EINVAL("the wall clock may not be set to that")
    world.clock.realtime_offset_ns += now_ns - world.clock.realtime_ns()
    world.clock_set.wake()
    if world.ipc.timers:
        from ring3.ipc.timerfd import clock_was_set

        clock_was_set(world)
    for process in list(world.processes.values()):
        for timer in list(process.timers.values()):
            meter = timer.meter
            if isinstance(meter, WallMeter) and meter.realtime and timer.timer is not None:
                timer.timer.cancel()
                timer.timer = meter.arm(timer.deadline, timer)
