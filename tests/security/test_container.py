"""ring3 as an ordinary user without capabilities, under a container engine's default filter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
SCRIPT = """
id -u; echo piped | cat
/usr/bin/python3 -c 'import threading as t; x = t.Thread(target=print, args=(42,)); x.start()'
"""


def python_for_anyone() -> str:
    """A Python that another user may execute (a developer's own may lie in a private home)."""
    return "/usr/bin/python3" if os.getuid() == 0 else sys.executable


@pytest.fixture(scope="module")
def source() -> Path:
    """A copy of the package that anyone can read."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="ring3-container-"))
    folder.chmod(0o755)
    shutil.copytree(ROOT / "src" / "ring3", folder / "ring3")
    yield folder  # type: ignore[misc]
    shutil.rmtree(folder)


@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
@pytest.mark.parametrize("profile", ["fast", "full"])
def test_under_a_containers_filter(source: Path, profile: str, pure: str) -> None:
    python = python_for_anyone()
    if not Path(python).exists():
        pytest.skip(f"no {python}")
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    launcher = [python, str(source / "container.py"), str(uid)]
    shutil.copy(Path(__file__).with_name("container.py"), source)
    done = subprocess.run(
        [*launcher, python, "-m", "ring3", "run", "--profile", profile, "--", "bash", "-c", SCRIPT],
        cwd="/tmp",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(source), "RING3_PURE": pure},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{uid}\npiped\n42\n"), done.stderr


def test_the_filter_is_in_force(source: Path) -> None:
    """The launcher really refuses what such a container refuses."""
    shutil.copy(Path(__file__).with_name("container.py"), source)
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    done = subprocess.run(
        [python_for_anyone(), str(source / "container.py"), str(uid), "unshare", "-U", "true"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode != 0
    assert "not permitted" in done.stderr
