"""The x87 state in its oldest form, which i386 signal frames begin with.

Source: arch/x86/kernel/fpu/regset.c (``convert_from_fxsr``, ``convert_to_fxsr``), and the Intel
SDM, volume 1, figure 8-9 and table 10-2 (FXSAVE).
"""

from __future__ import annotations

import struct

from ring3.abi.hints import Final

SIZE: Final = 112
"""struct _fpstate_32 up to the FXSAVE image: 28 bytes environment, 8 registers, status, magic."""
# cwd, swd, twd, fop, fip, rdp
FX_HEAD = struct.Struct("<HHBxHQQ")
# cwd, swd, twd, fip, fcs, foo, fos
ENVIRONMENT = struct.Struct("<7I")
UPPER: Final = 0xFFFF0000
USER_CS: Final = 0x23
USER_DS: Final = 0x2B
FX_REGISTERS: Final = 32
REGISTERS: Final = 28
VALID, ZERO, SPECIAL, EMPTY = range(4)


def from_fxsave(fx: bytes) -> bytes:
    """The 112 bytes that stand before an FXSAVE image in an i386 frame."""
    cwd, swd, twd, fop, fip, rdp = FX_HEAD.unpack_from(fx)
    registers = [fx[FX_REGISTERS + 16 * i :][:10] for i in range(8)]
    tags = UPPER
    top = swd >> 11 & 7
    for i in range(8):
        tags |= (tag(registers[i - top & 7]) if twd >> i & 1 else EMPTY) << 2 * i
    head = ENVIRONMENT.pack(
        cwd | UPPER,
        swd | UPPER,
        tags,
        fip & 0xFFFFFFFF,
        USER_CS | fop << 16,
        rdp & 0xFFFFFFFF,
        USER_DS | UPPER,
    )
    # The magic 0 says that the FXSAVE image behind counts.
    return head + b"".join(registers) + struct.pack("<HH", swd, 0)


def tag(register: bytes) -> int:
    """The tag of a register in use: whether its number is ordinary, zero or neither."""
    mantissa = int.from_bytes(register[:8], "little")
    exponent = int.from_bytes(register[8:], "little") & 0x7FFF
    if exponent == 0x7FFF:
        return SPECIAL
    if exponent == 0:
        return SPECIAL if mantissa else ZERO
    return VALID if mantissa >> 63 else SPECIAL


def into_fxsave(legacy: bytes, fx: bytes) -> bytes:
    """*fx* with its x87 part replaced by what *legacy* (112 bytes) says."""
    cwd, swd, tags, fip, fcs, foo, _ = ENVIRONMENT.unpack_from(legacy)
    twd = 0
    for i in range(8):
        if tags >> 2 * i & 3 != EMPTY:
            twd |= 1 << i
    head = FX_HEAD.pack(cwd & 0xFFFF, swd & 0xFFFF, twd, fcs >> 16, fip, foo)
    registers = b"".join(legacy[REGISTERS + 10 * i :][:10] + bytes(6) for i in range(8))
    between = fx[FX_HEAD.size : FX_REGISTERS]
    return head + between + registers + fx[FX_REGISTERS + len(registers) :]
