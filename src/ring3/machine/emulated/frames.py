"""Page frames: which pages of RAM are in use, by how many, and which must stay where they are.

A frame is named by its physical address. Its *references* are page table entries, page caches and
whoever called ``alloc``; its *pins* are devices (or kernel code) that go on to read or write it
whatever happens to the mappings. A frame without references is free; a pinned one becomes free
with its last pin only, so that a transfer under way never lands in somebody else's page.

The order in which frames are handed out depends on nothing but the calls made: equal runs use
equal frames.
"""

from __future__ import annotations

from array import array

from ring3.abi.errno import ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Protocol
from ring3.machine.emulated.layout import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

ZEROS = bytes(PAGE)
SHIFT = 12


class NoMemory(ENOMEM, MemoryError):
    """RAM is used up: ENOMEM of a call, the out-of-memory kill of a page fault."""


class Board(Protocol):
    """What memory management needs of the processor and its RAM (``engine.Engine``)."""

    ram: memoryview
    """All of RAM, one byte an item."""

    def flush_tlb(self) -> None:
        """Forget all cached translations of the current address space."""

    def flush_page(self, va: int) -> None:
        """Forget the cached translation of one page (INVLPG)."""

    def invalidate_code(self, pa: int, size: int) -> None:
        """The bytes there were changed by something other than a store of the guest through an
        executable mapping: code translated from them is stale."""

    def set_cr3(self, pa: int) -> None:
        """Switch to the page tables at *pa*, and forget cached translations."""


class Frames:
    """The frames from *first* (a physical address) to the end of the board's RAM."""

    __slots__ = (
        "board", "code", "end", "first", "free", "next", "pins", "ram", "reclaim", "refs",
    )  # fmt: skip

    def __init__(self, board: Board, first: int) -> None:
        self.board = board
        self.ram = board.ram
        self.first = self.next = first
        self.end = len(board.ram)
        self.refs = array("I", bytes(4 * (self.end >> SHIFT)))
        """References of each frame, by frame number."""
        self.code = bytearray(self.end >> SHIFT)
        """1 where the frame is, or was since ``clean``, mapped executable: translations of its
        bytes may exist."""
        self.pins: dict[int, int] = {}
        """Frame number -> pins. Few at a time."""
        self.free: list[int] = []
        """Frames that were used before: last freed, first reused."""
        self.reclaim: Callable[[], bool] = no_reserve
        """Called when nothing is free: gives up what can be read again. False: nothing to give."""
        # Frame number 0 stands in entries that hold no frame: it is never counted down to 0.
        self.refs[0] = 1 << 31

    # --- taking and giving back --------------------------------------------------------------
    def alloc(self) -> int:
        """A frame with one reference. What it holds is unspecified. Raises NoMemory."""
        while True:
            if self.free:
                pa = self.free.pop()
                break
            if self.next < self.end:
                pa = self.next
                self.next += PAGE
                break
            if not self.reclaim():
                raise NoMemory("the machine's RAM is used up")
        self.refs[pa >> SHIFT] = 1
        return pa

    def alloc_zeroed(self) -> int:
        """A frame with one reference, all zeros. Raises NoMemory."""
        untouched = self.next
        pa = self.alloc()
        # RAM that was never handed out is as the host gave it: zero.
        if self.next == untouched:
            self.ram[pa : pa + PAGE] = ZEROS
        return pa

    def has_free(self) -> bool:
        """Whether ``alloc`` succeeds without reclaiming."""
        return bool(self.free) or self.next < self.end

    def hold(self, pa: int) -> None:
        """One more reference."""
        self.refs[pa >> SHIFT] += 1

    def release(self, pa: int) -> None:
        """One reference less; the last one frees the frame, unless it is pinned."""
        number = pa >> SHIFT
        left = self.refs[number] - 1
        self.refs[number] = left
        if not left:
            self.unused(number)

    def unused(self, number: int) -> None:
        """The last reference of a frame is gone."""
        if self.pins and number in self.pins:
            return  # unpin will
        if self.code[number]:
            self.clean(number)
        self.free.append(number << SHIFT)

    # --- pins --------------------------------------------------------------------------------
    def pin(self, pa: int) -> None:
        """The frame stays allocated, whoever unmaps it, until ``unpin``."""
        number = pa >> SHIFT
        self.pins[number] = self.pins.get(number, 0) + 1

    def unpin(self, pa: int) -> None:
        number = pa >> SHIFT
        left = self.pins[number] - 1
        if left:
            self.pins[number] = left
            return
        del self.pins[number]
        if not self.refs[number]:
            self.unused(number)

    # --- code --------------------------------------------------------------------------------
    def clean(self, number: int) -> None:
        """Drop translations of the frame; nobody may execute it until ``code`` is set again."""
        self.code[number] = 0
        self.board.invalidate_code(number << SHIFT, PAGE)

    def changed(self, pa: int, size: int) -> None:
        """The kernel or a device wrote to RAM: code translated from there is stale."""
        code = self.code
        for number in range(pa >> SHIFT, (pa + size + PAGE - 1) >> SHIFT):
            if code[number]:
                self.board.invalidate_code(number << SHIFT, PAGE)

    # --- accounts ----------------------------------------------------------------------------
    @property
    def total(self) -> int:
        """How many frames there are."""
        return (self.end - self.first) >> SHIFT

    @property
    def used(self) -> int:
        """How many frames are in use, counting those that only a pin keeps."""
        return ((self.next - self.first) >> SHIFT) - len(self.free)


def no_reserve() -> bool:
    return False
