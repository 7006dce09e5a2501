"""Interrupt and exception delivery: frames, stacks, nesting, double and triple faults."""

from __future__ import annotations

import pytest

from ring3.machine.emulated import layout as at
from ring3.machine.emulated import segments
from tests.unit.emulated.cpu_board import (
    CODE,
    DATA,
    KERNEL_CODE,
    NOWHERE,
    READONLY,
    STACK,
    TOP,
    CpuBoard,
)

DE, UD, DF, TS, NP, SS, GP, PF = 0, 6, 8, 10, 11, 12, 13, 14
RF = 0x10000
IF = 0x200
TIMER = at.VECTOR_IRQ + at.IRQ_TIMER
DISK = at.VECTOR_IRQ + at.IRQ_DISK


@pytest.mark.parametrize("rsp", [READONLY, READONLY - 1, READONLY - 12])
def test_stack_switch_and_alignment(board: CpuBoard, rsp: int) -> None:
    """SDM Vol. 3A, 6.14.2, 6.14.4: from CPL 3 RSP is loaded from RSP0; the old one is pushed."""
    board.user("ud2", rsp=rsp)
    stop = board.stop()
    assert stop.frame == TOP - at.PT_REGS_SIZE
    assert (stop.rsp, stop.ss) == (rsp, at.USER_DS)


@pytest.mark.parametrize("odd", range(0, 16, 4))
def test_alignment_in_ring0(board: CpuBoard, odd: int) -> None:
    """SDM Vol. 3A, 6.14.2: RSP is aligned down to 16 bytes before the frame is pushed."""
    board.kernel("ud2", rsp=TOP - 0x100 - odd)
    stop = board.stop()
    assert stop.rsp == TOP - 0x100 - odd
    assert (stop.frame + at.PT_REGS_SIZE) % 16 == 0
    assert 0 <= stop.rsp - stop.frame - at.PT_REGS_SIZE < 16


def test_stack_selector_is_null_in_ring0(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.14.4: a change of CPL loads SS with a null selector, RPL = new CPL."""
    board.exception("ud2")
    assert (board.cpu.ss, board.cpu.cs, board.cpu.cpl) == (0, at.KERNEL_CS, 0)


@pytest.mark.parametrize(
    ("source", "vector", "error"),
    [
        ("xor %ecx,%ecx; div %ecx", DE, 0),
        ("ud2", UD, 0),
        (".byte 0x06", UD, 0),
        ("mov $0x7a58,%eax; mov %eax,%ds", GP, 0x7A58),
        (f"mov {NOWHERE},%eax", PF, 4),
    ],
)
def test_faults_push_rf(board: CpuBoard, source: str, vector: int, error: int) -> None:
    """SDM Vol. 3A, 6.13: error codes; Vol. 3B, 17.3.1.1: a fault's RFLAGS image has RF set."""
    stop = board.exception(source)
    assert (stop.vector, stop.error, stop.eflags & RF) == (vector, error, RF)


def test_every_second_page_fault_is_a_page_fault(board: CpuBoard) -> None:
    """Four faults in a row. Unicorn forgets to clear its pending exception (issue 1883)."""
    board.user("; ".join(f"mov {NOWHERE + n * 4096},%eax" for n in range(4)) + "; syscall")
    for n in range(4):
        stop = board.stop()
        assert (stop.port, stop.vector, board.cpu.cr2) == (
            at.PORT_EXCEPTION,
            PF,
            NOWHERE + n * 4096,
        )
        board.map(NOWHERE + n * 4096, 0x900000 + n * 4096)
        board.way_out(1)
    assert board.stop().port == at.PORT_SYSCALL


def test_external_interrupt_in_user_code(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.8.1, 6.12.1: an interrupt gate clears IF; DPL is not checked; IRET goes back.

    No RF: the interrupted instruction has not begun.
    """
    board.user("1: inc %rbx; jmp 1b")
    board.engine.budget = 1000
    assert board.engine.run() == at.EXIT_BUDGET
    assert board.engine.can_interrupt()
    rbx, rip = board.cpu.rbx, board.cpu.rip
    board.engine.deliver_irq(TIMER)
    assert not board.engine.can_interrupt()
    stop = board.stop()
    assert (stop.port, stop.vector) == (at.PORT_IRQ, TIMER)
    assert (stop.cs, stop.rip, stop.rbx, stop.eflags & (IF | RF)) == (at.USER_CS, rip, rbx, IF)
    board.engine.budget = 1000
    assert board.engine.run() == at.EXIT_BUDGET
    assert (board.cpu.cpl, board.cpu.rbx > rbx) == (3, True)


def test_interrupt_nests_on_the_current_kernel_stack(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.14.2: without a change of CPL the frame goes to the current stack.

    A disk interrupt arrives inside a system call, a timer interrupt is masked there (IF), IRET
    leads back into the call (ring 0) and SYSRET to the program (ring 3).
    """
    board.user("mov $1,%eax; syscall; mov $2,%eax; syscall")
    call = board.stop()
    assert board.engine.can_interrupt()
    where = board.cpu.rip
    board.engine.deliver_irq(DISK)
    nested = board.stop()
    assert (nested.port, nested.vector, nested.cs) == (at.PORT_IRQ, DISK, at.KERNEL_CS)
    assert (nested.rip, nested.rsp) == (where, call.frame)
    assert call.frame - 16 - at.PT_REGS_SIZE <= nested.frame <= call.frame - at.PT_REGS_SIZE
    assert not board.engine.can_interrupt()
    # Back by IRET into the stub, whose AL is what the interrupted code had.
    board.set(nested, "rax", 0)
    after = board.stop()
    assert (after.port, after.orig_rax, after.frame) == (at.PORT_SYSCALL, 2, call.frame)
    assert board.cpu.user_gs_base == 0


def test_interrupt_before_the_stub_has_switched_gs(board: CpuBoard) -> None:
    """An interrupt from ring 0 must not swap GS again, wherever it comes (call gate: IF is on)."""
    board.user(f"lcall *gate; ud2\n.balign 8\ngate: .long 0\n.word {at.CALL_GATE}")
    entry = board.engine.routine("entry_call_gate")
    for _ in range(20):
        board.engine.budget = 1
        board.engine.run()
        if board.cpu.rip == entry:
            break
    assert (board.cpu.rip, board.engine.can_interrupt()) == (entry, True)
    assert board.cpu.gs_base == 0
    board.engine.deliver_irq(TIMER)
    nested = board.stop()
    assert (nested.port, nested.cs, nested.rip) == (at.PORT_IRQ, at.KERNEL_CS, entry)
    call = board.stop()
    assert (call.port, call.cs) == (at.PORT_CALL_GATE, at.USER_CS)
    assert board.cpu.gs_base == at.DIRECT_MAP + at.PERCPU_PA


def test_sti_shadow(board: CpuBoard) -> None:
    """SDM Vol. 2B, STI: interrupts are recognised after the instruction that follows."""
    board.kernel("sti; nop; nop; 1: jmp 1b")
    engine = board.engine
    seen = []
    for _ in range(3):
        engine.budget = 1
        assert engine.run() == at.EXIT_BUDGET
        seen.append(
            (board.cpu.rip - KERNEL_CODE, board.cpu.interrupts_enabled, engine.can_interrupt())
        )
    assert seen == [(1, True, False), (2, True, True), (3, True, True)]


def test_mov_ss_shadow(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.8.3: MOV SS inhibits interrupts until after the next instruction."""
    board.user(f"mov ${at.USER_DS},%eax; mov %eax,%ss; nop; nop; 1: jmp 1b")
    board.engine.budget = 1
    board.engine.run()
    for _ in range(3):
        if board.cpu.rip == CODE + 7:
            break
        board.engine.budget = 1
        board.engine.run()
    assert (board.cpu.rip, board.engine.can_interrupt()) == (CODE + 7, False)


def test_double_fault_on_its_own_stack(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.15, Table 6-5: #PF while delivering #PF is #DF; 6.14.5: IST1.

    The kernel stack has run into its guard page: no frame fits on it any more.
    """
    board.kernel(f"mov {NOWHERE},%eax", rsp=STACK + 8)
    stop = board.stop()
    assert (stop.port, stop.vector, stop.error) == (at.PORT_EXCEPTION, DF, 0)
    top = at.DIRECT_MAP + at.IST_DF_PA + at.PAGE
    assert stop.frame == top - at.PT_REGS_SIZE
    assert (stop.cs, stop.rip, stop.rsp) == (at.KERNEL_CS, KERNEL_CODE, STACK + 8)
    assert board.cpu.cr2 == STACK - 8


def test_stack_overflow_by_a_push(board: CpuBoard) -> None:
    """The same by recursion: CALL into the guard page."""
    board.kernel("1: call 1b")
    stop = board.stop()
    assert (stop.vector, stop.cs) == (DF, at.KERNEL_CS)
    assert STACK - 64 <= stop.rsp <= STACK + 64


def test_contributory_then_contributory(board: CpuBoard) -> None:
    """SDM Vol. 3A, Table 6-5: #GP while delivering #DE (its gate is not present: #NP): #DF."""
    board.ram[at.IDT_PA + 16 * DE + 5] &= ~0x80
    board.user("xor %ecx,%ecx; div %ecx")
    stop = board.stop()
    assert (stop.vector, stop.error) == (DF, 0)


def test_benign_then_contributory_is_serial(board: CpuBoard) -> None:
    """SDM Vol. 3A, Table 6-5: #UD is benign: the #NP of its delivery is delivered, with EXT."""
    board.ram[at.IDT_PA + 16 * UD + 5] &= ~0x80
    stop = board.exception("nop; ud2")
    assert (stop.vector, stop.error, stop.rip) == (NP, UD * 8 + 2 + 1, CODE + 1)


def test_missing_gate_of_a_software_interrupt(board: CpuBoard) -> None:
    """SDM Vol. 2A, INT n: #NP(vector * 8 + 2), EXT clear, at the INT itself."""
    board.ram[at.IDT_PA + 16 * 0x80 + 5] &= ~0x80
    stop = board.exception("nop; int $0x80")
    assert (stop.vector, stop.error, stop.rip) == (NP, 0x80 * 8 + 2, CODE + 1)


def test_gate_to_a_null_or_a_data_segment(board: CpuBoard) -> None:
    """SDM Vol. 2A, INT n: null selector #GP(EXT); not a code segment #GP(selector + EXT)."""
    place = at.IDT_PA + 16 * 0x80 + 2
    board.ram[place : place + 2] = b"\0\0"
    assert board.exception("int $0x80").error == 0
    board.ram[place : place + 2] = at.KERNEL_DS.to_bytes(2, "little")
    stop = board.exception("int $0x80")
    assert (stop.vector, stop.error) == (GP, at.KERNEL_DS)
    board.ram[place : place + 2] = (0x1000).to_bytes(2, "little")
    assert board.exception("int $0x80").error == 0x1000


def test_trap_gate_keeps_interrupts_on(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.12.1.3: an interrupt gate clears IF, a trap gate does not."""
    entry = board.engine.routine("exception_3")
    for kind, enabled in ((segments.INTERRUPT_GATE, 0), (segments.TRAP_GATE, IF)):
        segments.write_gate(board.ram, 3, entry, dpl=3, kind=kind)
        board.exception("int3")
        assert board.cpu.rflags & IF == enabled


def test_rsp0_beyond_canonical(board: CpuBoard) -> None:
    """SDM Vol. 2A, INT n: a non-canonical stack from the TSS is #SS, delivered by the same way:
    contributory after contributory, then on IST1: #DF."""
    board.user("ud2; nop")
    segments.set_rsp0(board.ram, 1 << 47)
    stop = board.stop()
    assert stop.vector == DF


def test_triple_fault_shuts_down(board: CpuBoard) -> None:
    """SDM Vol. 3A, 6.15, "Interrupt 8": a fault while delivering #DF: shutdown."""
    for vector in (UD, NP, GP, DF):
        board.ram[at.IDT_PA + 16 * vector + 5] &= ~0x80
    board.user("ud2")
    assert board.run() == at.EXIT_SHUTDOWN
    assert "#DF" in board.engine.failure


def test_page_fault_opens_interrupts_if_they_were_open(board: CpuBoard) -> None:
    """Linux's rule, and ours: the handler of #PF runs with the IF of the code that faulted."""
    board.user(f"mov {NOWHERE},%eax")
    board.stop()
    assert board.engine.can_interrupt()
    board.kernel(f"mov {NOWHERE},%eax")
    stop = board.stop()
    assert (stop.vector, board.engine.can_interrupt()) == (PF, False)


def test_exception_frames_hold_all_registers(board: CpuBoard) -> None:
    """What the stub saves comes back: a fault served leaves no trace but the page."""
    names = "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15".split()
    load = "; ".join(f"mov ${0x100 + i},%{name}" for i, name in enumerate(names))
    board.user(f"{load}; stc; movl $1,{NOWHERE}; ud2")
    stop = board.stop()
    expected = {name: 0x100 + i for i, name in enumerate(names)}
    assert {name: stop.regs[name] for name in names} == expected
    board.map(NOWHERE, 0x900000)
    board.way_out(1)
    stop = board.stop()
    assert (stop.vector, {name: stop.regs[name] for name in names}) == (UD, expected)
    assert stop.eflags & 1


def entries(board: CpuBoard) -> list[dict[str, object]]:
    """What the probe is told about entries from now on."""
    told: list[dict[str, object]] = []

    def probe(name: str, details: dict[str, object]) -> None:
        if name == "entry":
            told.append(details)

    board.engine.probe = probe
    return told


def test_probe_tells_each_entry(board: CpuBoard) -> None:
    """What `explain` is told: kind, registers before and after, what was read and pushed."""
    board.user(f"mov {DATA},%eax; syscall; int $0x80; ud2")
    told = entries(board)
    board.stop()
    board.way_out(0)
    board.stop()
    board.way_out(0)
    board.stop()
    assert [t["kind"] for t in told] == ["syscall", "int", "exception"]
    assert told[1]["reads"] == [
        ("IDT", at.DIRECT_MAP + at.IDT_PA + 0x800, board.engine.routine("entry_int80")),
        ("TSS.RSP0", at.DIRECT_MAP + at.TSS_PA + 4, TOP),
    ]
    writes = told[1]["writes"]
    assert isinstance(writes, list)
    assert [address for address, _ in writes] == [TOP - 8 * n for n in range(1, 6)]
    assert writes[0][1] == at.USER_DS
    before, after = told[0]["before"], told[0]["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["cpl"], after["cpl"], after["rcx"]) == (3, 0, before["rip"] + 2)


def test_probe_tells_each_way_back(board: CpuBoard) -> None:
    """The call gate and the returns are the engine's: they are told of from their instructions.

    What is said to come after is what then really is: compared at the program's next entry.
    """
    told: list[tuple[str, dict[str, object]]] = []
    gate = f"\n.balign 8\ngate: .long 0\n.word {at.CALL_GATE}"
    board.engine.probe = lambda name, details: told.append((name, details))
    for way, fast, full in (
        ("syscall", "sysret", "iret"),
        ("int $0x80", "iret", "iret"),
        ("lcall *gate", "retf", "iret"),
    ):
        for choice, kind in ((0, fast), (1, full)):
            board.user(f"stc; {way}; clc; {way}" + gate)
            board.stop()
            board.way_out(choice)
            told.clear()
            board.stop()
            (name, back), (_, entry) = told
            assert (name, back["kind"]) == ("return", kind)
            before, after = back["before"], back["after"]
            assert isinstance(before, dict)
            assert isinstance(after, dict)
            assert (before["cpl"], after["cpl"], before["rip"] != after["rip"]) == (0, 3, True)
            seen = entry["before"]
            assert isinstance(seen, dict)
            same = {"rip", "rflags"} ^ seen.keys()
            assert {k: after[k] for k in same} == {k: seen[k] for k in same}
            assert after["rflags"] == 0x203
            assert CODE < after["rip"] < seen["rip"]


def test_probe_tells_the_call_gate(board: CpuBoard) -> None:
    gate = f"\n.balign 8\ngate: .long 0\n.word {at.CALL_GATE}"
    board.user("lcall *gate" + gate)
    told = entries(board)
    stop = board.stop()
    (entry,) = told
    before, after = entry["before"], entry["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert entry["kind"] == "call_gate"
    assert (before["rip"], before["rsp"], before["cpl"]) == (stop.rip, READONLY, 3)
    assert (after["rip"], after["rsp"]) == (board.engine.routine("entry_call_gate"), TOP - 32)
    assert entry["reads"] == [
        ("GDT", at.DIRECT_MAP + at.GDT_PA + 0x80, board.engine.routine("entry_call_gate")),
        ("TSS.RSP0", at.DIRECT_MAP + at.TSS_PA + 4, TOP),
    ]


def test_probe_does_not_change_the_run(board: CpuBoard) -> None:
    """The same blocks with and without a probe."""

    def blocks() -> int:
        board.user("syscall; int $0x80; ud2")
        start = board.engine.blocks
        for _ in range(3):
            board.stop()
            board.way_out(0)
        return board.engine.blocks - start

    without = blocks()
    board.engine.probe = lambda _name, _details: None
    assert blocks() == without
