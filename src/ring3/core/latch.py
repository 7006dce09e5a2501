"""An event that happens once, for threads to wait for.

``threading`` has it too, but with ``functools`` and ``collections`` it takes longer to import than
the native machine (0011).
"""

from __future__ import annotations

import _thread


class Latch:
    """Closed until ``set``; then open for ever."""

    __slots__ = ("happened", "lock")

    def __init__(self) -> None:
        self.happened = False
        self.lock = _thread.allocate_lock()
        self.lock.acquire()

    def set(self) -> None:
        """Open it; calls after the first (of the same thread) do nothing."""
        if not self.happened:
            self.happened = True
            self.lock.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it opened before *timeout_s* seconds were over (None: wait for ever)."""
        if self.happened:
            return True
        if not self.lock.acquire(True, -1 if timeout_s is None else max(timeout_s, 0)):
            return False
        self.lock.release()  # the next who waits
        return True
