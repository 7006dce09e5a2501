"""Random code at CPL 3, made of the instructions that matter: ring 0 must never be surprised.

Found so: SYSCALL with prefixes or VEX-coded (ring 0 began behind SWAPGS), IRET into virtual-8086
mode, NT kept by SYSENTER.
"""

from __future__ import annotations

import random
import struct

import pytest

from ring3.machine.emulated import layout as at
from tests.unit.emulated.cpu_board import CODE, CODE_PA, DATA, DATA_PA, CpuBoard

PERCPU = at.DIRECT_MAP + at.PERCPU_PA
PIECES = [
    bytes.fromhex(piece)
    for piece in (
        "0f05 cd80 0f34 cc cf cb 48cb 48cf ca0400 9d 9c fb fa f4 ec ee e460 e660 6c 6e f36e "
        "f36c 0fa2 0f31 0f01f9 0fae00 0fae08 8ed8 8ee8 8ec0 8ed0 0fa1 0fa9 ff18 ff28 "
        "ff2d00000000 ea9a 0f00d8 0f0108 0f01d0 0f01d1 f30faed8 0f0b f1 ce 0fc7f0 c8000101 c9 "
        "0fb2 0fb4 62 c5f858c0 c5e505 f0 0f20c0 0f22d8 0f21c0 0f23c0 0f30 0f32 0f33 f30f01e8 "
        "0f01ca 0f01cb 64a1 65a1 8c d9c0 dbe3 9b "
    ).split()
]
FLAGS = (0x202, 0x302, 0x3202, 0x40202, 0x4202, 0x10202, 0x602)


def prepare(board: CpuBoard, rng: random.Random) -> int:
    """A random program with random registers; its bits."""
    bits = rng.choice((64, 64, 32))
    board.user("nop", bits=bits, flags=rng.choice(FLAGS))
    code = b"".join(
        rng.choice(PIECES) if rng.random() < 0.5 else rng.randbytes(rng.randrange(1, 6))
        for _ in range(150)
    )[:300]
    board.ram[CODE_PA : CODE_PA + len(code)] = code
    board.ram[DATA_PA : DATA_PA + 4096] = rng.randbytes(64) * 64
    board.engine.invalidate_code(CODE_PA)
    frame = board.physical(board.cpu.rsp)
    for index in range(15):
        value = rng.choice(
            (rng.getrandbits(64), DATA + rng.randrange(4096), CODE + rng.randrange(300), at.TEXT)
        )
        struct.pack_into("<Q", board.ram, frame + 8 * index, value)
    board.way_out(1)
    return bits


@pytest.mark.parametrize("seed", range(2))
def test_ring0_is_never_surprised(board: CpuBoard, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        bits = prepare(board, rng)
        for _ in range(12):
            board.engine.budget = rng.choice((3000, 1, 5))
            why = board.engine.run()
            cpu = board.cpu
            assert why in (at.EXIT_HYPERCALL, at.EXIT_BUDGET), board.engine.failure
            assert cpu.hflags >> 23 & 1, "SMAP is on"
            if why == at.EXIT_BUDGET:
                assert cpu.cpl == 0 or cpu.kernel_gs_base == PERCPU
                if board.engine.can_interrupt():
                    board.engine.deliver_irq(at.VECTOR_IRQ + rng.randrange(16))
                continue
            assert (cpu.cpl, cpu.gs_base) == (0, PERCPU)
            go_on(board, rng, bits)


def go_on(board: CpuBoard, rng: random.Random, bits: int) -> None:
    """Return somewhere else into the program; a fault in ring 0 fails the test."""
    frame = board.physical(board.cpu.rsp)
    port = board.engine.port
    if port in (at.PORT_EXCEPTION, at.PORT_SYSENTER):
        (selector,) = struct.unpack_from("<Q", board.ram, frame + 136)
        (rip,) = struct.unpack_from("<Q", board.ram, frame + 128)
        assert selector & 3, f"vector {board.cpu.rsi} in ring 0 at {rip:#x}"
        (flags,) = struct.unpack_from("<Q", board.ram, frame + 144)
        cs = at.USER_CS if bits == 64 else at.USER32_CS
        where = CODE + rng.randrange(290)
        struct.pack_into("<3Q", board.ram, frame + 128, where, cs, flags & ~0x4100 | 0x202)
        struct.pack_into("<Q", board.ram, frame + 160, at.USER_DS)
    board.way_out(1)
