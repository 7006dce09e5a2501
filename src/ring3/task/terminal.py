"""Terminals as sessions see them: who has one as controlling terminal, who is in the foreground.

What a terminal is made of (a host tty, one end of a host pty) is the drivers' affair; they ask
here before they read, write or change settings. Source: drivers/tty/tty_jobctrl.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EINVAL, EIO, ENOTTY, ENXIO, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.ioctl import TIOCGPGRP, TIOCGSID, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP
from ring3.abi.signal import SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU
from ring3.core.park import RESTART_SYS, Park
from ring3.task.jobs import is_orphaned, send_to_group
from ring3.task.sending import send_to_process
from ring3.task.siginfo import SigInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.abi.types import Memory
    from ring3.task.process import Process, ProcessGroup, Session
    from ring3.task.task import Task
    from ring3.task.world import World

REQUESTS = frozenset((TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY))
"""The ioctl(2) requests that are about job control."""
LOOK_AGAIN_NS = 20_000_000
"""How long a background call waits at most for the signal it caused to be taken elsewhere."""


class Terminal:
    """One terminal. *rdev* is its device number."""

    __slots__ = ("changed", "foreground", "open", "rdev", "session")

    def __init__(self, rdev: int) -> None:
        self.rdev = rdev
        self.session: Session | None = None
        """The session whose controlling terminal this is."""
        self.foreground: ProcessGroup | None = None
        """The group that may read, and that keys like ^C go to."""
        self.changed: Callable[[], None] = nothing
        """Called when the session or its groups change: the driver looks at ``shared`` again."""
        self.open: Callable[[Any, int], Any] | None = None
        """(who, open flags) -> another open description of this terminal (/dev/tty)."""

    @property
    def shared(self) -> bool:
        """Whether there are background processes to be kept from reading: while there are, all
        I/O has to come by here."""
        return self.session is not None and len(self.session.groups) > 1

    # --- may this caller do that? --------------------------------------------------------------
    def check_read(self, t: Task) -> None:
        """A background process that reads stops (SIGTTIN), or fails with EIO if it cannot."""
        self.check_foreground(t, SIGTTIN)

    def check_change(self, t: Task) -> None:
        """The same for settings, and for output if TOSTOP is set; who ignores SIGTTOU may."""
        self.check_foreground(t, SIGTTOU)

    def check_foreground(self, t: Task, signo: int) -> None:
        process = t.process
        if terminal_of(process) is not self:
            return
        group = process.group
        if self.foreground is None or self.foreground is group:
            return
        blocked = t.sigmask >> (signo - 1) & 1
        if blocked or process.handlers[signo].handler == SIG_IGN:
            if signo == SIGTTIN:
                raise EIO("in the background, and SIGTTIN is ignored")
            return
        if is_orphaned(group):
            raise EIO("in the background, and nobody is left to continue the job")
        send_to_group(group, signo)
        # The signal is pending now and ends this wait. Should another thread have taken it, the
        # call looks again.
        now = t.world.clock.monotonic_ns()
        raise Park(deadline_ns=now + LOOK_AGAIN_NS, restart=RESTART_SYS)

    # --- job control requests ------------------------------------------------------------------
    def control(self, t: Task, memory: Memory, request: int, arg: int, master: bool) -> int:
        """Serve one of ``REQUESTS``. *master*: asked on the other end of a pty."""
        mine = terminal_of(t.process) is self
        if request == TIOCSCTTY:
            return self.take(t, arg)
        if request == TIOCNOTTY:
            if not mine:
                raise ENOTTY("not the caller's controlling terminal")
            give_up(t.process)
            return 0
        if request == TIOCSPGRP:
            return self.set_foreground(t, memory, arg)
        if not mine and not master:
            raise ENOTTY("not the caller's controlling terminal")
        if request == TIOCGSID:
            if self.session is None:
                raise ENOTTY("no session has this terminal")
            number = self.session.sid
        else:
            number = self.foreground.pgid if self.foreground is not None else 0
        memory.store(arg, number.to_bytes(4, "little"))
        return 0

    def set_foreground(self, t: Task, memory: Memory, arg: int) -> int:
        """tcsetpgrp(3)."""
        try:
            self.check_change(t)
        except EIO:
            raise ENOTTY("in an orphaned background group") from None
        session = t.process.session
        if terminal_of(t.process) is not self:
            raise ENOTTY("not the caller's controlling terminal")
        pgid = int.from_bytes(memory.load(arg, 4), "little", signed=True)
        if pgid < 0:
            raise EINVAL("negative process group")
        group = t.world.groups.get(pgid)
        if group is None:
            raise ESRCH
        if group.session is not session:
            raise EPERM("a group of another session")
        self.foreground = group
        self.changed()
        return 0

    def take(self, t: Task, force: int) -> int:
        """TIOCSCTTY: become the controlling terminal of the caller's session."""
        session = t.process.session
        if session.leader is t.process and session is self.session:
            return 0
        if session.leader is not t.process or session.terminal is not None:
            raise EPERM("not a session leader without a terminal")
        if self.session is not None:
            if force != 1 or not t.cred.capable(CAP_SYS_ADMIN):
                raise EPERM("the terminal of another session")
            self.release()
        self.attach(session)
        return 0

    # --- sessions ------------------------------------------------------------------------------
    def opened(self, t: Any, readable: bool) -> None:
        """open(2) without O_NOCTTY: a session leader that has no terminal gets this one."""
        process = getattr(t, "process", None)
        if process is None or not readable or self.session is not None:
            return
        session = process.session
        if session.leader is process and session.terminal is None:
            self.attach(session)

    def attach(self, session: Session) -> None:
        leader = session.leader
        self.session = session
        self.foreground = leader.group if leader is not None else None
        session.terminal = self
        self.changed()

    def release(self) -> None:
        """No session's terminal any more."""
        if self.session is not None:
            self.session.terminal = None
        self.session = self.foreground = None
        self.changed()

    def signal(self, signo: int) -> None:
        """Send *signo* to the foreground, as a key does."""
        if self.foreground is not None:
            send_to_group(self.foreground, signo)

    def resume(self) -> None:
        """Continue the foreground and the leader's group: ring3 itself was continued."""
        session = self.session
        if session is None:
            return
        groups = {self.foreground, session.leader.group if session.leader is not None else None}
        for group in groups:
            if group is not None:
                send_to_group(group, SIGCONT)

    def hang_up(self) -> None:
        """The line is gone: the session leader is told, the session has no terminal any more."""
        session = self.session
        if session is None:
            return
        leader, front = session.leader, self.foreground
        session.hung_up = front
        self.release()
        if leader is not None and leader.state != "zombie":
            send_to_process(leader, SigInfo(SIGHUP))
            send_to_process(leader, SigInfo(SIGCONT))


def nothing() -> None:
    """Nobody follows this terminal."""


def terminal_of(process: Process) -> Terminal | None:
    """The controlling terminal of *process*."""
    terminal: Terminal | None = process.session.terminal
    return None if process.without_terminal else terminal


def give_up(process: Process) -> None:
    """TIOCNOTTY. A leader takes the terminal from its whole session and hangs up on the
    foreground; anyone else goes without one alone."""
    session = process.session
    if session.leader is not process:
        process.without_terminal = True
        return
    terminal: Terminal = session.terminal
    front = terminal.foreground
    terminal.release()
    if front is not None:
        send_to_group(front, SIGHUP)
        send_to_group(front, SIGCONT)


def leader_gone(process: Process) -> None:
    """A session leader ends: the foreground group is hung up, the terminal is free."""
    session = process.session
    terminal: Terminal | None = session.terminal
    if terminal is not None:
        front = terminal.foreground
        terminal.release()
        if front is not None:
            send_to_group(front, SIGHUP)
    elif session.hung_up is not None:
        front, session.hung_up = session.hung_up, None
        send_to_group(front, SIGHUP)
        send_to_group(front, SIGCONT)


def open_controlling(who: Any, flags: int) -> Any:
    """/dev/tty: another open description of the caller's controlling terminal. ENXIO."""
    process = getattr(who, "process", None)
    terminal = terminal_of(process) if process is not None else None
    if terminal is None or terminal.open is None:
        raise ENXIO("the process has no controlling terminal")
    return terminal.open(who, flags)


class Terminals:
    """Every terminal of a world; made when the first one is (``World.terminals``)."""

    __slots__ = ("known", "world")

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[int, Terminal] = {}
        """By device number."""

    def make(self, rdev: int) -> Terminal:
        found = self.known[rdev] = Terminal(rdev)
        return found

    def forget(self, terminal: Terminal) -> None:
        if self.known.get(terminal.rdev) is terminal:
            del self.known[terminal.rdev]
