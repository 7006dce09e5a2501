"""System V and POSIX queues: waiting, undoing, removing, permissions, notices."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ring3.abi.errno import (
    EACCES,
    EAGAIN,
    EBUSY,
    EEXIST,
    EIDRM,
    EINVAL,
    EMSGSIZE,
    ENOENT,
    ENOMSG,
    EPERM,
    ETIMEDOUT,
)
from ring3.abi.fcntl import O_CREAT, O_RDWR
from ring3.abi.ipc import (
    GETNCNT,
    GETVAL,
    GETZCNT,
    IPC_CREAT,
    IPC_NOWAIT,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SEM_UNDO,
    SETVAL,
    SHM_RDONLY,
)
from ring3.abi.poll import POLLIN, POLLOUT
from ring3.abi.signal import SI_MESGQ, SIGUSR1
from ring3.core.park import RESTART_NEVER
from ring3.task.credentials import Credentials
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

EIDRM_RESULT = -EIDRM.number


def semop(k: Kitchen, t: Task, ident: int, *ops: tuple[int, int, int]) -> Any:
    at = k.memory.room(6 * len(ops), b"".join(struct.pack("<Hhh", *op) for op in ops))
    return start(t, "semop", ident, at, len(ops))


# --- semaphores -------------------------------------------------------------------------------
def test_semaphores_wait_for_each_other(plain: Kitchen) -> None:
    k = plain
    a, b, c = k.task(), k.task(), k.task()
    ident = call(a, "semget", IPC_PRIVATE, 2, 0o600)
    assert semop(k, a, ident, (0, -1, 0)) == PARKED
    assert semop(k, b, ident, (1, 0, 0), (0, -2, 0)) == PARKED
    assert call(c, "semctl", ident, 0, GETNCNT, 0) == 2
    assert call(c, "semctl", ident, 1, GETZCNT, 0) == 0
    assert semop(k, c, ident, (0, 1, 0)) == 0
    assert k.world.completed.popleft() == (a, 0)
    call(c, "semctl", ident, 0, SETVAL, 2)
    assert k.world.completed.popleft() == (b, 0)
    assert call(c, "semctl", ident, 0, GETVAL, 0) == 0


def test_a_value_that_was_right_for_a_moment_is_not_missed(plain: Kitchen) -> None:
    k = plain
    a, b = k.task(), k.task()
    ident = call(a, "semget", IPC_PRIVATE, 1, 0o600)
    semop(k, b, ident, (0, 1, 0))
    assert semop(k, a, ident, (0, 0, 0)) == PARKED
    semop(k, b, ident, (0, -1, 0))
    semop(k, b, ident, (0, 1, 0))
    assert k.world.completed.popleft() == (a, 0)


def test_removal_interruption_and_time_out(plain: Kitchen) -> None:
    k = plain
    a, b = k.task(), k.task()
    ident = call(a, "semget", IPC_PRIVATE, 1, 0o600)
    assert semop(k, a, ident, (0, -1, 0)) == PARKED
    assert finish(a, interrupted=True) == -RESTART_NEVER
    ops = k.memory.room(6, struct.pack("<Hhh", 0, -1, 0))
    wait = k.memory.room(16, struct.pack("<qq", 0, 10_000_000))
    assert start(a, "semtimedop", ident, ops, 1, wait) == PARKED
    with pytest.raises(EAGAIN):
        while finish(a) == PARKED:
            k.turn(0.005)
    assert semop(k, a, ident, (0, -1, 0)) == PARKED
    call(b, "semctl", ident, 0, IPC_RMID, 0)
    assert k.world.completed.popleft() == (a, EIDRM_RESULT)
    with pytest.raises(EINVAL):
        semop(k, a, ident, (0, 1, 0))


def test_an_exit_undoes(plain: Kitchen) -> None:
    k = plain
    a, b = k.task(), k.task()
    ident = call(a, "semget", IPC_PRIVATE, 1, 0o600)
    call(a, "semctl", ident, 0, SETVAL, 1)
    assert semop(k, a, ident, (0, -1, SEM_UNDO)) == 0
    assert semop(k, b, ident, (0, -1, 0)) == PARKED
    a.process.exit_event.wake()
    assert k.world.completed.popleft() == (b, 0)


def test_permissions_and_keys(plain: Kitchen) -> None:
    k = plain
    owner, other = k.task(), k.task()
    owner.cred, other.cred = Credentials(1000, 1000), Credentials(2000, 2000)
    ident = call(owner, "semget", 42, 1, IPC_CREAT | 0o640)
    assert call(owner, "semget", 42, 0, 0) == ident
    with pytest.raises(EEXIST):
        call(owner, "semget", 42, 1, IPC_CREAT | 0o2000)
    with pytest.raises(ENOENT):
        call(owner, "semget", 43, 1, 0)
    with pytest.raises(EINVAL):
        call(owner, "semget", 42, 5, 0)
    with pytest.raises(EACCES):
        call(other, "semget", 42, 1, 0o600)
    with pytest.raises(EACCES):
        call(other, "semctl", ident, 0, GETVAL, 0)
    with pytest.raises(EPERM):
        call(other, "semctl", ident, 0, IPC_RMID, 0)
    at = k.memory.room(104)
    call(owner, "semctl", ident, 0, IPC_STAT, at)
    key, uid, _gid, _cuid, _cgid, mode = k.memory.ints(at, "iIIIII")
    assert (key, uid, mode) == (42, 1000, 0o640)
    k.memory.put(at + 4, struct.pack("<I", 2000))
    call(owner, "semctl", ident, 0, IPC_SET, at)
    assert call(other, "semctl", ident, 0, GETVAL, 0) == 0


# --- messages ---------------------------------------------------------------------------------
def test_messages_wait_for_room_and_for_content(plain: Kitchen) -> None:
    k = plain
    a, b = k.task(), k.task()
    ident = call(a, "msgget", IPC_PRIVATE, 0o600)
    at = k.memory.room(16_000)
    assert start(a, "msgrcv", ident, at, 100, 0, 0) == PARKED
    k.memory.put(at + 8000, struct.pack("<q", 5) + b"hello")
    call(b, "msgsnd", ident, at + 8000, 5, 0)
    assert finish(a) == 5
    assert k.memory.get(at, 13) == struct.pack("<q", 5) + b"hello"
    for _ in range(2):
        k.memory.put(at, struct.pack("<q", 1))
        call(b, "msgsnd", ident, at, 8192, 0)
    assert start(b, "msgsnd", ident, at, 1, 0) == PARKED
    call(a, "msgrcv", ident, at, 8192, 0, 0)
    assert start(a, "msgrcv", ident, at, 8192, 7, 0) == PARKED
    k.memory.put(at, struct.pack("<q", 1))
    assert finish(b) == 0
    assert finish(a) == PARKED  # not the type it waits for
    call(b, "msgctl", ident, IPC_RMID, 0)
    assert k.world.completed.popleft() == (a, EIDRM_RESULT)


def test_a_woken_receiver_is_told_of_the_removal_too(plain: Kitchen) -> None:
    k = plain
    a, b = k.task(), k.task()
    ident = call(a, "msgget", IPC_PRIVATE, 0o600)
    at = k.memory.room(64, struct.pack("<q", 1))
    assert start(a, "msgrcv", ident, at, 8, 7, 0) == PARKED
    call(b, "msgsnd", ident, at, 0, 0)
    call(b, "msgctl", ident, IPC_RMID, 0)
    with pytest.raises(EIDRM):
        finish(a)


def test_an_empty_queue_says_so(plain: Kitchen) -> None:
    t = plain.task()
    ident = call(t, "msgget", IPC_PRIVATE, 0o600)
    with pytest.raises(ENOMSG):
        call(t, "msgrcv", ident, plain.memory.room(64), 8, 0, IPC_NOWAIT)


# --- shared memory ----------------------------------------------------------------------------
class FakeSpace:
    """Maps at addresses it makes up, and remembers what."""

    def __init__(self) -> None:
        self.maps: dict[int, Any] = {}

    def map(self, vehicle: Any, addr: int, length: int, prot: int, *rest: Any) -> int:
        at = addr or 0x7000_0000 + len(self.maps) * 0x10_0000
        self.maps[at] = (length, prot, rest)
        return at

    def unmap(self, vehicle: Any, addr: int, length: int) -> int:
        assert self.maps.pop(addr)[0] == length
        return 0


def attached(k: Kitchen, t: Task, ident: int) -> int:
    at = k.memory.room(112)
    assert call(t, "shmctl", ident, IPC_STAT, at) == 0
    return int(k.memory.ints(at + 88, "Q")[0])


def test_segments_live_until_the_last_detach(plain: Kitchen) -> None:
    k = plain
    t, child = k.task(), k.task()
    for task in (t, child):
        task.space = FakeSpace()  # type: ignore[assignment]
    ident = call(t, "shmget", 7, 5000, IPC_CREAT | 0o600)
    at = call(t, "shmat", ident, 0, 0)
    assert t.space.maps[at][:2] == (8192, 3)  # type: ignore[attr-defined]
    second = call(t, "shmat", ident, 0, SHM_RDONLY)
    assert t.space.maps[second][1] == 1  # type: ignore[attr-defined]
    assert attached(k, t, ident) == 2
    child.process.mapped_files = list(t.process.mapped_files)  # what fork does
    for attachment in child.process.mapped_files:
        attachment.pin()
    assert attached(k, t, ident) == 4
    call(t, "shmdt", at)
    with pytest.raises(EINVAL):
        call(t, "shmdt", at)
    call(t, "shmctl", ident, IPC_RMID, 0)
    with pytest.raises(ENOENT):
        call(t, "shmget", 7, 1, 0)
    assert attached(k, t, ident) == 3
    call(t, "shmdt", second)
    for attachment in child.process.mapped_files:  # what exit does
        attachment.unpin()
    with pytest.raises(EINVAL):
        attached(k, t, ident)


def test_segment_errors(plain: Kitchen) -> None:
    t = plain.task()
    t.space = FakeSpace()  # type: ignore[assignment]
    with pytest.raises(EINVAL):
        call(t, "shmget", IPC_PRIVATE, 0, 0o600)
    ident = call(t, "shmget", 9, 4096, IPC_CREAT | 0o400)
    with pytest.raises(EINVAL):
        call(t, "shmget", 9, 4097, 0)
    with pytest.raises(EINVAL):
        call(t, "shmat", ident, 4097, 0)
    t.cred = Credentials(5, 5)
    with pytest.raises(EACCES):
        call(t, "shmat", ident, 0, SHM_RDONLY)


# --- POSIX queues -----------------------------------------------------------------------------
def open_queue(k: Kitchen, t: Task, most: int = 2, size: int = 16) -> int:
    attr = k.memory.room(64, struct.pack("<4q", 0, most, size, 0))
    return int(call(t, "mq_open", k.memory.room(8, b"queue\0"), O_RDWR | O_CREAT, 0o600, attr))


def send(k: Kitchen, t: Task, fd: int, data: bytes, priority: int = 0, until: int = 0) -> Any:
    return start(t, "mq_timedsend", fd, k.memory.room(16, data), len(data), priority, until)


def test_queues_wait_and_order_by_priority(plain: Kitchen) -> None:
    k = plain
    a = k.task()
    b = k.task(fds=a.fds)
    fd = open_queue(k, a)
    at = k.memory.room(16)
    assert a.fds.get(fd).poll() & (POLLIN | POLLOUT) == POLLOUT
    assert start(a, "mq_timedreceive", fd, at, 16, 0, 0) == PARKED
    assert send(k, b, fd, b"first") == 0
    assert finish(a) == 5
    assert send(k, b, fd, b"low", 1) == 0
    assert send(k, b, fd, b"high", 9) == 0
    assert send(k, b, fd, b"late") == PARKED
    assert call(a, "mq_timedreceive", fd, at, 16, 0, 0) == 4
    assert k.memory.get(at, 4) == b"high"
    assert finish(b) == 0
    with pytest.raises(EMSGSIZE):
        call(a, "mq_timedreceive", fd, at, 15, 0, 0)
    name = k.memory.room(8, b"queue\0")
    assert call(a, "mq_unlink", name) == 0
    with pytest.raises(ENOENT):
        call(a, "mq_unlink", name)


def test_a_time_of_day_ends_the_wait(plain: Kitchen) -> None:
    k, t = plain, plain.task()
    fd = open_queue(k, t)
    now = k.world.clock.realtime_ns() + 20_000_000
    until = k.memory.room(16, struct.pack("<qq", *divmod(now, 10**9)))
    assert start(t, "mq_timedreceive", fd, k.memory.room(16), 16, 0, until) == PARKED
    with pytest.raises(ETIMEDOUT):
        while finish(t) == PARKED:
            k.turn(0.005)


def test_a_notice_is_given_once(plain: Kitchen) -> None:
    k, t = plain, plain.task()
    t.sigmask = 1 << (SIGUSR1 - 1)
    fd = open_queue(k, t)
    event = k.memory.room(64, struct.pack("<Qii", 99, SIGUSR1, 0))
    assert call(t, "mq_notify", fd, event) == 0
    with pytest.raises(EBUSY):
        call(t, "mq_notify", fd, event)
    send(k, t, fd, b"x")
    info = t.process.pending.take(SIGUSR1)
    assert info is not None and (info.code, info.value) == (SI_MESGQ, 99)
    call(t, "mq_timedreceive", fd, k.memory.room(16), 16, 0, 0)
    send(k, t, fd, b"y")
    assert SIGUSR1 not in t.process.pending
    assert call(t, "mq_notify", fd, event) == 0
    t.process.exit_event.wake()
    assert call(t, "mq_notify", fd, event) == 0
