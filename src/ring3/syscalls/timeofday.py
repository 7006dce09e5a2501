"""The older calls about time: gettimeofday, time, times, adjtimex.

Source: kernel/time/time.c, kernel/sys.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_TIME
from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING, Annotated, TypeVar
from ring3.abi.time import CLOCK_REALTIME, STA_UNSYNC, TIME_ERROR
from ring3.abi.types import ClockId, In, InOut, LongWord, Out, Packed, Record, Timeval
from ring3.syscalls.records import SECOND_NS
from ring3.syscalls.table import syscall
from ring3.task.resources import TICK_NS, children_usage, process_usage
from ring3.task.timers import set_realtime

if TYPE_CHECKING:
    from ring3.task.task import Task

TimeZone = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("ii", kind="timezone")]
Tms = Annotated[
    "tuple[int, int, int, int]", Packed["tuple[int, int, int, int]"]("qqqq", "iiii", kind="tms")
]


@syscall
def gettimeofday(t: Task, now: Out[Timeval], zone: Out[TimeZone]) -> int:
    """Store the wall clock's time, and a time zone nobody uses."""
    if now:
        now.store(Timeval.of(t.world.clock.realtime_ns()))
    if zone:
        zone.store((0, 0))
    return 0


@syscall
def settimeofday(t: Task, now: In[Timeval], zone: In[TimeZone]) -> int:
    """Set the wall clock of the guest's world; the host's stays as it is."""
    wanted = now.load() if now else None
    if zone:
        zone.load()
    ns = 0
    if wanted is not None:
        if not 0 <= wanted.usec < 1_000_000 or wanted.sec < 0:
            raise EINVAL("timeval out of range")
        ns = wanted.ns()
    if not t.cred.capable(CAP_SYS_TIME):
        raise EPERM("CAP_SYS_TIME")
    if wanted is not None:
        set_realtime(t.world, ns)
    return 0


@syscall
def time(t: Task, out: Out[LongWord]) -> int:
    """The seconds since 1970."""
    now = t.world.clock.realtime_ns() // SECOND_NS
    if out:
        out.store(now)
    return now


@syscall
def stime(t: Task, new: In[LongWord]) -> int:
    """Set the wall clock to whole seconds (i386)."""
    seconds = new.load()
    if not t.cred.capable(CAP_SYS_TIME):
        raise EPERM("CAP_SYS_TIME")
    set_realtime(t.world, seconds * SECOND_NS)
    return 0


@syscall
def times(t: Task, out: Out[Tms]) -> int:
    """Store CPU times in clock ticks of 10 ms; return the ticks since some past moment."""
    mine, theirs = process_usage(t.process), children_usage(t.process)
    if out:
        used = (mine.user_ns, mine.system_ns, theirs.user_ns, theirs.system_ns)
        out.store(tuple(ns // TICK_NS for ns in used))  # type: ignore[arg-type]
    ticks = t.world.clock.monotonic_ns() // TICK_NS
    return ticks if t.memory.word == 64 else ticks & 0x7FFFFFFF


class Timex(Record):
    """struct timex: what the clock discipline of ntpd shows."""

    LAYOUT = "timex"
    FIELDS = {
        "modes": "modes",
        "offset": "offset",
        "freq": "freq",
        "maxerror": "maxerror",
        "esterror": "esterror",
        "status": "status",
        "constant": "constant",
        "precision": "precision",
        "tolerance": "tolerance",
        "sec": "time.tv_sec",
        "usec": "time.tv_usec",
        "tick": "tick",
    }
    __slots__ = tuple(FIELDS)
    modes: int


T = TypeVar("T", bound=Timex)


class Timex64(Timex):
    """The same with 64-bit fields in both ABIs (clock_adjtime64)."""

    LAYOUT = "__kernel_timex"
    __slots__ = ()


def discipline(t: Task, kind: type[T], asked: Timex) -> T:
    """The state of a clock that nobody disciplines, as a fresh Linux shows it. EPERM."""
    if asked.modes:
        raise EPERM("the guest's clock cannot be disciplined")
    now = Timeval.of(t.world.clock.realtime_ns())
    return kind(
        modes=0,
        maxerror=16_000_000,
        esterror=16_000_000,
        status=STA_UNSYNC,
        constant=2,
        precision=1,
        tolerance=32_768_000,
        sec=now.sec,
        usec=now.usec,
        tick=10_000,
    )


@syscall(partial="reading only: changes are EPERM")
def adjtimex(t: Task, state: InOut[Timex]) -> int:
    """Read the clock discipline's state."""
    state.store(discipline(t, Timex, state.load()))
    return TIME_ERROR


@syscall(partial="reading only: changes are EPERM")
def clock_adjtime(t: Task, clock: ClockId, state: InOut[Timex]) -> int:
    """Read the clock discipline's state; only the wall clock has one."""
    asked = state.load()
    check_disciplined(clock)
    state.store(discipline(t, Timex, asked))
    return TIME_ERROR


@syscall(partial="reading only: changes are EPERM")
def clock_adjtime64(t: Task, clock: ClockId, state: InOut[Timex64]) -> int:
    """The same with 64-bit fields (i386)."""
    asked = state.load()
    check_disciplined(clock)
    state.store(discipline(t, Timex64, asked))
    return TIME_ERROR


def check_disciplined(clock: int) -> None:
    from ring3.abi.errno import EOPNOTSUPP

    if clock != CLOCK_REALTIME:
        raise EOPNOTSUPP("this clock has no discipline") if 0 <= clock < 12 else EINVAL
