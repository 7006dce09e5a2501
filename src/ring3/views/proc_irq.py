"""/proc/interrupts, /proc/softirqs, and what /proc/stat says of them.

A machine that takes interrupts itself has ``interrupts`` and ``softirqs`` (the emulated one);
its one CPU is CPU0. Where it has none the host's CPUs take them, and its files are shown.
Source of the formats: arch/x86/kernel/irq.c, kernel/irq/proc.c, fs/proc/{softirqs,stat}.c.
"""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any, Protocol
from ring3.task.resources import TICK_NS
from ring3.views.host import host_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.task.world import World
    from ring3.vfs.inode import Walker

    class Interrupts(Protocol):
        counts: list[int]
        """By IRQ number."""

        def rows(self) -> list[tuple[int, int, str, str]]:
            """(irq, count, chip, devices) of every line in use."""

        def errors(self) -> int:
            """Interrupts that nobody had requested."""

    class Softirqs(Protocol):
        counts: list[int]

        def rows(self) -> list[tuple[str, int]]:
            """(name, count) in Linux's order."""


def own_interrupts(world: World) -> Interrupts | None:
    """The machine's own counts; None where the host takes the interrupts."""
    found: Interrupts | None = getattr(world.machine, "interrupts", None)
    return found


def own_softirqs(world: World) -> Softirqs | None:
    found: Softirqs | None = getattr(world.machine, "softirqs", None)
    return found


def interrupts(world: World, who: Walker) -> bytes:
    table = own_interrupts(world)
    if table is None:
        return host_text("/proc/interrupts")
    lines = ["           CPU0       \n"]
    for irq, count, chip, devices in table.rows():
        lines.append(f"{irq:3d}: {count:10d}  {chip:>8}      {devices}\n")
    lines.append(f"ERR: {table.errors():10d}\n")
    return "".join(lines).encode()


def softirqs(world: World, who: Walker) -> bytes:
    table = own_softirqs(world)
    if table is None:
        return host_text("/proc/softirqs")
    lines = ["                    CPU0       \n"]
    lines += [f"{name:>12}: {count:10d}\n" for name, count in table.rows()]
    return "".join(lines).encode()


def stat_lines(world: World) -> dict[bytes, bytes]:
    """The lines of /proc/stat that are the machine's own, by their first word; b"" for one that
    it does not have (a second CPU). {} where all are the host's. "intr" and "softirq" have their
    sum first, then each count."""
    machine: Any = world.machine
    found: dict[bytes, bytes] = {}
    for name, table in ((b"intr", own_interrupts(world)), (b"softirq", own_softirqs(world))):
        if table is not None:
            found[name] = line_of(name, (sum(table.counts), *table.counts))
    if hasattr(machine, "switches"):
        found[b"ctxt"] = line_of(b"ctxt", (machine.switches,))
    if hasattr(machine, "cpu_times"):
        user, system, idle = (ns // TICK_NS for ns in machine.cpu_times())
        times = (user, 0, system, idle, 0, 0, 0, 0, 0, 0)
        found.update({b"cpu%d" % number: b"" for number in range(1, os.cpu_count() or 1)})
        found[b"cpu"] = line_of(b"cpu ", times)
        found[b"cpu0"] = line_of(b"cpu0", times)
    return found


def line_of(name: bytes, numbers: Sequence[int]) -> bytes:
    return b"%s %s\n" % (name, " ".join(map(str, numbers)).encode())
