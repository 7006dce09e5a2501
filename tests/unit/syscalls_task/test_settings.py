"""prctl, limits, scheduling parameters and what the system says about itself."""

from __future__ import annotations

import os
import resource
import struct
from collections.abc import Iterator

import pytest

from ring3.abi import prctl as p
from ring3.abi.errno import E2BIG, EACCES, EFAULT, EINVAL, EPERM, ESRCH
from ring3.abi.resource import (
    RLIM_INFINITY,
    RLIMIT_CORE,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_RTPRIO,
)
from ring3.abi.sched import SCHED_FIFO, SCHED_NORMAL, SCHED_RESET_ON_FORK, SCHED_RR
from ring3.task.credentials import Credentials
from ring3.task.resources import Usage
from ring3.task.scheduling import inherited
from ring3.task.task import Task
from tests.unit.fakes import Kitchen, call
from tests.unit.task.context import SlowVehicle


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def user(k: Kitchen, uid: int = 1000) -> Task:
    t = k.task()
    t.cred = Credentials(uid, uid)
    t.process.limits[RLIMIT_NICE] = t.process.limits[RLIMIT_RTPRIO] = (0, 0)
    return t


def words(k: Kitchen, *values: int) -> int:
    return k.memory.room(0, b"".join((v % (1 << 64)).to_bytes(8, "little") for v in values))


# --- prctl --------------------------------------------------------------------------------------
def test_name(k: Kitchen) -> None:
    t = k.task()
    call(t, "prctl", p.PR_SET_NAME, k.memory.room(32, b"a name that is too long\0"))
    out = k.memory.room(16, b"\xff" * 16)
    call(t, "prctl", p.PR_GET_NAME, out)
    assert k.memory.get(out, 16) == b"a name that is \0"
    at_the_end = k.memory.fenced(15, b"fifteen letters")
    call(t, "prctl", p.PR_SET_NAME, at_the_end)
    assert t.comm == b"fifteen letters"
    with pytest.raises(EFAULT):
        call(t, "prctl", p.PR_SET_NAME, 16)


def test_flags_of_the_process(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(4)
    call(t, "prctl", p.PR_SET_PDEATHSIG, 15)
    call(t, "prctl", p.PR_GET_PDEATHSIG, out)
    assert k.memory.ints(out, "i") == (15,)
    call(t, "prctl", p.PR_SET_CHILD_SUBREAPER, 7)
    call(t, "prctl", p.PR_GET_CHILD_SUBREAPER, out)
    assert k.memory.ints(out, "i") == (1,)
    call(t, "prctl", p.PR_SET_DUMPABLE, 0)
    assert call(t, "prctl", p.PR_GET_DUMPABLE) == 0
    assert call(t, "prctl", p.PR_GET_NO_NEW_PRIVS) == 0
    call(t, "prctl", p.PR_SET_NO_NEW_PRIVS, 1)
    assert call(t, "prctl", p.PR_GET_NO_NEW_PRIVS) == 1
    call(t, "prctl", p.PR_SET_TIMERSLACK, 123)
    assert call(t, "prctl", p.PR_GET_TIMERSLACK) == 123
    call(t, "prctl", p.PR_SET_TIMERSLACK, 0)
    assert call(t, "prctl", p.PR_GET_TIMERSLACK) == 50_000


@pytest.mark.parametrize(
    "args",
    [
        (p.PR_SET_PDEATHSIG, 65),
        (p.PR_SET_DUMPABLE, 2),
        (p.PR_SET_NO_NEW_PRIVS, 0),
        (p.PR_SET_NO_NEW_PRIVS, 1, 1),
        (p.PR_GET_NO_NEW_PRIVS, 1),
        (p.PR_SET_KEEPCAPS, 2),
        (p.PR_CAPBSET_READ, 41),
        (p.PR_CAP_AMBIENT, 9, 0),
        (p.PR_SET_VMA, 1),
        (p.PR_GET_ENDIAN,),
        (12345,),
    ],
)
def test_prctl_refuses(k: Kitchen, args: tuple[int, ...]) -> None:
    with pytest.raises(EINVAL):
        call(k.task(), "prctl", *args)


def test_bounding_and_ambient_sets(k: Kitchen) -> None:
    t = k.task()
    assert call(t, "prctl", p.PR_CAPBSET_READ, 13) == 1
    call(t, "prctl", p.PR_CAPBSET_DROP, 13)
    assert call(t, "prctl", p.PR_CAPBSET_READ, 13) == 0
    with pytest.raises(EPERM):
        call(t, "prctl", p.PR_CAP_AMBIENT, p.PR_CAP_AMBIENT_RAISE, 5)
    t.cred = t.cred.but(inheritable=1 << 5)
    call(t, "prctl", p.PR_CAP_AMBIENT, p.PR_CAP_AMBIENT_RAISE, 5)
    assert call(t, "prctl", p.PR_CAP_AMBIENT, p.PR_CAP_AMBIENT_IS_SET, 5) == 1
    call(t, "prctl", p.PR_CAP_AMBIENT, p.PR_CAP_AMBIENT_CLEAR_ALL)
    assert t.cred.ambient == 0
    with pytest.raises(EPERM):
        call(user(k), "prctl", p.PR_CAPBSET_DROP, 13)


def test_locked_securebits_stay(k: Kitchen) -> None:
    t = k.task()
    call(t, "prctl", p.PR_SET_SECUREBITS, 0b11)
    assert call(t, "prctl", p.PR_GET_SECUREBITS) == 0b11
    for bits in (0b10, 0b01, 1 << 8):
        with pytest.raises(EPERM):
            call(t, "prctl", p.PR_SET_SECUREBITS, bits)
    call(t, "prctl", p.PR_SET_SECUREBITS, 0b11 | 1 << 5)
    with pytest.raises(EPERM):
        call(t, "prctl", p.PR_SET_KEEPCAPS, 1)


def test_segment_bases_are_the_machines(k: Kitchen) -> None:
    t = k.task()
    vehicle = SlowVehicle(k, t)
    t.nr = 158
    assert call(t, "arch_prctl", p.ARCH_SET_FS, 0x1000) == 0
    assert vehicle.calls == [(158, (p.ARCH_SET_FS, 0x1000))]
    with pytest.raises(EPERM):
        call(t, "arch_prctl", p.ARCH_SET_GS, 1 << 47)
    with pytest.raises(EINVAL):
        call(t, "arch_prctl", 0x3001, 0)


# --- limits -------------------------------------------------------------------------------------
def test_limits(k: Kitchen) -> None:
    t, out = user(k), k.memory.room(16)
    call(t, "getrlimit", RLIMIT_CORE, out)
    assert k.memory.ints(out, "QQ") == (RLIM_INFINITY, RLIM_INFINITY)
    call(t, "setrlimit", RLIMIT_CORE, words(k, 10, 20))
    call(t, "prlimit64", 0, RLIMIT_CORE, words(k, 20, 20), out)
    assert k.memory.ints(out, "QQ") == (10, 20)
    for new, error in (((21, 20), EINVAL), ((0, 21), EPERM)):
        with pytest.raises(error):
            call(t, "setrlimit", RLIMIT_CORE, words(k, *new))
    with pytest.raises(EINVAL):
        call(t, "getrlimit", 16, out)
    with pytest.raises(EFAULT):
        call(t, "setrlimit", 99, 16)


def test_the_files_limit_is_the_tables(k: Kitchen) -> None:
    t = k.task()
    call(t, "setrlimit", RLIMIT_NOFILE, words(k, 5, 50))
    assert t.fds.limit == 5
    with pytest.raises(EPERM):
        call(t, "setrlimit", RLIMIT_NOFILE, words(k, 5, (1 << 20) + 1))


def test_limits_of_others(k: Kitchen) -> None:
    alice, bob, root = user(k), user(k, 1001), k.task()
    with pytest.raises(EPERM):
        call(alice, "prlimit64", bob.process.pid, RLIMIT_CORE, 0, 0)
    with pytest.raises(ESRCH):
        call(alice, "prlimit64", 99, RLIMIT_CORE, 0, 0)
    with pytest.raises(EPERM):
        call(alice, "prlimit64", 1, RLIMIT_CORE, 0, 0)
    assert call(root, "prlimit64", bob.process.pid, RLIMIT_CORE, words(k, 1, 1), 0) == 0
    assert bob.process.limits[RLIMIT_CORE] == (1, 1)


def test_rusage(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(144)
    t.process.children_rusage = Usage(1_500_000_000, 250_000_000)
    call(t, "getrusage", resource.RUSAGE_CHILDREN, out)
    assert k.memory.ints(out, "4q") == (1, 500_000, 0, 250_000)
    with pytest.raises(EINVAL):
        call(t, "getrusage", -2, out)


# --- priorities and policies --------------------------------------------------------------------
def test_nice(k: Kitchen) -> None:
    t, other = user(k), user(k, 1001)
    assert call(t, "getpriority", 0, 0) == 20
    call(t, "setpriority", 0, 0, 100)
    assert call(t, "getpriority", 0, 0) == 1
    with pytest.raises(EACCES):
        call(t, "setpriority", 0, 0, 18)
    t.process.limits[RLIMIT_NICE] = (5, 5)
    call(t, "setpriority", 0, 0, 15)
    assert t.process.nice == 15
    with pytest.raises(EPERM):
        call(t, "setpriority", 0, other.process.pid, 19)
    with pytest.raises(ESRCH):
        call(t, "getpriority", 0, 99)
    with pytest.raises(EINVAL):
        call(t, "getpriority", 3, 0)


def test_policies(k: Kitchen) -> None:
    t, param = k.task(), k.memory.room(4, (10).to_bytes(4, "little"))
    zero = k.memory.room(4)
    assert call(t, "sched_getscheduler", 0) == SCHED_NORMAL
    call(t, "sched_setscheduler", 0, SCHED_RR | SCHED_RESET_ON_FORK, param)
    assert call(t, "sched_getscheduler", 0) == SCHED_RR | SCHED_RESET_ON_FORK
    out = k.memory.room(16)
    call(t, "sched_getparam", 0, out)
    assert k.memory.ints(out, "i") == (10,)
    call(t, "sched_rr_get_interval", 0, out)
    assert k.memory.ints(out, "2q") == (0, 100_000_000)
    assert inherited(t).policy == SCHED_NORMAL
    for pid, policy, at, error in (
        (0, SCHED_FIFO, zero, EINVAL),
        (0, SCHED_NORMAL, param, EINVAL),
        (0, 77, zero, EINVAL),
        (-1, SCHED_FIFO, param, EINVAL),
        (99, SCHED_FIFO, param, ESRCH),
    ):
        with pytest.raises(error):
            call(t, "sched_setscheduler", pid, policy, at)
    with pytest.raises(EPERM):
        call(user(k), "sched_setscheduler", 0, SCHED_FIFO, param)


def test_attributes(k: Kitchen) -> None:
    t = k.task()
    attr = k.memory.room(48, struct.pack("<IIQi", 48, SCHED_NORMAL, 0, 5))
    assert call(t, "sched_setattr", 0, attr, 0) == 0
    assert t.process.nice == 5
    out = k.memory.room(48)
    assert call(t, "sched_getattr", 0, out, 48, 0) == 0
    assert k.memory.ints(out, "IIQi") == (48, SCHED_NORMAL, 0, 5)
    with pytest.raises(EINVAL):
        call(t, "sched_getattr", 0, out, 47, 0)
    small = k.memory.room(48, (8).to_bytes(4, "little"))
    with pytest.raises(E2BIG):
        call(t, "sched_setattr", 0, small, 0)
    assert k.memory.ints(small, "I") == (48,)


def test_affinity(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(8)
    possible = sum(1 << cpu for cpu in os.sched_getaffinity(0))
    assert call(t, "sched_getaffinity", 0, 8, out) == 8
    assert k.memory.ints(out, "Q") == (possible,)
    one = possible & -possible
    call(t, "sched_setaffinity", 0, 8, words(k, one))
    call(t, "sched_getaffinity", t.tid, 8, out)
    assert k.memory.ints(out, "Q") == (one,)
    with pytest.raises(EINVAL):
        call(t, "sched_setaffinity", 0, 8, words(k, 1 << 63))
    with pytest.raises(EINVAL):
        call(t, "sched_getaffinity", 0, 7, out)
    with pytest.raises(ESRCH):
        call(t, "sched_getaffinity", -1, 8, out)


# --- the system ---------------------------------------------------------------------------------
def test_names_of_the_world(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(390)
    call(t, "sethostname", k.memory.room(8, b"lab\0junk"), 8)
    call(t, "setdomainname", k.memory.room(8, b"example"), 7)
    call(t, "uname", out)
    fields = [k.memory.get(out + 65 * i, 65).rstrip(b"\0") for i in range(6)]
    assert fields[0] == b"Linux" and fields[4] == b"x86_64"
    assert (fields[1], fields[5]) == (b"lab", b"example")
    with pytest.raises(EINVAL):
        call(t, "sethostname", out, 65)
    with pytest.raises(EPERM):
        call(user(k), "sethostname", out, 1)


def test_sysinfo_keeps_to_the_worlds_memory(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(112)
    k.world.limits["memory"] = 64 << 20
    call(t, "sysinfo", out)
    uptime, *_, total, free = k.memory.ints(out, "q3QQQ")
    assert uptime > 0 and total == 64 << 20 and free <= total


def test_getrandom(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(32)
    assert call(t, "getrandom", out, 32, 0) == 32
    assert k.memory.get(out, 32) != bytes(32)
    with pytest.raises(EINVAL):
        call(t, "getrandom", out, 1, 6)
    with pytest.raises(EFAULT):
        call(t, "getrandom", 16, 1, 0)
    big = k.memory.fenced(65536)
    assert call(t, "getrandom", big, 1 << 20, 0) == 65536


def test_the_kernel_log(k: Kitchen) -> None:
    t, out = k.task(), k.memory.room(4096)
    k.world.log.say("hello")
    size = call(t, "syslog", 3, out, 4096)
    assert k.memory.get(out, size).endswith(b"] hello\n")
    with pytest.raises(EPERM):
        call(user(k), "syslog", 5, 0, 0)
    call(t, "syslog", 5, 0, 0)
    assert call(t, "syslog", 3, out, 4096) == 0
    with pytest.raises(EINVAL):
        call(t, "syslog", 11, 0, 0)


def test_personality(k: Kitchen) -> None:
    t = k.task()
    assert call(t, "personality", 0xFFFFFFFF) == 0
    call(t, "personality", 8)
    assert call(t, "personality", 0xFFFFFFFF) == 8
