"""A board without a processor: RAM, and a TLB that remembers what it may.

``Cpu`` accesses memory as the processor does: through the page tables, with a TLB that keeps what
it has seen until it is flushed, so that a missing flush shows; and it "translates" what it
executes, so that a missing invalidation shows.
"""

from __future__ import annotations

from typing import Any

from ring3.machine.emulated.paging import FRAME, NX, A, D, P, U, W
from ring3.machine.emulated.physical import Physical
from ring3.machine.emulated.space import EmulatedSpace

PAGE = 4096
FIRST = 0x10000
KERNEL_TABLE = FIRST - 2 * PAGE
MASK = (1 << 48) - 1


class FakeBoard:
    """RAM of *pages* pages."""

    def __init__(self, pages: int = 2048) -> None:
        self.ram = memoryview(bytearray(pages * PAGE))
        self.words = self.ram.cast("Q")
        self.tlb: dict[int, int] = {}
        self.translated: dict[int, bytes] = {}
        """Frame -> its bytes when code of it was last translated."""
        self.root = 0
        self.flushes = 0

    def flush_tlb(self) -> None:
        self.tlb.clear()
        self.flushes += 1

    def flush_page(self, va: int) -> None:
        self.tlb.pop(va & -PAGE, None)

    def invalidate_code(self, pa: int, size: int) -> None:
        for frame in range(pa & -PAGE, pa + size, PAGE):
            self.translated.pop(frame, None)

    def set_cr3(self, pa: int) -> None:
        self.root = pa
        self.tlb.clear()


class Signal(Exception):
    """The access ends in (signal, si_code)."""


class Cpu:
    def __init__(self, board: FakeBoard, physical: Physical) -> None:
        self.board = board
        self.physical = physical
        self.faults = 0

    def walk(self, va: int, write: bool) -> int:
        """The leaf entry as the processor finds it, 0 if a level is not present. Sets A and D."""
        words, table = self.board.words, self.board.root
        for shift in (39, 30, 21, 12):
            at = (table >> 3) + (va >> shift & 511)
            entry = words[at]
            if not entry & P:
                return 0
            if shift > 12:
                assert entry & (W | U) == W | U and not entry & NX
            table = entry & FRAME
        if not write or entry & W:
            words[at] = entry = entry | A | (D if write else 0)
        return entry

    def translate(self, va: int, write: bool, execute: bool) -> int:
        """The frame of an access. A TLB entry without D is walked again for a store."""
        page = va & -PAGE
        for _ in range(8):
            entry = self.board.tlb.get(page, 0)
            if not allows(entry, write, execute) or (write and not entry & D):
                entry = self.walk(page, write)
                if allows(entry, write, execute):
                    self.board.tlb[page] = entry
            if allows(entry, write, execute):
                return entry
            self.faults += 1
            assert self.physical.current is not None
            failed = self.physical.current.fault(va, write, execute)
            if failed is not None:
                raise Signal(failed)
        raise AssertionError(f"the fault at {va:#x} is never served")

    def load(self, va: int, size: int = 1) -> bytes:
        pa = (self.translate(va, False, False) & FRAME) + va % PAGE
        return bytes(self.board.ram[pa : pa + size])

    def store(self, va: int, data: bytes) -> None:
        entry = self.translate(va, True, False)
        frame = entry & FRAME
        at = frame + va % PAGE
        self.board.ram[at : at + len(data)] = data
        if not entry & NX:
            # As the engine: only stores through executable entries are looked at.
            self.board.translated.pop(frame, None)

    def execute(self, va: int, size: int = 1) -> bytes:
        """The code at *va*, as it was translated at first."""
        frame = self.translate(va, False, True) & FRAME
        code = self.board.translated.setdefault(frame, bytes(self.board.ram[frame : frame + PAGE]))
        return code[va % PAGE : va % PAGE + size]


def allows(entry: int, write: bool, execute: bool) -> bool:
    return (
        entry & (P | U) == P | U and (not write or bool(entry & W)) and not (execute and entry & NX)
    )


class Content:
    """A file's content (machine.base.FileContent)."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.mapping: Any = None
        self.version = 0
        self.reads = 0
        self.writes: list[tuple[int, int]] = []

    def read_at(self, offset: int, size: int) -> bytes:
        self.reads += 1
        return bytes(self.data[offset : offset + size])

    def write_at(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= len(self.data)
        self.writes.append((offset, len(data)))
        self.data[offset : offset + len(data)] = data

    def content_size(self) -> int:
        return len(self.data)

    def stamp(self) -> object:
        return self.version

    # What the kernel's own calls do.
    def read(self, offset: int, size: int) -> bytes:
        if self.mapping is not None:
            self.mapping.before_read(offset, size)
        return self.read_at(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        if self.mapping is not None:
            self.mapping.before_read(offset, len(data))
        end = offset + len(data)
        grown = end > len(self.data)
        if grown:
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = data
        if self.mapping is not None:
            if grown:
                self.mapping.truncated(len(self.data))
            self.mapping.after_write(offset, len(data))

    def truncate(self, size: int) -> None:
        if self.mapping is not None:
            self.mapping.before_read(0, max(size, len(self.data)))
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))
        if self.mapping is not None:
            self.mapping.truncated(size)


class FakeFile:
    """An open file of *content*; None: a file of zeros, as /dev/zero."""

    place = None

    def __init__(self, content: Content | None, writable: bool = True) -> None:
        self.content = content
        self.writable = writable
        self.refs = 1

    def map_content(self, prot: int, shared: bool) -> Content | None:
        return self.content

    def hold(self) -> None:
        self.refs += 1

    def drop(self) -> None:
        self.refs -= 1

    def target(self) -> bytes:
        return b"/fake"

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        assert self.content is not None
        length = min(length, len(self.content.data) - offset)
        if length > 0:
            self.content.write(offset, bytes(length))


class World:
    """A machine's memory with one space, and the processor on it."""

    def __init__(self, pages: int = 2048, word: int = 64) -> None:
        self.board = FakeBoard(pages)
        kernel_root = FIRST - PAGE
        self.board.words[(kernel_root >> 3) + 511] = KERNEL_TABLE | P | W
        self.physical = Physical(self.board, kernel_root, FIRST)
        self.idle = self.physical.frames.used
        self.cpu = Cpu(self.board, self.physical)
        self.space = self.new_space(word)
        self.space.activate()

    def new_space(self, word: int = 64) -> EmulatedSpace:
        return EmulatedSpace(self.physical, word)

    def on(self, space: EmulatedSpace) -> Cpu:
        """The processor, with *space* loaded."""
        space.activate()
        return self.cpu


class Caller:
    """A vehicle with a task, as far as memory calls look at it."""

    def __init__(self, abi: str = "x86_64", root: bool = False) -> None:
        self.task = self.cred = self
        self.abi = abi
        self.root = root

    def capable(self, capability: int) -> bool:
        return self.root


def anonymous(w: World, addr: int, pages: int, prot: int = 3, flags: int = 0) -> int:
    """Map private anonymous memory (MAP_PRIVATE | MAP_ANONYMOUS)."""
    return w.space.map(None, addr, pages * PAGE, prot, 0x22 | flags, None, 0)


def shape(w: World) -> list[tuple[int, int, str]]:
    """The areas as (start, end, rights)."""
    return [(a.start, a.end, a.prot) for a in w.space.areas() if a.name != b"[vsyscall]"]
