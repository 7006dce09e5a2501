"""Chapter 7: interrupts that came inside the call, and other threads that got the CPU."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.film import Step

if TYPE_CHECKING:
    from ring3.explain.tape import Tape

FIRST_IRQ = 0x20
AC = 1 << 18
DEVICES = {0: "timer", 1: "keyboard", 11: "network device", 14: "disk"}
WAITING = (
    "The call waits, and nobody else has anything to do: the CPU was halted in ring 0, on the idle "
    "stack. What the interrupt's bottom half wakes runs next."
)


def nested(tape: Tape, told: dict[str, Any]) -> list[Step]:
    """A step for what is worth one: interrupts and switches before the call's end."""
    if told.get("before") or told.get("after"):
        return []
    details = told["details"]
    if told["name"] == "entry" and details["kind"] == "irq":
        return [interrupt(details, bool(told.get("waiting")))]
    if told["name"] == "switch":
        to = details.get("to")
        who = "this thread" if to == tape.tid else f"thread {to}" if to else "nobody"
        note = "What it does there is not part of this film." if to != tape.tid else ""
        return [Step(7, "switch", f"The CPU goes to {who}", film.text(note), dict(details))]
    return []


def interrupt(details: dict[str, Any], waiting: bool) -> Step:
    irq = details["vector"] - FIRST_IRQ
    device = DEVICES.get(irq, f"IRQ {irq}")
    before, after = details.get("before") or {}, details.get("after") or {}
    same = before.get("cpl") == 0 and not waiting
    told = f"IRQ {irq}, vector {details['vector']:#x}, from the {device}. "
    told += (
        "The CPU was in ring 0 already, so there is no stack switch: the frame goes on the current "
        "kernel stack, below what the call had there, and IRET comes back to the middle of it."
        if same
        else WAITING
        if waiting
        else "The CPU was in user code of another thread."
    )
    rows = [[f"{each[0]:#x}", f"{each[1]:#x}"] for each in details.get("writes") or ()]
    blocks = film.text(told) + film.table(["pushed at", "value"], rows)
    if same and before.get("rflags", 0) & AC:
        blocks += film.text(
            "AC is set in the flags that were saved: this was inside the window of a copy routine, "
            "between STAC and CLAC. The interrupt's entry clears AC, so that SMAP protects it too; "
            "IRET sets it again."
        )
    if same and "rsp" in before and "rsp" in after:
        blocks += film.text(f"rsp {before['rsp']:#x} → {after['rsp']:#x}")
    data = {**details, "nested": same}
    return Step(7, "interrupt", f"An interrupt: the {device}", blocks, data)
