"""Every guest, on the host and on ring3, in both profiles: same lines, same exit status."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import guestlab as lab

#: The least that the project promised to cover; `run.py --count` tells how many there are.
PROMISED = 150
WHERES = [lab.Where(profile, machine) for machine in lab.MACHINES for profile in lab.PROFILES]
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


@pytest.mark.parametrize("where", WHERES, ids=lambda where: where.label)
@pytest.mark.parametrize("guest", lab.guest_names())
def test_same_as_host(
    guest: str, where: lab.Where, builder: lab.Builder, expected: list[lab.Deviation]
) -> None:
    """Each line is what the host's Linux prints, but for the listed deviations."""
    exe = builder.build(guest)
    oracle = on_host(exe)
    assert oracle.status == "exit 0", f"the host itself fails: {oracle}"
    seen = lab.run_guest(exe, where, [], TIMEOUT)
    known = lab.known_lines(expected, guest, where, builder.abi)
    verdict = lab.compare(oracle, seen, known)
    report = lab.describe(verdict, right=where.label)
    assert verdict.good, f"{guest} on {where.label}\n{report}\n{seen.errors[-2000:]}"


@pytest.mark.parametrize("guest", lab.guest_names())
def test_host_completes_every_line(guest: str, builder: lab.Builder) -> None:
    """A case that Linux itself fails, or that says nothing, is no test."""
    oracle = on_host(builder.build(guest))
    broken = {name: said for name, said in oracle.lines.items() if not said or said.endswith("]")}
    assert not broken


def test_enough_behaviours(builder: lab.Builder) -> None:
    """The suite holds what issue 2 asks for."""
    lines = sum(len(on_host(builder.build(guest)).lines) for guest in lab.guest_names())
    assert lines >= PROMISED
