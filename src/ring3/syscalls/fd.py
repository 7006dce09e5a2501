"""dup(2), close(2), ioctl(2): descriptors themselves. fcntl(2) is in fcntl.py."""

from __future__ import annotations

from ring3.abi.errno import EBADF, EINVAL
from ring3.abi.fcntl import CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE, O_CLOEXEC, O_NONBLOCK
from ring3.abi.hints import Annotated
from ring3.abi.ioctl import FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX
from ring3.abi.sched import CLONE_FILES
from ring3.abi.types import Addr, Fd, Scalar, UInt
from ring3.machine.base import Deferred, Result
from ring3.syscalls.sigio import set_async
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import io_file
from ring3.task.fdtable import FdTable
from ring3.task.task import Task

DupFlags = Annotated[int, Scalar(32, flags="open", kind="flags")]
IoctlRequest = Annotated[int, Scalar(32, signed=False, flags="ioctl", kind="enum")]

UNSHARE = {"x86_64": 272, "i386": 310}
"""unshare(2)'s number."""


@syscall
def dup(t: Task, fd: Fd) -> int:
    """Make the lowest free descriptor another name of *fd*."""
    return t.fds.install(t.fds.get(fd))


@syscall
def dup2(t: Task, old: Fd, new: Fd) -> int:
    """Make *new* another name of *old*, closing what it was."""
    if old == new:
        t.fds.get(old)
        return new
    return replace(t, old, new, False)


@syscall
def dup3(t: Task, old: Fd, new: Fd, flags: DupFlags) -> int:
    """``dup2`` with O_CLOEXEC; the two may not be the same."""
    if flags & ~O_CLOEXEC or old == new:
        raise EINVAL("unknown flag, or the same descriptor twice")
    return replace(t, old, new, bool(flags & O_CLOEXEC))


def replace(t: Task, old: int, new: int, cloexec: bool) -> int:
    if not 0 <= new < t.fds.limit:
        raise EBADF("beyond RLIMIT_NOFILE")
    t.fds.replace(new, t.fds.get(old), cloexec=cloexec)
    return new


@syscall
def close(t: Task, fd: Fd) -> int:
    """Free a descriptor number."""
    t.fds.close(fd)
    return 0


@syscall
def close_range(t: Task, first: UInt, last: UInt, flags: UInt) -> Result:
    """Close the descriptors from *first* to *last*, or mark them close-on-exec."""
    if flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) or first > last:
        raise EINVAL
    cloexec = bool(flags & CLOSE_RANGE_CLOEXEC)
    if not flags & CLOSE_RANGE_UNSHARE or t.fds.users == 1:
        return close_all(t.fds, first, last, cloexec)
    own = t.fds.copy()
    own.bound, own.routed = set(t.fds.bound), set(t.fds.routed)
    t.fds.release()
    t.fds = own
    left = t.vehicle.host_call(UNSHARE[t.abi], (CLONE_FILES,))
    if isinstance(left, Deferred):
        left.then = lambda result: result or close_all(own, first, last, cloexec)
        return left
    return close_all(own, first, last, cloexec)


def close_all(fds: FdTable, first: int, last: int, cloexec: bool) -> int:
    for fd in [n for n in fds.files if first <= n <= last]:
        if cloexec:
            fds.set_cloexec(fd, True)
        else:
            fds.close(fd)
    return 0


@syscall
def ioctl(t: Task, fd: Fd, request: IoctlRequest, arg: Addr) -> int:
    """Ask a file for what only its kind knows; a few requests every file knows."""
    file = io_file(t, fd)
    if request in (FIOCLEX, FIONCLEX):
        t.fds.set_cloexec(fd, request == FIOCLEX)
        return 0
    if request == FIONBIO:
        on = any(t.memory.load(arg, 4))
        file.set_status(file.flags | O_NONBLOCK if on else file.flags & ~O_NONBLOCK)
        return 0
    if request == FIOASYNC:
        set_async(t, fd, file, any(t.memory.load(arg, 4)))
        return 0
    return file.ioctl(t.memory, request, arg)
