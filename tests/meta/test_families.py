"""The index of call families says what the declarations say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ring3.syscalls.families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]


def test_families_are_current() -> None:
    code = (
        "import sys, json; sys.path.insert(0, 'tools'); import families;"
        "print(json.dumps(families.declarations()))"
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
    declared = json.loads(done.stdout)
    assert len(declared) > 20
    assert {name: calls.split() for name, calls in FAMILIES.items()} == declared, (
        "run tools/families.py"
    )
