"""Calls on clocks, timers and sleeping."""

from __future__ import annotations

from ring3.abi.errno import ERESTART_RESTARTBLOCK, ERESTARTNOHAND
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.kinds import kind, shapes
from ring3.trace.signals import signal_name, ticks
from ring3.trace.stats import comment, moment
from ring3.trace.text import addr, signed

if TYPE_CHECKING:
    from ring3.trace.frame import Frame

shapes("""
nanosleep: timespec >>left
clock_nanosleep: clock flags:timer_flags timespec >>left
clock_gettime: clock >timespec
clock_getres: clock >timespec
clock_settime: clock timespec
clock_adjtime: clock >>timex = adj
adjtimex: >>timex = adj
gettimeofday: >timeval >timezone
settimeofday: timeval timezone
time: >time_t
times: >tms = u
getitimer: enum:itimer >itimerval
setitimer: enum:itimer itimerval >itimerval
timer_create: clock sigevent >int:4d
timer_settime: d flags:timer_flags itimerspec >itimerspec
timer_gettime: d >itimerspec
timerfd_create: clock flags:timerfd = fd
timerfd_settime: fd flags:timerfd itimerspec >itimerspec
timerfd_gettime: fd >itimerspec
""")


def spec_text(x: Frame, v: int, wide: bool = False) -> str:
    """``{tv_sec=1, tv_nsec=0}``"""
    half = 8 if wide or x.word == 64 else 4
    data = x.load(v, 2 * half)
    if data is None:
        return addr(v)
    sec = int.from_bytes(data[:half], "little", signed=True)
    nsec = int.from_bytes(data[half:], "little", signed=True)
    return f"{{tv_sec={sec}, tv_nsec={nsec}}}"


@kind
def timespec(x: Frame, v: int) -> str:
    return spec_text(x, v)


@kind
def timespec64(x: Frame, v: int) -> str:
    return spec_text(x, v, True)


@kind
def timeval(x: Frame, v: int) -> str:
    half = x.word // 8
    data = x.load(v, 2 * half)
    if data is None:
        return addr(v)
    sec = int.from_bytes(data[:half], "little", signed=True)
    usec = int.from_bytes(data[half:], "little", signed=True)
    return f"{{tv_sec={sec}, tv_usec={usec}}}"


def pair(x: Frame, v: int, one: str) -> str:
    """An interval and a value."""
    form = layout("itimerspec" if one == "spec" else "itimerval", x.word)
    if x.load(v, form.size) is None:
        return addr(v)
    show = timespec if one == "spec" else timeval
    return f"{{it_interval={show(x, v)}, it_value={show(x, v + form.size // 2)}}}"


@kind
def itimerspec(x: Frame, v: int) -> str:
    return pair(x, v, "spec")


@kind
def itimerval(x: Frame, v: int) -> str:
    return pair(x, v, "val")


@kind
def left(x: Frame, v: int) -> str:
    """The rest of a sleep: told only if a signal cut it short."""
    if x.failed and x.result in (-ERESTART_RESTARTBLOCK, -ERESTARTNOHAND):
        return timespec(x, v)
    return addr(v)


@kind
def clock(x: Frame, v: int) -> str:
    return x.enum("clock", signed(v))


@kind
def time_t(x: Frame, v: int) -> str:
    number = x.number(v, x.word // 8, True)
    return addr(v) if number is None else f"[{number}{comment(moment(number, 0))}]"


@kind
def timezone(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    west, dst = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (0, 4))
    return f"{{tz_minuteswest={west}, tz_dsttime={dst}}}"


@kind
def tms(x: Frame, v: int) -> str:
    form = layout("tms", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    return "{" + ", ".join(f"{n}={ticks(s)}" for n, s in form.unpack(data).items()) + "}"


@kind
def sigevent(x: Frame, v: int) -> str:
    from ring3.abi.signal import SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID

    form = layout("sigevent", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    notify = s["sigev_notify"]
    parts = []
    if s["sigev_value"]:
        whole = s["sigev_value"]
        parts.append(f"sigev_value={{sival_int={signed(whole)}, sival_ptr={addr(whole)}}}")
    if notify in (SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID):
        parts.append(f"sigev_signo={signal_name(s['sigev_signo'])}")
    else:
        parts.append(f"sigev_signo={s['sigev_signo']}")
    parts.append(f"sigev_notify={x.enum('sigev', notify)}")
    if notify == SIGEV_THREAD_ID:
        parts.append(f"sigev_notify_thread_id={s['sigev_notify_thread_id']}")
    elif notify == SIGEV_THREAD:
        for field in ("function", "attributes"):
            parts.append(f"sigev_notify_{field}={addr(s[f'sigev_notify_{field}'])}")
    return "{" + ", ".join(parts) + "}"


@kind
def adj_state(x: Frame, v: int) -> str:
    return x.enum("adj_state", v)


@kind
def timex(x: Frame, v: int) -> str:
    form = layout("timex", x.word)
    data = None if x.failed else x.load(v, form.size)
    x.saved = data
    if data is None:
        return addr(v)
    s = form.unpack(data)
    parts = [f"modes={x.flags('adj_modes', s['modes'])}"]
    parts += [f"{n}={s[n]}" for n in ("offset", "freq", "maxerror", "esterror")]
    parts.append(f"status={x.flags('adj_status', s['status'])}")
    parts += [f"{n}={s[n]}" for n in ("constant", "precision", "tolerance")]
    parts.append(f"time={{tv_sec={s['time']['tv_sec']}, tv_usec={s['time']['tv_usec']}}}")
    last = ("tick", "ppsfreq", "jitter", "shift", "stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")
    parts += [f"{n}={s[n]}" for n in (*last, "tai")]
    return "{" + ", ".join(parts) + "}"
