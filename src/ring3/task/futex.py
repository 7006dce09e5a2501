"""The kernel's own futexes: waiting on a word of user memory (futex(2)).

On a machine whose host can do it, ordinary futexes are the host's (syscalls/futex.py): threads
that share memory wait in the host, and never here. Priority-inheriting and robust futexes hold
thread ids, which the host does not know, so those are always the kernel's.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT
from ring3.abi.futex import (
    FUTEX_OP_ADD,
    FUTEX_OP_ANDN,
    FUTEX_OP_CMP_EQ,
    FUTEX_OP_CMP_GE,
    FUTEX_OP_CMP_GT,
    FUTEX_OP_CMP_LE,
    FUTEX_OP_CMP_LT,
    FUTEX_OP_CMP_NE,
    FUTEX_OP_OR,
    FUTEX_OP_SET,
    FUTEX_OP_XOR,
)
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.core.park import RESTART_BLOCK, RESTART_SYS, Park, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import AddressSpace, Area
    from ring3.task.task import Task
    from ring3.task.world import World

Key = tuple[Any, int]
ALL_BITS: Final = 0xFFFFFFFF


class Futexes:
    """Queues by futex key, made when somebody waits and dropped when nobody does."""

    __slots__ = ("queues",)

    def __init__(self) -> None:
        self.queues: dict[Key, WaitQueue] = {}

    def queue(self, key: Key) -> WaitQueue:
        found = self.queues.get(key)
        if found is None:
            found = self.queues[key] = WaitQueue()
        return found

    def waiting(self, key: Key) -> list[Task]:
        """The threads that wait on *key*, first come first."""
        found = self.queues.get(key)
        if found is None:
            return []
        if not found:
            del self.queues[key]
        return list(found.waiters)  # type: ignore[arg-type]


def futexes(world: World) -> Futexes:
    if world.futexes is None:
        world.futexes = Futexes()
    return world.futexes  # type: ignore[no-any-return]


def key_of(t: Task, addr: int, private: bool) -> Key:
    """What tells one futex from another: memory and address, or file and offset if shared."""
    if addr % 4:
        raise EINVAL("futex word is not aligned")
    if private:
        return t.space.memory, addr
    area = area_at(t.space, addr)
    if area is None:
        raise EFAULT
    if area.shared:
        what = area.content or (area.device, area.inode or area.name)
        return what, area.offset + addr - area.start
    # Not the private key, though nobody else maps the word: FUT_OFF_MMSHARED.
    return t.space, addr


def area_at(space: AddressSpace, addr: int) -> Area | None:
    find: Callable[[int], Area | None] | None = getattr(space, "area_at", None)
    if find is not None:
        return find(addr)
    return next((a for a in space.areas() if a.start <= addr < a.end), None)


def load_word(t: Task, addr: int) -> int:
    return int.from_bytes(t.memory.load(addr, 4), "little")


def store_word(t: Task, addr: int, value: int) -> None:
    t.memory.store(addr, (value & ALL_BITS).to_bytes(4, "little"))


class Waiting:
    """A parked FUTEX_WAIT. Also what restart_syscall(2) goes on with."""

    __slots__ = ("addr", "bitset", "deadline_ns", "index", "keys", "realtime", "values")

    def __init__(
        self,
        keys: list[Key],
        addrs: list[int],
        values: list[int],
        bitset: int,
        deadline: int | None,
        realtime: bool,
    ) -> None:
        self.keys = keys
        self.addr = addrs
        self.values = values
        self.bitset = bitset
        self.deadline_ns = deadline
        """Absolute, on the wall clock where *realtime*, else on the monotonic one; or None."""
        self.realtime = realtime
        self.index = 0

    def check(self, t: Task) -> None:
        """EAGAIN if a word has changed already."""
        for addr, value in zip(self.addr, self.values, strict=True):
            if load_word(t, addr) != value:
                raise EAGAIN

    def resume(self, t: Task) -> int:
        """The call runs again though nobody woke the futex: time is up, a signal, or nothing."""
        clock = t.world.clock
        lead = clock.realtime_ns() - clock.monotonic_ns() if self.realtime else 0
        if self.deadline_ns is not None and self.deadline_ns - lead <= clock.monotonic_ns():
            raise ETIMEDOUT
        self.check(t)
        table = futexes(t.world)
        queues = [table.queue(key) for key in self.keys]
        if self.realtime and self.deadline_ns is not None:
            queues.append(t.world.clock_set)
        t.memo = self
        if self.deadline_ns is None:
            return park(queues, None, RESTART_SYS)
        t.restart_block = self
        return park(queues, self.deadline_ns - lead, RESTART_BLOCK)


def park(queues: Sequence[WaitQueue], deadline_ns: int | None, restart: int) -> int:
    raise Park(*queues, deadline_ns=deadline_ns, restart=restart)


def wake(world: World, key: Key, most: int, bitset: int = ALL_BITS) -> int:
    """Complete at most *most* waiters whose bitset meets *bitset*; return how many."""
    table = futexes(world)
    queue = table.queues.get(key)
    woken = 0
    for task in table.waiting(key):
        if woken >= most:
            break
        memo = task.memo
        if not isinstance(memo, Waiting) or not memo.bitset & bitset:
            continue
        assert queue is not None
        queue.remove(task)
        task.finished(queue, memo.keys.index(key))
        woken += 1
    return woken


def requeue(world: World, key: Key, to: Key, to_addr: int, wakes: int, moves: int) -> int:
    """Wake *wakes* waiters of *key*, move *moves* others to *to*; return the sum."""
    done = wake(world, key, wakes)
    if key == to:
        return done
    table = futexes(world)
    queue = table.queues.get(key)
    target: WaitQueue | None = None
    for task in table.waiting(key)[: max(moves, 0)]:
        memo, parked = task.memo, task.parked
        if queue is None or parked is None or not isinstance(memo, Waiting):
            continue
        target = target or table.queue(to)
        queue.remove(task)
        target.add(task)
        parked.queues = tuple(target if q is queue else q for q in parked.queues)
        at = memo.keys.index(key)
        memo.keys[at] = to
        # Moved waiters are woken by the new word; the old value says nothing about it.
        memo.addr[at] = to_addr
        memo.values[at] = load_quietly(task, to_addr, memo.values[at])
        done += 1
    return done


def load_quietly(t: Task, addr: int, otherwise: int) -> int:
    try:
        return load_word(t, addr)
    except EFAULT:
        return otherwise


def signed12(value: int) -> int:
    return (value & 0xFFF ^ 0x800) - 0x800


def wake_op(t: Task, addr: int, encoded: int) -> bool:
    """FUTEX_WAKE_OP: change the word as *encoded* says; whether its old value compares true."""
    op, compare = encoded >> 28 & 7, encoded >> 24 & 15
    argument, against = signed12(encoded >> 12), signed12(encoded)
    if encoded >> 31 & 1:
        argument = 1 << (argument & 31)
    old = load_word(t, addr)
    changed = {
        FUTEX_OP_SET: argument,
        FUTEX_OP_ADD: old + argument,
        FUTEX_OP_OR: old | argument,
        FUTEX_OP_ANDN: old & ~argument,
        FUTEX_OP_XOR: old ^ argument,
    }.get(op)
    if changed is None:
        raise ENOSYS("unknown operation")
    store_word(t, addr, changed)
    value = (old ^ 0x80000000) - 0x80000000
    verdict = {
        FUTEX_OP_CMP_EQ: value == against,
        FUTEX_OP_CMP_NE: value != against,
        FUTEX_OP_CMP_LT: value < against,
        FUTEX_OP_CMP_GE: value >= against,
        FUTEX_OP_CMP_LE: value <= against,
        FUTEX_OP_CMP_GT: value > against,
    }.get(compare)
    if verdict is None:
        raise ENOSYS("unknown comparison")
    return verdict
