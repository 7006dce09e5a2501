"""What the machine tells its probe of paging and of the way back to user mode (layout.PROBES).

Called only while somebody listens; what is told is read from the tables and registers that the
processor uses, before and after it used them.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.context import INDEX
from ring3.machine.emulated.entry_code import SYMBOLS
from ring3.machine.emulated.layout import (
    CALL_GATE,
    DIRECT_MAP,
    EXIT_BUDGET,
    EXIT_HYPERCALL,
    GDT_PA,
    PAGE,
    TEXT,
    TSS_PA,
    USER_END,
)
from ring3.machine.emulated.paging import P

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedVehicle
    from ring3.machine.emulated.traps import Traps

    Probe = Callable[[str, dict[str, Any]], None]

MOST_WALKS: Final = 64
MOST_BLOCKS: Final = 16
"""Of ring 0 between a hypercall's answer and user mode; there are fewer."""
WAYS_OUT: Final = (
    ("sysret", "return_sysret", "way_out_sysret"),
    ("sysexit", "return_sysexit", "way_out_sysexit"),
    ("retf", "return_far", "way_out_far"),
    ("iret", "return_full", "way_out_iret"),
)


def walks(
    probe: Probe, space: EmulatedSpace, address: int, size: int, done: int, write: bool
) -> None:
    """The walks of a copy of *size* bytes, of which *done* were copied: one per page."""
    page, end = address & -PAGE, address + max(min(size, done + 1), 1)
    for _ in range(MOST_WALKS):
        if page >= end or page >= USER_END:
            break
        walk(probe, space, max(page, address), write)
        page += PAGE


def walk(probe: Probe, space: EmulatedSpace, address: int, write: bool) -> None:
    steps = space.tables.walk(address)
    entry = steps[-1][3]
    refused = "not present" if not entry & P else ""
    if entry & P and not all(step[3] & 4 for step in steps):
        refused = "kernel only"
    elif entry & P and write and not all(step[3] & 2 for step in steps):
        refused = "read-only"
    probe("walk", {
        "address": address, "access": "write" if write else "read", "steps": steps,
        "fault": refused,
    })  # fmt: skip


def page_fault(
    probe: Probe, space: EmulatedSpace, address: int, write: bool, fetch: bool, error: int, cpl: int
) -> tuple[int, int] | None:
    """``space.fault``, told of: the walk that failed, and what was done."""
    before, area = 0, None
    if address < USER_END:
        walk(probe, space, address, write)
        before, area = space.tables.get(address), space.vmas.find(address)
    bad = space.fault(address, write, fetch, True)
    if bad is not None:
        action = "signal"
    elif before & P:
        action = "cow"
    elif area is None:
        action = "grow"
    else:
        action = "zero" if area.cache is None else "file"
    probe("fault", {"address": address, "error": error, "cpl": cpl, "action": action})
    return bad


def call_gate(traps: Traps, v: EmulatedVehicle, probe: Probe) -> None:
    """A far call through the gate has brought *v* here. The engine makes that transition by itself:
    what it did is read from the frame on the kernel stack, the gate and the TSS."""
    ram, frame = traps.ram, dict(zip(INDEX, v.frame(), strict=True))
    gdt = GDT_PA + (CALL_GATE & ~7)
    low, high = (int.from_bytes(ram[at : at + 8], "little") for at in (gdt, gdt + 8))
    entry = low & 0xFFFF | low >> 48 << 16 | (high & 0xFFFFFFFF) << 32
    top = int.from_bytes(ram[TSS_PA + 4 : TSS_PA + 12], "little")
    before = {name: frame[name] for name in ("rip", "cs", "ss", "rsp")}
    before.update(rflags=frame["eflags"], cpl=3)
    after = {"rip": entry, "cs": low >> 16 & 0xFFFF, "rsp": top - 32, "rflags": frame["eflags"]}
    pushed = [frame[name] for name in ("ss", "rsp", "cs", "rip")]
    probe("entry", {
        "kind": "call_gate", "vector": None, "error": None, "before": before,
        "after": {**after, "cpl": 0}, "derived": True,
        "reads": [("GDT", DIRECT_MAP + gdt, low), ("TSS.RSP0", DIRECT_MAP + TSS_PA + 4, top)],
        "writes": [(top - 8 * n, value) for n, value in enumerate(pushed, 1)],
    })  # fmt: skip


def way_out(traps: Traps, v: EmulatedVehicle, probe: Probe) -> int:
    """Run ring 0 block by block until the processor is in user mode, before its first instruction
    there. The port of a hypercall that came instead (a fault of the return itself), or 0."""
    engine, cpu = traps.engine, traps.cpu
    before, kind = cpu.registers(), "iret"
    for _ in range(MOST_BLOCKS):
        engine.budget = 1
        code = engine.run()
        traps.account()
        if code == EXIT_HYPERCALL:
            return engine.port
        if code != EXIT_BUDGET:
            raise RuntimeError(f"the board is dead: {engine.failure or code}")
        if cpu.cpl == 3:
            after = cpu.registers()
            probe("return", {"kind": kind, "before": before, "after": after, "thread": v.task.tid})
            return 0
        for name, first, last in WAYS_OUT:
            if SYMBOLS[first] <= cpu.rip - TEXT <= SYMBOLS[last]:
                before, kind = cpu.registers(), name
    return 0
