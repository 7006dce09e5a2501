"""Reading and setting clocks, and sleeping.

Source: kernel/time/posix-timers.c, kernel/time/hrtimer.c, kernel/time/time.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_TIME
from ring3.abi.errno import EINVAL, EOPNOTSUPP, EPERM
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.time import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    CLOCK_REALTIME_COARSE,
    CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
    TIMER_ABSTIME,
)
from ring3.abi.types import ClockId, In, Int, Out, RecordCodec, Timespec
from ring3.core.park import RESTART_BLOCK, RESTART_NOHAND, Park
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import syscall
from ring3.task.resources import cpu_ns, process_cpu_ns
from ring3.task.signals import has_deliverable
from ring3.task.task import SIGNALS
from ring3.task.timers import CpuMeter, Meter, WallMeter, set_realtime

if TYPE_CHECKING:
    from ring3.task.task import Task

WALL_CLOCKS: Final = (CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI)
HOST_CLOCKS: Final = (
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_RAW,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_BOOTTIME,
)
ALARM_CLOCKS: Final = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
"""Known, but there is no real-time clock device to wake the machine."""
SLEEPING_CLOCKS: Final = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI)
COARSE_NS: Final = 4_000_000

# A negative clock id is a process or thread: ~id << 3, with these bits (CPUCLOCK_*).
PER_THREAD: Final = 4
WHICH: Final = 3
CPU_PROF, CPU_VIRT, CPU_SCHED = 0, 1, 2


# --- which clock --------------------------------------------------------------------------------
def cpu_meter(t: Task, clock: int) -> CpuMeter:
    """The meter of a CPU-time clock; EINVAL if there is no such clock or process."""
    if clock == CLOCK_PROCESS_CPUTIME_ID:
        return CpuMeter(t.process)
    if clock == CLOCK_THREAD_CPUTIME_ID:
        return CpuMeter(t.process, t)
    if clock >= 0 or clock & WHICH == WHICH:
        raise EINVAL("clock")
    pid = ~(clock >> 3)
    user = clock & WHICH == CPU_VIRT
    if clock & PER_THREAD:
        task = t.world.tasks.get(pid) if pid else t
        if task is None or task.process is not t.process:
            raise EINVAL("no such thread in this process")
        return CpuMeter(t.process, task)
    process = t.world.processes.get(pid) if pid else t.process
    if process is None:
        raise EINVAL("no such process")
    return CpuMeter(process, user=user)


def read_clock(t: Task, clock: int) -> int:
    """The time of a clock in ns. EINVAL."""
    world = t.world
    if clock in WALL_CLOCKS:
        now = world.clock.realtime_ns()
        if clock == CLOCK_TAI:
            return now + world.clock.tai_lead_ns()
        return now - now % COARSE_NS if clock == CLOCK_REALTIME_COARSE else now
    if clock == CLOCK_MONOTONIC:
        return world.clock.monotonic_ns()
    if clock in HOST_CLOCKS:
        return world.clock.read(clock)
    if clock == CLOCK_THREAD_CPUTIME_ID:
        return sum(cpu_ns(t))
    if clock == CLOCK_PROCESS_CPUTIME_ID:
        return process_cpu_ns(t.process)
    return cpu_meter(t, clock).now()


def meter_of(t: Task, clock: int) -> Meter:
    """What a timer or sleep on *clock* goes by. EINVAL, EOPNOTSUPP."""
    if clock in (CLOCK_REALTIME, CLOCK_TAI):
        return WallMeter(t.world, realtime=True)
    if clock in (CLOCK_MONOTONIC, CLOCK_BOOTTIME):
        return WallMeter(t.world)
    if clock in HOST_CLOCKS or clock in WALL_CLOCKS or clock in ALARM_CLOCKS:
        raise EOPNOTSUPP("no timers on this clock")
    return cpu_meter(t, clock)


def get_time(t: Task, clock: int, out: Out[Any], kind: Any) -> int:
    out.store(kind.of(read_clock(t, clock)))
    return 0


@syscall
def clock_gettime(t: Task, clock: ClockId, now: Out[Timespec]) -> int:
    """Store the time of a clock."""
    return get_time(t, clock, now, Timespec)


@syscall
def clock_gettime64(t: Task, clock: ClockId, now: Out[Timespec64]) -> int:
    """The same with 64-bit seconds (i386)."""
    return get_time(t, clock, now, Timespec64)


def resolution(t: Task, clock: int) -> int:
    """The resolution of a clock in ns. EINVAL."""
    if clock in (CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE):
        return COARSE_NS
    if clock not in WALL_CLOCKS and clock not in HOST_CLOCKS:
        cpu_meter(t, clock)
    return 1


@syscall
def clock_getres(t: Task, clock: ClockId, out: Out[Timespec]) -> int:
    """Store the resolution of a clock."""
    ns = resolution(t, clock)
    if out:
        out.store(Timespec.of(ns))
    return 0


@syscall
def clock_getres_time64(t: Task, clock: ClockId, out: Out[Timespec64]) -> int:
    """The same with 64-bit seconds (i386)."""
    ns = resolution(t, clock)
    if out:
        out.store(Timespec64.of(ns))
    return 0


def set_time(t: Task, clock: int, new: In[Any]) -> int:
    if clock >= 0 and clock not in (
        CLOCK_REALTIME,
        CLOCK_PROCESS_CPUTIME_ID,
        CLOCK_THREAD_CPUTIME_ID,
    ):
        raise EINVAL("this clock cannot be set")
    ns = new.load().ns()
    if clock != CLOCK_REALTIME:
        cpu_meter(t, clock)
        raise EPERM("CPU time cannot be set")
    if not t.cred.capable(CAP_SYS_TIME):
        raise EPERM("CAP_SYS_TIME")
    set_realtime(t.world, ns)
    return 0


@syscall
def clock_settime(t: Task, clock: ClockId, new: In[Timespec]) -> int:
    """Set the wall clock of the guest's world; the host's stays as it is."""
    return set_time(t, clock, new)


@syscall
def clock_settime64(t: Task, clock: ClockId, new: In[Timespec64]) -> int:
    """The same with 64-bit seconds (i386)."""
    return set_time(t, clock, new)


# --- sleeping -----------------------------------------------------------------------------------
KINDS: Final[dict[bool, Any]] = {False: Timespec, True: Timespec64}


class Sleep:
    """A relative sleep under way: what restart_syscall(2) goes on with. Plain data."""

    __slots__ = ("clock", "deadline", "rem", "wide")

    def __init__(self, clock: int, deadline: int, rem: int, wide: bool) -> None:
        self.clock = clock
        self.deadline = deadline
        self.rem = rem
        """Where the time left is stored, or 0; *wide*: with 64-bit seconds."""
        self.wide = wide

    def resume(self, t: Task) -> int:
        meter = meter_of(t, self.clock)
        left = self.deadline - meter.now()
        if left <= 0:
            return 0
        # The time left is for a call that a handler breaks off; a restart goes by the deadline.
        if self.rem and (t.interrupted or (t.attention & SIGNALS and has_deliverable(t))):
            kind = KINDS[self.wide]
            Out(t.memory, self.rem, RecordCodec(kind)).store(kind.of(left))
        t.restart_block = self
        raise park_until(t, meter, self.deadline, RESTART_BLOCK)


def park_until(t: Task, meter: Meter, deadline: int, restart: int) -> Park:
    """The park of a sleeper: on the kernel's clock, or until CPU time is worth a look."""
    clock = t.world.clock
    if isinstance(meter, WallMeter):
        queues = (t.world.clock_set,) if meter.realtime else ()
        return Park(*queues, deadline_ns=deadline - meter.lead_ns(), restart=restart)
    look = max((deadline - meter.now()) // max(1, len(t.process.threads)), 1_000_000)
    return Park(deadline_ns=clock.monotonic_ns() + look, restart=restart)


def sleep_for(t: Task, clock: int, request: In[Any], rem: Out[Any]) -> int:
    """A relative sleep, in *clock*'s time."""
    if t.memo is None:
        deadline = meter_of(t, clock).now() + request.load().ns()
        t.memo = Sleep(clock, deadline, rem.addr, rem.codec.cls is Timespec64)
    return t.memo.resume(t)  # type: ignore[no-any-return]


def sleep_until(t: Task, clock: int, meter: Meter, request: In[Any]) -> int:
    """An absolute sleep: the wall clock may jump meanwhile."""
    if t.memo is None:
        now = t.world.clock
        shift = now.boottime_ns() - now.monotonic_ns()
        if clock == CLOCK_TAI:
            shift = now.tai_lead_ns()
        t.memo = request.load().ns() - (shift if clock in (CLOCK_BOOTTIME, CLOCK_TAI) else 0)
    if t.memo <= meter.now():
        return 0
    raise park_until(t, meter, t.memo, RESTART_NOHAND)


@syscall
def nanosleep(t: Task, request: In[Timespec], rem: Out[Timespec]) -> int:
    """Sleep; if a handler breaks that off, store the time left at *rem*."""
    return sleep_for(t, CLOCK_MONOTONIC, request, rem)


def clock_sleep(t: Task, clock: int, flags: int, request: In[Any], rem: Out[Any]) -> int:
    if clock in ALARM_CLOCKS or clock == CLOCK_THREAD_CPUTIME_ID:
        raise EOPNOTSUPP("no sleeping on this clock")
    meter = meter_of(t, clock)
    if flags & TIMER_ABSTIME:
        return sleep_until(t, clock, meter, request)
    # A relative sleep does not care what the wall clock says.
    relative = CLOCK_MONOTONIC if isinstance(meter, WallMeter) else clock
    return sleep_for(t, relative, request, rem)


@syscall
def clock_nanosleep(
    t: Task, clock: ClockId, flags: Int, request: In[Timespec], rem: Out[Timespec]
) -> int:
    """Sleep for a time, or until one (TIMER_ABSTIME)."""
    return clock_sleep(t, clock, flags, request, rem)


@syscall
def clock_nanosleep_time64(
    t: Task, clock: ClockId, flags: Int, request: In[Timespec64], rem: Out[Timespec64]
) -> int:
    """The same with 64-bit seconds (i386)."""
    return clock_sleep(t, clock, flags, request, rem)
