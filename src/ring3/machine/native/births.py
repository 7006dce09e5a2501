"""Children between the host's clone and their first word.

A child becomes a vehicle when it rings with its cookie (a process) or when its parent tells its
number (a thread, a vfork child). Either may be killed before that, by the host too, and a forged
number may be told. So every birth ends in one of four ways: the child is adopted; the parent tells
of a failure; the child dies, which its pidfd tells once the number is known; or the parent dies
first, and a child that has not rung soon after is taken for dead. What lives then and belongs to
nobody is found among our host children and ended.
"""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core.light import signal
from ring3.machine.native.vehicle import HostProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.operations import Clone
    from ring3.machine.native.vehicle import NativeVehicle

PATIENCE_NS = 500_000_000
"""Time a new host process has to ring once its parent is dead."""


class Births:
    def __init__(self, machine: NativeMachine) -> None:
        self.machine = machine
        self.cookies: dict[int, tuple[Any, Callable[[int], None]]] = {}
        """Rings that are expected: the task, and what follows."""
        self.early: dict[int, list[tuple[int, int, int, tuple[int, ...]]]] = {}
        """Traps of threads whose parent has not yet reported their number."""
        self.unborn: dict[int, Clone] = {}
        """Clones under way, by the thread that makes the child."""
        self.newborn: dict[int, HostProcess] = {}
        """Host processes whose parent has told of them and that have not rung yet."""
        self.suspects: set[int] = set()
        """Host processes that the last sweep could not tell the parents of."""
        self.under_way: set[Any] = set()
        """The births that might have explained them."""

    # --- rings -----------------------------------------------------------------------------------
    def expect(self, child: Any, born: Callable[[int], None]) -> int:
        """The cookie with which the host process of *child* will ring; *born* gets its number."""
        cookie = int.from_bytes(os.urandom(7), "little")
        self.cookies[cookie] = child, born
        return cookie

    def rang(self, cookie: int, tid: int) -> bool:
        """Host process *tid* says it is the one with *cookie*. False: nobody expects it."""
        expected = self.cookies.pop(cookie, None)
        if expected is None:
            return False
        child, born = expected
        try:
            born(tid)
        except OSError as bad:  # no descriptor left to hold it by
            self.machine.say(f"pid {child.process.pid}: not born: {bad}")
            self.end(tid)
            self.machine.supervisor.process_gone(child.process, signal.SIGKILL, None)
        return True

    def forget(self, cookie: int) -> bool:
        """No ring is expected any more. Whether one was."""
        return self.cookies.pop(cookie, None) is not None

    def host_process(self, tid: int, process: Any) -> HostProcess:
        """The host process of a child that rang; its parent may have told of it already."""
        known = self.newborn.pop(tid, None)
        if known is None:
            return HostProcess(tid, process)
        self.machine.reactor.forget(known.pidfd)  # ``register`` watches it as any other
        return known

    # --- what parents tell -----------------------------------------------------------------------
    def is_newborn(self, v: NativeVehicle, tid: int, thread: bool) -> bool:
        """Whether *tid* can be what *v*'s clone made. The number comes from memory that other
        threads of the guest write: it must not name another vehicle, or a stranger on the host."""
        machine = self.machine
        if tid <= 0 or tid in machine.vehicles or tid in machine.processes:
            return False
        if thread:
            return os.access(f"/proc/{v.process.pid}/task/{tid}", os.F_OK)
        return self.is_ours(tid)

    def is_ours(self, tid: int) -> bool:
        """Whether host process *tid* was made by a vehicle: they never leave their session."""
        zygote = self.machine.zygote
        try:
            return zygote is not None and os.getsid(tid) == zygote.tid
        except OSError:
            return False

    def told(self, child: Any, tid: int, died: Callable[[], object]) -> bool:
        """Host process *tid* was made for *child* and has not rung yet. Should it die before it
        does, its guest process is dead too, and *died* is called. Whether that can be seen."""
        machine = self.machine
        try:
            process = HostProcess(tid, child.process)
        except OSError:
            return False  # out of descriptors: then only its ring tells of it

        def dead() -> None:
            self.newborn.pop(tid, None)
            machine.reap(process)
            died()

        self.newborn[tid] = machine.processes[tid] = process
        machine.reactor.on_readable(process.pidfd, dead)
        return True

    def begin(self, v: NativeVehicle, clone: Clone) -> None:
        """*v* is about to have the host make a process."""
        self.unborn[v.tid] = clone

    def end_of(self, v: NativeVehicle) -> bool:
        """*v*'s clone is over. False: it was already."""
        return self.unborn.pop(v.tid, None) is not None

    # --- what nobody tells -----------------------------------------------------------------------
    def parent_died(self, v: NativeVehicle) -> None:
        """*v* is gone, perhaps in the middle of a clone. A child that was made rings soon."""
        clone = self.unborn.pop(v.tid, None)
        if clone is not None:
            self.later(lambda: self.give_up(clone))

    def give_up(self, clone: Clone) -> None:
        """The parent has been dead for a while: the child rang, or its death will be seen, or it
        never lived."""
        cookie, child = clone.cookie, clone.child
        if not clone.told and not (cookie and cookie not in self.cookies):
            self.cookies.pop(cookie, None)
            if not child.exiting:
                self.machine.supervisor.process_gone(child.process, signal.SIGKILL, None)
        self.sweep()

    def sweep(self) -> None:
        """End host processes that nobody adopted: their parents died before they could tell.

        One that a birth under way may explain is looked at again once that is over.
        """
        machine = self.machine
        if machine.closing:
            return
        for tid in [tid for tid in self.early if not os.path.exists(f"/proc/{tid}")]:
            del self.early[tid]
        strays = {tid for tid in self.children() if self.is_stray(tid)}
        births = {*self.unborn.values(), *self.cookies}
        if not self.under_way & births:
            for tid in strays & self.suspects:
                self.early.pop(tid, None)
                self.end(tid)
            strays -= self.suspects
            self.suspects, self.under_way = strays, births
        if strays:
            self.later(self.sweep)

    def is_stray(self, tid: int) -> bool:
        return tid not in self.machine.processes and self.is_ours(tid)

    def children(self) -> set[int]:
        """The host processes we are the parent of, and who trapped without being known."""
        found = set(self.early)
        for thread in os.listdir("/proc/self/task"):
            try:
                with open(f"/proc/self/task/{thread}/children") as file:
                    found.update(map(int, file.read().split()))
            except OSError:
                continue  # the thread ended, or the host was built without this file
        return found

    def end(self, tid: int) -> None:
        """Kill a host process that nobody adopted, and collect it."""
        machine = self.machine
        if tid in machine.processes or not self.is_ours(tid):
            return
        try:
            process = HostProcess(tid, None)
        except OSError:  # no descriptor left, or it is a thread: ``release`` collects it
            os.kill(tid, signal.SIGKILL)
            return
        machine.processes[tid] = process
        machine.reactor.on_readable(process.pidfd, lambda: machine.reap(process))
        machine.kill(process)

    def later(self, action: Callable[[], None]) -> None:
        clock = self.machine.clock
        clock.arm(clock.monotonic_ns() + PATIENCE_NS, Timer(action))


class Timer:
    """Something to do when a deadline has passed."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action

    def expire(self) -> None:
        self.action()
