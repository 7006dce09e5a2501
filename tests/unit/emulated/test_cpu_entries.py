"""The four ways into ring 0 and the ways out, register by register."""

from __future__ import annotations

import pytest

from ring3.machine.emulated import layout as at
from tests.unit.emulated.cpu_board import (
    CODE,
    CODE_PA,
    DATA,
    DATA_PA,
    READONLY,
    TOP,
    CpuBoard,
    Stop,
)

UD, GP = 6, 13
ENOSYS = (1 << 64) - 38
IF, TF, DF, NT, AC, ID = 0x200, 0x100, 0x400, 0x4000, 1 << 18, 1 << 21
GATE = f"\n.balign 8\ngate: .long 0\n.word {at.CALL_GATE}"
LOADED = "; ".join(
    f"mov ${number:#x},%{name}"
    for number, name in enumerate(
        "rbx rbp rdi rsi rdx r8 r9 r10 r12 r13 r14 r15".split(), start=0x1001
    )
)
EVERY = dict(
    zip("rbx rbp rdi rsi rdx r8 r9 r10 r12 r13 r14 r15".split(), range(0x1001, 0x100D), strict=True)
)


def loaded(stop: Stop) -> dict[str, int]:
    return {name: stop.regs[name] for name in EVERY}


def test_syscall_saves_rip_and_rflags_in_registers(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSCALL: RCX = next RIP, R11 = RFLAGS, CS and SS from STAR, RIP = LSTAR."""
    board.user(f"{LOADED}; mov $1,%ecx; mov $2,%r11d; mov $39,%eax; cmp %eax,%eax; syscall; nop")
    stop = board.stop()
    assert (stop.port, stop.orig_rax, stop.rax) == (at.PORT_SYSCALL, 39, ENOSYS)
    assert loaded(stop) == EVERY
    assert stop.rcx == stop.rip
    assert stop.r11 == stop.eflags == 0x246
    assert (stop.cs, stop.ss, stop.rsp) == (at.USER_CS, at.USER_DS, READONLY)
    assert (board.cpu.cs, board.cpu.ss, board.cpu.cpl) == (at.KERNEL_CS, at.KERNEL_DS, 0)
    assert stop.frame == TOP - at.PT_REGS_SIZE


def test_sfmask(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSCALL: RFLAGS AND NOT IA32_FMASK; the kernel starts with DF, NT, AC clear."""
    flags = DF | NT | AC | ID | 0x8D5
    board.user(f"pushf; orl ${flags:#x},(%rsp); popf; syscall")
    stop = board.stop()
    assert stop.eflags & flags == flags
    assert not board.cpu.rflags & (flags & ~0x8D5)
    assert board.cpu.rflags & IF  # the stub's STI


def test_sysret(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSRET: RIP = RCX, RFLAGS = R11, CPL 3; all else comes back from pt_regs."""
    board.user(f"{LOADED}; cmp %eax,%eax; syscall; pushf; pop %r14; mov %rcx,%r13; syscall")
    stop = board.stop()
    board.set(stop, "rax", 7)
    board.way_out(0)
    again = board.stop()
    assert loaded(again) == EVERY | {"r13": stop.rip, "r14": 0x246}
    assert (again.orig_rax, again.rsp, again.cs, again.ss) == (7, READONLY, at.USER_CS, at.USER_DS)
    assert again.frame == stop.frame


def test_full_return_restores_rcx_and_r11(board: CpuBoard) -> None:
    """IRETQ takes nothing from registers: what SYSCALL destroyed can be given back (sigreturn)."""
    board.user(f"{LOADED}; syscall; mov %rcx,%rax; mov %r11,%rbx; syscall")
    stop = board.stop()
    board.set(stop, "rcx", 111)
    board.set(stop, "r11", 222)
    board.way_out(1)
    again = board.stop()
    assert (again.orig_rax, again.rbx) == (111, 222)


@pytest.mark.parametrize("prefixes", ["40", "66", "f3", "66662e48", "65f26767674f", "66" * 12])
def test_syscall_with_prefixes(board: CpuBoard, prefixes: str) -> None:
    """SDM Vol. 2A, 2.1: up to 15 bytes. RCX is the next instruction's address all the same.

    The engine adds the real length to the entry's address: a wrong guess would start ring 0 in the
    middle of the stub, behind SWAPGS.
    """
    encoded = ", ".join(f"0x{byte:x}" for byte in bytes.fromhex(prefixes))
    board.user(f"mov $7,%ebx; 1: .byte {encoded}; syscall; dec %ebx; jnz 1b; ud2")
    end = CODE + 5 + len(prefixes) // 2 + 2
    for turn in range(7):
        stop = board.stop()
        assert (stop.port, stop.rbx) == (at.PORT_SYSCALL, 7 - turn)
        assert stop.rcx == stop.rip == end
        assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA
        board.way_out(0)
    assert board.stop().vector == UD


def test_sysenter_with_prefixes(board: CpuBoard) -> None:
    board.user("mov %esp,%ebp; .byte 0x66,0x2e; sysenter", bits=32)
    stop = board.stop()
    assert (stop.port, stop.rsp) == (at.PORT_SYSENTER, READONLY)
    assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA


@pytest.mark.parametrize(("name", "bits"), [("syscall", 64), ("sysenter", 64), ("sysenter", 32)])
def test_locked_entry(board: CpuBoard, name: str, bits: int) -> None:
    """SDM Vol. 2A, LOCK: #UD with any instruction but the listed ones."""
    stop = board.exception(f"nop; .byte 0x66, 0xf0; {name}", bits)
    assert (stop.vector, stop.rip) == (UD, CODE + 1)


@pytest.mark.parametrize("code", ["c5e505", "c5f834", "c4e17805", "c4e17834", "66c5e505"])
def test_entry_in_a_vex_encoding(board: CpuBoard, code: str) -> None:
    """SDM Vol. 2A, 2.3: such an instruction does not exist: #UD at its begin."""
    encoded = ", ".join(f"0x{byte:x}" for byte in bytes.fromhex(code))
    for bits in (64, 32):
        stop = board.exception(f"nop; .byte {encoded}; nop; nop; nop", bits)
        assert (stop.vector, stop.rip) == (UD, CODE + 1)


def test_changed_syscall_cannot_miss_swapgs(board: CpuBoard) -> None:
    """A SYSCALL known as plain becomes a prefixed one, unnoticed: ring 0 still starts right."""
    board.user("1: syscall; nop; nop; jmp 1b")
    board.stop()
    board.ram[CODE_PA : CODE_PA + 4] = b"\x66\x66\x0f\x05"
    board.engine.board.invalidate(CODE_PA, 4096)  # the engine's part alone
    board.way_out(0)
    stop = board.stop()
    assert (stop.port, stop.rsp, stop.frame) == (at.PORT_SYSCALL, READONLY, TOP - at.PT_REGS_SIZE)
    assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA


def test_syscall_without_efer_sce(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSCALL: #UD if IA32_EFER.SCE = 0."""
    board.user("nop; syscall")
    board.cpu.efer &= ~1
    stop = board.stop()
    assert (stop.vector, stop.rip) == (UD, CODE + 1)


def test_syscall_in_compatibility_mode(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSCALL: #UD unless CS.L = 1 (Intel's rule; AMD's has CSTAR)."""
    stop = board.exception("nop; syscall", bits=32)
    assert (stop.vector, stop.rip, stop.cs) == (UD, CODE + 1, at.USER32_CS)


def test_sysenter_from_32_bit_code(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSENTER: nothing is saved; RSP, RIP, CS from MSRs, IF cleared.

    By convention ebp holds the user's esp; the kernel supplies the landing place for SYSEXIT,
    which takes RIP from RDX and RSP from RCX.
    """
    board.user("mov $20,%eax; mov %esp,%ebp; push $1; sysenter; .org 0x40; mov $21,%eax; int $0x80",
               bits=32)  # fmt: skip
    stop = board.stop()
    assert (stop.port, stop.orig_rax, stop.rax) == (at.PORT_SYSENTER, 20, ENOSYS)
    assert (stop.rip, stop.rsp, stop.rbp) == (0, READONLY, READONLY)
    assert (stop.cs, stop.ss, stop.eflags & IF) == (at.USER32_CS, at.USER_DS, IF)
    assert stop.frame == TOP - at.PT_REGS_SIZE
    for full in (0, 1):
        if full:
            board.user("mov %esp,%ebp; sysenter; .org 0x40; mov $21,%eax; int $0x80", bits=32)
            stop = board.stop()
        board.set(stop, "rip", CODE + 0x40)
        board.way_out(full)
        again = board.stop()
        assert (again.port, again.orig_rax) == (at.PORT_INT80, 21)
        assert (again.rsp, again.eflags & IF) == (READONLY, IF)


def test_sysenter_disabled(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSENTER: #GP(0) if IA32_SYSENTER_CS[15:2] = 0."""
    board.user("nop; sysenter", bits=32)
    board.cpu.sysenter_cs = 0
    stop = board.stop()
    assert (stop.vector, stop.error, stop.rip) == (GP, 0, CODE + 1)


@pytest.mark.parametrize("bits", [32, 64])
def test_int80(board: CpuBoard, bits: int) -> None:
    """SDM Vol. 2A, INT n, IA-32e mode: gate DPL 3 permits it; SS:RSP, RFLAGS, CS:RIP are pushed."""
    board.user("mov $4,%eax; mov $5,%ecx; stc; int $0x80; mov $6,%eax; int $0x80", bits)
    stop = board.stop()
    assert (stop.port, stop.orig_rax, stop.rax, stop.rcx) == (at.PORT_INT80, 4, ENOSYS, 5)
    assert stop.eflags == 0x203
    assert stop.rip == CODE + 13
    assert stop.cs == (at.USER_CS if bits == 64 else at.USER32_CS)
    board.set(stop, "rax", 99)
    board.way_out(0)
    again = board.stop()
    assert (again.orig_rax, again.rcx, again.eflags) == (6, 5, 0x203)


@pytest.mark.parametrize("bits", [32, 64])
def test_call_gate(board: CpuBoard, bits: int) -> None:
    """SDM Vol. 2A, CALL, "64-BIT CALL GATE": stack from TSS.RSP0, SS:RSP and CS:RIP pushed.

    RFLAGS is neither saved nor changed by the gate: the stub does it. RETF leads back.
    """
    call = f"lcall ${at.CALL_GATE},$0" if bits == 32 else "lcall *gate"
    board.user(f"mov $4,%eax; stc; {call}; mov $6,%eax; int $0x80" + GATE, bits)
    for full in (0, 1):
        if full:
            board.user(f"mov $4,%eax; stc; {call}; mov $6,%eax; int $0x80" + GATE, bits)
        stop = board.stop()
        assert (stop.port, stop.orig_rax, stop.rax) == (at.PORT_CALL_GATE, 4, ENOSYS)
        assert (stop.rip, stop.eflags) == (CODE + 13, 0x203)
        assert stop.cs == (at.USER_CS if bits == 64 else at.USER32_CS)
        assert (stop.rsp, stop.ss, stop.frame) == (READONLY, at.USER_DS, TOP - at.PT_REGS_SIZE)
        board.set(stop, "rax", 99)
        board.way_out(full)
        again = board.stop()
        assert (again.orig_rax, again.eflags, again.rsp) == (6, 0x203, READONLY)
        assert again.cs == stop.cs


def test_call_gate_wants_its_dpl(board: CpuBoard) -> None:
    """SDM Vol. 3A, 5.8.4: CPL and RPL must not exceed the gate's DPL: #GP(selector)."""
    place = at.GDT_PA + (at.CALL_GATE & ~7) + 5
    board.ram[place] &= ~0x60
    stop = board.exception("lcall *gate" + GATE)
    assert (stop.vector, stop.error) == (GP, at.CALL_GATE & ~3)


def test_gate_dpl(board: CpuBoard) -> None:
    """SDM Vol. 2A, INT n: gate DPL < CPL for a software interrupt: #GP(vector * 8 + 2).

    RIP is that of the INT instruction: it is a fault. EXT is 0: the program did it.
    """
    for vector in (0x20, 0, 14, 0x30, 0xFF):
        stop = board.exception(f"nop; int ${vector}")
        assert (stop.vector, stop.error, stop.rip) == (GP, vector * 8 + 2, CODE + 1), vector


def test_breakpoint_and_overflow_gates_are_open(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.12.1.1: DPL 3 gates; traps return after the instruction, without RF."""
    for source, vector, size in (("int3", 3, 1), (".byte 0xcd,3", 3, 2), ("int $4", 4, 2)):
        stop = board.exception(f"nop; {source}")
        assert (stop.vector, stop.error, stop.rip) == (vector, 0, CODE + 1 + size), source
        assert not stop.eflags & 0x10000
    stop = board.exception("mov $0x7fffffff,%eax; inc %eax; into", bits=32)
    assert (stop.vector, stop.rip) == (4, CODE + 7)


def test_sysret_to_a_non_canonical_address(board: CpuBoard) -> None:
    """SDM Vol. 2B, SYSRET: #GP(0) in ring 0, on the user's stack, if RCX is not canonical.

    A deviation of the engine: it loads RIP, and the #GP(0) comes from the fetch at CPL 3, after
    SYSRET and IRETQ alike. So no ring-0 code ever runs on the user's stack.
    """
    for full in (0, 1):
        board.user("syscall")
        stop = board.stop()
        board.set(stop, "rip", 0x800000000000)
        board.way_out(full)
        after = board.stop()
        assert (after.port, after.vector, after.error) == (at.PORT_EXCEPTION, GP, 0)
        assert (after.cs, after.rip) == (at.USER_CS, 0x800000000000)
        assert after.frame == TOP - at.PT_REGS_SIZE


@pytest.mark.parametrize(
    ("register", "value", "error"),
    [
        ("cs", 0x1003, 0x1000),
        ("cs", 3, 0),
        ("cs", 0x2B, 0x28),
        ("ss", 0x1003, 0x1000),
        ("ss", 3, 0),
    ],
)
def test_iret_to_a_bad_selector(board: CpuBoard, register: str, value: int, error: int) -> None:
    """SDM Vol. 2A, IRET: #GP(selector), in ring 0; the stub makes the user's fault of it.

    A program can ask for such a return (sigreturn); all its registers are as it asked.
    """
    board.user(f"{LOADED}; syscall; ud2")
    stop = board.stop()
    kept = stop.regs
    board.set(stop, register, value)
    board.way_out(1)
    fault = board.stop()
    assert (fault.port, fault.vector, fault.error) == (at.PORT_EXCEPTION, GP, error)
    assert (fault.frame, fault.regs[register]) == (TOP - at.PT_REGS_SIZE, value)
    names = [name for name in kept if name not in (register, "orig_rax")]
    assert {name: fault.regs[name] for name in names} == {name: kept[name] for name in names}
    assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA
    board.set(fault, register, kept[register])
    board.way_out(1)
    assert board.stop().vector == UD


@pytest.mark.parametrize("flags", [NT, TF, AC, DF, NT | TF | AC | DF])
def test_entries_that_keep_the_flags(board: CpuBoard, flags: int) -> None:
    """SDM Vol. 2B, SYSENTER; Vol. 2A, CALL: NT, TF, AC, DF are not cleared; the stubs do it.

    With NT the way back by IRETQ would fault; with TF a #DB comes in ring 0 and ends there.
    """
    ways = ("mov %esp,%ebp; sysenter", f"lcall ${at.CALL_GATE},$0")
    for way in ways:
        board.user(f"pushf; orl ${flags:#x},(%esp); popf; {way}; .org 0x40; nop; ud2", bits=32)
        stop = board.stop()
        while stop.port == at.PORT_EXCEPTION and stop.vector == 1:
            assert stop.cs & 3, "a step that ended in ring 0 reached Python"
            board.way_out(1)
            stop = board.stop()
        assert stop.port in (at.PORT_SYSENTER, at.PORT_CALL_GATE)
        assert not board.cpu.rflags & (NT | TF | AC | DF)
        board.set(stop, "rip", CODE + 0x40)
        board.way_out(1)
        assert board.stop().vector in (UD, 1)


def test_far_transfers_within_ring3(board: CpuBoard) -> None:
    """SDM Vol. 2, RET, IRET, CALL (far), same privilege: they use the user's stack.

    The engine makes supervisor accesses of these, which SMAP would refuse: see engine.py.
    """
    board.user(
        "push $0x23; lea 1f(%rip),%rax; push %rax; lretq; ud2; 1: .code32; mov $77,%eax; int $0x80;"
        f"push $0x33; push ${CODE + 0x40}; lretl; ud2; .org 0x40; .code64; mov $78,%eax; syscall"
    )
    stop = board.stop()
    assert (stop.port, stop.cs, stop.orig_rax) == (at.PORT_INT80, at.USER32_CS, 77)
    board.way_out(1)
    stop = board.stop()
    assert (stop.port, stop.cs, stop.orig_rax) == (at.PORT_SYSCALL, at.USER_CS, 78)
    board.user(
        "mov %rsp,%rcx; push $0x2b; push %rcx; push $0x283; push $0x33; lea 1f(%rip),%rax;"
        "push %rax; iretq; ud2; 1: lcall *p(%rip); mov $9,%eax; syscall;"
        f".balign 8; p: .long {CODE + 0x40}; .word 0x33; .org 0x40; mov $5,%ebx; lret"
    )
    stop = board.stop()
    assert (stop.orig_rax, stop.rbx, stop.rsp, stop.r11) == (9, 5, READONLY, 0x283)
    assert board.cpu.hflags & 1 << 23, "SMAP is on again"


@pytest.mark.parametrize("bits", [32, 64])
def test_iret_does_not_lead_to_virtual_8086_mode(board: CpuBoard, bits: int) -> None:
    """SDM Vol. 2A, IRET: in IA-32e mode VM in the popped flags has no effect.

    The engine would enter that mode at CPL 3, with CS of the program's choice: the kernel would
    take an exception there for one of its own.
    """
    push = "push" if bits == 32 else "sub $4,%rsp; movl"
    to = "" if bits == 32 else ",(%rsp)"
    selector = at.USER_CS if bits == 64 else at.USER32_CS
    stack = f"{push} $0x2b{to}; {push} ${READONLY}{to};" if bits == 64 else ""
    board.user(
        f"{stack} {push} $0x20a03{to}; {push} ${selector}{to}; {push} $1f{to}; iretl; ud2;"
        "1: mov $8,%ebx; int3", bits)  # fmt: skip
    stop = board.stop()
    assert (stop.vector, stop.rbx, stop.cs, stop.rsp) == (3, 8, selector, READONLY)
    assert stop.eflags & 0x20A03 == 0xA03
    frame = DATA_PA + 4096 - (12 if bits == 32 else 20)
    assert board.ram[frame + 10] & 2, "the program's memory is as it was"


def test_far_return_from_a_missing_stack_is_the_users_fault(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.7: U/S is 1 for an access at CPL 3 that is not implicit."""
    stop = board.exception("mov $0x500000,%esp; lretq")
    assert (stop.vector, stop.error, board.cpu.cr2) == (14, 4, 0x500000)


def test_single_step(board: CpuBoard) -> None:
    """SDM Vol. 3B, 17.3.1.4: TF traps after the instruction that follows its setting."""
    stop = board.exception("pushf; orl $0x100,(%rsp); popf; nop; nop; nop")
    assert (stop.vector, stop.rip, stop.eflags & TF) == (1, CODE + 10, TF)
    board.way_out(1)
    stop = board.stop()
    assert (stop.vector, stop.rip) == (1, CODE + 11)


def test_segments_of_32_bit_code(board: CpuBoard) -> None:
    """TLS descriptors of the GDT: base and limit count in compatibility mode (Vol. 3A, 3.4.5)."""
    base = DATA
    descriptor = 0x00CFF3000000FFFF | (base & 0xFFFFFF) << 16 | (base >> 24) << 56
    board.engine.set_tls(0, descriptor)
    selector = at.TLS_FIRST * 8 + 3
    board.user(f"mov ${selector},%eax; mov %eax,%gs; movl $7,%gs:16; mov {DATA}+16,%ebx; int $0x80",
               bits=32)  # fmt: skip
    stop = board.stop()
    assert (stop.rbx, board.cpu.gs, board.cpu.user_gs_base) == (7, selector, base)
    assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA


def test_gs_base_is_swapped_once_each_way(board: CpuBoard) -> None:
    """SDM Vol. 2B, SWAPGS: the user's base waits in KERNEL_GS_BASE and comes back."""
    board.user(f"mov ${DATA},%eax; wrgsbase %rax; syscall; movl $3,%gs:8; rdgsbase %rbx; ud2")
    stop = board.stop()
    assert board.cpu.user_gs_base == DATA
    board.way_out(0)
    stop = board.stop()
    assert (stop.vector, stop.rbx, board.cpu.user_gs_base) == (UD, DATA, DATA)
