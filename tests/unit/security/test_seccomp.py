"""seccomp programs: what is refused, what they return, and that the two engines agree.

The host's own seccomp is the judge of validity: every program here is offered to both.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import random
import struct

import pytest

from ring3.abi.errno import EINVAL
from ring3.abi.misc import (
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS,
    SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_LOG,
    SECCOMP_RET_TRAP,
)
from ring3.security.seccomp import CODES, DATA, INSTRUCTION, Filter, check, strictest

LD_ABS, LD_IMM, LD_MEM, ST, JEQ, JA = 0x20, 0x00, 0x60, 0x02, 0x15, 0x05
RET_K, RET_A = 0x06, 0x16
X86_64 = 0xC000003E


def program(*rows: tuple[int, int, int, int]) -> bytes:
    return b"".join(INSTRUCTION.pack(*row) for row in rows)


def data(nr: int = 0, args: tuple[int, ...] = (0,) * 6, arch: int = X86_64) -> bytes:
    return DATA.pack(nr, arch, 0, *args)


def errno_on(nr: int, number: int) -> Filter:
    return Filter(
        program(
            (LD_ABS, 0, 0, 0),
            (JEQ, 0, 1, nr),
            (RET_K, 0, 0, SECCOMP_RET_ERRNO | number),
            (RET_K, 0, 0, SECCOMP_RET_ALLOW),
        )
    )


def test_a_filter_decides_by_number_and_remembers() -> None:
    one = errno_on(39, 5)
    assert one.verdict(data(39)) == SECCOMP_RET_ERRNO | 5
    assert one.verdict(data(40)) == SECCOMP_RET_ALLOW
    assert one.known == {(39, X86_64): SECCOMP_RET_ERRNO | 5, (40, X86_64): SECCOMP_RET_ALLOW}


def test_a_look_at_an_argument_is_not_remembered() -> None:
    one = Filter(program((LD_ABS, 0, 0, 16), (RET_A, 0, 0, 0)))
    assert one.verdict(data(1, (7, 0, 0, 0, 0, 0))) == 7
    assert one.verdict(data(1, (8, 0, 0, 0, 0, 0))) == 8
    assert not one.known


def test_the_strictest_verdict_counts_and_the_newest_of_equals() -> None:
    def always(action: int) -> Filter:
        return Filter(program((RET_K, 0, 0, action)))

    order = [
        SECCOMP_RET_KILL_PROCESS,
        SECCOMP_RET_KILL_THREAD,
        SECCOMP_RET_TRAP,
        SECCOMP_RET_ERRNO,
        SECCOMP_RET_LOG,
        SECCOMP_RET_ALLOW,
    ]
    for stricter, other in itertools.pairwise(order):
        assert strictest((always(stricter), always(other)), data())[0] == stricter
        assert strictest((always(other), always(stricter)), data())[0] == stricter
    newer, older = always(SECCOMP_RET_ERRNO | 1), always(SECCOMP_RET_ERRNO | 2)
    assert strictest((newer, older), data())[0] == SECCOMP_RET_ERRNO | 1


BAD = {
    "empty": b"",
    "no return": program((LD_IMM, 0, 0, 1)),
    "jump past the end": program((JEQ, 5, 0, 0), (RET_K, 0, 0, 0)),
    "ja past the end": program((JA, 0, 0, 5), (RET_K, 0, 0, 0)),
    "unaligned": program((LD_ABS, 0, 0, 2), (RET_K, 0, 0, 0)),
    "beyond the data": program((LD_ABS, 0, 0, 64), (RET_K, 0, 0, 0)),
    "division by zero": program((0x34, 0, 0, 0), (RET_K, 0, 0, 0)),
    "wide shift": program((0x64, 0, 0, 32), (RET_K, 0, 0, 0)),
    "modulo": program((0x94, 0, 0, 3), (RET_K, 0, 0, 0)),
    "packet load": program((0x30, 0, 0, 0), (RET_K, 0, 0, 0)),
    "memory word 16": program((ST, 0, 0, 16), (RET_K, 0, 0, 0)),
    "memory never stored": program((LD_MEM, 0, 0, 3), (RET_A, 0, 0, 0)),
    "memory stored on one path": program(
        (JEQ, 0, 1, 0), (ST, 0, 0, 3), (LD_MEM, 0, 0, 3), (RET_A, 0, 0, 0)
    ),
}
GOOD = {
    "memory stored before": program((ST, 0, 0, 3), (LD_MEM, 0, 0, 3), (RET_A, 0, 0, 0)),
    "longest jump": program((JEQ, 0, 0, 0), (RET_K, 0, 0, SECCOMP_RET_ALLOW)),
    "division by X": program((0x3C, 0, 0, 0), (RET_K, 0, 0, SECCOMP_RET_ALLOW)),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    with pytest.raises(EINVAL):
        Filter(BAD[name])
    assert host_takes(BAD[name]) is False


@pytest.mark.parametrize("name", GOOD)
def test_taken(name: str) -> None:
    Filter(GOOD[name])
    assert host_takes(GOOD[name]) is True


def host_takes(raw: bytes) -> bool:
    """Whether the host's kernel accepts a program (in a child, which then ends)."""
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)
        buffer = ctypes.create_string_buffer(raw or b"\0")
        fprog = struct.pack("<H6xQ", len(raw) // 8, ctypes.addressof(buffer))
        # The last act of the child: whatever the filter says, exit_group is all that follows.
        result = libc.prctl(22, 2, fprog, 0, 0)
        os._exit(0 if result == 0 else 1 if ctypes.get_errno() == errno.EINVAL else 2)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True  # taken, and it forbids exit_group
    code = os.WEXITSTATUS(status)
    assert code != 2
    return code == 0


def test_random_programs_are_taken_exactly_when_the_host_takes_them() -> None:
    dice = random.Random(20261120)
    codes = [*sorted(CODES), 0x28, 0x30, 0x94, 0x50, 0x81]
    taken = 0
    for _ in range(150):
        rows = []
        for _ in range(dice.randrange(1, 6)):
            k = dice.choice([0, 1, 3, 4, 15, 16, 31, 32, 60, 64])
            rows.append((dice.choice(codes), dice.randrange(3), dice.randrange(3), k))
        rows.append((RET_K, 0, 0, SECCOMP_RET_ALLOW))
        raw = program(*rows)
        try:
            Filter(raw)
            ours = True
        except EINVAL:
            ours = False
        assert host_takes(raw) is ours, rows
        taken += ours
    assert taken > 20


def test_arithmetic() -> None:
    cases = [
        (0x04, 5, 0xFFFFFFFF, 4), (0x14, 3, 5, 0xFFFFFFFE), (0x24, 1 << 31, 2, 0),
        (0x34, 17, 5, 3), (0x44, 5, 2, 7), (0x54, 7, 10, 2), (0xA4, 7, 2, 5),
        (0x64, 1, 31, 1 << 31), (0x74, 1 << 31, 31, 1), (0x84, 1, 0, 0xFFFFFFFF),
    ]  # fmt: skip
    for op, a, b, expected in cases:
        one = Filter(program((LD_IMM, 0, 0, a), (op, 0, 0, b), (RET_A, 0, 0, 0)))
        assert one.verdict(data()) == expected, hex(op)
        if op != 0x84:
            by_x = program((0x01, 0, 0, b), (LD_IMM, 0, 0, a), (op | 8, 0, 0, 0), (RET_A, 0, 0, 0))
            assert Filter(by_x).verdict(data()) == expected, hex(op)


def test_division_by_a_zero_register_is_the_worst_verdict() -> None:
    one = Filter(program((LD_IMM, 0, 0, 9), (0x3C, 0, 0, 0), (RET_K, 0, 0, SECCOMP_RET_ALLOW)))
    assert one.verdict(data()) == SECCOMP_RET_KILL_THREAD


def test_the_longest_program() -> None:
    check([(LD_IMM, 0, 0, 0)] * 4095 + [(RET_K, 0, 0, 0)])
    with pytest.raises(EINVAL):
        check([(LD_IMM, 0, 0, 0)] * 4096 + [(RET_K, 0, 0, 0)])
