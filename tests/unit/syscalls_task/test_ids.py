"""Ids, groups, sessions, and who may signal whom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi.errno import EACCES, EBADF, EINVAL, EPERM, ESRCH
from ring3.task import signals
from ring3.task.credentials import Credentials
from ring3.task.pidfd import open_pidfd
from ring3.task.process import Process
from ring3.task.signals import Action, SigInfo
from ring3.task.task import Task
from tests.unit.fakes import Kitchen, call

HANDLER = Action(0x401000, s.SA_RESTORER, 0x402000)


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def child_of(k: Kitchen, parent: Process) -> Task:
    return k.task(k.process(k.world.new_pid(), parent))


# --- ids ----------------------------------------------------------------------------------------
def test_threads_share_a_pid(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    assert call(second, "getpid") == t.process.pid
    assert call(second, "gettid") == second.tid
    assert call(t, "getppid") == 1
    assert call(t, "set_tid_address", 0x1000) == t.tid
    assert t.clear_child_tid == 0x1000


def test_setsid_and_setpgid(k: Kitchen) -> None:
    t = k.task()
    assert call(t, "setsid") == t.process.pid
    assert (call(t, "getpgrp"), call(t, "getsid", 0)) == (t.process.pid, t.process.pid)
    with pytest.raises(EPERM):
        call(t, "setsid")
    with pytest.raises(EPERM):
        call(t, "setpgid", 0, 0)  # a session leader
    child = child_of(k, t.process)
    assert call(t, "setpgid", child.process.pid, 0) == 0
    assert call(t, "getpgid", child.process.pid) == child.process.pid
    assert call(t, "setpgid", child.process.pid, t.process.pid) == 0
    assert child.process.pid not in k.world.groups


def test_setpgid_errors(k: Kitchen) -> None:
    t, stranger = k.task(), k.task()
    call(t, "setsid")
    child = child_of(k, t.process)
    for pid, pgid, error in (
        (child.process.pid, -1, EINVAL),
        (99, 0, ESRCH),
        (stranger.process.pid, 0, ESRCH),
        (child.process.pid, stranger.process.group.pgid, EPERM),
        (child.process.pid, 99, EPERM),
    ):
        with pytest.raises(error):
            call(t, "setpgid", pid, pgid)
    child.process.did_exec = True
    with pytest.raises(EACCES):
        call(t, "setpgid", child.process.pid, 0)
    child.process.did_exec = False
    call(child, "setsid")
    with pytest.raises(EPERM):
        call(t, "setpgid", child.process.pid, 0)
    with pytest.raises(ESRCH):
        call(t, "getpgid", 99)


# --- permission ---------------------------------------------------------------------------------
def as_user(k: Kitchen, uid: int) -> Task:
    t = k.task()
    t.cred = Credentials(uid)
    return t


def test_kill_permission(k: Kitchen) -> None:
    alice, bob, root = as_user(k, 1000), as_user(k, 1001), as_user(k, 0)
    bob.process.handlers[s.SIGUSR1] = HANDLER
    with pytest.raises(EPERM):
        call(alice, "kill", bob.process.pid, 0)
    assert call(root, "kill", bob.process.pid, s.SIGUSR1) == 0
    info = signals.dequeue(bob, 0)
    assert info is not None and (info.code, info.pid) == (s.SI_USER, root.process.pid)
    # SIGCONT may go to any process of the session.
    bob.process.join(alice.process.group)
    assert call(alice, "kill", bob.process.pid, s.SIGCONT) == 0
    call(bob, "setsid")
    with pytest.raises(EPERM):
        call(alice, "kill", bob.process.pid, s.SIGCONT)


def test_a_set_uid_process_is_signalled_by_its_saved_id(k: Kitchen) -> None:
    alice, target = as_user(k, 1000), k.task()
    target.cred = Credentials(0).but(uid=0, euid=1000, suid=0)
    with pytest.raises(EPERM):
        call(alice, "kill", target.process.pid, 0)
    target.cred = Credentials(0).but(uid=0, euid=0, suid=1000)
    assert call(alice, "kill", target.process.pid, 0) == 0


def test_init_is_roots(k: Kitchen) -> None:
    with pytest.raises(EPERM):
        call(as_user(k, 1000), "kill", 1, s.SIGTERM)
    assert call(as_user(k, 0), "kill", 1, s.SIGKILL) == 0
    assert k.init.state == "running"


def test_kill_errors(k: Kitchen) -> None:
    t = k.task()
    for pid, signo, error in (
        (99, 0, ESRCH),
        (t.process.pid, 65, EINVAL),
        (t.process.pid, -1, EINVAL),
        (-(1 << 31), 0, ESRCH),
        (-99, 0, ESRCH),
    ):
        with pytest.raises(error):
            call(t, "kill", pid, signo)
    for args, error in (
        ((0, t.tid, 0), EINVAL),
        ((t.process.pid, 0, 0), EINVAL),
        ((99, t.tid, 0), ESRCH),
        ((t.process.pid, 99, 0), ESRCH),
    ):
        with pytest.raises(error):
            call(t, "tgkill", *args)
    with pytest.raises(EINVAL):
        call(t, "tkill", -1, 0)


def test_kill_reaches_groups_and_everyone(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    call(t, "setsid")
    child = child_of(k, t.process)
    for process in (t.process, child.process, other.process):
        process.handlers[s.SIGUSR1] = HANDLER
    call(t, "kill", 0, s.SIGUSR1)
    assert [bool(x.process.pending.mask) for x in (t, child, other)] == [True, True, False]
    call(t, "kill", -1, s.SIGUSR1)
    assert other.process.pending.mask


def test_one_signallable_member_is_enough(k: Kitchen) -> None:
    alice, bob = as_user(k, 1000), as_user(k, 1001)
    call(alice, "setsid")
    bob.process.join(alice.process.group)
    assert call(alice, "kill", 0, 0) == 0
    with pytest.raises(EPERM):
        call(as_user(k, 7), "kill", -alice.process.group.pgid, 0)


def test_tgkill_is_for_one_thread(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    t.process.handlers[s.SIGUSR1] = HANDLER
    call(t, "tgkill", t.process.pid, second.tid, s.SIGUSR1)
    assert s.SIGUSR1 in second.pending and s.SIGUSR1 not in t.process.pending


# --- queueing -----------------------------------------------------------------------------------
def queued(k: Kitchen, code: int) -> int:
    return k.memory.room(128, SigInfo(40, code, pid=7, uid=8, value=9).pack(64))


def test_sigqueueinfo(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    other.process.handlers[41] = HANDLER
    assert call(t, "rt_sigqueueinfo", other.process.pid, 41, queued(k, s.SI_QUEUE)) == 0
    info = signals.dequeue(other, 0)
    assert info is not None
    assert (info.signo, info.value) == (41, 9)
    assert info.pack(64)[:4] == (41).to_bytes(4, "little")


@pytest.mark.parametrize("code", [s.SI_USER, s.SI_KERNEL, s.SI_TKILL])
def test_nobody_may_look_like_the_kernel_to_others(k: Kitchen, code: int) -> None:
    t, other = k.task(), k.task()
    t.process.handlers[40] = other.process.handlers[40] = HANDLER
    with pytest.raises(EPERM):
        call(t, "rt_sigqueueinfo", other.process.pid, 40, queued(k, code))
    with pytest.raises(EPERM):
        call(t, "rt_tgsigqueueinfo", other.process.pid, other.tid, 40, queued(k, code))
    assert call(t, "rt_sigqueueinfo", t.process.pid, 40, queued(k, code)) == 0


def test_pidfd_send_signal(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    other.process.handlers[40] = HANDLER
    fd = t.fds.install(open_pidfd(other.process))
    assert call(t, "pidfd_send_signal", fd, 40, 0, 0) == 0
    assert signals.dequeue(other, 0) is not None
    assert call(t, "pidfd_send_signal", fd, 40, queued(k, s.SI_QUEUE), 0) == 0
    for info, flags, error in (
        (queued(k, s.SI_USER), 0, EPERM),
        (0, 3, EINVAL),
        (0, 8, EINVAL),
    ):
        with pytest.raises(error):
            call(t, "pidfd_send_signal", fd, 40, info, flags)
    with pytest.raises(EINVAL):
        call(t, "pidfd_send_signal", fd, 41, queued(k, s.SI_QUEUE), 0)
    with pytest.raises(EBADF):
        call(t, "pidfd_send_signal", 77, 40, 0, 0)
    del k.world.processes[other.process.pid]
    with pytest.raises(ESRCH):
        call(t, "pidfd_send_signal", fd, 40, 0, 0)


def test_pidfd_open_and_getfd(k: Kitchen) -> None:
    t, other = k.task(), k.task()
    fd = call(t, "pidfd_open", other.process.pid, 0)
    assert fd in t.fds.cloexec
    theirs = other.fds.install(open_pidfd(t.process))
    copy = call(t, "pidfd_getfd", fd, theirs, 0)
    assert t.fds.files[copy] is other.fds.files[theirs]
    for args, error in (((fd, 99, 0), EBADF), ((99, 0, 0), EBADF), ((fd, theirs, 1), EINVAL)):
        with pytest.raises(error):
            call(t, "pidfd_getfd", *args)
    t.cred = Credentials(1000)
    with pytest.raises(EPERM):
        call(t, "pidfd_getfd", fd, theirs, 0)
    for pid, flags, error in ((0, 0, EINVAL), (99, 0, ESRCH), (1, 1, EINVAL)):
        with pytest.raises(error):
            call(t, "pidfd_open", pid, flags)
