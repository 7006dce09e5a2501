"""dup, close, fcntl and ioctl."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ring3.abi.errno import EBADF, EINVAL, EMFILE, ENOTTY, ESRCH, Errno
from ring3.abi.fcntl import (
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_DUPFD_QUERY,
    F_GET_RW_HINT,
    F_GETFD,
    F_GETFL,
    F_GETLEASE,
    F_GETOWN,
    F_GETOWN_EX,
    F_GETSIG,
    F_SET_RW_HINT,
    F_SETFD,
    F_SETFL,
    F_SETLEASE,
    F_SETOWN,
    F_SETOWN_EX,
    F_SETSIG,
    O_ASYNC,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
)
from ring3.abi.ioctl import FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX
from ring3.abi.signal import POLL_IN, SIGIO, SIGUSR1
from ring3.task.task import Task
from ring3.vfs.file import File
from tests.unit.fakes import Kitchen, call


@pytest.fixture
def t(plain: Kitchen) -> Task:
    return plain.task()


@pytest.fixture
def ends(plain: Kitchen, t: Task) -> tuple[int, int]:
    at = plain.memory.room(8)
    call(t, "pipe2", at, 0)
    r, w = plain.memory.ints(at, "ii")
    return r, w


def test_duplicates_share_what_is_open(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    r, w = ends
    copy = call(t, "dup", r)
    assert copy == 2
    assert t.fds.get(copy) is t.fds.get(r)
    assert call(t, "dup2", r, 10) == 10
    assert call(t, "dup2", r, r) == r
    assert call(t, "dup3", r, 11, O_CLOEXEC) == 11
    assert t.fds.cloexec == {11}
    assert call(t, "fcntl", r, F_DUPFD, 20) == 20
    assert call(t, "fcntl", r, F_DUPFD_CLOEXEC, 20) == 21
    assert call(t, "fcntl", r, F_DUPFD_QUERY, 21) == 1
    assert call(t, "fcntl", r, F_DUPFD_QUERY, w) == 0
    assert t.fds.get(r).refs == 6
    assert call(t, "close_range", 10, 20, 0) == 0
    assert t.fds.get(r).refs == 3


def test_dup_errors(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    r, _w = ends
    cases: list[tuple[type[Errno], tuple[Any, ...]]] = [
        (EBADF, ("dup", 99)),
        (EBADF, ("dup2", 99, 99)),
        (EBADF, ("dup2", r, 5000)),
        (EBADF, ("dup2", r, -1)),
        (EINVAL, ("dup3", r, r, 0)),
        (EINVAL, ("dup3", r, 9, 1)),
        (EINVAL, ("fcntl", r, F_DUPFD, 5000)),
        (EBADF, ("close", 99)),
        (EINVAL, ("close_range", 5, 4, 0)),
        (EINVAL, ("close_range", 0, 4, 64)),
    ]
    for failed, args in cases:
        with pytest.raises(failed):
            call(t, *args)
    t.fds.set_limit(2)
    with pytest.raises(EMFILE):
        call(t, "dup", r)


def test_descriptor_flags(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    r, w = ends
    assert call(t, "fcntl", r, F_SETFD, 1) == 0
    assert call(t, "fcntl", r, F_GETFD) == 1
    assert call(t, "ioctl", r, FIONCLEX, 0) == 0
    assert call(t, "fcntl", r, F_GETFD) == 0
    assert call(t, "ioctl", w, FIOCLEX, 0) == 0
    assert t.fds.cloexec == {w}
    call(t, "close_range", 0, 5, 4)
    assert t.fds.cloexec == {r, w}


def test_status_flags_reach_the_host(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    import fcntl

    r, _w = ends
    file: File = t.fds.get(r)
    assert file.bind_fd is not None
    call(t, "fcntl", r, F_SETFL, O_NONBLOCK | 0o3)
    assert call(t, "fcntl", r, F_GETFL) == O_RDONLY | O_NONBLOCK
    assert fcntl.fcntl(file.bind_fd, fcntl.F_GETFL) & O_NONBLOCK
    zero = plain.memory.room(4)
    call(t, "ioctl", r, FIONBIO, zero)
    assert call(t, "fcntl", r, F_GETFL) == O_RDONLY
    assert not fcntl.fcntl(file.bind_fd, fcntl.F_GETFL) & O_NONBLOCK


def test_owners(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    k, r = plain, ends[0]
    pid = t.process.pid
    assert call(t, "fcntl", r, F_GETOWN) == 0
    call(t, "fcntl", r, F_SETOWN, pid)
    assert call(t, "fcntl", r, F_GETOWN) == pid
    call(t, "fcntl", r, F_SETOWN, -1)
    assert call(t, "fcntl", r, F_GETOWN) == -1
    at = k.memory.room(8)
    call(t, "fcntl", r, F_GETOWN_EX, at)
    assert k.memory.ints(at, "ii") == (2, 1)
    call(t, "fcntl", r, F_SETOWN_EX, k.memory.room(8, struct.pack("<ii", 0, t.tid)))
    assert call(t, "fcntl", r, F_GETOWN) == t.tid
    with pytest.raises(ESRCH):
        call(t, "fcntl", r, F_SETOWN, 4_000_000)
    with pytest.raises(EINVAL):
        call(t, "fcntl", r, F_SETOWN_EX, k.memory.room(8, struct.pack("<ii", 7, 1)))
    with pytest.raises(EINVAL):
        call(t, "fcntl", r, F_SETSIG, 65)


def test_input_brings_sigio_to_the_owner(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    k, (r, w) = plain, ends
    t.sigmask = (1 << (SIGIO - 1)) | (1 << (SIGUSR1 - 1))
    call(t, "fcntl", r, F_SETOWN, t.process.pid)
    call(t, "fcntl", r, F_SETFL, O_ASYNC)
    assert call(t, "fcntl", r, F_GETFL) & O_ASYNC
    call(t, "write", w, k.memory.room(1), 1)
    k.turn(1)
    assert SIGIO in t.process.pending
    call(t, "fcntl", r, F_SETSIG, SIGUSR1)
    assert call(t, "fcntl", r, F_GETSIG) == SIGUSR1
    call(t, "write", w, k.memory.room(1), 1)
    k.turn(1)
    info = t.process.pending.take(SIGUSR1)
    assert info is not None
    assert (info.code, info.fd, info.band & 1) == (POLL_IN, r, 1)
    call(t, "ioctl", r, FIOASYNC, k.memory.room(4))
    assert not call(t, "fcntl", r, F_GETFL) & O_ASYNC
    call(t, "write", w, k.memory.room(1), 1)
    k.turn(0.01)
    assert SIGUSR1 not in t.process.pending


def test_what_there_is_not(plain: Kitchen, t: Task, ends: tuple[int, int]) -> None:
    r, _w = ends
    assert call(t, "fcntl", r, F_GETLEASE) == 2
    with pytest.raises(EINVAL):
        call(t, "fcntl", r, F_SETLEASE, 1)
    with pytest.raises(EINVAL):
        call(t, "fcntl", r, 999)
    with pytest.raises(ENOTTY):
        call(t, "ioctl", r, 0x5401, 0)
    with pytest.raises(EBADF):
        call(t, "ioctl", 99, FIOCLEX, 0)


def test_write_hints_are_kept(plain: Kitchen, t: Task) -> None:
    k = plain
    fd = call(t, "memfd_create", k.memory.room(2, b"x\0"), 0)
    at = k.memory.room(8)
    call(t, "fcntl", fd, F_GET_RW_HINT, at)
    assert k.memory.ints(at, "Q") == (0,)
    call(t, "fcntl", fd, F_SET_RW_HINT, k.memory.room(8, struct.pack("<Q", 3)))
    call(t, "fcntl", fd, F_GET_RW_HINT, at)
    assert k.memory.ints(at, "Q") == (3,)
    with pytest.raises(EINVAL):
        call(t, "fcntl", fd, F_SET_RW_HINT, k.memory.room(8, struct.pack("<Q", 6)))
