#!/usr/bin/env python3
"""Run conformance guests on the host and on ring3 and show where they differ.

    python tests/conformance/run.py                      all guests, profile fast
    python tests/conformance/run.py pipe epoll:oneshot   one guest, one behaviour
    python tests/conformance/run.py --profile full --jobs 2
    python tests/conformance/run.py --host-only --repeat 5 --uid 65534

Exit status 0 when nothing differs, 1 when something does, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conformance import guestlab as lab


@dataclass
class Job:
    """One guest with the behaviours asked for (none: all)."""

    guest: str
    only: list[str]
    verdict: lab.Verdict
    text: str = ""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("guests", nargs="*", metavar="GUEST[:BEHAVIOUR]")
    parser.add_argument("--profile", choices=lab.PROFILES, default="fast")
    parser.add_argument("--machine", default="native")
    parser.add_argument("--abi", choices=("64", "32"), default="64")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--uid", type=int, help="run as this user (needs root)")
    parser.add_argument("--timeout", type=float, default=90, help="seconds for one guest")
    parser.add_argument("--limit", type=int, default=10, help="seconds for one behaviour")
    parser.add_argument("--static", action="store_true", help="link the guests statically")
    parser.add_argument("--host-only", action="store_true", help="compare the host with itself")
    parser.add_argument("--repeat", type=int, default=1, help="with --host-only: how often")
    parser.add_argument("--print", action="store_true", help="print the host's lines and stop")
    parser.add_argument("--count", action="store_true", help="count behaviours and stop")
    parser.add_argument("--list", action="store_true", help="name all behaviours and stop")
    return parser.parse_args()


def cache_directory() -> Path:
    """Return a build cache of this user that survives between runs."""
    path = Path(tempfile.gettempdir()) / f"ring3-conformance-{os.geteuid()}"
    path.mkdir(mode=0o755, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise SystemExit(f"{path} belongs to somebody else")
    for scratch in path.glob("guest-*"):  # what a killed run left
        if time.time() - scratch.stat().st_mtime > 3600:
            shutil.rmtree(scratch, ignore_errors=True)
    return path


def wanted(names: list[str]) -> list[Job]:
    """Turn GUEST[:BEHAVIOUR] arguments (a prefix of a name will do) into jobs."""
    jobs: dict[str, Job] = {}
    known = lab.guest_names()
    for argument in names or known:
        name, _, behaviour = argument.removesuffix(".c").partition(":")
        found = [name] if name in known else [n for n in known if n.startswith(name)]
        if not found:
            raise SystemExit(f"no guest is called {name}; there are: {' '.join(known)}")
        for guest in found:
            job = jobs.setdefault(guest, Job(guest, [], lab.Verdict()))
            if behaviour:
                job.only.append(behaviour)
    return list(jobs.values())


def run_job(job: Job, args: argparse.Namespace, builder: lab.Builder) -> Job:
    """Build and run one guest in both places; never raises for what a guest does."""
    try:
        exe = builder.build(job.guest)
    except lab.BuildError as error:
        job.verdict.differing.append(("build", "compiles", "does not compile"))
        job.text = str(error)
        return job
    host = lab.Where(uid=args.uid)
    other = host if args.host_only else lab.Where(args.profile, args.machine, args.uid)
    # One behaviour: keep the child, so that a crash is named as in a full run.
    arguments = ["--limit", str(args.limit), *job.only, *job.only[:1]]
    oracle = lab.run_guest(exe, host, arguments, args.timeout)
    known = {}
    if not args.host_only:
        known = lab.known_lines(lab.load_expected(), job.guest, other, args.abi)
        if job.only:
            known = {line: why for line, why in known.items() if line in job.only}
    for _ in range(args.repeat if args.host_only else 1):
        seen = lab.run_guest(exe, other, arguments, args.timeout)
        job.verdict = lab.compare(oracle, seen, known)
        if not job.verdict.good:
            break
    if args.host_only:
        job.verdict.differing += broken_lines(oracle)
    job.text = lab.describe(job.verdict, "host", other.label)
    if not job.verdict.good and seen.errors:
        job.text += "\n  stderr of the run, last lines:\n"
        job.text += "\n".join(f"    {line}" for line in seen.errors.splitlines()[-8:])
    return job


def broken_lines(oracle: lab.Outcome) -> list[tuple[str, str | None, str | None]]:
    """Return lines that the host itself fails: a case that Linux fails is no test."""
    return [
        (name, "a behaviour that completes", said)
        for name, said in oracle.lines.items()
        if said.endswith("]") or not said
    ]


def show(job: Job, width: int) -> None:
    """Print a guest's row and, if it differs, the lines."""
    verdict = job.verdict
    bad = len(verdict.differing) + len(verdict.stale)
    state = f"{bad} differ" if bad else "ok"
    known = f"  ({len(verdict.known)} known)" if verdict.known else ""
    print(f"{job.guest:{width}}  {verdict.total:4}  {state}{known}")
    if job.text:
        print(job.text)
    sys.stdout.flush()


def listing(jobs: list[Job], builder: lab.Builder) -> dict[str, list[str]]:
    """Return each guest's behaviours, asked from the guest itself."""
    names = {}
    for job in jobs:
        argv = [str(builder.build(job.guest)), "--list"]
        names[job.guest] = subprocess.run(
            argv, capture_output=True, text=True, check=True, timeout=10
        ).stdout.split()
    return names


def main() -> int:
    """Run the command; return the exit status."""
    args = parse_args()
    jobs = wanted(args.guests)
    builder = lab.Builder(cache_directory(), args.abi, args.static)
    if args.count or args.list:
        names = listing(jobs, builder)
        for guest, lines in names.items():
            print(f"{guest:20} {len(lines):4}" + (f"  {' '.join(lines)}" if args.list else ""))
        print(f"{len(names)} guests, {sum(map(len, names.values()))} behaviours")
        return 0
    if args.print:
        for job in jobs:
            exe = builder.build(job.guest)
            arguments = ["--limit", str(args.limit), *job.only, *job.only[:1]]
            outcome = lab.run_guest(exe, lab.Where(uid=args.uid), arguments, args.timeout)
            for name, said in outcome.lines.items():
                print(f"{job.guest}.{name}: {said}")
            print(outcome.errors, end="")
        return 0
    width = max(len(job.guest) for job in jobs)
    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        for job in pool.map(lambda job: run_job(job, args, builder), jobs):
            show(job, width)
    bad = [job for job in jobs if not job.verdict.good]
    total = sum(job.verdict.total for job in jobs)
    wrong = sum(len(job.verdict.differing) + len(job.verdict.stale) for job in bad)
    print(f"{len(jobs)} guests, {total} lines, {wrong} wrong in {len(bad)} guests")
    return 1 if bad else 0


def stop(signo: int, _frame: object) -> None:
    """Take every running guest along when this command is ended."""
    lab.kill_all()
    os._exit(128 + signo)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    try:
        sys.exit(main())
    except lab.BuildError as error:
        sys.exit(str(error))
