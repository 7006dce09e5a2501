"""epoll(7)."""

from __future__ import annotations

import struct

from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import Annotated, Any
from ring3.abi.poll import EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD
from ring3.abi.types import Fd, In, Int, Out, Packed, Scalar, SigSet, Size
from ring3.core.park import RESTART_NEVER
from ring3.ipc.epoll import EpollFile, pollable
from ring3.syscalls.publish import install
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import RESULT, syscall
from ring3.syscalls.transfer import check_range, io_file
from ring3.syscalls.waiting import MILLISECOND_NS, deadline, run, swap_mask, wait
from ring3.task.task import Task

EpollFlags = Annotated[int, Scalar(32, flags="epoll_create", kind="flags")]
EpollOp = Annotated[int, Scalar(32, flags="epoll_ctl", kind="enum")]
EpollEvent = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("IQ", kind="epoll_event")]
EVENT = struct.Struct("<IQ")
MOST_EVENTS = ((1 << 31) - 1) // EVENT.size


@syscall
def epoll_create(t: Task, size: Int) -> int:
    """Make an epoll instance. *size* has no meaning but must be positive."""
    if size <= 0:
        raise EINVAL("size")
    return install(t, EpollFile(t.world.reactor), False)


@syscall
def epoll_create1(t: Task, flags: EpollFlags) -> int:
    """``epoll_create`` with EPOLL_CLOEXEC."""
    if flags & ~EPOLL_CLOEXEC:
        raise EINVAL("unknown flag")
    return install(t, EpollFile(t.world.reactor), bool(flags & EPOLL_CLOEXEC))


@syscall
def epoll_ctl(t: Task, epfd: Fd, op: EpollOp, fd: Fd, event: In[EpollEvent]) -> int:
    """Add *fd* to an instance, change what it is watched for, or remove it."""
    events, data = event.load() if op != EPOLL_CTL_DEL else (0, 0)
    epoll, file = io_file(t, epfd), io_file(t, fd)
    if not pollable(file):
        raise EPERM("this file is always ready")
    if not isinstance(epoll, EpollFile):
        raise EINVAL("not an epoll instance")
    if op == EPOLL_CTL_ADD:
        epoll.add(fd, file, events, data, t)
    elif op == EPOLL_CTL_MOD:
        epoll.modify(fd, file, events, data, t)
    elif op == EPOLL_CTL_DEL:
        epoll.delete(fd, file)
    else:
        raise EINVAL("unknown operation")
    return 0


# --- waiting ----------------------------------------------------------------------------------
@syscall(events=RESULT)
def epoll_wait(t: Task, epfd: Fd, events: Out[EpollEvent], most: Int, timeout: Int) -> int:
    """Wait up to *timeout* milliseconds for events; store up to *most*."""
    epoll = instance(t, epfd, events, most)
    if t.memo is None:
        t.memo = deadline(t, timeout * MILLISECOND_NS if timeout >= 0 else None)
    return collect(t, epoll, events, most)


@syscall(events=RESULT)
def epoll_pwait(
    t: Task,
    epfd: Fd,
    events: Out[EpollEvent],
    most: Int,
    timeout: Int,
    mask: In[SigSet],
    size: Size,
) -> int:
    """``epoll_wait`` with *mask* blocked meanwhile."""
    if t.memo is None:
        wait_ns = timeout * MILLISECOND_NS if timeout >= 0 else None
        swap_mask(t, mask, size)
        t.memo = deadline(t, wait_ns)
    return run(t, lambda: collect(t, instance(t, epfd, events, most), events, most))


@syscall(events=RESULT)
def epoll_pwait2(
    t: Task,
    epfd: Fd,
    events: Out[EpollEvent],
    most: Int,
    timeout: In[Timespec64],
    mask: In[SigSet],
    size: Size,
) -> int:
    """``epoll_pwait`` with a precise timeout."""
    if t.memo is None:
        wait_ns = timeout.load().ns() if timeout else None
        swap_mask(t, mask, size)
        t.memo = deadline(t, wait_ns)
    return run(t, lambda: collect(t, instance(t, epfd, events, most), events, most))


def instance(t: Task, epfd: int, events: Out[Any], most: int) -> EpollFile:
    """The instance at *epfd*. EINVAL, EFAULT, EBADF, in Linux's order."""
    if not 0 < most <= MOST_EVENTS:
        raise EINVAL("number of events")
    check_range(t.memory, events.addr, most * EVENT.size)
    epoll = io_file(t, epfd)
    if not isinstance(epoll, EpollFile):
        raise EINVAL("not an epoll instance")
    return epoll


def collect(t: Task, epoll: EpollFile, events: Out[Any], most: int) -> int:
    """Store what is ready and return how many; or park (EINTR on any signal)."""
    found = epoll.collect(most, t)
    if not found:
        wait(t, t.memo, (epoll.waiters,), RESTART_NEVER)
        return 0
    events.store_bytes(b"".join([EVENT.pack(mask, item.data) for item, mask in found]))
    epoll.deliver(found)
    return len(found)
