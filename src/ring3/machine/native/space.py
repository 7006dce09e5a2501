"""The memory of a native guest process: host memory that only its vehicles can map."""

from __future__ import annotations

import os

from ring3.abi.errno import EFAULT, EINVAL, ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import MAP_FIXED, MAP_FIXED_NOREPLACE
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.base import Area
from ring3.machine.native import step
from ring3.machine.native.operations import HostCall, MapFile
from ring3.machine.native.protocol import SHIM_TEXT, SHIM_WINDOW, SLOT_SIZE, SLOTS, SLOTS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.machine.base import Result
    from ring3.machine.native.vehicle import NativeVehicle

SLOTS_END = SLOTS + SLOTS_MAX * SLOT_SIZE


class NativeMemory:
    """A guest's memory, reached through process_vm_readv and its twin: the host checks every
    page's protection, so a wild pointer is EFAULT and never anything else."""

    __slots__ = ("pid",)
    word = 64

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def load(self, addr: int, size: int) -> bytes:
        try:
            return step.load(self.pid, addr, size)
        except EFAULT:
            self.grow_stack(addr)
            return step.load(self.pid, addr, size)

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        try:
            step.store(self.pid, addr, data)
        except EFAULT:
            self.grow_stack(addr)
            step.store(self.pid, addr, data)

    def load_string(self, addr: int, limit: int) -> bytes | None:
        try:
            return step.load_string(self.pid, addr, limit)
        except EFAULT:
            self.grow_stack(addr)
            return step.load_string(self.pid, addr, limit)

    def grow_stack(self, addr: int) -> None:
        """Have the host grow the stack down to *addr*, as a copy by Linux itself would.

        process_vm_readv does not (since Linux 6.5), a look through /proc/PID/mem does. That look
        ignores protections, but nothing is done with what it sees. EFAULT if nothing grows.
        """
        if not 0 < addr < 1 << 47:
            raise EFAULT
        try:
            fd = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise EFAULT from None
        try:
            os.pread(fd, 1, addr)
        except OSError:
            raise EFAULT from None
        finally:
            os.close(fd)


def touches_shim(addr: int, length: int) -> bool:
    end = addr + length
    return (addr < SHIM_TEXT + SHIM_WINDOW and end > SHIM_TEXT) or (
        addr < SLOTS_END and end > SLOTS
    )


class NativeSpace:
    """One host memory map and the shim's slots in it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.memory = NativeMemory(pid)
        self.slots_used = {0}
        self.slots_mapped = 1
        self.brk_start = 0
        self.users = 1
        self.stack_top = 0

    def fork(self, pid: int, slot: int) -> NativeSpace:
        """The copy that host fork made; only *slot* has a thread in it."""
        other = NativeSpace(pid)
        other.slots_used = {slot}
        other.slots_mapped = self.slots_mapped
        other.stack_top = self.stack_top
        return other

    def free_slot(self) -> int:
        slot = 1
        while slot in self.slots_used:
            slot += 1
        return slot

    # --- the caller's own map ------------------------------------------------------------------
    def map(
        self, vehicle: NativeVehicle, addr: int, length: int, prot: int, flags: int, file: Any,
        offset: int,
    ) -> Result:  # fmt: skip
        if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) and touches_shim(addr, length):
            raise ENOMEM("the range holds the machine's own code")
        if addr >= 1 << 47 or length > 1 << 47:
            raise ENOMEM
        if file is None:
            args = (addr, length, prot, flags, (1 << 64) - 1, offset)
            return HostCall(NUMBERS["mmap"], args)
        return MapFile(file, addr, length, prot, flags, offset)

    def unmap(self, vehicle: NativeVehicle, addr: int, length: int) -> Result:
        if touches_shim(addr, length):
            raise EINVAL("the range holds the machine's own code")
        return HostCall(NUMBERS["munmap"], (addr, length))

    def protect(self, vehicle: NativeVehicle, addr: int, length: int, prot: int) -> Result:
        return HostCall(NUMBERS["mprotect"], (addr, length, prot))

    def remap(
        self, vehicle: NativeVehicle, old: int, old_size: int, new_size: int, flags: int, new: int
    ) -> Result:
        return HostCall(NUMBERS["mremap"], (old, old_size, new_size, flags, new))

    def set_brk(self, vehicle: NativeVehicle, addr: int) -> Result:
        return HostCall(NUMBERS["brk"], (addr,))

    def advise(self, vehicle: NativeVehicle, nr: int, args: Sequence[int]) -> Result:
        return HostCall(nr, tuple(args))

    def areas(self) -> list[Area]:
        """The host's /proc/PID/maps without what the shim occupies."""
        found = []
        try:
            with open(f"/proc/{self.pid}/maps", "rb") as lines:
                for line in lines:
                    if (area := parse_area(line)) is not None:
                        found.append(area)
        except (FileNotFoundError, ProcessLookupError):
            pass  # the process ended meanwhile: it has no memory
        return found


def parse_area(line: bytes) -> Area | None:
    """One line of the host's maps file; None for the machine's own areas."""
    fields = line.split(None, 5)
    low, high = (int(x, 16) for x in fields[0].split(b"-"))
    if touches_shim(low, high - low):
        return None
    name = fields[5].rstrip(b"\n") if len(fields) > 5 else b""
    device = fields[3]
    prot = fields[1].decode()
    area = Area(low, high, prot[:3], prot[3] == "s", int(fields[2], 16), int(fields[4]), name)
    area.device = device
    return area
