"""Random sequences against the simplest model of memory: page -> (rights, content)."""

from __future__ import annotations

import random

import pytest

from ring3.abi.errno import Errno
from ring3.abi.mman import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE
from ring3.machine.emulated.space import EmulatedSpace
from tests.unit.emulated.mm_fakes import PAGE, Cpu, Signal, World

BASE, PAGES = 0x7FFF00000000 - 40 * PAGE, 100
"""The window crosses a border of leaf tables."""
ANON = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED


class Model:
    """page -> [rights, last byte stored]."""

    def __init__(self, pages: dict[int, list[int]]) -> None:
        self.pages = pages

    def copy(self) -> Model:
        return Model({page: list(state) for page, state in self.pages.items()})

    def map(self, page: int, count: int, prot: int) -> None:
        for i in range(page, page + count):
            self.pages[i] = [prot, 0]

    def unmap(self, page: int, count: int) -> None:
        for i in range(page, page + count):
            self.pages.pop(i, None)

    def protect(self, page: int, count: int, prot: int) -> bool:
        """Linux changes what lies before the first hole."""
        for i in range(page, page + count):
            if i not in self.pages:
                return False
            self.pages[i][0] = prot
        return True

    def move(self, page: int, count: int, to: int) -> None:
        moved = [self.pages.pop(i) for i in range(page, page + count)]
        self.unmap(to, count)
        for i, state in enumerate(moved):
            self.pages[to + i] = state


class Player:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World(4096)
        self.family: list[tuple[EmulatedSpace, Model]] = [(self.world.space, Model({}))]

    def span(self) -> tuple[int, int]:
        count = self.rng.choice((1, 1, 2, 3, 7, 20))
        return self.rng.randrange(PAGES - count), count

    def step(self) -> None:
        space, model = self.rng.choice(self.family)
        cpu, (page, count) = self.world.on(space), self.span()
        at, size, prot = BASE + page * PAGE, count * PAGE, self.rng.choice((0, 1, 3, 3, 3, 5, 7))
        action = self.rng.randrange(20)
        if action < 4:
            space.map(None, at, size, prot, ANON, None, 0)
            model.map(page, count, prot)
        elif action < 5:
            space.unmap(None, at, size)
            model.unmap(page, count)
        elif action < 8:
            self.protect(space, model, page, count, prot)
        elif action < 9:
            self.move(space, model, page, count)
        elif action < 10:
            self.relatives(space, model)
        elif action < 16:
            self.store(cpu, model, page, self.rng.randrange(1, 256))
        else:
            self.check(cpu, model, page)

    def protect(self, space: EmulatedSpace, model: Model, page: int, count: int, prot: int) -> None:
        whole = model.protect(page, count, prot)
        try:
            space.protect(None, BASE + page * PAGE, count * PAGE, prot)
            assert whole
        except Errno:
            assert not whole

    def move(self, space: EmulatedSpace, model: Model, page: int, count: int) -> None:
        to = self.rng.randrange(PAGES - count)
        if abs(to - page) < count or any(i not in model.pages for i in range(page, page + count)):
            return
        old, new = BASE + page * PAGE, BASE + to * PAGE
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        assert space.remap(None, old, count * PAGE, count * PAGE, flags, new) == new
        model.move(page, count, to)

    def relatives(self, space: EmulatedSpace, model: Model) -> None:
        if len(self.family) < 5:
            self.family.append((space.fork(), model.copy()))
        else:
            self.family.remove((space, model))
            space.drop()

    def store(self, cpu: Cpu, model: Model, page: int, value: int) -> None:
        state = model.pages.get(page)
        allowed = state is not None and state[0] & 2
        try:
            cpu.store(BASE + page * PAGE + value, bytes([value]))
            cpu.store(BASE + page * PAGE, bytes([value]))
            assert allowed
        except Signal as end:
            assert not allowed and end.args[0] == ((11, 2) if state else (11, 1))
        if state is not None and allowed:
            state[1] = value

    def check(self, cpu: Cpu, model: Model, page: int) -> None:
        state = model.pages.get(page)
        for action, right in ((cpu.load, 7), (cpu.execute, 4)):
            try:
                found = action(BASE + page * PAGE)
                assert state is not None and state[0] & right and found == bytes([state[1]])
            except Signal as end:
                assert state is None or not state[0] & right
                assert end.args[0] == ((11, 2) if state else (11, 1))

    def check_all(self) -> None:
        frames = self.world.physical.frames
        for space, model in self.family:
            cpu = self.world.on(space)
            for page in range(PAGES):
                self.check(cpu, model, page)
            assert space.mapped == PAGE * len(model.pages)
            present = [e for _, e in space.tables.entries(0, space.end)]
            zero = self.world.physical.zero
            assert space.resident == sum(1 for e in present if e & 0xFFFFFFFFFF000 != zero)
        for space, _ in self.family:
            space.drop()
        assert frames.used == self.world.idle and not frames.pins
        assert sum(frames.refs[1:]) == 1, "only the page of zeros has a reference: ours"


@pytest.mark.parametrize("seed", range(20))
def test_against_the_model(seed: int) -> None:
    player = Player(seed)
    for _ in range(400):
        player.step()
    player.check_all()
