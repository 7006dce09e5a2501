"""What the options of ``ring3 trace`` make of a trace."""

from __future__ import annotations

import time

from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.frame import Style

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.trace.filters import PathFilter


class TraceOptions:
    """Everything a Tracer needs to know of the command line."""

    def __init__(self) -> None:
        self.style = Style()
        self.follow = False
        """-f"""
        self.column = 40
        """-a"""
        self.calls: frozenset[str] | None = None
        """-e trace=: names; None: all"""
        self.unknown_calls = False
        """Numbers without a name are traced too, although ``calls`` names some."""
        self.raw: frozenset[str] | None = None
        self.abbrev: frozenset[str] | None = None
        """Calls whose structures are abbreviated; None: all."""
        self.signals: frozenset[int] | None = None
        self.statuses: frozenset[str] | None = None
        """-e status=, -z, -Z"""
        self.paths: PathFilter | None = None
        """-P"""
        self.stamp: Callable[[int], str] | None = None
        """-t, -tt, -ttt: from nanoseconds since the epoch"""
        self.relative: Callable[[int], str] | None = None
        """-r: from nanoseconds since the line before"""
        self.times: Callable[[int], str] | None = None
        """-T: from the nanoseconds that the call took"""
        self.numbers = False
        """-n"""
        self.summary: str | None = None
        """-c: "only", -C: "too" """
        self.sort = "time"
        self.columns: tuple[str, ...] = ()
        self.quiet_attach = False
        self.quiet_exit = False
        self.quiet_superseded = False
        self.reasons = False
        """--reasons: why a call failed, where the kernel knows more than the errno"""

    def wants_signal(self, signo: int) -> bool:
        return self.signals is None or signo in self.signals

    def wants_status(self, result: int | None, failed: bool) -> bool:
        if self.statuses is None:
            return True
        if result is None:
            return "unfinished" in self.statuses
        return ("failed" if failed else "successful") in self.statuses


def clock_stamp(digits: int) -> Callable[[int], str]:
    """-t: the local time of day with so many digits of a second's fraction."""

    last: list[object] = [-1, ""]

    def show(ns: int) -> str:
        sec = ns // 1_000_000_000
        if last[0] != sec:
            last[:] = [sec, time.strftime("%H:%M:%S", time.localtime(sec))]
        return f"{last[1]}{fraction(ns, digits)}"

    return show


def unix_stamp(digits: int) -> Callable[[int], str]:
    """-ttt: seconds since the epoch."""
    return lambda ns: f"{ns // 1_000_000_000}{fraction(ns, digits)}"


def duration(digits: int) -> Callable[[int], str]:
    """-T: ``0.000087``"""
    return unix_stamp(digits)


def since(digits: int) -> Callable[[int], str]:
    """-r: seconds right-aligned in six columns."""
    return lambda ns: f"{ns // 1_000_000_000:6d}{fraction(ns, digits)}"


def fraction(ns: int, digits: int) -> str:
    if not digits:
        return ""
    return f".{ns % 1_000_000_000 // 10 ** (9 - digits):0{digits}d}"
