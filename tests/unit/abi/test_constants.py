"""Constants against the host's own headers, for both word sizes.

The host's headers may be older than our data: names that they lack are not compared, and names
whose value grows with Linux are left out.
"""

from __future__ import annotations

import configparser
import importlib
import re

import pytest

from tests.unit.abi import compiler

# Counts, last ones and masks of everything known so far.
GROWING = re.compile(
    r"\w*_(MAX|LAST|LAST_CAP|ALL\w*|MASK|VALID|COUNT|VERSION|FLAGS|CNT|NUM|SIZE|NR)"
    r"|\w*(__MAX|_SIZE_VER\d|_ALL_EVENTS|_ALL_FLAGS)\w*"
    r"|RWF_SUPPORTED|UFFD_API_\w+|NSIG[A-Z]+|AT_VECTOR_SIZE_ARCH|TCP_RESERVED_BITS"
)
# Names that a kernel header alone defines otherwise than we mean them.
OTHERWISE = {
    "NSIG": "the kernel's is 32, of the time before real-time signals",
    "SIGRTMAX": "the kernel's needs _NSIG, which C libraries define; theirs is a function call",
    "SIG_ERR": "a pointer: C widens it with its sign",
    "SHF_ORDERED": "the kernel has a number of its own; ours is that of C libraries",
    "SHF_EXCLUDE": "the kernel has a number of its own; ours is that of C libraries",
}
NOT_IN_LIBC = ("SIG_ERR", "SIGRTMAX")
FAMILIES = configparser.RawConfigParser()
FAMILIES.read_string((compiler.TOOLS / "families.ini").read_text())
UNKNOWN = re.compile(r"'(\w+)' undeclared")


def ours(module: str, word: int) -> dict[str, int]:
    """Integer constants of a module at one word size, by their C names."""
    loaded = importlib.import_module(f"ring3.abi.{module}")
    found = {n: v for n, v in vars(loaded).items() if isinstance(v, int) and n.upper() == n}
    if word == 32:
        found |= {n: v for n, v in getattr(loaded, "I386", {}).items() if isinstance(v, int)}
    if module == "elf":
        found = {re.sub("^AUX_", "AT_", n): v for n, v in found.items()}
    return found


def compare(flags: list[str], headers: str, names: dict[str, int]) -> tuple[set[str], list[str]]:
    """Those of *names* that the host's headers know, and what they say of those that differ."""
    lines = [
        f'_Static_assert((long long)({name}) == (long long){value & (1 << 64) - 1:#x}ULL, "");'
        for name, value in names.items()
    ]
    order = list(names)
    refused = compiler.refused(flags, compiler.include(headers.split()), lines)
    known, wrong = set(names), []
    for i, why in refused.items():
        unknown = UNKNOWN.match(why)
        if unknown:  # the name itself, or one that this header leaves to others
            known.remove(order[i])
        else:
            wrong.append(f"{order[i]}: {why}")
    return known, wrong


@pytest.mark.parametrize("word", [64, 32])
@pytest.mark.parametrize("module", FAMILIES.sections())
def test_values_are_those_of_the_hosts_headers(module: str, word: int) -> None:
    compiler.need(word)
    part = FAMILIES[module]
    names = {n: v for n, v in ours(module, word).items() if not GROWING.fullmatch(n)}
    asked = {n: v for n, v in names.items() if n not in OTHERWISE}
    known, wrong = compare([f"-m{word}", *compiler.PRELUDE], part["uapi"], asked)
    if "libc" in part:
        rest = {n: v for n, v in names.items() if n not in known and n not in NOT_IN_LIBC}
        more, also = compare([f"-m{word}", "-D_GNU_SOURCE"], part["libc"], rest)
        known |= more
        wrong += also
    assert not wrong
    assert len(known) > len(names) // 2, "hardly anything was compared"
