"""Random arguments to every call of these families: an errno, a park or a number, never an oops."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator

import pytest

from ring3.abi.errno import Errno
from ring3.machine.base import Deferred
from ring3.syscalls.families import FAMILIES
from ring3.task.credentials import Credentials
from ring3.task.pidfd import open_pidfd
from ring3.task.task import Task
from tests.unit.fakes import PARKED, Kitchen, start
from tests.unit.task.context import SlowVehicle

ROOMS = (
    "signal kill timer clock timeofday wait ids cred caps resource prctl misc sched info futex"
    " pidfd seccomp"
).split()
ROUNDS = 250
WORD = (1 << 64) - 1
NUMBERS = [0, 1, 2, 3, 4, 5, 8, 9, 11, 15, 16, 17, 23, 24, 32, 38, 48, 63, 64, 65, 128, 4096]
EDGES = [
    -1,
    -2,
    -(1 << 31),
    1 << 31,
    (1 << 31) - 1,
    1 << 32,
    (1 << 32) - 1,
    1 << 47,
    1 << 62,
    -4096,
]


class Thrower:
    def __init__(self, k: Kitchen, seed: int) -> None:
        self.dice = random.Random(seed)
        filled = bytes(self.dice.randrange(256) for _ in range(512))
        small = b"".join(n.to_bytes(8, "little") for n in NUMBERS)
        self.pool = [
            *NUMBERS,
            *EDGES,
            k.memory.room(512),
            k.memory.room(0, filled),
            k.memory.room(0, small),
            k.memory.fenced(4),
            k.memory.fenced(24, small[:24]),
            16,
            1 << 46,
        ]

    def args(self) -> list[int]:
        return [self.dice.choice(self.pool) & WORD for _ in range(6)]


@pytest.fixture(params=[64, 32], ids=["x86_64", "i386"])
def k(request: pytest.FixtureRequest) -> Iterator[Kitchen]:
    kitchen = Kitchen(can_bind=False, word=request.param)
    yield kitchen
    kitchen.close()


def calls_of(room: str) -> list[str]:
    module = importlib.import_module(f"ring3.syscalls.{room}")
    assert module is not None
    return FAMILIES[room].split()


def fresh(k: Kitchen, uid: int) -> Task:
    k.memory.next = min(k.memory.next, k.memory.base + (1 << 17))  # one stack serves all
    t = k.task()
    t.cred = Credentials(uid)
    SlowVehicle(k, t)
    t.fds.install(open_pidfd(t.process))
    return t


@pytest.mark.parametrize("room", ROOMS)
def test_wild_arguments(k: Kitchen, room: str) -> None:
    from ring3.abi.types import I386, X86_64
    from ring3.syscalls.table import numbers

    known = numbers(X86_64 if k.memory.word == 64 else I386)
    throw = Thrower(k, 20261120)
    seen = 0
    for name in calls_of(room):
        if name not in known:
            continue
        for i in range(ROUNDS // 5 if k.memory.word == 32 else ROUNDS):
            if i % 10 == 0:
                t = fresh(k, 0 if i % 20 else 1000)
            args = throw.args()
            t.nr = known[name]
            try:
                result = start(t, name, *args)
            except Errno:
                result = -1
            except Exception as bug:
                raise AssertionError(f"{name}({', '.join(map(hex, args))})") from bug
            assert result is PARKED or isinstance(result, int | Deferred), (name, result)
            seen += 1
            t.unpark()
            t.memory = k.memory
            if t.process.state != "running":
                t = fresh(k, 0)
        k.world.clock.heap.clear()
    assert seen
