"""Process, thread, group and session ids.

Source: kernel/sys.c (``setpgid``, ``ksys_setsid``).
"""

from __future__ import annotations

from ring3.abi.errno import EACCES, EINVAL, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.types import Addr, Pid
from ring3.syscalls.table import syscall
from ring3.task.process import Process, ProcessGroup, Session

if TYPE_CHECKING:
    from ring3.task.task import Task


@syscall
def getpid(t: Task) -> int:
    """The id of the process (thread group)."""
    return t.process.pid


@syscall
def gettid(t: Task) -> int:
    """The id of the thread."""
    return t.tid


@syscall
def getppid(t: Task) -> int:
    """The id of the parent process."""
    parent = t.process.parent
    return parent.pid if parent is not None else 0


@syscall
def set_tid_address(t: Task, addr: Addr) -> int:
    """Where 0 is stored, and a futex woken, when this thread ends."""
    t.clear_child_tid = addr
    return t.tid


def process_of(t: Task, pid: int) -> Process:
    """The process of thread *pid*, 0 for the caller's; ESRCH."""
    if pid == 0:
        return t.process
    process = t.world.processes.get(pid)
    if process is None:
        thread = t.world.tasks.get(pid)
        if thread is None:
            raise ESRCH
        process = thread.process
    return process


@syscall
def getpgid(t: Task, pid: Pid) -> int:
    """The process group of a process."""
    return process_of(t, pid).group.pgid


@syscall
def getpgrp(t: Task) -> int:
    """The caller's process group."""
    return t.process.group.pgid


@syscall
def getsid(t: Task, pid: Pid) -> int:
    """The session of a process."""
    return process_of(t, pid).session.sid


@syscall
def setpgid(t: Task, pid: Pid, pgid: Pid) -> int:
    """Move a process (the caller, or a child that has not called exec) to a process group."""
    pid = pid or t.process.pid
    pgid = pgid or pid
    if pgid < 0:
        raise EINVAL("negative process group")
    process = t.world.processes.get(pid)
    if process is None:
        raise EINVAL("a thread") if pid in t.world.tasks else ESRCH
    if process.parent is t.process:
        if process.session is not t.process.session:
            raise EPERM("in another session")
        if process.did_exec:
            raise EACCES("the child has called exec")
    elif process is not t.process:
        raise ESRCH
    if process.session.leader is process:
        raise EPERM("a session leader")
    if pgid == process.group.pgid:
        return 0
    group = t.world.groups.get(pgid)
    if pgid == pid:
        group = group or ProcessGroup(pgid, process.session)
    if group is None or group.session is not t.process.session:
        raise EPERM("no such group in this session")
    process.join(group)
    return 0


@syscall
def setsid(t: Task) -> int:
    """Start a session, with the caller as its leader and only member."""
    process = t.process
    if process.session.leader is process or process.pid in t.world.groups:
        raise EPERM("already leads a process group")
    session = Session(process.pid, process)
    t.world.sessions[process.pid] = session
    process.join(ProcessGroup(process.pid, session))
    process.without_terminal = False
    return process.pid
