"""Random system calls (fuzz.c): the kernel reports no bug, stays alive and leaves nothing behind.

RING3_FUZZ_SECONDS sets the length of each profile's run (20 s by default; the long run is meant to
reach a million calls and checks that with RING3_FUZZ_CALLS), RING3_FUZZ_SEED the first seed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SECONDS = float(os.environ.get("RING3_FUZZ_SECONDS", "20"))
SEED = int(os.environ.get("RING3_FUZZ_SEED", "1"))
ROUNDS = "30"
"""On the emulated machine, whose rounds are the same each time."""
CALLS = int(os.environ.get("RING3_FUZZ_CALLS", "5000"))
WATCHED = ("/dev/null", "/dev/zero", "/etc/passwd", "/bin/true", "/bin/sh")


def looks(paths: tuple[str, ...]) -> list[tuple[object, ...]]:
    """What must not change of files outside the grants."""
    found: list[tuple[object, ...]] = []
    for path in paths:
        st = os.stat(path)
        found.append((path, st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_ino))
        if not path.startswith("/dev/"):
            found.append((st.st_size, st.st_mtime_ns))
    return found


@pytest.mark.parametrize(
    ("profile", "bits"), [("fast", 64), ("full", 64), ("emulated", 64), ("emulated", 32)]
)
def test_random_calls(profile: str, bits: int, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    program, scratch, sentinel = tmp_path / "fuzz", tmp_path / "scratch", tmp_path / "sentinel"
    flags = [f"-m{bits}", "-O1", "-static", "-pthread", "-w", "-o", str(program)]
    built = subprocess.run([compiler, *flags, str(HERE / "fuzz.c")], check=False, timeout=60)
    if built.returncode:
        pytest.skip(f"no compiler for {bits} bits")
    scratch.mkdir()
    sentinel.write_text("untouched")
    watched = (*WATCHED, str(sentinel), str(program), str(tmp_path))
    before = looks(watched)
    command = [sys.executable, str(HERE / "fuzz_run.py"), profile, str(SECONDS), str(SEED),
               str(program), str(scratch)]  # fmt: skip
    environment = dict(os.environ)
    if profile == "emulated":
        environment.setdefault("RING3_FUZZ_ROUNDS", ROUNDS)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as runner:
        try:
            out, err = runner.communicate(timeout=SECONDS + 120)
        except subprocess.TimeoutExpired:
            runner.kill()
            raise
        left = children_of_session(runner.pid)
    assert runner.returncode == 0, err.decode()[-3000:]
    found = json.loads(out)
    print(f"{profile}: {found['calls']} calls in {found['rounds']} rounds")
    assert found["oopses"] == [], "\n".join(found["details"][:40])
    assert found["stuck"] == []
    assert found["dead"] == []
    assert found["calls"] >= CALLS
    assert looks(watched) == before
    assert sentinel.read_text() == "untouched"
    assert left == []


def children_of_session(pid: int) -> list[str]:
    """Vehicles whose kernel was *pid* and that outlived it: adopted by process 1."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{entry}/exe")
            with open(f"/proc/{entry}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if "memfd:ring3" in exe and parent in (1, pid):
            found.append(f"{entry}: {exe}")
    return found
