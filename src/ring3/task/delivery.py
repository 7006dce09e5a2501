"""Delivering signals on the way back to user mode, and restarting interrupted calls.

Source: ``get_signal`` in kernel/signal.c, ``arch_do_signal_or_restart`` in
arch/x86/kernel/signal.c. Everything here runs while the vehicle stands still with its whole
user context in reach.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import (
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SIG_DFL,
    SIG_IGN,
    SIGSEGV,
    SIGSTOP,
    SS_AUTODISARM,
)
from ring3.core.park import RESTART_BLOCK, RESTART_NOHAND, RESTART_NOINTR, RESTART_SYS
from ring3.task.jobs import is_orphaned, stop, terminate
from ring3.task.sending import dequeue, force, recompute, restore_mask, set_mask, show, take
from ring3.task.sigframe import frame_for
from ring3.task.siginfo import SigInfo
from ring3.task.sigstate import DUMPING, NOT_FATAL, ONLY_KERNEL, STOPPING, Action
from ring3.task.task import OBSERVED, SWAPPED_MASK

if TYPE_CHECKING:
    from ring3.machine.base import UserContext
    from ring3.task.task import Task

EINTR = 4
RUN = "run"
"""The vehicle may go on with the (perhaps changed) context."""
STOP = "stop"
"""The process is stopped: hold the vehicle back until ``Vehicle.resume``."""
DIE = "die"
"""The process or the thread ends: do not resume the vehicle."""

TO_RUN_AGAIN = (-RESTART_SYS, -RESTART_NOINTR, -RESTART_NOHAND)
RESTART_SYSCALL_NR = {"x86_64": 219, "i386": 0}
SYSCALL_SIZE = 2
"""Bytes of every trapping instruction: syscall, sysenter, int 0x80."""


def deliver(task: Task, context: UserContext) -> str:
    """Deliver what is pending for *task* into *context*: RUN, STOP or DIE."""
    process = task.process
    if task.notices:
        show_notices(task)
    while True:
        if process.state == "dying" or task.exiting:
            return DIE
        if process.state == "stopped":
            return STOP
        info = next_info(task)
        if info is None:
            restart_without_handler(task, context)
            if not task.attention & SWAPPED_MASK:
                recompute(task)
                return RUN
            # What the old mask lets through is delivered as well, like anything that came now.
            restore_mask(task)
            continue
        act(task, context, info)


def next_info(task: Task) -> SigInfo | None:
    """Take the next signal that *task* does not block, faults first."""
    signo = task.pending.next_fault(task.sigmask)
    if signo:
        return take(task, task.pending, signo)
    return dequeue(task, task.sigmask)


def act(task: Task, context: UserContext, info: SigInfo) -> None:
    """Do what the action of one signal says."""
    process, signo = task.process, info.signo
    if task.attention & OBSERVED:
        show(task, info)
    action = process.handlers[signo]
    if action.handler == SIG_IGN:
        return
    if action.handler != SIG_DFL:
        if action.flags & SA_RESETHAND:
            process.handlers[signo] = Action(SIG_DFL, action.flags, action.restorer, action.mask)
        run_handler(task, context, info, action)
        return
    bit = 1 << (signo - 1)
    if bit & NOT_FATAL or (process is process.world.init and not bit & ONLY_KERNEL):
        return
    if bit & STOPPING:
        if signo == SIGSTOP or not is_orphaned(process.group):
            stop(process, signo, task)
        return
    if bit & DUMPING:
        report(task, context, info)
    terminate(process, signo)


def run_handler(task: Task, context: UserContext, info: SigInfo, action: Action) -> None:
    """Push a frame and point the registers at the handler. A bad stack becomes SIGSEGV."""
    restart_with_handler(context, action)
    frame = frame_for(task.abi)
    mask = task.saved_mask if task.attention & SWAPPED_MASK else task.sigmask
    if not frame.push(task, context, info, action, mask):
        # A SIGSEGV handler that cannot be entered must not be tried again.
        force(task, SigInfo(SIGSEGV), default=info.signo == SIGSEGV)
        return
    task.attention &= ~SWAPPED_MASK
    blocked = task.sigmask | action.mask
    if not action.flags & SA_NODEFER:
        blocked |= 1 << (info.signo - 1)
    set_mask(task, blocked)
    if task.alt_stack.flags & SS_AUTODISARM:
        task.alt_stack.disarm()


def restart_with_handler(context: UserContext, action: Action) -> None:
    """A handler runs: an interrupted call fails with EINTR, or is made again afterwards."""
    if context.call_nr < 0:
        return
    regs = context.regs
    result = signed(regs.rax)
    if result == -RESTART_NOINTR or (result == -RESTART_SYS and action.flags & SA_RESTART):
        again(context, context.call_nr)
    elif result in (-RESTART_SYS, -RESTART_NOHAND, -RESTART_BLOCK):
        regs.rax = (1 << 64) - EINTR


def restart_without_handler(task: Task, context: UserContext) -> None:
    """Nothing was called: an interrupted call is made again as if nothing had happened."""
    if context.call_nr < 0:
        return
    result = signed(context.regs.rax)
    if result in TO_RUN_AGAIN:
        again(context, context.call_nr)
    elif result == -RESTART_BLOCK:
        again(context, RESTART_SYSCALL_NR[task.abi])


def again(context: UserContext, nr: int) -> None:
    context.regs.rax = nr
    context.regs.rip -= SYSCALL_SIZE


def signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def show_notices(task: Task) -> None:
    notices, task.notices = task.notices, []
    if task.attention & OBSERVED:
        for info in notices:
            show(task, info)


def report(task: Task, context: UserContext, info: SigInfo) -> None:
    """Say in the kernel log what killed the process (print-fatal-signals of Linux)."""
    regs = context.regs
    fault = f" at {info.addr:x}" if info.layout == "fault" else ""
    name = task.comm.decode("utf-8", "replace")
    task.world.log.say(
        f"{name}[{task.tid}]: killed by signal {info.signo} (code {info.code}){fault}"
        f" ip {regs.rip:x} sp {regs.rsp:x} error {info.error:x}"
    )


def sigreturn(task: Task, context: UserContext, *, old: bool = False) -> None:
    """rt_sigreturn(2): take the frame at the stack pointer apart. A bad one is SIGSEGV.

    *old*: i386's sigreturn, whose frame is the one without siginfo.
    """
    frame = frame_for(task.abi)
    pop = getattr(frame, "pop_old", frame.pop) if old else frame.pop
    if not pop(task, context):
        task.world.log.say(
            f"{task.comm.decode('utf-8', 'replace')}[{task.tid}]: bad frame in rt_sigreturn"
            f" ip {context.regs.rip:x} sp {context.regs.rsp:x}"
        )
        force(task, SigInfo(SIGSEGV))
    task.restart_block = None
    context.call_nr = -1
