"""The user context of a native vehicle: the signal frame its shim was entered with."""

from __future__ import annotations

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import UC_FP_XSTATE
from ring3.machine.base import Registers
from ring3.machine.native.protocol import (
    EFLAGS,
    FPSTATE,
    FRAME,
    GREGS,
    RIP,
    UC_SIZE,
    USER_SEGMENTS,
)

if TYPE_CHECKING:
    from ring3.machine.native.vehicle import NativeVehicle

WORD = (1 << 64) - 1
XSTATE_SIZE = 464
"""Offset of the software bytes (magic, extended size) in a frame's FXSAVE area."""
FXSAVE_SIZE = 512
XSTATE_MAX = 16384


class NativeContext:
    """Registers read once; written back by ``commit`` if anything changed."""

    __slots__ = ("call_nr", "fields", "fp_changed", "fp_state", "memory", "regs", "uc")

    def __init__(self, vehicle: NativeVehicle, call_nr: int) -> None:
        self.memory = vehicle.space.memory
        self.uc = vehicle.frame
        self.fields = list(FRAME.unpack(self.memory.load(self.uc, FRAME.size)))
        self.regs = Registers(self.fields[5 : 5 + EFLAGS + 1])
        self.call_nr = call_nr
        self.fp_state: bytes | None = None
        self.fp_changed = False

    def load_fpstate(self) -> bytes:
        if self.fp_state is None:
            self.fp_state = self.read_fpstate()
        return self.fp_state

    def read_fpstate(self) -> bytes:
        at = self.fields[5 + 23]
        if not at:
            return b""
        size = FXSAVE_SIZE
        if self.fields[0] & UC_FP_XSTATE:
            extended = int.from_bytes(self.memory.load(at + XSTATE_SIZE + 4, 4), "little")
            size = extended if FXSAVE_SIZE <= extended <= XSTATE_MAX else FXSAVE_SIZE
        return self.memory.load(at, size)

    def store_fpstate(self, data: bytes) -> None:
        self.fp_state = data
        self.fp_changed = True

    def commit(self) -> None:
        """Write the registers back. Raises EFAULT if the guest took its slot away."""
        fields = self.fields
        fields[5 : 5 + EFLAGS + 1] = [getattr(self.regs, n) & WORD for n in Registers.NAMES]
        fields[5 + 18] = USER_SEGMENTS
        if self.fp_changed:
            self.commit_fpstate()
        self.memory.store(self.uc + GREGS, FRAME.pack(*fields)[GREGS:])

    def commit_fpstate(self) -> None:
        """Put the new FP state where the host's frame has it; only as large as the host's own."""
        fields = self.fields
        at, data = fields[5 + 23], self.fp_state or b""
        if not data or not at:
            fields[5 + 23] = 0  # the host resets the FPU
            return
        room = len(self.read_fpstate())
        if len(data) != room:
            # Another format than this host's: keep the FXSAVE part, the rest is initial.
            data = data[:FXSAVE_SIZE]
            fields[0] &= ~UC_FP_XSTATE
            self.memory.store(self.uc, fields[0].to_bytes(8, "little"))
        self.memory.store(at, data)


def copy_frame(vehicle: NativeVehicle, slot_base: int, slot_size: int, stack_at: int) -> int:
    """Copy the vehicle's whole frame (registers, FP state) into another slot; its address there.

    Raises EFAULT if either slot is not there any more.
    """
    memory = vehicle.space.memory
    head = FRAME.unpack(memory.load(vehicle.frame, FRAME.size))
    at, size = head[5 + 23], 0
    if at:
        size = FXSAVE_SIZE
        if head[0] & UC_FP_XSTATE:
            size = int.from_bytes(memory.load(at + XSTATE_SIZE + 4, 4), "little")
        if not (FXSAVE_SIZE <= size <= XSTATE_MAX and UC_SIZE <= at - vehicle.frame < XSTATE_MAX):
            raise EFAULT("signal frame out of shape")
    length = (at - vehicle.frame if at else UC_SIZE) + size
    data = bytearray(memory.load(vehicle.frame, length))
    offset = at - vehicle.frame if at else 0
    top = slot_base + slot_size - 0x1000 - len(data)
    new = ((top + offset) & ~63) - offset
    new_fp = new + offset if at else 0
    data[16:40] = FRAME.pack(0, 0, stack_at, 0, slot_base + slot_size - stack_at, *([0] * 24))[
        16:40
    ]
    data[FPSTATE : FPSTATE + 8] = new_fp.to_bytes(8, "little")
    memory.store(new, data)
    return new


def load_context(vehicle: NativeVehicle, call_nr: int) -> NativeContext | None:
    """The context, or None when the guest destroyed it (and has to die)."""
    try:
        return NativeContext(vehicle, call_nr)
    except Errno:
        return None


def register_offset(index: int) -> int:
    return GREGS + 8 * index


RIP_OFFSET = register_offset(RIP)
