"""Sets of named constants, made at their first use from ``namesets`` and ``abi``."""

from __future__ import annotations

import importlib

from ring3.trace.namesets import SETS, UNKNOWN
from ring3.trace.text import Names

_made: dict[tuple[str, str], Names] = {}


def names(which: str, abi: str = "x86_64") -> Names:
    """The set called *which*, made at its first use."""
    found = _made.get((which, abi))
    if found is None:
        found = _made[which, abi] = make(which, abi)
    return found


def make(which: str, abi: str) -> Names:
    module, prefix, words = SETS[which]
    values = constants(module, abi)
    chosen: dict[str, int] = {}
    for word in words.split():
        if word.startswith("-"):
            drop(chosen, prefix + word[1:])
        elif "*" in word:
            chosen |= {n: v for n, v in values.items() if matches(n, prefix + word)}
        else:
            name = word[1:] if word.startswith("=") else prefix + word
            shown, _, source = name.partition("@")
            chosen[shown] = values[source or shown]
    return Names(chosen.items(), UNKNOWN.get(which, f"{prefix}???"))


def matches(name: str, pattern: str) -> bool:
    """Whether *name* fits *pattern*, in which one ``*`` stands for anything."""
    head, _, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail)


def drop(chosen: dict[str, int], pattern: str) -> None:
    for name in [n for n in chosen if n == pattern or ("*" in pattern and matches(n, pattern))]:
        del chosen[name]


def constants(module: str, abi: str = "x86_64") -> dict[str, int]:
    """Every integer constant of a module of ``abi``, with what *abi* has otherwise."""
    found = importlib.import_module(f"ring3.abi.{module}").__dict__
    values: dict[str, int] = {}
    for source in (importlib.import_module("ring3.abi.internal").__dict__, found):
        values |= {n: v for n, v in source.items() if type(v) is int}
    if abi == "i386":
        values |= found.get("I386", {})
    return values
