"""process_vm_readv(2), process_vm_writev(2): another guest's memory, by those who may trace it."""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_PTRACE
from ring3.abi.errno import EINVAL, EPERM, ESRCH
from ring3.abi.types import In, Iovec, Pid, ULong, gather, iovecs, scatter
from ring3.syscalls.table import syscall
from ring3.task.task import Task

ONE_COPY = 1 << 20
"""The kernel is not held for longer than this many bytes at a time; more is a short count."""


def target(t: Task, pid: int) -> Task:
    """The task whose memory is meant, if *t* may trace it (ptrace_may_access). ESRCH, EPERM."""
    other = t.world.tasks.get(pid)
    if other is None:
        raise ESRCH
    mine, theirs = t.cred, other.cred
    same = (mine.uid, mine.gid) == (theirs.uid, theirs.gid)
    same = same and (theirs.uid, theirs.gid) == (theirs.euid, theirs.egid)
    if other.process is not t.process and not t.cred.capable(CAP_SYS_PTRACE):
        if not same or other.process.dumpable != 1:
            raise EPERM("may not trace that process")
    return other


def cut(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out, room = [], ONE_COPY
    for base, length in parts:
        out.append((base, min(length, room)))
        room -= out[-1][1]
    return out


@syscall(local="local_count", remote="remote_count")
def process_vm_readv(
    t: Task, pid: Pid, local: In[Iovec], local_count: ULong, remote: In[Iovec],
    remote_count: ULong, flags: ULong,
) -> int:  # fmt: skip
    """Copy from *remote* in process *pid* to *local* here; a fault ends the copy early."""
    if flags:
        raise EINVAL
    here, there = iovecs(local, local_count), iovecs(remote, remote_count)
    other = target(t, pid)
    room = sum(length for _, length in here)
    data = gather(other.memory, cut(there))[:room]
    return scatter(t.memory, here, data)


@syscall(local="local_count", remote="remote_count")
def process_vm_writev(
    t: Task, pid: Pid, local: In[Iovec], local_count: ULong, remote: In[Iovec],
    remote_count: ULong, flags: ULong,
) -> int:  # fmt: skip
    """Copy from *local* here to *remote* in process *pid*; a fault ends the copy early."""
    if flags:
        raise EINVAL
    here, there = iovecs(local, local_count), iovecs(remote, remote_count)
    other = target(t, pid)
    data = gather(t.memory, cut(here))
    return scatter(other.memory, there, data)
