"""The ring-0 text's bytes are what entry.S assembles to."""

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
def test_entry_code_is_current() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tools'); import entry; sys.stdout.write(entry.generate())"
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
    assert done.stdout == (ROOM / "entry_code.py").read_text(), "run tools/entry.py"
