"""Measure ring3 against native, strace, PRoot, bubblewrap and runsc; print the table.

python bench/run.py [-k PATTERN]... [--rounds N] [--only CONTENDER]... [--write FILE]

Every round runs every row for every contender, in an order that rotates, so that a machine that
gets slower or faster meanwhile does so for all; the table shows medians.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import report
from bench.contenders import CONTENDERS, Contender, ring3_argv
from bench.rows import BUILD, ROWS, Failed, Row, prepare


def warm_up(row: Row) -> None:
    """Run a row once without counting it, so that the first contender doesn't pay for the disk."""
    native = CONTENDERS[0]
    if not row.only:
        with contextlib.suppress(Failed, ValueError):
            row.measure(native)


def measure(
    rows: list[Row], contenders: list[Contender], rounds: int
) -> tuple[report.Samples, dict[str, str]]:
    """Run the rounds; give the samples and what went wrong, by 'row, contender'."""
    samples: report.Samples = {}
    failed: dict[str, str] = {}
    for row in rows:
        warm_up(row)
    for round_ in range(rounds):
        for row in rows:
            if round_ >= row.rounds:
                continue
            turn = round_ % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                where = f"{row.name}, {contender.name}"
                if (row.only and contender.name not in row.only) or where in failed:
                    continue
                if contender.timed and not row.whole:
                    continue
                try:
                    samples.setdefault((row.name, contender.name), []).append(
                        row.measure(contender)
                    )
                except (Failed, ValueError) as why:
                    failed[where] = str(why)
        print(f"round {round_ + 1} of {rounds} done", file=sys.stderr, flush=True)
    return {k: v for k, v in samples.items() if v}, failed


def resident_mb(pid: int) -> float:
    """Give the resident memory of one process in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def memory(samples: report.Samples) -> None:
    """Measure the kernel process with a shell, and with ten more guests."""
    sizes = []
    for guests in (1, 11):
        text = "for i in $(seq 10); do sleep 3 & done; sleep 2" if guests > 1 else "sleep 2; :"
        with subprocess.Popen(ring3_argv("run", "--", "sh", "-c", text), cwd=BUILD) as process:
            time.sleep(1.5)
            try:
                sizes.append(resident_mb(process.pid))
            except OSError:
                return
            finally:
                process.terminate()
                process.wait(timeout=30)
    samples["memory", "shell"] = [sizes[0]]
    samples["memory", "further"] = [(sizes[1] - sizes[0]) / 10]


def write_up(
    samples: report.Samples, rows: list[Row], present: list[Contender], notes: list[str]
) -> str:
    """Put the whole report together."""
    names = [r.name for r in rows]
    parts = [
        "# What ring3 costs",
        f"Taken {datetime.date.today().isoformat()} by `make bench`: {report.machine_facts()}.",
        "Medians of interleaved rounds; in parentheses the ratio to native in the same run."
        " Rows of whole programs contain the contender's start; `pinned`: all on one CPU.",
        report.table(samples, names, [c.name for c in present]),
        "## Budgets\n\nRatios within this run; what is not met is work to do, not a wish.",
        report.budgets(samples),
    ]
    if notes:
        parts.append("## Not measured\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Measure what was asked for and print (or write) the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-k", dest="patterns", action="append", default=[])
    parser.add_argument("--only", action="append", default=[], help="contenders by name")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", help="write the report here as well")
    asked = parser.parse_args()
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    prepare()
    rows = [r for r in ROWS if not asked.patterns or any(p in r.name for p in asked.patterns)]
    chosen = [c for c in CONTENDERS if not asked.only or c.name in asked.only]
    absent = {c.name: why for c in chosen if (why := c.absent())}
    present = [c for c in chosen if c.name not in absent]
    samples, failed = measure(rows, present, asked.rounds)
    if any(c.name == "ring3" for c in present) and not asked.patterns:
        memory(samples)
    notes = [f"{name}: {why}" for name, why in {**absent, **failed}.items()]
    text = write_up(samples, rows, present, notes)
    print(text)
    if asked.write:
        Path(asked.write).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
