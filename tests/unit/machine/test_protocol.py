"""What the shim believes (shim/shim.h) is what the kernel believes (machine/native/protocol.py)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ring3.machine.native import protocol

HEADER = Path(__file__).resolve().parents[3] / "shim" / "shim.h"
SAME = (
    "SHIM_TEXT SLOTS SLOT_SIZE SLOT_STACK MAX_CMDS DOORBELL MAGIC REPLY_RUN REPLY_RESUME"
    " REPLY_ENTER KICK CMD_WAITS INTERRUPTED"
).split()


def defined() -> dict[str, int]:
    found = {}
    for name, value in re.findall(r"^#define (\w+)\s+\(?(-?\w+)\)?", HEADER.read_text(), re.M):
        found[name] = int(value.rstrip("UL"), 0)
    return found


@pytest.mark.parametrize("name", SAME)
def test_numbers(name: str) -> None:
    assert defined()[name] == getattr(protocol, name)


def test_no_number_is_left_out() -> None:
    assert set(defined()) == {*SAME, "REPLY_ERROR"}
    assert defined()["REPLY_ERROR"] == protocol.REPLY_ERROR >> 32  # the shim compares upper halves


def test_kinds_of_doorbells() -> None:
    kinds = dict(re.findall(r"(K_\w+) = (\d+)", HEADER.read_text()))
    for name in ("K_BOOT", "K_DONE", "K_CHILD", "K_SIGNAL"):
        assert int(kinds[name]) == getattr(protocol, name)


def test_layout_of_a_slot(tmp_path: Path) -> None:
    """As the compiler has it: offsets of its members, the size of a command, room for the stack."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "slot.c"
    source.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "{HEADER}"\n'
        "int main(void) { struct slot *s = 0;\n"
        'printf("%zu %zu %zu %zu %zu %zu\\n", offsetof(struct slot, frame),'
        " offsetof(struct slot, kicked), offsetof(struct slot, selector),"
        " offsetof(struct slot, cmds), sizeof(struct cmd), sizeof *s); }\n"
    )
    subprocess.run([compiler, "-o", tmp_path / "slot", source], check=True, timeout=60)
    said = subprocess.run([tmp_path / "slot"], capture_output=True, check=True, timeout=10).stdout
    frame, kicked, selector, cmds, command, whole = map(int, said.split())
    assert frame == protocol.FRAME_OFFSET
    assert selector == protocol.SELECTOR_OFFSET
    assert cmds == protocol.CMDS_OFFSET
    assert command == protocol.CMD.size
    assert whole <= 0x3800  # where ``loading`` puts the strings of an exec
    # The assembly of the shim names it by its number.
    assert kicked == 16 and "cmpq $0,16(" in HEADER.with_name("shim.c").read_text()


def test_the_window_holds_the_text_and_no_slot_lies_in_it() -> None:
    assert protocol.SLOTS + protocol.SLOTS_MAX * protocol.SLOT_SIZE <= protocol.SHIM_TEXT
    assert protocol.SHIM_TEXT & 0xFFFFFFFF == 0  # the filter compares the upper half alone
    assert f"0x{protocol.SHIM_WINDOW:x}" in HEADER.with_name("shim.c").read_text()
