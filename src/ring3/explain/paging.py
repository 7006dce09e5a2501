"""Page-table walks of the machine's probe, for people.

Bits and levels: Intel SDM volume 3A, 4.5 (4-level paging).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film

if TYPE_CHECKING:
    from ring3.explain.tape import Event, Tape

PAGE = 4096
LEVELS = {4: "PML4", 3: "PDPT", 2: "PD", 1: "PT"}
FRAME = 0x000FFFFFFFFFF000
MOST_TOLD = 3
"""Walks, faults, and exceptions of one copy that are told in full."""
WORDS = {"walk": "walks", "fault": "page faults", "entry": "exceptions and interrupts"}
ERROR_BITS = ((1, "protection", "not present"), (2, "write", "read"), (4, "user", "supervisor"),
              (8, "reserved bit", ""), (16, "instruction fetch", ""))  # fmt: skip


def details(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = event.data["details"]
    return found


def walk_facts(hardware: list[Event], address: int, size: int) -> dict[int, Any]:
    """Page -> the walk that reached it."""
    return {
        details(e)["address"] & -PAGE: details(e)
        for e in hardware
        if e.data["name"] == "walk" and address - PAGE < details(e)["address"] < address + size
    }


def walk_blocks(tape: Tape, hardware: list[Event]) -> list[film.Block]:
    """The walks and faults of one copy; what a machine without a view of them hides."""
    if not hardware:
        if tape.machine == "native":
            return []
        return film.text("No page-table walk was seen: the TLB knew the page already.")
    blocks: list[film.Block] = []
    told: list[list[film.Block]] = []
    counts = dict.fromkeys(TOLD, 0)
    for e in hardware:
        name = e.data["name"]
        if name not in TOLD:
            continue
        found = TOLD[name](details(e))
        if found in told[-2 * MOST_TOLD :]:
            continue  # the routine tries again, byte by byte, to learn where exactly it ends
        told.append(found)
        counts[name] += 1
        if counts[name] <= MOST_TOLD:
            blocks += found
    more = [f"{n - MOST_TOLD} {WORDS[name]}" for name, n in counts.items() if n > MOST_TOLD]
    return blocks + film.text(f"and {', '.join(more)} more" if more else "")


def one_walk(walk: dict[str, Any]) -> list[film.Block]:
    address = walk["address"]
    rows = []
    for step in walk["steps"]:
        level, table, index, entry = step[:4]
        rows.append(
            [LEVELS.get(level, str(level)), f"{table:#x}", index, f"{entry:#x}", bits(entry)]
        )
    fault = walk.get("fault")
    verdict = f"; it ends in a fault: {fault}" if fault else ""
    return [
        *film.text(f"Page-table walk for {address:#x} ({walk.get('access', '')}){verdict}:"),
        *film.table(["level", "table at", "index", "entry", "says"], rows),
    ]


def bits(entry: int) -> str:
    """The flags of a paging-structure entry."""
    if not entry & 1:
        return "not present"
    words = ["user" if entry & 4 else "kernel only", "writable" if entry & 2 else "read-only"]
    if entry >> 63:
        words.append("NX")
    if entry & 0x40:
        words.append("dirty")
    elif entry & 0x20:
        words.append("accessed")
    return f"frame {entry & FRAME:#x}, {', '.join(words)}"


ACTIONS = {
    "zero": "it was given a frame of zeros (demand paging)",
    "file": "its page came from the file's page cache",
    "cow": "it got a copy of its own (copy on write)",
    "grow": "the stack grew down to it",
    "signal": "nothing could be done: the copy ends there, and the call gets EFAULT",
}


def fault_told(fault: dict[str, Any]) -> list[film.Block]:
    error = fault.get("error") or 0
    words = [yes if error & bit else no for bit, yes, no in ERROR_BITS]
    action = ACTIONS.get(str(fault.get("action")), str(fault.get("action")))
    said = ", ".join(w for w in words if w)
    return film.text(f"Page fault at {fault['address']:#x} (error {error:#x}: {said}): {action}.")


def interruption(entry: dict[str, Any]) -> list[film.Block]:
    vector = entry.get("vector")
    if entry["kind"] == "irq":
        told = f"In the middle of it an interrupt came (vector {vector:#x}) and was served."
    else:
        told = (
            f"Exception {vector} in the middle of the copy: the CPU is in ring 0 already, so it "
            "pushes its frame on the same kernel stack."
        )
    return film.text(told)


TOLD = {"walk": one_walk, "fault": fault_told, "entry": interruption}
