"""The way back to user mode: results of calls, signals, what a thread that lost the CPU needs."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.machine.base import Deferred, Result
from ring3.machine.emulated.rseq import restart_sequence
from ring3.machine.emulated.thread import BLOCKED, GONE, HELD, READY
from ring3.machine.emulated.usercopy import UserMemory

if TYPE_CHECKING:
    from ring3.machine.emulated.context import EmulatedContext
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.thread import EmulatedVehicle


class WayBack:
    """What threads take with them when they leave the kernel."""

    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine

    def reply(self, task: Any, result: Result) -> None:
        """A call that waited has its result: the thread is ready to take it."""
        v: EmulatedVehicle = task.vehicle
        if v.state is GONE:
            return
        v.outcome = result
        self.machine.make_ready(v)

    def settle(self, v: EmulatedVehicle, result: Result | None) -> None:
        """Take a result: *v* has the CPU."""
        if v.state is GONE:
            return
        if result is None:
            v.state = BLOCKED
        elif isinstance(result, Deferred):
            result.begin(self.machine, v)  # type: ignore[attr-defined]
        else:
            if v.task.fds.changes:
                v.task.fds.changes.clear()
            v.set_frame_field("rax", result)
            if v.task.abi is not v.abi:
                self.set_abi(v, v.abi)
            v.state = READY

    def finished(self, v: EmulatedVehicle, result: int) -> None:
        """A Deferred has come to its end with *result*."""
        then, v.pending_then = v.pending_then, None
        outcome: Result | None = result
        if then is not None:
            outcome = then(result)
        if outcome.__class__ is int:
            outcome = self.machine.supervisor.complete(v.task, outcome)
        self.settle(v, outcome)

    def set_abi(self, v: EmulatedVehicle, abi: str) -> None:
        """The interface of the call under way: int 0x80 in 64-bit code takes 32-bit words."""
        v.task.abi = abi
        word = 64 if abi == "x86_64" else 32
        memory = v.space.memory
        v.task.memory = memory if word == v.space.word else UserMemory(self.machine, v.space, word)

    def user_work(self, v: EmulatedVehicle) -> bool:
        """Before the return to user mode: signals. False if the thread is not to go on."""
        if v.preempted:
            restart_sequence(v)
        while v.notify:
            v.notify = False
            self.to_user(v, v.context())
            if v.state is not READY:
                return False
        return True

    def to_user(self, v: EmulatedVehicle, context: EmulatedContext) -> None:
        v.notify = False
        go = self.machine.supervisor.user_return(v.task, context)
        self.end_of_trap(v, context, go)

    def end_of_trap(self, v: EmulatedVehicle, context: EmulatedContext, go: bool) -> None:
        v.call_nr = context.call_nr
        if v.state is GONE:
            return
        context.commit()
        if go:
            v.state = READY
        else:
            v.state = HELD
