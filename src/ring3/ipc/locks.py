"""File locks: POSIX record locks, open file description locks, flock(2).

All locks of a file hang on its inode. Record locks are kept per owner as sorted lists of ranges
that do not touch; an owner is a descriptor table (POSIX: Linux's ``current->files``) or an open
file description (OFD). Source: fs/locks.c, fcntl_locking(2), flock(2).
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EDEADLK
from ring3.abi.fcntl import F_RDLCK, F_UNLCK, F_WRLCK
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.core.park import Park, Waiter, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from ring3.core.clock import Clock
    from ring3.ipc.hostlocks import Mirror
    from ring3.vfs.file import File
    from ring3.vfs.inode import Inode

OFFSET_MAX: Final = (1 << 63) - 1
Range = tuple[int, int, int]
"""(first byte, last byte, F_RDLCK or F_WRLCK)."""


class Owner:
    """Whoever can hold record locks."""

    __slots__ = ("blocked", "held", "pid")

    def __init__(self) -> None:
        self.pid = -1
        """What F_GETLK tells of the holder: -1 for an open file description."""
        self.held: dict[InodeLocks, None] = {}
        self.blocked: list[Blocked] = []


class PosixOwner(Owner):
    """A descriptor table. Any close of a file ends the table's locks on that file."""

    __slots__ = ()

    def closed(self, file: File) -> None:
        if self.held and (locks := find_locks(file)) is not None:
            locks.drop(self)


class OfdOwner(Owner):
    """An open file description; its locks end with it."""

    __slots__ = ()

    def file_gone(self, file: File) -> None:
        for locks in list(self.held):
            locks.drop(self)


class Blocked(WaitQueue):
    """One parked request. Stands in the file's list exactly as long as a waiter stands in it."""

    __slots__ = ("first", "kind", "last", "locks", "owner")

    def __init__(self, locks: InodeLocks, owner: Owner, first: int, last: int, kind: int) -> None:
        super().__init__()
        self.locks = locks
        self.owner = owner
        self.first = first
        self.last = last
        self.kind = kind

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        self.locks.blocked.append(self)
        self.owner.blocked.append(self)

    def remove(self, waiter: Waiter) -> None:
        super().remove(waiter)
        if self in self.locks.blocked:
            self.locks.blocked.remove(self)
            self.owner.blocked.remove(self)
            self.locks.retire()

    def blockers(self) -> Iterator[Owner]:
        for owner, _found in self.locks.conflicts(self.owner, self.first, self.last, self.kind):
            yield owner


class BlockedFlock(WaitQueue):
    """One parked flock(2)."""

    __slots__ = ("file", "kind", "locks")

    def __init__(self, locks: InodeLocks, file: File, kind: int) -> None:
        super().__init__()
        self.locks = locks
        self.file = file
        self.kind = kind

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        self.locks.blocked_flocks.append(self)

    def remove(self, waiter: Waiter) -> None:
        super().remove(waiter)
        if self in self.locks.blocked_flocks:
            self.locks.blocked_flocks.remove(self)
            self.locks.retire()


class InodeLocks:
    """All locks of one file."""

    __slots__ = ("blocked", "blocked_flocks", "flocks", "inode", "mirror", "ranges")

    def __init__(self, inode: Inode | None = None, mirror: Mirror | None = None) -> None:
        self.inode = inode
        """Where these locks hang, as long as there is one; None for a nameless file."""
        self.ranges: dict[Owner, list[Range]] = {}
        self.flocks: dict[File, int] = {}
        """Open file description -> F_RDLCK (LOCK_SH) or F_WRLCK (LOCK_EX)."""
        self.blocked: list[Blocked] = []
        self.blocked_flocks: list[BlockedFlock] = []
        self.mirror = mirror
        """Where programs outside see these locks (a host tree that is written through)."""

    # --- record locks --------------------------------------------------------------------------
    def conflicts(
        self, owner: Owner, first: int, last: int, kind: int
    ) -> Iterator[tuple[Owner, Range]]:
        """Others' locks that stand in the way of *kind* on [first, last]."""
        for other, ranges in self.ranges.items():
            if other is owner:
                continue
            for found in ranges:
                if found[0] <= last and first <= found[1] and F_WRLCK in (kind, found[2]):
                    yield other, found

    def set(self, owner: Owner, first: int, last: int, kind: int, wait: bool) -> None:
        """F_SETLK, or with *wait* F_SETLKW. EAGAIN, EDEADLK, or parks."""
        if kind != F_UNLCK:
            for other, _found in self.conflicts(owner, first, last, kind):
                if not wait:
                    raise EAGAIN("locked by another")
                if isinstance(owner, PosixOwner) and leads_to(other, owner, set()):
                    raise EDEADLK
                raise Park(Blocked(self, owner, first, last, kind))
        old = self.ranges.get(owner, [])
        new = replaced(old, first, last, kind)
        self.put(owner, new)
        if self.mirror is not None and not self.mirror.follow(self, first, last):
            # A program outside holds a lock here: nothing has changed yet.
            self.put(owner, old)
            self.mirror.follow(self, first, last)
            if not wait:
                raise EAGAIN("locked by a program outside")
            raise Park(Blocked(self, owner, first, last, kind), deadline_ns=self.mirror.retry_ns())
        self.wake_ranges()
        self.retire()

    def put(self, owner: Owner, ranges: list[Range]) -> None:
        if ranges:
            self.ranges[owner] = ranges
            owner.held[self] = None
        else:
            self.ranges.pop(owner, None)
            owner.held.pop(self, None)

    def drop(self, owner: Owner) -> None:
        """Give up all record locks of *owner* here."""
        if owner in self.ranges:
            self.put(owner, [])
            if self.mirror is not None:
                self.mirror.follow(self, 0, OFFSET_MAX)
            self.wake_ranges()
            self.retire()

    def wake_ranges(self) -> None:
        for waiting in list(self.blocked):
            if next(waiting.blockers(), None) is None:
                waiting.wake()

    def strongest(self, first: int, last: int) -> list[Range]:
        """What all owners together hold of [first, last], as ranges that do not touch; kind
        F_UNLCK for the gaps."""
        edges = {first, last + 1}
        mine = [r for ranges in self.ranges.values() for r in ranges]
        for start, end, _kind in mine:
            edges.update(e for e in (start, end + 1) if first < e <= last)
        cuts = sorted(edges)
        out: list[Range] = []
        for i, start in enumerate(cuts[:-1]):
            stop = cuts[i + 1]
            kinds = [kind for a, b, kind in mine if a <= start <= b]
            kind = F_WRLCK if F_WRLCK in kinds else F_RDLCK if kinds else F_UNLCK
            if out and out[-1][2] == kind:
                out[-1] = (out[-1][0], stop - 1, kind)
            else:
                out.append((start, stop - 1, kind))
        return out

    def first_conflict(
        self, owner: Owner, first: int, last: int, kind: int
    ) -> tuple[int, Range] | None:
        """F_GETLK: (pid, lock) of one that stands in the way; pid -1 if it belongs to an open
        file description or to a program outside that does not say."""
        for other, found in self.conflicts(owner, first, last, kind):
            return other.pid, found
        return self.mirror.first_conflict(first, last, kind) if self.mirror is not None else None

    # --- flock -----------------------------------------------------------------------------------
    def flock(self, file: File, kind: int, wait: bool) -> None:
        """flock(2) with F_RDLCK, F_WRLCK or F_UNLCK. EAGAIN, or parks.

        A change of kind is not atomic: the old lock is gone even if the new one is refused.
        """
        held = self.flocks.get(file)
        if held == kind:
            return
        if held is not None:
            self.unflock(file)
        if kind == F_UNLCK:
            self.retire()
            return
        if self.inode is not None:
            self.inode.locks = self  # giving the old lock up may have retired the list
        against = [k for other, k in self.flocks.items() if F_WRLCK in (k, kind)]
        blocked = BlockedFlock(self, file, kind)
        if against:
            if not wait:
                raise EAGAIN("locked by another")
            raise Park(blocked)
        self.flocks[file] = kind
        if self.mirror is not None and not self.mirror.follow_flock(self):
            del self.flocks[file]
            self.mirror.follow_flock(self)
            if not wait:
                raise EAGAIN("locked by a program outside")
            raise Park(blocked, deadline_ns=self.mirror.retry_ns())
        file.follow(self)

    def unflock(self, file: File) -> None:
        if self.flocks.pop(file, None) is None:
            return
        file.unfollow(self)
        if self.mirror is not None:
            self.mirror.follow_flock(self)
        for waiting in list(self.blocked_flocks):
            waiting.wake()
        self.retire()

    def retire(self) -> None:
        """Without a lock and a waiter, the inode needs no list (nor the host's description)."""
        if not (self.ranges or self.flocks or self.blocked or self.blocked_flocks) and (
            self.inode is not None and self.inode.locks is self
        ):
            self.inode.locks = None

    def file_gone(self, file: File) -> None:
        """A description with a flock was closed for good."""
        self.unflock(file)


def replaced(ranges: list[Range], first: int, last: int, kind: int) -> list[Range]:
    """*ranges* of one owner with [first, last] set to *kind* (F_UNLCK: none there)."""
    out: list[Range] = []
    for start, end, held in ranges:
        if end < first or start > last:
            out.append((start, end, held))
            continue
        if start < first:
            out.append((start, first - 1, held))
        if end > last:
            out.append((last + 1, end, held))
    if kind != F_UNLCK:
        out.append((first, last, kind))
    out.sort()
    merged: list[Range] = []
    for start, end, held in out:
        if merged and merged[-1][2] == held and merged[-1][1] + 1 == start:
            merged[-1] = (merged[-1][0], end, held)
        else:
            merged.append((start, end, held))
    return merged


def leads_to(start: Owner, goal: Owner, seen: set[Owner]) -> bool:
    """Whether *start* waits, over others, for a lock of *goal*."""
    if start in seen:
        return False
    seen.add(start)
    return any(
        other is goal or leads_to(other, goal, seen)
        for waiting in start.blocked
        for other in waiting.blockers()
    )


_nameless: MutableMapping[File, InodeLocks] | None = None


def find_locks(file: File) -> InodeLocks | None:
    """The locks of *file*, if it ever had any."""
    if file.place is None:
        return None if _nameless is None else _nameless.get(file)
    locks: InodeLocks | None = file.inode.locks
    return locks


def locks_of(file: File, clock: Clock) -> InodeLocks:
    """The locks of *file*, made if need be. A nameless file (a pipe) has its own."""
    global _nameless
    locks = find_locks(file)
    if locks is not None:
        return locks
    if file.place is None:
        if _nameless is None:
            from weakref import WeakKeyDictionary

            _nameless = WeakKeyDictionary()
        locks = _nameless[file] = InodeLocks()
        return locks
    inode = file.inode
    opener = getattr(inode, "lock_fd", None)
    mirror = None
    if opener is not None and (fd := opener()) is not None:
        from ring3.ipc.hostlocks import Mirror

        mirror = Mirror(fd, clock)
    locks = inode.locks = InodeLocks(inode, mirror)
    return locks


def posix_owner(table: object, pid: int) -> PosixOwner:
    """The owner that descriptor table *table* is (``FdTable.locks``)."""
    owner: PosixOwner | None = table.locks  # type: ignore[attr-defined]
    if owner is None:
        owner = PosixOwner()
        table.locks = owner  # type: ignore[attr-defined]
    owner.pid = pid
    return owner


def ofd_owner(file: File) -> OfdOwner:
    """The owner that an open file description is."""
    for follower in file.followers or ():
        if isinstance(follower, OfdOwner):
            return follower
    owner = OfdOwner()
    file.follow(owner)
    return owner
