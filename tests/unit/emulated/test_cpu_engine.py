"""The engine: exact counting, saved states, flags, caches, CPUID, time, containment."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ring3.machine.emulated import cpuid as shown
from ring3.machine.emulated import layout as at
from ring3.machine.emulated import library
from tests.unit.emulated.cpu_board import (
    CODE,
    CODE_PA,
    DATA,
    DATA_PA,
    KERNEL_CODE,
    CpuBoard,
    assemble,
)

UD, GP, PF = 6, 13, 14
SOURCE = Path(__file__).resolve().parents[3]
BRANCHY = """
    mov $3000,%ecx
1:  call 2f
    add %rax,%rbx
    dec %ecx
    jnz 1b
    syscall
2:  imul $7,%rcx,%rax
    test $8,%al
    jz 3f
    ret
3:  inc %rdx
    ret
"""


def sliced(board: CpuBoard, step: int) -> tuple[int, str]:
    """Run BRANCHY in slices of *step* blocks: (blocks used, digest of the registers at the end)."""
    board.user(BRANCHY)
    engine = board.engine
    start = engine.blocks
    while True:
        engine.budget = step
        why = engine.run()
        if why == at.EXIT_HYPERCALL:
            return engine.blocks - start, hashlib.sha256(board.cpu.b[: 17 * 8]).hexdigest()
        assert why == at.EXIT_BUDGET
        assert engine.budget == 0


def test_slices_do_not_change_the_run(board: CpuBoard) -> None:
    """Blocks are counted exactly however the run is cut."""
    results = {sliced(board, step) for step in (1, 7, 37, 1000, 1 << 40)}
    assert len(results) == 1
    assert 9000 < results.pop()[0] < 20000


def test_both_ways_to_work_count_alike() -> None:
    """Machine code and ctypes hooks, live and copied state: the same blocks, the same end."""
    assert sliced(CpuBoard(), 100) == sliced(CpuBoard(plain=True), 100)


@pytest.mark.parametrize("seed", range(3))
def test_machine_code_does_what_the_model_does(seed: int) -> None:
    """SYSCALL from many states: the hook in machine code and the Python model, byte for byte."""
    board = CpuBoard()
    rng = random.Random(seed)
    operations = ("add", "adc", "sub", "sbb", "and", "xor", "cmp", "test", "imul", "shl", "inc")
    entry = board.engine.routine("entry_syscall")
    states: dict[bool, list[bytes]] = {False: [], True: []}
    programs = []
    for _ in range(20):
        operation = rng.choice(operations)
        operands = {"shl": "$3,%rbx", "inc": "%rbx"}.get(operation, "%rcx,%rbx")
        programs.append(
            f"movabs ${rng.getrandbits(64)},%rcx; movabs ${rng.getrandbits(64)},%rbx;"
            f"pushf; orl ${rng.choice((0, 0x400, 0x4000, 0x40000, 0x10000)):#x},(%rsp); popf;"
            f"{operation} {operands}; syscall"
        )
    for probed in (False, True):
        board.engine.probe = (lambda _name, _details: None) if probed else None
        for program in programs:
            board.user(program)
            while board.cpu.rip != entry:
                board.engine.budget = 1
                assert board.engine.run() == at.EXIT_BUDGET
            states[probed].append(board.engine.save())
    assert states[False] == states[True]
    assert len(set(states[False])) == len(programs)


def test_stop_is_exact(board: CpuBoard) -> None:
    board.user("1: inc %rbx; jmp 1b")
    for budget in (1, 2, 10, 1000):
        board.cpu.rbx = 0
        board.engine.budget = budget
        board.engine.run()
        if budget > 2:  # the first blocks are the stub's way out
            assert board.cpu.rbx == budget


def test_budget_can_be_changed_between_runs(board: CpuBoard) -> None:
    board.user("1: inc %rbx; jmp 1b")
    engine = board.engine
    start = engine.blocks
    engine.budget = 100
    engine.budget = 50
    engine.run()
    engine.budget = 30
    assert engine.blocks == start + 50
    engine.run()
    assert (engine.blocks, engine.budget) == (start + 80, 0)
    assert engine.run() == at.EXIT_BUDGET
    assert engine.blocks == start + 80


def test_halt(board: CpuBoard) -> None:
    """SDM Vol. 2A, HLT: stops until an interrupt; the return address is the next instruction."""
    board.kernel("mov $1,%ebx; sti; hlt; mov $2,%ebx; ud2")
    assert board.run() == at.EXIT_HALT
    assert (board.cpu.rbx, board.engine.can_interrupt()) == (1, True)
    board.engine.deliver_irq(at.VECTOR_IRQ)
    stop = board.stop()
    assert (stop.port, stop.rip) == (at.PORT_IRQ, KERNEL_CODE + 7)
    stop = board.stop()
    assert (stop.vector, stop.rbx) == (UD, 2)


def test_saved_state_is_complete(board: CpuBoard) -> None:
    """Two programs take turns; neither sees the other's registers, SSE, x87 or bases."""
    source = (
        "mov ${0},%ebx; movd %ebx,%xmm7; push %rbx; fildl (%rsp); pop %rax; wrfsbase %rbx; stc;"
        "syscall; movd %xmm7,%r12d; rdfsbase %r13; sub $8,%rsp; fistpl (%rsp); pop %r14; syscall"
    )
    images = []
    for value in (111, 222):
        board.user(source.format(value))
        board.stop()
        images.append(board.engine.save())
    kept = bytes(board.ram[board.physical(board.cpu.rsp) :][: at.PT_REGS_SIZE])
    for value, image in ((111, images[0]), (222, images[1])):
        where = board.physical(board.cpu.rsp)
        board.ram[where : where + at.PT_REGS_SIZE] = kept
        board.engine.load(image)
        assert board.engine.image_of(bytearray(image)).fs_base == value
        board.way_out(1)
        stop = board.stop()
        assert (stop.r12, stop.r13, stop.r14 & 0xFFFFFFFF) == (value, value, value)


def test_fxsave_and_fxrstor(board: CpuBoard) -> None:
    """SDM Vol. 2A, FXSAVE: layout; FXRSTOR: #GP if reserved bits of MXCSR are set."""
    board.user("mov $5,%eax; movd %eax,%xmm3; syscall; movd %xmm3,%ebx; syscall")
    board.stop()
    engine = board.engine
    blocks, budget = engine.blocks, engine.budget
    state = bytearray(engine.fxsave())
    assert engine.budget == budget - (engine.blocks - blocks)
    assert (len(state), state[0:2].hex(), state[24:28].hex()) == (512, "7f03", "801f0000")
    assert state[160 + 48] == 5
    state[160 + 48] = 9
    assert engine.fxrstor(bytes(state))
    bad = bytearray(state)
    bad[27] = 0xFF
    assert not engine.fxrstor(bytes(bad))
    board.way_out(0)
    assert board.stop().rbx == 9


def test_other_address_space(board: CpuBoard) -> None:
    """A loaded image with another CR3 sees its own pages, without a stale TLB."""
    board.user(f"mov {DATA},%ebx; syscall; mov {DATA},%ebx; syscall")
    board.ram[DATA_PA : DATA_PA + 4] = (1).to_bytes(4, "little")
    assert board.stop().rbx == 1
    other = 0xA00000
    board.ram[other : other + at.PAGE] = board.ram[0x600000 : 0x600000 + at.PAGE]
    words = board.words
    # New tables along the path of the code and data pages, with another data frame.
    table, entry = other, 0
    for level, shift in enumerate((39, 30, 21)):
        entry = table // 8 + (DATA >> shift & 511)
        copy = other + (level + 1) * at.PAGE
        old = words[entry] & ~0xFFF
        board.ram[copy : copy + at.PAGE] = board.ram[old : old + at.PAGE]
        words[entry] = copy | 7
        table = copy
    words[table // 8 + (DATA >> 12 & 511)] = 0xB00000 | 7 | 1 << 63
    board.ram[0xB00000 : 0xB00000 + 4] = (2).to_bytes(4, "little")
    image = bytearray(board.engine.save())
    cpu = board.engine.image_of(image)
    cpu.cr3 = other
    cpu.rax = 0
    board.engine.load(image)
    assert board.stop().rbx == 2


def test_code_that_python_changed(board: CpuBoard) -> None:
    """Translations are not noticed to be stale by themselves: invalidate_code drops them."""
    board.user("mov $1,%ebx; syscall")
    first = board.stop()
    assert first.rbx == 1
    code = assemble("mov $2,%ebx; syscall")
    board.ram[CODE_PA : CODE_PA + len(code)] = code
    board.engine.invalidate_code(CODE_PA)
    board.set(first, "rip", CODE)
    board.way_out(1)
    assert board.stop().rbx == 2


def test_flush_page(board: CpuBoard) -> None:
    """SDM Vol. 3A, 4.10.4: a removed right counts only after an invalidation."""
    board.user(f"mov {DATA},%eax; syscall; mov {DATA},%eax; syscall")
    board.stop()
    board.map(DATA, 0, 0)
    board.engine.flush_page(DATA)
    board.way_out(0)
    stop = board.stop()
    assert (stop.port, stop.vector) == (at.PORT_EXCEPTION, PF)


@pytest.mark.parametrize("seed", range(4))
def test_flags_are_computed_as_the_engine_does(board: CpuBoard, seed: int) -> None:
    """Lazily kept flags: ours from the state's bytes, the engine's through PUSHF."""
    rng = random.Random(seed)
    operations = (
        "add {w} {a},{b}", "adc {w} {a},{b}", "sub {w} {a},{b}", "sbb {w} {a},{b}",
        "and {w} {a},{b}", "xor {w} {a},{b}", "cmp {w} {a},{b}", "test {w} {a},{b}", "inc {w} {b}",
        "dec {w} {b}",
        "neg {w} {b}", "shl {w} $3,{b}", "shr {w} $3,{b}", "sar {w} $3,{b}", "imul {w} {a},{b}",
        "mul {w} {a}", "rol {w} $3,{b}", "bt {w} $5,{b}",
    )  # fmt: skip
    widths = {
        "b": ("%cl", "%bl"),
        "w": ("%cx", "%bx"),
        "l": ("%ecx", "%ebx"),
        "q": ("%rcx", "%rbx"),
    }
    lines = []
    for _ in range(40):
        width = rng.choice("bwlq")
        a, b = widths[width]
        operation = rng.choice(operations)
        if width == "b" and operation.startswith(("imul", "bt")):
            continue
        lines.append(
            f"movabs ${rng.choice((0, 1, 1 << 63, (1 << 64) - 1, rng.getrandbits(64)))},%rcx"
        )
        lines.append(f"movabs ${rng.choice((0, 1, 1 << 31, 127, rng.getrandbits(64)))},%rbx")
        lines.append(rng.choice(("stc", "clc")))
        name, _, rest = operation.format(w=" ", a=a, b=b).partition(" ")
        lines.append(f"{name}{width} {rest.strip()}")
        lines.append("jmp 1f\n1: nop\n jmp 1f\n1: nop")
    board.user("\n".join(lines) + "\nsyscall")
    checked = 0
    while True:
        board.engine.budget = 1
        if board.engine.run() == at.EXIT_HYPERCALL:
            break
        if board.cpu.cpl == 3:
            theirs = board.engine.board.uc.reg_read(library.REG_EFLAGS)
            assert board.cpu.rflags & 0xFFFF == theirs & 0xFFFF, hex(board.cpu.rip)
            checked += 1
    assert checked > 40


def test_cpuid(board: CpuBoard) -> None:
    """SDM Vol. 2A, CPUID: what is shown is the table's, nothing of the host."""
    for leaf, sub in [(0, 0), (1, 0), (4, 3), (7, 0), (0xD, 0), (0x80000001, 0), (0x80000002, 0)]:
        board.user(f"mov ${leaf:#x},%eax; mov ${sub},%ecx; cpuid; mov %ebx,%edi; syscall")
        stop = board.stop()
        eax, ebx, _ecx, edx = shown.cpuid(leaf, sub)
        assert (stop.orig_rax, stop.rdi, stop.rdx) == (eax, ebx, edx)
    ecx, ebx = shown.FEATURES_1_ECX, shown.FEATURES_7_EBX
    for bit in (12, 28, 29, 30, 31):  # FMA, AVX, F16C, RDRAND, hypervisor
        assert not ecx >> bit & 1
    for bit in (3, 5, 8, 18, 19):  # BMI1, AVX2, BMI2, RDSEED, ADX
        assert not ebx >> bit & 1
    for bit in (0, 9, 13, 19, 20, 23):  # x86-64-v2: SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT
        assert ecx >> bit & 1
    assert "smap" in shown.FLAGS.split()
    assert "avx" not in shown.FLAGS


@pytest.mark.parametrize("instruction", ["rdrand %eax", "rdseed %eax", "andn %eax,%ebx,%ecx"])
def test_what_cpuid_hides_is_undefined(board: CpuBoard, instruction: str) -> None:
    """SDM Vol. 2: #UD if CPUID does not show the feature: no host entropy comes in."""
    if not board.engine.live:
        pytest.skip("the feature words are out of reach of the public API")
    assert board.exception(instruction).vector == UD


def test_xsave(board: CpuBoard) -> None:
    """SDM Vol. 1, 13.3: XCR0 = 3: x87 and SSE state; an AVX instruction's state is not enabled."""
    board.user("xor %ecx,%ecx; xgetbv; mov %eax,%ebx; mov $3,%eax; xor %edx,%edx;"
               f"mov $7,%esi; movd %esi,%xmm1; xsave {DATA}; pxor %xmm1,%xmm1; xrstor {DATA};"
               "movd %xmm1,%edi; syscall")  # fmt: skip
    stop = board.stop()
    assert (stop.rbx, stop.rdi) == (3, 7)


def test_rdtsc_is_virtual_time(board: CpuBoard) -> None:
    """RDTSC tells blocks, or what the machine says; RDTSCP also the CPU (0)."""
    board.user("rdtsc; mov %eax,%ebx; jmp 1f; 1: rdtscp; mov %eax,%esi; syscall")
    stop = board.stop()
    assert 0 < stop.rsi - stop.rbx <= 64
    assert stop.rsi <= board.engine.blocks * 8
    board.engine.tsc = lambda: 0x123456789A
    board.user("rdtsc; mov %eax,%ebx; syscall")
    stop = board.stop()
    assert (stop.rbx, stop.rdx) == (0x3456789A, 0x12)


def test_time_stamp_disabled(board: CpuBoard) -> None:
    """SDM Vol. 2B, RDTSC: CR4.TSD = 1 and CPL > 0: #GP(0)."""
    board.user("rdtsc; ud2")
    board.engine.set_tsc_disabled(True)
    assert board.stop().vector == GP
    board.user("rdtsc; ud2")
    assert board.stop().vector == UD


def test_error_in_a_hook_stops_the_board(board: CpuBoard) -> None:
    """An exception in a C callback would vanish: it must end the run with its reason."""

    def broken() -> int:
        raise ValueError("no clock")

    board.user("rdtsc; 1: jmp 1b")
    board.engine.tsc = broken
    assert board.run() == at.EXIT_SHUTDOWN
    assert board.engine.failure == "ValueError: no clock"


def test_garbage_is_contained(board: CpuBoard) -> None:
    """Random bytes as code: always an exception, a call, or the end of the budget."""
    rng = random.Random(1)
    for _ in range(60):
        board.user("nop")
        junk = rng.randbytes(200)
        board.ram[CODE_PA : CODE_PA + len(junk)] = junk
        board.engine.invalidate_code(CODE_PA)
        board.engine.budget = 3000
        why = board.engine.run()
        assert why in (at.EXIT_HYPERCALL, at.EXIT_BUDGET), board.engine.failure
        if why == at.EXIT_HYPERCALL:
            assert board.cpu.cpl == 0
            assert board.engine.port in (
                at.PORT_EXCEPTION, at.PORT_SYSCALL, at.PORT_INT80, at.PORT_SYSENTER,
            )  # fmt: skip


def test_page_outside_of_ram(board: CpuBoard) -> None:
    """A kernel bug, not the guest's: the board stops with a reason."""
    board.map(0x900000, 1 << 36)
    board.user("mov 0x900000,%eax")
    assert board.run() == at.EXIT_SHUTDOWN
    assert board.engine.failure


SCRIPT = """
import sys, hashlib
sys.path[:0] = [{root!r}, {src!r}]
from tests.unit.emulated.cpu_board import CpuBoard, at
from tests.unit.emulated.test_cpu_engine import BRANCHY
board = CpuBoard()
board.user("movaps %xmm0,%xmm1; fld1; int $0x80;" + BRANCHY)
digest = hashlib.sha256()
while True:
    board.engine.budget = 11
    why = board.engine.run()
    digest.update(board.engine.save())
    if why == at.EXIT_HYPERCALL and board.engine.port == at.PORT_SYSCALL:
        break
print(digest.hexdigest(), board.engine.blocks)
"""


def test_same_state_in_every_process() -> None:
    """Nothing of the host (addresses, time) is in the state: its bytes are equal at every stop."""
    code = SCRIPT.format(root=str(SOURCE), src=str(SOURCE / "src"))
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].split()[0]) == 64


def test_missing_unicorn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match=r"pip install 'ring3\[emulated\]'"):
        library.load()
