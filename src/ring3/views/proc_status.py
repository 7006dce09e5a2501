"""Files of /proc/PID about who a process is and what it may do.

Each function makes one file's text from (subject, who reads); ``set_`` ones take what is written.
Source: fs/proc/array.c, fs/proc/base.c; proc(5).
"""

from __future__ import annotations

from ring3.abi import resource as r
from ring3.abi.capability import CAP_SYS_NICE, CAP_SYS_RESOURCE
from ring3.abi.errno import EACCES, EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING
from ring3.task.resources import process_usage
from ring3.task.scheduling import cpus, sched_of
from ring3.views.host import fields, host_file, host_text
from ring3.views.proc_pid import need_trace
from ring3.views.proc_stat import NAMES, comm_of, ident, parent_pid, signal_sets, state

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.vfs.inode import Walker
    from ring3.views.proc_pid import Subject

COMM_MOST = 15
MEMORY = (
    b"VmPeak VmSize VmLck VmPin VmHWM VmRSS RssAnon RssFile RssShmem VmData VmStk VmExe VmLib"
    b" VmPTE VmSwap HugetlbPages"
).split()
FROM_HOST = b"Mems_allowed Mems_allowed_list".split()
SECCOMP_NAMES = b"Speculation_Store_Bypass SpeculationIndirectBranch".split()
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


# --- status ------------------------------------------------------------------------------------
def status(subject: Subject, who: Walker) -> bytes:
    process, task = subject.process, subject.task
    letter = state(subject)
    alive = letter != "Z" and task is not None and hasattr(task, "fds")
    lines = [b"Name:\t%s" % escaped(comm_of(subject))]
    if alive and task is not None:
        lines.append(b"Umask:\t%04o" % task.fs.umask)
    lines.append(b"State:\t" + NAMES[letter])
    lines += identity(subject, alive)
    host = fields(host_file(task, "status")) if alive else {}
    lines += [b"%s:\t%11s" % (name, host[name]) for name in MEMORY if name in host]
    if alive:
        lines += [b"CoreDumping:\t0", b"THP_enabled:\t1", b"untag_mask:\t0xffffffffffffffff"]
    lines.append(b"Threads:\t%d" % max(1, len(process.threads)))
    lines += signals(subject)
    lines += rights(subject)
    lines += placement(subject, host)
    return b"\n".join(lines) + b"\n"


def escaped(name: bytes) -> bytes:
    return name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def identity(subject: Subject, alive: bool) -> list[bytes]:
    process, task = subject.process, subject.task
    pid = ident(subject)
    lines = [
        b"Tgid:\t%d" % process.pid,
        b"Ngid:\t0",
        b"Pid:\t%d" % pid,
        b"PPid:\t%d" % parent_pid(process),
        b"TracerPid:\t%d" % getattr(getattr(process, "tracer", None), "pid", 0),
    ]
    cred = getattr(task, "cred", None)
    uids = (cred.uid, cred.euid, cred.suid, cred.fsuid) if cred is not None else (0,) * 4
    gids = (cred.gid, cred.egid, cred.sgid, cred.fsgid) if cred is not None else (0,) * 4
    groups = cred.groups if cred is not None else ()
    size = 64
    if alive and task is not None:
        highest = max(task.fds.files, default=0)
        while size <= highest:
            size *= 2
    lines += [
        b"Uid:\t%d\t%d\t%d\t%d" % uids,
        b"Gid:\t%d\t%d\t%d\t%d" % gids,
        b"FDSize:\t%d" % (size if alive else 0),
        b"Groups:\t" + b"".join(b"%d " % gid for gid in sorted(groups)) + (b"" if groups else b" "),
        b"NStgid:\t%d" % process.pid,
        b"NSpid:\t%d" % pid,
        b"NSpgid:\t%d" % process.group.pgid,
        b"NSsid:\t%d" % process.session.sid,
        b"Kthread:\t0",
    ]
    return lines


def signals(subject: Subject) -> list[bytes]:
    process, task = subject.process, subject.task
    ignored, caught = signal_sets(process)
    uid = getattr(getattr(task, "cred", None), "uid", 0)
    user = process.world.signal_users.get(uid)
    most = process.limits.get(r.RLIMIT_SIGPENDING, (r.RLIM_INFINITY, 0))[0]
    sets = (
        (b"SigPnd", task.pending.mask if task is not None else 0),
        (b"ShdPnd", process.pending.mask),
        (b"SigBlk", task.sigmask if task is not None else 0),
        (b"SigIgn", ignored),
        (b"SigCgt", caught),
    )
    lines = [b"SigQ:\t%d/%d" % (user.count if user is not None else 0, most)]
    return lines + [b"%s:\t%016x" % pair for pair in sets]


def rights(subject: Subject) -> list[bytes]:
    process, task = subject.process, subject.task
    cred = getattr(task, "cred", None)
    filters = getattr(process, "seccomp", None) or getattr(task, "seccomp", None)
    lines = []
    for label, name in (
        (b"CapInh", "inheritable"), (b"CapPrm", "permitted"), (b"CapEff", "effective"),
        (b"CapBnd", "bounding"), (b"CapAmb", "ambient"),
    ):  # fmt: skip
        lines.append(b"%s:\t%016x" % (label, getattr(cred, name, 0)))
    mode = getattr(filters, "mode", 2) if filters else 0
    return [
        *lines,
        b"NoNewPrivs:\t%d" % process.no_new_privs,
        b"Seccomp:\t%d" % mode,
        b"Seccomp_filters:\t%d" % getattr(filters, "count", 1 if filters else 0),
        b"Speculation_Store_Bypass:\tthread vulnerable",
        b"SpeculationIndirectBranch:\tconditional enabled",
    ]


def placement(subject: Subject, host: dict[bytes, bytes]) -> list[bytes]:
    task = subject.task
    mask = (sched_of(task).affinity if task is not None else 0) or cpus()
    lines = [b"Cpus_allowed:\t" + cpu_mask(mask), b"Cpus_allowed_list:\t" + cpu_list(mask)]
    own = host or fields(host_text("/proc/self/status"))
    lines += [b"%s:\t%s" % (name, own.get(name, b"1")) for name in FROM_HOST]
    for name in (b"voluntary_ctxt_switches", b"nonvoluntary_ctxt_switches"):
        lines.append(b"%s:\t%s" % (name, host.get(name, b"0")))
    return lines


def cpu_mask(mask: int) -> bytes:
    """A CPU set in groups of 32 bits, as bitmaps are printed."""
    words: list[int] = []
    while mask or not words:
        words.append(mask & 0xFFFFFFFF)
        mask >>= 32
    first, *rest = reversed(words)
    return b",".join([b"%x" % first, *(b"%08x" % word for word in rest)])


def cpu_list(mask: int) -> bytes:
    """A CPU set as ranges: 0-3,6."""
    ranges: list[bytes] = []
    cpu = 0
    while mask >> cpu:
        if not mask >> cpu & 1:
            cpu += 1
            continue
        first = cpu
        while mask >> cpu & 1:
            cpu += 1
        ranges.append(b"%d" % first if cpu - 1 == first else b"%d-%d" % (first, cpu - 1))
    return b",".join(ranges)


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

    total = int(fields(host_text("/proc/meminfo")).get(b"MemTotal", b"1").split()[0]) * 1024
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
