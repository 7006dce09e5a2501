"""Every guest, on the host and on ring3, in both profiles: same lines, same exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import guestlab as lab

#: The least that the project promised to cover; `run.py --count` tells how many there are.
PROMISED = 150
#: (where, ABI of the guests): the native machine in both profiles, the emulated one in both ABIs.
WHERES = [(lab.Where(profile), "64") for profile in lab.PROFILES]
WHERES += [(lab.Where("full", "emulated"), abi) for abi in ("64", "32")]
TIMEOUT = 120.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc to build the guests"),
]


@pytest.fixture(scope="session")
def builder() -> Iterator[lab.Builder]:
    """Give the builder whose cache is this session's.

    Not below pytest's own directory: guests that give up root must still reach themselves.
    """
    with tempfile.TemporaryDirectory(prefix="ring3-guests-") as name:
        os.chmod(name, 0o755)
        yield lab.Builder(Path(name))


@pytest.fixture(scope="session")
def expected() -> list[lab.Deviation]:
    """Return the known deviations."""
    return lab.load_expected()


@cache
def on_host(exe: Path) -> lab.Outcome:
    """Run the oracle once for all profiles."""
    return lab.run_guest(exe, lab.Where(), [], TIMEOUT)


@pytest.mark.parametrize(("where", "abi"), WHERES, ids=[f"{w.label}-{abi}" for w, abi in WHERES])
@pytest.mark.parametrize("guest", lab.guest_names())
def test_same_as_host(
    guest: str, where: lab.Where, abi: str, builder: lab.Builder, expected: list[lab.Deviation]
) -> None:
    """Each line is what the host's Linux prints, but for the listed deviations."""
    if where.machine == "emulated":
        pytest.importorskip("unicorn", reason="pip install 'ring3[emulated]'")
    if abi == "32" and not has_32_bit():
        pytest.skip("gcc cannot link for -m32 here (Debian: gcc-multilib)")
    exe = lab.Builder(builder.cache, abi=abi).build(guest)
    oracle = on_host(exe)
    assert oracle.status == "exit 0", f"the host itself fails: {oracle}"
    seen = lab.run_guest(exe, where, [], TIMEOUT)
    known = lab.known_lines(expected, guest, where, abi)
    verdict = lab.compare(oracle, seen, known)
    report = lab.describe(verdict, right=where.label)
    if not verdict.good:
        pytest.fail(f"{guest} on {where.label}\n{report}\n{seen.errors[-2000:]}", pytrace=False)


def broken(oracle: lab.Outcome) -> dict[str, str]:
    """Return the lines that the host itself fails, or that say nothing: no tests."""
    return {name: said for name, said in oracle.lines.items() if not said or said.endswith("]")}


@pytest.mark.parametrize("guest", lab.guest_names())
def test_host_completes_every_line(guest: str, builder: lab.Builder) -> None:
    """A case that Linux itself fails is no test."""
    assert not broken(on_host(builder.build(guest)))


@pytest.mark.parametrize("guest", lab.guest_names())
def test_holds_on_32_bit(guest: str, builder: lab.Builder) -> None:
    """The same guest is a test of the i386 ABI too: it builds there and every line completes."""
    if not has_32_bit():
        pytest.skip("gcc cannot link for -m32 here (Debian: gcc-multilib)")
    exe = lab.Builder(builder.cache, abi="32").build(guest)
    assert not broken(on_host(exe))


@cache
def has_32_bit() -> bool:
    """Return whether the compiler and the C library are there for i386."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "empty.c")
        source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        command = ["gcc", "-m32", "-pthread", "-o", str(source.with_suffix("")), str(source)]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_enough_behaviours(builder: lab.Builder) -> None:
    """The suite holds what issue 2 asks for."""
    lines = sum(len(on_host(builder.build(guest)).lines) for guest in lab.guest_names())
    assert lines >= PROMISED


def test_comparison_tells_known_stale_and_new() -> None:
    """A listed line that passes is an error, as is one that is not listed and differs."""
    host = lab.Outcome({"a": "1", "b": "2", "c": "3"}, "exit 0")
    ring3 = lab.Outcome({"a": "1", "b": "x", "c": "y", "d": "4"}, "exit 1")
    verdict = lab.compare(host, ring3, {"a": "passes", "b": "deviates", "gone": "no such line"})
    assert verdict.known == ["b"]
    assert verdict.stale == ["a", "gone"]
    assert [name for name, _, _ in verdict.differing] == ["c", "d", "exit status"]
    assert not verdict.good
    assert lab.compare(host, host, {}).good
