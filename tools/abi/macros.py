"""Ask the C compiler for every constant that a set of headers defines.

A constant is an object-like macro or an enumerator. Each is evaluated by the compiler (never by
a parser of ours), once per word size, and keeps the header that defined it, so that families can
be picked by header and name.
"""

from __future__ import annotations

import ast
import io
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from tools.abi import sources

DEFINE = re.compile(r"#define ([A-Za-z_]\w*) (.+)")
MARKER = re.compile(r'# \d+ "([^"]+)"')
ERROR_LINE = re.compile(r"<stdin>:(\d+):\d+: (?:error|fatal)")
INCLUDE_DIRS = ("/any-linux-any/", "/x86-linux-any/", "/usr/include/x86_64-linux-gnu/",
                "/usr/include/")  # fmt: skip


class Constants:
    """Constants of one include unit at one word size: values and defining headers."""

    def __init__(self, values: dict[str, int | str], origin: dict[str, str]) -> None:
        self.values = values
        self.origin = origin


def short_header(path: str) -> str:
    """Name of a header as one would include it, such as 'linux/fs.h'."""
    for part in INCLUDE_DIRS:
        if part in path:
            return path.split(part, 1)[1]
    return path


def prologue(headers: list[str]) -> str:
    return "".join(f"#include <{name}>\n" for name in headers)


def object_macros(headers: list[str], flags: list[str]) -> dict[str, str]:
    """Map every object-like macro with a body to the header that defines it."""
    found: dict[str, str] = {}
    header = ""
    for line in sources.cc([*flags, "-E", "-dD"], prologue(headers)).stdout.splitlines():
        if marker := MARKER.match(line):
            header = short_header(marker[1])
        elif define := DEFINE.match(line):
            found[define[1]] = header
    return found


def compile_object(flags: list[str], source: str) -> ELFFile:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "unit.o"
        sources.cc([*flags, "-c", "-o", str(out)], source)
        return ELFFile(io.BytesIO(out.read_bytes()))


def enumerators(headers: list[str], flags: list[str]) -> dict[str, str]:
    """Map every enumerator to its header, from the compiler's debug information."""
    debug = ["-gdwarf-4", "-fno-eliminate-unused-debug-types"]
    elf = compile_object([*flags, *debug], prologue(headers))
    dwarf: Any = elf.get_dwarf_info()
    found: dict[str, str] = {}
    for unit in dwarf.iter_CUs():
        lines = dwarf.line_program_for_CU(unit).header
        for die in unit.iter_DIEs():
            if die.tag != "DW_TAG_enumeration_type" or "DW_AT_decl_file" not in die.attributes:
                continue
            entry = lines.file_entry[die.attributes["DW_AT_decl_file"].value - 1]
            folder = lines.include_directory[entry.dir_index - 1].decode()
            header = short_header(f"{folder}/{entry.name.decode()}")
            for child in die.iter_children():
                if child.tag == "DW_TAG_enumerator":
                    found[child.attributes["DW_AT_name"].value.decode()] = header
    return found


def evaluate(head: str, names: list[str], flags: list[str]) -> dict[str, int]:
    """Values of those *names* that are constant integer expressions after the source *head*."""
    offset = head.count("\n")
    line = 'const long long __attribute__((section(".v"))) v{0}[2] = {{(long long)({1}), \
(__typeof__({1}))-1 > (__typeof__({1}))1 ? sizeof({1}) : 0}};'
    for _ in range(100):  # gcc reports an undeclared identifier only where it meets it first
        body = "\n".join(line.format(i, name) for i, name in enumerate(names))
        done = sources.cc([*flags, "-S", "-o", "/dev/null"], head + body, ok=False)
        if not done.returncode:
            break
        bad = {int(n) - offset - 1 for n in ERROR_LINE.findall(done.stderr)}
        if not bad:
            sources.die(done.stderr[:2000])
        names = [name for i, name in enumerate(names) if i not in bad]
    # -fno-toplevel-reorder: values come out in the order written
    elf = compile_object([*flags, "-fno-toplevel-reorder"], head + body)
    section: Any = elf.get_section_by_name(".v")
    values: dict[str, int] = {}
    for name, (value, unsigned) in zip(
        names, struct.iter_unpack("<qQ", section.data()), strict=True
    ):
        values[name] = value & ((1 << unsigned * 8) - 1) if unsigned else value
    return values


def strings(headers: list[str], names: list[str], flags: list[str]) -> dict[str, str]:
    """Values of those *names* that are string literals (adjacent ones are joined)."""
    body = prologue(headers) + "".join(f"\n@@ {n[:1]}##{n[1:]} @@ {n}" for n in names)
    found: dict[str, str] = {}
    text = sources.cc([*flags, "-E", "-P"], body).stdout
    for match in re.finditer(r'^@@ (\w)##(\w+) @@ ((?:"[^"\n]*"\s*)+)$', text, re.MULTILINE):
        found[match[1] + match[2]] = ast.literal_eval(f"({match[3].strip()})")
    return found


def usable(headers: list[str], flags: list[str]) -> list[str]:
    """Those *headers* that compile one after the other; what is left out is said."""
    fit: list[str] = []
    for name in headers:
        if sources.cc([*flags, "-fsyntax-only"], prologue([*fit, name]), ok=False).returncode:
            print(f"tools/abi: header {name} does not compile, left out")
        else:
            fit.append(name)
    return fit


def read(headers: list[str], flags: list[str], wanted: re.Pattern[str]) -> Constants:
    """The constants of one unit whose whole name is *wanted*."""
    fit = usable(headers, flags)
    every = object_macros(fit, flags) | enumerators(fit, flags)
    origin = {name: header for name, header in every.items() if wanted.fullmatch(name)}
    values: dict[str, int | str] = dict(evaluate(prologue(fit), list(origin), flags))
    rest = [name for name in origin if name not in values]
    values.update(strings(fit, rest, flags))
    return Constants(values, origin)
