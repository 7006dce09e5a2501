"""I/O ports of ring 3: the TSS's permission bitmap, ioperm(2) and iopl(2).

Source: SDM Vol. 1, 18.5 (protected-mode I/O); arch/x86/kernel/ioport.c: iopl(3) allows ports, not
CLI. The host that the suite runs on need not have the calls, so the lines are written out here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("unicorn")
HERE = Path(__file__).resolve().parent
SRC = HERE.parents[1] / "src"
EXPECTED = """\
at first: refused
ioperm: 0
with ioperm: allowed
ioperm: 0
without: refused
iopl 3: 0
with iopl: allowed
cli: refused
iopl 0: 0
without: refused
beyond: Invalid argument
setuid: 0
as a user: Operation not permitted
as a user: Operation not permitted
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("bits", ["-m64", "-m32"])
def test_ports_are_for_who_may(bits: str, tmp_path: Path) -> None:
    guest = tmp_path / "ports"
    built = subprocess.run(
        ["gcc", bits, "-O1", "-static", "-o", guest, HERE / "ports.c"], capture_output=True
    )
    if built.returncode:
        pytest.skip(f"gcc cannot link for {bits} here")
    command = ["-m", "ring3", "run", "--machine", "emulated", "--uid", "0:0", str(guest)]
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == EXPECTED, done.stderr
