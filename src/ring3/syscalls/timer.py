"""Timers that send signals: alarm, setitimer, timer_create and kin.

Source: kernel/time/itimer.c, kernel/time/posix-timers.c.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EINVAL
from ring3.abi.hints import TYPE_CHECKING, Any, Self
from ring3.abi.resource import RLIMIT_SIGPENDING
from ring3.abi.signal import SIGALRM, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID
from ring3.abi.time import CLOCK_BOOTTIME, CLOCK_TAI, ITIMER_REAL, TIMER_ABSTIME
from ring3.abi.types import I32, ClockId, In, Int, Out, Record, Timespec, UInt
from ring3.syscalls.clock import meter_of, read_clock
from ring3.syscalls.records import SECOND_NS
from ring3.syscalls.table import syscall
from ring3.task.sigstate import NSIG
from ring3.task.timers import INTERVAL_KEYS, IntervalTimer, PosixTimer, delete, interval_timer

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task

TIMER_ID_MAX = (1 << 31) - 1


class Itimerval(Record):
    """struct itimerval: interval and time left, in seconds and microseconds."""

    LAYOUT = "itimerval"
    FIELDS = {
        "interval_sec": "it_interval.tv_sec",
        "interval_usec": "it_interval.tv_usec",
        "value_sec": "it_value.tv_sec",
        "value_usec": "it_value.tv_usec",
    }
    __slots__ = tuple(FIELDS)

    @classmethod
    def of(cls, interval_ns: int, value_ns: int, word: int) -> Itimerval:
        value_us = -(-value_ns // 1000)  # never 0 while armed
        interval_us = interval_ns // 1000
        return cls(
            seconds_in(interval_us // 1_000_000, word), interval_us % 1_000_000,
            seconds_in(value_us // 1_000_000, word), value_us % 1_000_000,
        )  # fmt: skip

    def ns(self) -> tuple[int, int]:
        """(interval, value); EINVAL for what Linux refuses."""
        pairs = []
        for part in ("interval", "value"):
            sec, usec = getattr(self, part + "_sec"), getattr(self, part + "_usec")
            if sec < 0 or not 0 <= usec < 1_000_000:
                raise EINVAL("timeval out of range")
            pairs.append(sec * SECOND_NS + usec * 1000)
        return pairs[0], pairs[1]


def seconds_in(seconds: int, word: int) -> int:
    """As a C long of *word* bits has them: put_old_itimerval32 just cuts them off. (A timer's
    deadline may be 136 years away: the seconds of alarm(2) have no sign.)"""
    return seconds if word == 64 else (seconds + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


class Itimerspec(Record):
    """struct itimerspec: interval and time left, in seconds and nanoseconds."""

    LAYOUT = "itimerspec"
    FIELDS = {
        "interval_sec": "it_interval.tv_sec",
        "interval_nsec": "it_interval.tv_nsec",
        "value_sec": "it_value.tv_sec",
        "value_nsec": "it_value.tv_nsec",
    }
    __slots__ = tuple(FIELDS)
    interval_sec: int
    interval_nsec: int
    value_sec: int
    value_nsec: int

    @classmethod
    def of(cls, interval_ns: int, value_ns: int) -> Self:
        return cls(*divmod(interval_ns, SECOND_NS), *divmod(value_ns, SECOND_NS))

    def ns(self) -> tuple[int, int]:
        """(interval, value); EINVAL for what Linux refuses."""
        interval = Timespec(self.interval_sec, self.interval_nsec).ns()
        return interval, Timespec(self.value_sec, self.value_nsec).ns()


class Itimerspec64(Itimerspec):
    """The same with 64-bit seconds in both ABIs."""

    LAYOUT = "__kernel_itimerspec"
    __slots__ = ()


class Sigevent(Record):
    """struct sigevent: how a timer tells that it expired."""

    LAYOUT = "sigevent"
    FIELDS = {
        "value": "sigev_value",
        "signo": "sigev_signo",
        "notify": "sigev_notify",
        "tid": "sigev_notify_thread_id",
    }
    __slots__ = tuple(FIELDS)
    value: int
    signo: int
    notify: int
    tid: int


# --- the three interval timers ------------------------------------------------------------------
@syscall
def alarm(t: Task, seconds: UInt) -> int:
    """Send SIGALRM after *seconds* (0: never); return what was left of an earlier alarm."""
    timer = interval_timer(t.process, ITIMER_REAL)
    left = timer.left()
    timer.set(timer.meter.now() + seconds * SECOND_NS if seconds else 0, 0)
    # Rounded, but an alarm that stands is never told as 0.
    return max((left + SECOND_NS // 2) // SECOND_NS, 1) if left else 0


@syscall
def getitimer(t: Task, which: Int, out: Out[Itimerval]) -> int:
    """Store the time left of an interval timer."""
    timer = chosen(t, which)
    out.store(Itimerval.of(timer.interval, timer.left(), out.mem.word))
    return 0


@syscall
def setitimer(t: Task, which: Int, new: In[Itimerval], old: Out[Itimerval]) -> int:
    """Set an interval timer; a NULL *new* counts as zero."""
    interval, value = new.load().ns() if new else (0, 0)
    timer = chosen(t, which)
    before = Itimerval.of(timer.interval, timer.left(), t.memory.word)
    timer.set(timer.meter.now() + value if value else 0, interval)
    if old:
        old.store(before)
    return 0


def chosen(t: Task, which: int) -> IntervalTimer:
    if which not in INTERVAL_KEYS:
        raise EINVAL("which")
    return interval_timer(t.process, which)


# --- POSIX timers -------------------------------------------------------------------------------
@syscall
def timer_create(t: Task, clock: ClockId, event: In[Sigevent], out: Out[I32]) -> int:
    """Make a timer on *clock* and store its id; without *event* it sends SIGALRM."""
    meter = meter_of(t, clock)
    process = t.process
    wanted = event.load() if event else None
    if len(process.timers) >= process.limits.get(RLIMIT_SIGPENDING, (1 << 16, 0))[0]:
        raise EAGAIN("RLIMIT_SIGPENDING")
    ident = free_id(process)
    if wanted is None:
        timer = PosixTimer(process, ident, clock, meter, SIGALRM, ident)
    else:
        timer = PosixTimer(process, ident, clock, meter, wanted.signo, wanted.value)
        kind = wanted.notify
        if kind == SIGEV_THREAD_ID:
            timer.task = process.threads.get(wanted.tid)
            if timer.task is None:
                raise EINVAL("no such thread in this process")
        elif kind not in (SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD):
            raise EINVAL("sigev_notify")
        if kind == SIGEV_NONE:
            timer.signo = 0
        elif not 1 <= wanted.signo <= NSIG:
            raise EINVAL("sigev_signo")
    out.store(ident)
    process.timers[ident] = timer
    process.next_timer = ident + 1
    return 0


def free_id(process: Process) -> int:
    """The next timer id: they count on, as Linux has it."""
    ident = process.next_timer
    while ident in process.timers or ident > TIMER_ID_MAX:
        ident = ident + 1 if ident < TIMER_ID_MAX else 0
    return ident


def find(t: Task, ident: int) -> PosixTimer:
    timer = t.process.timers.get(ident) if ident >= 0 else None
    if timer is None:
        raise EINVAL("no such timer")
    return timer  # type: ignore[no-any-return]


def set_timer(
    t: Task, ident: int, flags: int, new: In[Any], old: Out[Any], kind: type[Itimerspec]
) -> int:
    if not new:
        raise EINVAL("new value")
    interval, value = new.load().ns()
    timer = find(t, ident)
    before = kind.of(timer.interval, timer.left())
    deadline = 0
    if value and flags & TIMER_ABSTIME:
        # TAI and boot time run beside the clocks that timers really stand in.
        ahead = timer.clock in (CLOCK_TAI, CLOCK_BOOTTIME)
        deadline = value - (read_clock(t, timer.clock) - timer.meter.now() if ahead else 0)
        deadline = max(deadline, 1)
    elif value:
        deadline = timer.meter.now() + value
    timer.overrun = 0
    timer.set(deadline, interval if deadline else 0)
    if old:
        old.store(before)
    return 0


@syscall
def timer_settime(
    t: Task, ident: Int, flags: Int, new: In[Itimerspec], old: Out[Itimerspec]
) -> int:
    """Arm a timer (value 0: disarm it) and store what was left."""
    return set_timer(t, ident, flags, new, old, Itimerspec)


@syscall
def timer_settime64(
    t: Task, ident: Int, flags: Int, new: In[Itimerspec64], old: Out[Itimerspec64]
) -> int:
    """The same with 64-bit seconds (i386)."""
    return set_timer(t, ident, flags, new, old, Itimerspec64)


@syscall
def timer_gettime(t: Task, ident: Int, out: Out[Itimerspec]) -> int:
    """Store the interval and the time left of a timer."""
    timer = find(t, ident)
    out.store(Itimerspec.of(timer.interval, timer.left()))
    return 0


@syscall
def timer_gettime64(t: Task, ident: Int, out: Out[Itimerspec64]) -> int:
    """The same with 64-bit seconds (i386)."""
    timer = find(t, ident)
    out.store(Itimerspec64.of(timer.interval, timer.left()))
    return 0


@syscall
def timer_getoverrun(t: Task, ident: Int) -> int:
    """How often the timer expired between its signal's queueing and delivery, last time."""
    return find(t, ident).overrun


@syscall
def timer_delete(t: Task, ident: Int) -> int:
    """Remove a timer, and its signal if that is still queued."""
    find(t, ident)
    delete(t.process, ident)
    return 0
