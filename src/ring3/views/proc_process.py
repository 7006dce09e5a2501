"""Files of /proc/PID: strings, limits, accounts, and small settings.

Each function makes one file's text from (subject, who reads); ``set_`` ones take what is written.
Source: fs/proc/base.c; proc(5).
"""

from __future__ import annotations

from ring3.abi import resource as r
from ring3.abi.capability import CAP_SYS_NICE, CAP_SYS_RESOURCE
from ring3.abi.errno import EACCES, EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING
from ring3.task.resources import process_usage
from ring3.task.scheduling import sched_of
from ring3.views.host import fields, host_file, system_text
from ring3.views.proc_pid import need_trace
from ring3.views.proc_stat import comm_of, ident, state

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.vfs.inode import Walker
    from ring3.views.proc_pid import Subject

COMM_MOST = 15
LIMITS = (
    ("Max cpu time", r.RLIMIT_CPU, "seconds"),
    ("Max file size", r.RLIMIT_FSIZE, "bytes"),
    ("Max data size", r.RLIMIT_DATA, "bytes"),
    ("Max stack size", r.RLIMIT_STACK, "bytes"),
    ("Max core file size", r.RLIMIT_CORE, "bytes"),
    ("Max resident set", r.RLIMIT_RSS, "bytes"),
    ("Max processes", r.RLIMIT_NPROC, "processes"),
    ("Max open files", r.RLIMIT_NOFILE, "files"),
    ("Max locked memory", r.RLIMIT_MEMLOCK, "bytes"),
    ("Max address space", r.RLIMIT_AS, "bytes"),
    ("Max file locks", r.RLIMIT_LOCKS, "locks"),
    ("Max pending signals", r.RLIMIT_SIGPENDING, "signals"),
    ("Max msgqueue size", r.RLIMIT_MSGQUEUE, "bytes"),
    ("Max nice priority", r.RLIMIT_NICE, ""),
    ("Max realtime priority", r.RLIMIT_RTPRIO, ""),
    ("Max realtime timeout", r.RLIMIT_RTTIME, "us"),
)
NO_ID = 4_294_967_295


# --- strings -----------------------------------------------------------------------------------
def cmdline(subject: Subject, who: Walker) -> bytes:
    return b"" if state(subject) == "Z" else subject.process.command_line


def environ(subject: Subject, who: Walker) -> bytes:
    return subject.process.environment if has_memory(subject) else b""


def auxv(subject: Subject, who: Walker) -> bytes:
    return subject.process.auxv if has_memory(subject) else b""


def has_memory(subject: Subject) -> bool:
    """Not a zombie, and not the kernel's own process 1."""
    return subject.task is not None and subject.process.state != "zombie"


def comm(subject: Subject, who: Walker) -> bytes:
    return comm_of(subject) + b"\n"


def set_comm(subject: Subject, who: Walker, data: bytes) -> None:
    """Only threads of the same process may name each other."""
    if getattr(who, "process", None) is not subject.process:
        raise EINVAL("not a thread of this process")
    subject.need_task().comm = data.split(b"\0")[0][:COMM_MOST]


# --- limits and accounts -----------------------------------------------------------------------
def limits(subject: Subject, who: Walker) -> bytes:
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}"]
    unlimited = (r.RLIM_INFINITY, r.RLIM_INFINITY)
    for name, number, unit in LIMITS:
        soft, hard = subject.process.limits.get(number, unlimited)
        texts = ["unlimited" if v == r.RLIM_INFINITY else str(v) for v in (soft, hard)]
        lines.append(f"{name:<25} {texts[0]:<20} {texts[1]:<20} " + f"{unit:<10}" * bool(unit))
    return "\n".join(lines).encode() + b"\n"


def io(subject: Subject, who: Walker) -> bytes:
    """The host's account of the vehicle: what the kernel does for a guest is not in it."""
    host = fields(host_file(subject.task, "io"))
    names = b"rchar wchar syscr syscw read_bytes write_bytes cancelled_write_bytes".split()
    return b"".join(b"%s: %s\n" % (name, host.get(name, b"0")) for name in names)


def sched(subject: Subject, who: Walker) -> bytes:
    process, task = subject.process, subject.task
    head = b"%s (%d, #threads: %d)" % (comm_of(subject), ident(subject), len(process.threads))
    usage = process_usage(process)
    parameters = sched_of(task) if task is not None else None
    numbers = (
        (b"se.exec_start", b"0.000000"),
        (b"se.sum_exec_runtime", b"%.6f" % ((usage.user_ns + usage.system_ns) / 1e6)),
        (b"nr_switches", b"%d" % (usage.nvcsw + usage.nivcsw)),
        (b"nr_voluntary_switches", b"%d" % usage.nvcsw),
        (b"nr_involuntary_switches", b"%d" % usage.nivcsw),
        (b"policy", b"%d" % (parameters.policy if parameters is not None else 0)),
        (b"prio", b"%d" % (120 + process.nice)),
    )
    lines = [head, b"-" * 67, *(b"%-45s:%21s" % pair for pair in numbers)]
    return b"\n".join(lines) + b"\n"


def set_sched(subject: Subject, who: Walker, data: bytes) -> None:
    """Resets the host's statistics in Linux; there are none of our own to reset."""


def schedstat(subject: Subject, who: Walker) -> bytes:
    return host_file(subject.task, "schedstat") or b"0 0 0\n"


def clear_refs(subject: Subject, who: Walker) -> bytes:
    raise EINVAL("only written")


def set_clear_refs(subject: Subject, who: Walker, data: bytes) -> None:
    if number(data) not in (1, 2, 3, 4, 5):
        raise EINVAL
    raise EPERM("page references are the host's")


def number(data: bytes) -> int:
    """What was written, as a number. EINVAL."""
    try:
        return int(data.split(b"\0")[0].strip(), 0)
    except ValueError:
        raise EINVAL("not a number") from None


# --- out of memory -----------------------------------------------------------------------------
def oom_score(subject: Subject, who: Walker) -> bytes:
    """Between 0 and 2000: share of memory, and the adjustment; 666 for an idle process."""
    from ring3.views.proc_stat import PAGE, memory_pages

    known = fields(system_text(subject.process.world, "/proc/meminfo"))
    total = int(known.get(b"MemTotal", b"1").split()[0]) * 1024
    share = memory_pages(subject.task)[1] * PAGE * 1000 // max(1, total)
    score = max(0, 1000 + share + subject.process.oom_score_adj) * 2 // 3
    return b"%d\n" % min(score, 2000)


def oom_score_adj(subject: Subject, who: Walker) -> bytes:
    return b"%d\n" % subject.process.oom_score_adj


def set_oom_score_adj(subject: Subject, who: Walker, data: bytes) -> None:
    value = number(data)
    if not -1000 <= value <= 1000:
        raise EINVAL
    set_adjustment(subject.process, who, value)


def set_adjustment(process: Process, who: Walker, value: int) -> None:
    if value < process.oom_score_adj and not who.cred.capable(CAP_SYS_RESOURCE):
        raise EACCES("CAP_SYS_RESOURCE")
    process.oom_score_adj = value


def oom_adj(subject: Subject, who: Walker) -> bytes:
    """The older scale, -17 to 15."""
    adj = subject.process.oom_score_adj
    return b"%d\n" % (15 if adj == 1000 else adj * 17 // 1000 if adj >= 0 else -(-adj * 17 // 1000))


def set_oom_adj(subject: Subject, who: Walker, data: bytes) -> None:
    value = number(data)
    if not -17 <= value <= 15:
        raise EINVAL
    scaled = 1000 if value == 15 else value * 1000 // 17 if value >= 0 else -(-value * 1000 // 17)
    set_adjustment(subject.process, who, scaled)


# --- the rest ----------------------------------------------------------------------------------
def cgroup(subject: Subject, who: Walker) -> bytes:
    return b"0::/\n"


def cpuset(subject: Subject, who: Walker) -> bytes:
    return b"/\n"


def personality(subject: Subject, who: Walker) -> bytes:
    return b"%08x\n" % subject.process.personality


def loginuid(subject: Subject, who: Walker) -> bytes:
    return b"%d" % getattr(subject.process, "loginuid", NO_ID)


def set_loginuid(subject: Subject, who: Walker, data: bytes) -> None:
    if getattr(who, "process", None) is not subject.process:
        raise EPERM("only one's own")
    value = number(data)
    if not -1 <= value <= NO_ID:
        raise EINVAL
    subject.process.loginuid = value & NO_ID


def sessionid(subject: Subject, who: Walker) -> bytes:
    return b"%d" % NO_ID


def coredump_filter(subject: Subject, who: Walker) -> bytes:
    if not has_memory(subject):
        return b""
    return b"%08x\n" % subject.process.coredump_filter


def set_coredump_filter(subject: Subject, who: Walker, data: bytes) -> None:
    subject.process.coredump_filter = number(data) & 0x1FF


def timerslack_ns(subject: Subject, who: Walker) -> bytes:
    if not who.cred.capable(CAP_SYS_NICE) and getattr(who, "process", None) is not subject.process:
        raise EPERM("CAP_SYS_NICE")
    task = subject.task
    return b"%d\n" % (sched_of(task).slack_ns if task is not None else 0)


def set_timerslack_ns(subject: Subject, who: Walker, data: bytes) -> None:
    from ring3.task.scheduling import DEFAULT_SLACK_NS

    if not who.cred.capable(CAP_SYS_NICE) and getattr(who, "process", None) is not subject.process:
        raise EPERM("CAP_SYS_NICE")
    value = number(data)
    task = subject.need_task()
    task.sched = sched_of(task).but(slack_ns=value or DEFAULT_SLACK_NS)


def wchan(subject: Subject, who: Walker) -> bytes:
    return b"0"


def stack(subject: Subject, who: Walker) -> bytes:
    """There is no kernel stack: a call that waits is kept as data."""
    return b""


def syscall(subject: Subject, who: Walker) -> bytes:
    """The call under way, with its arguments; stack and instruction pointer are not known."""
    need_trace(who, subject)
    task = subject.task
    if task is None or state(subject) in "ZR" or task.parked is None:
        return b"running\n"
    args = [*task.args, *[0] * (6 - len(task.args))]
    return b"%d %s 0x0 0x0\n" % (task.nr, b" ".join(b"0x%x" % a for a in args[:6]))


def timers(subject: Subject, who: Walker) -> bytes:
    """POSIX timers, as proc(5) lists them."""
    lines = []
    for ident_, timer in subject.process.timers.items():
        describe = getattr(timer, "proc_lines", None)
        if isinstance(ident_, int) and ident_ >= 0 and describe is not None:
            lines.append(describe())
    return b"".join(lines)


def timens_offsets(subject: Subject, who: Walker) -> bytes:
    return b"monotonic           0         0\nboottime            0         0\n"


def set_timens_offsets(subject: Subject, who: Walker, data: bytes) -> None:
    raise EACCES("the time namespace has processes in it")


def uid_map(subject: Subject, who: Walker) -> bytes:
    return b"%10d %10d %10d\n" % (0, 0, NO_ID)


gid_map = uid_map


def set_uid_map(subject: Subject, who: Walker, data: bytes) -> None:
    raise EPERM("the map of the first user namespace is fixed")


set_gid_map = set_setgroups = set_uid_map


def setgroups(subject: Subject, who: Walker) -> bytes:
    return b"allow\n"


def children(subject: Subject, who: Walker) -> bytes:
    """Children of the process; only the leader's file lists them."""
    process = subject.process
    if subject.thread is not process.leader:
        return b""
    return b"".join(b"%d " % pid for pid in process.children)
