"""pidfd_open and pidfd_getfd. Sending by pidfd is kill.py's, waiting wait.py's."""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_PTRACE
from ring3.abi.errno import EINVAL, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.types import Fd, Pid, UInt
from ring3.syscalls.table import syscall
from ring3.task.pidfd import PIDFD_NONBLOCK, open_pidfd, pidfd_process

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task
    from ring3.vfs.file import File


@syscall(partial="no PIDFD_THREAD")
def pidfd_open(t: Task, pid: Pid, flags: UInt) -> int:
    """A descriptor that stands for process *pid*."""
    if flags & ~PIDFD_NONBLOCK:
        raise EINVAL("flags")
    if pid <= 0:
        raise EINVAL("pid")
    process = t.world.processes.get(pid)
    if process is None:
        if pid in t.world.tasks:
            raise EINVAL("a thread that leads no process")  # Linux < 6.9: EINVAL, since: ENOENT
        raise ESRCH
    return t.fds.install(open_pidfd(process, flags), cloexec=True)


@syscall
def pidfd_getfd(t: Task, pidfd: Fd, fd: Fd, flags: UInt) -> int:
    """A copy of another process's descriptor."""
    if flags:
        raise EINVAL("flags")
    process = pidfd_process(t.fds, pidfd)
    leader = process.leader
    if leader is None or leader.exiting:
        raise ESRCH
    may_trace(t, process)
    file: File = leader.fds.get(fd)
    return t.fds.install(file, cloexec=True)


def may_trace(t: Task, process: Process) -> None:
    """ptrace_may_access: same user on all six ids and dumpable, or CAP_SYS_PTRACE. EPERM."""
    if process is t.process or t.cred.capable(CAP_SYS_PTRACE):
        return
    theirs = process.leader.cred if process.leader is not None else t.cred
    uids = {theirs.uid, theirs.euid, theirs.suid}
    gids = {theirs.gid, theirs.egid, theirs.sgid}
    if uids != {t.cred.uid} or gids != {t.cred.gid} or process.dumpable != 1:
        raise EPERM("CAP_SYS_PTRACE")
