"""Mapped files: one page cache, the same bytes for stores and for read(2) and write(2)."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EACCES, EINVAL
from ring3.abi.mman import (
    MADV_REMOVE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_SYNC,
)
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.emulated import physical as physical_room
from ring3.machine.emulated.paging import FRAME
from tests.unit.emulated.mm_fakes import FIRST, PAGE, Content, FakeFile, Signal, World

ADRERR = (7, 2)


def mapped(size: int = 5000, flags: int = MAP_SHARED) -> tuple[World, Content, int]:
    w = World()
    content = Content(bytes(range(256)) * (size // 256) + bytes(size % 256))
    at = w.space.map(None, 0, 4 * PAGE, 3, flags, FakeFile(content), 0)
    return w, content, at


@pytest.mark.parametrize("flags", [MAP_SHARED, MAP_PRIVATE])
def test_bytes_zeros_and_bus_errors(flags: int) -> None:
    w, content, at = mapped(flags=flags)
    assert w.cpu.load(at + 1000, 16) == content.data[1000:1016]
    assert w.cpu.load(at + 5000, 100) == bytes(100), "behind the end, in its page: zeros"
    for action in (w.cpu.load, lambda va: w.cpu.store(va, b"x")):
        with pytest.raises(Signal) as end:
            action(at + 2 * PAGE)
        assert end.value.args[0] == ADRERR


def test_shared_stores_are_seen_by_read_and_only_once_written() -> None:
    w, content, at = mapped()
    w.cpu.store(at + 10, b"store")
    assert content.data[10:15] != b"store"
    assert content.read(10, 5) == b"store"
    assert content.read(0, 100) and content.writes == [(0, PAGE)]
    w.cpu.store(at + 10, b"again")
    assert content.read(10, 5) == b"again", "the D bit was cleared, and the TLB knows"
    w.cpu.store(at + 4999, b"end+")
    assert content.read(4990, 50)[-1:] == b"e" and len(content.data) == 5000


def test_private_stores_are_not() -> None:
    w, content, at = mapped(flags=MAP_PRIVATE)
    before = bytes(content.data)
    w.cpu.store(at, b"mine")
    content.write(PAGE, b"new")
    assert w.cpu.load(at, 4) == b"mine"
    assert w.cpu.load(at + PAGE, 3) == b"new", "what was not copied shows the file"
    assert content.read(0, 10) == before[:10]


def test_write_shows_in_mappings() -> None:
    w, content, at = mapped()
    other = w.new_space()
    there = other.map(None, 0, PAGE, 1, MAP_SHARED, FakeFile(content), PAGE)
    w.cpu.load(at + PAGE)
    w.cpu.store(at + PAGE + 8, b"kept")
    content.write(PAGE, b"written")
    assert w.cpu.load(at + PAGE, 12) == b"written" + content.data[PAGE + 7 : PAGE + 8] + b"kept"
    assert w.on(other).load(there, 7) == b"written"
    assert w.space.tables.get(at + PAGE) & FRAME == other.tables.get(there) & FRAME


def test_truncate_takes_pages_away() -> None:
    w, content, at = mapped(4 * PAGE)
    private = w.space.map(None, 0, 4 * PAGE, 3, MAP_PRIVATE, FakeFile(content), 0)
    for page in range(4):
        w.cpu.store(at + page * PAGE, b"shared")
        w.cpu.store(private + page * PAGE, b"own")
    content.truncate(PAGE + 2)
    assert w.cpu.load(at + PAGE, 4) == b"sh\0\0"
    assert w.cpu.load(private, 3) == b"own"
    for va in (at + 2 * PAGE, private + 2 * PAGE, at + 3 * PAGE):
        with pytest.raises(Signal) as end:
            w.cpu.load(va)
        assert end.value.args[0] == ADRERR, "private copies go as well (even_cows)"
    content.truncate(4 * PAGE)
    assert w.cpu.load(at + 3 * PAGE, 4) == bytes(4)


def test_munmap_exit_and_msync_write_back() -> None:
    w, content, at = mapped()
    w.cpu.store(at, b"one")
    w.space.advise(None, NUMBERS["msync"], (at, PAGE, MS_SYNC, 0, 0, 0))
    assert content.data[:3] == b"one"
    w.cpu.store(at, b"two")
    w.space.unmap(None, at, 4 * PAGE)
    assert content.data[:3] == b"two"
    at = w.space.map(None, 0, PAGE, 3, MAP_SHARED, FakeFile(content), 0)
    w.cpu.store(at, b"end")
    w.space.drop()
    assert content.data[:3] == b"end"


def test_the_file_is_held_while_it_is_mapped() -> None:
    w, file = World(), FakeFile(Content(bytes(4 * PAGE)))
    at = w.space.map(None, 0, 4 * PAGE, 1, MAP_PRIVATE, file, 0)
    w.space.unmap(None, at + PAGE, PAGE)
    child = w.space.fork()
    assert file.refs == 5
    child.drop()
    w.space.drop()
    assert file.refs == 1


def test_pages_are_kept_for_the_next_who_maps_unless_the_file_changed() -> None:
    w, content, at = mapped(4 * PAGE, MAP_PRIVATE)
    w.cpu.load(at)
    w.space.unmap(None, at, 4 * PAGE)
    reads = content.reads
    at = w.space.map(None, 0, 4 * PAGE, 1, MAP_PRIVATE, FakeFile(content), 0)
    w.cpu.load(at)
    assert content.reads == reads
    w.space.unmap(None, at, 4 * PAGE)
    content.data[:3], content.version = b"NEW", 1  # by somebody outside
    at = w.space.map(None, 0, 4 * PAGE, 1, MAP_PRIVATE, FakeFile(content), 0)
    assert w.cpu.load(at, 3) == b"NEW"


def test_a_file_that_is_gone_gives_its_pages_back() -> None:
    w, content, at = mapped()
    w.cpu.load(at)
    w.space.unmap(None, at, 4 * PAGE)
    used = w.physical.frames.used
    content.mapping.gone()
    assert content.mapping is None and w.physical.frames.used == used - 2
    assert not w.physical.idle


def test_idle_files_are_given_up_for_memory_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    w = World(FIRST // PAGE + 80)
    contents = [Content(bytes(16 * PAGE)) for _ in range(3)]
    for content in contents:
        at = w.space.map(None, 0, 16 * PAGE, 1, MAP_PRIVATE, FakeFile(content), 0)
        w.cpu.load(at)
        w.space.unmap(None, at, 16 * PAGE)
    at = w.space.map(None, 0, 50 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, None, 0)
    for page in range(50):
        w.cpu.store(at + page * PAGE, b"x")
    kept = [content.mapping is not None for content in contents]
    assert kept == [False, False, True], "the longest unused went first"
    monkeypatch.setattr(physical_room, "IDLE_FILES", 0)
    w.space.unmap(None, at, 50 * PAGE)
    at = w.space.map(None, 0, PAGE, 1, MAP_PRIVATE, FakeFile(contents[0]), 0)
    w.cpu.load(at)
    w.space.unmap(None, at, PAGE)
    assert [content.mapping for content in contents] == [None] * 3


def test_one_fault_maps_what_is_in_memory_around_it() -> None:
    w, _, at = mapped(4 * PAGE, MAP_PRIVATE)
    w.cpu.load(at)
    faults = w.cpu.faults
    for page in range(4):
        w.cpu.load(at + page * PAGE)
    assert w.cpu.faults == faults
    assert w.space.resident == 4


def test_a_read_only_file_cannot_be_made_writable() -> None:
    w = World()
    file = FakeFile(Content(bytes(PAGE)), writable=False)
    shared = w.space.map(None, 0, PAGE, 1, MAP_SHARED, file, 0)
    private = w.space.map(None, 0, PAGE, 1, MAP_PRIVATE, file, 0)
    with pytest.raises(EACCES):
        w.space.protect(None, shared, PAGE, 3)
    assert w.space.protect(None, private, PAGE, 3) == 0
    assert not file.content.mapping.shared_writable()  # type: ignore[union-attr]


def test_madv_remove_punches_holes() -> None:
    w, content, at = mapped(4 * PAGE)
    w.cpu.store(at + PAGE, b"gone")
    madvise = NUMBERS["madvise"]
    w.space.advise(None, madvise, (at + PAGE, PAGE, MADV_REMOVE, 0, 0, 0))
    assert w.cpu.load(at + PAGE, 4) == bytes(4) and content.data[PAGE : 2 * PAGE] == bytes(PAGE)
    shared = w.space.map(None, 0, PAGE, 3, MAP_SHARED | MAP_ANONYMOUS, None, 0)
    w.cpu.store(shared, b"x")
    w.space.advise(None, madvise, (shared, PAGE, MADV_REMOVE, 0, 0, 0))
    assert w.cpu.load(shared) == b"\0"
    own = w.space.map(None, 0, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, None, 0)
    with pytest.raises(EINVAL):
        w.space.advise(None, madvise, (own, PAGE, MADV_REMOVE, 0, 0, 0))


def test_a_file_of_zeros() -> None:
    w, file = World(), FakeFile(None)
    private = w.space.map(None, 0, PAGE, 3, MAP_PRIVATE, file, 0)
    shared = w.space.map(None, private + PAGE, PAGE, 3, MAP_SHARED, file, 0)
    fixed = w.space.map(None, 0x50000000, PAGE, 3, MAP_SHARED | MAP_FIXED, file, 0)
    w.cpu.store(shared, b"one")
    assert (w.cpu.load(private, 3), w.cpu.load(fixed, 3)) == (bytes(3), bytes(3))


def test_reading_errors_are_bus_errors() -> None:
    from ring3.abi.errno import EIO

    w, content, at = mapped()

    def fail(offset: int, size: int) -> bytes:
        raise EIO

    content.read_at = fail  # type: ignore[method-assign]
    with pytest.raises(Signal) as end:
        w.cpu.load(at)
    assert end.value.args[0] == ADRERR


def test_a_file_larger_than_memory() -> None:
    """Pages of mapped files go and come back; what was stored is not lost, nor what is pinned."""
    w = World(FIRST // PAGE + 120)
    content = Content(b"".join(b"%04d" % n * 1024 for n in range(300)))
    at = w.space.map(None, 0, 300 * PAGE, 3, MAP_SHARED, FakeFile(content), 0)
    cheap = MAP_PRIVATE | MAP_NORESERVE
    private = w.space.map(None, 0, 300 * PAGE, 3, cheap, FakeFile(content), 0)
    w.cpu.store(private + 7 * PAGE, b"own!")
    pinned = w.space.pin_user_pages(at + 5 * PAGE, PAGE, True)
    for n in range(300):
        assert w.cpu.load(at + n * PAGE, 4) == b"%04d" % n
        w.cpu.store(at + n * PAGE + 8, b"%04d" % (n + 1))
    pinned.store(100, b"DMA")
    child = w.space.fork()
    for n in reversed(range(300)):
        text = b"own!" if n == 7 else b"%04d" % n
        assert w.on(child).load(private + n * PAGE, 4) == text
        assert w.on(w.space).load(at + n * PAGE + 8, 4) == b"%04d" % (n + 1)
    assert w.cpu.load(at + 5 * PAGE + 100, 3) == b"DMA"
    pinned.release()
    moved = w.space.remap(None, at, 300 * PAGE, 301 * PAGE, 1, 0)
    assert w.cpu.load(moved + 299 * PAGE, 4) == b"0299"
    child.drop()
    w.space.drop()
    assert content.data[5 * PAGE + 100 : 5 * PAGE + 103] == b"DMA"
    assert all(content.data[n * PAGE + 8 : n * PAGE + 12] == b"%04d" % (n + 1) for n in range(300))
    assert w.physical.frames.used - w.idle == len(content.mapping.frames)
