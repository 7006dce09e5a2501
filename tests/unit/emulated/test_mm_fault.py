"""Demand paging, copy on write, stacks: what an access finds."""

from __future__ import annotations

import pytest

from ring3.abi.mman import (
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
)
from ring3.abi.resource import RLIMIT_AS, RLIMIT_STACK
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.emulated.paging import FRAME, KEPT, NX, P, U, W
from tests.unit.emulated.mm_fakes import FIRST, PAGE, Signal, World

ANON = MAP_PRIVATE | MAP_ANONYMOUS
MAPERR, ACCERR, ADRERR, KILLED = (11, 1), (11, 2), (7, 2), (9, 0)


def signal(w: World, action: str, va: int) -> object:
    """What an access raises, None if it works."""
    try:
        if action == "store":
            w.cpu.store(va, b"!")
        else:
            getattr(w.cpu, action)(va)
    except Signal as end:
        return end.args[0]
    return None


def test_a_load_of_fresh_memory_costs_no_frame() -> None:
    w = World()
    at = w.space.map(None, 0, 8 * PAGE, 3, ANON, None, 0)
    assert w.cpu.load(at) == b"\0"
    used = w.physical.frames.used
    for page in range(8):
        assert w.cpu.load(at + page * PAGE, 8) == bytes(8)
    assert w.physical.frames.used == used
    assert w.space.resident == 0


def test_a_store_after_a_load_leaves_the_page_of_zeros_alone() -> None:
    w = World()
    at = w.space.map(None, 0, 2 * PAGE, 3, ANON, None, 0)
    w.cpu.load(at)
    w.cpu.load(at + PAGE)
    w.cpu.store(at, b"mine")
    assert w.cpu.load(at, 4) == b"mine"
    assert w.cpu.load(at + PAGE, 4) == bytes(4)
    assert w.space.resident == 1


def test_rights_are_those_of_the_area() -> None:
    w = World()
    expected = {
        0: (ACCERR, ACCERR, ACCERR),
        1: (None, ACCERR, ACCERR),
        3: (None, None, ACCERR),
        5: (None, ACCERR, None),
        7: (None, None, None),
    }
    for prot, wanted in expected.items():
        at = w.space.map(None, 0, PAGE, prot, ANON, None, 0)
        assert tuple(signal(w, x, at) for x in ("load", "store", "execute")) == wanted
    assert signal(w, "load", 0x5000) == MAPERR
    assert w.space.fault(1 << 47, False) == MAPERR
    assert w.space.fault(0xFFFFFFFFFF600000, False) == MAPERR


def test_memory_without_rights_is_not_even_there_for_ring_0() -> None:
    # A supervisor page in the user's half could be read by the kernel's copy routines.
    w = World()
    at = w.space.map(None, 0, PAGE, 3, ANON, None, 0)
    w.cpu.store(at, b"kept")
    w.space.protect(None, at, PAGE, 0)
    entry = w.space.tables.get(at)
    assert not entry & P and entry & KEPT
    assert signal(w, "load", at) == ACCERR
    w.space.protect(None, at, PAGE, 1)
    assert w.cpu.load(at, 4) == b"kept"
    assert w.space.tables.get(at) & (P | U | W | NX) == P | U | NX


def test_populate_makes_pages_present() -> None:
    w = World()
    at = w.space.map(None, 0, 4 * PAGE, 3, ANON | MAP_POPULATE, None, 0)
    assert w.space.resident == 4
    assert all(w.space.tables.get(at + i * PAGE) & W for i in range(4))


def test_unmapping_gives_frames_back() -> None:
    w = World()
    used = w.physical.frames.used
    at = w.space.map(None, 0, 600 * PAGE, 3, ANON, None, 0)
    for page in range(0, 600, 7):
        w.cpu.store(at + page * PAGE, b"x")
    w.space.unmap(None, at, 600 * PAGE)
    upper = len(w.space.tables.upper)
    assert (w.physical.frames.used, w.space.resident) == (used + upper, 0)
    assert signal(w, "load", at) == MAPERR, "and the TLB has forgotten them"


def test_exhausted_memory_kills() -> None:
    w = World(pages=FIRST // PAGE + 40)
    at = w.space.map(None, 0, 30 * PAGE, 3, ANON, None, 0)
    w.cpu.store(at, b"x")
    spare = w.physical.frames
    while spare.used < spare.total:
        spare.alloc()
    assert signal(w, "store", at + PAGE) == KILLED
    assert signal(w, "load", at + PAGE) is None, "the page of zeros is there already"


# --- stacks ---------------------------------------------------------------------------------------
def with_stack(limit: int = 1 << 20) -> tuple[World, int]:
    w = World()
    top = 0x7FFFFFFDE000
    w.space.map_stack(top, 3, limit)
    return w, top


def test_the_stack_grows_to_its_limit() -> None:
    w, top = with_stack()
    assert w.space.mapped == 132 << 10
    w.cpu.store(top - (1 << 20), b"deep")
    assert [a.start for a in w.space.areas() if a.name == b"[stack]"] == [top - (1 << 20)]
    assert signal(w, "store", top - (1 << 20) - 1) == MAPERR
    w.space.set_limit(RLIMIT_STACK, 2 << 20)
    assert signal(w, "store", top - (1 << 20) - 1) is None


def test_the_stack_does_not_grow_beyond_the_address_space_limit() -> None:
    w, top = with_stack()
    w.space.set_limit(RLIMIT_AS, 200 << 10)
    assert signal(w, "store", top - (198 << 10)) is None
    assert signal(w, "store", top - (300 << 10)) == MAPERR


@pytest.mark.parametrize(("prot", "wanted"), [(3, MAPERR), (0, None)])
def test_the_gap_below_the_stack_stays_free(prot: int, wanted: object) -> None:
    # 256 pages to the next mapping, unless that cannot be accessed (stack_guard_gap).
    w, top = with_stack()
    near = top - (800 << 10)
    w.space.map(None, near - PAGE, PAGE, prot, ANON | MAP_FIXED, None, 0)
    assert signal(w, "store", near + (100 << 10)) == wanted


def test_a_mapping_that_grows_down() -> None:
    w = World()
    at = w.space.map(None, 0x40000000, PAGE, 3, ANON | MAP_GROWSDOWN, None, 0)
    assert signal(w, "store", at - 5 * PAGE) is None
    assert signal(w, "store", at + PAGE) == MAPERR


# --- sharing --------------------------------------------------------------------------------------
def test_shared_anonymous_memory_is_one_for_parent_and_child() -> None:
    w = World()
    at = w.space.map(None, 0, 2 * PAGE, 3, MAP_SHARED | MAP_ANONYMOUS, None, 0)
    w.cpu.store(at, b"before")
    child = w.space.fork()
    w.on(child).store(at, b"after!")
    w.cpu.store(at + PAGE, b"new")
    assert (w.on(w.space).load(at, 6), w.cpu.load(at + PAGE, 3)) == (b"after!", b"new")


def test_guards_are_errors_until_they_are_removed() -> None:
    w = World()
    at = w.space.map(None, 0, 3 * PAGE, 3, ANON, None, 0)
    w.cpu.store(at + PAGE, b"gone")
    madvise = NUMBERS["madvise"]
    used = w.physical.frames.used
    w.space.advise(None, madvise, (at + PAGE, PAGE, MADV_GUARD_INSTALL, 0, 0, 0))
    assert w.physical.frames.used == used - 1
    assert signal(w, "load", at + PAGE) == MAPERR
    assert signal(w, "load", at) is None
    child = w.space.fork()
    w.on(child)
    assert signal(w, "load", at + PAGE) == MAPERR
    w.on(w.space)
    w.space.advise(None, madvise, (at, 3 * PAGE, MADV_GUARD_REMOVE, 0, 0, 0))
    assert w.cpu.load(at + PAGE, 4) == bytes(4)
    child.drop()


def test_a_frame_belongs_to_one_page_only() -> None:
    w = World()
    at = w.space.map(None, 0, 50 * PAGE, 3, ANON, None, 0)
    for page in range(50):
        w.cpu.store(at + page * PAGE, bytes([page]))
    frames = [entry & FRAME for _, entry in w.space.tables.entries(at, at + 50 * PAGE)]
    assert len(set(frames)) == 50
