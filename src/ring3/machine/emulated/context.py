"""The user context of an emulated vehicle: the ``pt_regs`` at the top of its kernel stack."""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.base import Registers
from ring3.machine.emulated.layout import PT_REGS, PT_REGS_SIZE, WORD

if TYPE_CHECKING:
    from ring3.machine.emulated.thread import EmulatedVehicle

FRAME = struct.Struct("<21Q")
INDEX = {name: i for i, name in enumerate(PT_REGS)}
FX_SIZE = 512
MXCSR_AT = 24
MXCSR_MASK = 0xFFFF
SAFE_FLAGS = 0x50DD5
"""What user code may change by itself (FIX_EFLAGS)."""
ALWAYS = 0x202
"""IF and the bit that is always 1."""
ATTRIBUTE = [(name, INDEX[name]) for name in Registers.NAMES]


class EmulatedContext:
    """Registers read once; written back by ``commit``. The vehicle is the one on the CPU."""

    __slots__ = ("call_nr", "fields", "fp_state", "regs", "vehicle")

    def __init__(self, vehicle: EmulatedVehicle, call_nr: int) -> None:
        self.vehicle = vehicle
        self.fields = list(FRAME.unpack_from(vehicle.machine.ram, vehicle.frame_pa))
        self.regs = Registers([self.fields[index] for _, index in ATTRIBUTE])
        self.call_nr = call_nr
        self.fp_state: bytes | None = None

    @property
    def code_selector(self) -> int:
        """CS: a 64-bit program may have jumped to 32-bit code; handlers run as 64-bit code."""
        selector: int = self.fields[INDEX["cs"]]
        return selector

    @code_selector.setter
    def code_selector(self, selector: int) -> None:
        self.fields[INDEX["cs"]] = selector

    def load_fpstate(self) -> bytes:
        if self.fp_state is None:
            self.fp_state = self.vehicle.machine.engine.fxsave()
        return self.fp_state

    def store_fpstate(self, data: bytes) -> None:
        """Only the FXSAVE part: this CPU shows no extended state."""
        state = bytearray(data[:FX_SIZE] or INITIAL_FX)
        mxcsr = int.from_bytes(state[MXCSR_AT : MXCSR_AT + 4], "little") & MXCSR_MASK
        state[MXCSR_AT : MXCSR_AT + 4] = mxcsr.to_bytes(4, "little")
        self.fp_state = bytes(state)
        self.vehicle.machine.engine.fxrstor(self.fp_state)

    def commit(self) -> None:
        """Write the registers back; the vehicle returns by IRET, which restores them all."""
        fields, regs = self.fields, self.regs
        for name, index in ATTRIBUTE:
            fields[index] = getattr(regs, name) & WORD
        flags = INDEX["eflags"]
        fields[flags] = fields[flags] & SAFE_FLAGS | ALWAYS
        FRAME.pack_into(self.vehicle.machine.ram, self.vehicle.frame_pa, *fields)
        self.vehicle.full_return = True


def initial_fx() -> bytes:
    """FXSAVE's image after FNINIT: x87 control word 0x37F, MXCSR 0x1F80 (SDM volume 1, 10.5)."""
    state = bytearray(FX_SIZE)
    state[0:2] = (0x37F).to_bytes(2, "little")
    state[MXCSR_AT : MXCSR_AT + 4] = (0x1F80).to_bytes(4, "little")
    state[28:32] = MXCSR_MASK.to_bytes(4, "little")
    return bytes(state)


INITIAL_FX = initial_fx()

__all__ = ["FRAME", "INDEX", "INITIAL_FX", "PT_REGS_SIZE", "EmulatedContext"]
