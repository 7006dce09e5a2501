"""What is noted while the call runs: events in the order of time, no judgement yet.

Nothing here is for readers; ``compose`` makes the film of it once the guest is gone.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.syscalls.table import Call

MOST_EVENTS = 20_000
"""Of one call: what comes later is only counted."""


class Event:
    __slots__ = ("data", "name")

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name = name
        self.data = data


class Tape:
    """One call of one thread."""

    def __init__(self, name: str, nr: int, nth: int, call: Call | None) -> None:
        self.name = name
        self.nr = nr
        self.nth = nth
        """It is the nth call that fits the selection."""
        self.call = call
        self.unknown = False
        """No ABI has a call with that number."""
        self.abi = "x86_64"
        self.args: tuple[int, ...] = ()
        self.pid = self.tid = 0
        self.comm = ""
        self.machine = ""
        self.trap: dict[str, Any] = {}
        """The caller as the trap found it (snapshot.take)."""
        self.rows: list[dict[str, Any]] = []
        """The registers of the ABI and what they mean (arguments.Decoding)."""
        self.line = ""
        """The call as a tracer prints it."""
        self.events: list[Event] = []
        self.lost = 0
        self.result: int | None = None
        self.reason = ""
        self.over = False
        self.back = False
        """The caller is in user mode again."""

    def note(self, name: str, /, **data: Any) -> None:
        if len(self.events) < MOST_EVENTS:
            self.events.append(Event(name, data))
        else:
            self.lost += 1

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]
