"""Developer's command: CPython's own tests on ring3, with the differences from the host.

python tests/cpython/run.py [MODULE ...] [--profile fast|full|emulated] [--update] [--fresh]
                            [--jobs N]

Without modules, those of `make test`. --update rewrites these modules' part of passing.txt; --fresh
runs the host again instead of using the verdicts it kept in tests/cpython/build.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.cpython import runner


def compare(module: str, profile: str, fresh: bool) -> tuple[str, runner.Verdicts, runner.Verdicts]:
    """Run one module on both sides."""
    host = runner.host_verdicts(module, fresh)
    if profile == "host":
        return module, host, runner.run_module("host", module)
    return module, host, runner.run_module(profile, module, quiet_s=120, bound_s=1800)


def tell(module: str, host: runner.Verdicts, ours: runner.Verdicts, verbose: bool) -> None:
    """Print one module's differences."""
    wanted, passed = host.passed(), ours.passed()
    share = 100 * len(wanted & passed) / len(wanted) if wanted else 100.0
    print(
        f"== {module}: host {len(wanted)} pass in {host.seconds:.1f} s,"
        f" ring3 {len(wanted & passed)} of them ({share:.1f}%) in {ours.seconds:.1f} s"
        + ("" if ours.complete else "  [did not reach its end]")
    )
    open_ones = [t for t in sorted(wanted - passed) if verbose or not runner.excluded(t)]
    for test in open_ones[: None if verbose else 25]:
        verdict = ours.by_id.get(test, "not run")
        print(f"  {verdict:7} {test}  {ours.why.get(test, '')[:160]}", flush=True)
    if len(open_ones) > 25 and not verbose:
        print(f"  and {len(open_ones) - 25} more; --verbose lists them")
    if module in ours.why and ours.by_id[module] == "crash":
        print(f"  the module itself: {ours.why[module]}")


def update(results: list[tuple[str, runner.Verdicts, runner.Verdicts]]) -> None:
    """Write the modules' tests that pass on both sides, and the counts, into passing.txt."""
    known, counts = runner.listed(), runner.recorded_counts()
    for module, host, ours in results:
        known[module] = host.passed() & ours.passed()
        counts[module] = (len(host.passed()), len(known[module]))
    lines = [
        "# Tests of CPython 3.11 (Debian) that pass on ring3 and must go on passing, written by",
        "# tests/cpython/run.py --update: MODULE TEST-ID. Counts: module, on the host, on ring3.",
    ]
    for module in sorted(known):
        if module in counts:
            lines.append(f"# count {module} {counts[module][0]} {counts[module][1]}")
        lines += [f"{module} {test}" for test in sorted(known[module])]
    runner.PASSING.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Run what is asked for; 1 if a test that is listed as passing did not pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--profile", default="fast", choices=["fast", "full", "emulated", "host"])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="list excluded tests too")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    if not runner.installed():
        print("not installed: apt install libpython3.11-testsuite python3.11", file=sys.stderr)
        return 2
    results = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        modules = asked.modules or list(runner.MODULES)
        for result in pool.map(lambda m: compare(m, asked.profile, asked.fresh), modules):
            tell(*result, asked.verbose)
            results.append(result)
    wanted = sum(len(h.passed()) for _, h, _ in results)
    passed = sum(len(h.passed() & o.passed()) for _, h, o in results)
    print(f"all: {passed} of {wanted} that pass on the host ({100 * passed / max(wanted, 1):.1f}%)")
    if asked.update:
        update(results)
    must = runner.listed()
    lost = [t for m, h, o in results for t in must.get(m, set()) & h.passed() - o.passed()]
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
