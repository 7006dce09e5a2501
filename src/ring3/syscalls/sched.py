"""Scheduling policies, priorities and CPU affinity: checked and remembered, the host schedules.

Source: kernel/sched/syscalls.c.
"""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_SYS_NICE
from ring3.abi.errno import E2BIG, EINVAL, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.resource import RLIMIT_RTPRIO
from ring3.abi.sched import (
    SCHED_BATCH,
    SCHED_DEADLINE,
    SCHED_FIFO,
    SCHED_FLAG_KEEP_PARAMS,
    SCHED_FLAG_KEEP_POLICY,
    SCHED_FLAG_RESET_ON_FORK,
    SCHED_IDLE,
    SCHED_NORMAL,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
)
from ring3.abi.types import I32, PAGE_SIZE, Bytes, In, InOut, Int, Out, Pid, Timespec, UInt
from ring3.syscalls.records import Timespec64
from ring3.syscalls.resource import get_limit
from ring3.syscalls.table import RESULT, syscall
from ring3.task.scheduling import DEFAULT, Sched, cpus, sched_of

if TYPE_CHECKING:
    from ring3.task.task import Task

REAL_TIME = (SCHED_FIFO, SCHED_RR)
FAIR = (SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE)
RR_SLICE_NS = 100_000_000
# size, policy, flags, nice, priority, runtime, deadline, period
SCHED_ATTR = struct.Struct("<IIQiIQQQ")


def target(t: Task, pid: int) -> Task:
    """Thread *pid*, 0 for the caller. EINVAL, ESRCH; EPERM for init, which has no thread."""
    if pid < 0:
        raise EINVAL("pid")
    found = t if pid == 0 else t.world.tasks.get(pid)
    if found is None:
        raise EPERM("init") if pid in t.world.processes else ESRCH
    return found


def parameters(t: Task, pid: int) -> Sched:
    """What is remembered of thread *pid*; of init and zombies, the defaults. EINVAL, ESRCH."""
    if pid > 0 and pid not in t.world.tasks and pid in t.world.processes:
        return DEFAULT
    return sched_of(target(t, pid))


def same_owner(t: Task, other: Task) -> bool:
    return t.cred.euid in (other.cred.euid, other.cred.uid) or t.cred.capable(CAP_SYS_NICE)


@syscall
def sched_yield(t: Task) -> int:
    """Let others run: every trap does."""
    return 0


@syscall
def sched_get_priority_max(t: Task, policy: Int) -> int:
    """The highest priority of a policy."""
    return priority_range(policy)[1]


@syscall
def sched_get_priority_min(t: Task, policy: Int) -> int:
    """The lowest priority of a policy."""
    return priority_range(policy)[0]


def priority_range(policy: int) -> tuple[int, int]:
    if policy in REAL_TIME:
        return 1, 99
    if policy in (*FAIR, SCHED_DEADLINE):
        return 0, 0
    raise EINVAL("policy")


@syscall
def sched_getscheduler(t: Task, pid: Pid) -> int:
    """The policy of a thread, with SCHED_RESET_ON_FORK where set."""
    sched = parameters(t, pid)
    return sched.policy | (SCHED_RESET_ON_FORK if sched.reset_on_fork else 0)


@syscall
def sched_getparam(t: Task, pid: Pid, param: Out[I32]) -> int:
    """Store the real-time priority of a thread."""
    if not param:
        raise EINVAL("param")
    param.store(parameters(t, pid).priority)
    return 0


@syscall(partial="checked and remembered; the host schedules vehicles as it likes")
def sched_setscheduler(t: Task, pid: Pid, policy: Int, param: In[I32]) -> int:
    """Set policy and priority of a thread."""
    if policy < 0 or not param or pid < 0:
        raise EINVAL("policy, param or pid")
    priority = param.load()
    reset = bool(policy & SCHED_RESET_ON_FORK)
    change(t, target(t, pid), policy & ~SCHED_RESET_ON_FORK, priority, reset)
    return 0


@syscall(partial="checked and remembered; the host schedules vehicles as it likes")
def sched_setparam(t: Task, pid: Pid, param: In[I32]) -> int:
    """Set the priority of a thread."""
    if not param or pid < 0:
        raise EINVAL("param or pid")
    priority = param.load()
    other = target(t, pid)
    sched = sched_of(other)
    change(t, other, sched.policy, priority, sched.reset_on_fork)
    return 0


def change(t: Task, other: Task, policy: int, priority: int, reset: bool) -> None:
    """__sched_setscheduler: EINVAL for what is not valid, EPERM for what is not allowed."""
    low, high = priority_range(policy)
    if policy == SCHED_DEADLINE or not low <= priority <= high:
        raise EINVAL("priority")
    old = sched_of(other)
    if not t.cred.capable(CAP_SYS_NICE):
        if policy in REAL_TIME:
            limit = get_limit(other.process, RLIMIT_RTPRIO)[0]
            if (policy != old.policy and not limit) or priority > max(old.priority, limit):
                raise EPERM("RLIMIT_RTPRIO")
        if not same_owner(t, other) or (old.reset_on_fork and not reset):
            raise EPERM("CAP_SYS_NICE")
    other.sched = old.but(policy=policy, priority=priority, reset_on_fork=reset)


@syscall
def sched_rr_get_interval(t: Task, pid: Pid, interval: Out[Timespec]) -> int:
    """Store the time slice of SCHED_RR, 0 for the other policies."""
    interval.store(Timespec.of(time_slice(t, pid)))
    return 0


@syscall
def sched_rr_get_interval_time64(t: Task, pid: Pid, interval: Out[Timespec64]) -> int:
    """The same with 64-bit seconds (i386)."""
    interval.store(Timespec64.of(time_slice(t, pid)))
    return 0


def time_slice(t: Task, pid: int) -> int:
    return RR_SLICE_NS if parameters(t, pid).policy == SCHED_RR else 0


# --- attributes ---------------------------------------------------------------------------------
@syscall
def sched_getattr(t: Task, pid: Pid, attr: Out[Bytes], size: UInt, flags: UInt) -> int:
    """Store policy, flags, nice value and priority of a thread."""
    if not attr or flags or not SCHED_ATTR.size <= size <= PAGE_SIZE:
        raise EINVAL("attr, size or flags")
    sched = parameters(t, pid)
    process = (
        t.process if pid == 0 else t.world.tasks[pid].process if pid in t.world.tasks else None
    )
    nice = process.nice if process is not None and sched.policy in FAIR else 0
    attr.store_bytes(
        SCHED_ATTR.pack(
            SCHED_ATTR.size,
            sched.policy,
            SCHED_FLAG_RESET_ON_FORK if sched.reset_on_fork else 0,
            nice,
            sched.priority,
            0,
            0,
            0,
        )
    )
    return 0


@syscall(partial="no SCHED_DEADLINE; the host schedules vehicles as it likes")
def sched_setattr(t: Task, pid: Pid, attr: InOut[Bytes], flags: UInt) -> int:
    """Set policy, nice value and priority of a thread."""
    if not attr or pid < 0 or flags:
        raise EINVAL("attr, pid or flags")
    (size,) = struct.unpack("<I", attr.load_bytes(4))
    size = size or SCHED_ATTR.size
    if not SCHED_ATTR.size <= size <= PAGE_SIZE:
        attr.store_bytes(SCHED_ATTR.size.to_bytes(4, "little"))
        raise E2BIG("size of sched_attr")
    data = attr.load_bytes(size)
    if any(data[SCHED_ATTR.size + 8 :]):
        attr.store_bytes(SCHED_ATTR.size.to_bytes(4, "little"))
        raise E2BIG("unknown fields")
    _, policy, bits, nice, priority, _, _, _ = SCHED_ATTR.unpack_from(data)
    other = target(t, pid)
    sched = sched_of(other)
    if bits & SCHED_FLAG_KEEP_POLICY:
        policy = sched.policy
    if bits & SCHED_FLAG_KEEP_PARAMS:
        nice, priority = other.process.nice, sched.priority
    if policy in FAIR and nice != other.process.nice:
        from ring3.syscalls.resource import may_renice

        nice = max(-20, min(19, nice))
        if may_renice(t, other.process, nice) is not None:
            raise EPERM("CAP_SYS_NICE")
        change(t, other, policy, priority, bool(bits & SCHED_FLAG_RESET_ON_FORK))
        other.process.nice = nice
        return 0
    change(t, other, policy, priority, bool(bits & SCHED_FLAG_RESET_ON_FORK))
    return 0


# --- affinity -----------------------------------------------------------------------------------
@syscall(mask=RESULT)
def sched_getaffinity(t: Task, pid: Pid, size: UInt, mask: Out[Bytes]) -> int:
    """Store the CPUs a thread may run on; return the bytes stored."""
    possible = cpus(t.world)
    needed = (possible.bit_length() + 63) // 64 * 8
    if size * 8 < possible.bit_length() or size % (t.memory.word // 8):
        raise EINVAL("size")
    if pid < 0:
        raise ESRCH
    wanted = parameters(t, pid).affinity & possible or possible
    stored = min(size, needed)
    mask.store_bytes(wanted.to_bytes(needed, "little")[:stored])
    return stored


@syscall(partial="checked and remembered; vehicles stay where the host puts them", mask="size")
def sched_setaffinity(t: Task, pid: Pid, size: UInt, mask: In[Bytes]) -> int:
    """Choose the CPUs a thread may run on."""
    wanted = int.from_bytes(mask.load_bytes(min(size, 1024)), "little")
    if pid < 0:
        raise ESRCH
    other = target(t, pid)
    if not same_owner(t, other):
        raise EPERM("CAP_SYS_NICE")
    wanted &= cpus(t.world)
    if not wanted:
        raise EINVAL("no CPU left")
    other.sched = sched_of(other).but(affinity=wanted)
    return 0
