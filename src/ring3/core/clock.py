"""The kernel's clocks and timers.

All deadlines in the kernel are absolute nanoseconds of the monotonic clock. The wall clock a
guest sees is the host's plus an offset that only ``clock_settime`` and its kin move.
"""

from __future__ import annotations

import heapq
import time

from ring3.abi.hints import ClassVar, Final, Protocol

COARSE_NS: Final = {5: 4_000_000, 6: 4_000_000}
"""CLOCK_REALTIME_COARSE and CLOCK_MONOTONIC_COARSE: their tick (CONFIG_HZ=250)."""
NS: Final = 1_000_000_000
BOOTTIME, TAI = 7, 11
"""Clock ids that ``time`` does not name on every host."""


class Expiring(Protocol):
    def expire(self) -> None:
        """The timer's deadline has passed."""


class Timer:
    """One armed deadline. Disarmed ones stay in the heap and are passed over when they surface."""

    __slots__ = ("deadline_ns", "owner")

    def __init__(self, deadline_ns: int, owner: Expiring) -> None:
        self.deadline_ns = deadline_ns
        self.owner: Expiring | None = owner

    def cancel(self) -> None:
        self.owner = None


class Clock:
    """Monotonic time, wall time and the heap of armed timers."""

    __slots__ = ("heap", "realtime_offset_ns", "rearmed", "serial")
    virtual: ClassVar[bool] = False
    """Time stands still while no guest runs (``core.virtual_clock``)."""

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Timer]] = []
        self.serial = 0
        self.realtime_offset_ns = 0
        self.rearmed = False
        """Set when the earliest deadline changed: whoever sleeps on the heap must look again."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def realtime_ns(self) -> int:
        return time.time_ns() + self.realtime_offset_ns

    def boottime_ns(self) -> int:
        """The monotonic clock with the time the host slept."""
        return self.read(BOOTTIME)

    def tai_lead_ns(self) -> int:
        """CLOCK_TAI minus the host's wall clock: whole seconds, or TAI would go back by what
        passes between the two looks."""
        try:
            lead = time.clock_gettime_ns(TAI) - time.time_ns()
            return round(lead / NS) * NS
        except (AttributeError, OSError):
            return 0

    def read(self, clock: int) -> int:
        """Any clock (by Linux's id) that counts from the boot: monotonic, raw, coarse, boottime.
        A host without that clock gives its monotonic one."""
        try:
            return time.clock_gettime_ns(clock)
        except (AttributeError, OSError):
            return time.monotonic_ns()

    def arm(self, deadline_ns: int, owner: Expiring) -> Timer:
        """Have ``owner.expire()`` called once the monotonic clock reaches *deadline_ns*."""
        timer = Timer(deadline_ns, owner)
        self.serial += 1
        heapq.heappush(self.heap, (deadline_ns, self.serial, timer))
        if self.heap[0][2] is timer:
            self.rearmed = True
        return timer

    def next_deadline_ns(self) -> int | None:
        """The earliest deadline still armed."""
        heap = self.heap
        while heap and heap[0][2].owner is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run_due(self) -> int:
        """Expire every timer that is due now; return how many were. One that is armed again for
        a moment later waits for the next round, or a short period would keep us here for ever."""
        fired = 0
        now = self.monotonic_ns()
        while True:
            first = self.next_deadline_ns()
            if first is None or first > now:
                return fired
            timer = heapq.heappop(self.heap)[2]
            owner = timer.owner
            timer.owner = None
            if owner is not None:
                owner.expire()
                fired += 1
