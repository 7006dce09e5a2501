"""Stopping, continuing and ending whole processes, and telling their parents.

Source: kernel/signal.c (``do_signal_stop``, ``do_notify_parent_cldstop``), kernel/exit.c
(``will_become_orphaned_pgrp``, ``kill_orphaned_pgrp``).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import (
    CLD_CONTINUED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
)
from ring3.task.resources import clock_ticks
from ring3.task.sending import recompute, send_to_process
from ring3.task.siginfo import SigInfo
from ring3.task.task import OBSERVED, SIGNALS

if TYPE_CHECKING:
    from ring3.task.process import Process, ProcessGroup
    from ring3.task.task import Task


def stop(process: Process, signo: int, current: Task | None = None) -> None:
    """Stop all threads. *current* is the one that is delivering the signal."""
    if process.state != "running":
        return
    process.state = "stopped"
    process.wait_event = ("stopped", signo)
    for task in list(process.threads.values()):
        task.attention |= SIGNALS
        if task is not current and not task.exiting:
            task.interrupt()
    if any(t.attention & OBSERVED for t in process.threads.values()):
        for observer in process.world.observers:
            observer.stopped(process, signo)
    tell_parent(process, CLD_STOPPED, signo)
    on_stop = process.world.on_stop
    if on_stop is not None and process.session.watched and process.session.leader is process:
        on_stop()


def cont(process: Process) -> None:
    """SIGCONT was sent: a stopped process goes on, even if it blocks or ignores the signal."""
    if process.state != "stopped":
        return
    process.state = "running"
    process.wait_event = ("continued", 0)
    tell_parent(process, CLD_CONTINUED, SIGCONT)
    for task in list(process.threads.values()):
        recompute(task)
        task.vehicle.resume()


def terminate(process: Process, status: int) -> None:
    """End all threads now; *status* is what wait(2) will show. The machine reports the death.

    Calls that wait are taken out of their queues: none of them runs again.
    """
    if process.state in ("dying", "zombie"):
        return
    process.state = "dying"
    process.exit_status = status
    process.wait_event = None
    vehicle = None
    bury_locks(process)
    for task in list(process.threads.values()):
        task.attention |= SIGNALS
        task.unpark()
        vehicle = vehicle or getattr(task, "vehicle", None)
    if vehicle is not None:
        vehicle.kill()


def bury_locks(process: Process) -> None:
    """Mark the robust locks of threads that are about to be killed, and let waiters see it.

    Nobody can run a FUTEX_WAKE in the host any more, so threads of other processes that may wait
    there are interrupted: their wait starts again, and finds the word changed.
    """
    marked: list[int] = []
    for task in process.threads.values():
        if task.robust_list:
            from ring3.task.pifutex import robust_exit

            marked += robust_exit(task)
    if not marked:
        return
    if process.world.machine.can_bind:
        for other in process.world.tasks.values():
            if other.process is not process and other.parked is None and not other.exiting:
                other.vehicle.interrupt()
        return
    from ring3.task.futex import key_of, wake

    task = next(iter(process.threads.values()))
    for addr in marked:
        wake(process.world, key_of(task, addr, False), 1)


def child_info(process: Process, code: int, status: int) -> SigInfo:
    """The SIGCHLD siginfo about *process*: *code* CLD_*, *status* exit code or signal."""
    user_ticks, system_ticks = clock_ticks(process)
    leader = process.leader
    info = SigInfo(
        SIGCHLD,
        code,
        pid=process.pid,
        uid=leader.cred.uid if leader is not None else 0,
        status=status,
        utime=user_ticks,
        stime=system_ticks,
    )
    info.form = "chld"
    return info


def tell_parent(process: Process, code: int, signo: int) -> None:
    """Send SIGCHLD about a stop or continue, and wake a parent that waits."""
    parent = process.parent
    if parent is None:
        return
    action = parent.handlers[SIGCHLD]
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        send_to_process(parent, child_info(process, code, signo))
    parent.child_event.wake()


def is_orphaned(group: ProcessGroup, ignoring: Process | None = None) -> bool:
    """Whether no member has a parent outside the group but in its session, to continue it."""
    for member in group.members:
        parent = member.parent
        if member is ignoring or member.state == "zombie":
            continue
        if parent is None or parent is member.world.init:
            if group.session.watched and group.session.leader is member:
                return False
            continue
        if parent.group is not group and parent.group.session is group.session:
            return False
    return True


def send_to_group(group: ProcessGroup, signo: int) -> None:
    """Send a signal from the kernel to every member."""
    for member in list(group.members):
        send_to_process(member, SigInfo(signo))


def release_orphans(process: Process, parent: Process | None, ignoring: Process | None) -> None:
    """*process* (or its *parent*) exits: a group that gets orphaned by that and has stopped
    members is hung up and continued, or nobody ever would."""
    group = process.group
    if parent is None or parent.group is group or parent.group.session is not group.session:
        return
    if not any(member.state == "stopped" for member in group.members):
        return
    if is_orphaned(group, ignoring):
        send_to_group(group, SIGHUP)
        send_to_group(group, SIGCONT)
