"""pipe(2) and FIFOs, on host pipes and on the kernel's own, through the calls a guest makes."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, ENXIO, EPERM, EPIPE, ESPIPE
from ring3.abi.fcntl import (
    F_GETFL,
    F_GETPIPE_SZ,
    F_SETFL,
    F_SETPIPE_SZ,
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from ring3.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT
from ring3.core.park import Park
from ring3.ipc.fifo import open_fifo
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

CAPACITY = 65536


def make(k: Kitchen, t: Task, flags: int = 0) -> tuple[int, int]:
    at = k.memory.room(8)
    assert call(t, "pipe2", at, flags) == 0
    r, w = k.memory.ints(at, "ii")
    return r, w


def put(k: Kitchen, t: Task, fd: int, data: bytes) -> int:
    result = start(t, "write", fd, k.memory.room(len(data), data), len(data))
    assert isinstance(result, int), result
    return result


def get(k: Kitchen, t: Task, fd: int, size: int) -> bytes:
    at = k.memory.room(size)
    return k.memory.get(at, call(t, "read", fd, at, size))


def poll(t: Task, fd: int) -> int:
    return t.fds.get(fd).poll()


def test_bytes_go_through_in_order(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    assert (r, w) == (0, 1)
    assert put(k, t, w, b"hello ") == 6
    assert put(k, t, w, b"world") == 5
    assert get(k, t, r, 8) == b"hello wo"
    assert get(k, t, r, 8) == b"rld"


def test_a_read_of_nothing_parks_and_a_write_wakes_it(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    r, w = make(k, t)
    other.fds = t.fds
    at = k.memory.room(16)
    assert start(t, "read", r, at, 16) == PARKED
    k.turn()
    assert finish(t) == PARKED
    put(k, other, w, b"abc")
    k.turn(1)
    assert finish(t) == 3
    assert k.memory.get(at, 3) == b"abc"


def test_end_of_file_when_the_last_writer_goes(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    w2 = call(t, "dup", w)
    call(t, "close", w)
    at = k.memory.room(16)
    assert start(t, "read", r, at, 16) == PARKED
    call_other = k.task(fds=t.fds)
    call(call_other, "close", w2)
    k.turn(1)
    assert finish(t) == 0
    assert poll(t, r) & (POLLHUP | POLLIN) == POLLHUP


def test_a_write_without_readers_gives_epipe_and_sigpipe(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    call(t, "close", r)
    assert poll(t, w) & POLLERR
    with pytest.raises(EPIPE):
        put(k, t, w, b"x")
    assert (t.process.state, t.process.exit_status) == ("dying", 13)


def test_capacity_and_a_blocking_write_that_continues(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    r, w = make(k, t)
    other.fds = t.fds
    data = bytes(range(256)) * 400  # 102400 bytes: more than the pipe holds
    at = k.memory.room(len(data), data)
    assert start(t, "write", w, at, len(data)) == PARKED
    assert t.memo.done == CAPACITY
    got = get(k, other, r, CAPACITY)
    k.turn(1)
    assert finish(t) == len(data)
    got += get(k, other, r, CAPACITY)
    assert got == data


def test_a_signal_ends_a_half_done_write_with_its_count(k: Kitchen) -> None:
    t = k.task()
    _r, w = make(k, t)
    at = k.memory.room(CAPACITY + 10)
    assert start(t, "write", w, at, CAPACITY + 10) == PARKED
    assert finish(t, interrupted=True) == CAPACITY


def test_nonblocking(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t, O_NONBLOCK)
    with pytest.raises(EAGAIN):
        get(k, t, r, 1)
    assert put(k, t, w, bytes(CAPACITY + 1)) == CAPACITY
    assert not poll(t, w) & POLLOUT
    with pytest.raises(EAGAIN):
        put(k, t, w, b"x")
    call(t, "fcntl", r, F_SETFL, 0)
    assert call(t, "fcntl", r, F_GETFL) == O_RDONLY
    assert call(t, "fcntl", w, F_GETFL) == O_WRONLY | O_NONBLOCK


def test_small_writes_are_not_split(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t, O_NONBLOCK)
    put(k, t, w, bytes(CAPACITY - 100))
    with pytest.raises(EAGAIN):
        put(k, t, w, bytes(200))
    get(k, t, r, 4096)
    assert put(k, t, w, bytes(200)) == 200


def test_packets(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t, O_DIRECT)
    put(k, t, w, b"one")
    put(k, t, w, b"second")
    assert get(k, t, r, 100) == b"one"
    assert get(k, t, r, 3) == b"sec"  # the rest of the packet is gone
    assert put(k, t, w, b"") == 0
    assert call(t, "fcntl", w, F_GETFL) == O_WRONLY | O_DIRECT


def test_sizes(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    assert call(t, "fcntl", r, F_GETPIPE_SZ) == CAPACITY
    assert call(t, "fcntl", w, F_SETPIPE_SZ, 100_000) == 131072
    assert call(t, "fcntl", r, F_GETPIPE_SZ) == 131072
    put(k, t, w, bytes(100_000))
    with pytest.raises(EBUSY):
        call(t, "fcntl", w, F_SETPIPE_SZ, 4096)
    assert len(get(k, t, r, 200_000)) == 100_000
    assert call(t, "fcntl", w, F_SETPIPE_SZ, 1) == 4096
    with pytest.raises(EINVAL):
        call(t, "fcntl", w, F_SETPIPE_SZ, 0xFFFFFFFF)


def test_only_the_privileged_may_have_huge_pipes(k: Kitchen) -> None:
    from ring3.task.credentials import Credentials

    t = k.task()
    _r, w = make(k, t)
    t.cred = Credentials(1000, 1000)
    assert call(t, "fcntl", w, F_SETPIPE_SZ, 1 << 20) == 1 << 20
    with pytest.raises(EPERM):
        call(t, "fcntl", w, F_SETPIPE_SZ, 1 << 21)


def test_fionread_counts(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    put(k, t, w, b"12345")
    at = k.memory.room(4)
    assert call(t, "ioctl", r, 0x541B, at) == 0
    assert k.memory.ints(at, "i") == (5,)


def test_a_bad_buffer_loses_nothing(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    put(k, t, w, b"precious")
    with pytest.raises(EFAULT):
        call(t, "read", r, 8, 100)
    assert poll(t, r) & POLLIN
    assert get(k, t, r, 100) == b"precious"


def test_a_buffer_that_ends_early_takes_what_fits(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    put(k, t, w, b"0123456789")
    at = k.memory.fenced(4)
    assert call(t, "read", r, at, 10) == 4
    assert k.memory.get(at, 4) == b"0123"
    assert get(k, t, r, 100) == b"456789"
    assert start(t, "write", w, k.memory.fenced(3, b"abc"), 10) == 3
    assert get(k, t, r, 100) == b"abc"


def test_wrong_ends_and_wrong_calls(k: Kitchen) -> None:
    t = k.task()
    r, w = make(k, t)
    at = k.memory.room(8)
    with pytest.raises(EBADF):
        call(t, "write", r, at, 1)
    with pytest.raises(EBADF):
        call(t, "read", w, at, 1)
    with pytest.raises(ESPIPE):
        call(t, "lseek", r, 0, 0)
    with pytest.raises(ESPIPE):
        call(t, "pread64", w, at, 1, 0)
    with pytest.raises(EINVAL):
        call(t, "pipe2", at, 1)


def test_a_bad_result_pointer_leaves_no_descriptors(k: Kitchen) -> None:
    t = k.task()
    with pytest.raises(EFAULT):
        call(t, "pipe2", 8, O_CLOEXEC)
    assert not t.fds.files
    r, w = make(k, t, O_CLOEXEC)
    assert (r, w) == (0, 1)
    assert t.fds.cloexec == {0, 1}


# --- FIFOs ------------------------------------------------------------------------------------
class Node:
    """Stands for an inode."""

    fifo = None


def test_a_reader_waits_for_a_writer_and_the_other_way_round(k: Kitchen) -> None:
    node: object = Node()
    a, b = k.task(), k.task()
    with pytest.raises(Park) as waiting:
        open_fifo(k.world, node, O_RDONLY, a)  # type: ignore[arg-type]
    a.park(waiting.value)
    writer = open_fifo(k.world, node, O_WRONLY, b)  # type: ignore[arg-type]
    assert a in k.world.ready
    writer.hold()
    assert writer.write(b"for you") == 7
    writer.drop()  # gone again before the reader's call runs its second time
    reader = open_fifo(k.world, node, O_RDONLY, a)  # type: ignore[arg-type]
    reader.hold()
    assert reader.read(100) == b"for you"
    assert reader.read(100) == b""
    reader.drop()
    assert node.fifo is None  # type: ignore[attr-defined]


def test_an_interrupted_open_leaves_nothing(k: Kitchen) -> None:
    node: object = Node()
    a, b = k.task(), k.task()
    with pytest.raises(Park) as waiting:
        open_fifo(k.world, node, O_RDONLY, a)  # type: ignore[arg-type]
    a.park(waiting.value)
    a.unpark()
    assert node.fifo is None  # type: ignore[attr-defined]
    with pytest.raises(ENXIO):
        open_fifo(k.world, node, O_WRONLY | O_NONBLOCK, b)  # type: ignore[arg-type]


def test_nonblocking_reader_first(k: Kitchen) -> None:
    node: object = Node()
    t = k.task()
    reader = open_fifo(k.world, node, O_RDONLY | O_NONBLOCK, t)  # type: ignore[arg-type]
    reader.hold()
    assert reader.poll() == 0  # no POLLHUP before the first writer
    assert reader.read(10) == b""
    writer = open_fifo(k.world, node, O_WRONLY | O_NONBLOCK, t)  # type: ignore[arg-type]
    writer.hold()
    with pytest.raises(EAGAIN):
        reader.read(10)
    writer.write(b"x")
    assert reader.poll() & POLLIN
    writer.drop()
    assert reader.poll() & POLLHUP
    assert reader.read(10) == b"x"
    reader.drop()


def test_read_write_open_needs_nobody(k: Kitchen) -> None:
    node: object = Node()
    t = k.task()
    both = open_fifo(k.world, node, O_RDWR, t)  # type: ignore[arg-type]
    both.hold()
    assert both.write(b"loop") == 4
    assert both.read(10) == b"loop"
    with pytest.raises(Park):
        both.read(1)
    both.drop()
