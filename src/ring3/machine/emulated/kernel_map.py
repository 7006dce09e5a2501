"""The kernel half of every address space: page tables made at boot, shared by reference.

Direct map of RAM with 2 MB pages, never executable (an executable page's stores would also never
leave the engine's slow path); ring-0 text read-only and executable; the vsyscall page; kernel
stacks, each behind an unmapped guard page.
"""

from __future__ import annotations

from ring3.abi.hints import Final
from ring3.machine.emulated import layout as at
from ring3.machine.emulated.paging import FRAME, LARGE, NX, A, D, P, U, W

DATA: Final = P | W | A | D | NX


class KernelMap:
    """The tables below physical KERNEL_TABLES_PA..FIRST_FRAME."""

    __slots__ = ("next_table", "root", "words")

    def __init__(self, ram: memoryview) -> None:
        """Build everything in *ram*; ``root`` is a top table without a user half."""
        self.words = ram.cast("Q")
        self.next_table = at.KERNEL_TABLES_PA
        self.root = self.new_table()
        for address in range(0, len(ram), 1 << 21):
            self.map_large(at.DIRECT_MAP + address, address)
        for offset in range(0, at.TEXT_SIZE, at.PAGE):
            self.map(at.TEXT + offset, at.TEXT_PA + offset, P | A)
        self.map(at.VSYSCALL, at.VSYSCALL_PA, P | U | A)
        # All top-level entries must exist now: address spaces copy them once, at their creation.
        self.entry(at.STACKS, 12)

    def new_table(self) -> int:
        table = self.next_table
        if table >= at.FIRST_FRAME:
            raise MemoryError("no room for more kernel page tables")
        self.next_table += at.PAGE
        return table

    def entry(self, address: int, shift: int) -> int:
        """Index (in words of RAM) of the entry for *address* at level *shift*, making tables."""
        words = self.words
        table = self.root
        for level in (39, 30, 21, 12):
            index = table // 8 + (address >> level & 511)
            if level == shift:
                return index
            if not words[index] & P:
                # User's too: the last level decides, and the vsyscall page shares the path.
                words[index] = self.new_table() | P | W | U | A
            table = words[index] & FRAME
        raise AssertionError(shift)

    def map_large(self, address: int, physical: int) -> None:
        self.words[self.entry(address, 21)] = physical | LARGE | DATA

    def map(self, address: int, physical: int, flags: int = DATA) -> None:
        """Map one page of the kernel half; flags are those of the last-level entry."""
        self.words[self.entry(address, 12)] = physical | flags

    def link(self, root: int) -> None:
        """Give the top table at physical *root* the kernel half."""
        words = self.words
        ours = self.root // 8
        theirs = root // 8
        words[theirs + 256 : theirs + 512] = words[ours + 256 : ours + 512]
