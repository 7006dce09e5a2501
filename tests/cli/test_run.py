"""ring3 run: statuses, the default view, options."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import LIMIT_S, ring3


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$"], -signal.SIGKILL),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["sh", "-c", "kill -SEGV $$"], -signal.SIGSEGV),
        (["nosuchprogram"], 127),
        (["/nonexistent/program"], 127),
        (["/etc/passwd"], 126),
        (["--nosuchoption", "true"], 125),
        ([], 125),
        (["--timeout", "0.3", "sleep", "30"], 124),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_the_status_is_the_guests(tmp_path: Path, words: list[str], status: int) -> None:
    done = ring3("run", *words, cwd=tmp_path)
    assert done.returncode == status, done.stderr


def test_writes_are_thrown_away_unless_granted(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("old\n")
    (tmp_path / "out").mkdir()
    script = "cat in; echo new > in; cat in; echo x > out/x; rm -f gone; touch added"
    done = ring3("run", "sh", "-c", script, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("old\nnew\n", 0)
    assert (tmp_path / "in").read_text() == "old\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]
    assert not list((tmp_path / "out").iterdir())
    done = ring3("run", "--rw", "out", "sh", "-c", script, cwd=tmp_path)
    assert (tmp_path / "out" / "x").read_text() == "x\n"
    assert (tmp_path / "in").read_text() == "old\n"


def test_changes_can_be_listed_and_kept(tmp_path: Path) -> None:
    work, kept = tmp_path / "work", tmp_path / "kept"
    work.mkdir()
    for name in ("changed", "gone", "same"):
        (work / name).write_text("old\n")
    script = "echo new > changed; rm gone; mkdir d; echo hi > d/f; ln -s f d/l"
    done = ring3("run", "--diff", "--keep", str(kept), "sh", "-c", script, cwd=work)
    listed = [line.split(" ", 1) for line in done.stdout.splitlines()]
    told = {(kind, os.path.relpath(path, work)) for kind, path in listed}
    assert told == {("C", "changed"), ("D", "gone"), ("A", "d"), ("A", "d/f"), ("A", "d/l")}
    saved = kept / work.relative_to("/")
    assert (saved / "changed").read_text() == "new\n"
    assert (saved / "d" / "f").read_text() == "hi\n"
    assert os.readlink(saved / "d" / "l") == "f"
    assert not (saved / "same").exists()


def test_options_change_what_the_guest_sees(tmp_path: Path) -> None:
    def told(*words: str) -> str:
        done = ring3("run", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert told("--workdir", "/usr", "pwd") == "/usr"
    assert told("--hostname", "guest", "uname", "-n") == "guest"
    assert told("--uid", "12:34", "--workdir", "/", "sh", "-c", "id -u; id -g") == "12\n34"
    assert told("--clear-env", "--env", "A=1", "--env", "B=", "/usr/bin/env") == "A=1\nB="
    hidden = tmp_path.parent / f"{tmp_path.name}-hidden"
    hidden.write_text("shown\n")
    assert "No such file" in ring3("run", "cat", str(hidden), cwd=tmp_path).stderr
    assert told("--ro", str(hidden), "cat", str(hidden)) == "shown"


def test_a_refusal_is_explained_with_the_grant(tmp_path: Path) -> None:
    hidden = tmp_path.parent / f"{tmp_path.name}-secret"
    hidden.write_text("x")
    done = ring3("run", "--explain-denials", "cat", str(hidden), cwd=tmp_path)
    assert f"(smallest grant: --ro {hidden})" in done.stderr
    assert "refused:" not in ring3("run", "cat", str(hidden), cwd=tmp_path).stderr


def test_a_signal_to_ring3_reaches_the_guest(tmp_path: Path) -> None:
    script = 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    guest = subprocess.Popen(
        [sys.executable, "-m", "ring3", "run", "sh", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert guest.stdout is not None
        assert guest.stdout.readline() == "ready\n"
        guest.send_signal(signal.SIGTERM)
        assert guest.stdout.readline() == "caught\n"
        assert guest.wait(LIMIT_S) == 5
    finally:
        guest.kill()
        guest.wait()


def test_no_guest_survives_ring3(tmp_path: Path) -> None:
    """SIGKILL to ring3 ends its guests too."""
    mark = f"97{os.getpid()}"
    guest = subprocess.Popen(
        [sys.executable, "-m", "ring3", "run", "sh", "-c", f"echo ready; sleep {mark}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert guest.stdout is not None
    assert guest.stdout.readline() == "ready\n"
    children = Path(f"/proc/{guest.pid}/task/{guest.pid}/children")
    pids = [int(p) for t in Path(f"/proc/{guest.pid}/task").iterdir()
            for p in (t / "children").read_text().split()]  # fmt: skip
    assert pids, children
    guest.kill()
    guest.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_guests_see_all_cpus_though_they_share_one(tmp_path: Path) -> None:
    done = ring3("run", "nproc", cwd=tmp_path)
    assert int(done.stdout) == len(os.sched_getaffinity(0))
