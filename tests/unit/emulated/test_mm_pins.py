"""A device's transfer and a program that takes the buffer away meanwhile (the TOCTOU race)."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EFAULT
from ring3.abi.mman import MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.emulated.paging import FRAME
from tests.unit.emulated.mm_fakes import PAGE, Content, FakeFile, World

ANON = MAP_PRIVATE | MAP_ANONYMOUS


def buffer(pages: int = 3) -> tuple[World, int]:
    w = World()
    at = w.space.map(None, 0, pages * PAGE, 3, ANON, None, 0)
    return w, at


def test_spans_cover_the_buffer() -> None:
    w, at = buffer()
    pinned = w.space.pin_user_pages(at + 100, 2 * PAGE, True)
    assert [(offset, length) for _, offset, length in pinned.spans] == [
        (100, PAGE - 100), (0, PAGE), (0, 100),
    ]  # fmt: skip
    assert pinned.size == 2 * PAGE
    pinned.store(PAGE - 110, b"across the border" * 2)
    assert pinned.load(PAGE - 110, 34) == b"across the border" * 2
    assert w.space.memory.load(at + PAGE - 10, 34) == b"across the border" * 2
    pinned.release()
    assert not w.physical.frames.pins


def unmap(w: World, at: int) -> None:
    w.space.unmap(None, at, 3 * PAGE)


def replace(w: World, at: int) -> None:
    w.space.map(None, at, 3 * PAGE, 3, ANON | MAP_FIXED, None, 0)


def move_away(w: World, at: int) -> None:
    w.space.remap(None, at, 3 * PAGE, 3 * PAGE, 3, 0x50000000)


def forget(w: World, at: int) -> None:
    w.space.advise(None, NUMBERS["madvise"], (at, 3 * PAGE, MADV_DONTNEED, 0, 0, 0))


@pytest.mark.parametrize("meanwhile", [unmap, replace, forget])
def test_a_transfer_lands_nowhere_else(meanwhile: object) -> None:
    """The buffer goes while the disk is busy; the victim's pages are the next to be handed out."""
    assert callable(meanwhile)
    w, at = buffer()
    frames = w.physical.frames
    pinned = w.space.pin_user_pages(at, 3 * PAGE, True)
    meanwhile(w, at)
    victim = w.new_space()
    there = victim.map(None, 0, 8 * PAGE, 3, ANON, None, 0)
    for page in range(8):
        w.on(victim).store(there + page * PAGE, b"victim")
    pinned.store(0, b"D" * 3 * PAGE)
    assert all(w.cpu.load(there + i * PAGE, 6) == b"victim" for i in range(8))
    held = frames.used
    pinned.release()
    assert frames.used == held - 3, "the frames are free only now"
    if meanwhile is not unmap:
        assert w.on(w.space).load(at, 4) == bytes(4)


def test_a_buffer_that_moves_is_still_the_buffer() -> None:
    w, at = buffer()
    pinned = w.space.pin_user_pages(at, 3 * PAGE, True)
    move_away(w, at)
    pinned.store(0, b"DMA")
    assert w.cpu.load(0x50000000, 3) == b"DMA"
    pinned.release()


def test_exit_during_a_transfer() -> None:
    w, at = buffer()
    pinned = w.space.pin_user_pages(at, PAGE, True)
    w.space.drop()
    assert w.physical.frames.used == w.idle + 1
    pinned.store(0, b"late")
    pinned.release()
    assert w.physical.frames.used == w.idle


def test_fork_leaves_a_pinned_page_to_the_parent() -> None:
    w, at = buffer()
    w.cpu.store(at, b"before")
    pinned = w.space.pin_user_pages(at, PAGE, True)
    child = w.space.fork()
    w.cpu.store(at + 100, b"parent writes")
    pinned.store(0, b"DMA!")
    assert w.cpu.load(at, 6) == b"DMA!re"
    assert w.on(child).load(at, 6) == b"before"
    pinned.release()


def test_a_device_that_writes_gets_a_page_of_its_own() -> None:
    w, at = buffer()
    w.cpu.load(at)
    w.cpu.store(at + PAGE, b"shared with the child")
    child = w.space.fork()
    pinned = w.space.pin_user_pages(at, 2 * PAGE, True)
    pinned.store(0, b"DMA" * 2000)
    assert w.on(child).load(at) == b"\0" and w.cpu.load(at + PAGE, 6) == b"shared"
    assert w.physical.ram[w.physical.zero] == 0
    pinned.release()


def test_shared_file_pages_are_written_back_after_the_transfer() -> None:
    w, content = World(), Content(bytes(2 * PAGE))
    at = w.space.map(None, 0, 2 * PAGE, 3, MAP_SHARED, FakeFile(content), 0)
    pinned = w.space.pin_user_pages(at, PAGE, True)
    assert content.read(0, 1) == b"\0"  # written back while the transfer is under way
    pinned.store(0, b"disk")
    pinned.release()
    assert content.read(0, 4) == b"disk"


def test_a_bad_buffer_is_refused_whole() -> None:
    w, at = buffer()
    read_only = w.space.map(None, at - PAGE, PAGE, 1, ANON, None, 0)
    for addr, size, write in (
        (at + 2 * PAGE, 2 * PAGE, True),
        (read_only, PAGE + 1, True),
        (w.space.end - 10, 20, True),
        (0xFFFF888000000000, 10, False),
    ):
        with pytest.raises(EFAULT):
            w.space.pin_user_pages(addr, size, write)
    assert not w.physical.frames.pins
    pinned = w.space.pin_user_pages(read_only, PAGE, False)
    assert w.space.tables.get(read_only) & FRAME == pinned.spans[0][0]
    pinned.release()


def test_code_that_a_device_writes_over() -> None:
    w, at = buffer()
    w.space.protect(None, at, PAGE, 7)
    w.cpu.store(at, b"old")
    assert w.cpu.execute(at, 3) == b"old"
    pinned = w.space.pin_user_pages(at, PAGE, True)
    pa, offset, _ = pinned.spans[0]
    w.physical.ram[pa + offset : pa + offset + 3] = b"new"
    pinned.release()
    assert w.cpu.execute(at, 3) == b"new"
