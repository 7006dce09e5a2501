"""Limits, locked memory, and the calls on one's own memory by their numbers."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM
from ring3.abi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MCL_CURRENT,
    MCL_FUTURE,
    MREMAP_MAYMOVE,
)
from ring3.abi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_32
from ring3.abi.syscalls_x86_64 import NUMBERS
from tests.unit.emulated.mm_fakes import PAGE, Caller, Content, FakeFile, World, anonymous

ANON = MAP_PRIVATE | MAP_ANONYMOUS
MB = 1 << 20


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
