"""Each case of the tables prints on ring3 what it prints on the host, in both profiles."""

from __future__ import annotations

import functools

import pytest

from tests.programs import runner
from tests.programs.tables import CASES

#: Cases whose output on the emulated machine differs for what that machine is, with the reason.
NOT_EMULATED = {
    "nproc --all": "it has one CPU",
    "du -a --apparent-size -k dir/sub": "it lists directories by name, whatever the host's order",
    "find dir -printf %P\\ %s\\ %m\\ %y\\n": "as above",
    "bash: process substitution out": "the world ends with its first process; others come later",
    "build: make": "files below --rw carry the host's time, which runs ahead of the guest's",
    "tty: read a line": "typed before the program starts, it is echoed by both terminals",
}
BY_NAME = {case.name: case for case in CASES}
PARAMETERS = [
    pytest.param(case.name, id=case.name, marks=[pytest.mark.slow] if case.slow else [])
    for case in CASES
]


@functools.cache
def host_outcome(name: str) -> runner.Outcome:
    """Run the case on the host, once."""
    return runner.run_on("host", BY_NAME[name])


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(CASES)
    assert NOT_EMULATED.keys() <= BY_NAME.keys()


def test_coreutils_are_a_hundred() -> None:
    from tests.programs.tables import coreutils

    assert len(coreutils.CASES) >= 100


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("profile", [*runner.PROFILES, "emulated"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_same_as_on_the_host(name: str, profile: str) -> None:
    case = BY_NAME[name]
    if profile == "emulated":
        pytest.importorskip("unicorn", reason="pip install 'ring3[emulated]'")
        if name in NOT_EMULATED:
            pytest.skip(NOT_EMULATED[name])
    if absent := runner.missing(case):
        pytest.skip(f"not installed: {', '.join(absent)}")
    host = host_outcome(name)
    assert host.status != runner.TIMED_OUT, "the host itself did not finish"
    outcome = runner.run_on(profile, case)
    said = runner.difference(case, host, outcome)
    assert not said, "\n" + said
