"""A program's start: segments, heap, entry page."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EFAULT, EINVAL, ENOMEM
from ring3.abi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MREMAP_DONTUNMAP,
    MREMAP_MAYMOVE,
)
from ring3.abi.resource import RLIMIT_DATA
from ring3.machine.base import Segment
from tests.unit.emulated.mm_fakes import PAGE, Content, FakeFile, World, anonymous, shape

ANON = MAP_PRIVATE | MAP_ANONYMOUS
MB = 1 << 20


def started(filesz: int = 0x1800, memsz: int = 0x5000) -> tuple[World, int, Content]:
    w = World()
    content = Content(b"\x11" * 0x4000)
    file = FakeFile(content)
    w.space.map_stack(0x7FFFFFFDE000, 3, 8 * MB)
    w.space.map_segment(Segment(file, 0, 0x400000, 0x1000, 0x1000, 5))
    w.space.map_segment(Segment(file, 0x1010, 0x402010, filesz, memsz, 3))
    w.space.map_segment(Segment(FakeFile(content), 0, 0x7F0000000000, 0x1000, 0x1000, 5))
    w.space.set_break()
    return w, 0x402010 + filesz, content


def test_segments() -> None:
    w, end, content = started()
    load = w.cpu.load
    assert load(0x402010, 4) == b"\x11" * 4 == load(end - 4, 4)
    assert load(end, 100) == bytes(100) == load(0x407000 - 100, 100), ".bss reads as zeros"
    assert bytes(content.data) == b"\x11" * 0x4000
    assert [(a.start, a.end, a.prot, a.offset) for a in w.space.areas()[:3]] == [
        (0x400000, 0x401000, "r-x", 0), (0x402000, 0x404000, "rw-", 0x1000),
        (0x404000, 0x408000, "rw-", 0),
    ]  # fmt: skip
    assert w.space.brk_start == w.space.brk == 0x408000


def test_segments_that_cannot_be() -> None:
    w = World()
    file = FakeFile(Content(bytes(PAGE)))
    for segment, wanted in (
        (Segment(file, 0, 0x400000, 20, 10, 3), EINVAL),
        (Segment(file, 0, w.space.end - PAGE, PAGE, 2 * PAGE, 3), ENOMEM),
        (Segment(file, 0, 0x400000, 2 * PAGE - 8, 2 * PAGE, 3), EFAULT),
    ):
        with pytest.raises(wanted):
            w.space.map_segment(segment)


def test_brk() -> None:
    w, _, _ = started()
    start = w.space.brk_start
    brk = w.space.set_brk
    assert brk(None, 0) == start
    assert brk(None, start + 100) == start + 100
    w.cpu.store(start + 50, b"heap")
    assert brk(None, start + 20 * PAGE) == start + 20 * PAGE
    assert [a.name for a in w.space.areas() if a.end == start + 20 * PAGE] == [b"[heap]"]
    assert brk(None, start - 1) == start + 20 * PAGE
    assert brk(None, start + 10) == start + 10
    assert w.cpu.load(start + 50, 4) == b"heap"
    assert brk(None, start) == start and brk(None, start + PAGE) == start + PAGE
    assert w.cpu.load(start + 50, 4) == bytes(4)
    anonymous(w, start + 10 * PAGE, 1, flags=MAP_FIXED)
    assert brk(None, start + 9 * PAGE + 1) == start + PAGE, "a page stays between"
    assert brk(None, start + 9 * PAGE) == start + 9 * PAGE
    w.space.set_limit(RLIMIT_DATA, 8 * PAGE)
    assert brk(None, start + 8 * PAGE + 1) == start + 9 * PAGE
    assert brk(None, start + 8 * PAGE) == start + 8 * PAGE


def test_the_entry_page() -> None:
    w = World(word=32)
    assert w.space.map_entry_page() == 0
    w.physical.set_entry_page(b"\x0f\x34")
    at = w.space.map_entry_page()
    other = w.new_space(32)
    there = other.map_entry_page()
    assert w.cpu.execute(at, 2) == b"\x0f\x34" == w.on(other).execute(there, 2)
    assert [(a.name, a.prot, a.shared) for a in other.areas()] == [(b"[vdso]", "r-x", False)]
    with pytest.raises(EFAULT):
        other.remap(None, there, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0)
    with pytest.raises(EINVAL):
        other.remap(None, there, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0)
    other.drop()
    w.space.drop()
    assert w.new_space(32).map_entry_page()


def test_accounts() -> None:
    from ring3.machine.emulated.accounts import statm, status, usage

    w, _, _ = started()
    at = anonymous(w, 0x40000000, 10)
    for page in range(6):
        w.cpu.store(at + page * PAGE, b"x")
    child = w.space.fork()
    w.cpu.store(at, b"y")
    w.cpu.load(0x400000)
    area = w.space.vmas.find(at)
    assert area is not None
    numbers = usage(w.space, area)
    assert (numbers.rss, numbers.anonymous, numbers.shared_dirty) == (6, 6, 5)
    assert numbers.pss == PAGE + 5 * PAGE // 2
    size, resident, shared, text, data = statm(w.space)
    assert size == w.space.mapped // PAGE == sum(e - s for s, e, _ in shape(w)) // PAGE
    assert resident == sum(usage(w.space, v).rss for v in w.space.vmas.items)
    assert (text, data) == (2, 10 + 2 + 4 + 33)
    assert shared == resident - sum(usage(w.space, v).anonymous for v in w.space.vmas.items)
    lines = status(w.space)
    assert lines["VmStk"] == 132 and lines["VmRSS"] == 4 * resident
    w.space.unmap(None, at, 10 * PAGE)
    assert status(w.space)["VmPeak"] == lines["VmSize"] and status(w.space)["VmHWM"] >= 4 * resident
    child.drop()
