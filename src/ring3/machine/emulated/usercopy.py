"""User memory as the kernel reaches it: only by the ring-0 copy routines.

A copy runs ``copy_from_user`` and its kin (entry.S) on the board: the check against the end of user
space, STAC, the moves through the page tables with U/S in force, CLAC. A page fault inside is
served like any other; one that cannot be served continues at the routine's fixup, which reports
the bytes left (exception table), and that is EFAULT here. Nothing else in the kernel reads or
writes user pages.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.layout import BOUNCE_PA, BOUNCE_SIZE, DIRECT_MAP, PAGE

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace

BOUNCE = DIRECT_MAP + BOUNCE_PA
NO_END = (1 << 64) - 1
FAULTED = (1 << 64) - EFAULT.number


class UserMemory:
    """One address space's memory (abi.types.Memory)."""

    __slots__ = ("machine", "space", "word")

    def __init__(self, machine: EmulatedMachine, space: EmulatedSpace, word: int) -> None:
        self.machine = machine
        self.space = space
        self.word = word

    def load(self, addr: int, size: int) -> bytes:
        if size <= BOUNCE_SIZE:
            return self.piece_in(addr, size)
        pieces = []
        while size > 0:
            part = min(size, BOUNCE_SIZE)
            pieces.append(self.piece_in(addr, part))
            addr += part
            size -= part
        return b"".join(pieces)

    def piece_in(self, addr: int, size: int) -> bytes:
        if size <= 0:
            return b""
        machine = self.machine
        left = machine.run_routine(self.space, "copy_from_user", BOUNCE, addr, size)
        if machine.probe is not None:
            self.tell("load", addr, size, size - left)
        if left:
            raise EFAULT
        return bytes(machine.ram[BOUNCE_PA : BOUNCE_PA + size])

    def tell(self, direction: str, address: int, size: int, done: int) -> None:
        """Tell the probe, which is set, of a copy."""
        from ring3.machine.emulated.telling import tell_copy

        probe = self.machine.probe
        assert probe is not None
        tell_copy(probe, direction, self.space, address, size, done)

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        if isinstance(data, memoryview):
            data = bytes(data)
        for start in range(0, len(data), BOUNCE_SIZE):
            part = data[start : start + BOUNCE_SIZE]
            machine = self.machine
            # A fault inside the copy may run nested copies? No: nothing that a fault or an
            # interrupt does uses the bounce buffer.
            machine.ram[BOUNCE_PA : BOUNCE_PA + len(part)] = part
            left = machine.run_routine(self.space, "copy_to_user", addr + start, BOUNCE, len(part))
            if machine.probe is not None:
                self.tell("store", addr + start, len(part), len(part) - left)
            if left:
                raise EFAULT

    def load_string(self, addr: int, limit: int) -> bytes | None:
        """A page at a time, so that a string at the end of memory does not fault."""
        found = bytearray()
        machine = self.machine
        while len(found) < limit:
            part = min(limit - len(found), PAGE - addr % PAGE)
            length = machine.run_routine(self.space, "copy_string_from_user", BOUNCE, addr, part)
            if machine.probe is not None:
                self.tell("string", addr, part, length)
            if length == FAULTED:
                raise EFAULT
            if length != NO_END:
                return bytes(found + machine.ram[BOUNCE_PA : BOUNCE_PA + length])
            found += machine.ram[BOUNCE_PA : BOUNCE_PA + part]
            addr += part
        return None
