"""The ring-0 copy routines: every length, faults anywhere, refused pointers, atomics."""

from __future__ import annotations

import pytest

from ring3.machine.emulated import layout as at
from tests.unit.emulated.cpu_board import (
    DATA,
    DATA_PA,
    READONLY,
    READONLY_PA,
    CpuBoard,
)

PF = 14
EFAULT = (1 << 64) - 14
NONE = (1 << 64) - 1
BOUNCE = at.DIRECT_MAP + at.BOUNCE_PA
GAP = 0x700000
"""A user page whose successor is not mapped."""
GAP_PA = 0x900000
END = GAP + at.PAGE
ALPHABET = bytes(range(1, 256)) * 17


@pytest.fixture
def kernel(board: CpuBoard) -> CpuBoard:
    """In a system call, with a user page before a hole."""
    board.map(GAP, GAP_PA)
    board.user("syscall")
    assert board.stop().port == at.PORT_SYSCALL
    return board


def bounce(board: CpuBoard, size: int) -> bytes:
    return bytes(board.ram[at.BOUNCE_PA : at.BOUNCE_PA + size])


def fill(board: CpuBoard, physical: int, data: bytes) -> None:
    board.ram[physical : physical + len(data)] = data


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_copy_from_user(kernel: CpuBoard, offset: int) -> None:
    """All lengths around the unrolled loops' borders."""
    fill(kernel, GAP_PA, ALPHABET[:4096])
    for size in [*range(18), 63, 64, 65, 71, 72, 127, 128, 129, 1000, 4096 - offset]:
        kernel.ram[at.BOUNCE_PA : at.BOUNCE_PA + 4200] = bytes(4200)
        left, faults = kernel.routine("copy_from_user", BOUNCE, GAP + offset, size)
        assert (left, faults) == (0, []), size
        assert bounce(kernel, size + 8) == ALPHABET[offset : offset + size] + bytes(8), size


def test_copy_to_user(kernel: CpuBoard) -> None:
    fill(kernel, at.BOUNCE_PA, ALPHABET)
    for size in (0, 1, 7, 8, 9, 63, 64, 65, 200, 4096):
        fill(kernel, GAP_PA, bytes(4096))
        assert kernel.routine("copy_to_user", GAP, BOUNCE, size) == (0, [])
        assert bytes(kernel.ram[GAP_PA : GAP_PA + 4096]) == ALPHABET[:size].ljust(4096, b"\0")


@pytest.mark.parametrize("mapped", [0, 1, 5, 8, 30, 64, 100, 128, 4095])
def test_copy_stops_at_the_hole_to_the_byte(kernel: CpuBoard, mapped: int) -> None:
    """What was not copied is counted exactly, whichever loop met the hole."""
    fill(kernel, GAP_PA, ALPHABET[:4096])
    for size in (mapped + 1, mapped + 40, mapped + 200):
        kernel.ram[at.BOUNCE_PA : at.BOUNCE_PA + 8192] = bytes(8192)
        left, faults = kernel.routine("copy_from_user", BOUNCE, END - mapped, size)
        assert left == size - mapped
        assert bounce(kernel, mapped) == ALPHABET[4096 - mapped : 4096]
        assert {(f.vector, f.error, f.cs) for f in faults} == {(PF, 0, at.KERNEL_CS)}
        fill(kernel, at.BOUNCE_PA, ALPHABET)
        left, faults = kernel.routine("copy_to_user", END - mapped, BOUNCE, size)
        assert left == size - mapped
        assert {(f.vector, f.error) for f in faults} == {(PF, 2)}
        left, faults = kernel.routine("clear_user", END - mapped, 0, size)
        assert left == size - mapped
        assert bytes(kernel.ram[GAP_PA + 4096 - mapped : GAP_PA + 4096]) == bytes(mapped)
        fill(kernel, GAP_PA, ALPHABET[:4096])


def test_a_fault_that_is_served_is_not_noticed(kernel: CpuBoard) -> None:
    """Demand paging in the middle of a copy: the instruction runs again."""
    fill(kernel, at.BOUNCE_PA, ALPHABET)
    rsp = kernel.cpu.rsp
    kernel.engine.enter("copy_to_user", END - 100, BOUNCE, 300)
    stop = kernel.stop()
    assert (stop.port, stop.vector, kernel.cpu.cr2) == (at.PORT_EXCEPTION, PF, END)
    kernel.map(END, GAP_PA + 4096)
    stop = kernel.stop()
    assert (stop.port, kernel.cpu.rax) == (at.PORT_COPIED, 0)
    kernel.cpu.rsp = rsp
    assert bytes(kernel.ram[GAP_PA + 3996 : GAP_PA + 4296]) == ALPHABET[:300]


@pytest.mark.parametrize(
    "address",
    [at.DIRECT_MAP, at.TEXT, NONE, at.USER_END, at.USER_END - 7, 1 << 47, 0x8000_0000_0000_0000],
)
def test_kernel_pointers_are_refused_before_any_access(kernel: CpuBoard, address: int) -> None:
    """access_ok: no page is touched, so not even a timing tells what is there."""
    fill(kernel, at.BOUNCE_PA, b"\xaa" * 8)
    assert kernel.routine("copy_from_user", BOUNCE, address, 8) == (8, [])
    assert bounce(kernel, 8) == b"\xaa" * 8
    assert kernel.routine("copy_to_user", address, BOUNCE, 8) == (8, [])
    assert kernel.routine("clear_user", address, 0, 8) == (8, [])
    for name in ("get_user_64", "put_user_64", "cmpxchg_user_64"):
        assert kernel.routine(name, address, 1, 2) == (EFAULT, []), name
    if address not in (at.USER_END - 7,):
        assert kernel.routine("copy_string_from_user", BOUNCE, address, 8) == (EFAULT, [])


def test_length_that_wraps_around(kernel: CpuBoard) -> None:
    size = (1 << 64) - DATA + 8
    assert kernel.routine("copy_from_user", BOUNCE, DATA, size) == (size, [])


def test_copies_leave_the_window_closed(kernel: CpuBoard) -> None:
    """CLAC at the end, on the way of a fault too."""
    for source in (DATA, END):
        kernel.routine("copy_from_user", BOUNCE, source, 8)
        assert not kernel.cpu.rflags & 1 << 18
        assert kernel.routine("peek_outside_window", DATA)[0] == EFAULT


def test_write_to_a_read_only_page(kernel: CpuBoard) -> None:
    """CR0.WP: the copy faults with error 3 and can be made to copy on write."""
    fill(kernel, READONLY_PA, b"keep")
    left, faults = kernel.routine("copy_to_user", READONLY, BOUNCE, 4)
    assert (left, [f.error for f in faults]) == (4, [3])
    assert bytes(kernel.ram[READONLY_PA : READONLY_PA + 4]) == b"keep"


@pytest.mark.parametrize("length", [0, 1, 3, 7, 8, 9, 15, 16, 40])
def test_copy_string(kernel: CpuBoard, length: int) -> None:
    """The word at a time finds the end; a string may end right before the hole."""
    text = (b"\x01\x80\xff\x7f" * 20)[:length]
    for start in (DATA, DATA + 3, END - length - 1):
        fill(kernel, (GAP_PA if start > GAP else DATA_PA) + start % 4096, text + b"\0")
        kernel.ram[at.BOUNCE_PA : at.BOUNCE_PA + 64] = b"\xee" * 64
        result, _faults = kernel.routine("copy_string_from_user", BOUNCE, start, 4096)
        assert result == length
        assert bounce(kernel, length + 1) == text + b"\0"
        for limit in (length, max(length - 1, 0)):
            assert kernel.routine("copy_string_from_user", BOUNCE, start, limit)[0] == NONE
        assert kernel.routine("copy_string_from_user", BOUNCE, start, length + 1)[0] == length


def test_copy_string_faults(kernel: CpuBoard) -> None:
    """No end before the hole, or before the end of user space."""
    fill(kernel, GAP_PA + 4096 - 20, b"x" * 20)
    result, faults = kernel.routine("copy_string_from_user", BOUNCE, END - 20, 4096)
    assert (result, faults[-1].vector) == (EFAULT, PF)
    last = at.USER_END - at.PAGE
    kernel.map(last, 0x980000)
    fill(kernel, 0x980000, b"y" * 4096)
    result, faults = kernel.routine("copy_string_from_user", BOUNCE, at.USER_END - 10, 4096)
    assert (result, faults) == (EFAULT, [])
    assert bounce(kernel, 10) == b"y" * 10


@pytest.mark.parametrize(
    ("name", "before", "rsi", "rdx", "after"),
    [
        ("get_user_32", 0x1122334455667788, 0, 0, 0x1122334455667788),
        ("get_user_64", 0x1122334455667788, 0, 0, 0x1122334455667788),
        ("put_user_32", 0x1122334455667788, 0xAABBCCDD, 0, 0x11223344AABBCCDD),
        ("put_user_64", 1, 0x1122334455667788, 0, 0x1122334455667788),
        ("cmpxchg_user_32", 5, 5, 9, 9),
        ("cmpxchg_user_32", 6, 5, 9, 6),
        ("cmpxchg_user_64", 1 << 40, 1 << 40, 1 << 41, 1 << 41),
        ("cmpxchg_user_64", 3, 1 << 40, 1 << 41, 3),
        ("xchg_user_32", 5, 7, 0, 7),
        ("add_user_32", 0xFFFFFFFF, 2, 0, 1),
        ("or_user_32", 0b0101, 0b0011, 0, 0b0111),
        ("and_user_32", 0b0101, 0b0011, 0, 0b0001),
        ("xor_user_32", 0b0101, 0b0011, 0, 0b0110),
    ],
)
def test_one_word(kernel: CpuBoard, name: str, before: int, rsi: int, rdx: int, after: int) -> None:
    """The old value comes back in RDX; a missing page gives -EFAULT and nothing else."""
    fill(kernel, DATA_PA, before.to_bytes(8, "little"))
    assert kernel.routine(name, DATA, rsi, rdx) == (0, [])
    assert int.from_bytes(kernel.ram[DATA_PA : DATA_PA + 8], "little") == after
    if not name.startswith("put"):
        assert kernel.cpu.rdx == before & (0xFFFFFFFF if name.endswith("32") else NONE)
    result, faults = kernel.routine(name, END, rsi, rdx)
    assert (result, len(faults)) == (EFAULT, 1)


def test_copying_keeps_the_users_floating_point(board: CpuBoard) -> None:
    """The kernel uses no FPU: no state has to be saved around a call."""
    board.user(f"mov ${DATA},%eax; movups (%rax),%xmm0; movups (%rax),%xmm15; fld1; syscall")
    fill(board, DATA_PA, ALPHABET[:16])
    board.stop()
    before = board.engine.fxsave()
    board.routine("copy_from_user", BOUNCE, DATA, 4096)
    board.routine("copy_string_from_user", BOUNCE, DATA, 4096)
    assert board.engine.fxsave() == before
    assert before[160:176] == ALPHABET[:16] == before[160 + 240 : 160 + 256]
