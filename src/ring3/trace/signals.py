"""Calls on signals, and the structures that tell of them."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.abi.signal import (
    NSIG,
    SA_RESTORER,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    SIGCHLD,
    SIGPOLL,
    SIGRTMIN,
    SIGSYS,
)
from ring3.task.siginfo import SIZE, SigInfo
from ring3.trace.kinds import enters, exits, kind, kind_of, shapes
from ring3.trace.names import constants, names
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
kill: pid sig
tkill: pid sig
tgkill: pid pid sig
pidfd_send_signal: fd sig siginfo x
rt_sigaction: sig sigaction >sigaction lu
rt_sigprocmask: enum:sigprocmask sigset:3 >sigset:3 lu
rt_sigpending: >sigset:1 lu
rt_sigsuspend: sigset:1 lu
rt_sigtimedwait: sigset:3 >siginfo timespec lu = sig
rt_sigqueueinfo: pid sig siginfo
rt_tgsigqueueinfo: pid pid sig siginfo
sigaltstack: sigaltstack >sigaltstack
signalfd: fd sigset:2 lu = fd
signalfd4: fd sigset:2 lu flags:signalfd = fd
""")

KERNEL_FAULTS = {"fault"}
SIGNAL_NAMES: dict[int, str] = {}


def load_names() -> None:
    aliases = {"SIGIOT", "SIGPOLL", "SIGUNUSED", "SIGCLD", "SIGRTMAX", "SIGSTKSZ"}
    for name, number in constants("signal").items():
        if name.startswith("SIG") and "_" not in name and name not in aliases:
            SIGNAL_NAMES.setdefault(number, name)


def signal_name(number: int) -> str:
    """``SIGINT``; ``SIGRT_1`` beyond ``SIGRTMIN``; the number where there is no such signal."""
    if not SIGNAL_NAMES:
        load_names()
    if number > SIGRTMIN and number < NSIG:
        return f"SIGRT_{number - SIGRTMIN}"
    return SIGNAL_NAMES.get(number) or str(number)


@kind
def sig(x: Frame, v: int) -> str:
    return signal_name(signed(v)) if not x.style.consts else styled_signal(x, signed(v))


def styled_signal(x: Frame, number: int) -> str:
    if x.style.consts == 1:
        return str(number)
    return f"{number} /* {signal_name(number)} */"


SETS: dict[int, str] = {}


def sigset_text(mask: int) -> str:
    """``[CHLD RT_1]``, or what is missing where at least two thirds are set."""
    text = SETS.get(mask)
    if text is None:
        count = NSIG - 1
        inverted = mask.bit_count() >= count * 2 // 3
        shown = ~mask if inverted else mask
        inside = " ".join(
            signal_name(n).removeprefix("SIG") for n in range(1, NSIG) if shown >> (n - 1) & 1
        )
        text = SETS[mask] = f"{'~' if inverted else ''}[{inside}]"
    return text


@kind_of
def sigset(size_at: str) -> Decoder:
    """A set of signals; its size in bytes is argument number *size_at*."""
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        size = x.args[at]
        if not v or size != 8:
            return addr(v)
        mask = x.number(v, 8)
        return addr(v) if mask is None else sigset_text(mask)

    return show


@kind
def sigaction(x: Frame, v: int) -> str:
    form = layout("sigaction", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    handler = s["sa_handler"]
    known = names("sa_handler", x.abi).by_value.get(handler)
    shown = (
        f"sa_handler={known or hexed(handler)}, sa_mask={sigset_text(s['sa_mask'])}, "
        f"sa_flags={x.flags('sa_flags', s['sa_flags'])}"
    )
    if s["sa_flags"] & SA_RESTORER:
        shown += f", sa_restorer={addr(s['sa_restorer'])}"
    return "{" + shown + "}"


@kind
def sigaltstack(x: Frame, v: int) -> str:
    form = layout("sigaltstack", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    flags = x.flags("sigaltstack", s["ss_flags"] & 0xFFFFFFFF)
    return f"{{ss_sp={addr(s['ss_sp'])}, ss_flags={flags}, ss_size={s['ss_size']}}}"


# --- siginfo --------------------------------------------------------------------------------------
@kind
def siginfo_(x: Frame, v: int) -> str:
    data = x.load(v, SIZE)
    return addr(v) if data is None else siginfo(x, SigInfo.unpack(data, x.word))


def siginfo(x: Frame, info: SigInfo) -> str:
    """``{si_signo=SIGCHLD, si_code=CLD_EXITED, ...}``"""
    if not info.signo:
        return "{}"
    parts = [f"si_signo={signal_name(info.signo)}"]
    parts.append(f"si_code={code_name(info)}")
    if info.errno:
        from ring3.abi.errno import NAMES

        parts.append(f"si_errno={NAMES.get(info.errno, info.errno)}")
    return "{" + ", ".join(parts + details(x, info)) + "}"


def code_name(info: SigInfo) -> str:
    by_value = names("si_code").by_value
    if info.code in by_value:
        return by_value[info.code]
    which = f"si_{signal_name(info.signo).removeprefix('SIG')}"
    try:
        return names(which).by_value[info.code]
    except KeyError:
        return hexed(info.code & 0xFFFFFFFF)


def details(x: Frame, info: SigInfo) -> list[str]:
    """The member of the union that is in use."""
    sender = [f"si_pid={info.pid}", f"si_uid={info.uid}"]
    if info.code <= SI_USER:
        if info.code in (SI_USER, SI_TKILL):
            return sender
        if info.code == SI_TIMER:
            timer = [f"si_timerid={hexed(info.timerid & 0xFFFFFFFF)}"]
            return [*timer, f"si_overrun={info.overrun}", *value(x, info)]
        return sender + value(x, info)
    kind_name = info.layout
    if info.signo == SIGCHLD:
        exited = info.code == names("si_CHLD").items[0][1]
        status = str(info.status) if exited else signal_name(info.status)
        times = [f"si_utime={ticks(info.utime)}", f"si_stime={ticks(info.stime)}"]
        return [*sender, f"si_status={status}", *times]
    if kind_name == "fault" or (code_name(info) == "SI_KERNEL" and is_fault(info.signo)):
        return [f"si_addr={addr(info.addr)}"]
    if info.signo == SIGPOLL:
        return [f"si_band={info.band}", f"si_fd={info.fd}"]
    if info.signo == SIGSYS:
        from ring3.trace.misc import audit_arch, call_name

        number = f"si_syscall={call_name(info.syscall, info.arch)}"
        return [f"si_call_addr={addr(info.addr)}", number, f"si_arch={audit_arch(info.arch)}"]
    if info.pid or info.uid:
        return sender + (value(x, info) if info.value else [])
    return value(x, info) if info.value else []


def ticks(count: int) -> str:
    """Clock ticks of 10 ms."""
    return f"{count} /* {count / 100:.2f} s */" if count else "0"


def is_fault(signo: int) -> bool:
    from ring3.task.siginfo import KERNEL_LAYOUTS

    return KERNEL_LAYOUTS.get(signo) == "fault"


def value(x: Frame, info: SigInfo) -> list[str]:
    """``si_int=7, si_ptr=0x7``"""
    if not info.value and info.code != SI_TIMER:
        return []
    return [f"si_int={signed(info.value)}, si_ptr={addr(info.value)}"]


# --- sigreturn ------------------------------------------------------------------------------------
@enters("restart_syscall")
def restart_enter(x: Frame, a: Sequence[int]) -> str:
    return f"<... resuming interrupted {x.last or 'system call'} ...>"


@enters("rt_sigreturn")
def sigreturn_enter(x: Frame, a: Sequence[int]) -> str:
    return ""


@exits("rt_sigreturn")
def sigreturn_exit(x: Frame, a: Sequence[int]) -> str:
    """strace reads the mask from the frame; the task has it by now."""
    return f"{{mask={sigset_text(x.task.sigmask)}}}"
