"""The Python interface on the native machine: its doctests, and what subprocess users expect."""

from __future__ import annotations

import asyncio
import doctest
import os
import subprocess
from pathlib import Path

import pytest

import ring3
from ring3 import api
from ring3.abi.errno import ENOSPC


def test_doctests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(api)
    assert tried >= 10
    assert failed == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", "echo out; echo err >&2; exit 3"],
        ["sh", "-c", "kill -TERM $$"],
        ["cat"],
        ["true"],
    ],
)
def test_run_is_as_subprocess_has_it(argv: list[str]) -> None:
    host = subprocess.run(argv, input="given", capture_output=True, text=True, timeout=30)
    guest = ring3.run(argv, input="given", capture_output=True, text=True, timeout=30)
    assert (guest.returncode, guest.stdout, guest.stderr) == (
        host.returncode,
        host.stdout,
        host.stderr,
    )


def test_errors_are_those_of_subprocess() -> None:
    with pytest.raises(FileNotFoundError):
        ring3.run(["no-such-program"])
    with pytest.raises(PermissionError):
        ring3.run(["/etc/passwd"])
    with pytest.raises(ring3.CalledProcessError):
        ring3.run(["false"], check=True)
    with pytest.raises(ring3.TimeoutExpired):
        ring3.run(["sleep", "30"], timeout=0.3)


def test_changes_and_denials_are_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    cwd = tmp_path / "work"
    cwd.mkdir()
    done = ring3.run(
        ["sh", "-c", f"echo 1 > made; cat {secret}"], cwd=str(cwd), capture_output=True
    )
    assert ("added", f"{cwd}/made") in done.changes
    assert not (cwd / "made").exists()
    assert f"--ro {secret}" in [refusal.grant for refusal in done.denials]


def test_a_live_kernel_keeps_files_and_processes() -> None:
    with ring3.Kernel() as k:
        k.path("/tmp/dir").mkdir()
        k.path("/tmp/dir/a.txt").write_text("one")
        assert k.run(["cat", "/tmp/dir/a.txt"], capture_output=True).stdout == b"one"
        k.run(["sh", "-c", "echo two > /tmp/dir/b.txt"], check=True)
        assert k.path("/tmp/dir/b.txt").read_text() == "two\n"
        assert sorted(os.path.basename(p) for p in k.path("/tmp/dir").iterdir()) == [
            "a.txt",
            "b.txt",
        ]
        sleeper = k.popen(["sleep", "60"])
        assert sleeper.poll() is None
        sleeper.terminate()
        assert sleeper.wait(10) == -15


def test_a_handler_may_fail_a_call_or_answer_it() -> None:
    with ring3.Kernel() as k:
        seen = []

        @k.on("mkdir")
        def full(call: api.Call) -> type[ENOSPC]:
            seen.append(call.memory.load_string(call.args[0], 4096))
            return ENOSPC

        @k.on("getuid")
        def somebody(call: api.Call) -> int:
            return 4242

        assert k.run(["mkdir", "/tmp/x"], capture_output=True).returncode == 1
        assert seen == [b"/tmp/x"]
        assert k.run(["id", "-ru"], capture_output=True).stdout == b"4242\n"


def test_asyncio() -> None:
    done = asyncio.run(ring3.arun(["echo", "later"], capture_output=True, text=True))
    assert done.stdout == "later\n"
