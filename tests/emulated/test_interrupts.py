"""Interrupts of the whole machine: where they come, how they nest, what they leave behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("unicorn")

SRC = str(Path(__file__).resolve().parents[2] / "src")
RUN = """
import json, sys
from ring3.kernel import Kernel
from ring3.machine.emulated import layout
from ring3.machine.emulated.traps import Traps

seen = []
plain = Traps.interrupt
def interrupt(self, v):
    rsp = self.cpu.rsp
    _, frame = self.frame_at(rsp)
    vector = self.cpu.rsi & 0xFF
    from_user = plain(self, v)
    seen.append((vector - layout.VECTOR_IRQ, from_user, rsp, board.interrupts.depth))
    return from_user
Traps.interrupt = interrupt

kernel = Kernel(machine="emulated", seed=1, cwd="/usr")
machine = kernel.machine
board = machine.board
{setup}
guest = kernel.spawn({argv})
status = guest.wait(60)
facts = dict(
    status=status, seen=seen, deepest=board.interrupts.deepest, rows=board.interrupts.rows(),
    softirqs=dict(board.softirqs.rows()), in_service=board.controller.in_service(),
    stacks=[layout.STACKS, layout.STACK_SIZE],
)
kernel.close()
print(json.dumps(facts), file=sys.stderr)
"""
LOOP = ["python3", "-c", "for i in range(150000): i*i"]


def run(argv: list[str], setup: str = "") -> dict[str, Any]:
    import json

    done = subprocess.run(
        [sys.executable, "-c", RUN.replace("{setup}", setup).replace("{argv}", repr(argv))],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={"PYTHONPATH": SRC, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    assert found["status"] == 0
    return found


def test_ticks_come_in_user_code_and_inside_system_calls() -> None:
    facts = run(LOOP)
    calls = run(["python3", "-c", "import os\nfor i in range(20000): os.stat('/usr/bin/env')"])
    seen = facts["seen"] + calls["seen"]
    timers = [(from_user, rsp) for irq, from_user, rsp, _ in seen if irq == 0]
    assert {from_user for from_user, _ in timers} == {True, False}
    base, size = facts["stacks"]
    for from_user, rsp in timers:
        room = (base + (rsp - base) // (size + 0x1000) * (size + 0x1000)) + size + 0x1000 - rsp
        if from_user:
            assert room == 168, "pt_regs alone, at the top of the thread's kernel stack"
        else:
            assert room > 2 * 168, "above what the call has there already"
    assert facts["in_service"] == []
    assert facts["softirqs"]["TIMER"] > 5


SETUP = """
LOW = 5
def handler():
    board.controller.request(layout.IRQ_KEYBOARD, "test")
    if len(fired) < 20:
        fired.append(1)
        board.schedule.after(1_000_000, lambda: board.controller.request(LOW, "test"))
fired = []
board.interrupts.attach(LOW, "low", handler)
board.schedule.after(5_000_000, lambda: board.controller.request(LOW, "test"))
"""


def test_a_higher_priority_nests_in_a_lower_one_on_the_same_stack() -> None:
    facts = run(LOOP, SETUP)
    assert facts["deepest"] >= 2
    keyboard = [(rsp, depth) for irq, user, rsp, depth in facts["seen"] if irq == 1 and not user]
    low = [rsp for irq, _, rsp, _ in facts["seen"] if irq == 5]
    assert len(keyboard) == len(low) == 21
    assert all(depth == 1 for _, depth in keyboard), "the outer one was still in service"
    for (inner, _), outer in zip(keyboard, low, strict=True):
        assert 168 < outer - inner < 0x1000, "below it on the same stack"
    assert facts["in_service"] == []


LOWER = """
def handler():
    board.controller.request(5, "test")
board.interrupts.attach(5, "low", lambda: None)
board.interrupts.attach(3, "high", handler)
for n in range(1, 11):
    board.schedule.after(n * 1_000_000, lambda: board.controller.request(3, "test"))
"""


def test_a_lower_priority_waits_for_the_end_of_a_higher_one() -> None:
    facts = run(LOOP, LOWER)
    order = [(irq, depth) for irq, _, _, depth in facts["seen"] if irq in (3, 5)]
    assert order == [(3, 0), (5, 0)] * 10


def test_the_same_seed_gives_the_same_interrupts() -> None:
    first, second = run(LOOP, SETUP), run(LOOP, SETUP)
    assert first == second
