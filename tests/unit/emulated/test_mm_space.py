"""Areas: where mappings go, how they look in maps, what limits say, the heap, a program's start."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EEXIST, EINVAL, ENOMEM, EPERM, Errno
from ring3.abi.mman import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_MAYMOVE,
)
from ring3.machine.emulated.areas import GUARD_GAP
from tests.unit.emulated.mm_fakes import PAGE, Caller, Content, FakeFile, World, anonymous, shape

ANON = MAP_PRIVATE | MAP_ANONYMOUS
MB = 1 << 20


# --- where ----------------------------------------------------------------------------------------
def test_top_down_and_into_the_highest_hole() -> None:
    w = World()
    base = w.space.mmap_base
    at = [anonymous(w, 0, n) for n in (1, 2, 3, 4)]
    assert at == [base - n * PAGE for n in (1, 3, 6, 10)]
    w.space.unmap(None, at[2], 3 * PAGE)
    assert anonymous(w, 0, 4) == at[3] - 4 * PAGE
    assert anonymous(w, 0, 2) == at[2] + PAGE
    assert anonymous(w, 0, 1) == at[2]


def test_the_search_remembers_and_forgets() -> None:
    """Many searches with holes opening at random: always the highest hole that fits."""
    import random

    w, rng, base = World(), random.Random(3), 1000
    bottom = w.space.mmap_base - base * PAGE
    taken = [False] * base
    for _ in range(1500):
        pages = rng.choice((1, 1, 2, 3, 5))
        if rng.random() < 0.55:
            best = 0
            for start in range(base - pages, -1, -1):
                if not any(taken[start : start + pages]):
                    best = start
                    break
            assert anonymous(w, 0, pages, prot=rng.choice((1, 3))) == bottom + best * PAGE
            taken[best : best + pages] = [True] * pages
        else:
            start = rng.randrange(base - 50, base - pages)
            w.space.unmap(None, bottom + start * PAGE, pages * PAGE)
            taken[start : start + pages] = [False] * pages


def test_hints_fixed_and_noreplace() -> None:
    w = World()
    assert anonymous(w, 0x40000123, 2) == 0x40000000
    assert anonymous(w, 0x40001000, 1) != 0x40001000
    assert anonymous(w, 0x2100, 1) == 0x10000, "hints below vm.mmap_min_addr are moved up"
    with pytest.raises(EEXIST):
        anonymous(w, 0x3FFFF000, 2, flags=MAP_FIXED_NOREPLACE)
    with pytest.raises(EINVAL):
        anonymous(w, 0x40000123, 1, flags=MAP_FIXED)
    with pytest.raises(ENOMEM):
        anonymous(w, w.space.end - PAGE, 2, flags=MAP_FIXED)
    assert anonymous(w, 0x40001000, 1, prot=1, flags=MAP_FIXED) == 0x40001000


def test_the_lowest_pages_are_for_the_privileged() -> None:
    w = World()
    for caller, wanted in ((Caller(), EPERM), (Caller(root=True), None)):
        try:
            w.space.map(caller, 0, PAGE, 3, ANON | MAP_FIXED, None, 0)
            found = None
        except Errno as error:
            found = type(error)
        assert found is wanted


def test_below_two_gigabytes() -> None:
    w = World()
    assert anonymous(w, 0, 1, flags=MAP_32BIT) == 0x40000000
    assert anonymous(w, 0, 1, flags=MAP_32BIT) == 0x40001000
    i386 = World(word=32)
    at = anonymous(i386, 0, 1, flags=MAP_32BIT)
    assert at < i386.space.mmap_base < 1 << 32


def test_i386_space_ends_below_four_gigabytes() -> None:
    w = World(word=32)
    with pytest.raises(ENOMEM):
        anonymous(w, 0xFFFFE000, 1, flags=MAP_FIXED)
    with pytest.raises(EINVAL):
        w.space.unmap(None, 0xFFFFE000, PAGE)
    assert w.space.fault(0xFFFFE000, False) == (11, 1)
    assert [a.name for a in w.space.areas()] == [], "and there is no vsyscall page"


def test_a_growing_stack_keeps_its_gap() -> None:
    w = World()
    at = w.space.map(None, 0x60000000, PAGE, 3, ANON | MAP_GROWSDOWN, None, 0)
    assert anonymous(w, at - GUARD_GAP, 1) != at - GUARD_GAP
    assert anonymous(w, at - GUARD_GAP - PAGE, 1) == at - GUARD_GAP - PAGE
    assert anonymous(w, at - PAGE, 1, flags=MAP_FIXED) == at - PAGE


# --- maps -----------------------------------------------------------------------------------------
def test_areas_split_and_merge() -> None:
    w = World()
    at = anonymous(w, 0x40000000, 4)
    w.space.protect(None, at + PAGE, PAGE, 1)
    assert shape(w) == [
        (at, at + PAGE, "rw-"), (at + PAGE, at + 2 * PAGE, "r--"),
        (at + 2 * PAGE, at + 4 * PAGE, "rw-"),
    ]  # fmt: skip
    w.space.protect(None, at + PAGE, PAGE, 3)
    assert shape(w) == [(at, at + 4 * PAGE, "rw-")]
    anonymous(w, at + 4 * PAGE, 2, flags=MAP_FIXED)
    assert shape(w) == [(at, at + 6 * PAGE, "rw-")]
    anonymous(w, at - PAGE, 1, flags=MAP_FIXED | MAP_NORESERVE)
    assert len(shape(w)) == 2


def test_files_merge_only_where_they_go_on() -> None:
    w, file = World(), FakeFile(Content(bytes(8 * PAGE)))
    for page, index in ((0, 0), (1, 1), (2, 5)):
        where = 0x40000000 + page * PAGE
        w.space.map(None, where, PAGE, 1, MAP_PRIVATE | MAP_FIXED, file, index * PAGE)
    found = [(a.end - a.start, a.offset) for a in w.space.areas()[:-1]]
    assert found == [(2 * PAGE, 0), (PAGE, 5 * PAGE)]
    assert file.refs == 3


def test_the_kernel_of_maps() -> None:
    w = World()
    w.space.map_stack(0x7FFFFFFDE000, 3, 8 * MB)
    shared = w.space.map(None, 0, PAGE, 3, MAP_SHARED | MAP_ANONYMOUS, None, 0)
    w.space.set_brk(None, 0)
    names = {a.start: (a.name, a.shared, a.inode) for a in w.space.areas()}
    assert names[shared][:2] == (b"/dev/zero (deleted)", True) and names[shared][2] > 0
    assert [name for name, _, _ in names.values()][-2:] == [b"[stack]", b"[vsyscall]"]
    child = w.space.fork()
    mine, theirs = w.space.area_at(shared), child.area_at(shared)
    assert mine is not None and theirs is not None, "a futex there has one key"
    assert mine.content is theirs.content is not None and mine.inode == theirs.inode
    assert w.space.area_at(0x5000) is None


def test_remap_of_a_heap_of_pages() -> None:
    w = World()
    at = anonymous(w, 0, 600)
    for page in range(600):
        w.cpu.store(at + page * PAGE, page.to_bytes(2, "little"))
    anonymous(w, at + 600 * PAGE, 1)
    moved = w.space.remap(None, at, 600 * PAGE, 700 * PAGE, MREMAP_MAYMOVE, 0)
    assert moved != at
    for page in range(600):
        assert w.cpu.load(moved + page * PAGE, 2) == page.to_bytes(2, "little")
    assert w.cpu.load(moved + 650 * PAGE) == b"\0"
    assert w.space.fault(at, False) == (11, 1)
    assert w.space.resident == 600
    assert w.space.remap(None, moved, 700 * PAGE, PAGE, 0, 0) == moved
    assert w.space.resident == 1
