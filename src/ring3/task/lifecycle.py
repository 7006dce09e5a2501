"""Births and deaths of tasks and processes.

Source: kernel/fork.c (copy_process), fs/exec.c (begin_new_exec), kernel/exit.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from ring3.abi.errno import EAGAIN
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.resource import RLIMIT_CPU, RLIMIT_NPROC
from ring3.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from ring3.core.park import WaitQueue
from ring3.task.process import Process
from ring3.task.scheduling import inherited
from ring3.task.signals import AltStack, Handlers, thread_exits
from ring3.task.task import FILTERED, OBSERVED, Task
from ring3.task.timers import drop_posix_timers, limit_cpu

if TYPE_CHECKING:
    from ring3.task.exec import Program, StackBuilder
    from ring3.task.world import World

SIGCHLD = 17
SIGNAL_MASK = 0xFF


# --- births ---------------------------------------------------------------------------------------
def check_process_limit(t: Task) -> None:
    """RLIMIT_NPROC counts the threads of a real uid; root and the capable are exempt. EAGAIN."""
    world = t.world
    if len(world.tasks) >= world.limits.get("tasks", 4096):
        raise EAGAIN("the world's limit of tasks (--pids)")
    limit = t.process.limits.get(RLIMIT_NPROC)
    if limit is None or t.cred.uid == 0:
        return
    if t.cred.capable(CAP_SYS_RESOURCE) or t.cred.capable(CAP_SYS_ADMIN):
        return
    if sum(1 for other in world.tasks.values() if other.cred.uid == t.cred.uid) >= limit[0]:
        raise EAGAIN("RLIMIT_NPROC")


def copy_task(t: Task, flags: int, child_tid: int) -> Task:
    """The child of clone(2), entered in the world. It gets its vehicle from the machine."""
    check_process_limit(t)
    world = t.world
    tid = world.new_pid()
    process = t.process if flags & CLONE_THREAD else copy_process(t, tid, flags)
    child = Task(world, tid, process)
    child.abi = t.abi
    child.comm = t.comm
    child.cred = t.cred
    child.sigmask = t.sigmask
    child.attention = t.attention & (OBSERVED | FILTERED)
    child.sched = inherited(t)
    child.seccomp = t.seccomp
    child.fds = share(t.fds) if flags & CLONE_FILES else t.fds.copy()
    child.fs = share(t.fs) if flags & CLONE_FS else t.fs.copy()
    # A thread starts without an alternate stack; a fork keeps it, vfork's child borrows it.
    keeps_stack = not flags & CLONE_VM or not flags & CLONE_THREAD
    child.alt_stack = t.alt_stack.copy() if keeps_stack else AltStack()
    if flags & CLONE_CHILD_CLEARTID and not world.machine.can_bind:
        child.clear_child_tid = child_tid
    child.space, child.memory = t.space, t.memory
    process.threads[tid] = child
    if process.leader is None:
        process.leader = child
    world.tasks[tid] = child
    world.forks += 1
    return child


def share(thing: Any) -> Any:
    thing.users += 1
    return thing


def copy_process(t: Task, pid: int, flags: int) -> Process:
    """A new thread group, child of the caller (or of the caller's parent: CLONE_PARENT)."""
    old, world = t.process, t.world
    parent = old.parent if flags & CLONE_PARENT else old
    new = Process(world, pid, parent)
    if parent is not None:
        parent.children[pid] = new
    new.exit_signal = old.exit_signal if flags & CLONE_PARENT else flags & SIGNAL_MASK
    new.is_clone_child = new.exit_signal != SIGCHLD
    if flags & CLONE_SIGHAND:
        new.handlers = old.handlers
        new.handlers.users += 1
    else:
        new.handlers = old.handlers.copy()
        if flags & CLONE_CLEAR_SIGHAND:
            new.handlers.reset_on_exec()
    new.limits = dict(old.limits)
    new.switches = dict(old.switches)
    if RLIMIT_CPU in new.limits:
        limit_cpu(new, *new.limits[RLIMIT_CPU])
    set_program(new, old.exe)
    new.command_line, new.environment, new.auxv = old.command_line, old.environment, old.auxv
    new.nice, new.personality = old.nice, old.personality
    new.oom_score_adj, new.dumpable = old.oom_score_adj, old.dumpable
    new.no_new_privs, new.keep_caps = old.no_new_privs, old.keep_caps
    new.mapped_files = list(old.mapped_files)
    for inode in new.mapped_files:
        inode.pin()
    new.map_places = dict(old.map_places)
    new.coredump_filter = old.coredump_filter
    new.without_terminal = old.without_terminal
    new.join(old.group)
    world.processes[pid] = new
    return new


def undo_birth(child: Task) -> None:
    """The machine could not make the child: as if it had never been."""
    process, world = child.process, child.world
    drop_task(child)
    if not process.threads:
        unmap_files(process)
        end_program(process)
        world.processes.pop(process.pid, None)
        if process.parent is not None:
            process.parent.children.pop(process.pid, None)
        process.leave()


# --- exec -----------------------------------------------------------------------------------------
def become(t: Task, program: Program, stack: StackBuilder) -> None:
    """The point of no return of execve(2): *t* is the only thread, under the leader's number."""
    process, world = t.process, t.world
    for other in list(process.threads.values()):
        if other is not t:
            supersede(other, t)
    if t.tid != process.pid:
        world.tasks.pop(t.tid, None)
        process.threads.pop(t.tid, None)
        t.tid = process.pid
        world.tasks[t.tid] = t
        process.threads[t.tid] = t
    process.leader = t
    if t.fds.users > 1:
        own = t.fds.copy()
        own.bound, own.routed = set(t.fds.bound), set(t.fds.routed)
        t.fds.release()
        t.fds = own
    t.fds.close_on_exec()
    if process.handlers.users > 1:
        process.handlers.users -= 1
        process.handlers = process.handlers.copy()
    process.handlers.reset_on_exec()
    t.alt_stack = AltStack()
    t.robust_list = 0
    t.clear_child_tid = 0
    if t.cred.euid != program.cred.euid or t.cred.egid != program.cred.egid:
        process.parent_death_signal = 0
    t.cred = program.cred
    process.dumpable = 0 if program.secure else 1
    process.did_exec = True
    set_program(process, program.exe)
    process.command_line = b"".join(a + b"\0" for a in program.argv)
    process.environment = b"".join(a + b"\0" for a in program.envp)
    process.auxv = stack.auxv
    t.comm = program.filename.rsplit(b"/", 1)[-1][:15]
    drop_posix_timers(process)
    unmap_files(process)
    for elf in (program.elf, program.interpreter):
        if elf is not None and elf.file.place is not None:
            process.map_places[elf.file.inode] = elf.file.place
    release_vfork(t)


def set_program(process: Process, place: Any) -> None:
    """*process* runs the file at *place*, which nobody may write from now on."""
    end_program(process)
    process.exe = place
    if place is not None:
        process.text = place.dentry.inode
        process.text.texts += 1


def end_program(process: Process) -> None:
    """It runs no more (``exe`` stays, as the link of a zombie)."""
    if process.text is not None:
        process.text.texts -= 1
        process.text = None


def supersede(other: Task, by: Task) -> None:
    for observer in by.world.observers:
        observer.superseded(other, by.process.pid)
    drop_task(other)


def release_vfork(t: Task) -> None:
    """exec or exit of a vfork child lets the parent go on."""
    done, t.vfork_done = t.vfork_done, None
    if done is not None:
        done.wake()


def unmap_files(process: Process) -> None:
    files, process.mapped_files = process.mapped_files, []
    process.map_places = {}
    for inode in files:
        inode.unpin()


# --- deaths ---------------------------------------------------------------------------------------
def drop_task(t: Task) -> None:
    """Everything a thread holds is given back. Its vehicle is gone or about to go."""
    if t.exiting:
        return
    t.exiting = True
    t.unpark()
    thread_exits(t)
    t.world.tasks.pop(t.tid, None)
    t.process.threads.pop(t.tid, None)
    release_vfork(t)
    t.fds.release()
    t.fs.users -= 1


def exit_thread(t: Task, status: int) -> None:
    """exit(2) of one of several threads."""
    for observer in t.world.observers:
        observer.exited(t, status)
    drop_task(t)


def process_gone(process: Process, host_status: int, usage: Any) -> None:
    """The last vehicle is gone: the process becomes a zombie.

    The status is what the kernel decided on (exit_group, fatal signal); a vehicle that died
    without the kernel's doing (killed from outside) shows the host's status.
    """
    from ring3.task.resources import Usage
    from ring3.task.wait import announce_exit

    if process.state != "dying":
        process.exit_status = host_status
    process.rusage = Usage.of(usage) if usage is not None else Usage()
    for t in list(process.threads.values()):
        for observer in process.world.observers:
            observer.exited(t, process.exit_status)
        drop_task(t)
    unmap_files(process)
    end_program(process)
    process.handlers.users -= 1
    announce_exit(process)


def new_init(world: World) -> Process:
    """Process 1: made by the kernel, runs nothing, reaps orphans."""
    from ring3.task.process import ProcessGroup, Session

    init = Process(world, 1, None)
    world.processes[1] = init
    world.init = init
    world.last_pid = 1
    session = Session(1, init)
    world.sessions[1] = session
    init.join(ProcessGroup(1, session))
    init.command_line = b"ring3-init\0"
    init.state = "running"
    init.handlers = Handlers()
    return init


def vfork_queue(child: Task) -> WaitQueue:
    child.vfork_done = WaitQueue()
    return child.vfork_done
