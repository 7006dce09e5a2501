"""Time that passes because a program runs, not because the host's clock does.

The machine that counts a program's steps moves it on (``advance``), and skips the time in which
nobody runs (``jump_to``). So a sleep takes no real time, and two runs with the same input see the
same times.
"""

from __future__ import annotations

import time

from ring3.abi.hints import Final
from ring3.core.clock import COARSE_NS, Clock

BOOT_NS: Final = 300_000_000_000
"""The monotonic clock when the world starts: a deadline of 0 means none in many places."""
FIXED_EPOCH_NS: Final = 1_767_225_600_000_000_000
"""The wall clock of a world with a seed at its start: 2026-01-01 00:00:00 UTC."""


class VirtualClock(Clock):
    """*epoch_ns*: the wall clock at the start; None for the host's at this moment."""

    __slots__ = ("epoch_ns", "now_ns")
    virtual = True

    def __init__(self, epoch_ns: int | None = None) -> None:
        super().__init__()
        self.now_ns = BOOT_NS
        self.epoch_ns = time.time_ns() if epoch_ns is None else epoch_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def realtime_ns(self) -> int:
        return self.epoch_ns + self.now_ns - BOOT_NS + self.realtime_offset_ns

    def boottime_ns(self) -> int:
        return self.now_ns

    def tai_lead_ns(self) -> int:
        return 0

    def read(self, clock: int) -> int:
        if clock in COARSE_NS:
            return self.now_ns - self.now_ns % COARSE_NS[clock]
        return self.now_ns

    def advance(self, ns: int) -> None:
        """*ns* of virtual time have passed. ValueError if that is negative."""
        if ns < 0:
            raise ValueError("time does not go back")
        self.now_ns += ns

    def jump_to(self, deadline_ns: int) -> None:
        """Nobody runs until *deadline_ns*: it is that time now (or later already)."""
        if deadline_ns > self.now_ns:
            self.now_ns = deadline_ns
