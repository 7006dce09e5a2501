"""Lines that are no calls: signals, stops and exits."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.wait import WCOREFLAG
from ring3.trace.signals import siginfo, signal_name

if TYPE_CHECKING:
    from ring3.task.siginfo import SigInfo
    from ring3.trace.frame import Frame


def signal_line(x: Frame, info: SigInfo) -> str:
    """``--- SIGCHLD {si_signo=SIGCHLD, ...} ---``"""
    return f"--- {signal_name(info.signo)} {siginfo(x, info)} ---"


def stop_line(signo: int) -> str:
    return f"--- stopped by {signal_name(signo)} ---"


def exit_line(status: int) -> str:
    return f"+++ exited with {status >> 8 & 0xFF} +++"


def killed_line(status: int) -> str:
    core = " (core dumped)" if status & WCOREFLAG else ""
    return f"+++ killed by {signal_name(status & 0x7F)}{core} +++"
