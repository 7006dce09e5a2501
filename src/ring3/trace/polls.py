"""Calls that wait for descriptors."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.kinds import KINDS, enters, exits, kind, shapes
from ring3.trace.signals import sigset_text
from ring3.trace.text import addr, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Frame

shapes("""
epoll_create: d = fd
epoll_create1: flags:epoll_create = fd
epoll_ctl: fd enum:epoll_ctl fd epoll_event
epoll_wait: fd >epoll_events d d
epoll_pwait: fd >epoll_events d d sigset:5 lu
epoll_pwait2: fd >epoll_events d timespec64 sigset:5 lu
eventfd: u = fd
eventfd2: u flags:eventfd = fd
""")

POLLFD = 8
MOST_FDS = 1 << 20
EPOLL_EVENT = 12
"""Bytes of a struct epoll_event: packed on both ABIs."""


# --- poll -----------------------------------------------------------------------------------------
def pollfd(x: Frame, one: bytes) -> str:
    number = int.from_bytes(one[:4], "little", signed=True)
    if number < 0:
        return f"{{fd={number}}}"
    events = x.flags("poll", int.from_bytes(one[4:6], "little"))
    return f"{{fd={x.fd(number)}, events={events}}}"


def poll_head(x: Frame, a: Sequence[int]) -> str:
    count = a[1] & 0xFFFFFFFF
    return f"{x.array(a[0], count, POLLFD, lambda one: pollfd(x, one))}, {count}"


def poll_result(x: Frame, a: Sequence[int]) -> str:
    """``[{fd=3, revents=POLLIN}]``: what the call found."""
    shown: list[str] = []
    count = a[1] & 0xFFFFFFFF
    data = x.load(a[0], count * POLLFD) if count <= MOST_FDS else None
    if data is None:
        return addr(a[0])
    for i in range(0, count * POLLFD, POLLFD):
        found = int.from_bytes(data[i + 6 : i + 8], "little")
        number = int.from_bytes(data[i : i + 4], "little", signed=True)
        if not found:
            continue
        if x.abbrev and len(shown) >= x.style.strlen:
            shown.append("...")
            break
        shown.append(f"{{fd={number}, revents={x.flags('poll', found)}}}")
    return f"[{', '.join(shown)}]"


@enters("poll")
def poll_enter(x: Frame, a: Sequence[int]) -> str:
    return f"{poll_head(x, a)}, {signed(a[2])}"


@exits("poll")
def poll_exit(x: Frame, a: Sequence[int]) -> str:
    if not x.failed:
        x.aux = poll_result(x, a) if x.result else "Timeout"
    return ""


@enters("ppoll")
def ppoll_enter(x: Frame, a: Sequence[int]) -> str:
    return f"{poll_head(x, a)}, {KINDS['timespec'](x, a[2])}, {set_of(x, a[3], a[4])}, {a[4]}"


@exits("ppoll")
def ppoll_exit(x: Frame, a: Sequence[int]) -> str:
    if not x.failed:
        x.aux = poll_result(x, a) + rest(x, "timespec", a[2]) if x.result else "Timeout"
    return ""


def set_of(x: Frame, v: int, size: int) -> str:
    mask = x.number(v, 8) if size == 8 else None
    return addr(v) if mask is None else sigset_text(mask)


def rest(x: Frame, which: str, v: int) -> str:
    """``, left {...}``: the time that was not needed."""
    if not v:
        return ""
    return f", left {KINDS[which](x, v)}"


# --- select ---------------------------------------------------------------------------------------
def fd_numbers(x: Frame, at: int, count: int) -> list[int] | None:
    """The members of an fd_set, or None where it cannot be read."""
    if not 0 < count <= MOST_FDS:
        return None
    size = (count + x.word - 1) // x.word * (x.word // 8)
    data = x.load(at, size)
    if data is None:
        return None
    whole = int.from_bytes(data, "little")
    return [n for n in range(count) if whole >> n & 1]


def select_head(x: Frame, a: Sequence[int]) -> str:
    count = signed(a[0])
    shown = []
    for at in a[1:4]:
        members = fd_numbers(x, at, count) if at else None
        shown.append(addr(at) if members is None else f"[{' '.join(x.fd(n) for n in members)}]")
    return f"{count}, {', '.join(shown)}"


def select_result(x: Frame, a: Sequence[int], left: str) -> None:
    if x.failed:
        return
    if not x.result:
        x.aux = "Timeout"
        return
    found = []
    for word, at in zip(("in", "out", "except"), a[1:4], strict=True):
        members = fd_numbers(x, at, signed(a[0])) if at else None
        if members:
            found.append(f"{word} [{' '.join(map(str, members))}]")
    x.aux = ", ".join(found) + left


@enters("select", "_newselect")
def select_enter(x: Frame, a: Sequence[int]) -> str:
    return f"{select_head(x, a)}, {KINDS['timeval'](x, a[4])}"


@exits("select", "_newselect")
def select_exit(x: Frame, a: Sequence[int]) -> str:
    select_result(x, a, rest(x, "timeval", a[4]))
    return ""


@enters("pselect6")
def pselect_enter(x: Frame, a: Sequence[int]) -> str:
    half = x.word // 8
    data = x.load(a[5], 2 * half)
    if data is None:
        packed = addr(a[5])
    else:
        at, size = (int.from_bytes(data[i : i + half], "little") for i in (0, half))
        packed = f"{{sigmask={set_of(x, at, size)}, sigsetsize={size}}}"
    return f"{select_head(x, a)}, {KINDS['timespec'](x, a[4])}, {packed}"


@exits("pselect6")
def pselect_exit(x: Frame, a: Sequence[int]) -> str:
    select_result(x, a, rest(x, "timespec", a[4]))
    return ""


# --- epoll ----------------------------------------------------------------------------------------
def event(x: Frame, one: bytes) -> str:
    flags = x.flags("epoll", int.from_bytes(one[:4], "little"))
    low, whole = int.from_bytes(one[4:8], "little"), int.from_bytes(one[4:12], "little")
    return f"{{events={flags}, data={{u32={low}, u64={whole}}}}}"


@kind
def epoll_event(x: Frame, v: int) -> str:
    from ring3.abi.poll import EPOLL_CTL_DEL

    data = None if x.args[1] & 0xFFFFFFFF == EPOLL_CTL_DEL else x.load(v, EPOLL_EVENT)
    return addr(v) if data is None else event(x, data)


@kind
def epoll_events(x: Frame, v: int) -> str:
    return x.array(v, x.result, EPOLL_EVENT, lambda one: event(x, one))
