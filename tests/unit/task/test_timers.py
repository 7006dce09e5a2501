"""Timers and sleeping, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi import time as clk
from ring3.abi.errno import EINVAL, EOPNOTSUPP, EPERM
from ring3.core.park import RESTART_BLOCK, RESTART_NOHAND
from ring3.task import signals
from ring3.task.credentials import Credentials
from ring3.task.signals import Action
from ring3.task.task import Task
from ring3.task.timers import limit_cpu
from tests.unit.fakes import PARKED, Kitchen, call, finish, start
from tests.unit.task.context import HandClock, hand_clock

S = 1_000_000_000
MS = 1_000_000


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


@pytest.fixture
def clock(k: Kitchen) -> HandClock:
    return hand_clock(k)


def pack(*values: int) -> bytes:
    return b"".join(v.to_bytes(8, "little") for v in values)


def spec(k: Kitchen, value: int, interval: int = 0) -> int:
    """An itimerspec."""
    return k.memory.room(32, pack(*divmod(interval, S), *divmod(value, S)))


def handled(t: Task, signo: int) -> None:
    t.process.handlers[signo] = Action(0x401000, s.SA_RESTORER, 0x402000)


def taken(t: Task) -> list[signals.SigInfo]:
    found = []
    while (info := signals.dequeue(t, 0)) is not None:
        found.append(info)
    return found


# --- interval timers ----------------------------------------------------------------------------
def test_alarm(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGALRM)
    assert call(t, "alarm", 10) == 0
    clock.pass_time(3 * S + 600 * MS)
    assert call(t, "alarm", 2) == 6
    clock.pass_time(2 * S - 1)
    assert not taken(t)
    clock.pass_time(1)
    assert [i.signo for i in taken(t)] == [s.SIGALRM]
    assert call(t, "alarm", 0) == 0


def test_setitimer_repeats_without_drift(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGALRM)
    new = k.memory.room(32, pack(0, 100_000, 0, 50_000))
    old = k.memory.room(32)
    call(t, "setitimer", clk.ITIMER_REAL, new, old)
    rings = 0
    for _ in range(10):
        clock.pass_time(51 * MS)
        rings += len(taken(t))
    assert rings == 5
    call(t, "getitimer", clk.ITIMER_REAL, old)
    assert k.memory.ints(old, "4q") == (0, 100_000, 0, 40_000)
    call(t, "setitimer", clk.ITIMER_REAL, 0, old)
    clock.pass_time(S)
    assert not taken(t)


def test_itimer_errors(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    with pytest.raises(EINVAL):
        call(t, "getitimer", 3, k.memory.room(32))
    with pytest.raises(EINVAL):
        call(t, "setitimer", 0, k.memory.room(32, pack(0, 0, 0, 1_000_000)), 0)


class Cpu:
    """A vehicle that has used what the test says."""

    kicks = 0
    ns = 0
    killed = False

    def process_cpu_ns(self) -> int:
        return self.ns

    def cpu_ns(self) -> tuple[int, int]:
        return self.ns, 0

    def interrupt(self) -> None: ...
    def kill(self) -> None:
        self.killed = True


def test_prof_timer_goes_by_cpu_time(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    cpu = t.vehicle = Cpu()  # type: ignore[assignment]
    handled(t, s.SIGPROF)
    call(t, "setitimer", clk.ITIMER_PROF, k.memory.room(32, pack(0, 0, 0, 20_000)), 0)
    clock.pass_time(10 * S)
    assert not taken(t)
    cpu.ns = 20 * MS
    clock.pass_time(200 * MS)
    assert [i.signo for i in taken(t)] == [s.SIGPROF]


def test_the_cpu_limit_warns_and_then_kills(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    cpu = t.vehicle = Cpu()  # type: ignore[assignment]
    handled(t, s.SIGXCPU)
    limit_cpu(t.process, 1, 3)
    cpu.ns = S
    clock.pass_time(S)
    assert [i.signo for i in taken(t)] == [s.SIGXCPU]
    cpu.ns = 2 * S
    clock.pass_time(S)
    assert [i.signo for i in taken(t)] == [s.SIGXCPU]
    cpu.ns = 3 * S
    clock.pass_time(S)
    assert t.process.exit_status == s.SIGKILL


# --- POSIX timers -------------------------------------------------------------------------------
def event(k: Kitchen, notify: int, signo: int = s.SIGUSR1, value: int = 77, tid: int = 0) -> int:
    data = pack(value) + b"".join(v.to_bytes(4, "little") for v in (signo, notify, tid))
    return k.memory.room(64, data)


def create(k: Kitchen, t: Task, clock: int = clk.CLOCK_MONOTONIC, sevp: int = 0) -> int:
    at = k.memory.room(4)
    assert call(t, "timer_create", clock, sevp, at) == 0
    ident: int = k.memory.ints(at, "i")[0]
    return ident


def test_a_timer_rings_with_its_value(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGUSR1)
    ident = create(k, t, sevp=event(k, s.SIGEV_SIGNAL))
    call(t, "timer_settime", ident, 0, spec(k, S), 0)
    clock.pass_time(S)
    (info,) = taken(t)
    assert (info.signo, info.code, info.timerid, info.value) == (s.SIGUSR1, s.SI_TIMER, ident, 77)
    out = k.memory.room(32)
    call(t, "timer_gettime", ident, out)
    assert k.memory.ints(out, "4q") == (0, 0, 0, 0)


def test_overruns_are_counted_until_the_signal_is_taken(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGALRM)
    ident = create(k, t)
    call(t, "timer_settime", ident, 0, spec(k, 10 * MS, 10 * MS), 0)
    clock.pass_time(45 * MS)
    (info,) = taken(t)
    assert (info.overrun, info.value) == (3, ident)
    assert call(t, "timer_getoverrun", ident) == 3
    clock.pass_time(5 * MS)
    assert [i.overrun for i in taken(t)] == [0]


def test_absolute_and_old_values(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGALRM)
    ident = create(k, t)
    old = k.memory.room(32)
    call(t, "timer_settime", ident, clk.TIMER_ABSTIME, spec(k, clock.now + 2 * S), 0)
    clock.pass_time(S)
    call(t, "timer_settime", ident, clk.TIMER_ABSTIME, spec(k, clock.now - S), old)
    assert k.memory.ints(old, "4q") == (0, 0, 1, 0)
    clock.pass_time(0)
    assert len(taken(t)) == 1


def test_deleting_takes_the_signal_back(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    handled(t, s.SIGALRM)
    ident = create(k, t)
    call(t, "timer_settime", ident, 0, spec(k, S), 0)
    clock.pass_time(S)
    assert signals.has_deliverable(t)
    call(t, "timer_delete", ident)
    assert not taken(t)
    with pytest.raises(EINVAL):
        call(t, "timer_gettime", ident, 0)


def test_an_ignored_signal_does_not_stop_a_timer(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    t.process.handlers[s.SIGALRM] = Action(s.SIG_IGN)
    ident = create(k, t)
    call(t, "timer_settime", ident, 0, spec(k, 10 * MS, 10 * MS), 0)
    clock.pass_time(S)
    handled(t, s.SIGALRM)
    clock.pass_time(20 * MS)
    assert [i.signo for i in taken(t)] == [s.SIGALRM]


def test_a_thread_gets_its_own_timers_signal(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    second = k.task(t.process)
    handled(t, s.SIGUSR1)
    ident = create(k, t, sevp=event(k, s.SIGEV_THREAD_ID, tid=second.tid))
    call(t, "timer_settime", ident, 0, spec(k, S), 0)
    clock.pass_time(S)
    assert not taken(t)
    assert len(taken(second)) == 1
    with pytest.raises(EINVAL):
        call(t, "timer_create", 1, event(k, s.SIGEV_THREAD_ID, tid=99), k.memory.room(4))


def test_timer_create_errors(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    out = k.memory.room(4)
    for number, error in ((10, EINVAL), (clk.CLOCK_MONOTONIC_RAW, EOPNOTSUPP)):
        with pytest.raises(error):
            call(t, "timer_create", number, 0, out)
    for sevp in (event(k, 3), event(k, s.SIGEV_SIGNAL, signo=65)):
        with pytest.raises(EINVAL):
            call(t, "timer_create", 1, sevp, out)


# --- sleeping -----------------------------------------------------------------------------------
def test_nanosleep(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    request = k.memory.room(16, pack(1, 0))
    assert start(t, "nanosleep", request, 0) == PARKED
    clock.pass_time(S - 1)
    assert finish(t) == PARKED
    clock.pass_time(1)
    assert finish(t) == 0


def test_an_interrupted_sleep_tells_what_is_left_and_goes_on_by_its_deadline(
    k: Kitchen, clock: HandClock
) -> None:
    t = k.task()
    request, rem = k.memory.room(16, pack(2, 0)), k.memory.room(16)
    assert start(t, "nanosleep", request, rem) == PARKED
    clock.pass_time(500 * MS)
    assert finish(t, interrupted=True) == -RESTART_BLOCK
    assert k.memory.ints(rem, "2q") == (1, 500 * MS)
    clock.pass_time(S)
    assert start(t, "restart_syscall") == PARKED
    clock.pass_time(500 * MS)
    assert finish(t) == 0


def test_an_absolute_sleep_follows_the_wall_clock(k: Kitchen, clock: HandClock) -> None:
    t, root = k.task(), k.task()
    wake_at = clock.realtime_ns() + 100 * S
    request = k.memory.room(16, pack(*divmod(wake_at, S)))
    assert start(t, "clock_nanosleep", 0, clk.TIMER_ABSTIME, request, 0) == PARKED
    call(root, "clock_settime", 0, k.memory.room(16, pack(*divmod(wake_at - S, S))))
    assert finish(t) == PARKED
    clock.pass_time(S)
    assert finish(t) == 0
    assert start(t, "clock_nanosleep", 0, clk.TIMER_ABSTIME, request, 0) == 0


def test_an_absolute_sleep_restarts_from_its_arguments(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    request = k.memory.room(16, pack(*divmod(clock.now + S, S)))
    assert start(t, "clock_nanosleep", 1, clk.TIMER_ABSTIME, request, 0) == PARKED
    assert finish(t, interrupted=True) == -RESTART_NOHAND


def test_sleep_errors(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    for sec, nsec in ((-1, 0), (0, S), (0, -1)):
        at = k.memory.room(
            16, (sec % (1 << 64)).to_bytes(8, "little") + (nsec % (1 << 64)).to_bytes(8, "little")
        )
        with pytest.raises(EINVAL):
            call(t, "nanosleep", at, 0)
    at = k.memory.room(16)
    for number, error in ((3, EOPNOTSUPP), (4, EOPNOTSUPP), (8, EOPNOTSUPP), (10, EINVAL)):
        with pytest.raises(error):
            call(t, "clock_nanosleep", number, 0, at, 0)


def test_setting_the_clock_takes_a_capability(k: Kitchen, clock: HandClock) -> None:
    t = k.task()
    at = k.memory.room(16, pack(10**6, 0))
    call(t, "clock_settime", 0, at)
    assert clock.realtime_ns() == 10**6 * S
    with pytest.raises(EINVAL):  # before the machine's start would be 1970
        call(t, "clock_settime", 0, k.memory.room(16, pack(0, 1)))
    with pytest.raises(EINVAL):
        call(t, "clock_settime", 1, at)
    t.cred = Credentials(1000)
    with pytest.raises(EPERM):
        call(t, "clock_settime", 0, at)
