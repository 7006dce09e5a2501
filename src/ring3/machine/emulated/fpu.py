"""Which floating-point exception it was: si_code of SIGFPE."""

from __future__ import annotations

from ring3.abi.signal import (
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
)
from ring3.machine.emulated.vectors import MF

CONTROL_AT, STATUS_AT, MXCSR_AT = 0, 2, 24
MASKS = 7
"""MXCSR: the mask bits lie this far above the flags."""


def fault_code(fxsave: bytes, vector: int) -> int:
    """From the control and status words of *fxsave* (arch/x86/kernel/fpu/core.c,
    fpu__exception_code): the first unmasked exception."""
    if vector == MF:
        control = int.from_bytes(fxsave[CONTROL_AT : CONTROL_AT + 2], "little")
        raised = int.from_bytes(fxsave[STATUS_AT : STATUS_AT + 2], "little") & ~control
    else:
        word = int.from_bytes(fxsave[MXCSR_AT : MXCSR_AT + 4], "little")
        raised = word & ~(word >> MASKS)
    for bits, code in (
        (0x01, FPE_FLTINV), (0x04, FPE_FLTDIV), (0x08, FPE_FLTOVF),
        (0x12, FPE_FLTUND), (0x20, FPE_FLTRES),
    ):  # fmt: skip
        if raised & bits:
            return code
    return 0
