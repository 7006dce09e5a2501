"""Our delivery of interrupts against QEMU's own (``x86_cpu_do_interrupt``), where it is exported.

Unicorn carries QEMU's code but never calls it. Each case delivers an event twice from the same
state, by the model and by QEMU, and compares registers, segments, control registers and stacks.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from ring3.machine.emulated import layout as at
from ring3.machine.emulated import segments
from ring3.machine.emulated.image import CpuImage
from ring3.machine.emulated.transitions import Transitions
from tests.unit.emulated.cpu_board import DATA, NOWHERE, TOP, CpuBoard

RF = 0x10000
SS32 = 1 << 5
STACK_PA, IST_PA = 0x500000, at.IST_DF_PA
CASES = {
    "int80": "stc; int $0x80",
    "int3": "std; int3",
    "page fault": f"cld; mov {NOWHERE},%rax",
    "write fault": f"stc; std; mov %rax,{NOWHERE}",
    "privileged": "cli",
    "divide": "xor %ecx,%ecx; div %ecx",
    "segment": "mov $0x7a58,%eax; mov %eax,%ds",
}


class Compared:
    """What both did, one entry per delivery."""

    def __init__(self) -> None:
        self.ours: list[Any] = []
        self.qemus: list[Any] = []


def outcome(board: CpuBoard, cpu: CpuImage) -> dict[str, Any]:
    seen: dict[str, Any] = dict(cpu.registers())
    seen["hflags"] = cpu.hflags & ~SS32  # of no meaning in 64-bit mode
    seen["segments"] = [cpu.segment(index) for index in range(10)]
    seen["stack"] = bytes(board.ram[STACK_PA : STACK_PA + at.STACK_SIZE])
    seen["ist"] = bytes(board.ram[IST_PA : IST_PA + at.PAGE])
    return seen


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    """Patch delivery so that QEMU does it too, from the same state; ours then stands."""
    result = Compared()
    ours = Transitions.deliver

    def both(self: Transitions, vector: int, error: int | None = None, **rest: Any) -> None:
        board = CpuBoardOf[id(self)]
        cpu = self.cpu
        before = bytes(cpu.b)
        stacks = [(pa, bytes(board.ram[pa : pa + 0x2000])) for pa in (STACK_PA, IST_PA)]
        ours(self, vector, error, **rest)
        after = bytes(cpu.b)
        mine = [(pa, bytes(board.ram[pa : pa + 0x2000])) for pa in (STACK_PA, IST_PA)]
        result.ours.append(outcome(board, cpu))
        cpu.b[:] = before
        for pa, data in stacks:
            board.ram[pa : pa + len(data)] = data
        board.engine.board.library["x86_cpu_do_interrupt_x86_64"](
            ctypes.c_void_p(board.engine.board.cpu_address)
        )
        result.qemus.append(outcome(board, cpu))
        cpu.b[:] = after
        for pa, data in mine:
            board.ram[pa : pa + len(data)] = data

    monkeypatch.setattr(Transitions, "deliver", both)
    return result


CpuBoardOf: dict[int, CpuBoard] = {}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ring", [3, 0])
@pytest.mark.parametrize("ist", [0, 1])
@pytest.mark.parametrize("kind", [segments.INTERRUPT_GATE, segments.TRAP_GATE])
@pytest.mark.parametrize("odd", [0, 8])
def test_as_qemu_does(
    compared: Compared, name: str, ring: int, ist: int, kind: int, odd: int
) -> None:
    board = CpuBoard()
    engine = board.engine
    if not engine.live or not hasattr(engine.board.library, "x86_cpu_do_interrupt_x86_64"):
        pytest.skip("this build of Unicorn does not export QEMU's functions")
    if ring == 0 and name == "privileged":
        pytest.skip("no fault in ring 0")
    CpuBoardOf[id(engine.transitions)] = board
    for vector in range(32):
        entry = engine.routine(f"exception_{vector}")
        segments.write_gate(board.ram, vector, entry, dpl=3, ist=ist, kind=kind)
    segments.write_gate(board.ram, 0x80, engine.routine("entry_int80"), 3, ist, kind)
    if ring == 3:
        segments.set_rsp0(board.ram, TOP - odd)
        board.user(CASES[name], rsp=DATA + 0x800 - odd)
    else:
        board.kernel(CASES[name], rsp=TOP - 0x108 - odd)
    board.stop()
    CpuBoardOf.clear()
    assert len(compared.ours) == 1
    ours, qemus = compared.ours[0], compared.qemus[0]
    # QEMU 5.0 does not set RF in the pushed flags; hardware does for faults (Vol. 3B, 17.3.1.1).
    differ = {
        key: (ours[key], qemus[key])
        for key in ours
        if ours[key] != qemus[key] and key not in ("stack", "ist")
    }
    assert not differ
    for which in ("stack", "ist"):
        words = range(0, len(ours[which]), 8)
        wrong = [
            (w, ours[which][w : w + 8].hex(), qemus[which][w : w + 8].hex())
            for w in words
            if int.from_bytes(ours[which][w : w + 8], "little") & ~RF
            != int.from_bytes(qemus[which][w : w + 8], "little") & ~RF
        ]
        assert not wrong
