"""Developer's command: run cases on ring3 and print the failures, compactly.

python tests/programs/run.py [-k PATTERN]... [--profile fast|full|both|host] [--jobs N]

`--profile host` runs every case twice on the host and reports those that are not stable.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.programs import runner
from tests.programs.tables import CASES

BY_NAME = {case.name: case for case in CASES}


def judge(name: str, profile: str) -> tuple[str, str, str, float, float]:
    """Run one case; give (name, profile, difference, host's seconds, the other's seconds)."""
    case = BY_NAME[name]
    host = runner.run_on("host", case)
    if host.status == runner.TIMED_OUT:
        return name, profile, "the host itself timed out", host.seconds, 0.0
    other = runner.run_on(profile, case)
    said = runner.difference(case, host, other, limit=8)
    return name, profile, said, host.seconds, other.seconds


def shorten(said: str) -> str:
    """Keep of a difference what tells causes apart: the first changed line and the last message."""
    lines = [
        line for line in said.splitlines() if line and not line.startswith(("---", "+++", "@@"))
    ]
    changed = [line for line in lines if line[0] in "+-"]
    picked = [line for line in lines if line.startswith("exit status")]
    picked += changed[:1] + [line for line in changed if line[0] == "+"][:1] + lines[-1:]
    return " | ".join(dict.fromkeys(part.strip()[:110] for part in picked))


def chosen(patterns: list[str]) -> list[str]:
    """Select the cases whose name contains one of *patterns* (all, without any)."""
    return [n for n in BY_NAME if not patterns or any(p in n for p in patterns)]


def main() -> int:
    """Run what was asked for; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-k", dest="patterns", action="append", default=[])
    parser.add_argument(
        "--profile", default="fast", choices=[*runner.PROFILES, "both", "host", "emulated"]
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--brief", action="store_true", help="one line for each failure")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--times", action="store_true", help="print every case's seconds")
    asked = parser.parse_args()
    names = chosen(asked.patterns)
    if asked.list:
        print("\n".join(names))
        return 0
    profiles = runner.PROFILES if asked.profile == "both" else (asked.profile,)
    ready = [n for n in names if not runner.missing(BY_NAME[n])]
    failures = 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        futures = [pool.submit(judge, n, p) for n in ready for p in profiles]
        for future in as_completed(futures):
            name, profile, said, host_s, other_s = future.result()
            if asked.times:
                print(
                    f"{'FAIL' if said else 'ok':4} {profile} {host_s:6.2f} {other_s:6.2f}  {name}"
                )
            if said:
                failures += 1
                text = shorten(said) if asked.brief else "\n" + said
                print(f"--- {profile}: {name} {text}", flush=True)
    for name in sorted(set(names) - set(ready)):
        print(f"skipped {name}: not installed: {', '.join(runner.missing(BY_NAME[name]))}")
    print(f"{len(futures) - failures} of {len(futures)} equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
