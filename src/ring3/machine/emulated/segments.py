"""Descriptors: GDT, IDT, TSS, call gate and thread-local storage.

Formats: SDM Vol. 3A, 3.4.5 (segment descriptors), 5.8.3.1 (64-bit call gates), 6.14.1 (64-bit IDT
gates), 7.7 (64-bit TSS), 18.5.2 of Vol. 1 (I/O permission bitmap).
"""

from __future__ import annotations

import struct

from ring3.abi.hints import Final
from ring3.machine.emulated import layout as at

KERNEL_CS_FLAGS: Final = 0x00AF9B00
"""Second doubleword of a flat 64-bit code descriptor of DPL 0, as SYSCALL loads it."""
KERNEL_DS_FLAGS: Final = 0x00CF9300
USER_CS_FLAGS: Final = 0x00AFFB00
USER32_CS_FLAGS: Final = 0x00CFFB00
USER_DS_FLAGS: Final = 0x00CFF300
CPU_NODE_FLAGS: Final = 0x0040F500
"""Read-only data of DPL 3, its limit 0: CPU 0 of node 0."""
FLAT_LIMIT: Final = 0xFFFFFFFF

FLAT: Final = {
    at.KERNEL_CS >> 3: KERNEL_CS_FLAGS,
    at.KERNEL_DS >> 3: KERNEL_DS_FLAGS,
    at.USER32_CS >> 3: USER32_CS_FLAGS,
    at.USER_DS >> 3: USER_DS_FLAGS,
    at.USER_CS >> 3: USER_CS_FLAGS,
}

TSS_SIZE: Final = 104
IO_BITMAP_SIZE: Final = 8192
TSS_LIMIT: Final = TSS_SIZE + IO_BITMAP_SIZE
"""Covers the bitmap and the byte of ones that has to follow it."""
TSS_FLAGS: Final = 0x8900
"""A present 64-bit TSS. The engine keeps the cached type "available" and checks for that."""
GDT_LIMIT: Final = at.GDT_ENTRIES * 8 - 1
IDT_LIMIT: Final = 256 * 16 - 1
INTERRUPT_GATE: Final = 14
TRAP_GATE: Final = 15


def write_gdt(ram: memoryview, call_gate_entry: int) -> None:
    """Fill the GDT: flat segments, the TSS, empty TLS slots, the call gate to *call_gate_entry*."""
    entries = [0] * at.GDT_ENTRIES
    for index, flags in FLAT.items():
        entries[index] = flags << 32 | 0xFFFF
    entries[at.CPU_NODE >> 3] = CPU_NODE_FLAGS << 32
    base = at.DIRECT_MAP + at.TSS_PA
    low = TSS_LIMIT & 0xFFFF | (base & 0xFFFFFF) << 16 | 0x8B << 40
    low |= (TSS_LIMIT >> 16 & 0xF) << 48 | (base >> 24 & 0xFF) << 56
    entries[at.TSS_SELECTOR >> 3] = low
    entries[(at.TSS_SELECTOR >> 3) + 1] = base >> 32
    entries[at.CALL_GATE >> 3] = (
        call_gate_entry & 0xFFFF
        | at.KERNEL_CS << 16
        | (0x80 | 3 << 5 | 12) << 40
        | (call_gate_entry >> 16 & 0xFFFF) << 48
    )
    entries[(at.CALL_GATE >> 3) + 1] = call_gate_entry >> 32
    struct.pack_into(f"<{at.GDT_ENTRIES}Q", ram, at.GDT_PA, *entries)


def write_gate(
    ram: memoryview, vector: int, entry: int, dpl: int = 0, ist: int = 0, kind: int = INTERRUPT_GATE
) -> None:
    """Put a 64-bit gate for *vector* into the IDT."""
    struct.pack_into(
        "<HHBBHII",
        ram,
        at.IDT_PA + 16 * vector,
        entry & 0xFFFF,
        at.KERNEL_CS,
        ist,
        0x80 | dpl << 5 | kind,
        entry >> 16 & 0xFFFF,
        entry >> 32,
        0,
    )


def write_tss(ram: memoryview) -> None:
    """An empty TSS: no RSP0 yet, the double fault stack as IST1, no port permitted."""
    ram[at.TSS_PA : at.TSS_PA + TSS_SIZE] = bytes(TSS_SIZE)
    struct.pack_into("<Q", ram, at.TSS_PA + 36, at.DIRECT_MAP + at.IST_DF_PA + at.PAGE)
    set_io_bitmap(ram, None)


def set_rsp0(ram: memoryview, top: int) -> None:
    """Set the stack that the CPU switches to when it enters ring 0."""
    struct.pack_into("<Q", ram, at.TSS_PA + 4, top)


def set_io_bitmap(ram: memoryview, bitmap: bytes | None) -> None:
    """Permit the ports whose bits in *bitmap* are 0 (ioperm); None permits none.

    Without a bitmap its offset points beyond the TSS limit, as Linux does it: every port is
    refused (SDM Vol. 1, 18.5.2).
    """
    if bitmap is None:
        struct.pack_into("<H", ram, at.TSS_PA + 102, TSS_LIMIT + 1)
        return
    start = at.TSS_PA + TSS_SIZE
    padded = bytes(bitmap[:IO_BITMAP_SIZE]).ljust(IO_BITMAP_SIZE + 1, b"\xff")
    ram[start : start + IO_BITMAP_SIZE + 1] = padded
    struct.pack_into("<H", ram, at.TSS_PA + 102, TSS_SIZE)


def set_tls(ram: memoryview, slot: int, descriptor: int) -> None:
    """Store thread-local storage descriptor *slot* (0 to 2) as one 64-bit word (0: none)."""
    struct.pack_into("<Q", ram, at.GDT_PA + 8 * (at.TLS_FIRST + slot), descriptor)


def base_of(low: int, high: int) -> int:
    """The base address in a descriptor's two doublewords."""
    return low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000


def limit_of(low: int, high: int) -> int:
    """The limit in bytes, granularity applied."""
    limit = low & 0xFFFF | high & 0xF0000
    return limit << 12 | 0xFFF if high & 0x800000 else limit
