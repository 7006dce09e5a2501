"""The labels of the ring-0 text (entry.S): where they are, and routines run outside of any call."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.entry_code import EXCEPTION_TABLE, SYMBOLS
from ring3.machine.emulated.image import AC, IF, RAX, RSP
from ring3.machine.emulated.layout import (
    EXIT_HYPERCALL,
    PORT_COPIED,
    PORT_EXCEPTION,
    PT_REGS,
    TEXT,
)

if TYPE_CHECKING:
    from ring3.machine.emulated.engine import Engine

ROUTINES: Final = {name: TEXT + offset for name, offset in SYMBOLS.items()}
ENDLESS: Final = 1 << 40
"""Blocks: more than a routine needs."""
SAVED_RIP: Final = 8 * PT_REGS.index("rip")


def fixup_of(rip: int) -> int:
    """Where a fault at *rip* that cannot be served continues, or 0 (then it is a bug)."""
    offset = rip - TEXT
    for start, end, target in EXCEPTION_TABLE:
        if start <= offset < end:
            return TEXT + target
    return 0


def call_quietly(engine: Engine, name: str, rdi: int) -> int:
    """Run a routine to its end with interrupts off, outside the budget; its rax."""
    cpu = engine.cpu
    assert cpu.cpl == 0, "ring-0 routines run in ring 0"
    kept = bytes(cpu.b[: 8 * 17])
    flags = cpu.rflags
    budget = engine.budget
    engine.budget = ENDLESS
    cpu.rflags = flags & ~(IF | AC)
    engine.enter(name, rdi)
    while True:
        why = engine.run()
        if why != EXIT_HYPERCALL:
            raise RuntimeError(f"{name}: exit {why} {engine.failure}")
        if engine.port == PORT_COPIED:
            break
        where = engine.memory.physical(cpu.q[RSP] + SAVED_RIP, False)
        target = fixup_of(int.from_bytes(engine.ram[where : where + 8], "little"))
        if engine.port != PORT_EXCEPTION or not target:
            raise RuntimeError(f"{name}: unexpected hypercall {engine.port:#x}")
        engine.ram[where : where + 8] = target.to_bytes(8, "little")
    result = cpu.q[RAX]
    engine.budget = max(budget - (ENDLESS - engine.budget), 0)
    cpu.b[: 8 * 17] = kept
    cpu.rflags = flags
    return result
