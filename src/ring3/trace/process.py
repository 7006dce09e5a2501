"""Calls that make, wait for and change processes and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring3.abi.layouts import layout
from ring3.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_INTO_CGROUP,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
    CSIGNAL,
    SCHED_ATTR_SIZE_VER0,
)
from ring3.abi.wait import WCOREFLAG
from ring3.trace.kinds import KINDS, enters, exits, kind, kind_of, shapes
from ring3.trace.names import names
from ring3.trace.signals import signal_name
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
fork vfork: = pid
execve: path argv envp
execveat: dirfd path argv envp flags:at
exit exit_group: d
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
setpgid: pid pid
setuid setgid setfsuid setfsgid: id
setreuid setregid: id id
setresuid setresgid: id id id
getresuid getresgid: >int:4u >int:4u >int:4u
getgroups: d >id_list:ret
setgroups: d id_list:0
getpriority: enum:prio_which d
setpriority: enum:prio_which d d
getrlimit: uenum:rlimit >rlimit
setrlimit: uenum:rlimit rlimit
prlimit64: pid uenum:rlimit rlimit64 >rlimit64
getrusage: enum:rusage >rusage
sched_yield vhangup munlockall:
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
set_robust_list: addr lu
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


# --- exec -----------------------------------------------------------------------------------------
def strings(x: Frame, v: int) -> tuple[list[str], str] | None:
    """(the strings of a NULL-terminated array as far as -s, what follows them)."""
    word = x.word // 8
    shown: list[str] = []
    at = v
    while True:
        pointer = x.number(at, word)
        if pointer is None:
            return (shown, f", ... /* {addr(at)} */") if shown else None
        if not pointer:
            return shown, ""
        if x.abbrev and len(shown) >= x.style.strlen:
            return shown, ", ..."
        shown.append(x.text(pointer))
        at += word


@kind
def argv(x: Frame, v: int) -> str:
    found = strings(x, v) if v else None
    return addr(v) if found is None else f"[{', '.join(found[0])}{found[1]}]"


@kind
def envp(x: Frame, v: int) -> str:
    if not x.abbrev:
        return argv(x, v)
    if not v:
        return "NULL"
    word, count = x.word // 8, 0
    while (pointer := x.number(v + count * word, word)) is not None:
        if not pointer:
            return f"{addr(v)} /* {count} var{'' if count == 1 else 's'} */"
        count += 1
    said = f" /* {count} vars, unterminated */" if count else ""
    return addr(v) + said


# --- clone ----------------------------------------------------------------------------------------
def clone_flags(x: Frame, value: int) -> str:
    flags, sig = value & ~CSIGNAL, value & CSIGNAL
    shown = [names("clone").flags(flags)] if flags else []
    if sig or not flags:
        shown.append(signal_name(sig))
    return x.styled(value, "|".join(shown))


@enters("clone")
def clone_enter(x: Frame, a: Sequence[int]) -> str:
    # Order of the registers: flags, stack, parent_tid, then child_tid and tls (i386: swapped).
    text = f"child_stack={addr(a[1])}, flags={clone_flags(x, a[0])}"
    return text


@exits("clone")
def clone_exit(x: Frame, a: Sequence[int]) -> str:
    flags = a[0]
    child, tls = (a[3], a[4]) if x.word == 64 else (a[4], a[3])
    shown = ""
    if flags & (CLONE_PARENT_SETTID | CLONE_PIDFD):
        number = None if x.failed else x.number(a[2])
        known = addr(a[2]) if number is None else f"[{number}]"
        shown += f", parent_tid={known}"
    if flags & CLONE_SETTLS:
        shown += f", tls={addr(tls)}"
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        shown += f", child_tidptr={addr(child)}"
    return shown


@enters("clone3")
def clone3_enter(x: Frame, a: Sequence[int]) -> str:
    form = layout("clone_args")
    size = a[1]
    x.saved = None
    data = x.load(a[0], min(size, form.size)) if size >= 64 else None
    if data is None:
        return f"{addr(a[0])}, {size}"
    s = form.unpack(data.ljust(form.size, b"\0"))
    flags = s["flags"]
    x.saved = s
    parts = [f"flags={x.flags('clone3', flags)}"]
    if flags & CLONE_PIDFD:
        parts.append(f"pidfd={addr(s['pidfd'])}")
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        parts.append(f"child_tid={addr(s['child_tid'])}")
    if flags & CLONE_PARENT_SETTID:
        parts.append(f"parent_tid={addr(s['parent_tid'])}")
    parts.append(f"exit_signal={signal_name(s['exit_signal'])}")
    parts.append(f"stack={addr(s['stack'])}, stack_size={hexed(s['stack_size'])}")
    if flags & CLONE_SETTLS:
        parts.append(f"tls={addr(s['tls'])}")
    if s["set_tid"] or s["set_tid_size"]:
        tids = x.array(
            s["set_tid"], s["set_tid_size"], 4, lambda one: str(int.from_bytes(one, "little"))
        )
        parts.append(f"set_tid={tids}, set_tid_size={s['set_tid_size']}")
    if flags & CLONE_INTO_CGROUP:
        parts.append(f"cgroup={s['cgroup']}")
    return "{" + ", ".join(parts) + "}"


@exits("clone3")
def clone3_exit(x: Frame, a: Sequence[int]) -> str:
    s = x.saved
    if s is None:
        return ""
    after = []
    if not x.failed:
        if s["flags"] & CLONE_PIDFD and (number := x.number(s["pidfd"])) is not None:
            after.append(f"pidfd=[{x.fd(number)}]")
        if s["flags"] & CLONE_PARENT_SETTID and (n := x.number(s["parent_tid"])) is not None:
            after.append(f"parent_tid=[{n}]")
    told = f" => {{{', '.join(after)}}}" if after else ""
    return f"{told}, {a[1]}"


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


# --- identities and limits ------------------------------------------------------------------------
@kind_of
def id_list(count_at: str) -> Decoder:
    def show(x: Frame, v: int) -> str:
        count = x.result if count_at == "ret" else signed(x.args[int(count_at)])
        if count_at == "ret" and count and not x.args[0]:
            return addr(v)
        if not count:
            return "[]" if v else "NULL"
        if not 0 <= count <= NGROUPS_MAX:
            return addr(v)
        return x.array(v, count, 4, lambda one: str(int.from_bytes(one, "little")))

    return show


NGROUPS_MAX = 65536


def limit(value: int, infinity: int, name: str) -> str:
    if value == infinity:
        return name
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


def limits(x: Frame, v: int, half: int, name: str) -> str:
    data = x.load(v, 2 * half)
    if data is None:
        return addr(v)
    infinity = (1 << 8 * half) - 1
    soft, hard = (int.from_bytes(data[i : i + half], "little") for i in (0, half))
    return (
        f"{{rlim_cur={limit(soft, infinity, name)}, rlim_max={limit(hard, infinity, name)}}}"
    )


@kind
def rlimit(x: Frame, v: int) -> str:
    return limits(x, v, x.word // 8, "RLIM64_INFINITY" if x.word == 64 else "RLIM_INFINITY")


@kind
def rlimit64(x: Frame, v: int) -> str:
    return limits(x, v, 8, "RLIM64_INFINITY")


@kind
def ptr(x: Frame, v: int) -> str:
    number = x.number(v, x.word // 8)
    return addr(v) if number is None else f"[{addr(number)}]"


@kind
def personality(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    if value == 0xFFFFFFFF:
        return "0xffffffff"
    return personality_text(x, value)


def personality_text(x: Frame, value: int) -> str:
    shown = names("personality").enum(value & 0xFF)
    rest = value & ~0xFF
    return x.styled(value, f"{shown}|{names('personality_flags').flags(rest)}" if rest else shown)


@kind
def cap_header(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    version = x.enum("cap_version", int.from_bytes(data[:4], "little"))
    return f"{{version={version}, pid={int.from_bytes(data[4:], 'little', signed=True)}}}"


def cap_names(x: Frame, mask: int) -> str:
    """``1<<CAP_CHOWN|1<<CAP_KILL``"""
    by_value = names("cap").by_value
    shown = [f"1<<{by_value[n]}" for n in range(64) if mask >> n & 1 and n in by_value]
    rest = mask & ~sum(1 << n for n in by_value)
    if rest or not shown:
        shown.append(hexed(rest))
    return "|".join(shown)


@kind
def cap_data(x: Frame, v: int) -> str:
    from ring3.abi.capability import _LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3

    version = x.number(x.args[0])
    if version is None:
        return addr(v)
    count = 2 if version in (_LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3) else 1
    data = x.load(v, 12 * count)
    if data is None:
        return addr(v)
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, 12 * count, 4)]
    parts = []
    for i, name in enumerate(("effective", "permitted", "inheritable")):
        mask = words[i] | (words[i + 3] << 32 if count == 2 else 0)
        parts.append(f"{name}={cap_names(x, mask)}")
    return "{" + ", ".join(parts) + "}"


# --- scheduling -----------------------------------------------------------------------------------
@kind
def policy(x: Frame, v: int) -> str:
    return x.enum("sched_policy", v & 0xFFFFFFFF)


@kind
def sched_param(x: Frame, v: int) -> str:
    number = x.number(v, 4, True)
    return addr(v) if number is None else f"[{number}]"


CPU_BYTES = 1 << 13


@kind_of
def cpus(size_at: str) -> Decoder:
    """``[0 1]``: the members of a CPU set."""

    def show(x: Frame, v: int) -> str:
        size = x.result if size_at == "ret" else x.args[int(size_at)] & 0xFFFFFFFF
        if not size and v:
            return "[]"
        data = x.load(v, size) if size <= CPU_BYTES else None
        if data is None:
            return addr(v)
        whole = int.from_bytes(data, "little")
        return f"[{' '.join(str(n) for n in range(size * 8) if whole >> n & 1)}]"

    return show


@kind
def sched_attr(x: Frame, v: int) -> str:
    form = layout("sched_attr")
    size = x.number(v)
    if size is None:
        return addr(v)
    if x.plan.name == "sched_getattr" and size < SCHED_ATTR_SIZE_VER0:
        return f"{{size={size}}}"
    data = x.load(v, min(size, form.size) if size else form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data.ljust(form.size, b"\0"))
    parts = [
        f"size={s['size']}",
        f"sched_policy={x.enum('sched_policy', s['sched_policy'])}",
        f"sched_flags={x.flags('sched_flags', s['sched_flags'])}",
    ]
    fields = ("nice", "priority", "runtime", "deadline", "period")
    parts += [f"sched_{n}={s[f'sched_{n}']}" for n in fields]
    if size >= 56:
        parts += [f"sched_util_{n}={hexed(s[f'sched_util_{n}'])}" for n in ("min", "max")]
    return "{" + ", ".join(parts) + "}"


@kind
def kcmp_rest(x: Frame, v: int) -> str:
    """The two indexes, for what has any."""
    from ring3.abi.misc import KCMP_EPOLL_TFD, KCMP_FILE

    which, one, two = x.args[2:5]
    if which == KCMP_FILE:
        return f", {x.fd(one)}, {x.fd(two)}"
    if which == KCMP_EPOLL_TFD:
        return f", {x.fd(one)}, {addr(two)}"
    known = which & 0xFFFFFFFF in names("kcmp").by_value
    return "" if known else f", {hexed(one)}, {hexed(two)}"


@kind
def ioprio(x: Frame, v: int) -> str:
    from ring3.abi.resource import IOPRIO_CLASS_SHIFT

    value = v & 0xFFFFFFFF
    name = x.enum("ioprio_class", value >> IOPRIO_CLASS_SHIFT)
    return f"IOPRIO_PRIO_VALUE({name}, {value & ((1 << IOPRIO_CLASS_SHIFT) - 1)})"
