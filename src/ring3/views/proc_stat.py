"""/proc/PID/stat and statm: the numbers ps and top read.

Who a process is comes from the kernel; its memory and CPU time are its vehicles', which the host
counts. Source: fs/proc/array.c (do_task_stat), proc_pid_stat(5).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_RSS
from ring3.abi.sched import SCHED_FIFO, SCHED_RR
from ring3.core.park import UNINTERRUPTIBLE
from ring3.task.resources import TICK_NS, Usage, children_usage, process_usage, thread_usage
from ring3.task.scheduling import sched_of
from ring3.task.sigstate import bits
from ring3.views.host import host_file
from ring3.views.proc_pid import may_trace

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task
    from ring3.vfs.inode import Walker
    from ring3.views.proc_pid import Subject

PF_EXITING, PF_FORKNOEXEC, PF_RANDOMIZE = 0x4, 0x40, 0x400000
PAGE = 4096
SIGNALS = range(1, 65)
NAMES = {
    "R": b"R (running)",
    "S": b"S (sleeping)",
    "D": b"D (disk sleep)",
    "T": b"T (stopped)",
    "t": b"t (tracing stop)",
    "Z": b"Z (zombie)",
    "X": b"X (dead)",
}


def state(subject: Subject) -> str:
    """One letter, as in /proc/PID/stat."""
    process, task = subject.process, subject.task
    if process.state == "zombie" or task is None or task.tid not in process.threads:
        return "S" if process is process.world.init else "Z"
    if process.state == "stopped":
        return "T"
    if task.parked is not None:
        return "D" if task.parked.restart == UNINTERRUPTIBLE else "S"
    if not getattr(getattr(task, "vehicle", None), "id", 0):
        # In user code or in a call that the host serves: the host knows which.
        host = host_file(task, "stat")
        if host:
            found = host[host.rindex(b")") + 2 : host.rindex(b")") + 3].decode()
            return found if found in "RSD" else "S"
    return "R"


def started_ticks(process: Process) -> int:
    """When the process started, in clock ticks since boot."""
    clock = process.world.clock
    shift = clock.boottime_ns() - clock.monotonic_ns()
    return (process.start_ns + shift) // TICK_NS


def parent_pid(process: Process) -> int:
    return process.parent.pid if process.parent is not None else 0


def signal_sets(process: Process) -> tuple[int, int]:
    """(ignored, caught) signals as sets."""
    ignored = caught = 0
    for signo in SIGNALS:
        handler = process.handlers[signo].handler
        if handler == 1:
            ignored |= bits(signo)
        elif handler > 1:
            caught |= bits(signo)
    return ignored, caught


def terminal_numbers(process: Process) -> tuple[int, int]:
    """(device number of the controlling terminal or 0, its foreground group or -1)."""
    terminal = process.session.terminal
    if terminal is None:
        return 0, -1
    group = terminal.foreground
    return terminal.rdev, group.pgid if group is not None else -1


def priorities(process: Process, task: Task | None) -> tuple[int, int, int, int]:
    """(priority, nice, real-time priority, policy)."""
    sched = sched_of(task) if task is not None else None
    if sched is not None and sched.policy in (SCHED_FIFO, SCHED_RR):
        return -1 - sched.priority, process.nice, sched.priority, sched.policy
    return 20 + process.nice, process.nice, 0, sched.policy if sched is not None else 0


def usage_of(subject: Subject) -> Usage:
    if subject.thread is not None:
        return thread_usage(subject.thread)
    return process_usage(subject.process)


def memory_pages(task: Task | None) -> list[int]:
    """The seven numbers of statm, in pages; zeros where there is no memory."""
    own = getattr(getattr(task, "space", None), "statm", None)
    if own is not None:
        return list(own())
    words = host_file(task, "statm").split()
    return [int(word) for word in words] if len(words) == 7 else [0] * 7


def last_cpu(task: Task | None) -> int:
    host = host_file(task, "stat")
    rest = host[host.rindex(b")") + 2 :].split() if host else []
    return int(rest[36]) if len(rest) > 36 else 0


def comm_of(subject: Subject) -> bytes:
    task = subject.task
    if task is not None and task.comm:
        return task.comm
    return subject.process.command_line.split(b"\0")[0].rpartition(b"/")[2][:15]


def stat(subject: Subject, who: Walker) -> bytes:
    """52 numbers; addresses but that of the stack are 0, as Linux shows them to whom they do not
    concern."""
    process, task = subject.process, subject.task
    letter = state(subject)
    ended = letter == "Z"
    pages = [0] * 7 if ended else memory_pages(task)
    usage, children = usage_of(subject), children_usage(process)
    tty, foreground = terminal_numbers(process)
    priority, nice, rt_priority, policy = priorities(process, task)
    ignored, caught = signal_sets(process)
    flags = PF_RANDOMIZE | (0 if process.did_exec else PF_FORKNOEXEC) | (PF_EXITING * ended)
    pending = (task.pending.mask if task is not None else 0) & 0x7FFFFFFF
    blocked = (task.sigmask if task is not None else 0) & 0x7FFFFFFF
    rss_limit = process.limits.get(RLIMIT_RSS, (RLIM_INFINITY, 0))[0]
    exit_code = process.exit_status if ended and may_trace(who, subject) else 0
    numbers = (
        parent_pid(process), process.group.pgid, process.session.sid, tty, foreground, flags,
        usage.minflt, children.minflt, usage.majflt, children.majflt,
        usage.user_ns // TICK_NS, usage.system_ns // TICK_NS,
        children.user_ns // TICK_NS, children.system_ns // TICK_NS,
        priority, nice, max(1, len(process.threads)) if not ended else 1, 0,
        started_ticks(process), pages[0] * PAGE, pages[1], rss_limit,
        0, 0, stack_start(subject, who), 0, 0,
        pending, blocked, ignored & 0x7FFFFFFF, caught & 0x7FFFFFFF,
        0, 0, 0, process.exit_signal if subject.thread is None else -1,
        0 if ended else last_cpu(task),
        rt_priority, policy, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, exit_code,
    )  # fmt: skip
    head = b"%d (%s) %s " % (ident(subject), comm_of(subject), letter.encode())
    return head + " ".join(map(str, numbers)).encode() + b"\n"


def stack_start(subject: Subject, who: Walker) -> int:
    """An address in the first thread's stack (pmap goes by it), 0 for whom it does not concern."""
    space = getattr(subject.task, "space", None)
    top: int = getattr(space, "stack_top", 0)
    return top - PAGE if top and may_trace(who, subject) else 0


def ident(subject: Subject) -> int:
    return subject.thread.tid if subject.thread is not None else subject.process.pid


def statm(subject: Subject, who: Walker) -> bytes:
    pages = [0] * 7 if state(subject) == "Z" else memory_pages(subject.task)
    return " ".join(map(str, pages)).encode() + b"\n"
