"""A world without a machine in which calls are filmed: fake memory, the real gate."""

from __future__ import annotations

from typing import Any

from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.explain.compose import compose
from ring3.explain.film import Film
from ring3.explain.recorder import Recorder
from ring3.explain.selection import Selection
from ring3.machine.base import Area
from ring3.syscalls.trap import Gate
from ring3.task.task import FILTERED, OBSERVED, Task
from tests.unit.fakes import Kitchen


class FakeSpace:
    def __init__(self, kitchen: Kitchen) -> None:
        memory = kitchen.memory
        end = memory.base + len(memory.bytes)
        self.list = [Area(memory.base, end, "rw-", False, 0, 0, b"[heap]")]

    def areas(self) -> list[Area]:
        return self.list


class Scene:
    def __init__(self, selection: Selection | None = None) -> None:
        # The kernel's own pipes: nothing here runs the host's reactor.
        self.kitchen = Kitchen(can_bind=False)
        self.gate = Gate(self.kitchen.world)
        self.recorder = Recorder(selection or Selection())
        self.recorder.attach(self.kitchen.world, self.gate)
        self.task = self.new_task()

    def new_task(self) -> Task:
        task = self.kitchen.task()
        task.space = FakeSpace(self.kitchen)  # type: ignore[assignment]
        task.attention = OBSERVED | FILTERED
        return task

    def call(self, name: str | int, *args: int, by: Task | None = None) -> Any:
        nr = NUMBERS[name] if isinstance(name, str) else name
        padded = (*args, *[0] * (6 - len(args)))
        return self.gate.serve(by or self.task, nr, padded)

    def film(self) -> Film:
        self.recorder.detach()
        assert self.recorder.tape is not None, self.recorder.failure
        return compose(self.recorder.tape, ["program"], lambda name: None)

    def close(self) -> None:
        self.kitchen.close()
