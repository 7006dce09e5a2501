"""Medians as a table, and the design's budgets held against them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from statistics import median

Samples = dict[tuple[str, str], list[float]]
Measured = Callable[[Samples], float | None]
Budget = tuple[str, float, Measured, str]  # name, at most, how it is measured, unit


def figure(ns: float) -> str:
    """Write nanoseconds in the unit a reader wants."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size * 0.9995:
            return f"{ns / size:.3g} {unit}" if ns < 100 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def cell(samples: Samples, row: str, contender: str) -> str:
    """Give the text of one cell: the median and its ratio to native."""
    values = samples.get((row, contender))
    if not values:
        return "–"
    native = samples.get((row, "native"))
    text = figure(median(values))
    if native and contender != "native":
        times = median(values) / median(native)
        text += f" ({times:.0f}x)" if times >= 10 else f" ({times:.1f}x)"
    return text


def table(samples: Samples, rows: list[str], contenders: list[str]) -> str:
    """Write the table in Markdown."""
    lines = ["| | " + " | ".join(contenders) + " |", "|---" * (len(contenders) + 1) + "|"]
    lines += [
        f"| {row} | " + " | ".join(cell(samples, row, c) for c in contenders) + " |" for row in rows
    ]
    return "\n".join(lines)


def overhead(samples: Samples, row: str, contender: str) -> float | None:
    """Give what *contender* adds to native, in nanoseconds."""
    mine, native = samples.get((row, contender)), samples.get((row, "native"))
    return median(mine) - median(native) if mine and native else None


def ratio(samples: Samples, row: str, ours: str, theirs: str) -> float | None:
    """Give ours/theirs."""
    a, b = samples.get((row, ours)), samples.get((row, theirs))
    return median(a) / median(b) if a and b else None


def overheads(samples: Samples, row: str, ours: str, theirs: str) -> float | None:
    """Give the overhead of *ours* relative to that of *theirs*."""
    mine, others = overhead(samples, row, ours), overhead(samples, row, theirs)
    if mine is None or others is None or others <= 0:
        return None  # a median below native's: the machine was too busy to tell
    return mine / others


def beyond_start_ms(samples: Samples) -> float | None:
    """Give the milliseconds that `ring3 run true` takes beyond plain Python's own start."""
    ours = samples.get(("true, from the command line", "ring3"))
    python = samples.get(("plain Python's own start", "native"))
    return (median(ours) - median(python)) / 1e6 if ours and python else None


def live_ms(samples: Samples) -> float | None:
    """Give the milliseconds of a further `true` in a live kernel."""
    values = samples.get(("true, in a live kernel", "ring3"))
    return median(values) / 1e6 if values else None


def trace_against_strace(contender: str, how: str) -> Measured:
    """Make the measure: ring3 trace's time over strace's, for the same tar."""

    def measured(samples: Samples) -> float | None:
        ours = samples.get(("trace -f -o FILE tar", "ring3"))
        strace = samples.get((f"strace -f -o FILE tar{how}", contender))
        return median(ours) / median(strace) if ours and strace else None

    return measured


def megabytes(samples: Samples, what: str) -> float | None:
    """Give one of the memory figures."""
    values = samples.get(("memory", what))
    return values[0] if values else None


def against(row: str, ours: str, theirs: str) -> Measured:
    """Make a measure: *ours* over *theirs* in one row."""
    return lambda samples: ratio(samples, row, ours, theirs)


def half_of_others(row: str, other: str, ours: str = "ring3") -> Budget:
    """Make a budget that the design sets for whole programs."""
    name = f"{row}: overhead over {other}'s" + (", kernel started before" if "live" in ours else "")
    return name, 0.5, lambda samples: overheads(samples, row, ours, other), "x"


READ, WRITE = "read 1 byte, granted", "write 1 byte, granted"
BUDGETS: list[Budget] = [
    ("getppid over strace -f", 1 / 12, against("getppid", "ring3", "strace -f"), "x"),
    (
        "getppid over strace, pinned",
        1 / 3,
        against("getppid", "ring3 pinned", "strace pinned"),
        "x",
    ),
    ("getppid over runsc (ptrace)", 1 / 6, against("getppid", "ring3", "runsc"), "x"),
    ("read of a granted descriptor over native", 1.3, against(READ, "ring3", "native"), "x"),
    ("write of a granted descriptor over native", 1.3, against(WRITE, "ring3", "native"), "x"),
    ("`ring3 run true` beyond plain Python's start", 60, beyond_start_ms, "ms"),
    ("`k.run` in a live kernel", 8, live_ms, "ms"),
    *(
        half_of_others(row, other, ours)
        for row in ("python3 imports", "grep -r", "find", "git status", "gcc")
        for ours, other in (("ring3", "runsc"), ("ring3", "PRoot"), ("ring3 live", "PRoot"))
    ),
    ("trace -f -o FILE of tar over strace", 1.0, trace_against_strace("strace -f", ""), "x"),
    (
        "trace -f -o FILE of tar over strace, pinned",
        1.0,
        trace_against_strace("strace pinned", ", pinned"),
        "x",
    ),
    ("memory of the kernel process for a shell", 60, lambda s: megabytes(s, "shell"), "MB"),
    ("memory for each further guest", 3, lambda s: megabytes(s, "further"), "MB"),
]


def budgets(samples: Samples) -> str:
    """Write the budgets, what was measured, and whether it was met."""
    lines = ["| Budget (design) | at most | measured | |", "|---|---|---|---|"]
    for name, most, measured, unit in BUDGETS:
        value = measured(samples)
        if value is None:
            lines.append(f"| {name} | {most:.3g} {unit} | not measured | – |")
        else:
            met = "met" if value <= most else "**not met**"
            lines.append(f"| {name} | {most:.3g} {unit} | {value:.3g} {unit} | {met} |")
    return "\n".join(lines)


def machine_facts() -> str:
    """Describe what the figures were taken on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = file.read()
    models = [line.split(":", 1)[1].strip() for line in cpu.splitlines() if "model name" in line]
    model = models[0] if models else "unknown CPU"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=20
    ).stdout.strip()
    hypervisor = "virtual" if " hypervisor" in cpu else "bare"
    return (
        f"{model}, {os.cpu_count()} CPUs ({hypervisor}); Linux {platform.release()};"
        f" CPython {platform.python_version()} ({sys.executable.rsplit('/', 1)[-1]});"
        f" load {os.getloadavg()[0]:.1f}; commit {commit or 'unknown'}"
    )
