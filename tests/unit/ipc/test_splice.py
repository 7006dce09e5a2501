"""sendfile, splice, tee, vmsplice, copy_file_range."""

from __future__ import annotations

import struct

import pytest

from ring3.abi.errno import EAGAIN, EBADF, EINVAL, ESPIPE
from ring3.abi.fcntl import F_SETFL, O_APPEND, SEEK_CUR
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

NONBLOCK = 2


def pipe(k: Kitchen, t: Task) -> tuple[int, int]:
    at = k.memory.room(8)
    call(t, "pipe2", at, 0)
    r, w = k.memory.ints(at, "ii")
    return r, w


def file(k: Kitchen, t: Task, data: bytes = b"") -> int:
    fd = int(call(t, "memfd_create", k.memory.room(2, b"f\0"), 0))
    if data:
        call(t, "write", fd, k.memory.room(len(data), data), len(data))
        call(t, "lseek", fd, 0, 0)
    return fd


def put(k: Kitchen, t: Task, fd: int, data: bytes) -> None:
    assert call(t, "write", fd, k.memory.room(len(data), data), len(data)) == len(data)


def get(k: Kitchen, t: Task, fd: int, size: int = 200_000) -> bytes:
    at = k.memory.room(size)
    return k.memory.get(at, call(t, "read", fd, at, size))


def offset(k: Kitchen, value: int) -> int:
    return k.memory.room(8, struct.pack("<q", value))


def test_sendfile(k: Kitchen) -> None:
    t = k.task()
    source, out = file(k, t, b"0123456789"), file(k, t)
    assert call(t, "sendfile", out, source, 0, 4) == 4
    assert call(t, "lseek", source, 0, SEEK_CUR) == 4
    at = offset(k, 8)
    assert call(t, "sendfile", out, source, at, 100) == 2
    assert k.memory.ints(at, "q") == (10,)
    assert call(t, "lseek", source, 0, SEEK_CUR) == 4
    assert t.fds.get(out).pread(100, 0) == b"012389"
    r, _w = pipe(k, t)
    with pytest.raises(EINVAL):
        call(t, "sendfile", out, r, 0, 1)
    with pytest.raises(ESPIPE):
        call(t, "sendfile", out, r, at, 1)
    with pytest.raises(EBADF):
        call(t, "sendfile", r, source, 0, 1)
    call(t, "fcntl", out, F_SETFL, O_APPEND)
    with pytest.raises(EINVAL):
        call(t, "sendfile", out, source, 0, 1)


def test_sendfile_fills_a_pipe_once_and_waits_only_for_a_start(k: Kitchen) -> None:
    t = k.task()
    data = bytes(i % 253 for i in range(100_000))
    source = file(k, t, data)
    r, w = pipe(k, t)
    assert call(t, "sendfile", w, source, 0, len(data)) == 65536
    assert start(t, "sendfile", w, source, 0, len(data)) == PARKED
    other = k.task(fds=t.fds)
    got = get(k, other, r)
    assert len(got) == 65536
    k.turn(1)
    assert finish(t) == len(data) - 65536
    assert got + get(k, other, r) == data
    assert call(t, "lseek", source, 0, SEEK_CUR) == len(data)


def test_splice_both_ways(k: Kitchen) -> None:
    t = k.task()
    source, out = file(k, t, b"splice me"), file(k, t)
    r, w = pipe(k, t)
    at = offset(k, 2)
    assert call(t, "splice", source, at, w, 0, 4, 0) == 4
    assert k.memory.ints(at, "q") == (6,)
    assert call(t, "splice", r, 0, out, offset(k, 10), 100, 0) == 4
    assert t.fds.get(out).pread(100, 0) == bytes(10) + b"lice"
    with pytest.raises(EAGAIN):
        call(t, "splice", r, 0, out, 0, 1, NONBLOCK)
    assert start(t, "splice", r, 0, out, 0, 1, 0) == PARKED
    put(k, k.task(fds=t.fds), w, b"z")
    k.turn(1)
    assert finish(t) == 1


def test_splice_errors(k: Kitchen) -> None:
    t = k.task()
    one, two = file(k, t), file(k, t)
    r, w = pipe(k, t)
    for failed, args in [
        (EINVAL, (one, 0, two, 0, 1, 0)),
        (EINVAL, (r, 0, w, 0, 1, 0)),
        (ESPIPE, (r, offset(k, 0), one, 0, 1, 0)),
        (ESPIPE, (one, 0, w, offset(k, 0), 1, 0)),
        (EINVAL, (one, 0, w, 0, 1, 64)),
        (EBADF, (99, 0, w, 0, 1, 0)),
    ]:
        with pytest.raises(failed):
            call(t, "splice", *args)
    assert call(t, "splice", 99, 0, 98, 0, 0, 0) == 0


def test_pipe_to_pipe_and_tee(k: Kitchen) -> None:
    t = k.task()
    r1, w1 = pipe(k, t)
    r2, w2 = pipe(k, t)
    put(k, t, w1, b"twice")
    assert call(t, "tee", r1, w2, 100, 0) == 5
    assert get(k, t, r2) == b"twice"
    assert call(t, "splice", r1, 0, w2, 0, 100, 0) == 5
    assert get(k, t, r2) == b"twice"
    with pytest.raises(EAGAIN):
        call(t, "tee", r1, w2, 1, NONBLOCK)
    with pytest.raises(EINVAL):
        call(t, "tee", r1, w1, 1, 0)
    call(t, "close", w1)
    assert call(t, "tee", r1, w2, 1, 0) == 0


def test_vmsplice(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    data = k.memory.room(8, b"memories")
    vec = k.memory.room(32, struct.pack("<QQQQ", data, 3, data + 3, 5))
    assert call(t, "vmsplice", w, vec, 2, 0) == 8
    back = k.memory.room(8)
    vec = k.memory.room(16, struct.pack("<QQ", back, 8))
    assert call(t, "vmsplice", r, vec, 1, 0) == 8
    assert k.memory.get(back, 8) == b"memories"
    with pytest.raises(EAGAIN):
        call(t, "vmsplice", r, vec, 1, NONBLOCK)
    with pytest.raises(EBADF):
        call(t, "vmsplice", file(k, t), vec, 1, 0)


def test_copy_file_range(k: Kitchen) -> None:
    t = k.task()
    source, out = file(k, t, b"0123456789"), file(k, t)
    assert call(t, "copy_file_range", source, 0, out, 0, 6, 0) == 6
    assert call(t, "copy_file_range", source, 0, out, 0, 100, 0) == 4
    assert call(t, "copy_file_range", source, 0, out, 0, 100, 0) == 0
    assert t.fds.get(out).pread(100, 0) == b"0123456789"
    to = offset(k, 20)
    assert call(t, "copy_file_range", source, offset(k, 8), out, to, 9, 0) == 2
    assert k.memory.ints(to, "q") == (22,)
    for failed, args in [
        (EINVAL, (source, offset(k, 0), source, offset(k, 2), 4, 0)),
        (EINVAL, (source, 0, out, 0, 1, 1)),
        (EINVAL, (source, 0, pipe(k, t)[1], 0, 1, 0)),
    ]:
        with pytest.raises(failed):
            call(t, "copy_file_range", *args)
