"""Parking: how a call waits without keeping a Python stack.

A handler that cannot finish raises :class:`Park`. The gate then records the trap's registers in
the task and puts the task on the queues named. ``queue.wake()`` makes every waiter run its call
again from its registers; ``queue.finish(result)`` completes calls without running them again.
Between two traps a blocked call is therefore only data, which is what makes snapshots, host
forks, record and replay possible.
"""

from __future__ import annotations

from ring3.abi.hints import Final, Protocol

# What becomes of a parked call when a signal handler has to run (Linux's ERESTART* family).
RESTART_SYS: Final = 512
"""Run again if the handler has SA_RESTART, else EINTR."""
RESTART_NOINTR: Final = 513
"""Always run again."""
RESTART_NOHAND: Final = 514
"""EINTR once a handler ran; run again where none did."""
RESTART_BLOCK: Final = 516
"""As NOHAND, but a restart must go by the deadline, not by the original arguments."""
RESTART_NEVER: Final = 4
"""EINTR, always."""
UNINTERRUPTIBLE: Final = 0
"""No signal ends this wait (but the death of the process does): vfork."""


class Waiter(Protocol):
    """Something that can stand in wait queues: a parked task, or an epoll item."""

    def woken(self, queue: WaitQueue) -> None:
        """Readiness of *queue*; the waiter removes itself where it wants no more of it."""

    def finished(self, queue: WaitQueue, result: int) -> None:
        """Completion with *result*, without running again."""


class WaitQueue:
    """Waiters in order of arrival."""

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: dict[Waiter, None] = {}

    def add(self, waiter: Waiter) -> None:
        self.waiters[waiter] = None

    def remove(self, waiter: Waiter) -> None:
        self.waiters.pop(waiter, None)

    def wake(self, most: int | None = None) -> int:
        """Make (at *most* that many) waiters run their calls again; return how many."""
        if not self.waiters:
            return 0
        chosen = list(self.waiters)[:most]
        for waiter in chosen:
            waiter.woken(self)
        return len(chosen)

    def finish(self, result: int, most: int | None = None) -> int:
        """Complete (at *most* that many) waiters with *result*; return how many."""
        chosen = list(self.waiters)[:most]
        for waiter in chosen:
            self.waiters.pop(waiter, None)
            waiter.finished(self, result)
        return len(chosen)

    def __bool__(self) -> bool:
        return bool(self.waiters)


class Park(Exception):
    """Stop this call here; run it again from its registers when one of *queues* wakes.

    *deadline_ns* is absolute, on the monotonic clock (``core.clock``): the call runs again then
    too, and finds out by itself that time is up. *restart* is one of the RESTART_* kinds.
    """

    def __init__(
        self,
        *queues: WaitQueue,
        deadline_ns: int | None = None,
        restart: int = RESTART_SYS,
    ) -> None:
        self.queues = queues
        self.deadline_ns = deadline_ns
        self.restart = restart
