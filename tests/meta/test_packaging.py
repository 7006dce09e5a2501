"""The three ways in lead to the same files: source distribution, wheel, and a build in the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEEP = (
    "src",
    "shim",
    "tools",
    "Makefile",
    "MANIFEST.in",
    "pyproject.toml",
    "setup.py",
    "README.md",
)
BUILT = shutil.ignore_patterns("*.so", "*.elf", "__pycache__", "*.egg-info", ".venv", "build")
NATIVE = "ring3/machine/native/"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def build(tree: Path, what: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one hook of the build backend in *tree*; what it makes goes to tree/dist."""
    code = f"import setuptools.build_meta as b; print('made', b.build_{what}('dist'))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=env, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a source distribution from a clean copy and unpack it: what pip would build from."""
    pytest.importorskip("setuptools", minversion="77")
    tree = tmp_path_factory.mktemp("tree")
    for name in (*KEEP, "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=BUILT)
        else:
            shutil.copy(source, tree)
    done = build(tree, "sdist", dict(os.environ))
    assert done.returncode == 0, done.stderr
    (archive,) = (tree / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        tar.extractall(tree / "out", filter="data")
    assert not [n for n in names if n.endswith((".so", ".elf", ".pyc"))]
    (top,) = (tree / "out").iterdir()
    return top


def test_the_wheel_ships_both_compiled_parts(unpacked: Path) -> None:
    done = build(unpacked, "wheel", dict(os.environ))
    assert done.returncode == 0, done.stderr
    (wheel,) = (unpacked / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        shim = archive.read(NATIVE + "shim.elf")
    assert shim[:4] == b"\x7fELF" and len(shim) < 65536
    assert "linux_x86_64" in wheel.name
    assert any(n.startswith(NATIVE + "_trap.") and n.endswith(".so") for n in names)
    assert "ring3/py.typed" in names
    assert not [n for n in names if n.startswith(("tests/", "bench/", "tools/"))]


def test_without_a_compiler_the_message_names_the_packages(unpacked: Path, tmp_path: Path) -> None:
    for tool in ("sh", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    env = {**os.environ, "PATH": str(tmp_path), "CC": ""}
    (unpacked / "src" / NATIVE / "shim.elf").unlink(missing_ok=True)
    done = build(unpacked, "wheel", env)
    assert done.returncode != 0
    assert "apt install gcc make" in done.stderr


def test_building_in_the_tree_happens_once(unpacked: Path) -> None:
    program = [sys.executable, str(unpacked / "tools" / "build_native.py")]

    def said() -> str:
        done = subprocess.run(program, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stderr

    said()
    assert "building" not in said()
    os.utime(unpacked / "shim" / "shim.c")
    assert "shim.elf" in said()
