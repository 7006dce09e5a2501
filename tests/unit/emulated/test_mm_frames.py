"""Frames: references, pins, order, exhaustion. Page tables: entries, walks, tables given back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ring3.abi.errno import ENOMEM
from ring3.machine.emulated.frames import Frames, NoMemory
from ring3.machine.emulated.paging import FRAME, GUARD, NX, A, P, PageTables, U, W
from tests.unit.emulated.mm_fakes import FIRST, KERNEL_TABLE, PAGE, FakeBoard, World


def frames(pages: int = 64) -> Frames:
    return Frames(FakeBoard(pages), FIRST)


def test_frames_come_in_the_same_order_in_equal_runs() -> None:
    def run() -> list[int]:
        f = frames()
        taken = [f.alloc() for _ in range(5)]
        for pa in (taken[1], taken[3]):
            f.release(pa)
        return taken + [f.alloc() for _ in range(3)]

    first = run()
    assert first == run()
    assert first[:5] == [FIRST + i * PAGE for i in range(5)]
    assert first[5:] == [first[3], first[1], FIRST + 5 * PAGE]


def test_a_frame_is_free_with_its_last_reference() -> None:
    f = frames()
    pa = f.alloc()
    f.hold(pa)
    f.release(pa)
    assert f.used == 1
    f.release(pa)
    assert f.used == 0
    assert f.alloc() == pa


def test_a_used_frame_is_zeroed_when_that_is_asked_for() -> None:
    f = frames()
    pa = f.alloc()
    f.ram[pa : pa + 4] = b"dirt"
    f.release(pa)
    assert f.alloc_zeroed() == pa
    assert bytes(f.ram[pa : pa + PAGE]) == bytes(PAGE)


def test_a_pinned_frame_is_not_reused() -> None:
    f = frames()
    pa = f.alloc()
    f.pin(pa)
    f.pin(pa)
    f.release(pa)
    assert f.alloc() != pa
    f.unpin(pa)
    assert f.alloc() != pa
    f.unpin(pa)
    assert f.alloc() == pa


def test_a_frame_that_was_unpinned_before_its_release_is_freed_once() -> None:
    f = frames()
    pa = f.alloc()
    f.pin(pa)
    f.unpin(pa)
    assert f.used == 1
    f.release(pa)
    assert f.used == 0 and f.free == [pa]


def test_exhaustion_is_no_memory_and_reclaiming_comes_first() -> None:
    f = frames(FIRST // PAGE + 3)
    taken = [f.alloc() for _ in range(3)]
    with pytest.raises(NoMemory) as caught:
        f.alloc()
    assert isinstance(caught.value, ENOMEM) and isinstance(caught.value, MemoryError)

    def reclaim() -> bool:
        f.release(taken.pop())
        return True

    f.reclaim = reclaim
    assert f.alloc() == FIRST + 2 * PAGE
    assert f.total == 3


def test_a_machine_can_do_with_less() -> None:
    w = World()
    w.physical.limit(FIRST + 20 * PAGE)
    assert w.physical.frames.total == 20
    with pytest.raises(NoMemory):
        for _ in range(21):
            w.physical.frames.alloc()
    w.physical.limit(0)
    assert w.physical.meminfo()["free"] == 0
    w.physical.limit(1 << 40)
    assert w.physical.frames.total == 20


def test_a_frame_of_code_is_invalidated_before_its_reuse() -> None:
    f = frames()
    board = f.board
    assert isinstance(board, FakeBoard)
    pa = f.alloc()
    f.code[pa >> 12] = 1
    board.translated[pa] = b"old"
    f.changed(pa + 10, 4)
    assert not board.translated
    board.translated[pa] = b"old"
    f.release(pa)
    assert not board.translated and not f.code[pa >> 12]


# --- tables ---------------------------------------------------------------------------------------
def test_entries_and_walk() -> None:
    w = World()
    tables = w.space.tables
    before = w.physical.frames.used
    va = 0x7F1234567000
    assert tables.get(va) == 0
    tables.put(va, 0x5000 | P | W | U | NX)
    assert w.physical.frames.used == before + 3
    assert tables.get(va) == 0x5000 | P | W | U | NX
    steps = tables.walk(va)
    assert [(level, index) for level, _, index, _ in steps] == [
        (level, va >> shift & 511) for level, shift in ((4, 39), (3, 30), (2, 21), (1, 12))
    ]
    assert steps[0][1] == tables.root
    for above, below in pairwise(steps):
        assert above[3] & FRAME == below[1] and above[3] & (P | W | U | A) == P | W | U | A
    assert steps[3][3] == 0x5000 | P | W | U | NX
    assert len(tables.walk(0x1000)) == 1, "the walk ends at the first entry that is not present"


def test_the_kernel_half_is_shared() -> None:
    w = World()
    first, second = w.new_space(), w.new_space()
    top = 0xFFFFFFFFFFFFF000
    assert first.tables.walk(top)[0][3] == second.tables.walk(top)[0][3] == KERNEL_TABLE | P | W


def test_entries_in_address_order_across_tables() -> None:
    w = World()
    tables = w.space.tables
    places = [0x40200000, 0x1000, 0x7FFFFFFFE000, 0x401FF000, 0x40000000]
    for va in places:
        tables.put(va, va & FRAME | P)
    assert [va for va, _ in tables.entries(0, 1 << 47)] == sorted(places)
    assert [va for va, _ in tables.entries(0x401FF000, 0x40201000)] == [0x401FF000, 0x40200000]
    assert list(tables.entries(0x2000, 0x40000000)) == []


def test_empty_leaf_tables_go_and_drop_gives_all_back() -> None:
    w = World()
    tables = PageTables(w.board, w.physical.frames, w.physical.kernel_root)
    before = w.physical.frames.used
    tables.put(0x1000, GUARD)
    tables.put(0x40000000, GUARD)
    tables.put(0x1000, 0)
    tables.trim(0, 1 << 47)
    assert list(tables.leaves) == [0x40000000 >> 21]
    assert tables.walk(0x1000)[-1][0] == 2
    tables.put(0x1000, GUARD)
    tables.drop()
    assert w.physical.frames.used == before - 1


def test_no_memory_for_a_table_changes_nothing() -> None:
    w = World(pages=FIRST // PAGE + 6)
    tables = w.space.tables
    while True:
        try:
            w.physical.frames.alloc()
        except NoMemory:
            break
    with pytest.raises(NoMemory):
        tables.put(0x1000, P)
    assert tables.get(0x1000) == 0 and not tables.leaves


def test_protocol_board_is_what_the_engine_is() -> None:
    pytest.importorskip("unicorn")
    from ring3.machine.emulated.engine import Engine

    for name in ("ram", "flush_tlb", "flush_page", "invalidate_code", "set_cr3"):
        assert hasattr(Engine, name) or name == "ram"
