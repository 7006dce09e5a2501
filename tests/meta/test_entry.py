"""The bytes in entry_code.py and hooks_code.py are what entry.S and hooks.S assemble to."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "src" / "ring3" / "machine" / "emulated"


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("gcc", "ld", "objcopy", "nm")),
    reason="needs an assembler",
)
@pytest.mark.parametrize(
    ("function", "file"), [("generate", "entry_code.py"), ("generate_hooks", "hooks_code.py")]
)
def test_generated_code_is_current(function: str, file: str) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tools'); import entry;"
        f"sys.stdout.write(entry.{function}())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOM / file).read_text(), "run tools/entry.py"
