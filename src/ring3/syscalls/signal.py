"""Signals: actions, masks, waiting for them, and the return from a handler."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EINTR, EINVAL, Errno
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any
from ring3.abi.signal import (
    SA_EXPOSE_TAGBITS,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SS_AUTODISARM,
)
from ring3.abi.types import In, Int, Out, Record, Signal, SigSet, Size, Timespec
from ring3.core.park import RESTART_NEVER, RESTART_NOHAND, Park
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import syscall
from ring3.task import signals
from ring3.task.siginfo import SIZE as SIGINFO_SIZE
from ring3.task.siginfo import SigInfo
from ring3.task.sigstate import ALL, NOT_FATAL, NSIG, ONLY_KERNEL, Action
from ring3.task.task import OBSERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.base import Result, UserContext
    from ring3.task.task import Task

SIGSET_SIZE = 8
KNOWN_FLAGS = (
    SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND
    | SA_EXPOSE_TAGBITS
    | SA_RESTORER
)
"""The others are dropped, so that a program can ask what the kernel knows (SA_UNSUPPORTED)."""


class Sigaction(Record):
    """struct sigaction as rt_sigaction takes it."""

    LAYOUT = "sigaction"
    FIELDS = {
        "handler": "sa_handler",
        "flags": "sa_flags",
        "restorer": "sa_restorer",
        "mask": "sa_mask",
    }
    __slots__ = tuple(FIELDS)
    handler: int
    flags: int
    restorer: int
    mask: int


class StackT(Record):
    """stack_t of sigaltstack(2)."""

    LAYOUT = "sigaltstack"
    FIELDS = {"sp": "ss_sp", "flags": "ss_flags", "size": "ss_size"}
    __slots__ = tuple(FIELDS)
    sp: int
    flags: int
    size: int


class InfoCodec:
    """siginfo_t: 128 bytes in both ABIs."""

    kind = "siginfo"

    def size(self, word: int) -> int:
        return SIGINFO_SIZE

    def decode(self, data: bytes, word: int) -> SigInfo:
        return SigInfo.unpack(data, word)

    def encode(self, value: SigInfo, word: int) -> bytes:
        return value.pack(word)


Info = Annotated[SigInfo, InfoCodec()]


def check_size(size: int) -> None:
    if size != SIGSET_SIZE:
        raise EINVAL("sigsetsize")


# --- actions and masks --------------------------------------------------------------------------
@syscall
def rt_sigaction(
    t: Task, signo: Signal, action: In[Sigaction], old: Out[Sigaction], size: Size
) -> int:
    """Set (if *action*) and get (if *old*) what a signal does."""
    check_size(size)
    new = action.load() if action else None
    before = set_action(t, signo, new)
    if old:
        old.store(Sigaction(before.handler, before.flags, before.restorer, before.mask))
    return 0


def set_action(t: Task, signo: int, new: Sigaction | None) -> Action:
    """Give *signo* a new action (None: leave it); return the one before. EINVAL."""
    if not 1 <= signo <= NSIG:
        raise EINVAL("signal number")
    bit = 1 << (signo - 1)
    handlers = t.process.handlers
    before = handlers[signo]
    if new is None:
        return before
    if bit & ONLY_KERNEL:
        raise EINVAL("the action of SIGKILL and SIGSTOP is fixed")
    flags = new.flags & KNOWN_FLAGS
    handlers[signo] = Action(new.handler, flags, new.restorer, new.mask & ~ONLY_KERNEL)
    if new.handler == SIG_IGN or (new.handler == SIG_DFL and bit & NOT_FATAL):
        # POSIX 3.3.1.3: what becomes ignored is no longer pending, blocked or not.
        signals.flush(t.process, bit)
        for other in t.process.threads.values():
            signals.recompute(other)
    return before


@syscall
def rt_sigprocmask(t: Task, how: Int, new: In[SigSet], old: Out[SigSet], size: Size) -> int:
    """Change (if *new*) and get (if *old*) the calling thread's set of blocked signals."""
    check_size(size)
    before = t.sigmask
    if new:
        change_mask(t, how, new.load())
    if old:
        old.store(before)
    return 0


def change_mask(t: Task, how: int, mask: int) -> None:
    if how == SIG_BLOCK:
        signals.set_mask(t, t.sigmask | mask)
    elif how == SIG_UNBLOCK:
        signals.set_mask(t, t.sigmask & ~mask)
    elif how == SIG_SETMASK:
        signals.set_mask(t, mask)
    else:
        raise EINVAL("how")


@syscall
def rt_sigpending(t: Task, found: Out[SigSet], size: Size) -> int:
    """Store the signals that are pending and blocked; *size* may be smaller than a full set."""
    if size > SIGSET_SIZE:
        raise EINVAL("sigsetsize")
    mask = (t.pending.mask | t.process.pending.mask) & t.sigmask
    found.store_bytes(mask.to_bytes(SIGSET_SIZE, "little")[:size])
    return 0


# --- waiting for signals ------------------------------------------------------------------------
@syscall
def pause(t: Task) -> int:
    """Wait until a signal handler has run."""
    raise Park(restart=RESTART_NOHAND)


@syscall
def rt_sigsuspend(t: Task, mask: In[SigSet], size: Size) -> int:
    """Wait for a signal with another set of blocked signals."""
    check_size(size)
    if t.memo is None:
        signals.swap_mask(t, mask.load())
        t.memo = True
    raise Park(restart=RESTART_NOHAND)


@syscall
def rt_sigtimedwait(
    t: Task, wanted: In[SigSet], info: Out[Info], timeout: In[Timespec], size: Size
) -> int:
    """Take a pending signal of *wanted*, waiting at most *timeout* (for ever if NULL)."""
    check_size(size)
    return take_signal(t, wanted, info, timeout)


@syscall
def rt_sigtimedwait_time64(
    t: Task, wanted: In[SigSet], info: Out[Info], timeout: In[Timespec64], size: Size
) -> int:
    """rt_sigtimedwait with 64-bit seconds (i386)."""
    check_size(size)
    return take_signal(t, wanted, info, timeout)


def take_signal(t: Task, wanted: In[int], info: Out[SigInfo], timeout: In[Any]) -> int:
    if t.memo is None:
        wait_ns = -1
        mask = wanted.load()
        if timeout:
            wait_ns = timeout.load().ns()
        deadline = t.world.clock.monotonic_ns() + wait_ns if wait_ns >= 0 else None
        t.memo = (mask & ~ONLY_KERNEL, deadline)
    mask, deadline = t.memo
    taken = signals.dequeue(t, ALL & ~mask)
    if taken is not None:
        if info:
            info.store(taken)
        return taken.signo
    if deadline is not None and t.world.clock.monotonic_ns() >= deadline:
        raise EAGAIN
    raise Park(t.process.handlers.event, deadline_ns=deadline, restart=RESTART_NEVER)


def slowly(t: Task, edit: Callable[[UserContext], None]) -> Result:
    """Have *edit* change the context; what it leaves in rax is the result that observers see."""

    def then(context: UserContext) -> None:
        edit(context)
        if t.attention & OBSERVED:
            result = (context.regs.rax ^ 1 << 63) - (1 << 63)
            for observer in t.world.observers:
                observer.exit(t, t.nr, "", None, t.args, result, "")

    return t.vehicle.slow_return(0, then)


# --- stacks and frames --------------------------------------------------------------------------
@syscall
def sigaltstack(t: Task, new: In[StackT], old: Out[StackT]) -> Result:
    """Set (if *new*) and get (if *old*) the stack that SA_ONSTACK handlers run on."""
    wanted = new.load() if new else None
    if not t.alt_stack.size:
        swap_stack(t, 0, wanted, old)
        return 0

    # Whether the stack is in use shows in the stack pointer, which takes the slow way to see.
    def edit(context: UserContext) -> None:
        try:
            swap_stack(t, context.regs.rsp, wanted, old)
        except Errno as failed:
            context.regs.rax = (1 << 64) - failed.number

    return slowly(t, edit)


def swap_stack(t: Task, sp: int, new: StackT | None, old: Out[StackT]) -> None:
    """sigaltstack with *sp* as the stack pointer. EPERM, EINVAL, ENOMEM, EFAULT."""
    from ring3.task.sigframe import as_int, change_alt_stack

    stack = t.alt_stack
    before = StackT(stack.sp, as_int(stack.state(sp) | stack.flags & SS_AUTODISARM), stack.size)
    if new is not None:
        change_alt_stack(t, sp, new.sp, new.flags & 0xFFFFFFFF, new.size)
    if old:
        old.store(before)


@syscall
def rt_sigreturn(t: Task) -> Result:
    """Leave a signal handler: go on with the context that its frame saved."""
    return slowly(t, lambda context: signals.sigreturn(t, context))


@syscall
def restart_syscall(t: Task) -> Result:
    """Go on with a sleep that was broken off; what it needs is in ``Task.restart_block``."""
    if t.restart_block is None:
        raise EINTR
    return t.restart_block.resume(t)  # type: ignore[no-any-return]
