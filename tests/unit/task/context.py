"""A vehicle's user context that a test holds in its hands, and a clock that it turns."""

from __future__ import annotations

from typing import Any

from ring3.core.clock import Clock
from ring3.machine.base import Registers
from ring3.task.signals import deliver
from ring3.task.task import Task
from tests.unit.fakes import Kitchen

STACK_SIZE = 65536
WORD = 1 << 64


class Context:
    """UserContext: the registers after a system call (``call_nr`` 0 or more) or anywhere."""

    def __init__(self, rsp: int, rax: int = 0, call_nr: int = -1, fpstate: bytes = b"") -> None:
        self.regs = Registers(range(100, 100 + len(Registers.NAMES)))
        self.regs.rsp = rsp
        self.regs.rip = 0x401002
        self.regs.rax = rax % WORD
        self.regs.eflags = 0x246
        self.call_nr = call_nr
        self.fpstate = fpstate
        self.restored: bytes | None = None

    def load_fpstate(self) -> bytes:
        return self.fpstate

    def store_fpstate(self, data: bytes) -> None:
        self.restored = data

    def values(self) -> dict[str, int]:
        return {name: getattr(self.regs, name) for name in Registers.NAMES}


def stack(k: Kitchen) -> int:
    """The top of a fresh stack."""
    return k.memory.room(STACK_SIZE) + STACK_SIZE - 64


def returning(k: Kitchen, t: Task, result: int = 0, call_nr: int = -1) -> tuple[str, Context]:
    """Let *t* return to user mode from a call: the verdict, and the context it goes on with."""
    context = Context(stack(k), result, call_nr)
    return deliver(t, context), context


class SlowVehicle:
    """Returns through a Context at once, as the machine would."""

    def __init__(self, k: Kitchen, t: Task) -> None:
        self.context = Context(stack(k))
        self.task = t
        self.verdict = ""
        self.calls: list[tuple[int, Any]] = []
        t.vehicle = self  # type: ignore[assignment]

    def slow_return(self, result: int, edit: Any = None) -> int:
        self.context.regs.rax = result
        self.context.call_nr = 0
        if edit is not None:
            edit(self.context)
        self.verdict = deliver(self.task, self.context)
        rax = self.context.regs.rax
        return rax - WORD if rax >> 63 else rax

    def host_call(self, nr: int, args: Any) -> int:
        self.calls.append((nr, tuple(args)))
        return 0

    def interrupt(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...


class HandClock(Clock):
    """Time stands still until a test moves it."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now

    def realtime_ns(self) -> int:
        return self.now + 1_700_000_000_000_000_000 + self.realtime_offset_ns

    def pass_time(self, ns: int) -> None:
        """Move on by *ns*, ringing every timer at its time."""
        end = self.now + ns
        while (first := self.next_deadline_ns()) is not None and first <= end:
            self.now = max(self.now, first)
            self.run_due()
        self.now = end


def hand_clock(k: Kitchen) -> HandClock:
    clock = HandClock()
    k.world.clock = clock
    return clock
