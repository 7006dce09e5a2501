"""What `ring3 run` imports: the start-up budget, kept as a list of names.

A module costs milliseconds at every start; those below each cost more than the whole kernel core
may. They are fine inside the function that needs them, if a simple program does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
DEAR = (
    "argparse asyncio collections ctypes dataclasses enum functools inspect json logging "
    "multiprocessing pathlib random re selectors shutil signal socket subprocess tempfile "
    "threading typing unittest urllib xml"
).split()
# typing is what annotations at run time would need; the kernel's own are strings.


def imported_by(statement: str) -> set[str]:
    """Give the names of all modules that *statement* leaves imported in a bare Python."""
    code = f"import sys; sys.path.insert(0, {str(SRC)!r}); {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["ring3", "ring3.__main__", "ring3.kernel"])
def test_start_up_imports_nothing_dear(module: str) -> None:
    dear = sorted(imported_by(f"import {module}") & set(DEAR))
    assert not dear, f"import {module} brings in {', '.join(dear)}"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "ls", "/usr"],
        ["run", "sh", "-c", "cat < /etc/hostname | wc; mkdir -p d; echo x > d/f; find d"],
        ["trace", "-f", "-o", os.devnull, "ls", "-l", "/usr"],
    ],
    ids=["run", "shell", "trace"],
)
def test_simple_programs_import_nothing_dear(words: list[str]) -> None:
    dear = sorted(imported_by(f"from ring3.cli.main import main; main({words!r})") & set(DEAR))
    assert not dear, f"ring3 {words[0]} brings in {', '.join(dear)}"


def test_the_probe_sees_a_dear_import() -> None:
    assert {"json", "re"} <= imported_by("import json")
