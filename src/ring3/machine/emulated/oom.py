"""RAM is used up and nothing can be reclaimed: one process has to go (mm/oom_kill.c).

As on Linux it is the one that takes the most, by its resident pages and page tables and its
oom_score_adj, not the one that happened to ask last. Its pages are taken at once, before it is
buried, so that whoever asked goes on.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.layout import BOUNCE_PA, BOUNCE_SIZE

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedProcess

NEVER: Final = -1000
"""The oom_score_adj of a process that is never chosen."""


def badness(space: EmulatedSpace, process: Any, total: int) -> int:
    """Pages that its death would give back, as far as we know, moved by its oom_score_adj."""
    pages = space.resident + len(space.tables.leaves)
    return pages + int(getattr(process, "oom_score_adj", 0)) * total // 1000


def choose(machine: EmulatedMachine) -> EmulatedProcess | None:
    """The worst process that is alive; None if all that are left must not be killed."""
    worst, most, total = None, -(1 << 62), machine.physical.frames.total
    for found in machine.lives.processes:
        if found.dead or not found.vehicles or found.process.oom_score_adj == NEVER:
            continue
        points = badness(found.vehicles[0].space, found.process, total)
        if points > most:
            worst, most = found, points
    return worst


def make_room(machine: EmulatedMachine, needy: EmulatedProcess | None) -> None:
    """Kill somebody, and whoever shares that memory; *needy* if there is nobody else.

    Called between two instructions of anything, even of a copy to user memory.
    """
    victim = choose(machine) or needy
    if victim is None or not victim.vehicles:
        return
    physical, ram = machine.physical, machine.ram
    current, bounce = physical.current, bytes(ram[BOUNCE_PA : BOUNCE_PA + BOUNCE_SIZE])
    space = victim.vehicles[0].space
    sharers = [p for p in machine.lives.processes if p.vehicles and p.vehicles[0].space is space]
    for process in sharers:
        machine.end_process(process.process, report(process, space))
    space.remove(0, space.end)
    # The locks of the dead were looked through, by copies of their own.
    ram[BOUNCE_PA : BOUNCE_PA + BOUNCE_SIZE] = bounce
    if current is not None:
        current.activate()


def report(victim: EmulatedProcess, space: EmulatedSpace) -> str:
    """The line of the kernel log."""
    process = victim.process
    name = process.leader.comm.decode("utf-8", "replace") if process.leader is not None else "?"
    return (
        f"Out of memory: Killed process {process.pid} ({name})"
        f" total-vm:{space.mapped >> 10}kB, rss:{space.resident * 4}kB,"
        f" pgtables:{len(space.tables.leaves) * 4}kB, oom_score_adj:{process.oom_score_adj}"
    )
