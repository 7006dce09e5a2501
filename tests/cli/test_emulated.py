"""``--machine emulated`` on the command line: what it says where it cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
WITHOUT_UNICORN = (
    "import sys; sys.modules['unicorn'] = None; from ring3.cli.main import entry; entry()"
)


@pytest.mark.parametrize("command", [["run"], ["run", "--verify"], ["trace"], ["explain"]])
def test_without_unicorn_it_says_what_to_install(command: list[str], tmp_path: Path) -> None:
    argv = [sys.executable, "-c", WITHOUT_UNICORN, *command, "--machine", "emulated", "true"]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 125, done.stderr
    assert "the emulated machine needs Unicorn: pip install 'ring3[emulated]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", [["--seed", "1"], ["--verify"], ["--disk", "/dev/null"]])
def test_its_options_need_it(option: list[str], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "ring3", "run", *option, "true"]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 125, done.stderr
    assert f"{option[0]} needs --machine emulated" in done.stderr
