"""ring3 doctor tries things for real; what it says of this host must agree with the host."""

from __future__ import annotations

import os

import pytest

from ring3.cli import probes
from ring3.cli.doctor import as_text
from ring3.cli.probes import Finding


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in findings}


def test_probes_agree_with_the_host() -> None:
    found = by_name([*probes.host(), *probes.rest(), *probes.own_parts()])
    assert found["processor"].value == os.uname().machine
    assert found["kernel"].value == os.uname().release
    assert f"{len(os.sched_getaffinity(0))} usable" in found["CPUs"].value
    assert found["pidfd"].state == "yes"
    assert all(f.state in ("yes", "no", "limited", "info") for f in found.values())
    assert all(f.meaning.endswith(".") for f in found.values())


def test_a_refusal_is_told_with_its_errno() -> None:
    assert probes.told(-1) == ("no", "refused: EPERM")
    assert probes.softly(-38) == ("limited", "refused: ENOSYS")
    assert probes.told(4, "version 4") == ("yes", "version 4")


def test_probes_leave_no_trace_and_survive_their_child() -> None:
    before = os.listdir("/proc/self/fd")
    assert probes.in_child(lambda: 7) == 7
    assert probes.in_child(lambda: os._exit(3)) == -5

    def fails() -> int:
        raise PermissionError(1, "no")

    assert probes.in_child(fails) == -1
    assert len(os.listdir("/proc/self/fd")) == len(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_verdict() -> None:
    good = Finding("x", "yes", "works", "Meaning.", True)
    assert as_text([good], True).endswith("Guests run natively here.\n")
    assert "MISSING  y" in as_text([Finding("y", "no", "-", "Meaning.", True)], False)
