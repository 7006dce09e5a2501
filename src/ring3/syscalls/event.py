"""eventfd(2), timerfd_create(2), signalfd(2): events as descriptors."""

from __future__ import annotations

from ring3.abi.capability import CAP_WAKE_ALARM
from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import Annotated, Any
from ring3.abi.poll import EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE
from ring3.abi.signal import SFD_CLOEXEC, SFD_NONBLOCK
from ring3.abi.time import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    TFD_CLOEXEC,
    TFD_NONBLOCK,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from ring3.abi.types import ClockId, Fd, In, Out, Record, Scalar, SigSet, Size, UInt
from ring3.ipc.eventfd import make_eventfd
from ring3.ipc.timerfd import HostTimerFd, TimerFd, make_timerfd
from ring3.syscalls.publish import install
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import io_file
from ring3.task.signalfd import SignalFd
from ring3.task.task import Task

SECOND_NS = 1_000_000_000
KTIME_MAX = (1 << 63) - 1
SIGSET_SIZE = 8
EventFlags = Annotated[int, Scalar(32, flags="efd", kind="flags")]
TimerFlags = Annotated[int, Scalar(32, flags="tfd", kind="flags")]
SignalFdFlags = Annotated[int, Scalar(32, flags="sfd", kind="flags")]
PLAIN_CLOCKS = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME)
ALARM_CLOCKS = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)


class Itimerspec(Record):
    """struct itimerspec: interval and next expiry in seconds and nanoseconds."""

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
    def of(cls, setting: tuple[int, int]) -> Any:
        """From (value, interval) in nanoseconds."""
        value, interval = setting
        return cls(*divmod(interval, SECOND_NS), *divmod(value, SECOND_NS))

    def setting(self) -> tuple[int, int]:
        """(value, interval) in nanoseconds, cut to what a timer can hold. EINVAL."""
        for sec, nsec in (
            (self.value_sec, self.value_nsec),
            (self.interval_sec, self.interval_nsec),
        ):
            if sec < 0 or not 0 <= nsec < SECOND_NS:
                raise EINVAL("timespec out of range")
        value = self.value_sec * SECOND_NS + self.value_nsec
        interval = self.interval_sec * SECOND_NS + self.interval_nsec
        return min(value, KTIME_MAX), min(interval, KTIME_MAX)


class Itimerspec64(Itimerspec):
    """The same with 64-bit seconds in both ABIs."""

    LAYOUT = "__kernel_itimerspec"
    __slots__ = ()


# --- eventfd ----------------------------------------------------------------------------------
@syscall
def eventfd(t: Task, count: UInt) -> int:
    """Make a counter that starts at *count*."""
    return install(t, make_eventfd(t.world, count, 0), False)


@syscall
def eventfd2(t: Task, count: UInt, flags: EventFlags) -> int:
    """``eventfd`` with EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC."""
    if flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC):
        raise EINVAL("unknown eventfd flag")
    file = make_eventfd(t.world, count, flags & ~EFD_CLOEXEC)
    return install(t, file, bool(flags & EFD_CLOEXEC))


# --- timerfd ----------------------------------------------------------------------------------
@syscall
def timerfd_create(t: Task, clock: ClockId, flags: TimerFlags) -> int:
    """Make a disarmed timer on *clock*."""
    if flags & ~(TFD_NONBLOCK | TFD_CLOEXEC):
        raise EINVAL("unknown timerfd flag")
    if clock not in PLAIN_CLOCKS + ALARM_CLOCKS:
        raise EINVAL("no such clock for timers")
    if clock in ALARM_CLOCKS and not t.cred.capable(CAP_WAKE_ALARM):
        raise EPERM("CAP_WAKE_ALARM")
    file = make_timerfd(t.world, clock, flags & TFD_NONBLOCK)
    return install(t, file, bool(flags & TFD_CLOEXEC))


@syscall
def timerfd_settime(
    t: Task, fd: Fd, flags: TimerFlags, new: In[Itimerspec], old: Out[Itimerspec]
) -> int:
    """Arm or disarm a timer; store what was set before at *old*."""
    return settime(t, fd, flags, new, old)


@syscall
def timerfd_settime64(
    t: Task, fd: Fd, flags: TimerFlags, new: In[Itimerspec64], old: Out[Itimerspec64]
) -> int:
    """i386: ``timerfd_settime`` with 64-bit seconds."""
    return settime(t, fd, flags, new, old)


def settime(t: Task, fd: int, flags: int, new: In[Any], old: Out[Any]) -> int:
    value, interval = (wanted := new.load()).setting()
    if flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET):
        raise EINVAL("unknown timerfd flag")
    before = timer_at(t, fd).settime(flags, value, interval)
    if old:
        old.store(type(wanted).of(before))
    return 0


@syscall
def timerfd_gettime(t: Task, fd: Fd, now: Out[Itimerspec]) -> int:
    """Store the time until a timer's next expiry, and its interval."""
    now.store(Itimerspec.of(timer_at(t, fd).gettime()))
    return 0


@syscall
def timerfd_gettime64(t: Task, fd: Fd, now: Out[Itimerspec64]) -> int:
    """i386: ``timerfd_gettime`` with 64-bit seconds."""
    now.store(Itimerspec64.of(timer_at(t, fd).gettime()))
    return 0


def timer_at(t: Task, fd: int) -> TimerFd | HostTimerFd:
    """The timer at *fd*. EBADF, EINVAL."""
    file = io_file(t, fd)
    if not isinstance(file, TimerFd | HostTimerFd):
        raise EINVAL("not a timerfd")
    return file


# --- signalfd ---------------------------------------------------------------------------------
@syscall
def signalfd(t: Task, fd: Fd, mask: In[SigSet], size: Size) -> int:
    """Make a descriptor that gives the signals of *mask*, or change one (*fd* not -1)."""
    return set_signalfd(t, fd, mask, size, 0)


@syscall
def signalfd4(t: Task, fd: Fd, mask: In[SigSet], size: Size, flags: SignalFdFlags) -> int:
    """``signalfd`` with SFD_NONBLOCK, SFD_CLOEXEC."""
    return set_signalfd(t, fd, mask, size, flags)


def set_signalfd(t: Task, fd: int, mask: In[int], size: int, flags: int) -> int:
    if size != SIGSET_SIZE:
        raise EINVAL("signal set size")
    wanted = mask.load()
    if flags & ~(SFD_NONBLOCK | SFD_CLOEXEC):
        raise EINVAL("unknown signalfd flag")
    if fd == -1:
        return install(t, SignalFd(t, wanted, flags & SFD_NONBLOCK), bool(flags & SFD_CLOEXEC))
    file = io_file(t, fd)
    if not isinstance(file, SignalFd):
        raise EINVAL("not a signalfd")
    file.set_mask(wanted)
    return fd
