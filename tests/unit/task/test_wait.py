"""Zombies, reaping and adoption, through wait4 and waitid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi.errno import EAGAIN, EBADF, ECHILD, EINVAL, ESRCH
from ring3.abi.wait import (
    __WALL,
    __WCLONE,
    P_ALL,
    P_PID,
    P_PIDFD,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
)
from ring3.task import signals
from ring3.task.jobs import cont, stop
from ring3.task.pidfd import PIDFD_NONBLOCK, open_pidfd
from ring3.task.process import Process, ProcessGroup
from ring3.task.resources import Usage
from ring3.task.signals import Action
from ring3.task.task import Task
from ring3.task.wait import announce_exit
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

ANY = -1


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def child_of(k: Kitchen, parent: Process, exit_signal: int = s.SIGCHLD) -> Task:
    process = k.process(k.world.new_pid(), parent)
    process.exit_signal = exit_signal
    return k.task(process)


def die(t: Task, status: int = 0, usage: Usage | None = None) -> None:
    process = t.process
    process.exit_status = status
    process.rusage = usage or Usage()
    process.threads.clear()
    announce_exit(process)


def test_a_zombie_is_reaped_once(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    status = k.memory.room(4)
    die(child, 7 << 8, Usage(30_000_000, 10_000_000))
    assert call(t, "wait4", ANY, status, WNOHANG, 0) == child.process.pid
    assert k.memory.ints(status, "i") == (0x700,)
    assert child.process.pid not in k.world.processes
    assert child.process not in child.process.group.members
    assert t.process.children_rusage.user_ns == 30_000_000
    with pytest.raises(ECHILD):
        call(t, "wait4", ANY, status, WNOHANG, 0)


def test_waiting_for_a_live_child_parks(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    assert call(t, "wait4", ANY, 0, WNOHANG, 0) == 0
    assert start(t, "wait4", ANY, 0, 0, 0) == PARKED
    die(child, s.SIGTERM)
    assert finish(t) == child.process.pid


def test_selection(k: Kitchen) -> None:
    t = k.task()
    first, second = child_of(k, t.process), child_of(k, t.process)
    second.process.join(ProcessGroup(second.process.pid, t.process.session))
    die(first)
    die(second)
    assert call(t, "wait4", -second.process.pid, 0, 0, 0) == second.process.pid
    with pytest.raises(ECHILD):
        call(t, "wait4", second.process.pid, 0, 0, 0)
    assert call(t, "wait4", 0, 0, 0, 0) == first.process.pid


def test_bad_arguments(k: Kitchen) -> None:
    t = k.task()
    with pytest.raises(EINVAL):
        call(t, "wait4", ANY, 0, WEXITED, 0)
    with pytest.raises(ESRCH):
        call(t, "wait4", -(1 << 31), 0, 0, 0)
    for kind, ident, options in (
        (P_ALL, 0, 0),
        (P_ALL, 0, WEXITED | 0x100),
        (P_PID, 0, WEXITED),
        (9, 1, WEXITED),
        (P_PIDFD, -1, WEXITED),
    ):
        with pytest.raises(EINVAL):
            call(t, "waitid", kind, ident, 0, options, 0)
    with pytest.raises(EBADF):
        call(t, "waitid", P_PIDFD, 5, 0, WEXITED, 0)


def test_stops_and_continues_are_reported_once(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    status = k.memory.room(4)
    stop(child.process, s.SIGTSTP)
    assert call(t, "wait4", ANY, status, WNOHANG, 0) == 0
    assert call(t, "wait4", ANY, status, WUNTRACED, 0) == child.process.pid
    assert k.memory.ints(status, "i") == (s.SIGTSTP << 8 | 0x7F,)
    assert call(t, "wait4", ANY, status, WUNTRACED | WNOHANG, 0) == 0
    cont(child.process)
    assert call(t, "wait4", ANY, status, WCONTINUED, 0) == child.process.pid
    assert k.memory.ints(status, "i") == (0xFFFF,)


def test_a_continue_makes_the_stop_old_news(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    stop(child.process, s.SIGSTOP)
    cont(child.process)
    assert call(t, "wait4", ANY, 0, WUNTRACED | WNOHANG, 0) == 0


def test_waitid_tells_and_may_leave_the_child(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    info = k.memory.room(128, b"\xff" * 128)
    die(child, s.SIGKILL)
    pid = child.process.pid
    for options in (WEXITED | WNOWAIT, WEXITED):
        assert call(t, "waitid", P_PID, pid, info, options, 0) == 0
        assert k.memory.ints(info, "iii4xiIi") == (
            s.SIGCHLD, 0, s.CLD_KILLED, pid, 0, s.SIGKILL,
        )  # fmt: skip
    with pytest.raises(ECHILD):
        call(t, "waitid", P_PID, pid, info, WEXITED, 0)


def test_waitid_with_nothing_to_tell_stores_zeros(k: Kitchen) -> None:
    t = k.task()
    child_of(k, t.process)
    info = k.memory.room(128, b"\xff" * 128)
    assert call(t, "waitid", P_ALL, 0, info, WEXITED | WNOHANG, 0) == 0
    assert k.memory.ints(info, "iii4xiIi") == (0, 0, 0, 0, 0, 0)


def test_a_zombie_is_no_hope_for_a_stop(k: Kitchen) -> None:
    t = k.task()
    die(child_of(k, t.process))
    with pytest.raises(ECHILD):
        call(t, "waitid", P_ALL, 0, 0, WSTOPPED | WNOHANG, 0)


def test_clone_children_need_their_flag(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process, exit_signal=0)
    die(child)
    assert not t.process.pending.mask
    with pytest.raises(ECHILD):
        call(t, "wait4", ANY, 0, 0, 0)
    assert call(t, "waitid", P_ALL, 0, 0, WEXITED | WNOWAIT | __WCLONE, 0) == 0
    assert call(t, "wait4", ANY, 0, __WALL, 0) == child.process.pid


@pytest.mark.parametrize(
    ("action", "told"),
    [(Action(s.SIG_IGN), False), (Action(0x401000, s.SA_NOCLDWAIT), True)],
    ids=["SIG_IGN", "SA_NOCLDWAIT"],
)
def test_nobody_wants_zombies(k: Kitchen, action: Action, told: bool) -> None:
    t = k.task()
    t.process.handlers[s.SIGCHLD] = action
    child = child_of(k, t.process)
    assert start(t, "wait4", ANY, 0, 0, 0) == PARKED
    die(child)
    assert bool(t.process.pending.mask) is told
    with pytest.raises(ECHILD):
        finish(t)


def test_the_parent_is_told_how_the_child_ended(k: Kitchen) -> None:
    t = k.task()
    t.process.handlers[s.SIGCHLD] = Action(0x401000)
    child = child_of(k, t.process)
    die(child, 3 << 8, Usage(20_000_000, 10_000_000))
    info = signals.dequeue(t, 0)
    assert info is not None
    assert (info.code, info.pid, info.status) == (s.CLD_EXITED, child.process.pid, 3)
    assert (info.utime, info.stime) == (2, 1)


def test_orphans_go_to_init_which_reaps(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    grandchild, dead = child_of(k, child.process), child_of(k, child.process)
    die(dead)
    grandchild.process.parent_death_signal = s.SIGUSR1
    signals.set_mask(grandchild, signals.bits(s.SIGUSR1))
    die(child)
    assert grandchild.process.parent is k.init
    assert s.SIGUSR1 in grandchild.process.pending
    assert dead.process.pid not in k.world.processes
    die(grandchild)
    assert grandchild.process.pid not in k.world.processes


def test_orphans_go_to_the_nearest_subreaper(k: Kitchen) -> None:
    t = k.task()
    t.process.subreaper = True
    child = child_of(k, t.process)
    grandchild = child_of(k, child.process, exit_signal=0)
    die(child)
    assert grandchild.process.parent is t.process
    die(grandchild, 1 << 8)
    assert call(t, "wait4", grandchild.process.pid, 0, 0, 0) == grandchild.process.pid


def test_pidfd_waiting(k: Kitchen) -> None:
    t = k.task()
    child = child_of(k, t.process)
    fd = t.fds.install(open_pidfd(child.process, PIDFD_NONBLOCK))
    with pytest.raises(EAGAIN):
        call(t, "waitid", P_PIDFD, fd, 0, WEXITED, 0)
    file = t.fds.get(fd)  # type: ignore[var-annotated]
    assert file.poll() == 0
    die(child)
    assert file.poll() == 1
    assert call(t, "waitid", P_PIDFD, fd, 0, WEXITED, 0) == 0
    with pytest.raises(ECHILD):
        call(t, "waitid", P_PIDFD, fd, 0, WEXITED, 0)


def test_a_bad_status_pointer_comes_too_late(k: Kitchen) -> None:
    """Linux reaps before it stores; so do we."""
    from ring3.abi.errno import EFAULT

    t = k.task()
    child = child_of(k, t.process)
    die(child)
    with pytest.raises(EFAULT):
        call(t, "wait4", ANY, 16, 0, 0)
    assert child.process.pid not in k.world.processes
