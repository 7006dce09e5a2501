"""Priority-inheriting and robust futexes: words that hold the owner's thread id.

User code changes such a word only from 0 to its own id and back, and calls the kernel whenever
it sees anything else. So once FUTEX_WAITERS is set, nobody but the kernel changes the word. On a
machine where guests run while the kernel works, the bit has to be set atomically; the host does
that (``FUTEX_WAKE_OP`` with OR) in the vehicle.

Deviates: waiters get the lock in order of arrival; priorities are the host's affair.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EDEADLK, EFAULT, EPERM, ESRCH, ETIMEDOUT, Errno
from ring3.abi.futex import (
    FUTEX_OP_OR,
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
    FUTEX_WAKE_OP,
    ROBUST_LIST_LIMIT,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.core.park import RESTART_NOINTR, Park
from ring3.task.futex import Key, futexes, key_of, load_word, store_word

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.task.task import Task

FUTEX_NR: Final = {"x86_64": 202, "i386": 240}
SET_WAITERS: Final = 8 << 28 | FUTEX_OP_OR << 28 | 31 << 12
"""WAKE_OP's fourth word: old | 1 << 31. (FUTEX_OP_OPARG_SHIFT is bit 3 of the operation.)"""
TRIES: Final = 16


class Locking:
    """A parked FUTEX_LOCK_PI."""

    __slots__ = ("addr", "deadline_ns", "key", "realtime")

    def __init__(self, key: Key, addr: int, deadline: int | None, realtime: bool) -> None:
        self.key = key
        self.addr = addr
        self.deadline_ns = deadline
        self.realtime = realtime

    def park(self, t: Task) -> Park:
        """How to wait for the lock; ETIMEDOUT if there is no time left."""
        queues = [futexes(t.world).queue(self.key)]
        if self.deadline_ns is None:
            return Park(*queues, restart=RESTART_NOINTR)
        clock = t.world.clock
        lead = clock.realtime_ns() - clock.monotonic_ns() if self.realtime else 0
        if self.deadline_ns - lead <= clock.monotonic_ns():
            raise ETIMEDOUT
        if self.realtime:
            queues.append(t.world.clock_set)
        return Park(*queues, deadline_ns=self.deadline_ns - lead, restart=RESTART_NOINTR)


def lock(t: Task, addr: int, private: bool, wait: Locking | None) -> Result:
    """Take the lock at *addr*; *wait* says for how long (None: not at all, EAGAIN)."""
    key = wait.key if wait is not None else key_of(t, addr, private)
    word = load_word(t, addr)
    owner = word & FUTEX_TID_MASK
    if owner == t.tid:
        raise EDEADLK
    if owner and wait is not None and owner not in t.world.tasks:
        raise ESRCH
    if not t.world.machine.can_bind:
        store_word(t, addr, word | FUTEX_WAITERS)
        taken = settle(t, addr, key, wait)
        if taken is not None:
            return taken
        assert wait is not None
        t.memo = wait
        raise wait.park(t)
    return mark(t, addr, private, key, wait, TRIES)


def mark(t: Task, addr: int, private: bool, key: Key, wait: Locking | None, tries: int) -> Result:
    """Have the host set FUTEX_WAITERS, then go on with a word that stands still."""
    op = FUTEX_WAKE_OP | (FUTEX_PRIVATE_FLAG if private else 0)
    call = t.vehicle.host_call(FUTEX_NR[t.abi], (addr, op, 0, 0, addr, SET_WAITERS))

    def then(result: int) -> Result:
        if result < 0:
            return result
        try:
            if not load_word(t, addr) & FUTEX_WAITERS and tries:
                # A hand-over crossed our bit; set it again.
                return mark(t, addr, private, key, wait, tries - 1)
            taken = settle(t, addr, key, wait)
            if taken is not None:
                return taken
            assert wait is not None
            t.memo = wait
            return t.world.supervisor.park(t, wait.park(t))  # type: ignore[return-value]
        except Errno as failed:
            return -failed.number

    if isinstance(call, int):
        return then(call)
    call.then = then
    return call


def settle(t: Task, addr: int, key: Key, wait: Locking | None) -> int | None:
    """With FUTEX_WAITERS set: take the lock if it is free (0), or None to wait. EAGAIN."""
    word = load_word(t, addr)
    owner = word & FUTEX_TID_MASK
    others = bool(futexes(t.world).waiting(key))
    if owner and owner != t.tid:
        if wait is None:
            raise EAGAIN
        return None
    store_word(t, addr, word & FUTEX_OWNER_DIED | t.tid | (FUTEX_WAITERS if others else 0))
    return 0


def unlock(t: Task, addr: int, private: bool) -> int:
    """Give the lock to the thread that has waited longest, or free it. EPERM."""
    key = key_of(t, addr, private)
    if load_word(t, addr) & FUTEX_TID_MASK != t.tid:
        raise EPERM("not the owner")
    hand_over(t, addr, key, 0)
    return 0


def hand_over(t: Task, addr: int, key: Key, flags: int) -> None:
    """The next waiter becomes the owner; *flags* may hold FUTEX_OWNER_DIED."""
    table = futexes(t.world)
    for task in table.waiting(key):
        if isinstance(task.memo, Locking):
            queue = table.queues[key]
            store_word(t, addr, task.tid | FUTEX_WAITERS | flags)
            queue.remove(task)
            task.finished(queue, 0)
            return
    store_word(t, addr, flags)


# --- robust lists -------------------------------------------------------------------------------
def robust_exit(t: Task) -> list[int]:
    """Mark every lock on the list of a dying thread (get_robust_list(2)).

    Returns the addresses of words that somebody may wait on in the host: one waiter of each is to
    be woken. The list is the guest's: any of it may be nonsense.
    """
    head, t.robust_list = t.robust_list, 0
    size = t.memory.word // 8
    wakes: list[int] = []
    try:
        raw = t.memory.load(head, 3 * size)
        first, offset, pending = (
            int.from_bytes(raw[i : i + size], "little", signed=i == size)
            for i in range(0, 3 * size, size)
        )
        entry, left = first, ROBUST_LIST_LIMIT
        while entry & ~1 != head and left:
            following = int.from_bytes(t.memory.load(entry & ~1, size), "little")
            if entry & ~1 != pending & ~1:
                bury(t, (entry & ~1) + offset, bool(entry & 1), False, wakes)
            entry, left = following, left - 1
        if pending:
            bury(t, (pending & ~1) + offset, bool(pending & 1), True, wakes)
    except EFAULT:
        pass
    return wakes


def bury(t: Task, addr: int, inheriting: bool, pending: bool, wakes: list[int]) -> None:
    """One lock of a dead thread: say so in the word, and let the next one have it."""
    if addr % 4:
        return
    word = load_word(t, addr)
    if pending and not inheriting and not word:
        wakes.append(addr)  # died between unlocking and waking
        return
    if word & FUTEX_TID_MASK != t.tid:
        return
    if inheriting:
        for key in (key_of(t, addr, True), key_of(t, addr, False)):
            if futexes(t.world).waiting(key):
                hand_over(t, addr, key, FUTEX_OWNER_DIED)
                return
    store_word(t, addr, word & FUTEX_WAITERS | FUTEX_OWNER_DIED)
    if word & FUTEX_WAITERS and not inheriting:
        wakes.append(addr)
