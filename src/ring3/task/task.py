"""Threads of guests, as the kernel sees them."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.core.park import UNINTERRUPTIBLE, Park, WaitQueue
from ring3.machine.base import Unborn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.abi.types import Memory
    from ring3.core.clock import Timer
    from ring3.machine.base import AddressSpace, Vehicle
    from ring3.task.credentials import Credentials
    from ring3.task.fdtable import FdTable
    from ring3.task.process import Process
    from ring3.task.signals import AltStack, PendingSignals, SigInfo
    from ring3.task.world import World
    from ring3.vfs.context import FsContext

# Bits of Task.attention: why the gate has to leave its fast path. One word, tested once.
SIGNALS: Final = 1
"""A signal that is not blocked is pending, or the process has to stop or die."""
OBSERVED: Final = 2
"""Somebody wants enter and exit events."""
FILTERED: Final = 4
"""seccomp, pledge or an injection looks at calls first."""
SWAPPED_MASK: Final = 8
"""``saved_mask`` has to be put back before the return to user mode (sigsuspend, ppoll)."""


UNBORN: Any = Unborn()


class Parked:
    """A call that waits: everything needed to run it again."""

    __slots__ = ("deadline_ns", "queues", "restart", "timer")

    def __init__(self, park: Park) -> None:
        self.queues = park.queues
        self.restart = park.restart
        self.deadline_ns = park.deadline_ns
        self.timer: Timer | None = None


class Task:
    """One guest thread. Stands in wait queues itself while its call is parked."""

    __slots__ = (
        "abi",
        "alt_stack",
        "args",
        "attention",
        "clear_child_tid",
        "comm",
        "cred",
        "exiting",
        "fds",
        "fs",
        "held",
        "interrupted",
        "memo",
        "memory",
        "notices",
        "nr",
        "parked",
        "pending",
        "process",
        "restart_block",
        "robust_list",
        "saved_mask",
        "sched",
        "seccomp",
        "sigmask",
        "space",
        "tid",
        "vehicle",
        "vfork_done",
        "world",
    )

    def __init__(self, world: World, tid: int, process: Process) -> None:
        from ring3.task.signals import AltStack, PendingSignals

        self.world = world
        self.tid = tid
        self.process = process
        self.abi = "x86_64"
        self.vehicle: Vehicle = UNBORN
        self.space: AddressSpace
        self.memory: Memory
        self.fds: FdTable
        self.fs: FsContext
        self.cred: Credentials
        self.comm = b""
        self.attention = 0
        # The call under way.
        self.nr = -1
        self.args: Sequence[int] = ()
        self.parked: Parked | None = None
        self.memo: Any = None
        """What a parked call must remember: absolute deadline, bytes done, arguments that must
        not be read twice. Picklable; dropped by the gate when the call is over."""
        self.interrupted = False
        """A signal arrived while the call was parked: it may finish if it can, but not park."""
        self.restart_block: Any = None
        """What restart_syscall(2) goes on with: (nr, args, memo) of the call that a stop or a
        signal without handler broke off with -516."""
        self.held: Any = None
        """The machine's reply, kept back while the process is stopped."""
        # Signals.
        self.sigmask = 0
        self.saved_mask = 0
        self.pending: PendingSignals = PendingSignals()
        self.alt_stack: AltStack = AltStack()
        self.notices: list[SigInfo] = []
        """Ignored signals that an observer shall see at the next return to user mode."""
        # Thread data that outlives calls.
        self.clear_child_tid = 0
        self.robust_list = 0
        self.vfork_done: WaitQueue | None = None
        """The parent waits here until this task execs or exits."""
        self.sched: Any = None
        """Scheduling policy and parameters (syscalls/sched.py)."""
        self.seccomp: Any = None
        """Mode and filters (syscalls/seccomp.py), with the FILTERED bit set."""
        self.exiting = False

    # --- standing in wait queues ---------------------------------------------------------------
    def park(self, park: Park) -> None:
        """Stand in the queues of *park*; the gate calls this."""
        self.parked = parked = Parked(park)
        for queue in park.queues:
            queue.add(self)
        if park.deadline_ns is not None:
            parked.timer = self.world.clock.arm(park.deadline_ns, self)

    def unpark(self) -> None:
        """Leave every queue. The call will be run again or completed."""
        parked = self.parked
        if parked is None:
            return
        self.parked = None
        for queue in parked.queues:
            queue.remove(self)
        if parked.timer is not None:
            parked.timer.cancel()

    def woken(self, queue: WaitQueue) -> None:
        self.ready()

    def finished(self, queue: WaitQueue, result: int) -> None:
        self.unpark()
        self.world.completed.append((self, result))

    def expire(self) -> None:
        """The parked call's deadline has passed: it runs again and finds out."""
        self.ready()

    def ready(self) -> None:
        if self.parked is not None:
            self.unpark()
            self.world.ready.append(self)

    def interrupt(self) -> None:
        """A signal is to be delivered: make the task enter the kernel, or leave its parked call."""
        self.attention |= SIGNALS
        if self.parked is not None:
            if self.parked.restart != UNINTERRUPTIBLE:
                self.interrupted = True
                self.ready()
        elif not self.exiting:
            self.vehicle.interrupt()
