"""Limits, usage and priorities.

Source: kernel/sys.c, block/ioprio.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE
from ring3.abi.errno import EACCES, EINVAL, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING, Annotated
from ring3.abi.resource import (
    IOPRIO_CLASS_BE,
    IOPRIO_CLASS_IDLE,
    IOPRIO_CLASS_NONE,
    IOPRIO_CLASS_RT,
    IOPRIO_CLASS_SHIFT,
    IOPRIO_LEVEL_MASK,
    IOPRIO_WHO_PGRP,
    IOPRIO_WHO_PROCESS,
    IOPRIO_WHO_USER,
    PRIO_PGRP,
    PRIO_PROCESS,
    PRIO_USER,
    RLIM_INFINITY,
    RLIM_NLIMITS,
    RLIMIT_CPU,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RUSAGE_CHILDREN,
    RUSAGE_SELF,
    RUSAGE_THREAD,
)
from ring3.abi.types import In, Int, Out, Packed, Pid, UInt
from ring3.syscalls.records import Rusage
from ring3.syscalls.table import syscall
from ring3.task.credentials import Credentials
from ring3.task.resources import any_vehicle, children_usage, process_usage, thread_usage
from ring3.task.scheduling import sched_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.task.process import Process
    from ring3.task.task import Task

Rlimit = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("QQ", "II", kind="rlimit")]
Rlimit64 = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("QQ", kind="rlimit64")]
UNLIMITED = (RLIM_INFINITY, RLIM_INFINITY)
INFINITY32 = 0xFFFFFFFF
NR_OPEN = 1 << 20
"""The most that RLIMIT_NOFILE can be (fs.nr_open)."""


# --- limits -------------------------------------------------------------------------------------
def get_limit(process: Process, resource: int) -> tuple[int, int]:
    """(soft, hard) of a process. EINVAL."""
    if not 0 <= resource < RLIM_NLIMITS:
        raise EINVAL("resource")
    return process.limits.get(resource, UNLIMITED)


def set_limit(t: Task, process: Process, resource: int, new: tuple[int, int]) -> None:
    """Change a limit; raising the hard one takes CAP_SYS_RESOURCE. EINVAL, EPERM."""
    soft, hard = new
    old_hard = get_limit(process, resource)[1]
    if soft > hard:
        raise EINVAL("soft limit above the hard one")
    if resource == RLIMIT_NOFILE and hard > NR_OPEN:
        raise EPERM("fs.nr_open")
    if hard > old_hard and not t.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM("CAP_SYS_RESOURCE")
    process.limits[resource] = new
    if resource == RLIMIT_NOFILE:
        for thread in process.threads.values():
            thread.fds.set_limit(soft)
    elif resource == RLIMIT_CPU:
        from ring3.task.timers import limit_cpu

        limit_cpu(process, soft, hard)
    apply = getattr(any_vehicle(process), "set_limit", None)
    if apply is not None:
        apply(resource, soft, hard)


@syscall
def getrlimit(t: Task, resource: UInt, limit: Out[Rlimit]) -> int:
    """Store a limit of the calling process."""
    soft, hard = get_limit(t.process, resource)
    if t.memory.word == 32:
        # The first getrlimit of i386 knew numbers up to 2^31 only (COMPAT_RLIM_OLD_INFINITY).
        soft, hard = min(soft, 0x7FFFFFFF), min(hard, 0x7FFFFFFF)
    limit.store((soft, hard))
    return 0


@syscall
def ugetrlimit(t: Task, resource: UInt, limit: Out[Rlimit]) -> int:
    """Store a limit of the calling process (i386)."""
    soft, hard = get_limit(t.process, resource)
    limit.store((min(soft, INFINITY32), min(hard, INFINITY32)))
    return 0


@syscall
def setrlimit(t: Task, resource: UInt, limit: In[Rlimit]) -> int:
    """Change a limit of the calling process."""
    soft, hard = limit.load()
    if t.memory.word == 32:
        soft = RLIM_INFINITY if soft == INFINITY32 else soft
        hard = RLIM_INFINITY if hard == INFINITY32 else hard
    set_limit(t, t.process, resource, (soft, hard))
    return 0


@syscall
def prlimit64(t: Task, pid: Pid, resource: UInt, new: In[Rlimit64], old: Out[Rlimit64]) -> int:
    """Get and set a limit of any process of the same user."""
    wanted = new.load() if new else None
    process = t.process
    if pid:
        target = t.world.tasks.get(pid)
        if target is None and pid not in t.world.processes:
            raise ESRCH
        process = target.process if target is not None else t.world.processes[pid]
        # init has no thread, and is root's
        theirs, mine = target.cred if target is not None else Credentials(), t.cred
        same = {theirs.euid, theirs.suid, theirs.uid} == {mine.uid} and {
            theirs.egid,
            theirs.sgid,
            theirs.gid,
        } == {mine.gid}
        if process is not t.process and not same and not mine.capable(CAP_SYS_RESOURCE):
            raise EPERM("another user's process")
    before = get_limit(process, resource)
    if wanted is not None:
        set_limit(t, process, resource, wanted)
    if old:
        old.store(before)
    return 0


@syscall
def getrusage(t: Task, who: Int, usage: Out[Rusage]) -> int:
    """Store what the thread, the process or its reaped children used."""
    if who == RUSAGE_SELF:
        found = process_usage(t.process)
    elif who == RUSAGE_CHILDREN:
        found = children_usage(t.process)
    elif who == RUSAGE_THREAD:
        found = thread_usage(t)
    else:
        raise EINVAL("who")
    usage.store(Rusage.of(found))
    return 0


# --- priorities ---------------------------------------------------------------------------------
def chosen(t: Task, which: int, who: int) -> Iterator[Process]:
    """The processes that (which, who) of getpriority and ioprio_get mean."""
    if which == PRIO_PROCESS:
        if who == 0:
            yield t.process
        elif (task := t.world.tasks.get(who)) is not None:
            yield task.process
        elif (process := t.world.processes.get(who)) is not None:
            yield process
    elif which == PRIO_PGRP:
        group = t.world.groups.get(who) if who else t.process.group
        yield from list(group.members) if group is not None else ()
    elif which == PRIO_USER:
        uid = who or t.cred.uid
        for process in t.world.processes.values():
            if process.leader is not None and process.leader.cred.uid == uid:
                yield process
    else:
        raise EINVAL("which")


@syscall
def getpriority(t: Task, which: Int, who: Int) -> int:
    """The highest priority among the chosen, as 20 minus the nice value."""
    found = [20 - process.nice for process in chosen(t, which, who)]
    if not found:
        raise ESRCH
    return max(found)


@syscall(partial="the nice value is the process's, not the thread's, and the host never learns it")
def setpriority(t: Task, which: Int, who: Int, nice: Int) -> int:
    """Set the nice value of the chosen processes."""
    nice = max(-20, min(19, nice))
    failed: type[Exception] | None = ESRCH
    for process in chosen(t, which, who):
        error = may_renice(t, process, nice)
        if error is None:
            process.nice = nice
            failed = None if failed is ESRCH else failed
        else:
            failed = error
    if failed is not None:
        raise failed
    return 0


def may_renice(t: Task, process: Process, nice: int) -> type[Exception] | None:
    mine = t.cred
    if mine.capable(CAP_SYS_NICE):
        return None
    theirs = process.leader.cred if process.leader is not None else Credentials()
    if mine.euid not in (theirs.uid, theirs.euid):
        return EPERM
    if nice < process.nice and 20 - nice > get_limit(process, RLIMIT_NICE)[0]:
        return EACCES
    return None


@syscall
def nice(t: Task, increment: Int) -> int:
    """Change the caller's nice value (i386)."""
    wanted = max(-20, min(19, t.process.nice + max(-40, min(40, increment))))
    if may_renice(t, t.process, wanted) is not None:
        raise EPERM("CAP_SYS_NICE")
    t.process.nice = wanted
    return 0


@syscall
def ioprio_get(t: Task, which: Int, who: Int) -> int:
    """The I/O priority of the chosen."""
    best = -1
    for process in io_chosen(t, which, who):
        for thread in process.threads.values():
            value = sched_of(thread).ioprio
            best = value if best < 0 else min(best, value)
    if best < 0:
        raise ESRCH
    return best


@syscall(partial="remembered; the host does not order I/O by it")
def ioprio_set(t: Task, which: Int, who: Int, ioprio: Int) -> int:
    """Set the I/O priority of the chosen."""
    level, kind = ioprio & IOPRIO_LEVEL_MASK, ioprio >> IOPRIO_CLASS_SHIFT
    if kind == IOPRIO_CLASS_RT:
        if not t.cred.capable(CAP_SYS_ADMIN) and not t.cred.capable(CAP_SYS_NICE):
            raise EPERM("CAP_SYS_NICE")
    elif kind == IOPRIO_CLASS_NONE:
        if level:
            raise EINVAL("a level without a class")
    elif kind not in (IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE):
        raise EINVAL("class")
    found = False
    for process in io_chosen(t, which, who):
        found = True
        for thread in process.threads.values():
            thread.sched = sched_of(thread).but(ioprio=ioprio)
    if not found:
        raise ESRCH
    return 0


def io_chosen(t: Task, which: int, who: int) -> Iterator[Process]:
    """ioprio_get counts from 1 what getpriority counts from 0."""
    if which not in (IOPRIO_WHO_PROCESS, IOPRIO_WHO_PGRP, IOPRIO_WHO_USER):
        raise EINVAL("which")
    return chosen(t, which - IOPRIO_WHO_PROCESS + PRIO_PROCESS, who)
