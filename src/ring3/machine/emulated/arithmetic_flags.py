"""CF, PF, AF, ZF, SF and OF from the operation that last set them.

The engine keeps the arithmetic flags lazily (QEMU's target/i386/cc_helper): ``cc_op`` names the
operation and its width, ``cc_dst`` holds the result, ``cc_src`` and ``cc_src2`` the rest.
Computing them here lets a saved processor be read without the engine. Their meaning is the SDM's,
Vol. 1, 3.4.3.1 and the instructions' "Flags Affected" sections.
"""

from __future__ import annotations

from ring3.abi.hints import Final

CF, PF, AF, ZF, SF, OF = 1, 4, 0x10, 0x40, 0x80, 0x800

_MUL, _ADD, _ADC, _SUB, _SBB, _LOGIC, _INC, _DEC, _SHL, _SAR, _BMILG = range(11)
_EFLAGS: Final = 1
_ADCX, _ADOX, _ADCOX, _CLR, _POPCNT = range(46, 51)

PARITY: Final = tuple(0 if bin(byte).count("1") & 1 else PF for byte in range(256))


def compute(operation: int, dst: int, src: int, src2: int) -> int:
    """The six flags, as bits of RFLAGS."""
    if operation < 2:
        # 0 (dynamic) never leaves translated code; both keep the flags in cc_src.
        return src & 0x8D5
    if operation >= _ADCX:
        return _special(operation, dst, src, src2)
    kind, width = divmod(operation - 2, 4)
    bits = 8 << width
    mask = (1 << bits) - 1
    top = 1 << (bits - 1)
    dst &= mask
    flags = PARITY[dst & 0xFF] | (0 if dst else ZF) | (SF if dst & top else 0)
    carry, adjust, overflow = carries(kind, dst, src, src2, mask, top)
    if carry:
        flags |= CF
    if adjust & 0x10:
        flags |= AF
    if overflow & top:
        flags |= OF
    return flags


def carries(kind: int, dst: int, src: int, src2: int, mask: int, top: int) -> tuple[bool, int, int]:
    """(carry, a word whose bit 4 is AF, a word whose top bit is OF)."""
    narrow = src & mask
    if kind == _MUL:
        return src != 0, 0, top if src else 0
    if kind in (_ADD, _ADC):
        first = (dst - narrow - (src2 if kind == _ADC else 0)) & mask
        carry = dst <= narrow if kind == _ADC and src2 else dst < narrow
        return carry, dst ^ first ^ narrow, (first ^ narrow ^ mask) & (first ^ dst)
    if kind in (_SUB, _SBB):
        first = (dst + narrow + (src2 if kind == _SBB else 0)) & mask
        carry = first <= narrow if kind == _SBB and src2 else first < narrow
        return carry, dst ^ first ^ narrow, (first ^ narrow) & (first ^ dst)
    if kind == _LOGIC:
        return False, 0, 0
    if kind == _INC:
        return src != 0, dst ^ (dst - 1), top if dst == top else 0
    if kind == _DEC:
        return src != 0, dst ^ (dst + 1), top if dst == top - 1 else 0
    if kind == _SHL:
        return bool(narrow & top), 0, narrow ^ dst
    if kind == _SAR:
        return bool(src & 1), 0, narrow ^ dst
    return narrow == 0, 0, 0  # BMI: BLSR and friends


def _special(operation: int, dst: int, src: int, src2: int) -> int:
    if operation == _ADCX:
        return src & ~CF | (dst & 1) * CF
    if operation == _ADOX:
        return src & ~OF | (src2 & 1) * OF
    if operation == _ADCOX:
        return src & ~(CF | OF) | (dst & 1) * CF | (src2 & 1) * OF
    if operation == _CLR:
        return ZF | PF
    return 0 if src else ZF  # POPCNT
