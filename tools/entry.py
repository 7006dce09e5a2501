"""Write entry_code.py and hooks_code.py of src/ring3/machine/emulated: assembly as bytes.

Assembles entry.S (the ring-0 text) at its final address and hooks.S (hooks for x86-64 hosts) with
the host's gcc, ld and objcopy, so that the package needs no assembler. tests/meta/test_entry.py
regenerates both and compares.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOM = ROOT / "src" / "ring3" / "machine" / "emulated"
HEAD = '''"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

'''


def _run(*argv: str) -> bytes:
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


def _section(elf: str, name: str, folder: str) -> bytes:
    out = f"{folder}/{name.strip('.')}"
    # A data section would be left out of a binary image without these flags.
    flags = f"{name}=alloc,contents,load"
    _run("objcopy", "-O", "binary", "-j", name, "--set-section-flags", flags, elf, out)
    return Path(out).read_bytes()


def assemble() -> tuple[bytes, bytes, dict[str, int], list[tuple[int, int, int]]]:
    """(text, vsyscall page, symbol -> offset in text, exception table as offsets in text)."""
    sys.path.insert(0, str(ROOT / "src"))
    from ring3.machine.emulated.layout import TEXT, VSYSCALL

    with tempfile.TemporaryDirectory(prefix="ring3-entry-") as folder:
        obj, elf = f"{folder}/entry.o", f"{folder}/entry"
        _run("gcc", "-c", "-x", "assembler-with-cpp", "-o", obj, str(ROOM / "entry.S"))
        _run(
            "ld", "-nostdlib", "-static", "--build-id=none", "-e", "entry_syscall",
            f"-Ttext={TEXT:#x}", f"--section-start=.vsyscall={VSYSCALL:#x}",
            "--section-start=.extable=0x10000", "-o", elf, obj,
        )  # fmt: skip
        text = _section(elf, ".text", folder)
        page = _section(elf, ".vsyscall", folder)
        raw = _section(elf, ".extable", folder)
        symbols = {}
        for line in _run("nm", "--defined-only", "-g", elf).decode().splitlines():
            address, _, name = line.split()
            offset = int(address, 16) - TEXT
            if 0 <= offset <= len(text):
                symbols[name] = offset
    table = [
        (start - TEXT, end - TEXT, fixup - TEXT)
        for start, end, fixup in struct.iter_unpack("<3Q", raw)
    ]
    return text, page.rstrip(b"\xcc"), symbols, table


def generate_hooks() -> str:
    """The text of hooks_code.py."""
    with tempfile.TemporaryDirectory(prefix="ring3-hooks-") as folder:
        obj = f"{folder}/hooks.o"
        _run("gcc", "-c", "-x", "assembler-with-cpp", "-o", obj, str(ROOM / "hooks.S"))
        text = _section(obj, ".text", folder)
        places = {}
        for line in _run("nm", "--defined-only", "-g", obj).decode().splitlines():
            address, _, name = line.split()
            places[name] = int(address, 16)
    out = [
        '"""Hooks as machine code. Generated from hooks.S by tools/entry.py; do not edit."""\n\n'
    ]
    out.append("from __future__ import annotations\n\n")
    out.append("from ring3.abi.hints import Final\n\nHOOKS: Final = {\n")
    for name in sorted(name for name in places if not name.endswith("_end")):
        code = text[places[name] : places[f"{name}_end"]]
        lines = [f'"{line}"' for line in textwrap.wrap(code.hex(), 88)]
        value = "\n        ".join(lines)
        out.append(
            f'    "{name}": (\n        {value}\n    ),\n'
            if lines[1:]
            else f'    "{name}": ({value}),\n'
        )
    out.append('}\n"""name -> machine code, in hex."""\n')
    return "".join(out)


def _literal(data: bytes) -> str:
    return "".join(f'    "{line}"\n' for line in textwrap.wrap(data.hex(), 92))


def generate() -> str:
    """The text of entry_code.py."""
    text, page, symbols, table = assemble()
    out = [HEAD]
    out.append(f"TEXT_HEX: Final = (\n{_literal(text)})\n")
    out.append('"""What entry.S assembles to at layout.TEXT."""\n\n')
    out.append(f"VSYSCALL_HEX: Final = (\n{_literal(page)})\n")
    out.append('"""The vsyscall page, to be filled up with INT3 (0xCC)."""\n\n')
    out.append("SYMBOLS: Final = {\n")
    for name, offset in sorted(symbols.items(), key=lambda item: (item[1], item[0])):
        if not name.startswith("__") and not name.startswith("_e") and name not in ("edata", "end"):
            out.append(f'    "{name}": 0x{offset:X},\n')
    out.append('}\n"""name -> offset in the text."""\n\n')
    out.append("EXCEPTION_TABLE: Final = (\n")
    for row in sorted(table):
        out.append("    (0x{:X}, 0x{:X}, 0x{:X}),\n".format(*row))
    out.append(
        ')\n"""(start, end, fixup), offsets in the text: a fault at start <= rip < end that\n'
    )
    out.append('cannot be served continues at fixup."""\n')
    return "".join(out)


if __name__ == "__main__":
    (ROOM / "entry_code.py").write_text(generate())
    (ROOM / "hooks_code.py").write_text(generate_hooks())
