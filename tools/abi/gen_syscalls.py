"""Generate the tables of system calls: numbers (UAPI headers) and signatures (kernel source).

Numbers are checked against the `system-calls` package. A signature is that of the kernel's entry
point of the ABI (`SYSCALL_DEFINEn`); calls newer than the source stand in newer.ini.
"""

from __future__ import annotations

import configparser
import importlib
import re
from pathlib import Path
from typing import Any

from tools.abi import sources

system_calls: Any = importlib.import_module("system_calls")  # has no type information

HERE = Path(__file__).parent
ABIS = {"x86_64": ("unistd_64.h", "syscall_64.tbl"), "i386": ("unistd_32.h", "syscall_32.tbl")}
DEFINE = re.compile(
    r"^(COMPAT_SYSCALL_DEFINE|SYSCALL32_DEFINE|SYSCALL_DEFINE)(\d)"
    r"\s*\(\s*(\w+)\s*(,[^{;]*?)?\)\s*\{?$",
    re.MULTILINE,
)
# Entry points with several definitions in the source that #ifdef tells apart: x86's argument lists.
CHOSEN = {
    "clone": {
        "x86_64": "unsigned long clone_flags, unsigned long newsp, int *parent_tidptr,"
        " int *child_tidptr, unsigned long tls",  # no CONFIG_CLONE_BACKWARDS
        "i386": "unsigned long clone_flags, unsigned long newsp, int *parent_tidptr,"
        " unsigned long tls, int *child_tidptr",  # CONFIG_CLONE_BACKWARDS
    },
    "sigsuspend": {"i386": "int unused1, int unused2, old_sigset_t mask"},  # OLD_SIGSUSPEND3
    "mmap_pgoff": {
        "i386": "unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags,"
        " unsigned long fd, unsigned long pgoff"
    },
}

# User-mode Linux, and what is built when POSIX timers are left out.
SKIPPED = ("arch/x86/um", "kernel/time/posix-stubs.c")

Args = str  # "unsigned int fd, char *buf, size_t count"
Rows = dict[str, tuple[str, Args]]  # name to entry point and arguments


def numbers(abi: str) -> dict[str, int]:
    """Names and numbers of one ABI, from its unistd header; the other source must agree."""
    header = sources.header_root() / "x86-linux-any" / "asm" / ABIS[abi][0]
    found = re.findall(r"^#define __NR_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    table = {name: int(number) for name, number in found}
    unknown = []
    other = system_calls.syscalls()
    for name, number in table.items():
        try:
            there = other.get(name, abi)
        except (system_calls.NoSuchSystemCall, system_calls.NotSupportedSystemCall):
            unknown.append(name)
            continue
        if there != number:
            sources.die(f"{abi}: {name} is {number} in the header, {there} in system-calls")
    print(f"tools/abi: {abi}: {len(table)} calls; not in system-calls:", *unknown)
    return dict(sorted(table.items(), key=lambda item: item[1]))


def entry_points(abi: str) -> dict[str, str]:
    """Name of each call to its entry point in the kernel, from the architecture's table."""
    table = sources.kernel_tree() / "arch/x86/entry/syscalls" / ABIS[abi][1]
    entries: dict[str, str] = {}
    for line in table.read_text().splitlines():
        row = line.split()
        if row and not line.startswith("#") and row[1] != "x32":
            entries[row[2]] = row[3] if len(row) > 3 and row[3] != "-" else ""
    return entries


def tidy(kind: str, name: str) -> str:
    """One argument as a C declaration without the kernel's annotations."""
    kind = re.sub(r"\b__(user|force|bitwise)\b", "", kind)
    kind = re.sub(r"\s+", " ", kind).strip().replace("* *", "**")
    kind = re.sub(r"\s*(\*+)$", r" \1", kind)
    return f"{kind}{name}" if kind.endswith("*") else f"{kind} {name}"


def parse_arguments(text: str) -> Args:
    """', int, fd, char __user *, buf' to 'int fd, char *buf'."""
    text = re.sub(
        r"(?:compat_arg_u64|compat_arg_u64_dual|SC_ARG64)\((\w+)\)", r"u32, \1_lo, u32, \1_hi", text
    )
    parts = [part.strip() for part in re.sub(r"/\*.*?\*/", "", text).split(",")[1:]]
    return ", ".join(tidy(parts[i], parts[i + 1]) for i in range(0, len(parts) - 1, 2))


def definitions() -> dict[str, set[Args]]:
    """Every entry point defined in the source, by its name in the architecture's tables."""
    found: dict[str, set[Args]] = {}
    tree = sources.kernel_tree()
    skip = tuple(tree / name for name in SKIPPED)
    for folder in sources.KERNEL_SUBTREES:
        for path in (tree / folder).rglob("*.c"):
            if not any(path.is_relative_to(part) for part in skip):
                scan(path, found)
    return found


def scan(path: Path, found: dict[str, set[Args]]) -> None:
    """Add the entry points that one source file defines to *found*."""
    text = path.read_text(errors="replace")
    for kind, count, name, args in DEFINE.findall(text):
        prefix = "compat_sys_" if kind.startswith("COMPAT") else "sys_"
        arguments = parse_arguments(args)
        assert arguments.count(",") == max(int(count) - 1, 0), (path, name, arguments)
        if kind == "SYSCALL32_DEFINE":
            found[prefix + name + "@i386"] = {arguments}
        else:
            found.setdefault(prefix + name, set()).add(arguments)


def newer() -> dict[str, Args]:
    """Calls newer than the source, with their signatures, written by hand from the manual pages."""
    config = configparser.RawConfigParser()
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read_string((HERE / "newer.ini").read_text())
    return {name: args.replace("\n", " ") for name, args in config["calls"].items()}


def signatures(abi: str, table: dict[str, int]) -> Rows:
    """Entry point (empty: Linux has none any more) and arguments of every call of *abi*."""
    entries, defined, by_hand = entry_points(abi), definitions(), newer()
    rows: Rows = {}
    for name in table:
        entry = entries.get(name, f"sys_{name}" if name in by_hand else "")
        if entry in ("", "sys_ni_syscall"):
            rows[name] = ("", "")
            continue
        plain = entry.removeprefix("sys_")
        choices = defined.get(f"{entry}@{abi}") or defined.get(entry, set())
        if plain in CHOSEN and abi in CHOSEN[plain]:
            rows[name] = (entry, CHOSEN[plain][abi])
        elif len(choices) == 1:
            rows[name] = (entry, next(iter(choices)))
        elif name in by_hand or plain in by_hand:
            rows[name] = (entry, by_hand.get(name, by_hand.get(plain, "")))
        else:
            sources.die(f"{abi}: {name} ({entry}) has {len(choices)} definitions: {choices}")
    return rows


def categories(names: set[str]) -> dict[str, str]:
    """Category of every call, from categories.ini; a call without one ends the generator."""
    config = configparser.RawConfigParser()
    config.read_string((HERE / "categories.ini").read_text())
    found: dict[str, str] = {}
    for category in config.sections():
        for name in config[category]["calls"].split():
            assert name not in found, f"{name} has two categories"
            found[name] = category
    if missing := sorted(names - found.keys()):
        sources.die(f"no category for: {' '.join(missing)}")
    if unknown := sorted(found.keys() - names):
        sources.die(f"categories.ini names calls that no ABI has: {' '.join(unknown)}")
    return found


def render_numbers(abi: str, table: dict[str, int]) -> str:
    rows = "\n".join(f'    "{name}": {number},' for name, number in table.items())
    what = f"{abi.replace('_', '-')} system calls of Linux {sources.header_version()}"
    return f'''"""Numbers of the {what}.

Generated by tools/abi (see tools/README.md); do not edit.
"""

NUMBERS: dict[str, int] = {{
{rows}
}}
'''


def render_signatures(parts: dict[str, Rows], kinds: dict[str, str]) -> str:
    blocks = []
    for abi, rows in parts.items():
        lines = "\n".join(f'    "{n}": ("{entry}", "{args}"),' for n, (entry, args) in rows.items())
        blocks.append(f"{abi.upper()}: dict[str, tuple[str, str]] = {{\n{lines}\n}}")
    order = list(dict.fromkeys(kinds.values()))
    lines = "\n".join(f'    "{name}": "{kinds[name]}",' for name in sorted(kinds))
    return (
        f'''"""Signatures and categories of all system calls of Linux {sources.header_version()}.

Call name: (entry point in the kernel, C declarations of the arguments). No entry point: the number
is reserved and Linux answers ENOSYS. Read through signatures.py.
Generated by tools/abi (see tools/README.md); do not edit.
"""

# ruff: noqa: E501
# fmt: off
{chr(10).join(blocks)}

CATEGORIES: tuple[str, ...] = {tuple(order)!r}
CATEGORY: dict[str, str] = {{
{lines}
}}
'''.replace("('", '("')
        .replace("', '", '", "')
        .replace("')", '")')
    )


def generate(check: bool) -> bool:
    """Write the three modules; return whether all were already as generated."""
    tables = {abi: numbers(abi) for abi in ABIS}
    parts = {abi: signatures(abi, table) for abi, table in tables.items()}
    kinds = categories({name for table in tables.values() for name in table})
    same = True
    for abi, table in tables.items():
        path = sources.ABI / f"syscalls_{abi}.py"
        same &= sources.write_generated(path, render_numbers(abi, table), check)
    path = sources.ABI / "signature_data.py"
    return sources.write_generated(path, render_signatures(parts, kinds), check) and same
