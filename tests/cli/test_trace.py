"""ring3 trace with real programs, held against strace of the same program on the host."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import LIMIT_S, ring3

PYTHON = "/usr/bin/python3"
PROGRAMS = {
    "ls": ["ls", "-la"],
    "cat": ["cat", "a.txt"],
    "bash": ["bash", "-c", "x=$(ls | wc -l); echo $x; sleep 0.05 & wait; cat < a.txt | sort"],
    "python": [PYTHON, "-S", "-c", "import threading, subprocess, socket, tempfile\n"
               "t = threading.Thread(target=print); t.start(); t.join()\n"
               "subprocess.run(['true']); a, b = socket.socketpair(); a.send(b'x'); b.recv(3)"],
    "tar": ["tar", "cf", "x.tar", "a.txt", "/usr/share/doc/bash"],
}  # fmt: skip
LEAST_SHARE = 0.93
"""Of the different line shapes that strace prints, so many must be in ours. The rest is what two
kernels and two file trees cannot share: entropy, times, device numbers, calls of the vDSO."""


def shapes(path: Path) -> list[str]:
    """Lines without process ids, numbers, pointers and the contents of buffers."""
    found = []
    for line in path.read_text(errors="replace").splitlines():
        pid, _, text = line.partition(" ")
        assert pid.isdigit(), line
        if "unfinished ..." in text or "resumed>" in text:
            continue
        text = re.sub(r'(read|write|getrandom|pread64)\((\w*),? ?"[^"]*"(\.\.\.)?', r"\1(", text)
        text = re.sub(r"0x[0-9a-f]+|\b\d+\b", "#", text)
        found.append(re.sub(r" +", " ", text.strip()))
    return found


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("hello\nworld\n")
    return folder


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to compare with")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_trace_looks_like_straces(tmp_path: Path, name: str) -> None:
    argv = PROGRAMS[name]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"needs {argv[0]}")
    theirs, ours = tmp_path / "strace.out", tmp_path / "ring3.out"
    subprocess.run(
        ["strace", "-f", "-o", str(theirs), *argv],
        cwd=prepared(tmp_path / "one"),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT_S,
    )
    guest = ["--clear-env", "-E", "PATH=/usr/bin:/bin", "-E", "LC_ALL=C"]
    done = ring3(
        "trace", "-f", "-o", str(ours), *guest, "--", *argv, cwd=prepared(tmp_path / "two")
    )
    assert done.returncode == 0, done.stderr
    expected, found = set(shapes(theirs)), shapes(ours)
    missing = sorted(expected - set(found))
    share = 1 - len(missing) / len(expected)
    assert share >= LEAST_SHARE, f"{share:.2f}\n" + "\n".join(missing)
    assert found[0].startswith("execve(")
    assert found[-1] == "+++ exited with # +++"


def test_the_output_of_a_trace_is_on_standard_error(tmp_path: Path) -> None:
    done = ring3("trace", "-e", "trace=openat,write", "echo", "hi", cwd=tmp_path)
    assert done.stdout == "hi\n"
    lines = done.stderr.splitlines()
    assert 'write(1, "hi\\n", 3)                     = 3' in lines
    assert lines[-1] == "+++ exited with 0 +++"
    assert all(line.startswith(("openat(", "write(", "+++")) for line in lines)


def test_the_status_is_the_guests(tmp_path: Path) -> None:
    assert ring3("trace", "-o", "out", "sh", "-c", "exit 9", cwd=tmp_path).returncode == 9
    assert ring3("trace", "-o", "out", "nosuchprogram", cwd=tmp_path).returncode == 127
    assert ring3("trace", "-o", "out", "sh", "-c", "kill $$", cwd=tmp_path).returncode == -15
    assert (tmp_path / "out").read_text().endswith("+++ killed by SIGTERM +++\n")


def test_one_file_per_process(tmp_path: Path) -> None:
    ring3("trace", "-ff", "-o", "t", "sh", "-c", "true; sh -c true & wait", cwd=tmp_path)
    files = sorted(tmp_path.glob("t.*"))
    assert len(files) >= 2
    assert all(f.read_text().rstrip().endswith("+++ exited with 0 +++") for f in files)


def test_counting(tmp_path: Path) -> None:
    done = ring3("trace", "-c", "-f", "sh", "-c", "ls; cat /no/such", cwd=tmp_path)
    lines = done.stderr.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("% time"))
    rows = {line.split()[-1]: line.split() for line in lines[head + 2 :]}
    assert {"execve", "openat", "mmap", "total"} <= set(rows)
    assert int(rows["openat"][4]) >= 1, "errors are counted"
    assert rows["total"][0] == "100.00"


def test_signals_and_handlers_are_shown(tmp_path: Path) -> None:
    script = 'trap "echo t" USR1; kill -USR1 $$; exit 0'
    done = ring3("trace", "-e", "kill,rt_sigreturn", "sh", "-c", script, cwd=tmp_path)
    assert "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=" in done.stderr
    assert re.search(r"^rt_sigreturn\(\{mask=\[.*\]\}\) += 0$", done.stderr, re.MULTILINE)


def test_descriptors_show_their_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    done = ring3("trace", "-y", "-e", "read,openat", "cat", "f", cwd=tmp_path)
    assert f'openat(AT_FDCWD<{tmp_path}>, "f", O_RDONLY) = 3<{tmp_path}/f>' in done.stderr
    assert f'read(3<{tmp_path}/f>, "x", ' in done.stderr
