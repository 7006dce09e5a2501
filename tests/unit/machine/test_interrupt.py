"""Kicks: who is in the kernel's hands or boots is not kicked; a failed exec makes up for it."""

from __future__ import annotations

from typing import Any

import pytest

from ring3.machine.base import Image
from ring3.machine.native import vehicle as module
from ring3.machine.native.loading import Exec
from ring3.machine.native.vehicle import HostProcess, NativeVehicle


class Memory:
    def store(self, addr: int, data: bytes) -> None: ...


class Space:
    memory = Memory()


class Machine:
    """Notes what the vehicle asks of it."""

    def __init__(self) -> None:
        self.kicked: list[int] = []
        self.results: list[int] = []

    def kick(self, pid: int, tid: int) -> None:
        self.kicked.append(tid)

    def answer(self, v: NativeVehicle, value: int) -> None:
        v.id = 0

    def finished(self, v: NativeVehicle, result: int) -> None:
        self.results.append(result)


def make(monkeypatch: pytest.MonkeyPatch, *tids: int) -> tuple[Machine, list[NativeVehicle]]:
    monkeypatch.setattr(module.os, "pidfd_open", lambda pid: -1)
    machine: Any = Machine()
    process = HostProcess(tids[0], None)
    space: Any = Space()
    vehicles = [NativeVehicle(machine, process, tid, space, 0) for tid in tids]
    process.vehicles = {v.tid: v for v in vehicles}
    for v in vehicles:
        v.task = object()
    return machine, vehicles


def test_a_running_vehicle_is_kicked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, (v,) = make(monkeypatch, 10)
    v.interrupt()
    v.interrupt()
    assert machine.kicked == [10]


def test_not_in_the_kernels_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, (v,) = make(monkeypatch, 10)
    v.id = 77
    v.interrupt()
    v.id, v.gone = 0, True
    v.interrupt()
    assert machine.kicked == []


def test_not_while_its_process_boots_but_after_a_failed_exec(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, (v, other, third) = make(monkeypatch, 10, 11, 12)
    v.id, v.frame = 5, 0x1000
    image: Any = Image.__new__(Image)
    Exec(image, lambda result: None).begin(machine, v)  # type: ignore[arg-type]
    assert v.process.booting is not None
    for each in (v, other):
        each.interrupt()
    assert machine.kicked == []
    done, v.done = v.done, None
    assert done is not None
    done(v, 0, -12)
    assert machine.results == [-12]
    assert v.process.booting is None
    assert machine.kicked == [10, 11]  # not the third: nobody wanted to
    assert not third.kicked
