"""Areas: where mappings go, how they look in maps, what limits say, the heap, a program's start."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EAGAIN, EEXIST, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, Errno
from ring3.abi.mman import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MCL_CURRENT,
    MCL_FUTURE,
    MREMAP_DONTUNMAP,
    MREMAP_MAYMOVE,
)
from ring3.abi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_32
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.base import Segment
from ring3.machine.emulated.areas import GUARD_GAP
from tests.unit.emulated.mm_fakes import PAGE, Content, FakeFile, World

ANON = MAP_PRIVATE | MAP_ANONYMOUS
MB = 1 << 20


class Caller:
    """A vehicle with a task, as far as memory calls look at it."""

    class cred:
        allowed = False

        @classmethod
        def capable(cls, capability: int) -> bool:
            return cls.allowed

    def __init__(self, abi: str = "x86_64", root: bool = False) -> None:
        self.task = self
        self.abi = abi
        self.cred = type("cred", (Caller.cred,), {"allowed": root})  # type: ignore[assignment,misc]


def anonymous(w: World, addr: int, pages: int, prot: int = 3, flags: int = 0) -> int:
    return w.space.map(None, addr, pages * PAGE, prot, ANON | flags, None, 0)


def shape(w: World) -> list[tuple[int, int, str]]:
    return [(a.start, a.end, a.prot) for a in w.space.areas() if a.name != b"[vsyscall]"]


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
    assert names[shared][2] in [a.inode for a in child.areas()], "a futex there has one key"


# --- limits ---------------------------------------------------------------------------------------
def test_address_space_and_data_limits() -> None:
    w = World()
    w.space.set_limit(RLIMIT_AS, 10 * PAGE)
    at = anonymous(w, 0, 8)
    with pytest.raises(ENOMEM):
        anonymous(w, 0, 3)
    assert anonymous(w, at, 8, flags=MAP_FIXED) == at, "what is replaced does not count"
    with pytest.raises(ENOMEM):
        w.space.remap(None, at, 8 * PAGE, 11 * PAGE, MREMAP_MAYMOVE, 0)
    w.space.set_limit(RLIMIT_AS, 1 << 40)
    w.space.set_limit(RLIMIT_DATA, 9 * PAGE)
    with pytest.raises(ENOMEM):
        anonymous(w, 0, 2)
    read_only = anonymous(w, 0, 2, prot=1)
    with pytest.raises(ENOMEM):
        w.space.protect(None, read_only, 2 * PAGE, 3)
    w.space.map(None, 0, 4 * PAGE, 3, MAP_SHARED | MAP_ANONYMOUS, None, 0)


def test_absurd_sizes() -> None:
    w = World()
    total = w.physical.frames.total
    with pytest.raises(ENOMEM):
        anonymous(w, 0, total + 1)
    at = anonymous(w, 0, total + 1, prot=0)
    with pytest.raises(ENOMEM):
        w.space.protect(None, at, (total + 1) * PAGE, 3)
    anonymous(w, 0, total * 100, flags=MAP_NORESERVE)
    for length, wanted in ((0, EINVAL), (1 << 48, ENOMEM), ((1 << 64) - 5, ENOMEM)):
        with pytest.raises(wanted):
            w.space.map(None, 0, length, 3, ANON, None, 0)


def test_locked_memory() -> None:
    w, user, root = World(), Caller(), Caller(root=True)
    mlock, mlockall = NUMBERS["mlock"], NUMBERS["mlockall"]
    at = anonymous(w, 0, 8)
    w.space.set_limit(RLIMIT_MEMLOCK, 4 * PAGE)
    w.space.advise(user, mlock, (at, 3 * PAGE, 0, 0, 0, 0))
    assert (w.space.locked(), w.space.resident) == (3 * PAGE, 3)
    w.space.advise(user, mlock, (at, 4 * PAGE, 0, 0, 0, 0))
    with pytest.raises(ENOMEM):
        w.space.advise(user, mlock, (at, 5 * PAGE, 0, 0, 0, 0))
    with pytest.raises(EAGAIN):
        w.space.map(user, 0, PAGE, 3, ANON | MAP_LOCKED, None, 0)
    w.space.set_limit(RLIMIT_MEMLOCK, 0)
    with pytest.raises(EPERM):
        w.space.advise(user, mlockall, (MCL_CURRENT, 0, 0, 0, 0, 0))
    w.space.advise(root, mlockall, (MCL_CURRENT | MCL_FUTURE, 0, 0, 0, 0, 0))
    assert w.space.locked() == 8 * PAGE == w.space.resident * PAGE
    w.space.map(root, 0, 2 * PAGE, 3, ANON, None, 0)
    assert w.space.resident == 10
    w.space.advise(user, NUMBERS["munlockall"], (0,) * 6)
    assert w.space.locked() == 0


def test_calls_by_their_number_in_the_callers_abi() -> None:
    w = World()
    at = anonymous(w, 0, 1)
    vector = anonymous(w, 0, 1)
    for caller, numbers in ((Caller(), NUMBERS), (Caller("i386"), NUMBERS_32)):
        assert w.space.advise(caller, numbers["mincore"], (at, PAGE, vector, 0, 0, 0)) == 0
    with pytest.raises(ENOSYS):
        w.space.advise(Caller(), NUMBERS["getpid"], (0,) * 6)


def test_mincore() -> None:
    w, content = World(), Content(bytes(40 * PAGE))
    mincore = NUMBERS["mincore"]
    at, vector = anonymous(w, 0x40000000, 4), anonymous(w, 0x50000000, 1)
    w.cpu.load(at)
    w.cpu.store(at + PAGE, b"x")
    w.cpu.store(at + 2 * PAGE, b"x")
    w.space.protect(None, at + 2 * PAGE, PAGE, 0)
    w.space.advise(None, mincore, (at, 3 * PAGE + 1, vector, 0, 0, 0))
    assert w.space.memory.load(vector, 4) == b"\1\1\1\0"
    file = w.space.map(None, 0x60000000, 40 * PAGE, 1, MAP_SHARED, FakeFile(content), 0)
    w.cpu.load(file)
    w.space.advise(None, mincore, (file, 40 * PAGE, vector, 0, 0, 0))
    assert w.space.memory.load(vector, 40) == b"\1" * 16 + bytes(24), "read ahead by blocks"
    for args, wanted in (
        ((at + 1, PAGE, vector), EINVAL), ((at, 9 * PAGE, vector), ENOMEM),
        ((at, PAGE, 0x70000000), EFAULT), ((at, PAGE, 1 << 47), EFAULT),
        ((w.space.end, PAGE, vector), ENOMEM),
    ):  # fmt: skip
        with pytest.raises(wanted):
            w.space.advise(None, mincore, (*args, 0, 0, 0))


# --- the heap and a program's start ---------------------------------------------------------------
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
