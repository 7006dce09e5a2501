"""The kernel's lock on a machine whose one thread hardly ever waits."""

from __future__ import annotations

import _thread
import time

from ring3.abi.hints import Final

TURN_S: Final = 0.00005


class PoliteLock:
    """A lock whose busiest holder can see that somebody wants it, and step aside: Python's own
    locks are not fair."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.wanted = 0
        """How many threads are waiting for it."""

    def acquire(self) -> bool:
        if self.lock.acquire(False):
            return True
        self.wanted += 1
        try:
            return self.lock.acquire()
        finally:
            self.wanted -= 1

    def release(self) -> None:
        self.lock.release()

    def let_others(self) -> None:
        """Give the lock to who waits for it (kernel locked by the caller)."""
        self.lock.release()
        try:
            while self.wanted and not self.lock.locked():
                time.sleep(TURN_S)
        finally:
            self.lock.acquire()

    def locked(self) -> bool:
        return self.lock.locked()

    def __enter__(self) -> PoliteLock:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.lock.release()
