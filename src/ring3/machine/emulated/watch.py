"""Tells the probe of the transitions that the engine does by itself.

Entries by SYSCALL, SYSENTER and the IDT are modelled in ``fast_calls`` and ``transitions``, which
tell of them. The call gate and the ways back (SYSRET, SYSEXIT, IRET, RETF) are the engine's own:
while a probe is set, the instructions of entry.S where they happen are watched, and what they do is
written down by the SDM's Operation sections (Vol. 2) from the registers and the stack before them.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated import layout as at
from ring3.machine.emulated.entry_code import SYMBOLS
from ring3.machine.emulated.image import TR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.transitions import Transitions

WATCHED: Final = {
    at.TEXT + SYMBOLS[label]: kind
    for label, kind in (
        ("entry_call_gate", "call_gate"),
        ("way_out_sysret", "sysret"),
        ("way_out_sysexit", "sysexit"),
        ("way_out_iret", "iret"),
        ("way_out_far", "retf"),
    )
}
"""Address of an instruction -> kind. At entry_call_gate the transition is over, else to come."""
SYSRET_FLAGS: Final = 0x3C7FD7
LOW32: Final = 0xFFFFFFFF

Registers = dict[str, int]
Words = list[tuple[str, int, int]]


class Watch:
    """Turns the arrival at a watched instruction into a call of the probe."""

    __slots__ = ("model",)

    def __init__(self, model: Transitions) -> None:
        self.model = model

    def install(self, hook_at: Callable[[int, Callable[..., None]], None]) -> None:
        """Put a hook on each watched address."""
        for address in WATCHED:
            hook_at(address, self.arrived)

    def arrived(self, _uc: int, address: int, _size: int, _user: int) -> None:
        """The processor is about to execute the instruction at *address*."""
        probe = self.model.probe
        if probe is None:
            return
        kind = WATCHED[address]
        now = self.model.cpu.registers()
        if kind == "call_gate":
            self.entered_by_gate(now)
            return
        after, reads = getattr(self, "by_" + kind)(now)
        probe("return", {"kind": kind, "before": now, "after": now | after, "reads": reads})

    def word(self, address: int) -> int:
        place = self.model.memory.physical(address, False)
        return int.from_bytes(self.model.memory.ram[place : place + 8], "little")

    def entered_by_gate(self, now: Registers) -> None:
        """CALL, "64-BIT CALL GATE": the frame holds RIP, CS, RSP, SS of the caller."""
        rsp = now["rsp"]
        rip, cs, old_rsp, ss = (self.word(rsp + 8 * i) for i in range(4))
        gdt = self.model.cpu.gdt_base + (at.CALL_GATE & ~7)
        tss = self.model.cpu.segment(TR)[1] + 4
        low, high = self.word(gdt), self.word(gdt + 8)
        offset = low & 0xFFFF | low >> 48 << 16 | (high & LOW32) << 32
        assert self.model.probe is not None
        self.model.probe(
            "entry",
            {
                "kind": "call_gate",
                "vector": None,
                "error": None,
                "before": now | {"rip": rip, "cs": cs, "rsp": old_rsp, "ss": ss, "cpl": cs & 3},
                "after": now,
                "reads": [("GDT", gdt, offset), ("TSS.RSP0", tss, self.word(tss))],
                "writes": [(rsp + 8 * i, self.word(rsp + 8 * i)) for i in range(3, -1, -1)],
            },
        )

    def by_sysret(self, now: Registers) -> tuple[Registers, Words]:
        base = self.model.cpu.star >> 48
        after = {
            "rip": now["rcx"],
            "rflags": now["r11"] & SYSRET_FLAGS | 2,
            "cs": base + 16 | 3,
            "ss": base + 8 | 3,
            "cpl": 3,
        }
        return after, [("star", 0, self.model.cpu.star)]

    def by_sysexit(self, now: Registers) -> tuple[Registers, Words]:
        base = self.model.cpu.sysenter_cs
        after = {
            "rip": now["rdx"] & LOW32,
            "rsp": now["rcx"] & LOW32,
            "cs": base + 16 | 3,
            "ss": base + 24 | 3,
            "cpl": 3,
        }
        return after, [("sysenter_cs", 0, base)]

    def popped(self, now: Registers, names: tuple[str, ...]) -> tuple[Registers, Words]:
        rsp = now["rsp"]
        reads = [(name, rsp + 8 * i, self.word(rsp + 8 * i)) for i, name in enumerate(names)]
        after = {name: value for name, _, value in reads}
        after["cpl"] = after["cs"] & 3
        return after, reads

    def by_iret(self, now: Registers) -> tuple[Registers, Words]:
        return self.popped(now, ("rip", "cs", "rflags", "rsp", "ss"))

    def by_retf(self, now: Registers) -> tuple[Registers, Words]:
        return self.popped(now, ("rip", "cs", "rsp", "ss"))
