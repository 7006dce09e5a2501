"""Record locks between processes, waiting, deadlocks, flock; the mirror on the host."""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from typing import Any

import pytest

from ring3.abi.errno import EAGAIN, EBADF, EDEADLK, EINVAL, EOVERFLOW
from ring3.abi.fcntl import (
    F_GETLK,
    F_OFD_SETLK,
    F_RDLCK,
    F_SETLK,
    F_SETLKW,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_NB,
    LOCK_SH,
    LOCK_UN,
    O_RDWR,
)
from ring3.core.clock import Clock
from ring3.core.park import RESTART_SYS
from ring3.fs.memfd import memfd_mount, open_memfd
from ring3.ipc.hostlocks import Mirror
from ring3.ipc.locks import InodeLocks, OfdOwner
from ring3.task.fdtable import FdTable
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

FLOCK = struct.Struct("<hh4xqqi4x")


class Shared:
    """One file that several processes have at descriptor 0, each with a description of its own."""

    def __init__(self, k: Kitchen, count: int) -> None:
        self.k = k
        maker = k.task()
        file = open_memfd(maker, memfd_mount(), b"shared", sealing=False, noexec=False)
        maker.fds.install(file)
        self.place: Any = file.place
        self.tasks = [k.task(fds=FdTable()) for _ in range(count)]
        for task in self.tasks:
            self.open(task)

    def open(self, task: Task) -> int:
        file = self.place.inode.open(task, self.place, O_RDWR)
        file.attach(self.place)
        return task.fds.install(file)

    def lock(
        self, task: Task, kind: int, first: int, size: int, cmd: int = F_SETLK, fd: int = 0
    ) -> Any:
        at = self.k.memory.room(32, FLOCK.pack(kind, os.SEEK_SET, first, size, 0))
        return start(task, "fcntl", fd, cmd, at)

    def conflict(self, task: Task, kind: int, first: int, size: int) -> tuple[int, ...]:
        """(type, start, length, pid) that F_GETLK finds."""
        at = self.k.memory.room(32, FLOCK.pack(kind, os.SEEK_SET, first, size, 0))
        assert call(task, "fcntl", 0, F_GETLK, at) == 0
        found, _whence, where, length, pid = FLOCK.unpack(self.k.memory.get(at, 32))
        return found, where, length, pid


def test_conflicts_are_found_and_told(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    assert s.lock(a, F_WRLCK, 10, 10) == 0
    with pytest.raises(EAGAIN):
        s.lock(b, F_RDLCK, 19, 1)
    assert s.lock(b, F_WRLCK, 20, 0) == 0
    assert s.conflict(b, F_RDLCK, 0, 0) == (F_WRLCK, 10, 10, a.process.pid)
    assert s.conflict(a, F_RDLCK, 30, 1) == (F_WRLCK, 20, 0, b.process.pid)
    assert s.conflict(a, F_RDLCK, 0, 10)[0] == F_UNLCK


def test_unlocking_the_middle_splits(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    s.lock(a, F_WRLCK, 0, 30)
    s.lock(a, F_UNLCK, 10, 10)
    assert s.lock(b, F_WRLCK, 10, 10) == 0
    assert s.conflict(b, F_WRLCK, 0, 0)[:3] == (F_WRLCK, 0, 10)


def test_a_wait_is_woken_by_the_unlock(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    s.lock(a, F_WRLCK, 0, 1)
    assert s.lock(b, F_WRLCK, 0, 1, F_SETLKW) == PARKED
    s.lock(a, F_UNLCK, 0, 0)
    assert finish(b) == 0
    with pytest.raises(EAGAIN):
        s.lock(a, F_RDLCK, 0, 1)
    assert s.lock(a, F_RDLCK, 0, 1, F_SETLKW) == PARKED
    assert finish(a, interrupted=True) == -RESTART_SYS
    assert not s.place.inode.locks.blocked


def test_circles_are_refused(plain: Kitchen) -> None:
    s = Shared(plain, 3)
    for number, task in enumerate(s.tasks):
        s.lock(task, F_WRLCK, number, 1)
    assert s.lock(s.tasks[0], F_WRLCK, 1, 1, F_SETLKW) == PARKED
    assert s.lock(s.tasks[1], F_WRLCK, 2, 1, F_SETLKW) == PARKED
    with pytest.raises(EDEADLK):
        s.lock(s.tasks[2], F_WRLCK, 0, 1, F_SETLKW)
    s.lock(s.tasks[2], F_UNLCK, 0, 0)
    assert finish(s.tasks[1]) == 0


def test_any_close_of_the_file_ends_a_process_s_locks(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    s.lock(a, F_WRLCK, 0, 1)
    other = s.open(a)
    call(a, "close", other)
    assert s.lock(b, F_WRLCK, 0, 1) == 0


def test_description_locks_end_with_the_description(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    copy = call(a, "dup", 0)
    assert s.lock(a, F_WRLCK, 0, 1, F_OFD_SETLK) == 0
    other = s.open(a)
    with pytest.raises(EAGAIN):  # the same process, another description
        s.lock(a, F_WRLCK, 0, 1, F_OFD_SETLK, fd=other)
    call(a, "close", other)
    call(a, "close", 0)
    with pytest.raises(EAGAIN):
        s.lock(b, F_WRLCK, 0, 1)
    call(a, "close", copy)
    assert s.lock(b, F_WRLCK, 0, 1) == 0


def test_an_exit_gives_locks_back(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    s.lock(a, F_WRLCK, 0, 1)
    assert s.lock(b, F_WRLCK, 0, 1, F_SETLKW) == PARKED
    a.fds.release()
    assert finish(b) == 0


def test_ranges_relative_to_position_and_end(plain: Kitchen) -> None:
    s = Shared(plain, 1)
    (a,) = s.tasks
    call(a, "pwrite64", 0, plain.memory.room(100), 100, 0)
    call(a, "lseek", 0, 40, os.SEEK_SET)
    for whence, first, size, found in [
        (os.SEEK_CUR, -10, 5, (30, 34)),
        (os.SEEK_END, -10, -5, (85, 89)),
        (os.SEEK_SET, 7, 0, (7, (1 << 63) - 1)),
    ]:
        at = plain.memory.room(32, FLOCK.pack(F_WRLCK, whence, first, size, 0))
        assert call(a, "fcntl", 0, F_SETLK, at) == 0
        assert [r[:2] for r in s.place.inode.locks.ranges[a.fds.locks]] == [found]
        s.lock(a, F_UNLCK, 0, 0)
    for failed, args in [
        (EINVAL, (F_WRLCK, 9, 0, 0, 0)),
        (EINVAL, (7, 0, 0, 0, 0)),
        (EINVAL, (F_WRLCK, 0, -1, 0, 0)),
        (EOVERFLOW, (F_WRLCK, 0, (1 << 63) - 1, 2, 0)),
    ]:
        with pytest.raises(failed):
            call(a, "fcntl", 0, F_SETLK, plain.memory.room(32, FLOCK.pack(*args)))


def test_the_access_mode_limits_locks(plain: Kitchen) -> None:
    t = plain.task()
    at = plain.memory.room(8)
    call(t, "pipe2", at, 0)
    with pytest.raises(EBADF):
        call(t, "fcntl", 0, F_SETLK, plain.memory.room(32, FLOCK.pack(F_WRLCK, 0, 0, 0, 0)))
    assert call(t, "fcntl", 0, F_SETLK, plain.memory.room(32, FLOCK.pack(F_RDLCK, 0, 0, 0, 0))) == 0


def test_flock_goes_by_description(plain: Kitchen) -> None:
    s = Shared(plain, 2)
    a, b = s.tasks
    assert call(a, "flock", 0, LOCK_SH) == 0
    assert call(b, "flock", 0, LOCK_SH) == 0
    with pytest.raises(EAGAIN):
        call(a, "flock", 0, LOCK_EX | LOCK_NB)
    # The failed conversion has cost the old lock.
    assert call(b, "flock", 0, LOCK_EX | LOCK_NB) == 0
    assert start(a, "flock", 0, LOCK_EX) == PARKED
    call(b, "flock", 0, LOCK_UN)
    assert finish(a) == 0
    assert start(b, "flock", 0, LOCK_SH) == PARKED
    call(a, "close", 0)
    assert finish(b) == 0
    with pytest.raises(EINVAL):
        call(b, "flock", 0, LOCK_SH | LOCK_EX)


def test_programs_outside_see_our_locks_and_we_theirs() -> None:
    with tempfile.NamedTemporaryFile(prefix="ring3-mirror") as outside:
        fd = os.open(outside.name, os.O_RDWR | os.O_CLOEXEC)
        locks, owner = InodeLocks(None, Mirror(fd, Clock())), OfdOwner()
        asked = struct.pack("hhqqi4x", F_WRLCK, os.SEEK_SET, 5, 1, 0)
        locks.set(owner, 0, 9, F_RDLCK, wait=False)
        with pytest.raises(BlockingIOError):
            fcntl.fcntl(outside.fileno(), F_OFD_SETLK, asked)
        locks.set(owner, 0, 7, F_UNLCK, wait=False)
        fcntl.fcntl(outside.fileno(), F_OFD_SETLK, asked)
        with pytest.raises(EAGAIN):
            locks.set(owner, 0, 9, F_RDLCK, wait=False)
        assert locks.ranges[owner] == [(8, 9, F_RDLCK)]
        assert locks.first_conflict(owner, 0, 9, F_WRLCK) == (-1, (5, 5, F_WRLCK))
        locks.drop(owner)
        fcntl.flock(outside.fileno(), fcntl.LOCK_SH)
        file = open_memfd(Kitchen().task(), memfd_mount(), b"x", sealing=False, noexec=False)
        with pytest.raises(EAGAIN):
            locks.flock(file, F_WRLCK, wait=False)
        locks.flock(file, F_RDLCK, wait=False)
