"""/proc/interrupts, /proc/softirqs and /proc/stat of a machine that takes interrupts itself."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ring3.machine.emulated.devices import softirq as soft
from ring3.machine.emulated.layout import IRQ_KEYBOARD
from ring3.views import proc_irq, proc_system
from tests.unit.emulated.test_devices import Bench

WHO: Any = None


def world(bench: Bench | None, **more: Any) -> Any:
    """A world on *bench*'s devices; None: on a machine without its own."""
    machine = SimpleNamespace(**more)
    if bench is not None:
        machine.interrupts = bench.board.interrupts
        machine.softirqs = bench.board.softirqs
    clock = SimpleNamespace(realtime_ns=lambda: 0, boottime_ns=lambda: 0)
    return SimpleNamespace(machine=machine, clock=clock, tasks={}, forks=0)


def test_interrupts_have_linuxs_columns() -> None:
    bench = Bench()
    bench.run(1_000_000_000)
    bench.board.keyboard.feed(b"x")
    bench.run(1_010_000_000)
    lines = proc_irq.interrupts(world(bench), WHO).decode().splitlines()
    assert lines == [
        "           CPU0       ",
        "  0:        252    XT-PIC      timer",
        "  1:          1    XT-PIC      keyboard",
        "ERR:          0",
    ]


def test_softirqs_have_linuxs_columns() -> None:
    bench = Bench()
    bench.board.softirqs.raise_softirq(soft.NET_RX)
    bench.board.bottom_halves()
    text = proc_irq.softirqs(world(bench), WHO).decode()
    host = Path("/proc/softirqs").read_text()
    assert [line.split(":")[0] for line in text.splitlines()[1:]] == [
        line.split(":")[0] for line in host.splitlines()[1:]
    ]
    width = host.splitlines()[1].index(":") + 12
    assert text.splitlines()[4] == "      NET_RX:          1"
    assert all(len(line) == width for line in text.splitlines()[1:])


def test_stat_adds_up_as_vmstat_reads_it() -> None:
    bench = Bench()
    bench.run(400_000_000)
    bench.board.controller.request(IRQ_KEYBOARD)
    bench.settle()
    w = world(bench, switches=77, cpu_times=lambda: (300_000_000, 20_000_000, 80_000_000))
    fields = {
        line.split()[0]: [int(n) for n in line.split()[1:]]
        for line in proc_system.stat(w, WHO).decode().splitlines()
    }
    assert fields["intr"][0] == sum(fields["intr"][1:]) == 101
    assert fields["intr"][1 + IRQ_KEYBOARD] == 1
    assert fields["softirq"][0] == sum(fields["softirq"][1:])
    assert len(fields["softirq"]) == 11
    assert fields["ctxt"] == [77]
    assert fields["cpu"][:4] == fields["cpu0"][:4] == [30, 0, 2, 8]
    assert "cpu1" not in fields
    assert re.search(rb"^cpu  30 ", proc_system.stat(w, WHO))


def test_without_devices_of_its_own_the_hosts_are_shown() -> None:
    w = world(None)
    assert proc_irq.stat_lines(w) == {}
    ours = proc_irq.interrupts(w, WHO).splitlines()[0]
    assert ours == Path("/proc/interrupts").read_bytes().splitlines()[0]
    names = [line.split()[0] for line in proc_system.stat(w, WHO).splitlines()]
    host = Path("/proc/stat").read_bytes().splitlines()
    assert names == [line.split()[0] for line in host]
