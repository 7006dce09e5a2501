"""Processes, process groups and sessions."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core.park import WaitQueue

if TYPE_CHECKING:
    from ring3.task.signals import Handlers, PendingSignals
    from ring3.task.task import Task
    from ring3.task.world import World


class Session:
    """setsid(2): the process groups that share a controlling terminal."""

    __slots__ = ("groups", "hung_up", "leader", "sid", "terminal", "watched")

    def __init__(self, sid: int, leader: Process | None) -> None:
        self.sid = sid
        self.leader = leader
        self.terminal: Any = None
        """The controlling terminal (task.terminal.Terminal), or None."""
        self.hung_up: ProcessGroup | None = None
        """What was the foreground group when the terminal was hung up."""
        self.watched = False
        """Somebody outside (the caller of ring3) continues the leader's group when it stops."""
        self.groups: set[ProcessGroup] = set()


class ProcessGroup:
    """setpgid(2): the processes a terminal's signals go to together."""

    __slots__ = ("members", "pgid", "session")

    def __init__(self, pgid: int, session: Session) -> None:
        self.pgid = pgid
        self.session = session
        self.members: set[Process] = set()
        session.groups.add(self)
        if session.terminal is not None:
            session.terminal.changed()


class Process:
    """A thread group."""

    def __init__(self, world: World, pid: int, parent: Process | None) -> None:
        from ring3.task.signals import Handlers, PendingSignals

        self.world = world
        self.pid = pid
        self.parent = parent
        self.children: dict[int, Process] = {}
        self.threads: dict[int, Task] = {}
        """Live threads by id. The leader stays in ``leader`` even after it exited."""
        self.leader: Task | None = None
        self.group: ProcessGroup
        self.state = "running"
        """"running", "stopped", "dying" (fatal signal or exit_group under way), "zombie"."""
        self.exit_status = 0
        """wait(2) status, valid from "dying" on."""
        self.exit_signal = 0
        self.is_clone_child = False
        """Made with an exit signal other than SIGCHLD (__WCLONE waits for such)."""
        self.wait_event: tuple[str, int] | None = None
        """An unreported stop ("stopped", signal) or continue ("continued", 0)."""
        self.child_event = WaitQueue()
        """Woken when a child of this process changes state."""
        self.exit_event = WaitQueue()
        """Woken when this process becomes a zombie (pidfd)."""
        self.pending: PendingSignals = PendingSignals()
        self.handlers: Handlers = Handlers()
        self.subreaper = False
        self.dumpable = 1
        self.no_new_privs = False
        self.keep_caps = False
        self.parent_death_signal = 0
        self.did_exec = False
        self.limits: dict[int, tuple[int, int]] = {}
        """RLIMIT_* -> (soft, hard); what is not in here is unlimited."""
        self.exe: Any = None
        """The path (vfs) of the program that runs."""
        self.text: Any = None
        """The inode of its program, counted there (``lifecycle.set_program``)."""
        self.command_line = b""
        self.environment = b""
        """argv and envp as they were at exec, NUL-separated."""
        self.auxv = b""
        self.start_ns = world.clock.monotonic_ns()
        self.rusage: Any = None
        """Host resource usage, once the process is gone."""
        self.children_rusage: Any = None
        """Sum over the children waited for."""
        self.timers: dict[int, Any] = {}
        """POSIX timers by id, and the three interval timers (task/timers.py)."""
        self.next_timer = 0
        """The id that timer_create tries first."""
        self.switches: dict[int, int] = {}
        """prctl(2) settings that only have to be remembered; fork copies them."""
        self.nice = 0
        self.oom_score_adj = 0
        self.personality = 0
        self.mapped_files: list[Any] = []
        """Inodes that a mapping keeps alive until exec or exit."""
        self.map_places: dict[Any, Any] = {}
        """Inode -> the place it was mapped by, for the names in /proc/PID/maps."""
        self.coredump_filter = 0x33
        self.without_terminal = False
        """TIOCNOTTY: it gave up the session's controlling terminal for itself."""

    def __hash__(self) -> int:
        return self.pid

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def session(self) -> Session:
        return self.group.session

    def join(self, group: ProcessGroup) -> None:
        """Move to *group*, leaving the present one; an empty group or session disappears."""
        old = getattr(self, "group", None)
        self.group = group
        group.members.add(self)
        self.world.groups[group.pgid] = group
        if old is not None and old is not group:
            leave_group(self.world, self, old)

    def leave(self) -> None:
        """The process is reaped: it leaves its group for good."""
        leave_group(self.world, self, self.group)


def leave_group(world: World, process: Process, group: ProcessGroup) -> None:
    group.members.discard(process)
    if group.members:
        return
    if world.groups.get(group.pgid) is group:
        del world.groups[group.pgid]
    session = group.session
    session.groups.discard(group)
    if not session.groups and world.sessions.get(session.sid) is session:
        del world.sessions[session.sid]
