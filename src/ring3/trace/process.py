"""Calls that make, wait for and change processes and threads."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.abi.wait import WCOREFLAG
from ring3.trace.kinds import KINDS, kind, shapes
from ring3.trace.signals import signal_name
from ring3.trace.text import addr, signed

if TYPE_CHECKING:
    from ring3.trace.frame import Frame

shapes("""
fork vfork: = pid
execve: path argv envp
execveat: dirfd path argv envp flags:at
wait4: pid >>wait_status flags:wait4 >>rusage_ok = pid
waitpid: pid >>wait_status flags:wait4 = pid
waitid: enum:waitid waitid_id >>siginfo_ok flags:wait4 >>rusage_ok
clone: = pid
clone3: = pid
unshare: lflags:unshare
setns: fd flags:setns
getpid gettid getppid getpgrp setsid: = pid
getuid geteuid getgid getegid: = u
getpgid getsid: pid = pid
getresuid getresgid: >int:4u >int:4u >int:4u
getgroups: d >id_list:ret
setgroups: d id_list:0
getpriority: enum:prio_which d
setpriority: enum:prio_which d d
getrlimit: uenum:rlimit >rlimit
setrlimit: uenum:rlimit rlimit
prlimit64: pid uenum:rlimit rlimit64 >rlimit64
getrusage: enum:rusage >rusage
vhangup:
sched_getscheduler: pid = policy
sched_setscheduler: pid policy sched_param
sched_getparam: pid >sched_param
sched_setparam: pid sched_param
sched_get_priority_max sched_get_priority_min: policy
sched_rr_get_interval: pid >timespec
sched_setaffinity: pid u cpus:1
sched_getaffinity: pid u >cpus:ret
sched_setattr: pid sched_attr u
sched_getattr: pid >sched_attr u u
getcpu: >int:4u >int:4u addr
set_tid_address: lx = pid
get_robust_list: pid >ptr >int:8u
rseq: lx x x x
personality: personality = personality
kcmp: pid pid enum:kcmp ~kcmp_rest
ioprio_get: enum:ioprio_who pid = ioprio
ioprio_set: enum:ioprio_who pid ioprio
pidfd_open: pid flags:pidfd = fd
pidfd_getfd: fd d x = fd
capget: cap_header >cap_data
capset: cap_header cap_data
""")


# --- waiting --------------------------------------------------------------------------------------
def status_text(status: int) -> str:
    """What the macros of wait(2) say of *status*."""
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    low = status & 0x7F
    if low == 0x7F:
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(status >> 8 & 0xFF)}}}"
    if low:
        core = " && WCOREDUMP(s)" if status & WCOREFLAG else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(low)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


@kind
def wait_status(x: Frame, v: int) -> str:
    """The status, if the call reaped somebody."""
    number = x.number(v) if x.result > 0 else None
    return addr(v) if number is None else f"[{status_text(number)}]"


@kind
def siginfo_ok(x: Frame, v: int) -> str:
    return addr(v) if x.failed else KINDS["siginfo"](x, v)


@kind
def rusage_ok(x: Frame, v: int) -> str:
    """wait's usage: only if somebody was reaped."""
    waitid = x.plan.name == "waitid"
    return rusage(x, v) if x.result > 0 or (waitid and not x.failed) else addr(v)


@kind
def waitid_id(x: Frame, v: int) -> str:
    from ring3.abi.wait import P_PIDFD

    return x.fd(v) if x.args[0] == P_PIDFD else str(signed(v))


@kind
def rusage(x: Frame, v: int) -> str:
    form = layout("rusage", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    times = [
        f"{n}={{tv_sec={s[n]['tv_sec']}, tv_usec={s[n]['tv_usec']}}}"
        for n in ("ru_utime", "ru_stime")
    ]
    rest = ["..."] if x.abbrev else [f"{n}={s[n]}" for n in s if n not in ("ru_utime", "ru_stime")]
    return "{" + ", ".join(times + rest) + "}"
