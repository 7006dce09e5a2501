"""Interrupt and trap gates, decoded and checked; and where in the TSS stack pointers lie."""

from __future__ import annotations

import struct

from ring3.abi.hints import Final
from ring3.machine.emulated import segments
from ring3.machine.emulated.image import IF, NT, RF, TF, VM
from ring3.machine.emulated.implicit import Fault
from ring3.machine.emulated.vectors import GP, NP

SEGMENT: Final = struct.Struct("<I4xQII")
"""A segment register in the image."""


class Gate:
    """A decoded interrupt or trap gate together with its code segment."""

    __slots__ = ("clears", "code", "code_and_stack", "dpl", "gate_dpl", "ist", "offset")

    def __init__(self, low: int, high: int, descriptor: int, dpl: int) -> None:
        self.offset = low & 0xFFFF | (low >> 48) << 16 | (high & 0xFFFFFFFF) << 32
        self.gate_dpl = low >> 45 & 3
        self.ist = low >> 32 & 7
        self.dpl = dpl
        """The CPL to run at."""
        first, second = descriptor & 0xFFFFFFFF, descriptor >> 32
        self.code = SEGMENT.pack(
            low >> 16 & 0xFFFC | dpl,
            segments.base_of(first, second),
            segments.limit_of(first, second),
            second,
        )
        """CS as it is loaded; and with it SS, null, for a change of stack."""
        self.code_and_stack = self.code + SEGMENT.pack(dpl, 0, 0, dpl << 13)
        self.clears = TF | VM | RF | NT | (0 if low >> 40 & 1 else IF)


def stack_place(dpl: int, ist: int) -> int:
    """Offset of a stack pointer in the TSS (Vol. 3A, Figure 7-11)."""
    return 28 + 8 * ist if ist else 4 + 8 * dpl


def code_privilege(selector: int, descriptor: int, cpl: int, ext: int) -> int:
    """The new CPL for a gate's code segment, or the fault it deserves.

    It must be a code segment of DPL <= CPL, 64-bit, present.
    """
    second = descriptor >> 32
    error = (selector & 0xFFFC) + ext
    if second & 0x1800 != 0x1800 or (second >> 13 & 3) > cpl:
        raise Fault(GP, error)
    if not second & 0x200000 or second & 0x400000:
        raise Fault(GP, error)
    if not second & 0x8000:
        raise Fault(NP, error)
    return cpl if second & 0x400 else second >> 13 & 3
