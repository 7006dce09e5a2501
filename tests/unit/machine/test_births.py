"""Births: numbers that a guest may have forged, and host processes that nobody adopts."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ring3.machine.native.births import Births


class Zygote:
    def __init__(self, tid: int) -> None:
        self.tid = tid


class Clock:
    """Keeps what is armed, for the test to expire."""

    def __init__(self) -> None:
        self.armed: list[Any] = []

    def monotonic_ns(self) -> int:
        return 0

    def arm(self, deadline_ns: int, owner: Any) -> None:
        self.armed.append(owner)

    def pass_time(self) -> None:
        armed, self.armed = self.armed, []
        for owner in armed:
            owner.expire()


class Reactor:
    def on_readable(self, fd: int, callback: Any) -> None: ...
    def forget(self, fd: int) -> None: ...


class Supervisor:
    def __init__(self) -> None:
        self.gone: list[object] = []

    def process_gone(self, process: object, status: int, usage: object) -> None:
        self.gone.append(process)


class Machine:
    """As much of a NativeMachine as births touch."""

    def __init__(self, zygote: int) -> None:
        self.zygote = Zygote(zygote)
        self.vehicles: dict[int, object] = {}
        self.processes: dict[int, Any] = {}
        self.clock = Clock()
        self.reactor = Reactor()
        self.supervisor = Supervisor()
        self.closing = False
        self.births = Births(self)  # type: ignore[arg-type]

    def kill(self, process: Any) -> None:
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)


class Vehicle:
    def __init__(self, machine: Machine, tid: int) -> None:
        self.tid = tid
        self.process = type("HostProcess", (), {"pid": tid})()


class Clone:
    cookie = 0
    told = False

    def __init__(self) -> None:
        self.child = type("Task", (), {"process": object(), "exiting": False})()


class Stage:
    """A machine whose zygote is a sleeping host process, with a child of it, and a stranger."""

    def __init__(self) -> None:
        script = "sleep 60 & echo $!; wait"
        self.shell = subprocess.Popen(
            ["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.shell.stdout is not None
        self.child = int(self.shell.stdout.readline())
        self.stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
        self.machine = Machine(self.shell.pid)
        self.machine.processes[self.shell.pid] = None  # known, as the zygote is
        self.births = self.machine.births

    def close(self) -> None:
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.stranger.kill()
        for process in (self.shell, self.stranger):
            process.communicate(timeout=10)
        for process in self.machine.processes.values():
            if process is not None:
                os.close(process.pidfd)

    def alive(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    def soon_dead(self, pid: int) -> bool:
        import time

        end = time.monotonic() + 5
        while self.alive(pid) and time.monotonic() < end:
            time.sleep(0.01)
        return not self.alive(pid)


@pytest.fixture
def stage() -> Iterator[Stage]:
    found = Stage()
    yield found
    found.close()


def test_numbers_a_clone_cannot_have_given(stage: Stage) -> None:
    births, parent = stage.births, Vehicle(stage.machine, stage.shell.pid)
    ok = [births.is_newborn(parent, pid, False) for pid in  # type: ignore[arg-type]
          (0, -1, 1, os.getpid(), stage.stranger.pid, stage.shell.pid, 1 << 30)]  # fmt: skip
    assert ok == [False] * 7
    assert births.is_newborn(parent, stage.child, False)  # type: ignore[arg-type]
    assert not births.is_newborn(parent, stage.child, True)  # type: ignore[arg-type]
    stage.machine.vehicles[stage.child] = object()
    assert not births.is_newborn(parent, stage.child, False)  # type: ignore[arg-type]


def test_only_what_a_vehicle_made_is_ended(stage: Stage) -> None:
    for pid in (stage.stranger.pid, os.getpid(), stage.shell.pid):
        stage.births.end(pid)
    assert stage.alive(stage.stranger.pid) and stage.alive(stage.shell.pid)
    stage.births.end(stage.child)
    assert stage.soon_dead(stage.child)


def test_a_ring_that_nobody_expects(stage: Stage) -> None:
    rang: list[int] = []
    cookie = stage.births.expect(Clone().child, rang.append)
    assert not stage.births.rang(cookie + 1, 5)
    assert stage.births.rang(cookie, 5)
    assert not stage.births.rang(cookie, 5)
    assert rang == [5]


def test_no_descriptor_left_for_a_child(stage: Stage) -> None:
    def refuse(tid: int) -> None:
        raise OSError(24, "Too many open files")

    stage.machine.say = lambda text: None  # type: ignore[attr-defined]
    child = Clone().child
    child.process = type("Process", (), {"pid": 3})()
    cookie = stage.births.expect(child, refuse)
    assert stage.births.rang(cookie, stage.child)
    assert stage.soon_dead(stage.child)
    assert stage.machine.supervisor.gone == [child.process]


def test_a_parent_that_died_in_the_middle(stage: Stage) -> None:
    """Its child is given up once it had time to ring, unless it rang or its death is awaited."""
    births, machine = stage.births, stage.machine
    never, rang, told = Clone(), Clone(), Clone()
    never.cookie = births.expect(never.child, lambda tid: None)
    rang.cookie = births.expect(rang.child, lambda tid: None)
    told.cookie, told.told = births.expect(told.child, lambda tid: None), True
    for tid, clone in ((91, never), (92, rang), (93, told)):
        births.begin(Vehicle(machine, tid), clone)  # type: ignore[arg-type]
        births.parent_died(Vehicle(machine, tid))  # type: ignore[arg-type]
    births.parent_died(Vehicle(machine, 94))  # type: ignore[arg-type]  # made nothing
    births.rang(rang.cookie, 5)
    assert machine.supervisor.gone == []
    machine.clock.pass_time()
    assert machine.supervisor.gone == [never.child.process]
    assert not births.unborn and never.cookie not in births.cookies


def test_strays_are_ended_at_the_second_look(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    births = stage.births
    monkeypatch.setattr(births, "children", lambda: {stage.child, stage.stranger.pid})
    parent = Vehicle(stage.machine, 91)
    births.begin(parent, Clone())  # type: ignore[arg-type]
    births.sweep()
    assert stage.machine.clock.armed
    stage.machine.clock.pass_time()  # the birth is still under way: it may be that child
    assert stage.alive(stage.child)
    births.end_of(parent)  # type: ignore[arg-type]
    stage.machine.clock.pass_time()
    assert stage.soon_dead(stage.child)
    assert stage.alive(stage.stranger.pid)
    stage.machine.clock.pass_time()
    assert not stage.machine.clock.armed  # nothing is left to look at
