"""Guests that take all they can get: limits answer, the kernel lives, nothing is left behind."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ring3.kernel import Kernel

HERE = Path(__file__).resolve().parent
PROFILES = ("fast", "full")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("bombs") / "bombs"
    flags = ["-O1", "-static", "-pthread", "-w", "-o", str(program)]
    subprocess.run([compiler, *flags, str(HERE / "bombs.c")], check=True, timeout=60)
    return program


def run(program: Path, *options: str, arg: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ring3", "run", "--kernel-log", "--ro", str(program), *options]
    return subprocess.run(
        [*command, "--", str(program), arg],
        capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the listing's own
    return found


def children() -> list[int]:
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            found += map(int, Path(f"/proc/self/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("kind", "said"), [("fork", "1 EAGAIN\n"), ("threads", "EAGAIN\n")])
def test_task_bomb(bombs: Path, profile: str, kind: str, said: str) -> None:
    done = run(bombs, "--profile", profile, "--pids", "60", arg=kind)
    assert (done.stdout, done.returncode) == (said, 0), done.stderr
    assert "oops" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", ["heap", "memfd"])
def test_memory_bomb(bombs: Path, profile: str, kind: str) -> None:
    done = run(bombs, "--profile", profile, "--mem", "100M", arg=kind)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done
    assert "out of memory: " in done.stderr
    assert "killed process 2" in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_descriptor_bomb(bombs: Path, profile: str) -> None:
    done = run(bombs, "--profile", profile, arg="fds")
    assert done.stdout == "1 EMFILE EMFILE\n", done.stderr
    assert "oops" not in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_kernel_runs_out_of_descriptors(bombs: Path, profile: str) -> None:
    done = run(bombs, "--profile", profile, arg="pipes")
    assert done.stdout == "40 0\n", done.stderr
    assert "oops" not in done.stderr and "Traceback" not in done.stderr


def test_many_spawns_leak_no_descriptor() -> None:
    with Kernel() as kernel:
        counts = []
        for _ in range(4):
            for _ in range(10):
                guest = kernel.spawn(["/bin/sh", "-c", "ls / | wc -l; cat /proc/self/status"],
                                     stdin=None, stdout=None, stderr=None)  # fmt: skip
                guest.wait(20)
            counts.append(len(descriptors()))
        assert counts[-1] <= counts[0] + 1, descriptors()


@pytest.mark.parametrize("profile", PROFILES)
def test_close_gives_everything_back(profile: str) -> None:
    Kernel(profile=profile).close()  # what is made once stays
    before = descriptors()
    for _ in range(5):
        with Kernel(profile=profile) as kernel:
            kernel.spawn(["/bin/sh", "-c", "sleep 100 & sleep 100 | cat"],
                         stdin=None, stdout=None, stderr=None)  # fmt: skip
            time.sleep(0.1)
    assert children() == []
    gc.collect()  # directories that were looked at while the guest died go with their inodes
    assert len(descriptors()) <= len(before), set(descriptors().items()) - set(before.items())


@pytest.mark.parametrize("profile", PROFILES)
def test_no_vehicle_survives_its_kernel(profile: str, tmp_path: Path) -> None:
    """SIGKILL to ring3 itself, at several moments of a guest that forks, vforks and execs."""
    script = "while :; do (sleep 0.01; :) & /bin/echo x | cat > /dev/null; done"
    in_tmp = set(os.listdir("/tmp"))
    for round_ in range(8):
        mark = f"r3mark{os.getpid()}x{round_}"
        with subprocess.Popen(
            [sys.executable, "-m", "ring3", "run", "--profile", profile, "--", "sh", "-c", script],
            env={**os.environ, "MARK": mark}, cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as kernel:  # fmt: skip
            deadline = time.monotonic() + 10
            while len(vehicles_of(kernel.pid)) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.03 * round_)
            mine = vehicles_of(kernel.pid)
            while not mine and time.monotonic() < deadline:  # between two programs
                mine = vehicles_of(kernel.pid)
            kernel.kill()
            kernel.wait(10)
        assert mine, "the kernel had no vehicle yet"
        deadline = time.monotonic() + 5
        while any(map(is_alive, mine)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [pid for pid in mine if is_alive(pid)] == []
    left = set(os.listdir("/tmp")) - in_tmp
    assert [name for name in left if re.fullmatch(r"ring3-[a-z0-9_]{8}", name)] == []


def vehicles_of(pid: int) -> list[int]:
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
