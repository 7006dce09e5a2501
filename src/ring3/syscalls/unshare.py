"""unshare(2), setns(2): leaving what a clone shared."""

from __future__ import annotations

from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import Annotated
from ring3.abi.sched import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWTIME,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)
from ring3.abi.types import Fd, Int, Scalar
from ring3.machine.base import Result
from ring3.syscalls.clone import NAMESPACES, NO_NAMESPACES
from ring3.syscalls.table import syscall
from ring3.task.task import Task

UnshareFlags = Annotated[int, Scalar(0, signed=False, flags="clone", kind="flags")]
KNOWN = (
    NAMESPACES | CLONE_NEWTIME | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_SIGHAND
    | CLONE_THREAD | CLONE_VM
)  # fmt: skip


@syscall(partial=NO_NAMESPACES)
def unshare(t: Task, flags: UnshareFlags) -> Result:
    """Give this thread a descriptor table and a working directory of its own."""
    if flags & ~KNOWN:
        raise EINVAL("unknown unshare flag")
    if flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) and len(t.process.threads) > 1:
        raise EINVAL("threads cannot leave each other's memory")
    if flags & (NAMESPACES | CLONE_NEWTIME):
        raise EPERM("no namespaces in this world")
    if flags & CLONE_FS and t.fs.users > 1:
        t.fs.users -= 1
        t.fs = t.fs.copy()
    if flags & CLONE_FILES and t.fds.users > 1:
        own = t.fds.copy()
        own.bound, own.routed = set(t.fds.bound), set(t.fds.routed)
        t.fds.release()
        t.fds = own
        return t.vehicle.host_call(t.nr, (CLONE_FILES,))
    return 0


@syscall(partial="no namespaces to join: EINVAL")
def setns(t: Task, fd: Fd, kind: Int) -> int:
    t.fds.get(fd)
    raise EINVAL("not a namespace")
