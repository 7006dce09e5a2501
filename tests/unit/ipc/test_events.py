"""eventfd, timerfd and signalfd through the calls a guest makes."""

from __future__ import annotations

import struct

import pytest

from ring3.abi.errno import EAGAIN, EBADF, ECANCELED, EINVAL, EPERM
from ring3.abi.fcntl import F_GETFL, O_NONBLOCK, O_RDWR
from ring3.abi.poll import EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, POLLIN, POLLOUT
from ring3.abi.signal import SI_QUEUE, SIGCHLD, SIGUSR1, SIGUSR2
from ring3.ipc.timerfd import clock_was_set
from ring3.task.credentials import Credentials
from ring3.task.signals import SigInfo, send_to_process, send_to_task
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

ABSTIME, CANCEL = 1, 2
REALTIME, MONOTONIC, REALTIME_ALARM = 0, 1, 8


def number(k: Kitchen, t: Task, fd: int) -> int:
    at = k.memory.room(8)
    assert call(t, "read", fd, at, 8) == 8
    return int(k.memory.ints(at, "Q")[0])


def add(k: Kitchen, t: Task, fd: int, value: int) -> object:
    return start(t, "write", fd, k.memory.room(8, struct.pack("<Q", value)), 8)


# --- eventfd ----------------------------------------------------------------------------------
def test_a_counter_adds_up_and_empties(k: Kitchen) -> None:
    t = k.task()
    fd = call(t, "eventfd2", 3, EFD_CLOEXEC)
    assert fd in t.fds.cloexec
    assert call(t, "fcntl", fd, F_GETFL) == O_RDWR
    assert add(k, t, fd, 4) == 8
    assert number(k, t, fd) == 7
    assert t.fds.get(fd).poll() & (POLLIN | POLLOUT) == POLLOUT
    assert start(t, "read", fd, k.memory.room(8), 8) == PARKED
    add(k, k.task(fds=t.fds), fd, 9)
    k.turn(1)
    assert finish(t) == 8


def test_a_semaphore_gives_ones(k: Kitchen) -> None:
    t = k.task()
    fd = call(t, "eventfd2", 2, EFD_SEMAPHORE | EFD_NONBLOCK)
    assert [number(k, t, fd), number(k, t, fd)] == [1, 1]
    with pytest.raises(EAGAIN):
        number(k, t, fd)


def test_a_full_counter_waits(k: Kitchen) -> None:
    t = k.task()
    fd = call(t, "eventfd2", 0, 0)
    most = (1 << 64) - 2
    assert add(k, t, fd, most) == 8
    assert add(k, t, fd, 1) == PARKED
    other = k.task(fds=t.fds)
    assert number(k, other, fd) == most
    k.turn(1)
    assert finish(t) == 8
    assert number(k, t, fd) == 1
    assert add(k, t, fd, 5) == 8
    assert add(k, t, fd, most - 2) == PARKED


def test_eventfd_errors(k: Kitchen) -> None:
    t = k.task()
    fd = call(t, "eventfd", 0)
    with pytest.raises(EINVAL):
        call(t, "read", fd, k.memory.room(8), 7)
    with pytest.raises(EINVAL):
        add(k, t, fd, (1 << 64) - 1)
    with pytest.raises(EINVAL):
        call(t, "eventfd2", 0, 2)
    assert "eventfd-count:" in t.fds.get(fd).info()


# --- timerfd ----------------------------------------------------------------------------------
def settime(k: Kitchen, t: Task, fd: int, how: int, value_ns: int, interval_ns: int = 0) -> None:
    new = struct.pack("<qqqq", *divmod(interval_ns, 10**9), *divmod(value_ns, 10**9))
    assert call(t, "timerfd_settime", fd, how, k.memory.room(32, new), 0) == 0


def gettime(k: Kitchen, t: Task, fd: int) -> tuple[int, int]:
    """(value, interval) in nanoseconds."""
    at = k.memory.room(32)
    assert call(t, "timerfd_gettime", fd, at) == 0
    a, b, c, d = k.memory.ints(at, "qqqq")
    return c * 10**9 + d, a * 10**9 + b


def test_a_timer_rings_once(k: Kitchen) -> None:
    t = k.task()
    fd = call(t, "timerfd_create", MONOTONIC, 0)
    settime(k, t, fd, 0, 20_000_000)
    assert 0 < gettime(k, t, fd)[0] <= 20_000_000
    assert start(t, "read", fd, k.memory.room(8), 8) == PARKED
    for _ in range(200):
        k.turn(0.01)
        if (result := finish(t)) != PARKED:
            break
    assert result == 8
    assert gettime(k, t, fd) == (0, 0)


def test_a_periodic_timer_counts_what_was_missed(k: Kitchen) -> None:
    import time

    t = k.task()
    fd = call(t, "timerfd_create", MONOTONIC, O_NONBLOCK)
    settime(k, t, fd, 0, 5_000_000, 5_000_000)
    time.sleep(0.052)
    k.turn()
    assert 10 <= number(k, t, fd) <= 40
    value, interval = gettime(k, t, fd)
    assert interval == 5_000_000 and 0 < value <= 5_000_000
    settime(k, t, fd, 0, 0)
    with pytest.raises(EAGAIN):
        number(k, t, fd)
    assert gettime(k, t, fd)[0] == 0


def test_the_guests_wall_clock_is_what_counts(k: Kitchen) -> None:
    t = k.task()
    clock = k.world.clock
    clock.realtime_offset_ns = 10**18
    fd = call(t, "timerfd_create", REALTIME, O_NONBLOCK)
    settime(k, t, fd, ABSTIME, clock.realtime_ns() + 50 * 10**9)
    left = gettime(k, t, fd)[0]
    assert 49 * 10**9 < left <= 50 * 10**9
    clock.realtime_offset_ns += 40 * 10**9
    clock_was_set(k.world)
    assert 9 * 10**9 < gettime(k, t, fd)[0] <= 10 * 10**9
    settime(k, t, fd, ABSTIME | CANCEL, clock.realtime_ns() + 50 * 10**9)
    clock_was_set(k.world)
    assert t.fds.get(fd).poll() & POLLIN
    with pytest.raises(ECANCELED):
        number(k, t, fd)


def test_timerfd_errors(k: Kitchen) -> None:
    t = k.task()
    with pytest.raises(EINVAL):
        call(t, "timerfd_create", 2, 0)
    with pytest.raises(EINVAL):
        call(t, "timerfd_create", MONOTONIC, 1)
    fd = call(t, "timerfd_create", REALTIME_ALARM, 0)
    with pytest.raises(EINVAL):
        call(t, "timerfd_settime", fd, 8, k.memory.room(32), 0)
    with pytest.raises(EINVAL):
        bad = struct.pack("<qqqq", 0, 0, 0, 10**9)
        call(t, "timerfd_settime", fd, 0, k.memory.room(32, bad), 0)
    with pytest.raises(EINVAL):
        call(t, "timerfd_gettime", call(t, "eventfd", 0), k.memory.room(32))
    with pytest.raises(EBADF):
        call(t, "timerfd_gettime", 99, k.memory.room(32))
    t.cred = Credentials(1000, 1000)
    with pytest.raises(EPERM):
        call(t, "timerfd_create", REALTIME_ALARM, 0)


# --- signalfd ---------------------------------------------------------------------------------
def make_signalfd(k: Kitchen, t: Task, *signals: int, flags: int = 0) -> int:
    mask = 0
    for signo in signals:
        mask |= 1 << (signo - 1)
    at = k.memory.room(8, struct.pack("<Q", mask))
    t.sigmask |= mask
    return int(call(t, "signalfd4", -1, at, 8, flags))


def test_signals_are_read_with_their_details(plain: Kitchen) -> None:
    k, t = plain, plain.task()
    fd = make_signalfd(k, t, SIGUSR1, SIGUSR2)
    at = k.memory.room(512)
    assert start(t, "read", fd, at, 512) == PARKED
    send_to_process(t.process, SigInfo(SIGUSR2, SI_QUEUE, pid=7, uid=8, value=0xFFFFFFFE))
    assert finish(t) == 128
    signo, _errno, code, pid, uid = k.memory.ints(at, "IiiII")
    assert (signo, code, pid, uid) == (SIGUSR2, SI_QUEUE, 7, 8)
    assert k.memory.ints(at + 44, "iQ") == (-2, 0xFFFFFFFE)
    send_to_task(t, SigInfo(SIGUSR1))
    send_to_process(t.process, SigInfo(SIGUSR2))
    assert call(t, "read", fd, at, 512) == 256
    assert not t.pending.mask and not t.process.pending.mask


def test_only_the_signals_asked_for(plain: Kitchen) -> None:
    k, t = plain, plain.task()
    fd = make_signalfd(k, t, SIGUSR1, flags=O_NONBLOCK)
    t.sigmask |= 1 << (SIGUSR2 - 1)
    send_to_process(t.process, SigInfo(SIGUSR2))
    assert t.fds.get(fd).poll() == 0
    with pytest.raises(EAGAIN):
        call(t, "read", fd, k.memory.room(128), 128)
    mask = k.memory.room(8, struct.pack("<Q", 1 << (SIGUSR2 - 1)))
    assert call(t, "signalfd4", fd, mask, 8, 0) == fd
    assert t.fds.get(fd).poll() == POLLIN
    with pytest.raises(EINVAL):
        call(t, "read", fd, k.memory.room(128), 127)


def test_the_reader_counts_not_the_maker(plain: Kitchen) -> None:
    k, parent = plain, plain.task()
    fd = make_signalfd(k, parent, SIGCHLD, flags=O_NONBLOCK)
    child = k.task(fds=parent.fds)
    child.sigmask = parent.sigmask
    send_to_process(parent.process, SigInfo(SIGCHLD))
    with pytest.raises(EAGAIN):
        call(child, "read", fd, k.memory.room(128), 128)
    assert call(parent, "read", fd, k.memory.room(128), 128) == 128


def test_signalfd_errors(plain: Kitchen) -> None:
    k, t = plain, plain.task()
    mask = k.memory.room(8)
    with pytest.raises(EINVAL):
        call(t, "signalfd4", -1, mask, 4, 0)
    with pytest.raises(EINVAL):
        call(t, "signalfd4", -1, mask, 8, 1)
    with pytest.raises(EINVAL):
        call(t, "signalfd4", call(t, "eventfd", 0), mask, 8, 0)
    with pytest.raises(EBADF):
        call(t, "signalfd4", 99, mask, 8, 0)
