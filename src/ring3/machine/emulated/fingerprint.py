"""What one run looked like: a hash of the registers at every entry from user mode.

At each trap the thread's registers are hashed: all of pt_regs, the segment bases and the SSE
registers, with the virtual time. Equal runs give equal rows; of unequal ones the first row that
differs says where they parted.
"""

from __future__ import annotations

import zlib
from array import array

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_32
from ring3.abi.syscalls_x86_64 import NUMBERS as NUMBERS_64
from ring3.machine.emulated.context import INDEX
from ring3.machine.emulated.layout import (
    PORT_EXCEPTION,
    PORT_INT80,
    PORT_IRQ,
    PORT_SYSENTER,
)

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.thread import EmulatedVehicle

WORDS_OF_VECTOR: Final = 8
"""64-bit words between two vector registers in the CPU's state; the first two are SSE's, the rest
is none of this CPU's and the engine leaves in it what it likes."""
VECTORS: Final = 16
LOW_64: Final = (1 << 64) - 1


class Fingerprint:
    """A row of numbers for each trap of *machine*, from its making on."""

    __slots__ = ("hashes", "rips", "times", "where")

    def __init__(self, machine: EmulatedMachine) -> None:
        self.hashes = array("Q")
        self.where = array("Q")
        """tid << 32 | port << 16 | call number, for each trap."""
        self.rips = array("Q")
        self.times = array("Q")
        cpu, ram, clock = machine.engine.cpu, machine.ram, machine.clock
        at = cpu.at.xmm
        vectors = memoryview(cpu.b)[at : at + 8 * WORDS_OF_VECTOR * VECTORS].cast("Q")
        low, high = vectors[0::WORDS_OF_VECTOR], vectors[1::WORDS_OF_VECTOR]
        nr_at, rip_at = 8 * INDEX["orig_rax"], 8 * INDEX["rip"]

        def on_trap(v: EmulatedVehicle, port: int) -> None:
            frame = ram[v.frame_pa : v.stack.top_pa]
            bases = cpu.fs_base ^ cpu.kernel_gs_base << 1
            found = zlib.crc32(low.tobytes() + high.tobytes(), zlib.crc32(frame))
            now = clock.monotonic_ns()
            self.hashes.append((found << 32 ^ bases ^ now) & LOW_64)
            nr = int.from_bytes(frame[nr_at : nr_at + 2], "little")
            self.where.append(v.task.tid << 32 | port << 16 | nr)
            self.rips.append(int.from_bytes(frame[rip_at : rip_at + 8], "little"))
            self.times.append(now)

        machine.traps.on_trap = on_trap

    def __len__(self) -> int:
        """How many traps there were."""
        return len(self.hashes)

    def first_difference(self, other: Fingerprint) -> int | None:
        """Index of the first trap in which the two runs differ; None if they are equal."""
        least = min(len(self), len(other))
        for at in range(least):
            if self.hashes[at] != other.hashes[at] or self.where[at] != other.where[at]:
                return at
        return None if len(self) == len(other) else least

    def describe(self, at: int) -> str:
        """Trap *at* in words."""
        if at >= len(self):
            return f"had ended after {len(self)} traps"
        word = self.where[at]
        port, nr = word >> 16 & 0xFFFF, word & 0xFFFF
        what = {PORT_EXCEPTION: "an exception", PORT_IRQ: "an interrupt"}.get(port)
        if what is None:
            numbers = NUMBERS_32 if port in (PORT_SYSENTER, PORT_INT80) else NUMBERS_64
            names = {number: name for name, number in numbers.items()}
            what = names.get(nr, f"call {nr}")
        return (
            f"thread {word >> 32}: {what} at {self.rips[at]:#x}, {self.times[at] / 1e6:.6f} ms,"
            f" registers {self.hashes[at]:016x}"
        )


__all__ = ["Fingerprint"]
