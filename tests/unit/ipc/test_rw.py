"""read, write and their kin on a memfd: vectors, positions, limits, bad memory."""

from __future__ import annotations

import struct

import pytest

from ring3.abi.errno import EBADF, EFAULT, EFBIG, EINVAL, EOPNOTSUPP, EPERM
from ring3.abi.fcntl import (
    F_ADD_SEALS,
    F_GET_SEALS,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_WRITE,
    F_SETFL,
    O_APPEND,
    RWF_APPEND,
    RWF_ATOMIC,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
)
from ring3.abi.resource import RLIMIT_FSIZE
from ring3.syscalls import transfer
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

SIGXFSZ = 25
BIG = 1 << 63


@pytest.fixture
def t(plain: Kitchen) -> Task:
    return plain.task()


@pytest.fixture
def fd(plain: Kitchen, t: Task) -> int:
    return int(call(t, "memfd_create", plain.memory.room(8, b"test\0"), 2))


def content(t: Task, fd: int) -> bytes:
    return t.fds.get(fd).pread(1 << 20, 0)


def write(k: Kitchen, t: Task, fd: int, data: bytes) -> int:
    return int(call(t, "write", fd, k.memory.room(len(data), data), len(data)))


def iovec(k: Kitchen, *parts: tuple[int, int]) -> int:
    return k.memory.room(16 * len(parts), b"".join(struct.pack("<QQ", *p) for p in parts))


def test_position_moves_and_offsets_do_not(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    assert write(k, t, fd, b"0123456789") == 10
    assert call(t, "lseek", fd, -4, SEEK_END) == 6
    at = k.memory.room(16)
    assert call(t, "read", fd, at, 2) == 2
    assert k.memory.get(at, 2) == b"67"
    assert call(t, "pread64", fd, at, 3, 1) == 3
    assert k.memory.get(at, 3) == b"123"
    assert call(t, "pwrite64", fd, k.memory.room(2, b"ab"), 2, 0) == 2
    assert call(t, "lseek", fd, 0, SEEK_CUR) == 8
    assert content(t, fd) == b"ab23456789"
    with pytest.raises(EINVAL):
        call(t, "lseek", fd, -1, SEEK_SET)
    with pytest.raises(EINVAL):
        call(t, "lseek", fd, 0, 9)
    with pytest.raises(EINVAL):
        call(t, "pread64", fd, at, 1, -1)


def test_holes(plain: Kitchen, t: Task, fd: int) -> None:
    call(t, "pwrite64", fd, plain.memory.room(1, b"x"), 1, 1 << 20)
    assert call(t, "lseek", fd, 0, SEEK_DATA) == 1 << 20
    assert call(t, "lseek", fd, 0, SEEK_HOLE) == 0


def test_vectors(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    one, two = k.memory.room(3, b"abc"), k.memory.room(4, b"defg")
    assert call(t, "writev", fd, iovec(k, (one, 3), (0, 0), (two, 4)), 3) == 7
    assert call(t, "pwritev", fd, iovec(k, (two, 2)), 1, 0, 0) == 2
    assert content(t, fd) == b"decdefg"
    a, b = k.memory.room(2), k.memory.room(10)
    assert call(t, "preadv", fd, iovec(k, (a, 2), (b, 10)), 2, 1, 0) == 6
    assert (k.memory.get(a, 2), k.memory.get(b, 4)) == (b"ec", b"defg")
    assert call(t, "preadv2", fd, iovec(k, (a, 2)), 1, -1, 0, 0) == 0
    with pytest.raises(EINVAL):
        call(t, "readv", fd, iovec(k, (a, BIG)), 1)
    with pytest.raises(EINVAL):
        call(t, "readv", fd, iovec(k, (a, 1)), 1025)
    with pytest.raises(EOPNOTSUPP):
        call(t, "pwritev2", fd, iovec(k, (a, 1)), 1, 0, 0, RWF_ATOMIC)
    assert call(t, "pwritev2", fd, iovec(k, (two, 1)), 1, 0, 0, RWF_APPEND) == 1
    assert content(t, fd) == b"decdefgd"


def test_append(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    write(k, t, fd, b"12345")
    call(t, "fcntl", fd, F_SETFL, O_APPEND)
    call(t, "lseek", fd, 0, SEEK_SET)
    write(k, t, fd, b"67")
    assert content(t, fd) == b"1234567"
    assert call(t, "lseek", fd, 0, SEEK_CUR) == 7


def test_bad_memory_gives_what_was_done(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    assert call(t, "write", fd, k.memory.fenced(5, b"fence"), 100) == 5
    with pytest.raises(EFAULT):
        call(t, "write", fd, 16, 4)
    with pytest.raises(EFAULT):
        call(t, "write", fd, k.memory.base, 1 << 50)
    call(t, "lseek", fd, 0, SEEK_SET)
    at = k.memory.fenced(3)
    assert call(t, "read", fd, at, 5) == 3
    assert call(t, "lseek", fd, 0, SEEK_CUR) == 3
    with pytest.raises(EFAULT):
        call(t, "read", fd, 16, 2)
    assert call(t, "lseek", fd, 0, SEEK_CUR) == 3
    good, bad = k.memory.room(1), k.memory.fenced(1) + 1
    assert call(t, "preadv", fd, iovec(k, (good, 1), (bad, 4)), 2, 0, 0) == 1


def test_the_file_size_limit(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    t.process.limits[RLIMIT_FSIZE] = (8, BIG)
    t.sigmask = 1 << (SIGXFSZ - 1)
    assert write(k, t, fd, b"0123456789") == 8
    assert SIGXFSZ not in t.pending
    with pytest.raises(EFBIG):
        write(k, t, fd, b"x")
    assert SIGXFSZ in t.pending
    assert call(t, "pwrite64", fd, k.memory.room(4), 4, 6) == 2
    assert call(t, "write", fd, 0, 0) == 0


def test_a_large_transfer_gives_way(
    plain: Kitchen, t: Task, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CHUNK", 4096)
    monkeypatch.setattr(transfer, "SLICE", 8192)
    k, size = plain, 30_000
    data = bytes(i % 251 for i in range(size))
    result, turns = start(t, "write", fd, k.memory.room(size, data), size), 0
    while result == PARKED:
        k.turn()
        result, turns = finish(t), turns + 1
    assert (result, turns) == (size, 3)
    assert content(t, fd) == data


def test_seals(plain: Kitchen, t: Task, fd: int) -> None:
    k = plain
    assert call(t, "fcntl", fd, F_GET_SEALS) == 0
    write(k, t, fd, b"sealed")
    assert call(t, "fcntl", fd, F_ADD_SEALS, F_SEAL_GROW) == 0
    with pytest.raises(EPERM):
        write(k, t, fd, b"more")
    assert call(t, "pwrite64", fd, k.memory.room(1, b"S"), 1, 0) == 1
    call(t, "fcntl", fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL)
    with pytest.raises(EPERM):
        call(t, "pwrite64", fd, k.memory.room(1, b"S"), 1, 0)
    with pytest.raises(EPERM):
        call(t, "fcntl", fd, F_ADD_SEALS, F_SEAL_GROW)
    plainer = call(t, "memfd_create", k.memory.room(2, b"x\0"), 0)
    assert call(t, "fcntl", plainer, F_GET_SEALS) == F_SEAL_SEAL
    with pytest.raises(EINVAL):
        call(t, "fcntl", call(t, "eventfd", 0), F_GET_SEALS)


def test_closed_descriptors(plain: Kitchen, t: Task) -> None:
    for name in ("read", "write"):
        with pytest.raises(EBADF):
            call(t, name, 99, 0, 0)
    with pytest.raises(EBADF):
        call(t, "lseek", 99, 0, 0)
