"""Calls that only i386 has, or has in another form."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from ring3.abi.errno import EINVAL, ENOSYS
from ring3.abi.fcntl import F_WRLCK, I386
from ring3.abi.ipc import (
    GETVAL,
    IPC_64,
    IPC_NOWAIT,
    IPC_PRIVATE,
    IPC_STAT,
    MSGGET,
    MSGRCV,
    MSGSND,
    SEMCTL,
    SEMGET,
    SEMOP,
    SHMAT,
    SHMGET,
)
from ring3.task.task import Task
from tests.unit.fakes import Kitchen, call


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen(word=32)
    yield kitchen
    kitchen.close()


@pytest.fixture
def t(k: Kitchen) -> Task:
    return k.task()


def test_offsets_in_two_registers(k: Kitchen, t: Task) -> None:
    fd = call(t, "memfd_create", k.memory.room(2, b"f\0"), 0)
    assert call(t, "pwrite64", fd, k.memory.room(1, b"x"), 1, 0, 1) == 1
    at = k.memory.room(8)
    assert call(t, "_llseek", fd, 0, 0, at, 2) == 0
    assert k.memory.ints(at, "q") == ((1 << 32) + 1,)
    assert call(t, "_llseek", fd, 0xFFFFFFFF, 0xFFFFFFFF, at, 1) == 0  # -1 from there
    assert k.memory.ints(at, "q") == (1 << 32,)


def test_the_oldest_select_takes_one_pointer(k: Kitchen, t: Task) -> None:
    at = k.memory.room(8)
    call(t, "pipe", at)
    r, w = k.memory.ints(at, "ii")
    writes = k.memory.room(4, struct.pack("<I", 1 << w))
    timeout = k.memory.room(8, struct.pack("<ii", 1, 0))
    packed = k.memory.room(20, struct.pack("<iIIII", 8, 0, writes, 0, timeout))
    assert call(t, "select", packed) == 1
    reads = k.memory.room(4, struct.pack("<I", 1 << r))
    assert call(t, "_newselect", 8, reads, writes, 0, timeout) == 1
    assert k.memory.ints(reads, "I") == (0,)


def test_locks_with_64_bit_offsets(k: Kitchen, t: Task) -> None:
    fd = call(t, "memfd_create", k.memory.room(2, b"f\0"), 0)
    lock = struct.pack("<hhqqi", F_WRLCK, 0, 1 << 33, 1, 0)
    assert call(t, "fcntl64", fd, I386["F_SETLK64"], k.memory.room(24, lock)) == 0
    other = k.task()
    other.fds.install(t.fds.get(fd))
    at = k.memory.room(24, lock)
    assert call(other, "fcntl64", 0, I386["F_GETLK64"], at) == 0
    assert k.memory.ints(at, "hhqqi") == (F_WRLCK, 0, 1 << 33, 1, t.process.pid)
    with pytest.raises(EINVAL):
        call(t, "fcntl", fd, I386["F_SETLK64"], at)


class FakeSpace:
    def map(self, *args: Any) -> int:
        return 0x40000000


def test_one_number_for_all_of_system_v(k: Kitchen, t: Task) -> None:
    mem = k.memory
    ident = call(t, "ipc", SEMGET, IPC_PRIVATE, 1, 0o600, 0, 0)
    assert call(t, "ipc", SEMOP, ident, 1, 0, mem.room(6, struct.pack("<Hhh", 0, 3, 0)), 0) == 0
    assert call(t, "ipc", SEMCTL, ident, 0, GETVAL, mem.room(4), 0) == 3
    at = mem.room(64)
    union = mem.room(4, struct.pack("<I", at))
    assert call(t, "ipc", SEMCTL, ident, 0, IPC_STAT | IPC_64, union, 0) == 0
    with pytest.raises(EINVAL):
        call(t, "ipc", SEMCTL, ident, 0, IPC_STAT, union, 0)
    queue = call(t, "ipc", MSGGET, IPC_PRIVATE, 0o600, 0, 0, 0)
    letter = mem.room(16, struct.pack("<i", 9) + b"hello")
    assert call(t, "ipc", MSGSND, queue, 5, 0, letter, 0) == 0
    back = mem.room(16)
    kludge = mem.room(8, struct.pack("<Ii", back, 9))
    assert call(t, "ipc", MSGRCV, queue, 16, IPC_NOWAIT, kludge, 0) == 5
    assert mem.get(back, 9) == struct.pack("<i", 9) + b"hello"
    t.space = FakeSpace()  # type: ignore[assignment]
    segment = call(t, "ipc", SHMGET, IPC_PRIVATE, 4096, 0o600, 0, 0)
    where = mem.room(4)
    assert call(t, "ipc", SHMAT, segment, 0, where, 0, 0) == 0
    assert mem.ints(where, "I") == (0x40000000,)
    with pytest.raises(ENOSYS):
        call(t, "ipc", 99, 0, 0, 0, 0, 0)
