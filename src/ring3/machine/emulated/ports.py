"""Whether the program may use an I/O port."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.image import TR

if TYPE_CHECKING:
    from ring3.machine.emulated.implicit import ImplicitMemory


def port_allowed(memory: ImplicitMemory, port: int, size: int) -> bool:
    """I/O permission (Vol. 1, 18.5): CPL <= IOPL, or all bits of the ports clear in the TSS."""
    cpu = memory.cpu
    if cpu.cpl <= cpu.rflags >> 12 & 3:
        return True
    _, base, limit, _ = cpu.segment(TR)
    at = memory.physical(base + 102, False)
    place = int.from_bytes(memory.ram[at : at + 2], "little") + port // 8
    if place + 1 > limit:
        return False
    at = memory.physical(base + place, False)
    bits = int.from_bytes(memory.ram[at : at + 2], "little") >> (port & 7)
    return not bits & (1 << size) - 1
