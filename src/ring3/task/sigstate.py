"""Signal state of threads and processes: what is pending, what is handled, which stack."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import (
    SA_ONSTACK,
    SIG_DFL,
    SIG_IGN,
    SIGABRT,
    SIGBUS,
    SIGCHLD,
    SIGCONT,
    SIGFPE,
    SIGILL,
    SIGKILL,
    SIGQUIT,
    SIGSEGV,
    SIGSTOP,
    SIGSYS,
    SIGTRAP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGWINCH,
    SIGXCPU,
    SIGXFSZ,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
)
from ring3.core.light import deque
from ring3.core.park import WaitQueue

if TYPE_CHECKING:
    from ring3.task.siginfo import SigInfo

NSIG: Final = 64
SIGRTMIN: Final = 32
"""The kernel's: C libraries keep the first two or three for themselves."""


def bits(*signals: int) -> int:
    """A signal set: bit n-1 stands for signal n."""
    mask = 0
    for signo in signals:
        mask |= 1 << (signo - 1)
    return mask


# The default actions (signal(7); kernel/signal.c's SIG_KERNEL_*_MASK).
ONLY_KERNEL: Final = bits(SIGKILL, SIGSTOP)
STOPPING: Final = bits(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
DUMPING: Final = bits(
    SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ
)
NOT_FATAL: Final = bits(SIGCONT, SIGCHLD, SIGWINCH, SIGURG)
"""Ignored by default."""
SYNCHRONOUS: Final = bits(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)
"""Delivered before others: they are about the very instruction."""
ALL: Final = (1 << NSIG) - 1


class Action:
    """struct sigaction. Immutable: tables are copied by copying references."""

    __slots__ = ("flags", "handler", "mask", "restorer")

    def __init__(self, handler: int = SIG_DFL, flags: int = 0, restorer: int = 0, mask: int = 0):
        self.handler = handler
        self.flags = flags
        self.restorer = restorer
        self.mask = mask


DEFAULT: Final = Action()
IGNORE: Final = Action(SIG_IGN)


class Handlers:
    """The actions of a process, shared by what CLONE_SIGHAND made (Linux's sighand_struct)."""

    __slots__ = ("actions", "event", "users")

    def __init__(self) -> None:
        self.actions: list[Action] = [DEFAULT] * (NSIG + 1)
        """Indexed by signal number; [0] is not used."""
        self.users = 1
        """Processes that share this table."""
        self.event = WaitQueue()
        """Woken when a signal becomes pending (sigtimedwait, signalfd)."""

    def __getitem__(self, signo: int) -> Action:
        return self.actions[signo]

    def __setitem__(self, signo: int, action: Action) -> None:
        self.actions[signo] = action

    def copy(self) -> Handlers:
        """The table fork(2) gives the child."""
        other = Handlers()
        other.actions = self.actions.copy()
        return other

    def reset_on_exec(self) -> None:
        """Handlers are gone with the old program; what was ignored stays ignored."""
        self.actions = [IGNORE if a.handler == SIG_IGN else DEFAULT for a in self.actions]


class AltStack:
    """sigaltstack(2) of a thread. ``flags``: 0, SS_DISABLE or SS_AUTODISARM."""

    __slots__ = ("flags", "size", "sp")

    def __init__(self, sp: int = 0, flags: int = 0, size: int = 0) -> None:
        self.sp = sp
        self.flags = flags
        self.size = size

    def copy(self) -> AltStack:
        return AltStack(self.sp, self.flags, self.size)

    def holds(self, sp: int) -> bool:
        """Whether stack pointer *sp* lies in here."""
        return self.sp < sp <= self.sp + self.size

    def in_use(self, sp: int) -> bool:
        """Whether a handler runs on it. An auto-disarmed one never counts as used."""
        return not self.flags & SS_AUTODISARM and self.holds(sp)

    def state(self, sp: int) -> int:
        """SS_DISABLE, SS_ONSTACK or 0, for *sp* as the present stack pointer."""
        if not self.size:
            return SS_DISABLE
        return SS_ONSTACK if self.in_use(sp) else 0

    def wanted(self, action: Action, sp: int) -> bool:
        """Whether a handler with *action* has to be moved onto this stack."""
        return bool(action.flags & SA_ONSTACK) and self.state(sp) == 0

    def disarm(self) -> None:
        self.sp = self.size = 0
        self.flags = SS_DISABLE


class PendingSignals:
    """Signals sent and not yet taken, of one thread or of one process."""

    __slots__ = ("mask", "queued")

    def __init__(self) -> None:
        self.mask = 0
        self.queued: dict[int, deque[SigInfo]] = {}
        """signal -> entries in order; a signal in ``mask`` without one lost its information."""

    def __contains__(self, signo: int) -> bool:
        return bool(self.mask >> (signo - 1) & 1)

    def add(self, signo: int, info: SigInfo | None) -> None:
        """Make *signo* pending. Without *info* only the fact is kept (queue limit reached)."""
        self.mask |= 1 << (signo - 1)
        if info is not None:
            self.queued.setdefault(signo, deque()).append(info)

    def take(self, signo: int) -> SigInfo | None:
        """Remove the first entry of pending *signo*. None: its information was not kept."""
        entries = self.queued.get(signo)
        info = None
        if entries:
            info = entries.popleft()
            if info.charge is not None:
                info.charge.count -= 1
                info.charge = None
        if not entries:
            self.queued.pop(signo, None)
            self.mask &= ~(1 << (signo - 1))
        return info

    def remove(self, info: SigInfo) -> None:
        """Take one queued entry back."""
        entries = self.queued.get(info.signo)
        if entries and info in entries:
            entries.remove(info)
            if not entries:
                self.take(info.signo)

    def flush(self, mask: int) -> None:
        """Forget every pending signal of *mask*."""
        hit = self.mask & mask
        while hit:
            signo = (hit & -hit).bit_length()
            while signo in self:
                info = self.take(signo)
                if info is not None and info.timer is not None:
                    info.timer.taken(info)
            hit &= hit - 1

    def clear(self) -> None:
        """The owner is gone."""
        self.flush(ALL)

    def next(self, blocked: int) -> int:
        """The signal to be taken first, synchronous ones before others; 0 if all are blocked."""
        ready = self.mask & ~blocked
        if not ready:
            return 0
        ready = ready & SYNCHRONOUS or ready
        return (ready & -ready).bit_length()

    def next_fault(self, blocked: int) -> int:
        """The signal of an exception raised by the CPU, if one is pending and not blocked."""
        ready = self.mask & ~blocked & SYNCHRONOUS
        while ready:
            signo = (ready & -ready).bit_length()
            entries = self.queued.get(signo)
            if entries and entries[0].code > 0:
                return signo
            ready &= ready - 1
        return 0
