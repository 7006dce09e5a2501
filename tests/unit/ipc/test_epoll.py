"""epoll, poll and select through the calls a guest makes, over host files and the kernel's own."""

from __future__ import annotations

import struct
import time

import pytest

from ring3.abi.errno import EBADF, EEXIST, EINVAL, ELOOP, ENOENT, EPERM
from ring3.abi.poll import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    POLLIN,
    POLLNVAL,
    POLLOUT,
)
from ring3.core.park import RESTART_BLOCK, RESTART_NEVER, RESTART_NOHAND
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

WAITS = 1000


def pipe(k: Kitchen, t: Task, flags: int = 0) -> tuple[int, int]:
    at = k.memory.room(8)
    call(t, "pipe2", at, flags)
    r, w = k.memory.ints(at, "ii")
    return r, w


def write(k: Kitchen, t: Task, fd: int, data: bytes = b"x") -> None:
    assert call(t, "write", fd, k.memory.room(len(data), data), len(data)) == len(data)


def read(k: Kitchen, t: Task, fd: int, size: int = 100) -> bytes:
    at = k.memory.room(size)
    return k.memory.get(at, call(t, "read", fd, at, size))


def ctl(k: Kitchen, t: Task, ep: int, op: int, fd: int, events: int, data: int = 0) -> int:
    at = k.memory.room(12, struct.pack("<IQ", events, data or fd))
    return int(call(t, "epoll_ctl", ep, op, fd, at))


def wait(k: Kitchen, t: Task, ep: int, timeout: int = 0, most: int = 8) -> list[tuple[int, int]]:
    """(events, data) of everything ready now."""
    k.turn()
    at = k.memory.room(12 * most)
    count = call(t, "epoll_wait", ep, at, most, timeout)
    return [struct.unpack("<IQ", k.memory.get(at + 12 * i, 12)) for i in range(count)]


def test_level_triggered_tells_again(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN, 77)
    assert wait(k, t, ep) == []
    write(k, t, w)
    assert wait(k, t, ep) == [(EPOLLIN, 77)]
    assert wait(k, t, ep) == [(EPOLLIN, 77)]
    read(k, t, r)
    assert wait(k, t, ep) == []


def test_edge_triggered_tells_once_per_write(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    write(k, t, w)  # ready before it is watched
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN | EPOLLET)
    assert wait(k, t, ep) == [(EPOLLIN, r)]
    assert wait(k, t, ep) == []
    write(k, t, w)
    assert wait(k, t, ep) == [(EPOLLIN, r)]
    assert wait(k, t, ep) == []
    ctl(k, t, ep, EPOLL_CTL_MOD, r, EPOLLIN | EPOLLET)
    assert wait(k, t, ep) == [(EPOLLIN, r)]


def test_one_shot(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN | EPOLLONESHOT)
    write(k, t, w)
    assert wait(k, t, ep) == [(EPOLLIN, r)]
    write(k, t, w)
    assert wait(k, t, ep) == []
    ctl(k, t, ep, EPOLL_CTL_MOD, r, EPOLLIN | EPOLLONESHOT)
    assert wait(k, t, ep) == [(EPOLLIN, r)]


def test_a_parked_wait_is_woken(k: Kitchen) -> None:
    t = k.task()
    other = k.task(fds=t.fds)
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN)
    at = k.memory.room(24)
    assert start(t, "epoll_wait", ep, at, 2, -1) == PARKED
    k.turn()
    assert finish(t) == PARKED
    write(k, other, w)
    k.turn(1)
    assert finish(t) == 1


def test_one_of_two_waits_is_woken_and_the_other_when_something_is_left(k: Kitchen) -> None:
    a = k.task()
    b, writer = k.task(fds=a.fds), k.task(fds=a.fds)
    pipes = [pipe(k, a) for _ in range(2)]
    ep = call(a, "epoll_create1", 0)
    for r, _w in pipes:
        ctl(k, a, ep, EPOLL_CTL_ADD, r, EPOLLIN | EPOLLET)
    at = k.memory.room(24)
    assert start(a, "epoll_wait", ep, at, 1, -1) == PARKED
    assert start(b, "epoll_wait", ep, at, 1, -1) == PARKED
    write(k, writer, pipes[0][1])
    k.turn(1)
    assert list(k.world.ready) == [a]
    write(k, writer, pipes[1][1])
    k.turn(1)
    assert finish(a) == 1
    assert finish(b) == 1


def test_timeouts(k: Kitchen) -> None:
    t = k.task()
    ep = call(t, "epoll_create1", 0)
    at = k.memory.room(12)
    begun = time.monotonic()
    assert start(t, "epoll_wait", ep, at, 1, 30) == PARKED
    while finish(t) == PARKED:
        k.turn(0.01)
    assert 0.03 <= time.monotonic() - begun < 5


def test_interruption_is_eintr_never_restarted(k: Kitchen) -> None:
    t = k.task()
    ep = call(t, "epoll_create1", 0)
    assert start(t, "epoll_wait", ep, k.memory.room(12), 1, -1) == PARKED
    assert finish(t, interrupted=True) == -RESTART_NEVER


def test_close_removes(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN)
    keep = call(t, "dup", r)
    write(k, t, w)
    call(t, "close", r)
    assert wait(k, t, ep) == [(EPOLLIN, r)]  # the description lives on
    call(t, "close", keep)
    assert wait(k, t, ep) == []
    assert not t.fds.get(ep).items


def test_hang_up_needs_no_asking(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, 0)
    call(t, "close", w)
    assert wait(k, t, ep) == [(EPOLLHUP, r)]


def test_errors(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    ep = call(t, "epoll_create1", 0)
    ctl(k, t, ep, EPOLL_CTL_ADD, r, EPOLLIN)
    for failed, args in [
        (EEXIST, (ep, EPOLL_CTL_ADD, r, EPOLLIN)),
        (ENOENT, (ep, EPOLL_CTL_MOD, w, EPOLLIN)),
        (ENOENT, (ep, EPOLL_CTL_DEL, w, 0)),
        (EINVAL, (ep, EPOLL_CTL_ADD, ep, EPOLLIN)),
        (EINVAL, (r, EPOLL_CTL_ADD, w, EPOLLIN)),
        (EINVAL, (ep, 9, r, EPOLLIN)),
        (EBADF, (ep, EPOLL_CTL_ADD, 99, EPOLLIN)),
        (EBADF, (99, EPOLL_CTL_ADD, r, EPOLLIN)),
        (EINVAL, (ep, EPOLL_CTL_MOD, r, EPOLLIN | EPOLLEXCLUSIVE)),
        (EINVAL, (ep, EPOLL_CTL_ADD, w, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT)),
    ]:
        with pytest.raises(failed):
            ctl(k, t, *args)
    with pytest.raises(EINVAL):
        call(t, "epoll_wait", ep, 0, 0, 0)
    with pytest.raises(EINVAL):
        call(t, "epoll_create", 0)


def test_a_regular_file_is_refused(k: Kitchen) -> None:
    t = k.task()
    name = k.memory.room(8, b"file\0")
    fd = call(t, "memfd_create", name, 0)
    ep = call(t, "epoll_create1", 0)
    with pytest.raises(EPERM):
        ctl(k, t, ep, EPOLL_CTL_ADD, fd, EPOLLIN)


def test_nested_instances(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    inner, outer = call(t, "epoll_create1", 0), call(t, "epoll_create1", 0)
    ctl(k, t, inner, EPOLL_CTL_ADD, r, EPOLLIN)
    ctl(k, t, outer, EPOLL_CTL_ADD, inner, EPOLLIN)
    assert wait(k, t, outer) == []
    write(k, t, w)
    assert wait(k, t, outer) == [(EPOLLIN, inner)]
    read(k, t, r)
    assert wait(k, t, outer) == []
    with pytest.raises(ELOOP):
        ctl(k, t, inner, EPOLL_CTL_ADD, outer, EPOLLIN)
    chain = outer
    for _ in range(3):
        above = call(t, "epoll_create1", 0)
        ctl(k, t, above, EPOLL_CTL_ADD, chain, EPOLLIN)
        chain = above
    above = call(t, "epoll_create1", 0)
    with pytest.raises(ELOOP):
        ctl(k, t, above, EPOLL_CTL_ADD, chain, EPOLLIN)


def test_a_readable_wait_on_a_writable_socket_does_not_spin(k: Kitchen) -> None:
    """An eventfd is nearly always writable: who waits for input must not be woken for that."""
    t = k.task()
    fd = call(t, "eventfd2", 0, 0)
    assert start(t, "read", fd, k.memory.room(8), 8) == PARKED
    wakes = 0
    for _ in range(10):
        k.turn(0.005)
        if t in k.world.ready:
            wakes += 1
            assert finish(t) == PARKED
    assert wakes <= 1


# --- poll and select --------------------------------------------------------------------------
def pollfds(k: Kitchen, *entries: tuple[int, int]) -> int:
    return k.memory.room(
        8 * len(entries), b"".join(struct.pack("<ihh", fd, ev, 0x55) for fd, ev in entries)
    )


def revents(k: Kitchen, at: int, count: int) -> list[int]:
    return [k.memory.ints(at + 8 * i, "ihh")[2] for i in range(count)]


def test_poll_tells_what_is_ready(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    at = pollfds(k, (r, POLLIN), (w, POLLOUT), (99, POLLIN), (-1, POLLIN))
    assert call(t, "poll", at, 4, 0) == 2
    assert revents(k, at, 4) == [0, POLLOUT, POLLNVAL, 0]
    write(k, t, w)
    assert call(t, "poll", at, 1, 0) == 1
    assert revents(k, at, 1) == [POLLIN]


def test_poll_waits_and_restarts_by_its_deadline(k: Kitchen) -> None:
    t = k.task()
    other = k.task(fds=t.fds)
    r, w = pipe(k, t)
    at = pollfds(k, (r, POLLIN))
    assert start(t, "poll", at, 1, 10_000) == PARKED
    assert t.parked is not None and t.parked.restart == RESTART_BLOCK
    write(k, other, w)
    k.turn(1)
    assert finish(t) == 1
    assert start(t, "poll", at, 0, 20) == PARKED
    while (result := finish(t)) == PARKED:
        k.turn(0.01)
    assert result == 0


def test_poll_counts_against_nofile(k: Kitchen) -> None:
    t = k.task()
    with pytest.raises(EINVAL):
        call(t, "poll", 0, 1025, 0)


def test_select_sets_and_remaining_time(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    reads, writes = k.memory.room(8, bytes([1 << r])), k.memory.room(8, bytes([1 << w]))
    timeout = k.memory.room(16, struct.pack("<qq", 5, 0))
    assert call(t, "select", 8, reads, writes, 0, timeout) == 1
    assert k.memory.get(reads, 1) == b"\0"
    assert k.memory.get(writes, 1)[0] == 1 << w
    sec, usec = k.memory.ints(timeout, "qq")
    assert 4_900_000 < sec * 1_000_000 + usec <= 5_000_000
    bad = k.memory.room(8, b"\xff")
    with pytest.raises(EBADF):
        call(t, "select", 8, bad, 0, 0, 0)
    with pytest.raises(EINVAL):
        call(t, "select", -1, 0, 0, 0, 0)


def test_an_interrupted_select_tells_the_time_left(k: Kitchen) -> None:
    t = k.task()
    timeout = k.memory.room(16, struct.pack("<qq", 100, 0))
    assert start(t, "select", 0, 0, 0, 0, timeout) == PARKED
    assert finish(t, interrupted=True) == -RESTART_NOHAND
    assert k.memory.ints(timeout, "qq")[0] == 99


def test_ppoll_swaps_the_mask_and_gives_it_back(k: Kitchen) -> None:
    t = k.task()
    r, w = pipe(k, t)
    t.sigmask = 0x200
    mask = k.memory.room(8, struct.pack("<Q", 0x400))
    at = pollfds(k, (r, POLLIN))
    assert start(t, "ppoll", at, 1, 0, mask, 8) == PARKED
    assert t.sigmask == 0x400
    write(k, k.task(fds=t.fds), w)
    k.turn(1)
    assert finish(t) == 1
    assert t.sigmask == 0x200
    with pytest.raises(EINVAL):
        call(t, "ppoll", at, 1, 0, mask, 4)
