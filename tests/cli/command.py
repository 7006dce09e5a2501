"""Running the command in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIMIT_S = 60


def ring3(
    *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``ring3 WORDS`` to its end; its output as text."""
    return subprocess.run(
        [sys.executable, "-m", "ring3", *words],
        cwd=cwd,
        env=dict(os.environ, LC_ALL="C", **(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
    )
