"""Files of /proc/PID about who a process is and what it may do.

Each function makes one file's text from (subject, who reads); ``set_`` ones take what is written.
Source: fs/proc/array.c, fs/proc/base.c; proc(5).
"""

from __future__ import annotations

from ring3.abi import resource as r
from ring3.abi.hints import TYPE_CHECKING
from ring3.task.scheduling import cpus, sched_of
from ring3.views.host import fields, host_file, host_text
from ring3.views.proc_stat import NAMES, comm_of, ident, parent_pid, signal_sets, state

if TYPE_CHECKING:
    from ring3.vfs.inode import Walker
    from ring3.views.proc_pid import Subject

MEMORY = (
    b"VmPeak VmSize VmLck VmPin VmHWM VmRSS RssAnon RssFile RssShmem VmData VmStk VmExe VmLib"
    b" VmPTE VmSwap HugetlbPages"
).split()
FROM_HOST = b"Mems_allowed Mems_allowed_list".split()


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
    own = getattr(getattr(task, "space", None), "status", None)
    if alive and own is not None:
        host = {name.encode(): b"%d kB" % size for name, size in own().items()}
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
    seccomp = task.seccomp if task is not None else None
    lines = []
    for label, name in (
        (b"CapInh", "inheritable"), (b"CapPrm", "permitted"), (b"CapEff", "effective"),
        (b"CapBnd", "bounding"), (b"CapAmb", "ambient"),
    ):  # fmt: skip
        lines.append(b"%s:\t%016x" % (label, getattr(cred, name, 0)))
    return [
        *lines,
        b"NoNewPrivs:\t%d" % process.no_new_privs,
        b"Seccomp:\t%d" % (seccomp.mode if seccomp is not None else 0),
        b"Seccomp_filters:\t%d" % (seccomp.count if seccomp is not None else 0),
        b"Speculation_Store_Bypass:\tthread vulnerable",
        b"SpeculationIndirectBranch:\tconditional enabled",
    ]


def placement(subject: Subject, host: dict[bytes, bytes]) -> list[bytes]:
    task, world = subject.task, subject.process.world
    mask = (sched_of(task).affinity if task is not None else 0) or cpus(world)
    lines = [b"Cpus_allowed:\t" + cpu_mask(mask), b"Cpus_allowed_list:\t" + cpu_list(mask)]
    own = host
    if not own and not world.own_objects:
        own = fields(host_text("/proc/self/status"))
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
