"""What all tasks of one kernel share."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core.clock import Clock
from ring3.core.light import deque
from ring3.core.log import KernelLog
from ring3.core.park import WaitQueue
from ring3.core.random import Random
from ring3.core.reactor import Reactor
from ring3.ipc.space import IpcSpace
from ring3.task.refusals import Refusals
from ring3.task.terminal import Terminals

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.base import Machine, Supervisor
    from ring3.task.process import Process, ProcessGroup, Session
    from ring3.task.siginfo import SignalUser
    from ring3.task.task import Task

PID_MAX = 4_194_304
RELEASE = b"7.2.0-ring3"
"""uname's: the Linux whose interface this kernel has (ring3.abi)."""


class World:
    """One guest world: its clock, its pids, its names, and what is ready to run.

    *clock* and *random*: the host's where not given. *own_objects*: pipes, counters, files in
    memory and terminals are the kernel's own, with no host object behind them.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        random: Random | None = None,
        own_objects: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.random = random or Random()
        """Where all that is random for the guests comes from."""
        self.reactor = Reactor()
        self.log = KernelLog(self.clock)
        self.machine: Machine
        self.forced_own = own_objects
        self.supervisor: Supervisor
        self.ready: deque[Task] = deque()
        """Tasks whose parked call is to be run again."""
        self.completed: deque[tuple[Task, int]] = deque()
        """Tasks whose parked call got its result without running again."""
        self.tasks: dict[int, Task] = {}
        """Every live thread by its id."""
        self.processes: dict[int, Process] = {}
        """Every process, zombies included, by its pid."""
        self.groups: dict[int, ProcessGroup] = {}
        self.sessions: dict[int, Session] = {}
        self.init: Process
        """Process 1, made by the kernel: adopts and reaps orphans."""
        self.last_pid = 0
        self.boot_ns = self.clock.monotonic_ns()
        self.forks = 0
        self.hostname = b"ring3"
        self.domainname = b"(none)"
        self.release = RELEASE
        self.version = b"#1 SMP PREEMPT_DYNAMIC ring3"
        self.refusals = Refusals()
        self.observers: list[Any] = []
        """Who sees the calls, signals and stops of tasks with the OBSERVED bit."""
        self.signal_users: dict[int, SignalUser] = {}
        """Real uid -> its count of queued signals (RLIMIT_SIGPENDING)."""
        self.clock_set = WaitQueue()
        """Woken when the wall clock is set: absolute sleepers look at it again."""
        self.futexes: Any = None
        """task.futex.Futexes, once somebody waits there."""
        self.limits: dict[str, int] = {}
        self.ipc = IpcSpace()
        self.memfds: Any = None
        """The mount of all memfds, made with the first: nobody can see into it."""
        self.mounts: Any = None
        """The initial mount namespace (vfs)."""
        self.net: Any = None
        """The network (net.network.Network), made when the first socket is."""
        self.terminals = Terminals(self)
        self.on_stop: Callable[[], None] | None = None
        """Called when a first process, which somebody outside can continue, has stopped."""
        self.disks: dict[int, Any] = {}
        """Block devices (drivers.block.BlockDevice) by device number."""
        self.ptys: Any = None
        """Pseudo-terminals (drivers.pty.PtyTable), made with the default view."""

    @property
    def own_objects(self) -> bool:
        """Pipes, sockets, counters, timers, terminals and files in memory are the kernel's own,
        with nothing of the host underneath: nobody could bind the host's. (A test may ask for
        that on a machine that can.)"""
        return self.forced_own or not self.machine.can_bind

    def new_pid(self) -> int:
        """The next free id, counting on from the last one as Linux does."""
        pid = self.last_pid
        while True:
            pid = pid + 1 if pid < PID_MAX else 300
            if (
                pid not in self.tasks
                and pid not in self.processes
                and pid not in self.groups
                and pid not in self.sessions
            ):
                self.last_pid = pid
                return pid
