"""What an ending thread owes to memory, on a machine without futexes of its own: the word of
CLONE_CHILD_CLEARTID, the robust locks, and those who wait on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ring3.abi import futex as f
from ring3.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_FILES,
    CLONE_FS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from ring3.syscalls.exit import clear_tid, end_thread
from ring3.task.jobs import bury_locks
from ring3.task.lifecycle import copy_task
from ring3.task.sigstate import AltStack
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, start

THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID


class Area:
    start, end, shared, offset, inode, name, device, content = 0, 1 << 47, 0, 0, 0, b"", b"", None


class Space:
    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def areas(self) -> list[Any]:
        return [Area()]


class Vehicle:
    """Remembers how its thread ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, list[int]]] = []

    def exit_thread(self, status: int, wakes: list[int]) -> int:
        self.ended.append((status, list(wakes)))
        return 0

    def interrupt(self) -> None: ...
    def kill(self) -> None: ...


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen(can_bind=False)
    yield kitchen
    kitchen.close()


def leader(k: Kitchen) -> Task:
    t = k.task()
    t.space = Space(k.memory)  # type: ignore[assignment]
    t.alt_stack = AltStack()
    return t


def thread(k: Kitchen, t: Task, word: int) -> Task:
    child = copy_task(t, THREAD, word)
    child.vehicle = Vehicle()  # type: ignore[assignment]
    return child


def waits(t: Task, at: int, expected: int) -> None:
    assert start(t, "futex", at, f.FUTEX_WAIT, expected, 0, 0, 0) == PARKED


def woken(k: Kitchen) -> list[Task]:
    return [task for task, _result in k.world.completed]


def test_a_thread_that_ends_clears_its_word_and_wakes_who_joins(k: Kitchen) -> None:
    t = leader(k)
    word = k.memory.room(4)
    child = thread(k, t, word)
    k.memory.put(word, child.tid.to_bytes(4, "little"))
    waits(t, word, child.tid)
    vehicle: Any = child.vehicle
    end_thread(child, 7 << 8)
    assert k.memory.ints(word, "I") == (0,)
    assert woken(k) == [t]
    assert vehicle.ended == [(7, [])], "nobody waits in the host"
    assert child.exiting and child.tid not in t.process.threads


def test_the_last_user_of_memory_leaves_its_word_alone(k: Kitchen) -> None:
    t = leader(k)
    word = k.memory.room(4)
    k.memory.put(word, b"\1\0\0\0")
    t.clear_child_tid = word
    assert clear_tid(t) == 0
    assert k.memory.ints(word, "I") == (1,)


def test_another_process_in_the_same_memory_sees_the_word(k: Kitchen) -> None:
    t, other = leader(k), leader(k)
    other.space = t.space
    word = k.memory.room(4)
    k.memory.put(word, b"\1\0\0\0")
    t.clear_child_tid = word
    assert clear_tid(t) == word
    assert k.memory.ints(word, "I") == (0,)


def test_a_bad_word_is_passed_over(k: Kitchen) -> None:
    t = leader(k)
    child = thread(k, t, 8)
    end_thread(child, 0)
    assert child.exiting


def test_a_killed_process_hands_on_its_robust_locks(k: Kitchen) -> None:
    t, other = leader(k), leader(k)
    other.space = t.space
    head, entry = k.memory.room(24), k.memory.room(32)
    lock = entry + 16
    k.memory.put(head, b"".join(v.to_bytes(8, "little") for v in (entry, 16, 0)))
    k.memory.put(entry, head.to_bytes(8, "little"))
    k.memory.put(lock, (t.tid | f.FUTEX_WAITERS).to_bytes(4, "little"))
    t.robust_list = head
    waits(other, lock, t.tid | f.FUTEX_WAITERS)
    bury_locks(t.process)
    assert k.memory.ints(lock, "I") == (f.FUTEX_OWNER_DIED | f.FUTEX_WAITERS,)
    assert woken(k) == [other]


def test_private_and_shared_waiters_are_told_apart(k: Kitchen) -> None:
    t, other = leader(k), leader(k)
    other.space = t.space
    word = k.memory.room(4)
    private = f.FUTEX_PRIVATE_FLAG
    assert start(other, "futex", word, f.FUTEX_WAIT | private, 0, 0, 0, 0) == PARKED
    assert start(t, "futex", word, f.FUTEX_WAKE, 1, 0, 0, 0) == 0
    assert start(t, "futex", word, f.FUTEX_WAKE | private, 1, 0, 0, 0) == 1
