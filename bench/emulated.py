"""Measure the emulated machine against the host, in interleaved pairs, and Qiling beside it.

python bench/emulated.py [-k PATTERN]... [--rounds N] [--qiling PYTHON] [--write FILE]

Time is the host's, from outside: a guest of this machine sees virtual time. The machine is one live
kernel that has run each program before, so a row holds neither Python's start nor the board's.
PYTHON is an interpreter that has Qiling (``pip install qiling`` in a venv); it counts from `ql.run`
on.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.report import figure, machine_facts
from ring3.kernel import Kernel

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
BOUND_S = 60
SIZE = 4 << 20
QILING = """
import sys, time
from qiling import Qiling
from qiling.const import QL_VERBOSE
ql = Qiling(sys.argv[1:], "/", verbose=QL_VERBOSE.DISABLED, console=False)
begin = time.perf_counter()
ql.run()
print(f"\\nns={(time.perf_counter() - begin) * 1e9}", file=sys.stderr)
sys.stdout.flush()
sys.exit(ql.os.exit_code)
"""
LOOP = "n = 0\nfor i in range(10 ** 6): n += i\nprint(n)"
Run = Callable[[list[str]], float]


class Failed(Exception):
    """A contender did not run the program; the text says how."""


@dataclass(frozen=True)
class Row:
    """*argv* timed whole, or, with *turns*, one turn of it: the time of that many turns more."""

    name: str
    argv: tuple[str, ...]
    turns: int = 0
    budget: float = 0
    """At most so many times native (or so many microseconds a turn, if below 0)."""

    def measure(self, name: str, run: Run) -> float:
        """Give nanoseconds. The host makes more turns, or they would vanish in its start."""
        if not self.turns:
            return run(list(self.argv))
        turns = self.turns * 5 if name == "native" else self.turns
        begin = run([*self.argv, "1"])
        return (run([*self.argv, str(turns + 1)]) - begin) / turns


DATA, WAYS, WAYS_32 = str(BUILD / "data"), str(BUILD / "ways"), str(BUILD / "ways32")
ROWS = (
    Row("gzip of 4 MB", ("/bin/gzip", "-c", DATA), budget=9),
    Row("sha256sum of 4 MB", ("/usr/bin/sha256sum", DATA)),
    Row("python3, a million turns", ("/usr/bin/python3", "-ISc", LOOP)),
    Row("true", ("/bin/true",)),
    Row("getppid by SYSCALL", (WAYS, "syscall"), 50_000, budget=-6),
    Row("getppid by int 0x80, 64-bit code", (WAYS, "int80"), 20_000),
    Row("getppid by int 0x80, 32-bit code", (WAYS_32, "int80"), 20_000),
    Row("getppid by SYSENTER, 32-bit code", (WAYS_32, "sysenter"), 20_000),
    Row("fork + exec + wait", (WAYS, "exec"), 40),
    Row("pipe ping-pong of two processes", (WAYS, "pingpong"), 2000),
)


def prepare() -> None:
    """Compile the program for both ABIs and make the data: text that can be compressed."""
    BUILD.mkdir(exist_ok=True)
    for out, bits in ((WAYS, "-m64"), (WAYS_32, "-m32")):
        subprocess.run(
            ["cc", bits, "-O2", "-static", "-o", out, str(HERE / "programs" / "ways.c")],
            check=False,
            timeout=120,
        )
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(3000)]
    text = " ".join(rng.choice(words) for _ in range(SIZE // 6))
    Path(DATA).write_text(text[:SIZE].ljust(SIZE))


def native(argv: list[str]) -> float:
    """Run on the host."""
    begin = time.perf_counter_ns()
    status = subprocess.run(argv, stdout=subprocess.DEVNULL, timeout=BOUND_S).returncode
    took = time.perf_counter_ns() - begin
    if status:
        raise Failed(f"status {status}")
    return took


def emulated(kernel: Kernel) -> Run:
    """Run in *kernel*."""

    def run(argv: list[str]) -> float:
        with open(os.devnull, "r+b") as nowhere:
            begin = time.perf_counter_ns()
            guest = kernel.spawn(argv, stdin=None, stdout=nowhere.fileno())
            status = guest.wait(BOUND_S)
            took = time.perf_counter_ns() - begin
        if status:
            raise Failed(f"wait status {status}")
        return took

    return run


def qiling(python: str) -> Run:
    """Run under Qiling, whose Python is *python*."""

    def run(argv: list[str]) -> float:
        try:
            done = subprocess.run(
                [python, "-c", QILING, *argv],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=BOUND_S,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"no end within {BOUND_S} s") from None
        marks = [line[3:] for line in done.stderr.splitlines() if line.startswith("ns=")]
        if done.returncode or not marks:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            last = lines[-1][:100] if lines else "no word"
            raise Failed(f"status {done.returncode}: {last}")
        return float(marks[0])

    return run


def table(samples: dict[tuple[str, str], list[float]], rows: list[Row], names: list[str]) -> str:
    """Write medians, and the median of the ratios of the pairs."""
    lines = ["| | " + " | ".join(names) + " | budget |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        cells = []
        base = samples.get((row.name, "native"), [])
        for name in names:
            values = samples.get((row.name, name), [])
            text = figure(median(values)) if values else "–"
            if values and base and name != "native":
                times = median(a / b for a, b in zip(values, base, strict=False))
                text += f" ({times:.1f}x)"
            cells.append(text)
        cells.append(budget(row, base, samples.get((row.name, "emulated"), [])))
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def budget(row: Row, base: list[float], ours: list[float]) -> str:
    """Say whether the design's budget is met."""
    if not row.budget or not ours or not base:
        return ""
    if row.budget < 0:
        met, most = median(ours) <= -row.budget * 1e3, f"{-row.budget:g} us"
    else:
        times = median(a / b for a, b in zip(ours, base, strict=False))
        met, most = times <= row.budget, f"{row.budget:g}x"
    return f"{most}: {'met' if met else '**not met**'}"


def main() -> int:
    """Measure and print (or write) the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-k", dest="patterns", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--qiling", help="an interpreter that has Qiling")
    parser.add_argument("--write", help="write the report here as well")
    asked = parser.parse_args()
    prepare()
    rows = [r for r in ROWS if not asked.patterns or any(p in r.name for p in asked.patterns)]
    samples: dict[tuple[str, str], list[float]] = {}
    failed: dict[tuple[str, str], str] = {}
    with Kernel(machine="emulated", seed=1, ro=[str(BUILD)], cwd="/") as kernel:
        contenders: dict[str, Run] = {"native": native, "emulated": emulated(kernel)}
        if asked.qiling:
            contenders["Qiling"] = qiling(asked.qiling)
        for row in rows:
            for round_ in range(asked.rounds + 1):
                for name, run in contenders.items():
                    if (row.name, name) in failed or (name == "Qiling" and round_ > 2):
                        continue
                    try:
                        value = row.measure(name, run)
                    except (Failed, OSError, TimeoutError) as why:
                        failed[row.name, name] = str(why)
                        continue
                    if round_:  # the first one is for the caches
                        samples.setdefault((row.name, name), []).append(value)
            print(f"{row.name} done", file=sys.stderr, flush=True)
    parts = [
        "# What the emulated machine costs",
        f"Taken {datetime.date.today().isoformat()} by `python bench/emulated.py`:"
        f" {machine_facts()}.",
        "Medians; in parentheses the median of the ratios of pairs run one after the other."
        " The emulated machine is a live kernel, Qiling is counted from `ql.run` on.",
        table(samples, rows, list(contenders)),
    ]
    if failed:
        notes = "\n".join(f"- {name}, {row}: {why}" for (row, name), why in failed.items())
        parts.append("## Not run\n\n" + notes)
    text = "\n\n".join(parts) + "\n"
    print(text)
    if asked.write:
        Path(asked.write).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
