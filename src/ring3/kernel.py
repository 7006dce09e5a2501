"""Assembly: the only file that knows every room.

A :class:`Kernel` is one guest world with its machine. It serves its guests on a thread of its own
until ``close``; the methods here may be called from any thread.
"""

from __future__ import annotations

import _thread
import importlib
import os

from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.signal import SI_KERNEL, SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGXCPU, SIGXFSZ
from ring3.core.hostos import caller
from ring3.core.latch import Latch
from ring3.core.park import Park
from ring3.machine.base import Fault, Result, UserContext
from ring3.syscalls.families import FAMILIES
from ring3.syscalls.trap import Gate, any_attention
from ring3.task.lifecycle import new_init, process_gone
from ring3.task.limits import default_limits, raise_own_limit
from ring3.task.signals import RUN, SigInfo, deliver, force, send_to_task
from ring3.task.task import FILTERED, OBSERVED, Task
from ring3.vfs import file as files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.syscalls.events import Observer
    from ring3.syscalls.trap import Filter
    from ring3.task.process import Process
    from ring3.task.world import World

HOST_MADE = frozenset((SIGPIPE, SIGXFSZ, SIGXCPU, SIGTTIN, SIGTTOU))
"""Signals the host raises because of a call that ran natively: they are the caller's."""


def load_calls() -> None:
    """Import every family of system calls: each enters its handlers in the table.

    A kernel does without: its table imports a family at its first trap (``syscalls.families``).
    """
    for family in FAMILIES:
        importlib.import_module(f"ring3.syscalls.{family}")


class Supervision:
    """What the machine asks of the kernel (machine.base.Supervisor)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gate = gate = Gate(world)
        self.serve = gate.serve
        self.complete = gate.complete
        self.drain = gate.drain
        world.observers = gate.observers

    def park(self, task: Task, park: Park) -> Result | None:
        return self.gate.park(task, park)

    def user_return(self, task: Task, context: UserContext) -> bool:
        """Signals, restarts, stops: whether the vehicle may go on."""
        return deliver(task, context) == RUN

    def fault(self, task: Task, fault: Fault, context: UserContext) -> bool:
        if fault.signo in HOST_MADE:
            send_to_task(task, SigInfo(fault.signo, SI_KERNEL))
        else:
            info = SigInfo(fault.signo, fault.code, addr=fault.address)
            info.trapno, info.error = fault.trapno, fault.error
            force(task, info)
        return self.user_return(task, context)

    def process_gone(self, process: Process, status: int, usage: Any) -> None:
        process_gone(process, status, usage)

    def vehicle_lost(self, task: Task, signo: int) -> None:
        process = task.process
        if process.state != "dying":
            process.state = "dying"
            process.exit_status = signo
        for other in list(process.threads.values()):
            other.unpark()


class GuestProcess:
    """A program started by ``Kernel.spawn``: wait for it, signal it."""

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self.kernel = kernel
        self.process = process
        self.pid = process.pid
        self.gone = Latch()
        process.exit_event.add(self)

    # A waiter in the process's exit queue.
    def woken(self, queue: Any) -> None:
        queue.remove(self)
        self.gone.set()

    finished: Any = None

    def wait(self, timeout: float | None = None) -> int:
        """The wait(2) status. Raises TimeoutError after *timeout* seconds, RuntimeError if the
        kernel broke down."""
        if not self.gone.wait(timeout):
            raise TimeoutError(f"pid {self.pid} still runs after {timeout} s")
        return self.process.exit_status

    def send_signal(self, signo: int) -> None:
        from ring3.task.signals import send_to_process

        with self.kernel.lock:
            if self.process.state != "zombie":
                send_to_process(self.process, SigInfo(signo, SI_KERNEL))
            self.kernel.settle()


class Kernel:
    """A guest world. See ``docs/reference/python.md`` for the options."""

    def __init__(
        self,
        *,
        profile: str = "fast",
        machine: str = "native",
        root: str | None = None,
        rw: Sequence[str] = (),
        ro: Sequence[str] = (),
        env: dict[str, str] | None = None,
        uid: int | None = None,
        gid: int | None = None,
        groups: Sequence[int] | None = None,
        cwd: str | None = None,
        hostname: str = "ring3",
        seed: int | None = None,
        memory: int | None = None,
    ) -> None:
        from ring3.kernel_setup import build_view, new_machine, new_world, register_openers

        self.world = new_world(machine, profile, seed)
        self.world.hostname = hostname.encode()
        if memory is not None:
            self.world.limits["memory"] = memory
        self.supervision = Supervision(self.world)
        self.world.supervisor = self.supervision
        self.default_limits = default_limits(fixed=self.world.random.seeded)
        raise_own_limit()
        self.env = env
        my_uid, my_gid, my_groups = caller()
        self.uid = my_uid if uid is None else uid
        self.gid = my_gid if gid is None else gid
        self.groups = my_groups if groups is None else tuple(groups)
        self.cwd = os.getcwd() if cwd is None else cwd
        register_openers(self.world)
        new_init(self.world)
        self.view = build_view(self, root, rw, ro)
        self.mounts = self.view.table
        self.machine: Any = new_machine(self, machine, profile)
        self.world.machine = self.machine
        if self.machine.can_bind:
            files.binders.append(self.machine.bindings.rebound)
        self.lock: Any = self.machine.lock
        self.closed = False
        self.memory_watch: Any = None
        """Enforces the limit "memory" of the world, once a program runs."""
        self.ended = Latch()
        """The thread that serves traps is over."""
        self.start_thread()

    def start_thread(self) -> None:
        """Boot the machine on the thread that will serve it; raise what it raised."""
        machine: Any = self.machine
        ready = Latch()

        def serve() -> None:
            try:
                machine.serve(ready.set)
            finally:
                self.ended.set()

        _thread.start_new_thread(serve, ())
        ready.wait()
        if machine.failure is not None:
            raise machine.failure

    # --- observing -------------------------------------------------------------------------------
    def add_observer(self, observer: Observer) -> None:
        """Tell *observer* of every call of every task from now on."""
        with self.lock:
            self.supervision.gate.observers.append(observer)
            for task in self.world.tasks.values():
                task.attention |= OBSERVED

    def add_filter(self, judge: Filter) -> None:
        """Have ``judge(task, nr, name, args)`` look at every call before its handler: an int is
        the call's result, None lets it go on."""
        with self.lock:
            self.supervision.gate.filters.append(judge)
            for task in self.world.tasks.values():
                task.attention |= FILTERED

    # --- programs --------------------------------------------------------------------------------
    def spawn(
        self,
        argv: Sequence[str | bytes],
        *,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        stdin: int | None = 0,
        stdout: int | None = 1,
        stderr: int | None = 2,
    ) -> GuestProcess:
        """Start a program. The three descriptors are the host's; None leaves one closed.

        Raises FileNotFoundError, PermissionError or OSError as execve(2) would fail.
        """
        from ring3.kernel_setup import start_program

        with self.lock:
            try:
                process = start_program(
                    self, argv, env if env is not None else self.env, cwd or self.cwd,
                    (stdin, stdout, stderr),
                )  # fmt: skip
            except Errno as bad:
                raise OSError(bad.number, bad.reason or bad.text, os.fspath(argv[0])) from None
            guest = GuestProcess(self, process)
            self.settle()
        return guest

    def settle(self) -> None:
        """Run what the caller made ready (kernel locked)."""
        self.supervision.drain()
        self.world.reactor.interrupt()

    def first_attention(self) -> int:
        gate = self.supervision.gate
        return any_attention(gate.observers, gate.filters)

    def log(self) -> str:
        """The kernel log, as dmesg prints it."""
        return self.world.log.text()

    def close(self) -> None:
        """End every guest and give everything back."""
        if self.closed:
            return
        self.closed = True
        machine: Any = self.machine
        with self.lock:
            machine.close()
        if machine.can_bind:
            files.binders.remove(machine.bindings.rebound)
        if not self.ended.wait(10):
            return  # it hangs in a host call: what it may still use stays open
        with self.lock:
            machine.release()
            for task in list(self.world.tasks.values()):
                if hasattr(task, "fds"):  # else its birth failed half way
                    task.fds.release()
            if self.world.ptys is not None:
                self.world.ptys.close()
            self.view.close()
            if self.world.net is not None:
                self.world.net.close()
            self.world.reactor.close()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


__all__ = ["SIGCHLD", "GuestProcess", "Kernel"]
