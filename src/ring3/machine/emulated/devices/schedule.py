"""Hardware events in virtual time: when a disk's platter, a wire or a timer is done.

These are the devices' own; the kernel's deadlines (sleeps, timeouts) are in ``core.clock``.
"""

from __future__ import annotations

import heapq

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Event:
    """Something that will happen on the board at *at_ns*."""

    __slots__ = ("action", "at_ns")

    def __init__(self, at_ns: int, action: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class Schedule:
    """Events in order of time, those of one moment in the order they were entered.

    *now*: the virtual time in ns. Nothing here looks at the host's clock.
    """

    __slots__ = ("heap", "now", "serial")

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.heap: list[tuple[int, int, Event]] = []
        self.serial = 0

    def at(self, at_ns: int, action: Callable[[], None]) -> Event:
        event = Event(at_ns, action)
        self.serial += 1
        heapq.heappush(self.heap, (at_ns, self.serial, event))
        return event

    def after(self, delay_ns: int, action: Callable[[], None]) -> Event:
        return self.at(self.now() + delay_ns, action)

    def next_ns(self) -> int | None:
        """When the next event is due, None if nothing is going on."""
        heap = self.heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run_due(self) -> int:
        """Let everything happen whose time has come; return how many events that were."""
        now, done = self.now(), 0
        while (first := self.next_ns()) is not None and first <= now:
            action = heapq.heappop(self.heap)[2].action
            if action is not None:
                action()
                done += 1
        return done
