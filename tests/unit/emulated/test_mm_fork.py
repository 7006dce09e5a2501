"""fork: copies that nobody can tell from copies made at once, and cheap."""

from __future__ import annotations

import random
import time

from ring3.abi.mman import (
    MADV_DONTFORK,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
)
from ring3.abi.syscalls_x86_64 import NUMBERS
from tests.unit.emulated.mm_fakes import PAGE, Content, FakeFile, Signal, World

ANON = MAP_PRIVATE | MAP_ANONYMOUS


def test_parent_and_child_each_have_their_own() -> None:
    w = World()
    at = w.space.map(None, 0, 3 * PAGE, 3, ANON, None, 0)
    for page in range(3):
        w.cpu.store(at + page * PAGE, b"old")
    child = w.space.fork()
    w.cpu.store(at, b"par")
    w.on(child).store(at + PAGE, b"chi")
    assert [w.cpu.load(at + i * PAGE, 3) for i in range(3)] == [b"old", b"chi", b"old"]
    w.on(w.space)
    assert [w.cpu.load(at + i * PAGE, 3) for i in range(3)] == [b"par", b"old", b"old"]
    assert (w.space.resident, child.resident) == (3, 3)


def test_the_last_owner_of_a_page_writes_without_a_copy() -> None:
    w = World()
    at = w.space.map(None, 0, PAGE, 3, ANON, None, 0)
    w.cpu.store(at, b"x")
    w.space.fork().drop()
    used = w.physical.frames.used
    w.cpu.store(at, b"y")
    assert w.physical.frames.used == used


def test_a_grandchild_outlives_both() -> None:
    w = World()
    at = w.space.map(None, 0, PAGE, 3, ANON, None, 0)
    w.cpu.store(at, b"first")
    child = w.space.fork()
    w.on(child).store(at, b"secon")
    grandchild = child.fork()
    child.drop()
    w.space.drop()
    assert w.on(grandchild).load(at, 5) == b"secon"
    grandchild.drop()
    assert w.physical.frames.used == w.idle


def test_dontfork_and_wipeonfork() -> None:
    w = World()
    at = w.space.map(None, 0, 3 * PAGE, 3, ANON, None, 0)
    for page in range(3):
        w.cpu.store(at + page * PAGE, b"here")
    madvise = NUMBERS["madvise"]
    w.space.advise(None, madvise, (at, PAGE, MADV_DONTFORK, 0, 0, 0))
    w.space.advise(None, madvise, (at + PAGE, PAGE, MADV_WIPEONFORK, 0, 0, 0))
    child = w.space.fork()
    w.on(child)
    try:
        w.cpu.load(at)
        raise AssertionError("the child has what it must not have")
    except Signal as end:
        assert end.args[0] == (11, 1)
    assert w.cpu.load(at + PAGE, 4) == bytes(4)
    assert w.cpu.load(at + 2 * PAGE, 4) == b"here"
    w.on(w.space)
    assert [w.cpu.load(at + i * PAGE, 4) for i in range(3)] == [b"here"] * 3


def test_locks_are_not_inherited_and_limits_are() -> None:
    w = World()
    w.space.map(None, 0, PAGE, 3, ANON | MAP_LOCKED, None, 0)
    w.space.set_limit(7, 99)
    child = w.space.fork()
    assert (w.space.locked(), child.locked(), child.limit(7)) == (PAGE, 0, 99)


def test_shared_file_pages_stay_shared_and_are_written_once() -> None:
    w = World()
    content = Content(bytes(2 * PAGE))
    file = FakeFile(content)
    at = w.space.map(None, 0, 2 * PAGE, 3, MAP_SHARED, file, 0)
    w.cpu.store(at, b"parent")
    child = w.space.fork()
    assert file.refs == 3
    w.on(child).store(at + PAGE, b"child")
    child.drop()
    assert content.read(0, 6) == b"parent" and content.read(PAGE, 5) == b"child"
    assert content.writes == [(0, PAGE), (PAGE, PAGE)]
    w.on(w.space)
    assert w.cpu.load(at + PAGE, 5) == b"child"


def test_threads_share_one_space() -> None:
    w = World()
    other = w.space.share()
    assert other is w.space
    at = w.space.map(None, 0, PAGE, 3, ANON, None, 0)
    w.cpu.store(at, b"x")
    other.drop()
    assert w.cpu.load(at) == b"x"
    w.space.drop()
    assert w.physical.frames.used == w.idle
    assert w.board.root == w.physical.kernel_root, "the processor stands on tables that exist"


def test_many_generations_at_random() -> None:
    """Every process must see its own last stores, whatever the others do."""
    w, rng = World(4096), random.Random(5)
    pages = 40
    at = w.space.map(None, 0, pages * PAGE, 3, ANON, None, 0)
    family = [(w.space, bytearray(pages))]
    for _ in range(600):
        space, model = rng.choice(family)
        cpu, page = w.on(space), rng.randrange(pages)
        action = rng.random()
        if action < 0.6:
            model[page] = rng.randrange(256)
            cpu.store(at + page * PAGE, model[page : page + 1])
        elif action < 0.8:
            assert cpu.load(at + page * PAGE) == model[page : page + 1]
        elif action < 0.9 and len(family) < 8:
            family.append((space.fork(), bytearray(model)))
        elif len(family) > 1:
            family.remove((space, model))
            space.drop()
    for space, model in family:
        cpu = w.on(space)
        assert b"".join(cpu.load(at + i * PAGE) for i in range(pages)) == model
        space.drop()
    assert w.physical.frames.used == w.idle


def test_fork_of_sixteen_megabytes_is_quick() -> None:
    w = World(16384)
    at = w.space.map(None, 0, 16 << 20, 3, ANON, None, 0)
    for page in range(0, 16 << 20, PAGE):
        w.space.fault(at + page, True)
    best = 1.0
    for _ in range(5):
        begin = time.perf_counter()
        child = w.space.fork()
        best = min(best, time.perf_counter() - begin)
        child.drop()
    assert best < 0.02, "a copy page by page would take far longer"
