"""The kernel's own futexes, on a machine that has no host to leave them to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import futex as f
from ring3.abi.errno import EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ESRCH, ETIMEDOUT
from ring3.core.park import RESTART_BLOCK, RESTART_NOINTR, RESTART_SYS
from ring3.task.pifutex import robust_exit
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start
from tests.unit.task.context import HandClock, hand_clock

PRIVATE = f.FUTEX_PRIVATE_FLAG
S = 1_000_000_000


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen(can_bind=False)
    yield kitchen
    kitchen.close()


@pytest.fixture
def clock(k: Kitchen) -> HandClock:
    return hand_clock(k)


def word(k: Kitchen, value: int = 0) -> int:
    return k.memory.room(4, value.to_bytes(4, "little"))


def value(k: Kitchen, at: int) -> int:
    found: int = k.memory.ints(at, "I")[0]
    return found


def wait(t: Task, at: int, expected: int = 0, timeout: int = 0) -> object:
    return start(t, "futex", at, f.FUTEX_WAIT | PRIVATE, expected, timeout, 0, 0)


def wake(t: Task, at: int, most: int = 1) -> int:
    woken: int = call(t, "futex", at, f.FUTEX_WAKE | PRIVATE, most, 0, 0, 0)
    return woken


def completed(k: Kitchen) -> list[tuple[Task, int]]:
    found = list(k.world.completed)
    k.world.completed.clear()
    return found


def timespec(k: Kitchen, ns: int) -> int:
    sec, rest = divmod(ns, S)
    return k.memory.room(16, sec.to_bytes(8, "little") + rest.to_bytes(8, "little"))


def test_wait_and_wake(k: Kitchen) -> None:
    first, second, third, waker = k.task(), k.task(), k.task(), k.task()
    at = word(k, 7)
    with pytest.raises(EAGAIN):
        wait(first, at, 8)
    for t in (first, second, third):
        assert wait(t, at, 7) == PARKED
    assert wake(waker, at) == 1
    assert completed(k) == [(first, 0)], "first come, first served"
    assert wake(waker, at, 5) == 2
    assert wake(waker, at, 5) == 0


def test_bad_words(k: Kitchen) -> None:
    t = k.task()
    with pytest.raises(EINVAL):
        wait(t, word(k) + 1)
    with pytest.raises(EFAULT):
        wait(t, 16)


def test_a_timeout_and_a_signal(k: Kitchen, clock: HandClock) -> None:
    t, at = k.task(), word(k)
    assert wait(t, at, 0, timespec(k, S)) == PARKED
    assert finish(t, interrupted=True) == -RESTART_BLOCK
    clock.pass_time(S // 2)
    assert start(t, "restart_syscall") == PARKED
    clock.pass_time(S // 2)
    with pytest.raises(ETIMEDOUT):
        finish(t)
    assert wait(t, at) == PARKED
    assert finish(t, interrupted=True) == -RESTART_SYS


def test_bitsets(k: Kitchen) -> None:
    reader, writer, at = k.task(), k.task(), word(k)
    op = f.FUTEX_WAIT_BITSET | PRIVATE
    assert start(reader, "futex", at, op, 0, 0, 0, 1) == PARKED
    assert start(writer, "futex", at, op, 0, 0, 0, 2) == PARKED
    assert call(k.task(), "futex", at, f.FUTEX_WAKE_BITSET | PRIVATE, 9, 0, 0, 2) == 1
    assert completed(k) == [(writer, 0)]
    with pytest.raises(EINVAL):
        call(reader, "futex", at, op, 0, 0, 0, 0)


def test_requeue_moves_waiters(k: Kitchen) -> None:
    waiters, t = [k.task() for _ in range(4)], k.task()
    at, to = word(k, 3), word(k)
    for w in waiters:
        assert wait(w, at, 3) == PARKED
    op = f.FUTEX_CMP_REQUEUE | PRIVATE
    with pytest.raises(EAGAIN):
        call(t, "futex", at, op, 1, 2, to, 4)
    assert call(t, "futex", at, op, 1, 2, to, 3) == 3
    assert [x for x, _ in completed(k)] == waiters[:1]
    assert wake(t, to, 9) == 2
    assert [x for x, _ in completed(k)] == waiters[1:3]
    assert wake(t, at, 9) == 1


@pytest.mark.parametrize(
    ("op", "argument", "expected"),
    [
        (f.FUTEX_OP_SET, 9, 9),
        (f.FUTEX_OP_ADD, 2, 7),
        (f.FUTEX_OP_OR, 8, 13),
        (f.FUTEX_OP_ANDN, 4, 1),
        (f.FUTEX_OP_XOR, 1, 4),
        (f.FUTEX_OP_OR | 8, 4, 21),
    ],
)
def test_wake_op(k: Kitchen, op: int, argument: int, expected: int) -> None:
    t, a, b = k.task(), k.task(), k.task()
    first, second = word(k), word(k, 5)
    assert wait(a, first) == PARKED
    assert wait(b, second, 5) == PARKED
    encoded = op << 28 | f.FUTEX_OP_CMP_EQ << 24 | argument << 12 | 5
    assert call(t, "futex", first, f.FUTEX_WAKE_OP | PRIVATE, 1, 1, second, encoded) == 2
    assert value(k, second) == expected


def test_waitv(k: Kitchen) -> None:
    t, a, b = k.task(), word(k, 1), word(k, 2)
    flags = f.FUTEX2_SIZE_U32 | f.FUTEX2_PRIVATE
    rows = b"".join(
        v.to_bytes(8, "little") + at.to_bytes(8, "little") + flags.to_bytes(8, "little")
        for v, at in ((1, a), (2, b))
    )
    at = k.memory.room(48, rows)
    assert start(t, "futex_waitv", at, 2, 0, 0, 0) == PARKED
    assert wake(k.task(), b) == 1
    assert completed(k) == [(t, 1)]
    with pytest.raises(EINVAL):
        call(t, "futex_waitv", at, 0, 0, 0, 0)


# --- owners -------------------------------------------------------------------------------------
def pi(t: Task, at: int, op: int, timeout: int = 0) -> object:
    return start(t, "futex", at, op | PRIVATE, 0, timeout, 0, 0)


def test_lock_and_unlock(k: Kitchen) -> None:
    t, at = k.task(), word(k)
    assert pi(t, at, f.FUTEX_LOCK_PI) == 0
    assert value(k, at) == t.tid
    with pytest.raises(EDEADLK):
        pi(t, at, f.FUTEX_LOCK_PI)
    assert pi(t, at, f.FUTEX_UNLOCK_PI) == 0
    assert value(k, at) == 0
    with pytest.raises(EPERM):
        pi(t, at, f.FUTEX_UNLOCK_PI)


def test_a_contended_lock_is_handed_over(k: Kitchen) -> None:
    t, second, third, at = k.task(), k.task(), k.task(), word(k)
    pi(t, at, f.FUTEX_LOCK_PI)
    with pytest.raises(EAGAIN):
        pi(second, at, f.FUTEX_TRYLOCK_PI)
    assert pi(second, at, f.FUTEX_LOCK_PI) == PARKED
    assert pi(third, at, f.FUTEX_LOCK_PI) == PARKED
    assert value(k, at) == t.tid | f.FUTEX_WAITERS
    pi(t, at, f.FUTEX_UNLOCK_PI)
    assert value(k, at) == second.tid | f.FUTEX_WAITERS
    assert completed(k) == [(second, 0)]
    assert finish(third, interrupted=True) == -RESTART_NOINTR


def test_a_lock_of_nobody(k: Kitchen) -> None:
    with pytest.raises(ESRCH):
        pi(k.task(), word(k, 0x3FFFFFFF), f.FUTEX_LOCK_PI)


def test_a_lock_times_out(k: Kitchen, clock: HandClock) -> None:
    t, second, at = k.task(), k.task(), word(k)
    pi(t, at, f.FUTEX_LOCK_PI)
    assert pi(second, at, f.FUTEX_LOCK_PI, timespec(k, clock.realtime_ns() + S)) == PARKED
    clock.pass_time(S)
    with pytest.raises(ETIMEDOUT):
        finish(second)


# --- robust lists -------------------------------------------------------------------------------
def robust(k: Kitchen, t: Task, words: list[int], pending: int = 0, flags: int = 0) -> None:
    """A list whose entries lie 16 bytes before their words."""
    head = k.memory.room(24)
    entries = [k.memory.room(32) for _ in words]
    nodes = [*entries, head]
    for entry, following, content in zip(entries, nodes[1:], words, strict=True):
        link = following | (flags if following != head else 0)
        k.memory.put(entry, link.to_bytes(8, "little"))
        k.memory.put(entry + 16, content.to_bytes(4, "little"))
    first = nodes[0] | flags
    k.memory.put(head, b"".join(v.to_bytes(8, "little") for v in (first, 16, pending)))
    call(t, "set_robust_list", head, 24)
    t_words[t.tid] = [entry + 16 for entry in entries]


t_words: dict[int, list[int]] = {}


def test_a_dead_owner_is_marked(k: Kitchen) -> None:
    t = k.task()
    robust(k, t, [t.tid, t.tid | f.FUTEX_WAITERS, t.tid + 1])
    own, contended, foreign = t_words[t.tid]
    assert robust_exit(t) == [contended]
    assert value(k, own) == f.FUTEX_OWNER_DIED
    assert value(k, contended) == f.FUTEX_OWNER_DIED | f.FUTEX_WAITERS
    assert value(k, foreign) == t.tid + 1
    assert t.robust_list == 0


def test_a_dead_owner_of_an_inheriting_lock_hands_it_over(k: Kitchen) -> None:
    t, second = k.task(), k.task()
    robust(k, t, [t.tid], flags=1)
    (at,) = t_words[t.tid]
    t.space = second.space = NoAreas(k.memory)  # type: ignore[assignment]
    assert pi(second, at, f.FUTEX_LOCK_PI) == PARKED
    assert robust_exit(t) == []
    assert value(k, at) == second.tid | f.FUTEX_WAITERS | f.FUTEX_OWNER_DIED
    assert completed(k) == [(second, 0)]


class NoAreas:
    def __init__(self, memory: object) -> None:
        self.memory = memory

    def areas(self) -> list[object]:
        return [Private()]


class Private:
    start, end, shared, offset, inode, name = 0, 1 << 47, False, 0, 0, b""


def test_a_list_of_nonsense_ends(k: Kitchen) -> None:
    t = k.task()
    head = k.memory.room(24)
    loop = k.memory.room(32)
    k.memory.put(loop, loop.to_bytes(8, "little"))
    k.memory.put(head, loop.to_bytes(8, "little") + bytes(16))
    call(t, "set_robust_list", head, 24)
    assert robust_exit(t) == []
    with pytest.raises(EINVAL):
        call(t, "set_robust_list", head, 23)


def test_get_robust_list(k: Kitchen) -> None:
    t = k.task()
    call(t, "set_robust_list", 0x1234, 24)
    head, size = k.memory.room(8), k.memory.room(8)
    call(t, "get_robust_list", 0, head, size)
    assert (k.memory.ints(head, "Q"), k.memory.ints(size, "Q")) == ((0x1234,), (24,))
    with pytest.raises(ESRCH):
        call(t, "get_robust_list", 99, head, size)
