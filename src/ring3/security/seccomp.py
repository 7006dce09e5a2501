"""seccomp filters: classic BPF over struct seccomp_data, checked and run as Linux does.

Source: kernel/seccomp.c (``seccomp_check_filter``), net/core/filter.c (``bpf_check_classic``).
A verdict that no argument was looked at for is remembered by call number, as Linux's bitmap does.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EINVAL
from ring3.abi.hints import Final
from ring3.abi.misc import (
    BPF_A,
    BPF_ABS,
    BPF_ADD,
    BPF_ALU,
    BPF_AND,
    BPF_DIV,
    BPF_IMM,
    BPF_JA,
    BPF_JEQ,
    BPF_JGE,
    BPF_JGT,
    BPF_JMP,
    BPF_JSET,
    BPF_K,
    BPF_LD,
    BPF_LDX,
    BPF_LEN,
    BPF_LSH,
    BPF_MAXINSNS,
    BPF_MEM,
    BPF_MISC,
    BPF_MUL,
    BPF_NEG,
    BPF_OR,
    BPF_RET,
    BPF_RSH,
    BPF_ST,
    BPF_STX,
    BPF_SUB,
    BPF_TAX,
    BPF_TXA,
    BPF_W,
    BPF_X,
    BPF_XOR,
    SECCOMP_RET_ACTION_FULL,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_KILL_PROCESS,
)

INSTRUCTION = struct.Struct("<HBBI")
# nr, arch, instruction pointer, six arguments
DATA = struct.Struct("<iIQ6Q")
FIXED_PART: Final = 8
"""Bytes of the data that are the same for every call of one number (nr and arch)."""
MEM_WORDS: Final = 16
MASK: Final = 0xFFFFFFFF
CHAIN_MOST: Final = 32768
"""Instructions of all filters of a thread together, with four more per filter."""

ARITHMETIC = (BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH)
COMPARING = (BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET)
CODES: Final = frozenset(
    [
        BPF_LD | BPF_W | BPF_ABS,
        BPF_LD | BPF_W | BPF_LEN,
        BPF_LDX | BPF_W | BPF_LEN,
        BPF_LD | BPF_IMM,
        BPF_LDX | BPF_IMM,
        BPF_LD | BPF_MEM,
        BPF_LDX | BPF_MEM,
        BPF_ST,
        BPF_STX,
        BPF_ALU | BPF_NEG,
        BPF_JMP | BPF_JA,
        BPF_RET | BPF_K,
        BPF_RET | BPF_A,
        BPF_MISC | BPF_TAX,
        BPF_MISC | BPF_TXA,
        *(BPF_ALU | op | source for op in ARITHMETIC for source in (BPF_K, BPF_X)),
        *(BPF_JMP | op | source for op in COMPARING for source in (BPF_K, BPF_X)),
    ]
)
"""What a filter may consist of."""


class Filter:
    """One checked program."""

    __slots__ = ("code", "known", "log")

    def __init__(self, raw: bytes, log: bool = False) -> None:
        """EINVAL for a program that Linux would not take."""
        self.code = [INSTRUCTION.unpack_from(raw, i) for i in range(0, len(raw), 8)]
        self.log = log
        self.known: dict[tuple[int, int], int] = {}
        """(nr, arch) -> the verdict where nothing else was looked at."""
        check(self.code)

    def verdict(self, data: bytes) -> int:
        """The 32-bit action that the program returns for a packed struct seccomp_data."""
        nr, arch = struct.unpack_from("<iI", data)
        known = self.known.get((nr, arch))
        if known is not None:
            return known
        action, looked_further = run(self.code, data)
        if not looked_further:
            self.known[nr, arch] = action
        return action


def check(code: list[tuple[int, ...]]) -> None:
    """bpf_check_classic and seccomp_check_filter. EINVAL."""
    count = len(code)
    if not 0 < count <= BPF_MAXINSNS:
        raise EINVAL("length of the filter")
    for at, (op, yes, no, k) in enumerate(code):
        kind = op & 7
        if op not in CODES:
            raise EINVAL(f"instruction {at}: code {op:#x}")
        if op == BPF_LD | BPF_W | BPF_ABS:
            if k >= DATA.size or k & 3:
                raise EINVAL(f"instruction {at}: offset {k}")
        elif kind in (BPF_ST, BPF_STX) or op & ~1 == BPF_LD | BPF_MEM:
            if k >= MEM_WORDS:
                raise EINVAL(f"instruction {at}: memory word {k}")
        elif op == BPF_ALU | BPF_DIV | BPF_K and not k:
            raise EINVAL(f"instruction {at}: division by zero")
        elif op in (BPF_ALU | BPF_LSH | BPF_K, BPF_ALU | BPF_RSH | BPF_K) and k >= 32:
            raise EINVAL(f"instruction {at}: shift by {k}")
        elif op == BPF_JMP | BPF_JA:
            if k >= count - at - 1:
                raise EINVAL(f"instruction {at}: jump beyond the end")
        elif kind == BPF_JMP and (at + yes + 1 >= count or at + no + 1 >= count):
            raise EINVAL(f"instruction {at}: jump beyond the end")
    if code[-1][0] & 7 != BPF_RET:
        raise EINVAL("the filter can run off its end")
    check_memory(code)


def check_memory(code: list[tuple[int, ...]]) -> None:
    """Every memory word is stored on every path before it is loaded (check_load_and_stores)."""
    everything = (1 << MEM_WORDS) - 1
    reaching = [everything] * len(code)
    stored = 0
    for at, (op, yes, no, k) in enumerate(code):
        stored &= reaching[at]
        kind = op & 7
        if kind in (BPF_ST, BPF_STX):
            stored |= 1 << k
        elif op & ~1 == BPF_LD | BPF_MEM:
            if not stored >> k & 1:
                raise EINVAL(f"instruction {at}: memory word {k} was never stored")
        elif op == BPF_JMP | BPF_JA:
            reaching[at + 1 + k] &= stored
            stored = everything
        elif kind == BPF_JMP:
            reaching[at + 1 + yes] &= stored
            reaching[at + 1 + no] &= stored
            stored = everything


def run(code: list[tuple[int, ...]], data: bytes) -> tuple[int, bool]:
    """(action, whether more than number and architecture was looked at)."""
    a = x = at = 0
    memory = [0] * MEM_WORDS
    further = False
    while True:
        op, yes, no, k = code[at]
        at += 1
        kind = op & 7
        if kind == BPF_JMP:
            if op == BPF_JMP | BPF_JA:
                at += k
                continue
            against = x if op & BPF_X else k
            how = op & 0xF0
            if how == BPF_JEQ:
                holds = a == against
            elif how == BPF_JGT:
                holds = a > against
            elif how == BPF_JGE:
                holds = a >= against
            else:
                holds = bool(a & against)
            at += yes if holds else no
        elif kind == BPF_LD:
            if op & 0xE0 == BPF_ABS:
                further = further or k >= FIXED_PART
                a = int.from_bytes(data[k : k + 4], "little")
            else:
                a = loaded(op, k, memory)
        elif kind == BPF_RET:
            return (a if op & 0x18 == BPF_A else k), further
        elif kind == BPF_ALU:
            a = compute(op & 0xF0, a, x if op & BPF_X else k)
            if a < 0:
                return 0, True  # division by zero ends the filter with the worst verdict
        elif kind == BPF_LDX:
            x = loaded(op, k, memory)
        elif kind == BPF_ST:
            memory[k] = a
        elif kind == BPF_STX:
            memory[k] = x
        elif op & BPF_TXA:
            a = x
        else:
            x = a


def loaded(op: int, k: int, memory: list[int]) -> int:
    mode = op & 0xE0
    if mode == BPF_MEM:
        return memory[k]
    return DATA.size if mode == BPF_LEN else k


def compute(op: int, a: int, b: int) -> int:
    """One ALU step in 32 bits; -1 for a division by zero."""
    if op == BPF_ADD:
        return (a + b) & MASK
    if op == BPF_SUB:
        return (a - b) & MASK
    if op == BPF_MUL:
        return (a * b) & MASK
    if op == BPF_DIV:
        return a // b if b else -1
    if op == BPF_OR:
        return a | b
    if op == BPF_AND:
        return a & b
    if op == BPF_XOR:
        return a ^ b
    if op == BPF_LSH:
        return a << (b & 31) & MASK
    if op == BPF_RSH:
        return a >> (b & 31)
    return -a & MASK


def signed_action(action: int) -> int:
    """Actions are ordered as signed numbers: the lower, the stricter (KILL_PROCESS lowest)."""
    action &= SECCOMP_RET_ACTION_FULL
    return action - (1 << 32) if action & SECCOMP_RET_KILL_PROCESS else action


def strictest(filters: tuple[Filter, ...], data: bytes) -> tuple[int, Filter | None]:
    """The verdict of a chain, newest filter first; of equal ones the newest counts."""
    best, author = SECCOMP_RET_ALLOW, None
    for one in filters:
        action = one.verdict(data)
        if signed_action(action) < signed_action(best):
            best, author = action, one
    return best, author
