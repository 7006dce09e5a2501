"""What the machine tells its probe of ways into ring 0 and of paging (layout.PROBES).

Called only while somebody listens; what is told is read from the tables that the processor uses,
before and after it used them.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.layout import PAGE, USER_END
from ring3.machine.emulated.paging import P, U, W

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.image import CpuImage
    from ring3.machine.emulated.space import EmulatedSpace

    Probe = Callable[[str, dict[str, Any]], None]

MOST_WALKS: Final = 64


def tell_copy(
    probe: Probe, direction: str, space: EmulatedSpace, address: int, size: int, done: int
) -> None:
    """A copy from or to user memory (*direction*: load, string, store) and its walks."""
    walks(probe, space, address, size, done, direction == "store")
    probe("copy", {"direction": direction, "address": address, "size": size, "done": done})


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
    if entry & P and not all(step[3] & U for step in steps):
        refused = "kernel only"
    elif entry & P and write and not all(step[3] & W for step in steps):
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


def tell_entry(
    probe: Probe,
    cpu: CpuImage,
    kind: str,
    vector: int | None,
    error: int | None,
    before: dict[str, int],
    reads: list[tuple[str, int, int]],
    writes: list[tuple[int, int]],
) -> None:
    """A way into ring 0 that is over: *before* are the registers then, the CPU's are after it."""
    probe(
        "entry",
        {
            "kind": kind,
            "vector": vector,
            "error": error,
            "before": before,
            "after": cpu.registers(),
            "reads": reads,
            "writes": writes,
        },
    )
