"""Locks as programs outside see them, for files of host trees that are written through.

All guests' locks on a file together are held by one host description of it, as open file
description locks (which do not care who closes what). The kernel never waits for the host's: a
request that meets a lock from outside is tried again after a while.
"""

from __future__ import annotations

import errno
import os
import struct

from ring3.abi.fcntl import F_OFD_GETLK, F_OFD_SETLK, F_UNLCK, F_WRLCK
from ring3.abi.hints import TYPE_CHECKING
from ring3.core.hostos import fcntl

if TYPE_CHECKING:
    from ring3.core.clock import Clock
    from ring3.ipc.locks import InodeLocks, Range

FLOCK = struct.Struct("hhqqi4x")
OFFSET_MAX = (1 << 63) - 1
REFUSED = (errno.EAGAIN, errno.EACCES)
"""What the host says of a lock in the way; anything else (a filesystem without locks, a file we
may only read) keeps guests from nothing among themselves."""
RETRY_NS = 20_000_000


class Mirror:
    """One host description, used for nothing but locks. Takes *fd* over."""

    __slots__ = ("clock", "fd")

    def __init__(self, fd: int, clock: Clock) -> None:
        self.fd = fd
        self.clock = clock

    def retry_ns(self) -> int:
        """When to try again, on the monotonic clock."""
        return self.clock.monotonic_ns() + RETRY_NS

    def follow(self, locks: InodeLocks, first: int, last: int) -> bool:
        """Make the host's record locks in [first, last] what *locks* says; False if one outside
        is in the way (then part of the range may have changed: follow again after undoing)."""
        for start, end, kind in locks.strongest(first, last):
            length = 0 if end == OFFSET_MAX else end - start + 1
            try:
                fcntl.fcntl(self.fd, F_OFD_SETLK, FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
            except OSError as error:
                if error.errno in REFUSED:
                    return False
        return True

    def first_conflict(self, first: int, last: int, kind: int) -> tuple[int, Range] | None:
        """(-1, lock) of a program outside that stands in the way of *kind* on [first, last]."""
        length = 0 if last == OFFSET_MAX else last - first + 1
        asked = FLOCK.pack(kind, os.SEEK_SET, first, length, 0)
        found, _whence, start, size, _pid = FLOCK.unpack(fcntl.fcntl(self.fd, F_OFD_GETLK, asked))
        if found == F_UNLCK:
            return None
        return -1, (start, OFFSET_MAX if not size else start + size - 1, found)

    def follow_flock(self, locks: InodeLocks) -> bool:
        """The same for flock(2)."""
        kinds = locks.flocks.values()
        if not kinds:
            how = fcntl.LOCK_UN
        else:
            how = fcntl.LOCK_EX if F_WRLCK in kinds else fcntl.LOCK_SH
        try:
            fcntl.flock(self.fd, how | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in REFUSED
        return True

    def __del__(self) -> None:
        os.close(self.fd)
