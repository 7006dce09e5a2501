"""``run --verify``: both runs see outputs of one kind, and what differs is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("unicorn")

LIMIT_S = 120
LOOKS = (
    "import os, sys, fcntl\n"
    "for n in (1, 2): print(os.fstat(n), os.isatty(n), fcntl.fcntl(n, fcntl.F_GETFL))\n"
    "print(os.readlink('/proc/self/fd/1'))\n"
)


def verify(
    *command: str, cwd: Path, stdout: int, stdin: int = subprocess.DEVNULL, timed: int = LIMIT_S
) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "ring3", "run", "--machine", "emulated", "--rw", ".", "--verify"]
    return subprocess.run(
        [*words, *command], cwd=cwd, stdout=stdout, stdin=stdin, stderr=subprocess.PIPE,
        timeout=timed,
    )  # fmt: skip


@pytest.mark.parametrize("to", ["pipe", "file", "appended", "null"])
def test_both_runs_see_the_same_output(to: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("before\n")
    os.utime(out, (1, 1))
    flags = {"file": os.O_WRONLY, "appended": os.O_WRONLY | os.O_APPEND}.get(to)
    fd = {"pipe": subprocess.PIPE, "null": subprocess.DEVNULL}.get(to, -1)
    if flags is not None:
        fd = os.open(out, flags)
    done = verify("/usr/bin/python3", "-ISc", LOOKS, cwd=tmp_path, stdout=fd)
    if flags is not None:
        os.close(fd)
    assert done.returncode == 0, done.stderr
    assert b"verified: " in done.stderr
    if to == "appended":
        assert out.read_text().count("os.stat_result") == 2  # the first run's only


def test_a_program_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    done = verify("no-such-program", cwd=tmp_path, stdout=subprocess.PIPE)
    assert done.returncode == 127
    assert done.stderr.splitlines() == [b"ring3: no-such-program: command not found"] * 1


def test_a_file_that_changes_between_the_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "grows").write_text("")
    done = verify(
        "sh", "-c", "echo x >> grows; wc -c < grows", cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert (done.returncode, done.stdout) == (125, b"2\n"), done.stderr
    assert b"the runs differ at trap" in done.stderr and b"second run: thread" in done.stderr
