"""Zombies: announcing an exit, adopting orphans, matching and reaping children.

Source: kernel/exit.c (``exit_notify``, ``forget_original_parent``, ``wait_consider_task``).
"""

from __future__ import annotations

from ring3.abi.errno import ECHILD
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    SA_NOCLDWAIT,
    SI_USER,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
)
from ring3.abi.wait import (
    __WALL,
    __WCLONE,
    P_ALL,
    P_PGID,
    P_PID,
    WCONTINUED,
    WCOREFLAG,
    WEXITED,
    WNOWAIT,
    WSTOPPED,
)
from ring3.task.jobs import child_info, release_orphans
from ring3.task.resources import Usage, children_usage, process_usage
from ring3.task.sending import send_to_process
from ring3.task.siginfo import SigInfo
from ring3.task.terminal import leader_gone

if TYPE_CHECKING:
    from ring3.task.process import Process

STOPPED_STATUS: Final = 0x7F
CONTINUED_STATUS: Final = 0xFFFF


# --- the end of a process -----------------------------------------------------------------------
def announce_exit(process: Process) -> None:
    """All threads of *process* are gone and ``exit_status`` and ``rusage`` are set: make it a
    zombie, give its children away and tell the parent (or reap at once where nobody cares)."""
    if process.state == "zombie":
        return
    process.state = "zombie"
    process.wait_event = None
    process.pending.clear()
    drop_timers(process)
    adopt_orphans(process)
    if process.session.leader is process:
        leader_gone(process)
    release_orphans(process, process.parent, process)
    process.exit_event.wake()
    if tell_exit(process):
        reap(process)


def tell_exit(process: Process) -> bool:
    """Send the exit signal to the parent and wake it; whether the zombie is to be reaped."""
    parent = process.parent
    if parent is None:
        return False
    if parent is process.world.init:
        parent.child_event.wake()
        return True
    signo, unwanted = process.exit_signal, False
    action = parent.handlers[SIGCHLD]
    if signo == SIGCHLD and (action.handler == SIG_IGN or action.flags & SA_NOCLDWAIT):
        unwanted = True
        if action.handler == SIG_IGN:
            signo = 0
    if signo:
        code, status = exit_code(process.exit_status)
        info = child_info(process, code, status)
        info.signo = signo
        send_to_process(parent, info)
    parent.child_event.wake()
    return unwanted


def exit_code(status: int) -> tuple[int, int]:
    """(CLD_* code, exit code or signal number) of a wait(2) status."""
    if signo := status & 0x7F:
        return (CLD_DUMPED if status & WCOREFLAG else CLD_KILLED), signo
    return CLD_EXITED, status >> 8 & 0xFF


def drop_timers(process: Process) -> None:
    timers, process.timers = process.timers, {}
    for timer in timers.values():
        timer.cancel()


def adopt_orphans(process: Process) -> None:
    """Give the children of *process* to the nearest subreaper above it, or to init."""
    reaper = find_reaper(process)
    children, process.children = process.children, {}
    for child in children.values():
        child.parent = reaper
        reaper.children[child.pid] = child
    for child in children.values():
        if child.parent_death_signal and child.state not in ("dying", "zombie"):
            info = SigInfo(child.parent_death_signal, SI_USER, pid=process.pid)
            send_to_process(child, info)
        child.exit_signal = SIGCHLD
        if child.state == "zombie" and tell_exit(child):
            reap(child)
        else:
            release_orphans(child, process, None)


def find_reaper(process: Process) -> Process:
    """Who adopts the children of *process*."""
    init = process.world.init
    at = process.parent
    while at is not None and at is not init:
        if at.subreaper and at.state not in ("dying", "zombie"):
            return at
        at = at.parent
    return init


def reap(process: Process) -> None:
    """Forget a zombie: its pid is free again, its usage is its parent's."""
    world, parent = process.world, process.parent
    if parent is not None:
        gone = process_usage(process).plus(children_usage(process))
        parent.children_rusage = children_usage(parent).plus(gone)
        parent.children.pop(process.pid, None)
    if world.processes.get(process.pid) is process:
        del world.processes[process.pid]
    process.leave()


# --- waiting ------------------------------------------------------------------------------------
class Reported:
    """One change of state of a child, as wait4 and waitid tell it."""

    __slots__ = ("code", "pid", "status", "uid", "usage", "wait_status")

    def __init__(self, child: Process, code: int, status: int, wait_status: int) -> None:
        leader = child.leader
        self.pid = child.pid
        self.uid = leader.cred.uid if leader is not None else 0
        self.code = code
        """CLD_*."""
        self.status = status
        """Exit code or signal number."""
        self.wait_status = wait_status
        self.usage: Usage = process_usage(child).plus(children_usage(child))


def find_child(parent: Process, kind: int, ident: int, options: int) -> Reported | None:
    """A child of *parent* with something to tell, consumed unless WNOWAIT; None: not yet.

    *kind* is P_ALL, P_PID or P_PGID. ECHILD if no child could ever satisfy the wait.
    """
    hopeful = False
    for child in list(parent.children.values()):
        if not is_eligible(child, kind, ident, options):
            continue
        if child.state == "zombie":
            if not options & WEXITED:
                continue
            code, status = exit_code(child.exit_status)
            found = Reported(child, code, status, child.exit_status)
            if not options & WNOWAIT:
                reap(child)
            return found
        hopeful = True
        event = child.wait_event
        if event is None:
            continue
        if event[0] == "stopped" and options & WSTOPPED:
            signo = event[1]
            found = Reported(child, CLD_STOPPED, signo, signo << 8 | STOPPED_STATUS)
        elif event[0] == "continued" and options & WCONTINUED:
            found = Reported(child, CLD_CONTINUED, SIGCONT, CONTINUED_STATUS)
        else:
            continue
        if not options & WNOWAIT:
            child.wait_event = None
        return found
    if not hopeful:
        raise ECHILD
    return None


def is_eligible(child: Process, kind: int, ident: int, options: int) -> bool:
    if kind == P_PID and child.pid != ident:
        return False
    if kind == P_PGID and child.group.pgid != ident:
        return False
    assert kind in (P_ALL, P_PID, P_PGID)
    if options & __WALL:
        return True
    return (child.exit_signal != SIGCHLD) == bool(options & __WCLONE)
