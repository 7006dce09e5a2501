"""/dev/vda: the block device on the emulated disk, with paged user memory and no CPU."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from ring3.abi import ioctl as io
from ring3.abi.errno import EACCES, EFAULT, EINVAL, EIO, ENOSPC, ENOTTY, EPERM
from ring3.drivers import block
from ring3.drivers.block import BlockFile
from ring3.drivers.blockdevice import attach_disk
from ring3.machine.emulated.devices.board import Board
from ring3.machine.emulated.frames import Frames
from ring3.machine.emulated.layout import PAGE
from ring3.task.task import Task
from ring3.vfs import special
from tests.unit.emulated.test_devices import VirtualClock
from tests.unit.fakes import PARKED, Kitchen, call, finish, start

SECTORS = 64
SIZE = SECTORS * 512
RAM = 64 * PAGE
BUF = 0x100000


class Ram:
    """The part of the board that Frames asks for."""

    def __init__(self) -> None:
        self.ram = memoryview(bytearray(RAM))

    def flush_tlb(self) -> None: ...
    def flush_page(self, va: int) -> None: ...
    def invalidate_code(self, pa: int, size: int) -> None: ...
    def set_cr3(self, pa: int) -> None: ...


class Paged:
    """User memory and its address space: a page table in a dictionary."""

    word = 64

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.table: dict[int, int] = {}
        self.dirty: set[int] = set()

    def map(self, addr: int, size: int) -> None:
        for page in range(addr, addr + size, PAGE):
            self.table[page] = self.frames.alloc_zeroed()

    def unmap(self, addr: int, size: int) -> None:
        for page in range(addr, addr + size, PAGE):
            self.frames.release(self.table.pop(page))

    def steps(self, addr: int, size: int) -> Iterator[tuple[int, int, int]]:
        while size:
            part = min(size, PAGE - addr % PAGE)
            if addr & -PAGE not in self.table:
                raise EFAULT
            yield self.table[addr & -PAGE], addr % PAGE, part
            addr += part
            size -= part

    def load(self, addr: int, size: int) -> bytes:
        ram = self.frames.ram
        return b"".join(bytes(ram[f + o : f + o + n]) for f, o, n in self.steps(addr, size))

    def store(self, addr: int, data: bytes) -> None:
        for frame, offset, part in list(self.steps(addr, len(data))):
            self.frames.ram[frame + offset : frame + offset + part] = data[:part]
            data = data[part:]

    def pin_user_pages(self, addr: int, size: int, write: bool) -> Pinned:
        return Pinned(self, list(self.steps(addr, size)), write)


class Pinned:
    def __init__(self, memory: Paged, spans: list[tuple[int, int, int]], write: bool) -> None:
        self.memory = memory
        self.spans = spans
        self.write = write
        for frame, _offset, _length in spans:
            memory.frames.pin(frame)

    def release(self) -> None:
        for frame, _offset, _length in self.spans:
            self.memory.frames.unpin(frame)
            if self.write:
                self.memory.dirty.add(frame)


class Machine:
    name = "fake"
    can_bind = False

    def __init__(self, frames: Frames, board: Board) -> None:
        self.frames = frames
        self.board = board

    def attach_disk(self, source: Any, writable: bool, name: str) -> tuple[Any, Any, Any]:
        return self.board.attach_disk(source, writable, name), self.frames, self.frames.ram


class Guest:
    def __init__(self, content: bytes, writable: bool = True) -> None:
        self.k = Kitchen(can_bind=False)
        self.clock = VirtualClock()
        self.k.world.clock = self.clock
        self.frames = Frames(Ram(), PAGE)
        self.board = Board(self.clock, lambda: None, self.frames.ram)
        self.k.world.machine = Machine(self.frames, self.board)  # type: ignore[assignment]
        self.device = attach_disk(self.k.world, content, writable)
        self.memory = Paged(self.frames)
        self.t = self.task()

    def task(self) -> Task:
        t = self.k.task()
        t.memory = t.space = self.memory  # type: ignore[assignment]
        return t

    def open(self, flags: int, t: Task | None = None) -> int:
        return (t or self.t).fds.install(BlockFile(self.device, flags))

    def idle(self, most: int = 1000) -> int:
        """Let the devices work until nothing is going on; how many events that took."""
        for count in range(most):
            at = self.board.next_event_ns(idle=True)
            if at is None:
                return count
            self.clock.now = max(at, self.clock.now)
            self.step()
        raise AssertionError("the board does not come to rest")

    def step(self) -> None:
        self.board.advance()
        while self.board.pending() is not None:
            self.board.handle(self.board.acknowledge())
        self.board.bottom_halves()

    def run(self, t: Task, name: str, *args: int) -> int:
        """Serve a call that may wait for the disk."""
        result = start(t, name, *args)
        for _ in range(100):
            if result != PARKED:
                return int(result)
            self.idle()
            result = finish(t)
        raise AssertionError("it waits for ever")

    @property
    def stored(self) -> bytes:
        return bytes(self.device.disk.backing.read_at(0, SIZE))


def image() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def make() -> Iterator[Any]:
    openers = dict(special.OPENERS)
    made: list[Guest] = []

    def guest(content: bytes | None = None, writable: bool = True) -> Guest:
        made.append(Guest(image() if content is None else content, writable))
        return made[-1]

    yield guest
    for g in made:
        g.k.close()
    special.OPENERS.clear()
    special.OPENERS.update(openers)


@pytest.fixture
def g(make: Any) -> Guest:
    made: Guest = make()
    return made


DIRECT = os.O_RDWR | os.O_DIRECT


# --- O_DIRECT ------------------------------------------------------------------------------------
def test_a_direct_read_parks_pins_and_fills_the_callers_frames(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, 2 * PAGE)
    assert start(g.t, "pread64", fd, BUF + 512, 4096, 1024) == PARKED
    assert g.t.parked is not None
    assert len(g.frames.pins) == 2
    used = g.frames.used
    assert finish(g.t) == PARKED, "nothing came yet"
    g.idle()
    assert finish(g.t) == 4096
    assert g.memory.load(BUF + 512, 4096) == image()[1024 : 1024 + 4096]
    assert g.memory.load(BUF, 512) == bytes(512)
    assert (g.frames.pins, g.frames.used) == ({}, used), "no frame but the caller's was used"
    assert g.memory.dirty == set(g.memory.table.values())


def test_a_direct_write_takes_the_callers_frames(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    g.memory.store(BUF, b"D" * 1024)
    assert g.run(g.t, "pwrite64", fd, BUF, 1024, 512) == 1024
    assert g.stored == image()[:512] + b"D" * 1024 + image()[1536:]
    assert g.memory.dirty == set()


def test_the_race_of_a_parked_read_with_an_unmap(g: Guest) -> None:
    """Another thread unmaps the buffer and gets new memory at the same address while the drive
    works: the new page, and whoever gets the next frames, stay as they are."""
    fd = g.open(DIRECT)
    g.memory.map(BUF, 2 * PAGE)
    old = [g.memory.table[BUF], g.memory.table[BUF + PAGE]]
    assert start(g.t, "read", fd, BUF, 2 * PAGE) == PARKED
    g.memory.unmap(BUF, 2 * PAGE)
    g.memory.map(BUF, 2 * PAGE)
    fresh = [g.memory.table[BUF], g.memory.table[BUF + PAGE]]
    assert not set(fresh) & set(old), "pinned frames are not handed out"
    g.idle()
    assert finish(g.t) == 2 * PAGE, "as on Linux: the transfer itself was done"
    assert g.memory.load(BUF, 2 * PAGE) == bytes(2 * PAGE), "the new mapping was not written"
    assert bytes(g.frames.ram[old[0] : old[0] + PAGE]) == image()[:PAGE]
    assert g.frames.pins == {}
    assert sorted(g.frames.free) == sorted(old), "free now that nothing needs them"


def test_without_the_pins_the_race_would_hit_a_stranger(g: Guest) -> None:
    """The test above can fail: with frames given back at once, the DMA lands in their new use."""
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    loose = Pinned(g.memory, list(g.memory.steps(BUF, PAGE)), False)
    loose.release()
    loose.release = lambda: None  # type: ignore[method-assign]
    g.memory.pin_user_pages = lambda *args: loose  # type: ignore[method-assign]
    assert start(g.t, "read", fd, BUF, PAGE) == PARKED
    g.memory.unmap(BUF, PAGE)
    g.memory.map(BUF + 16 * PAGE, PAGE)
    g.idle()
    assert g.memory.load(BUF + 16 * PAGE, PAGE) == image()[:PAGE]


def test_a_caller_that_dies_while_parked_leaves_nothing_behind(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    assert start(g.t, "read", fd, BUF, PAGE) == PARKED
    g.t.unpark()
    g.memory.unmap(BUF, PAGE)
    assert len(g.frames.pins) == 1
    g.idle()
    assert (g.frames.pins, g.frames.used) == ({}, 0)


def test_a_signal_does_not_end_the_wait(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    assert start(g.t, "read", fd, BUF, PAGE) == PARKED
    g.t.interrupt()
    assert g.t.parked is not None
    g.idle()
    assert finish(g.t) == PAGE


# What Linux 6.18 answers on a loop device of 64 sectors.
@pytest.mark.parametrize(
    ("name", "offset", "size", "result"),
    [
        ("pread64", SIZE - 1024, 4096, 1024),
        ("pread64", SIZE, 512, 0),
        ("pread64", SIZE + 512, 512, 0),
        ("pread64", 0, 100, EINVAL),
        ("pread64", 100, 512, EINVAL),
        ("pread64", SIZE + 100, 512, 0),
        ("pread64", SIZE, 100, 0),
        ("pread64", 100, 0, 0),
        ("pwrite64", SIZE - 1024, 4096, 1024),
        ("pwrite64", SIZE, 512, ENOSPC),
        ("pwrite64", SIZE, 100, ENOSPC),
        ("pwrite64", SIZE, 0, 0),
        ("pwrite64", 0, 100, EINVAL),
    ],
)
def test_direct_limits_are_linuxs(
    g: Guest, name: str, offset: int, size: int, result: int | type[Exception]
) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    if isinstance(result, int):
        assert g.run(g.t, name, fd, BUF, size, offset) == result
    else:
        with pytest.raises(result):
            g.run(g.t, name, fd, BUF, size, offset)
    assert g.frames.pins == {}


def test_buffers_that_end_early_are_filled_as_far_as_they_go(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    assert g.run(g.t, "pread64", fd, BUF, 2 * PAGE, 0) == PAGE
    assert g.memory.load(BUF, PAGE) == image()[:PAGE]
    with pytest.raises(EFAULT):
        g.run(g.t, "pread64", fd, BUF + PAGE, PAGE, 0)
    with pytest.raises(EFAULT):
        g.run(g.t, "pread64", fd, BUF + PAGE - 100, 512, 0)  # not one whole sector
    assert g.frames.pins == {}


def test_a_buffer_may_start_anywhere_in_its_page(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, 3 * PAGE)
    assert g.run(g.t, "pread64", fd, BUF + 4001, 4096, 512) == 4096
    assert g.memory.load(BUF + 4001, 4096) == image()[512 : 512 + 4096]


def test_vectors_and_the_position(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, 4 * PAGE)
    iov = struct.pack("<4Q", BUF + PAGE, 512, BUF + 3 * PAGE, 1024)
    g.memory.store(BUF, iov)
    assert g.run(g.t, "readv", fd, BUF, 2) == 1536
    assert g.memory.load(BUF + PAGE, 512) == image()[:512]
    assert g.memory.load(BUF + 3 * PAGE, 1024) == image()[512:1536]
    assert call(g.t, "lseek", fd, 0, os.SEEK_CUR) == 1536


def test_transfers_larger_than_a_piece(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(2).randbytes(96 * 512)
    g: Guest = make(content)
    monkeypatch.setattr(block, "DIRECT_PIECE", 2 * PAGE)
    fd = g.open(DIRECT)
    g.memory.map(BUF, 12 * PAGE)
    assert g.run(g.t, "pread64", fd, BUF, len(content), 0) == len(content)
    assert g.memory.load(BUF, len(content)) == content
    assert g.device.disk.done[0] == 6


# --- without O_DIRECT ----------------------------------------------------------------------------
def test_any_bytes_by_way_of_the_kernels_frames(g: Guest) -> None:
    fd = g.open(os.O_RDWR)
    g.memory.map(BUF, 4 * PAGE)
    used = g.frames.used
    assert g.run(g.t, "pread64", fd, BUF + 3, 9001, 777) == 9001
    assert g.memory.load(BUF + 3, 9001) == image()[777 : 777 + 9001]
    g.memory.store(BUF, b"w" * 1000)
    assert g.run(g.t, "pwrite64", fd, BUF, 1000, 700) == 1000
    assert g.stored == image()[:700] + b"w" * 1000 + image()[1700:]
    assert (g.frames.used, g.device.mending) == (used, False)
    assert g.memory.dirty == set(), "the drive never touched the caller's frames"


def test_two_writes_into_one_sector_keep_both(g: Guest) -> None:
    other = g.task()
    fd, fd2 = g.open(os.O_RDWR), g.open(os.O_RDWR, other)
    g.memory.map(BUF, PAGE)
    g.memory.store(BUF, b"AAAABBBB")
    assert start(g.t, "pwrite64", fd, BUF, 4, 0) == PARKED
    assert start(other, "pwrite64", fd2, BUF + 4, 4, 100) == PARKED
    g.idle()
    assert finish(g.t) == 4
    assert finish(other) == PARKED, "its turn came only now"
    g.idle()
    assert finish(other) == 4
    assert g.stored[:200] == b"AAAA" + image()[4:100] + b"BBBB" + image()[104:200]


def test_a_read_whose_buffer_went_away_is_efault(g: Guest) -> None:
    fd = g.open(os.O_RDONLY)
    g.memory.map(BUF, PAGE)
    used = g.frames.used
    assert start(g.t, "read", fd, BUF, 512) == PARKED
    g.memory.unmap(BUF, PAGE)
    g.idle()
    with pytest.raises(EFAULT):
        finish(g.t)
    assert g.frames.used == used - 1
    assert call(g.t, "lseek", fd, 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize("seed", range(4))
def test_random_calls_against_a_plain_file(make: Any, seed: int) -> None:
    """Reads and writes of all kinds give what the same calls on bytes would."""
    g: Guest = make()
    rng, model = random.Random(seed), bytearray(image())
    fds = [g.open(os.O_RDWR), g.open(DIRECT)]
    g.memory.map(BUF, 8 * PAGE)
    for _ in range(60):
        direct = rng.randrange(2)
        unit = 512 if direct else 1
        offset = rng.randrange(0, SIZE // unit) * unit
        size = rng.randrange(1, 6 * PAGE // unit) * unit
        addr = BUF + rng.randrange(0, PAGE)
        left = min(size, SIZE - offset)
        if rng.randrange(2):
            assert g.run(g.t, "pread64", fds[direct], addr, size, offset) == left
            assert g.memory.load(addr, left) == model[offset : offset + left]
        else:
            data = rng.randbytes(size)
            g.memory.store(addr, data)
            assert g.run(g.t, "pwrite64", fds[direct], addr, size, offset) == left
            model[offset : offset + left] = data[:left]
    assert g.stored == model
    assert (g.frames.pins, g.frames.used) == ({}, 8)


# --- everything else -----------------------------------------------------------------------------
def test_a_write_protected_disk(make: Any) -> None:
    g: Guest = make(writable=False)
    fd = g.open(os.O_RDWR)
    g.memory.map(BUF, PAGE)
    with pytest.raises(EPERM):
        g.run(g.t, "pwrite64", fd, BUF, 10, 0)
    assert g.run(g.t, "ioctl", fd, io.BLKROGET, BUF) == 0
    assert g.memory.load(BUF, 4) == b"\1\0\0\0"


def test_an_error_of_the_medium_is_eio(g: Guest) -> None:
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    del g.device.disk.backing.data[512:]
    with pytest.raises(EIO):
        g.run(g.t, "pread64", fd, BUF, 512, 4096)
    assert g.frames.pins == {}
    assert g.run(g.t, "pread64", fd, BUF, 512, 0) == 512


@pytest.mark.parametrize(
    ("request_", "width", "answer"),
    [
        (io.BLKGETSIZE64, 8, SIZE),
        (io.BLKGETSIZE, 8, SECTORS),
        (io.BLKSSZGET, 4, 512),
        (io.BLKPBSZGET, 4, 512),
        (io.BLKBSZGET, 4, 4096),
        (io.BLKROGET, 4, 0),
        (io.BLKROTATIONAL, 2, 0),
    ],
)
def test_what_the_device_says_of_itself(g: Guest, request_: int, width: int, answer: int) -> None:
    fd = g.open(os.O_RDONLY)
    g.memory.map(BUF, PAGE)
    g.memory.store(BUF, b"\xee" * 16)
    assert g.run(g.t, "ioctl", fd, request_, BUF) == 0
    assert g.memory.load(BUF, 16) == answer.to_bytes(width, "little") + b"\xee" * (16 - width)


def test_requests_that_need_a_capability_and_unknown_ones(g: Guest) -> None:
    fd = g.open(os.O_RDWR)
    with pytest.raises(ENOTTY):
        g.run(g.t, "ioctl", fd, io.TCGETS, BUF)
    assert g.run(g.t, "ioctl", fd, io.BLKFLSBUF, 0) == 0
    assert g.device.disk.done[2] == 1
    g.t.cred.effective = 0
    with pytest.raises(EACCES):
        g.run(g.t, "ioctl", fd, io.BLKFLSBUF, 0)


@pytest.mark.parametrize(
    ("offset", "whence", "result"),
    [
        (SIZE, os.SEEK_SET, SIZE),
        (SIZE + 1, os.SEEK_SET, EINVAL),
        (-1, os.SEEK_SET, EINVAL),
        (0, os.SEEK_END, SIZE),
        (1, os.SEEK_END, EINVAL),
        (0, os.SEEK_DATA, EINVAL),
    ],
)
def test_positions(g: Guest, offset: int, whence: int, result: int | type[Exception]) -> None:
    fd = g.open(os.O_RDONLY)
    if isinstance(result, int):
        assert call(g.t, "lseek", fd, offset, whence) == result
    else:
        with pytest.raises(result):
            call(g.t, "lseek", fd, offset, whence)


def test_fsync_waits_for_the_drive(g: Guest) -> None:
    fd = g.open(os.O_RDWR)
    g.memory.map(BUF, PAGE)
    assert start(g.t, "fsync", fd) == PARKED
    g.idle()
    assert finish(g.t) == 0
    assert g.run(g.t, "fdatasync", fd) == 0
    assert g.device.disk.done[2] == 2


def test_mappings_are_told_of_writes_and_asked_before_reads(g: Guest) -> None:
    told: list[tuple[str, int, int]] = []

    class Mapping:
        def before_read(self, offset: int, size: int) -> None:
            told.append(("read", offset, size))

        def after_write(self, offset: int, size: int) -> None:
            told.append(("wrote", offset, size))

        def shared_writable(self) -> bool:
            return False

        def truncated(self, size: int) -> None: ...
        def gone(self) -> None: ...

    g.device.mapping = Mapping()
    fd = g.open(DIRECT)
    g.memory.map(BUF, PAGE)
    g.run(g.t, "pread64", fd, BUF, 512, 1024)
    assert told == [("read", 1024, 512)]
    g.run(g.t, "pwrite64", fd, BUF, 512, 2048)
    assert told[1:] == [("read", 2048, 512), ("wrote", 2048, 512)]


def test_a_machine_without_a_place_for_a_drive() -> None:
    k = Kitchen()
    try:
        with pytest.raises(ValueError, match="no place for a disk"):
            attach_disk(k.world, b"", False)
    finally:
        k.close()
