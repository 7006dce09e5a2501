"""Memory, as the CPU reaches it for its own purposes: descriptors, the TSS, stacks of entries.

Implicit supervisor-mode accesses (SDM Vol. 3A, 4.6.1): supervisor's whatever the CPL.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.layout import DIRECT_MAP
from ring3.machine.emulated.paging import FRAME, LARGE, P, U, W
from ring3.machine.emulated.vectors import PAGE_FAULT, PF_PRESENT, PF_WRITE

if TYPE_CHECKING:
    from ring3.machine.emulated.image import CpuImage

FRAMES: Final = {8 * count: struct.Struct(f"<{count}Q") for count in (5, 6)}


class Fault(Exception):
    """A condition met while a transition is under way."""

    def __init__(self, vector: int, error: int, cr2: int | None = None) -> None:
        super().__init__(vector, error)
        self.vector = vector
        self.error = error
        self.cr2 = cr2


class ImplicitMemory:
    """The RAM of one processor through its own page tables, and what is remembered of those."""

    __slots__ = ("cpu", "kernel_pages", "ram", "size", "words")

    def __init__(self, cpu: CpuImage, ram: memoryview) -> None:
        self.cpu = cpu
        self.ram = ram
        self.size = len(ram)
        self.words = ram.cast("Q")
        self.kernel_pages: dict[int, int] = {}

    def forget_kernel_pages(self) -> None:
        """The kernel half's tables have changed: drop what was remembered of them."""
        self.kernel_pages.clear()

    def physical(self, address: int, write: bool) -> int:
        """Where an implicit supervisor access to *address* goes, or raise its #PF.

        Implicit accesses (descriptors, TSS, stack switch) are supervisor's whatever the CPL, and
        SMAP refuses them user pages even with AC set (Vol. 3A, 4.6.1).
        """
        offset = address - DIRECT_MAP
        if 0 <= offset < self.size:
            return offset
        page = address >> 12
        known = self.kernel_pages.get(page)
        if known is not None:
            return known | address & 0xFFF
        table: int = self.cpu.cr3 & FRAME
        user = True
        writable = True
        for shift in (39, 30, 21, 12):
            place = table + 8 * (address >> shift & 511)
            entry = int.from_bytes(self.ram[place : place + 8], "little")
            if not entry & P:
                raise Fault(PAGE_FAULT, PF_WRITE if write else 0, address)
            user = user and bool(entry & U)
            writable = writable and bool(entry & W)
            table = entry & FRAME
            if entry & LARGE and shift > 12:
                table += address & (1 << shift) - 1 & ~0xFFF
                break
        if user or (write and not writable):
            raise Fault(PAGE_FAULT, (PF_WRITE if write else 0) | PF_PRESENT, address)
        if writable and address >> 47:
            self.kernel_pages[page] = table
        return table | address & 0xFFF

    def translate(self, address: int) -> int:
        """Where *address* lies in RAM, whatever the rights, or -1."""
        table: int = self.cpu.cr3 & FRAME
        for shift in (39, 30, 21, 12):
            entry = self.words[table + 8 * (address >> shift & 511) >> 3]
            if not entry & P:
                return -1
            table = entry & FRAME
            if entry & LARGE and shift > 12:
                table += address & (1 << shift) - 1 & ~0xFFF
                break
        return table | address & 0xFFF

    def peek(self, address: int, size: int) -> bytes:
        """Memory as a debugger sees it, without rights; short where nothing is mapped."""
        out = bytearray()
        while len(out) < size:
            start = self.translate(address)
            if start < 0:
                break
            part = self.ram[start : min(start + size - len(out), (start | 0xFFF) + 1)]
            out += part
            address += len(part)
        return bytes(out)

    def word(self, address: int) -> int:
        """A 64-bit word by an implicit supervisor access."""
        place = address - DIRECT_MAP
        if 0 <= place < self.size and not place & 7:
            return self.words[place >> 3]
        place = self.physical(address, False)
        return int.from_bytes(self.ram[place : place + 8], "little")

    def push(self, sp: int, words: tuple[int, ...]) -> None:
        """Store *words*, the last pushed first, below *sp*; a fault leaves no register changed."""
        size = 8 * len(words)
        bottom = sp - size
        if bottom >> 12 == (sp - 1) >> 12:
            # The topmost word is pushed first: a fault is reported there.
            start = self.physical(sp - 8, True) + 8 - size
            FRAMES[size].pack_into(self.ram, start, *words)
            return
        for position in range(len(words) - 1, -1, -1):
            at = self.physical(bottom + 8 * position, True)
            self.ram[at : at + 8] = words[position].to_bytes(8, "little")
