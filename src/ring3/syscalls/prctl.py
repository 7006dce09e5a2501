"""prctl: settings of the calling thread and process.

Source: kernel/sys.c, security/commoncap.c.
"""

from __future__ import annotations

from ring3.abi import prctl as p
from ring3.abi.capability import (
    CAP_SETPCAP,
    CAP_SYS_RESOURCE,
    SECBIT_KEEP_CAPS,
    SECBIT_NO_CAP_AMBIENT_RAISE,
)
from ring3.abi.errno import EINVAL, ENODEV, ENXIO, EPERM
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.types import Int, ULong
from ring3.syscalls.table import syscall
from ring3.task.credentials import (
    CAP_LAST,
    SECBIT_LOCKS,
    SECBITS,
)
from ring3.task.scheduling import DEFAULT_SLACK_NS, sched_of
from ring3.task.sigstate import NSIG

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.base import Result
    from ring3.task.task import Task

    Option = Callable[[Task, int, int, int, int], int]

COMM_SIZE = 16
KEEP_CAPS_LOCKED = SECBIT_KEEP_CAPS << 1
OPTIONS: dict[int, Option] = {}


def option(number: int) -> Callable[[Option], Option]:
    """Enter a function as the server of one prctl option."""

    def enter(fn: Option) -> Option:
        OPTIONS[number] = fn
        return fn

    return enter


def store_int(t: Task, addr: int, value: int) -> int:
    t.memory.store(addr, (value & 0xFFFFFFFF).to_bytes(4, "little"))
    return 0


def nothing_more(*args: int) -> None:
    """EINVAL if arguments that have no meaning are set."""
    if any(args):
        raise EINVAL("unused argument")


@syscall(partial="PR_SET_MM, speculation control and options of other architectures are refused")
def prctl(t: Task, op: Int, a: ULong, b: ULong, c: ULong, d: ULong) -> Result:
    """Change or tell a setting of the thread or process."""
    if op in (p.PR_SET_SECCOMP, p.PR_GET_SECCOMP):
        from ring3.syscalls.seccomp import prctl_seccomp

        return prctl_seccomp(t, op, a, b)
    serve = OPTIONS.get(op)
    if serve is None:
        raise EINVAL(f"prctl option {op}")
    return serve(t, a, b, c, d)


# --- names and identity -------------------------------------------------------------------------
@option(p.PR_SET_NAME)
def set_name(t: Task, a: int, b: int, c: int, d: int) -> int:
    name = t.memory.load_string(a, COMM_SIZE - 1)
    t.comm = t.memory.load(a, COMM_SIZE - 1) if name is None else name
    return 0


@option(p.PR_GET_NAME)
def get_name(t: Task, a: int, b: int, c: int, d: int) -> int:
    t.memory.store(a, t.comm[: COMM_SIZE - 1].ljust(COMM_SIZE, b"\0"))
    return 0


@option(p.PR_GET_TID_ADDRESS)
def get_tid_address(t: Task, a: int, b: int, c: int, d: int) -> int:
    t.memory.store(a, t.clear_child_tid.to_bytes(t.memory.word // 8, "little"))
    return 0


@option(p.PR_GET_AUXV)
def get_auxv(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(c, d)
    auxv = t.process.auxv
    t.memory.store(a, auxv[:b])
    return len(auxv)


# --- the process --------------------------------------------------------------------------------
@option(p.PR_SET_PDEATHSIG)
def set_pdeathsig(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a > NSIG:
        raise EINVAL("signal number")
    t.process.parent_death_signal = a
    return 0


@option(p.PR_GET_PDEATHSIG)
def get_pdeathsig(t: Task, a: int, b: int, c: int, d: int) -> int:
    return store_int(t, a, t.process.parent_death_signal)


@option(p.PR_SET_DUMPABLE)
def set_dumpable(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a not in (0, 1):
        raise EINVAL("dumpable")
    t.process.dumpable = a
    return 0


@option(p.PR_GET_DUMPABLE)
def get_dumpable(t: Task, a: int, b: int, c: int, d: int) -> int:
    return t.process.dumpable


@option(p.PR_SET_CHILD_SUBREAPER)
def set_child_subreaper(t: Task, a: int, b: int, c: int, d: int) -> int:
    t.process.subreaper = bool(a)
    return 0


@option(p.PR_GET_CHILD_SUBREAPER)
def get_child_subreaper(t: Task, a: int, b: int, c: int, d: int) -> int:
    return store_int(t, a, int(t.process.subreaper))


@option(p.PR_SET_NO_NEW_PRIVS)
def set_no_new_privs(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a != 1:
        raise EINVAL("cannot be taken back")
    nothing_more(b, c, d)
    t.process.no_new_privs = True
    return 0


@option(p.PR_GET_NO_NEW_PRIVS)
def get_no_new_privs(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(a, b, c, d)
    return int(t.process.no_new_privs)


@option(p.PR_SET_PTRACER)
def set_ptracer(t: Task, a: int, b: int, c: int, d: int) -> int:
    raise EINVAL("no Yama in this kernel")


@option(p.PR_SET_MM)
def set_mm(t: Task, a: int, b: int, c: int, d: int) -> int:
    if not t.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM("CAP_SYS_RESOURCE")
    raise EINVAL("the memory map's bookkeeping cannot be changed")


@option(p.PR_SET_VMA)
def set_vma(t: Task, a: int, b: int, c: int, d: int) -> int:
    """Name an anonymous area. Checked; /proc/PID/maps does not show the name."""
    if a != p.PR_SET_VMA_ANON_NAME:
        raise EINVAL("PR_SET_VMA")
    if d:
        name = t.memory.load_string(d, 80)
        if name is None or any(ch < 32 or ch > 126 or ch in b"\\`$[]" for ch in name):
            raise EINVAL("name")
    if b % 4096:
        raise EINVAL("address")
    return 0


@option(p.PR_SET_THP_DISABLE)
def set_thp_disable(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(c, d)
    t.process.switches[p.PR_SET_THP_DISABLE] = int(bool(a)) | (b if a else 0)
    return 0


@option(p.PR_GET_THP_DISABLE)
def get_thp_disable(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(a, b, c, d)
    return t.process.switches.get(p.PR_SET_THP_DISABLE, 0)


# --- capabilities -------------------------------------------------------------------------------
@option(p.PR_CAPBSET_READ)
def capbset_read(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a > CAP_LAST:
        raise EINVAL("capability")
    return t.cred.bounding >> a & 1


@option(p.PR_CAPBSET_DROP)
def capbset_drop(t: Task, a: int, b: int, c: int, d: int) -> int:
    if not t.cred.capable(CAP_SETPCAP):
        raise EPERM("CAP_SETPCAP")
    if a > CAP_LAST:
        raise EINVAL("capability")
    t.cred = t.cred.but(bounding=t.cred.bounding & ~(1 << a))
    return 0


@option(p.PR_SET_KEEPCAPS)
def set_keepcaps(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a > 1:
        raise EINVAL("flag")
    bits = t.cred.securebits
    if bits & KEEP_CAPS_LOCKED:
        raise EPERM("SECBIT_KEEP_CAPS_LOCKED")
    t.cred = t.cred.but(securebits=bits & ~SECBIT_KEEP_CAPS | (SECBIT_KEEP_CAPS if a else 0))
    return 0


@option(p.PR_GET_KEEPCAPS)
def get_keepcaps(t: Task, a: int, b: int, c: int, d: int) -> int:
    return int(bool(t.cred.securebits & SECBIT_KEEP_CAPS))


@option(p.PR_SET_SECUREBITS)
def set_securebits(t: Task, a: int, b: int, c: int, d: int) -> int:
    old = t.cred.securebits
    locked = (old & SECBIT_LOCKS) >> 1
    if (
        locked & (old ^ a)
        or old & SECBIT_LOCKS & ~a
        or a & ~SECBITS
        or not t.cred.capable(CAP_SETPCAP)
    ):
        raise EPERM("securebits")
    t.cred = t.cred.but(securebits=a)
    return 0


@option(p.PR_GET_SECUREBITS)
def get_securebits(t: Task, a: int, b: int, c: int, d: int) -> int:
    return t.cred.securebits


@option(p.PR_CAP_AMBIENT)
def cap_ambient(t: Task, a: int, b: int, c: int, d: int) -> int:
    cred = t.cred
    if a == p.PR_CAP_AMBIENT_CLEAR_ALL:
        nothing_more(b, c, d)
        t.cred = cred.but(ambient=0)
        return 0
    nothing_more(c, d)
    if b > CAP_LAST:
        raise EINVAL("capability")
    bit = 1 << b
    if a == p.PR_CAP_AMBIENT_IS_SET:
        return int(bool(cred.ambient & bit))
    if a == p.PR_CAP_AMBIENT_LOWER:
        t.cred = cred.but(ambient=cred.ambient & ~bit)
    elif a == p.PR_CAP_AMBIENT_RAISE:
        if not cred.permitted & cred.inheritable & bit:
            raise EPERM("not permitted and inheritable")
        if cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE:
            raise EPERM("SECBIT_NO_CAP_AMBIENT_RAISE")
        t.cred = cred.but(ambient=cred.ambient | bit)
    else:
        raise EINVAL("PR_CAP_AMBIENT")
    return 0


# --- small things -------------------------------------------------------------------------------
@option(p.PR_GET_TIMING)
def get_timing(t: Task, a: int, b: int, c: int, d: int) -> int:
    return p.PR_TIMING_STATISTICAL


@option(p.PR_SET_TIMING)
def set_timing(t: Task, a: int, b: int, c: int, d: int) -> int:
    if a != p.PR_TIMING_STATISTICAL:
        raise EINVAL("timing")
    return 0


@option(p.PR_GET_TSC)
def get_tsc(t: Task, a: int, b: int, c: int, d: int) -> int:
    return store_int(t, a, p.PR_TSC_ENABLE)


@option(p.PR_SET_TIMERSLACK)
def set_timerslack(t: Task, a: int, b: int, c: int, d: int) -> int:
    """Remembered; the kernel's timers are as exact as they can be."""
    slack = a if 0 < a < 1 << 63 else DEFAULT_SLACK_NS
    t.sched = sched_of(t).but(slack_ns=slack)
    return 0


@option(p.PR_GET_TIMERSLACK)
def get_timerslack(t: Task, a: int, b: int, c: int, d: int) -> int:
    return min(sched_of(t).slack_ns, (1 << 31) - 1)


@option(p.PR_TASK_PERF_EVENTS_DISABLE)
def perf_events_disable(t: Task, a: int, b: int, c: int, d: int) -> int:
    return 0  # there are none


@option(p.PR_TASK_PERF_EVENTS_ENABLE)
def perf_events_enable(t: Task, a: int, b: int, c: int, d: int) -> int:
    return 0


@option(p.PR_MCE_KILL)
def mce_kill(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(c, d)
    if a == p.PR_MCE_KILL_CLEAR:
        nothing_more(b)
        t.process.switches.pop(p.PR_MCE_KILL, None)
    elif a == p.PR_MCE_KILL_SET and b <= p.PR_MCE_KILL_DEFAULT:
        t.process.switches[p.PR_MCE_KILL] = b
    else:
        raise EINVAL("PR_MCE_KILL")
    return 0


@option(p.PR_MCE_KILL_GET)
def mce_kill_get(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(a, b, c, d)
    return t.process.switches.get(p.PR_MCE_KILL, p.PR_MCE_KILL_DEFAULT)


@option(p.PR_SET_IO_FLUSHER)
def set_io_flusher(t: Task, a: int, b: int, c: int, d: int) -> int:
    if not t.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM("CAP_SYS_RESOURCE")
    nothing_more(b, c, d)
    if a > 1:
        raise EINVAL("flag")
    t.process.switches[p.PR_SET_IO_FLUSHER] = a
    return 0


@option(p.PR_GET_IO_FLUSHER)
def get_io_flusher(t: Task, a: int, b: int, c: int, d: int) -> int:
    if not t.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM("CAP_SYS_RESOURCE")
    nothing_more(a, b, c, d)
    return t.process.switches.get(p.PR_SET_IO_FLUSHER, 0)


@option(p.PR_GET_SPECULATION_CTRL)
def get_speculation_ctrl(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(b, c, d)
    if a > p.PR_SPEC_L1D_FLUSH:
        raise ENODEV("speculation feature")
    return p.PR_SPEC_NOT_AFFECTED


@option(p.PR_SET_SPECULATION_CTRL)
def set_speculation_ctrl(t: Task, a: int, b: int, c: int, d: int) -> int:
    nothing_more(c, d)
    if a > p.PR_SPEC_L1D_FLUSH:
        raise ENODEV("speculation feature")
    raise ENXIO("not under a program's control")
