"""poll(2), select(2) and their kin: each run looks at all files again."""

from __future__ import annotations

import struct

from ring3.abi.errno import EBADF, EINVAL
from ring3.abi.fcntl import O_PATH
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from ring3.abi.types import (
    Addr,
    In,
    InOut,
    Int,
    Packed,
    SigSet,
    Size,
    Timespec,
    Timeval,
    UInt,
)
from ring3.core.park import RESTART_BLOCK, RESTART_NOHAND
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import syscall
from ring3.syscalls.waiting import MILLISECOND_NS, deadline, run, swap_mask, wait
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.core.park import WaitQueue
    from ring3.vfs.file import File

Pollfd = Annotated["tuple[int, int, int]", Packed["tuple[int, int, int]"]("ihH", kind="pollfd")]
POLLFD, REVENTS, REVENTS_AT = struct.Struct("<iH2x"), struct.Struct("<H"), 6
FdSet = Annotated[bytes, Packed[bytes]("1s", kind="fdset")]
OLD_SELECT = struct.Struct("<iIIII")
MASK_AND_SIZE: Packed[Any] = Packed("QQ", "II")
IN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR
OUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR
EX_SET = POLLPRI
MICROSECONDS = 1_000_000


def readiness(t: Task, file: File) -> int:
    if file.wants_caller:
        file.called_by(t)
    return file.poll()


# --- poll -------------------------------------------------------------------------------------
@syscall(fds="nfds")
def poll(t: Task, fds: InOut[Pollfd], nfds: UInt, timeout: Int) -> int:
    """Wait up to *timeout* milliseconds for one of *fds* to be ready."""
    if t.memo is None:
        t.memo = deadline(t, timeout * MILLISECOND_NS if timeout >= 0 else None)
    return look(t, fds, nfds, RESTART_BLOCK)


@syscall(fds="nfds")
def ppoll(
    t: Task,
    fds: InOut[Pollfd],
    nfds: UInt,
    timeout: InOut[Timespec],
    mask: In[SigSet],
    size: Size,
) -> int:
    """``poll`` with a precise timeout, with *mask* blocked meanwhile."""
    return ppoll_timed(t, fds, nfds, timeout, mask, size)


@syscall(fds="nfds")
def ppoll_time64(
    t: Task,
    fds: InOut[Pollfd],
    nfds: UInt,
    timeout: InOut[Timespec64],
    mask: In[SigSet],
    size: Size,
) -> int:
    """i386: ``ppoll`` with 64-bit seconds."""
    return ppoll_timed(t, fds, nfds, timeout, mask, size)


def ppoll_timed(
    t: Task, fds: InOut[Any], nfds: int, timeout: InOut[Any], mask: In[int], size: int
) -> int:
    if t.memo is None:
        until = deadline(t, timeout.load().ns() if timeout else None)
        swap_mask(t, mask, size)
        t.memo = until
    return run(t, lambda: look(t, fds, nfds, RESTART_NOHAND), timeout)


def look(t: Task, fds: InOut[tuple[int, int, int]], nfds: int, restart: int) -> int:
    """One round of poll: store what is ready and return how many; or park."""
    if nfds > t.fds.limit:
        raise EINVAL("more than RLIMIT_NOFILE")
    raw = bytearray(fds.load_bytes(nfds * POLLFD.size))
    files, ready = t.fds.files, 0
    queues: dict[WaitQueue, None] = {}
    for at, (fd, events) in enumerate(POLLFD.iter_unpack(raw)):
        mask = 0
        if fd >= 0:
            file = files.get(fd)
            if file is None or file.flags & O_PATH:
                mask = POLLNVAL
            else:
                mask = readiness(t, file) & (events | POLLERR | POLLHUP)
                if not mask and not ready:
                    queues.update(dict.fromkeys(file.wait_queues()))
        ready += mask != 0
        REVENTS.pack_into(raw, at * POLLFD.size + REVENTS_AT, mask)
    if not ready:
        wait(t, t.memo, queues, restart)
    fds.store_bytes(raw)
    return ready


# --- select -----------------------------------------------------------------------------------
@syscall
def select(
    t: Task,
    count: Int,
    reads: InOut[FdSet],
    writes: InOut[FdSet],
    excepts: InOut[FdSet],
    timeout: InOut[Timeval],
) -> int:
    """Wait for descriptors below *count* in three sets.

    On i386 this is the oldest form: the first argument points to a struct of all five.
    """
    if t.memory.word == 32:
        raw = t.memory.load(count & 0xFFFFFFFF, OLD_SELECT.size)
        count, *pointers = OLD_SELECT.unpack(raw)
        reads.addr, writes.addr, excepts.addr, timeout.addr = pointers
    return select_timed(t, count, (reads, writes, excepts), timeout)


@syscall
def _newselect(
    t: Task,
    count: Int,
    reads: InOut[FdSet],
    writes: InOut[FdSet],
    excepts: InOut[FdSet],
    timeout: InOut[Timeval],
) -> int:
    """i386: ``select`` with its arguments in registers."""
    return select_timed(t, count, (reads, writes, excepts), timeout)


def select_timed(t: Task, count: int, sets: Sets, timeout: InOut[Timeval]) -> int:
    if t.memo is None:
        t.memo = deadline(t, timeval_ns(timeout.load()) if timeout else None)
    return run(t, lambda: look_sets(t, count, sets), timeout)


def timeval_ns(value: Timeval) -> int:
    """Nanoseconds; select takes more than a million microseconds, but nothing negative."""
    if value.sec < 0 or value.usec < 0:
        raise EINVAL("negative timeout")
    return (value.sec * MICROSECONDS + value.usec) * 1000


@syscall
def pselect6(
    t: Task,
    count: Int,
    reads: InOut[FdSet],
    writes: InOut[FdSet],
    excepts: InOut[FdSet],
    timeout: InOut[Timespec],
    mask: Addr,
) -> int:
    """``select`` with a precise timeout and a signal mask (at *mask*: its address and size)."""
    return pselect_timed(t, count, (reads, writes, excepts), timeout, mask)


@syscall
def pselect6_time64(
    t: Task,
    count: Int,
    reads: InOut[FdSet],
    writes: InOut[FdSet],
    excepts: InOut[FdSet],
    timeout: InOut[Timespec64],
    mask: Addr,
) -> int:
    """i386: ``pselect6`` with 64-bit seconds."""
    return pselect_timed(t, count, (reads, writes, excepts), timeout, mask)


def pselect_timed(t: Task, count: int, sets: Sets, timeout: InOut[Any], packed: int) -> int:
    if t.memo is None:
        mem = t.memory
        where, size = 0, 0
        if packed:
            raw = mem.load(packed, MASK_AND_SIZE.size(mem.word))
            where, size = MASK_AND_SIZE.decode(raw, mem.word)
        until = deadline(t, timeout.load().ns() if timeout else None)
        swap_mask(t, In(mem, where, Packed[int]("Q")), size)
        t.memo = until
    return run(t, lambda: look_sets(t, count, sets), timeout)


def look_sets(t: Task, count: int, sets: Sets) -> int:
    """One round of select: store what is ready and return how many bits; or park."""
    if count < 0:
        raise EINVAL("negative count")
    count = min(count, table_size(t))
    word = t.memory.word
    size = -(-count // word) * (word // 8)
    wanted = [int.from_bytes(s.load_bytes(size), "little") if s else 0 for s in sets]
    wanted = [bits & ((1 << count) - 1) for bits in wanted]
    found, queues = [0, 0, 0], {}
    left = wanted[0] | wanted[1] | wanted[2]
    while left:
        bit = left & -left
        left ^= bit
        file = t.fds.files.get(bit.bit_length() - 1)
        if file is None or file.flags & O_PATH:
            raise EBADF
        mask = readiness(t, file)
        for i, interest in enumerate((IN_SET, OUT_SET, EX_SET)):
            if wanted[i] & bit and mask & interest:
                found[i] |= bit
        queues.update(dict.fromkeys(file.wait_queues()))
    ready = sum(bits.bit_count() for bits in found)
    if not ready:
        wait(t, t.memo, queues)
    for pointer, bits in zip(sets, found, strict=True):
        if pointer:
            pointer.store_bytes(bits.to_bytes(size, "little"))
    return ready


def table_size(t: Task) -> int:
    """How many descriptors Linux's table would have room for: what select looks at at most."""
    highest = max(t.fds.files, default=0)
    return 64 if highest < 64 else max(256, 1 << highest.bit_length())


Sets = tuple[InOut[bytes], InOut[bytes], InOut[bytes]]
