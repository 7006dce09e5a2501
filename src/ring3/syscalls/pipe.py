"""pipe(2) and pipe2(2)."""

from __future__ import annotations

from ring3.abi.errno import EINVAL, ENOPKG
from ring3.abi.fcntl import O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK
from ring3.abi.hints import Annotated
from ring3.abi.types import FdPair, Out, Scalar
from ring3.ipc.hostpipe import make_pipe
from ring3.syscalls.publish import discard
from ring3.syscalls.table import syscall
from ring3.task.task import Task

PipeFlags = Annotated[int, Scalar(32, flags="open", kind="flags")]
O_NOTIFICATION_PIPE = O_EXCL


@syscall
def pipe(t: Task, fds: Out[FdPair]) -> int:
    """Make a pipe and store its (read, write) descriptors at *fds*."""
    return publish_pipe(t, fds, 0)


@syscall
def pipe2(t: Task, fds: Out[FdPair], flags: PipeFlags) -> int:
    """``pipe`` with O_CLOEXEC, O_NONBLOCK, O_DIRECT (packet mode)."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE):
        raise EINVAL("unknown pipe flag")
    if flags & O_NOTIFICATION_PIPE:
        raise ENOPKG("notification pipes are not built in")
    return publish_pipe(t, fds, flags)


def publish_pipe(t: Task, fds: Out[FdPair], flags: int) -> int:
    """Reserve two numbers, store them, publish."""
    with t.fds.reserve(2) as (r, w):
        ends = make_pipe(t.world, flags & (O_NONBLOCK | O_DIRECT), t.cred.fsuid, t.cred.fsgid)
        try:
            fds.store((r, w))
        except BaseException:
            discard(*ends)
            raise
        t.fds.publish({r: ends[0], w: ends[1]}, cloexec=bool(flags & O_CLOEXEC))
    return 0
