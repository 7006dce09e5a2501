"""What CPL 3 may not do, and what ring 0 may not do to user pages."""

from __future__ import annotations

import pytest

from ring3.machine.emulated import layout as at
from tests.unit.emulated.cpu_board import (
    CODE,
    DATA,
    DATA_PA,
    KERNEL_CODE,
    NOWHERE,
    READONLY,
    CpuBoard,
)

UD, GP, PF = 6, 13, 14
AC = 1 << 18


@pytest.mark.parametrize(
    "instruction",
    [
        "hlt", "cli", "sti", "clts", "wbinvd", "rdmsr", "wrmsr", "swapgs", "sysretq", "sysexit",
        "mov %cr3,%rax", "mov %rax,%cr3", "mov %rax,%cr0", "mov %db7,%rax", "invlpg (%rax)",
        "lgdt 0x402000", "lidt 0x402000", "ltr %ax", "lldt %ax", "lmsw %ax",
    ],
)  # fmt: skip
def test_privileged_instruction(board: CpuBoard, instruction: str) -> None:
    """SDM Vol. 3A, 5.9: privileged instructions at CPL > 0 raise #GP(0) (CLI, STI: Vol. 2)."""
    stop = board.exception(f"nop; {instruction}")
    assert (stop.vector, stop.error, stop.rip) == (GP, 0, CODE + 1)
    assert stop.cs == at.USER_CS


@pytest.mark.parametrize("instruction", ["stac", "clac", "ud2", "xgetbv; rdrand %rax"])
def test_undefined_in_ring3(board: CpuBoard, instruction: str) -> None:
    """SDM Vol. 2, CLAC, STAC: #UD if CPL > 0. RDRAND: #UD where CPUID does not show it."""
    if "rdrand" in instruction and not board.engine.live:
        pytest.skip("the feature words are out of reach of the public API")
    stop = board.exception(f"xor %ecx,%ecx; {instruction}")
    assert (stop.vector, stop.error) == (UD, 0)


@pytest.mark.parametrize(
    ("source", "error", "address"),
    [
        (f"mov {NOWHERE},%eax", 4, NOWHERE),
        (f"mov %eax,{NOWHERE}", 6, NOWHERE),
        (f"mov %eax,{READONLY}", 7, READONLY),
        (f"mov ${DATA},%eax; jmp *%rax", 0x15, DATA),
        ("xor %eax,%eax; jmp *%rax", 0x14, 0),
        (f"movabs ${at.DIRECT_MAP + 8:#x},%rax; mov (%rax),%rax", 5, at.DIRECT_MAP + 8),
        (f"movabs ${at.DIRECT_MAP:#x},%rax; mov %rax,(%rax)", 7, at.DIRECT_MAP),
        (f"movabs ${at.TEXT:#x},%rax; jmp *%rax", 5 | 16, at.TEXT),
        (f"movabs ${at.STACKS:#x},%rax; mov (%rax),%rax", 4, at.STACKS),
    ],
)
def test_page_fault_error_code(board: CpuBoard, source: str, error: int, address: int) -> None:
    """SDM Vol. 3A, 4.7, Figure 4-12: P, W/R, U/S, I/D; 6.15, "Interrupt 14": CR2."""
    stop = board.exception(source)
    assert (stop.vector, stop.error) == (PF, error)
    assert board.cpu.cr2 == board.cpu.rdx == address


def test_non_canonical_address(board: CpuBoard) -> None:
    """SDM Vol. 1, 3.3.7.1: a non-canonical data address raises #GP(0), on the stack #SS(0)."""
    stop = board.exception("movabs $0x800000000000,%rax; mov (%rax),%rax")
    assert (stop.vector, stop.error) == (GP, 0)


def test_smap_refuses_a_read_outside_the_window(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.6.1: CR4.SMAP = 1, AC = 0: a supervisor read of a user page faults.

    The error code says: present, read, supervisor (1).
    """
    board.user("syscall")
    board.stop()
    result, faults = board.routine("peek_outside_window", DATA)
    assert result == (1 << 64) - 14
    assert [(f.vector, f.error, f.cs) for f in faults] == [(PF, 1, at.KERNEL_CS)]


def test_smap_lets_the_window_through(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.6.1: with AC set (STAC) the access is allowed; after CLAC it is not."""
    board.ram[DATA_PA : DATA_PA + 8] = (42).to_bytes(8, "little")
    board.kernel(f"stac; mov {DATA},%rax; mov %rax,%rbx; clac; mov {DATA},%rcx")
    stop = board.stop()
    assert (stop.vector, stop.error, stop.rbx) == (PF, 1, 42)
    assert not stop.eflags & AC


def test_user_cannot_leave_the_window_open(board: CpuBoard) -> None:
    """AC is the user's to set (POPF); an entry must not inherit it, or SMAP would be off.

    SDM Vol. 2A, INT n: AC is not cleared by the CPU. Vol. 2B, SYSCALL: SFMASK clears it.
    """
    for way in ("syscall", "int $0x80", "lcall *gate(%rip)"):
        board.user(
            f"pushf; orl ${AC},(%rsp); popf; {way}\n.balign 8\ngate: .long 0\n.word {at.CALL_GATE}"
        )
        stop = board.stop()
        assert stop.eflags & AC, way
        assert not board.cpu.rflags & AC, way
        assert board.routine("peek_outside_window", DATA)[0] != 0, way


def test_smep(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.6.1: CR4.SMEP = 1: no supervisor fetch from a user page, whatever AC."""
    board.kernel(f"stac; mov ${CODE},%eax; jmp *%rax")
    stop = board.stop()
    assert (stop.vector, stop.error, stop.rip) == (PF, 0x11, CODE)


def test_write_protect(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.6.1: CR0.WP = 1: supervisor writes need R/W too. Copy-on-write
    rests on it.
    """
    board.kernel(f"stac; movl $1,{READONLY}")
    stop = board.stop()
    assert (stop.vector, stop.error) == (PF, 3)


def test_kernel_text_is_read_only(board: CpuBoard) -> None:
    """The text page has no R/W: with WP not even ring 0 writes there."""
    board.kernel(f"movabs ${at.TEXT:#x},%rax; movl $1,(%rax)")
    stop = board.stop()
    assert (stop.vector, stop.error) == (PF, 3)


def test_direct_map_is_not_executable(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.6.1: EFER.NXE = 1 and XD set: no fetch, in ring 0 either."""
    board.kernel(f"movabs ${at.DIRECT_MAP + at.TEXT_PA:#x},%rax; jmp *%rax")
    stop = board.stop()
    assert (stop.vector, stop.error) == (PF, 0x11)


def test_vsyscall_page_is_the_users(board: CpuBoard) -> None:
    """A call to the page executes SYSCALL at CPL 3, with the number of time(2)."""
    board.user(f"mov ${at.VSYSCALL + 0x400:#x},%rax; call *%rax")
    stop = board.stop()
    assert (stop.port, stop.orig_rax) == (at.PORT_SYSCALL, 201)
    assert stop.rip == at.VSYSCALL + 0x400 + 7


@pytest.mark.parametrize("instruction", ["in $0x60,%al", "out %al,$0x60", "in (%dx),%eax", "outsb"])
def test_ports_are_refused(board: CpuBoard, instruction: str) -> None:
    """SDM Vol. 1, 18.5: CPL > IOPL and no bitmap in the TSS: #GP(0), nothing is done."""
    stop = board.exception(f"mov ${DATA},%esi; mov $7,%eax; {instruction}; mov $1,%ebx")
    assert (stop.vector, stop.error, stop.rbx, stop.rax) == (GP, 0, 0, 7)


def test_iopl_permits_ports(board: CpuBoard) -> None:
    """SDM Vol. 1, 18.5.1: CPL <= IOPL permits all ports; an empty bus reads as ones."""
    board.user("in $0x60,%al; out %al,$0x70; movzx %al,%ebx; syscall", flags=0x3202)
    stop = board.stop()
    assert (stop.port, stop.rbx, stop.r11 & 0x3000) == (at.PORT_SYSCALL, 0xFF, 0x3000)


def test_io_bitmap(board: CpuBoard) -> None:
    """SDM Vol. 1, 18.5.2: a port is permitted if its bit is 0; a wider access needs all bits."""
    bitmap = bytearray(b"\xff" * 8192)
    bitmap[0x60 // 8] &= ~1
    board.engine.set_io_bitmap(bytes(bitmap))
    board.user("in $0x60,%al; mov $1,%ebx; syscall")
    assert board.stop().port == at.PORT_SYSCALL
    for source in ("in $0x60,%ax", "in $0x61,%al", "mov $0xffff,%dx; in (%dx),%al"):
        stop = board.exception(source)
        assert (stop.vector, stop.error) == (GP, 0), source
    board.engine.set_io_bitmap(None)
    assert board.exception("in $0x60,%al").vector == GP


def test_last_port_of_the_bitmap(board: CpuBoard) -> None:
    """SDM Vol. 1, 18.5.2: the bitmap is followed by a byte of ones, within the TSS limit."""
    board.engine.set_io_bitmap(bytes(8192))
    board.user("mov $0xffff,%edx; in (%dx),%al; syscall")
    assert board.stop().port == at.PORT_SYSCALL
    assert board.exception("mov $0xffff,%edx; in (%dx),%ax").vector == GP


def test_ring0_code_runs_where_the_tests_put_it(board: CpuBoard) -> None:
    """The harness itself: code behind the text is executable at CPL 0 and nowhere else."""
    board.kernel("mov $5,%ebx; ud2")
    stop = board.stop()
    assert (stop.vector, stop.rbx, stop.rip, stop.cs) == (UD, 5, KERNEL_CODE + 5, at.KERNEL_CS)
