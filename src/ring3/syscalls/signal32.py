"""The signal calls that only i386 has: sets of 32 signals, and the old sigaction.

Source: kernel/signal.c (``CONFIG_OLD_SIGACTION`` and kin), arch/x86/kernel/signal_32.c.
"""

from __future__ import annotations

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import SA_NODEFER, SA_RESETHAND, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK
from ring3.abi.types import U32, Addr, In, Int, Out, Record, Signal, UInt
from ring3.core.park import RESTART_NOHAND, Park
from ring3.syscalls.signal import Sigaction, set_action, slowly
from ring3.syscalls.table import syscall
from ring3.task import signals

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.task.task import Task

LOW = 0xFFFFFFFF


class OldSigaction(Record):
    """struct old_sigaction: the fields of the new one in another order, 32 signals in the mask."""

    LAYOUT = "old_sigaction"
    FIELDS = {
        "handler": "sa_handler",
        "mask": "sa_mask",
        "flags": "sa_flags",
        "restorer": "sa_restorer",
    }
    __slots__ = tuple(FIELDS)
    handler: int
    mask: int
    flags: int
    restorer: int


@syscall
def sigaction(t: Task, signo: Signal, action: In[OldSigaction], old: Out[OldSigaction]) -> int:
    """Set and get what a signal does."""
    new = None
    if action:
        given = action.load()
        new = Sigaction(given.handler, given.flags, given.restorer, given.mask)
    before = set_action(t, signo, new)
    if old:
        old.store(OldSigaction(before.handler, before.mask & LOW, before.flags, before.restorer))
    return 0


@syscall
def signal(t: Task, signo: Signal, handler: Addr) -> int:
    """Set a handler that is called once; return the one before."""
    new = Sigaction(handler, SA_RESETHAND | SA_NODEFER, 0, 0)
    return set_action(t, signo, new).handler


@syscall
def sigprocmask(t: Task, how: Int, new: In[U32], old: Out[U32]) -> int:
    """Change and get the first 32 blocked signals."""
    before = t.sigmask
    if new:
        mask = new.load()
        if how == SIG_BLOCK:
            signals.set_mask(t, before | mask)
        elif how == SIG_UNBLOCK:
            signals.set_mask(t, before & ~mask)
        elif how == SIG_SETMASK:
            signals.set_mask(t, before & ~LOW | mask)
        else:
            raise EINVAL("how")
    if old:
        old.store(before & LOW)
    return 0


@syscall
def sigpending(t: Task, found: Out[U32]) -> int:
    """Store which of the first 32 signals are pending and blocked."""
    found.store((t.pending.mask | t.process.pending.mask) & t.sigmask & LOW)
    return 0


@syscall
def sigsuspend(t: Task, unused: Int, unused_too: Int, mask: UInt) -> int:
    """Wait for a signal with only *mask* blocked."""
    if t.memo is None:
        signals.swap_mask(t, mask)
        t.memo = True
    raise Park(restart=RESTART_NOHAND)


@syscall
def sgetmask(t: Task) -> int:
    """The first 32 blocked signals."""
    return t.sigmask & LOW


@syscall
def ssetmask(t: Task, mask: UInt) -> int:
    """Block exactly *mask*; return the first 32 that were blocked."""
    before = t.sigmask
    signals.set_mask(t, mask)
    return before & LOW


@syscall
def sigreturn(t: Task) -> Result:
    """Leave a handler that was not asked for with SA_SIGINFO."""
    return slowly(t, lambda context: signals.sigreturn(t, context, old=True))
