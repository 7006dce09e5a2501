"""Sending signals: kill and its kin.

Source: kernel/signal.c (``check_kill_permission``, ``kill_something_info``).
"""

from __future__ import annotations

from ring3.abi.capability import CAP_KILL
from ring3.abi.errno import EINVAL, EPERM, ESRCH, Errno
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.poll import (
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
)
from ring3.abi.signal import SI_TKILL, SIGCONT
from ring3.abi.types import Fd, In, Pid, Signal, UInt
from ring3.syscalls.signal import Info
from ring3.syscalls.table import syscall
from ring3.task.pidfd import pidfd_process
from ring3.task.sending import send_to_process, send_to_task
from ring3.task.siginfo import SigInfo
from ring3.task.sigstate import NSIG

if TYPE_CHECKING:
    from ring3.task.process import Process, ProcessGroup
    from ring3.task.task import Task

INT_MIN = -(1 << 31)


def may_signal(t: Task, process: Process, signo: int) -> None:
    """EINVAL for no signal, EPERM if *t* may not send it to *process*."""
    if not 0 <= signo <= NSIG:
        raise EINVAL("signal number")
    if process is t.process or t.cred.capable(CAP_KILL):
        return
    mine, leader = {t.cred.euid, t.cred.uid}, process.leader
    # init has no thread, and is root's
    if mine & ({leader.cred.suid, leader.cred.uid} if leader is not None else {0}):
        return
    if signo == SIGCONT and process.session is t.process.session:
        return
    raise EPERM("another user's process")


def signal_process(t: Task, process: Process, info: SigInfo) -> None:
    may_signal(t, process, info.signo)
    if info.signo:
        send_to_process(process, info)


def signal_group(t: Task, group: ProcessGroup | None, signo: int) -> None:
    """Send to every member; it is enough if one of them may be sent to. ESRCH, EPERM."""
    failed: Errno | None = ESRCH()
    for member in list(group.members) if group is not None else ():
        try:
            signal_process(t, member, SigInfo.user(signo, t))
            failed = None
        except Errno as error:
            failed = failed and error
    if failed is not None:
        raise failed


def signal_everyone(t: Task, signo: int) -> None:
    """kill(-1): all but init and the sender. EPERM counts as nothing."""
    failed: Errno | None = None
    others = [p for p in t.world.processes.values() if p.pid > 1 and p is not t.process]
    if not others:
        raise ESRCH
    for process in others:
        try:
            signal_process(t, process, SigInfo.user(signo, t))
            failed = None
        except EPERM:
            pass
        except Errno as error:
            failed = error
    if failed is not None:
        raise failed


def process_by_pid(t: Task, pid: int) -> Process:
    """The process that *pid* (or the id of any of its threads) names. ESRCH."""
    process = t.world.processes.get(pid)
    if process is None:
        thread = t.world.tasks.get(pid)
        if thread is None:
            raise ESRCH
        process = thread.process
    return process


@syscall
def kill(t: Task, pid: Pid, signo: Signal) -> int:
    """Send to a process, a group (0: the own, -N: group N) or everyone (-1)."""
    if pid > 0:
        signal_process(t, process_by_pid(t, pid), SigInfo.user(signo, t))
    elif pid == 0:
        signal_group(t, t.process.group, signo)
    elif pid == -1:
        signal_everyone(t, signo)
    elif pid == INT_MIN:
        raise ESRCH
    else:
        signal_group(t, t.world.groups.get(-pid), signo)
    return 0


def signal_thread(t: Task, tgid: int, tid: int, info: SigInfo) -> None:
    """Send to thread *tid*, of process *tgid* if that is positive. ESRCH, EINVAL, EPERM."""
    target = t.world.tasks.get(tid)
    process = target.process if target is not None else t.world.processes.get(tid)
    if process is None or (tgid > 0 and process.pid != tgid):
        raise ESRCH
    may_signal(t, process, info.signo)
    if info.signo and target is not None:
        send_to_task(target, info)


@syscall
def tgkill(t: Task, tgid: Pid, tid: Pid, signo: Signal) -> int:
    """Send to one thread of a process."""
    if tgid <= 0 or tid <= 0:
        raise EINVAL("thread id")
    signal_thread(t, tgid, tid, SigInfo.tkill(signo, t))
    return 0


@syscall
def tkill(t: Task, tid: Pid, signo: Signal) -> int:
    """Send to one thread."""
    if tid <= 0:
        raise EINVAL("thread id")
    signal_thread(t, 0, tid, SigInfo.tkill(signo, t))
    return 0


def forged(t: Task, pid: int, info: SigInfo) -> None:
    """EPERM if *info* looks as if the kernel or kill had sent it, unless sent to oneself."""
    if (info.code >= 0 or info.code == SI_TKILL) and pid != t.tid:
        raise EPERM("si_code is the kernel's")


def load_info(source: In[SigInfo], signo: int) -> SigInfo:
    info = source.load()
    info.signo = signo
    if info.raw:
        info.raw = (signo & 0xFFFFFFFF).to_bytes(4, "little") + info.raw[4:]
    return info


@syscall
def rt_sigqueueinfo(t: Task, pid: Pid, signo: Signal, info: In[Info]) -> int:
    """Send with data that the sender makes up (sigqueue(3))."""
    given = load_info(info, signo)
    forged(t, pid, given)
    signal_process(t, process_by_pid(t, pid), given)
    return 0


@syscall
def rt_tgsigqueueinfo(t: Task, tgid: Pid, tid: Pid, signo: Signal, info: In[Info]) -> int:
    """The same to one thread."""
    given = load_info(info, signo)
    if tgid <= 0 or tid <= 0:
        raise EINVAL("thread id")
    forged(t, tid, given)
    signal_thread(t, tgid, tid, given)
    return 0


@syscall
def pidfd_send_signal(t: Task, pidfd: Fd, signo: Signal, info: In[Info], flags: UInt) -> int:
    """Send to the process that a descriptor stands for, whatever its pid is by now."""
    known = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP
    if flags & ~known or flags & (flags - 1):
        raise EINVAL("flags")
    process = pidfd_process(t.fds, pidfd, or_directory=True)
    if info:
        given = info.load()
        if given.signo != signo:
            raise EINVAL("si_signo differs")
        if process is not t.process or flags & PIDFD_SIGNAL_PROCESS_GROUP:
            forged(t, -1, given)
    else:
        given = SigInfo.user(signo, t)
        if flags & PIDFD_SIGNAL_THREAD:
            given.code = SI_TKILL
    if flags & PIDFD_SIGNAL_PROCESS_GROUP:
        signal_group(t, process.group, signo)
    elif flags & PIDFD_SIGNAL_THREAD:
        signal_thread(t, 0, process.pid, given)
    else:
        signal_process(t, process, given)
    return 0
