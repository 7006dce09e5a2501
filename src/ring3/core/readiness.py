"""What ``core.reactor`` needs of select.epoll, on hosts that have none: over poll or select.

Edges are made from levels: a bit is reported when it appears, and again once it went away and came
back. A waiter that has just found nothing may have missed a short absence, so ``look_again`` has
standing bits reported once more, at most every AGAIN_S.
"""

from __future__ import annotations

import select
import time

from ring3.abi.hints import Final
from ring3.abi.poll import EPOLLET, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI

LEVELS: Final = POLLIN | POLLOUT | POLLPRI
AGAIN_S: Final = 0.005
TICK_S: Final = 0.02
"""How long to sleep at most while bits that were reported stand: one may go away and come back."""


class Readiness:
    """Descriptors and the events wanted of each (EPOLLET: edges)."""

    def __init__(self) -> None:
        self.wanted: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        """Bits that were reported and have held since."""
        self.stale: dict[int, float] = {}
        """Descriptors that somebody has begun to wait for again -> when to report them."""

    def register(self, fd: int, events: int) -> None:
        """PermissionError for a regular file, as epoll has it."""
        import os
        import stat

        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise PermissionError(1, "regular files are always ready")
        self.wanted[fd] = events
        self.seen[fd] = 0

    def unregister(self, fd: int) -> None:
        del self.wanted[fd], self.seen[fd]
        self.stale.pop(fd, None)

    def look_again(self, fd: int) -> None:
        self.stale.setdefault(fd, time.monotonic() + AGAIN_S)

    def poll(self, timeout_s: float = -1) -> list[tuple[int, int]]:
        """(fd, events) of what is new, within *timeout_s* (negative: for ever)."""
        end = None if timeout_s < 0 else time.monotonic() + timeout_s
        while True:
            found = self.news(self.levels(dict.fromkeys(self.wanted, LEVELS), 0))
            now = time.monotonic()
            if found or (end is not None and now >= end):
                return found
            left = TICK_S if any(self.seen.values()) or self.stale else 3600.0
            if end is not None:
                left = min(left, end - now)
            self.levels({fd: LEVELS & ~self.seen[fd] for fd in self.wanted}, left)

    def news(self, now: dict[int, int]) -> list[tuple[int, int]]:
        found = []
        for fd, wanted in self.wanted.items():
            levels = now.get(fd, 0)
            if not wanted & EPOLLET:
                fresh = levels & (wanted | POLLERR | POLLHUP)
            else:
                fresh = levels & ~self.seen[fd]
                self.seen[fd] = levels
                due = self.stale.get(fd)
                if due is not None and time.monotonic() >= due:
                    del self.stale[fd]
                    fresh = levels
            if fresh:
                found.append((fd, fresh))
        return found

    def levels(self, wanted: dict[int, int], timeout_s: float) -> dict[int, int]:
        """The bits that hold now, once one of *wanted* does or the time is up."""
        if hasattr(select, "poll"):
            poller = select.poll()
            for fd, events in wanted.items():
                poller.register(fd, events)
            return dict(poller.poll(max(0, int(timeout_s * 1000 + 0.999))))
        readers = [fd for fd, events in wanted.items() if events & POLLIN]
        writers = [fd for fd, events in wanted.items() if events & POLLOUT]
        if not readers and not writers:
            time.sleep(timeout_s)
            return {}
        ready_r, ready_w, _ = select.select(readers, writers, [], timeout_s)
        found = dict.fromkeys(ready_r, POLLIN)
        for fd in ready_w:
            found[fd] = found.get(fd, 0) | POLLOUT
        return found

    def close(self) -> None:
        self.wanted.clear()
        self.seen.clear()
