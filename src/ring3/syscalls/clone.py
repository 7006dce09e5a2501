"""clone, clone3, fork, vfork (clone(2), fork(2), vfork(2))."""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EINVAL, EPERM, Errno
from ring3.abi.hints import Annotated
from ring3.abi.sched import (
    CLONE_ARGS_SIZE_VER0,
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FS,
    CLONE_INTO_CGROUP,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
)
from ring3.abi.types import Addr, Bytes, In, Scalar, Size
from ring3.core.park import UNINTERRUPTIBLE, Park
from ring3.machine.base import CloneArgs, Result
from ring3.syscalls.table import syscall
from ring3.task.lifecycle import copy_task, undo_birth, vfork_queue
from ring3.task.task import Task

SIGCHLD = 17
CSIGNAL = 0xFF
LEGACY_FLAGS = 0xFFFFFFFF
"""What clone(2) can pass; clone3 adds a few above."""
NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID
    | CLONE_NEWNET
)  # fmt: skip
CloneFlags = Annotated[int, Scalar(0, signed=False, flags="clone", kind="flags")]
NO_NAMESPACES = "no namespaces: CLONE_NEW* give EPERM"
CLONE_ARGS_KNOWN = 88


def check_flags(flags: int, stack: int) -> None:
    """The combinations copy_process refuses. EINVAL, EPERM."""
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        raise EINVAL("CLONE_SIGHAND without CLONE_VM")
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        raise EINVAL("CLONE_THREAD without CLONE_SIGHAND")
    if flags & CLONE_NEWNS and flags & CLONE_FS:
        raise EINVAL("CLONE_NEWNS with CLONE_FS")
    if flags & CLONE_PIDFD and flags & CLONE_DETACHED:
        raise EINVAL("CLONE_PIDFD with CLONE_DETACHED")
    if flags & CLONE_CLEAR_SIGHAND and flags & CLONE_SIGHAND:
        raise EINVAL("CLONE_CLEAR_SIGHAND with CLONE_SIGHAND")
    if flags & (NAMESPACES | CLONE_NEWTIME):
        raise EPERM("no namespaces in this world")


class Forking:
    """What a parked vfork remembers: the child lives, the parent waits."""

    __slots__ = ("child", "pid")

    def __init__(self, child: Task) -> None:
        self.child = child
        self.pid = child.tid


def do_clone(t: Task, flags: int, args: CloneArgs, pidfd_at: int) -> Result:
    if t.memo is not None:
        return wait_for_child(t, t.memo)
    check_flags(flags, args.stack)
    child = copy_task(t, flags, args.child_tid)
    try:
        if flags & CLONE_PARENT_SETTID:
            store_int(t, args.parent_tid, child.tid)
        if flags & CLONE_CHILD_SETTID and flags & CLONE_VM:
            store_int(t, args.child_tid, child.tid)
        if flags & CLONE_PIDFD:
            give_pidfd(t, child, pidfd_at)
    except Errno:
        undo_birth(child)
        raise
    queue = vfork_queue(child) if flags & CLONE_VFORK else None
    for observer in t.world.observers:
        observer.started(child, t)

    def then(result: int) -> Result | None:
        if result < 0:
            undo_birth(child)
            return result
        if queue is None or child.vfork_done is None:
            return child.tid
        t.memo = Forking(child)
        # The machine has made the child; from here on the call is an ordinary parked one.
        return t.world.supervisor.park(t, Park(queue, restart=UNINTERRUPTIBLE))

    return t.vehicle.clone(args, child, then)


def wait_for_child(t: Task, memo: Forking) -> int:
    """vfork(2): the parent does not go on before the child execs or exits; signals wait."""
    if memo.child.vfork_done is not None:
        raise Park(memo.child.vfork_done, restart=UNINTERRUPTIBLE)
    return memo.pid


def store_int(t: Task, addr: int, value: int) -> None:
    t.memory.store(addr, value.to_bytes(4, "little"))


def give_pidfd(t: Task, child: Task, at: int) -> None:
    from ring3.task.pidfd import open_pidfd

    with t.fds.reserve() as (fd,):
        store_int(t, at, fd)
        t.fds.publish({fd: open_pidfd(child.process)}, cloexec=True)


@syscall(partial=NO_NAMESPACES)
def clone(
    t: Task, flags: CloneFlags, stack: Addr, parent_tid: Addr, child_tid: Addr, tls: Addr
) -> Result:
    """Make a thread or a process. On i386 the last two arguments change places."""
    if t.memory.word == 32:
        child_tid, tls = tls, child_tid
    args = CloneArgs(flags, stack, parent_tid, child_tid, tls)
    if flags & CLONE_PIDFD and flags & CLONE_PARENT_SETTID:
        raise EINVAL("one pointer for CLONE_PIDFD and CLONE_PARENT_SETTID")
    return do_clone(t, flags, args, parent_tid)


@syscall
def fork(t: Task) -> Result:
    return do_clone(t, SIGCHLD, CloneArgs(SIGCHLD, 0, 0, 0, 0), 0)


@syscall
def vfork(t: Task) -> Result:
    flags = CLONE_VFORK | CLONE_VM | SIGCHLD
    return do_clone(t, flags, CloneArgs(flags, 0, 0, 0, 0), 0)


@syscall(partial=NO_NAMESPACES + "; set_tid gives EPERM; cgroup gives EINVAL", args="size")
def clone3(t: Task, args: In[Bytes], size: Size) -> Result:
    """clone with a struct clone_args of *size* bytes. EINVAL, E2BIG, EFAULT."""
    from ring3.abi.errno import E2BIG

    if t.memo is not None:
        return wait_for_child(t, t.memo)
    if size > 4096:
        raise E2BIG
    if size < CLONE_ARGS_SIZE_VER0:
        raise EINVAL("clone_args too short")
    raw = args.load_bytes(size)
    if any(raw[CLONE_ARGS_KNOWN:]):
        raise E2BIG("unknown fields are set")
    words = [int.from_bytes(raw[i : i + 8], "little") for i in range(0, CLONE_ARGS_KNOWN, 8)]
    flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = words[:8]
    if flags & ~(LEGACY_FLAGS | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP):
        raise EINVAL("unknown clone flag")
    if flags & CSIGNAL or flags & CLONE_DETACHED or exit_signal > 64:
        raise EINVAL("exit signal out of place")
    if flags & (CLONE_THREAD | 0x8000) and exit_signal:
        raise EINVAL("a thread has no exit signal")
    if (stack == 0) != (stack_size == 0):
        raise EINVAL("stack and stack_size belong together")
    if flags & CLONE_INTO_CGROUP:
        raise EINVAL("no cgroups in this world")
    if words[9]:
        raise EPERM("set_tid")
    top = stack + stack_size if stack else 0
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID) and child_tid >= 1 << 47:
        raise EFAULT
    combined = flags | exit_signal
    return do_clone(t, combined, CloneArgs(combined, top, parent_tid, child_tid, tls), pidfd)
