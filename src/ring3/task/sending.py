"""Sending signals: who may take them, who is woken, what is ignored at once.

Source: kernel/signal.c (``__send_signal_locked``, ``complete_signal``, ``prepare_signal``).
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_SIGPENDING
from ring3.abi.signal import SI_USER, SIG_DFL, SIG_IGN, SIGCONT, SIGKILL
from ring3.task.siginfo import SigInfo, SignalUser
from ring3.task.sigstate import (
    ALL,
    DUMPING,
    NOT_FATAL,
    ONLY_KERNEL,
    SIGRTMIN,
    STOPPING,
    Action,
    bits,
)
from ring3.task.task import OBSERVED, SIGNALS, SWAPPED_MASK

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task

CONTINUE = bits(SIGCONT)
GONE = ("dying", "zombie")


def send_to_process(process: Process, info: SigInfo) -> None:
    """Send to whichever thread of *process* takes it first.

    EAGAIN: a real-time signal with data, and the receiver's queue is full.
    """
    leader = process.leader
    first = leader if leader is not None and not leader.exiting else None
    send(process, first, info, shared=True)


def send_to_task(task: Task, info: SigInfo) -> None:
    """Send to one thread. EAGAIN as above."""
    send(task.process, task, info, shared=False)


def send(process: Process, task: Task | None, info: SigInfo, *, shared: bool) -> None:
    """Queue *info* and wake a thread that can take it.

    *task* is the receiver, or where *shared* the thread to be tried first.
    """
    if process.state in GONE or not process.threads:
        return
    if not shared and task is not None and task.exiting:
        return
    signo, bit = info.signo, 1 << (info.signo - 1)
    if bit & STOPPING:
        flush(process, CONTINUE)
    elif signo == SIGCONT:
        from ring3.task.jobs import cont

        flush(process, STOPPING)
        cont(process)
    if signo == SIGKILL:
        if process is not process.world.init:
            kill(process, info)
        return
    if is_ignored(process, task, signo):
        if task is not None and task.attention & OBSERVED and process.state == "running":
            task.notices.append(info)
            task.attention |= SIGNALS
        return
    pending = process.pending if shared or task is None else task.pending
    if signo in pending and signo < SIGRTMIN and info.timer is None:
        return
    pending.add(signo, charged(process, info))
    if process.handlers.event:
        process.handlers.event.wake()
    complete(process, task, info, shared=shared)


def charged(process: Process, info: SigInfo) -> SigInfo | None:
    """*info* counted against the receiver's limit; None where only the fact may be kept."""
    if info.timer is not None:
        return info  # timer_create(2) paid for this one
    world, leader = process.world, process.leader
    uid = leader.cred.uid if leader is not None else 0
    user = world.signal_users.get(uid)
    if user is None:
        user = world.signal_users[uid] = SignalUser()
    limit = process.limits.get(RLIMIT_SIGPENDING, (RLIM_INFINITY, RLIM_INFINITY))[0]
    within = user.count < limit or (info.signo < SIGRTMIN and info.code >= 0)
    if within:
        user.count += 1
        info.charge = user
        return info
    if info.signo >= SIGRTMIN and info.code != SI_USER:
        raise EAGAIN("RLIMIT_SIGPENDING")
    return None


def is_ignored(process: Process, task: Task | None, signo: int) -> bool:
    """Whether the signal is dropped when sent. A blocked one never is: the action may change."""
    bit = 1 << (signo - 1)
    if task is not None and task.sigmask & bit:
        return False
    handler = process.handlers[signo].handler
    if process is process.world.init and handler == SIG_DFL:
        return True
    return handler == SIG_IGN or (handler == SIG_DFL and bool(bit & NOT_FATAL))


def complete(process: Process, task: Task | None, info: SigInfo, *, shared: bool) -> None:
    """Find a thread that does not block the signal and make it come and take it."""
    bit = 1 << (info.signo - 1)
    taker = choose(process, task, bit) if shared else task
    if taker is None or taker.exiting or taker.sigmask & bit:
        return
    taker.attention |= SIGNALS
    if process.state != "running":
        return  # a stopped process looks at its signals when it continues
    fatal = process.handlers[info.signo].handler == SIG_DFL and not bit & (
        NOT_FATAL | STOPPING | DUMPING
    )
    if fatal and not taker.attention & OBSERVED:
        kill(process, info)
    else:
        taker.interrupt()


def choose(process: Process, first: Task | None, bit: int) -> Task | None:
    """A thread that has the signal unblocked, one without other pending signals if possible."""
    if first is not None and not first.sigmask & bit and not first.attention & SIGNALS:
        return first
    fallback = None
    for task in process.threads.values():
        if task.exiting or task.sigmask & bit:
            continue
        if not task.attention & SIGNALS:
            return task
        fallback = fallback or task
    return fallback


def kill(process: Process, info: SigInfo) -> None:
    """End *process* by *info* now, whatever its threads do."""
    from ring3.task.jobs import terminate

    if info.signo != SIGKILL:
        for task in process.threads.values():
            if task.attention & OBSERVED:
                show(task, info)
                break
    terminate(process, info.signo)


def show(task: Task, info: SigInfo) -> None:
    """Let the observers of *task* see a signal."""
    for observer in task.world.observers:
        observer.signal(task, info)


def flush(process: Process, mask: int) -> None:
    """Forget pending signals of *mask* wherever they are queued."""
    process.pending.flush(mask)
    for task in process.threads.values():
        task.pending.flush(mask)


def force(task: Task, info: SigInfo, *, default: bool = False) -> None:
    """Send a signal that cannot be put off: a fault, or what the kernel insists on.

    If it is blocked or ignored (or *default*), its action becomes the default one.
    """
    handlers, bit = task.process.handlers, 1 << (info.signo - 1)
    action = handlers[info.signo]
    if default or task.sigmask & bit or action.handler == SIG_IGN:
        handlers[info.signo] = Action(SIG_DFL, action.flags, action.restorer, action.mask)
        task.sigmask &= ~bit
    send_to_task(task, info)
    task.attention |= SIGNALS


def deliverable(task: Task) -> int:
    """The pending signals that *task* does not block, as a set."""
    return (task.pending.mask | task.process.pending.mask) & ~task.sigmask


def has_deliverable(task: Task) -> bool:
    """Whether a return to user mode would have to deliver, stop or end something."""
    if task.process.state != "running":
        return True
    return bool((task.pending.mask | task.process.pending.mask) & ~task.sigmask)


def recompute(task: Task) -> None:
    """Set the SIGNALS bit by what is pending now."""
    if has_deliverable(task) or task.notices:
        task.attention |= SIGNALS
    else:
        task.attention &= ~SIGNALS


def set_mask(task: Task, mask: int) -> None:
    """Change the set of blocked signals; SIGKILL and SIGSTOP cannot be blocked."""
    mask &= ALL & ~ONLY_KERNEL
    newly = mask & ~task.sigmask
    task.sigmask = mask
    if newly and task.process.pending.mask & newly:
        retarget(task, newly)
    recompute(task)


def swap_mask(task: Task, mask: int) -> None:
    """Block *mask* instead of the present set for one call (sigsuspend, ppoll, epoll_pwait).

    If the call is interrupted, the old set comes back with the return to user mode, after the
    handlers were entered; a call that finishes gives it back by ``restore_mask``.
    """
    if not task.attention & SWAPPED_MASK:
        task.saved_mask = task.sigmask
        task.attention |= SWAPPED_MASK
    set_mask(task, mask)


def restore_mask(task: Task) -> None:
    """Undo ``swap_mask`` (nothing to do without one)."""
    if task.attention & SWAPPED_MASK:
        task.attention &= ~SWAPPED_MASK
        set_mask(task, task.saved_mask)


def retarget(task: Task, signals: int) -> None:
    """*task* will not take these any more: wake another thread for those sent to the process."""
    process = task.process
    left = process.pending.mask & signals
    for other in process.threads.values():
        if not left:
            return
        if other is task or other.exiting or not left & ~other.sigmask:
            continue
        left &= other.sigmask
        if not other.attention & SIGNALS and process.state == "running":
            other.interrupt()


def thread_exits(task: Task) -> None:
    """A thread ends: its own signals are gone, the process's find another thread."""
    task.exiting = True
    retarget(task, ALL & ~task.sigmask)
    task.pending.clear()


def dequeue(task: Task, blocked: int) -> SigInfo | None:
    """Take the next pending signal not in *blocked*, the thread's own before the process's."""
    pending = task.pending
    signo = pending.next(blocked)
    if not signo:
        pending = task.process.pending
        signo = pending.next(blocked)
        if not signo:
            return None
    return take(task, pending, signo)


def take(task: Task, pending: object, signo: int) -> SigInfo:
    """Take one entry of *signo*; where its information was not kept, say SI_USER from nobody."""
    info: SigInfo | None = pending.take(signo)  # type: ignore[attr-defined]
    if info is None:
        info = SigInfo(signo, SI_USER)
    elif info.timer is not None:
        info = info.timer.taken(info)
    recompute(task)
    return info or SigInfo(signo, SI_USER)
