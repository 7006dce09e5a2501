"""wait4, waitid, waitpid: the parent learns what became of its children."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EBADF, ECHILD, EINVAL, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import SIGCHLD
from ring3.abi.types import I32, Fd, Int, Out, Pid
from ring3.abi.wait import (
    __WALL,
    __WCLONE,
    __WNOTHREAD,
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
)
from ring3.core.park import Park
from ring3.syscalls.records import Rusage, WaitInfo
from ring3.syscalls.table import syscall
from ring3.task.pidfd import PidFd
from ring3.task.wait import find_child

if TYPE_CHECKING:
    from ring3.task.task import Task
    from ring3.task.wait import Reported

CHILD_KINDS = __WNOTHREAD | __WCLONE | __WALL
INT_MIN = -(1 << 31)


def wait(t: Task, kind: int, ident: int, options: int) -> Reported | None:
    """A matching child's news; None with WNOHANG and nothing new; parks otherwise. ECHILD."""
    found = find_child(t.process, kind, ident, options)
    if found is None and not options & WNOHANG:
        raise Park(t.process.child_event)
    return found


def wait_by_pid(t: Task, pid: int, options: int) -> Reported | None:
    """What wait4 waits for: *pid* is a pid, -1 for any, 0 or less for a process group."""
    options &= 0xFFFFFFFF
    if options & ~(WNOHANG | WUNTRACED | WCONTINUED | CHILD_KINDS):
        raise EINVAL("unknown option")
    if pid == INT_MIN:
        raise ESRCH
    kind, ident = P_PID, pid
    if pid == -1:
        kind = P_ALL
    elif pid <= 0:
        kind, ident = P_PGID, -pid or t.process.group.pgid
    return wait(t, kind, ident, options | WEXITED)


@syscall
def wait4(t: Task, pid: Pid, status: Out[I32], options: Int, usage: Out[Rusage]) -> int:
    """Wait for a child to end, stop or go on; store its wait status.

    Deviates: children belong to the process, so __WNOTHREAD makes no difference.
    """
    found = wait_by_pid(t, pid, options)
    if found is None:
        return 0
    # As on Linux the child is gone even if storing fails.
    if status:
        status.store(found.wait_status)
    if usage:
        usage.store(Rusage.of(found.usage))
    return found.pid


@syscall
def waitpid(t: Task, pid: Pid, status: Out[I32], options: Int) -> int:
    """wait4 without the usage (i386)."""
    found = wait_by_pid(t, pid, options)
    if found is None:
        return 0
    if status:
        status.store(found.wait_status)
    return found.pid


@syscall
def waitid(
    t: Task, kind: Int, ident: Pid, info: Out[WaitInfo], options: Int, usage: Out[Rusage]
) -> int:
    """Wait for a child to change state, as *options* says; store what happened at *info*."""
    options &= 0xFFFFFFFF
    known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | CHILD_KINDS
    if options & ~known or not options & (WEXITED | WSTOPPED | WCONTINUED):
        raise EINVAL("options")
    impatient = False
    if kind == P_PID:
        if ident <= 0:
            raise EINVAL("pid")
    elif kind == P_PGID:
        if ident < 0:
            raise EINVAL("process group")
        ident = ident or t.process.group.pgid
    elif kind == P_PIDFD:
        kind = P_PID
        ident, impatient = pidfd_target(t, ident)
    elif kind != P_ALL:
        raise EINVAL("idtype")
    found = wait(t, kind, ident, options | (WNOHANG if impatient else 0))
    if found is None:
        if impatient and not options & WNOHANG:
            raise EAGAIN
        if info:
            info.store((0, 0, 0, 0, 0, 0))
        return 0
    if usage:
        usage.store(Rusage.of(found.usage))
    if info:
        info.store((SIGCHLD, 0, found.code, found.pid, found.uid, found.status))
    return 0


def pidfd_target(t: Task, fd: Fd) -> tuple[int, bool]:
    """(pid of the child that a pidfd stands for, whether the pidfd is non-blocking)."""
    if fd < 0:
        raise EINVAL("pidfd")
    file = t.fds.get(fd, PidFd, otherwise=EBADF)
    if file.reaped or file.process.parent is not t.process:
        raise ECHILD
    return file.process.pid, file.nonblock
