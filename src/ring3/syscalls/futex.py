"""futex and kin. Ordinary ones run in the host where the machine has one; see task/futex.py."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EINVAL, ENOSYS, EPERM, ESRCH
from ring3.abi.futex import (
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_MASK,
    FUTEX2_SIZE_U32,
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAITV_MAX,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
)
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any
from ring3.abi.time import CLOCK_MONOTONIC, CLOCK_REALTIME
from ring3.abi.types import (
    Addr,
    In,
    Int,
    Out,
    Packed,
    Pid,
    RecordCodec,
    Size,
    Timespec,
    UInt,
    ULong,
    Word,
)
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import syscall
from ring3.task.futex import (
    ALL_BITS,
    Waiting,
    key_of,
    load_word,
    requeue,
    wake,
    wake_op,
)
from ring3.task.pifutex import Locking, lock, robust_exit, unlock

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.task.task import Task

COMMAND = 0x7F
ABSOLUTE = (FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, FUTEX_LOCK_PI2)
INHERITING = (FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI)
MAY_USE_REALTIME = (FUTEX_WAIT_BITSET, FUTEX_LOCK_PI2)
LONG = RecordCodec(Timespec)
LONG64 = RecordCodec(Timespec64)


@syscall(partial="no FUTEX_WAIT_REQUEUE_PI; PI waiters are served in order of arrival")
def futex(
    t: Task, addr: Addr, op: Int, value: UInt, timeout: ULong, addr2: Addr, value3: UInt
) -> Result:
    """Wait on, wake, or lock by a word of memory."""
    return serve(t, addr, op, value, timeout, addr2, value3, LONG)


@syscall(partial="no FUTEX_WAIT_REQUEUE_PI; PI waiters are served in order of arrival")
def futex_time64(
    t: Task, addr: Addr, op: Int, value: UInt, timeout: ULong, addr2: Addr, value3: UInt
) -> Result:
    """The same with 64-bit seconds (i386)."""
    return serve(t, addr, op, value, timeout, addr2, value3, LONG64)


def serve(
    t: Task,
    addr: int,
    op: int,
    value: int,
    timeout: int,
    addr2: int,
    value3: int,
    codec: RecordCodec[Any],
) -> Result:
    command, private = op & COMMAND, bool(op & FUTEX_PRIVATE_FLAG)
    if command in INHERITING:
        return inheriting(t, addr, op, timeout, codec)
    if op & FUTEX_CLOCK_REALTIME and command != FUTEX_WAIT_BITSET:
        raise ENOSYS("FUTEX_CLOCK_REALTIME")
    if t.world.machine.can_bind:
        return t.vehicle.host_call(t.nr, t.args)
    if command in (FUTEX_WAIT, FUTEX_WAIT_BITSET):
        bitset = value3 if command == FUTEX_WAIT_BITSET else ALL_BITS
        return wait(t, addr, op, value, bitset, timeout, codec)
    if command in (FUTEX_WAKE, FUTEX_WAKE_BITSET):
        bitset = value3 if command == FUTEX_WAKE_BITSET else ALL_BITS
        if not bitset:
            raise EINVAL("empty bitset")
        return wake(t.world, key_of(t, addr, private), max(count(value), 1), bitset)
    if command in (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE):
        if count(value) < 0 or count(timeout) < 0:
            raise EINVAL("negative number of waiters")
        key, to = key_of(t, addr, private), key_of(t, addr2, private)
        if command == FUTEX_CMP_REQUEUE and load_word(t, addr) != value3:
            raise EAGAIN
        return requeue(t.world, key, to, addr2, count(value), count(timeout))
    if command == FUTEX_WAKE_OP:
        key, other = key_of(t, addr, private), key_of(t, addr2, private)
        verdict = wake_op(t, addr2, value3)
        woken = wake(t.world, key, max(count(value), 1))
        return woken + (wake(t.world, other, max(count(timeout), 1)) if verdict else 0)
    raise ENOSYS(f"futex operation {command}")


def count(word: int) -> int:
    """A number of waiters: an int that came as an unsigned word."""
    return (word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def load_timeout(
    t: Task, at: int, absolute: bool, codec: RecordCodec[Any], realtime: bool = False
) -> int | None:
    """The absolute deadline in ns that a timespec at *at* means; None without one."""
    if not at:
        return None
    ns: int = In(t.memory, at, codec).load().ns()
    return ns if absolute else t.world.clock.monotonic_ns() + ns


def wait(
    t: Task, addr: int, op: int, value: int, bitset: int, timeout: int, codec: RecordCodec[Any]
) -> int:
    if t.memo is None:
        if not bitset:
            raise EINVAL("empty bitset")
        realtime = bool(op & FUTEX_CLOCK_REALTIME)
        deadline = load_timeout(t, timeout, op & COMMAND in ABSOLUTE, codec)
        key = key_of(t, addr, bool(op & FUTEX_PRIVATE_FLAG))
        return Waiting([key], [addr], [value], bitset, deadline, realtime).resume(t)
    return again(t)


def again(t: Task) -> int:
    """A wait that runs again: a changed word means that nothing is left to wait for."""
    try:
        return t.memo.resume(t)  # type: ignore[no-any-return]
    except EAGAIN:
        return 0


def inheriting(t: Task, addr: int, op: int, timeout: int, codec: RecordCodec[Any]) -> Result:
    """The operations on words that hold the owner's thread id."""
    command, private = op & COMMAND, bool(op & FUTEX_PRIVATE_FLAG)
    if op & FUTEX_CLOCK_REALTIME and command not in MAY_USE_REALTIME:
        raise ENOSYS("FUTEX_CLOCK_REALTIME")
    if command == FUTEX_UNLOCK_PI:
        return unlock(t, addr, private)
    if command == FUTEX_TRYLOCK_PI:
        return lock(t, addr, private, None)
    if t.memo is not None:
        raise t.memo.park(t)
    realtime = command == FUTEX_LOCK_PI or bool(op & FUTEX_CLOCK_REALTIME)
    deadline = load_timeout(t, timeout, True, codec)
    return lock(t, addr, private, Locking(key_of(t, addr, private), addr, deadline, realtime))


# --- futex2 -------------------------------------------------------------------------------------
FutexWaitv = Annotated[
    "tuple[int, int, int, int]", Packed["tuple[int, int, int, int]"]("QQII", kind="futex_waitv")
]


@syscall(partial="32-bit words only", waiters="count")
def futex_waitv(
    t: Task, waiters: In[FutexWaitv], count: UInt, flags: UInt, timeout: In[Timespec64], clock: Int
) -> Result:
    """Wait until one of several futexes is woken; return its index."""
    if t.world.machine.can_bind:
        return t.vehicle.host_call(t.nr, t.args)
    if t.memo is not None:
        return again(t)
    if flags or not 0 < count <= FUTEX_WAITV_MAX:
        raise EINVAL("flags or count")
    deadline = None
    if timeout:
        if clock not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
            raise EINVAL("clock")
        deadline = timeout.load().ns()
    keys, addrs, values = [], [], []
    for value, addr, bits, reserved in waiters.load_array(count):
        check_futex2(bits)
        if reserved or value > 0xFFFFFFFF:
            raise EINVAL("reserved field or value")
        keys.append(key_of(t, addr, bool(bits & FUTEX2_PRIVATE)))
        addrs.append(addr)
        values.append(value)
    memo = Waiting(keys, addrs, values, ALL_BITS, deadline, clock == CLOCK_REALTIME)
    return memo.resume(t)


def check_futex2(flags: int) -> None:
    if flags & ~(FUTEX2_SIZE_MASK | FUTEX2_PRIVATE):
        raise EINVAL("flags")
    if flags & FUTEX2_SIZE_MASK != FUTEX2_SIZE_U32:
        raise EINVAL("size of the futex")


@syscall(partial="32-bit words only")
def futex_wake(t: Task, addr: Addr, mask: ULong, count: Int, flags: UInt) -> Result:
    """Wake waiters whose mask meets *mask*."""
    check_futex2(flags)
    if t.world.machine.can_bind:
        return t.vehicle.host_call(t.nr, t.args)
    if not mask or mask > ALL_BITS:
        raise EINVAL("mask")
    return wake(t.world, key_of(t, addr, bool(flags & FUTEX2_PRIVATE)), count, mask)


@syscall(partial="32-bit words only")
def futex_wait(
    t: Task, addr: Addr, value: ULong, mask: ULong, flags: UInt, timeout: In[Timespec64], clock: Int
) -> Result:
    """Wait while the word holds *value*, until an absolute time."""
    check_futex2(flags)
    if t.world.machine.can_bind:
        return t.vehicle.host_call(t.nr, t.args)
    if t.memo is not None:
        return again(t)
    if not mask or mask > ALL_BITS or value > ALL_BITS:
        raise EINVAL("mask or value")
    deadline = None
    if timeout:
        if clock not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
            raise EINVAL("clock")
        deadline = timeout.load().ns()
    key = key_of(t, addr, bool(flags & FUTEX2_PRIVATE))
    return Waiting([key], [addr], [value], mask, deadline, clock == CLOCK_REALTIME).resume(t)


@syscall(partial="32-bit words only")
def futex_requeue(t: Task, waiters: In[FutexWaitv], flags: UInt, wakes: Int, moves: Int) -> Result:
    """Wake some waiters of one futex and move others to a second one."""
    if t.world.machine.can_bind:
        return t.vehicle.host_call(t.nr, t.args)
    if flags or not waiters:
        raise EINVAL("flags or waiters")
    (value, addr, bits, _), (_, addr2, bits2, _) = waiters.load_array(2)
    check_futex2(bits)
    check_futex2(bits2)
    if wakes < 0 or moves < 0:
        raise EINVAL("negative number of waiters")
    key = key_of(t, addr, bool(bits & FUTEX2_PRIVATE))
    to = key_of(t, addr2, bool(bits2 & FUTEX2_PRIVATE))
    if load_word(t, addr) != value:
        raise EAGAIN
    return requeue(t.world, key, to, addr2, wakes, moves)


# --- robust lists -------------------------------------------------------------------------------
@syscall
def set_robust_list(t: Task, head: Addr, size: Size) -> int:
    """Where the thread keeps the list of locks that it holds."""
    if size != 3 * t.memory.word // 8:
        raise EINVAL("size of the list's head")
    t.robust_list = head
    return 0


@syscall
def get_robust_list(t: Task, pid: Pid, head: Out[Word], size: Out[Word]) -> int:
    """Store where a thread's list is, and the size of its head."""
    target = t if pid == 0 else t.world.tasks.get(pid)
    if target is None:
        raise ESRCH
    if target.process is not t.process:
        from ring3.syscalls.pidfd import may_trace

        try:
            may_trace(t, target.process)
        except EPERM:
            raise EPERM("another user's process") from None
    size.store(3 * t.memory.word // 8)
    head.store(target.robust_list)
    return 0


__all__ = ["robust_exit"]
