"""``ring3 syscalls``: every system call of both ABIs, and how far it is served.

What is implemented is what importing all families of calls registers; names, numbers, arguments
and categories are Linux's own (abi.signatures).
"""

from __future__ import annotations

import sys

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.cli.main import complain
from ring3.cli.parse import BadUsage, Option, Parser

if TYPE_CHECKING:
    from collections.abc import Iterable

USAGE = "ring3 syscalls [OPTION]... [NAME]..."
ABOUT = """\
List system calls: numbers in both ABIs, category, and status. *full*: does what Linux's does;
*partial*: the note says what is missing; *none*: ENOSYS. Names choose what is listed (all)."""
STATUSES = ("full", "partial", "none")
HEADINGS = ("x86-64", "i386", "name", "category", "status", "note")


class Row:
    """One call. *numbers*: by ABI, where it has any; *status* "full", "partial" or "none"."""

    __slots__ = ("category", "entry", "name", "note", "numbers", "prototype", "status")

    def __init__(self, name: str, call: Any) -> None:
        from ring3.abi.signatures import ABIS, CATEGORY, NUMBERS, signature

        self.name = name
        self.numbers = {abi: NUMBERS[abi][name] for abi in ABIS if name in NUMBERS[abi]}
        self.category = CATEGORY[name]
        known = signature(name, next(iter(self.numbers)))
        self.prototype = known.prototype
        self.entry = known.entry
        self.status = "none" if call is None else "partial" if call.partial else "full"
        self.note = call.partial if call is not None else ""
        if call is None and not self.entry:
            self.note = "Linux itself answers ENOSYS"

    def number(self, abi: str) -> str:
        return str(self.numbers[abi]) if abi in self.numbers else ""

    def cells(self) -> tuple[str, ...]:
        return (
            self.number("x86_64"),
            self.number("i386"),
            self.name,
            self.category,
            self.status,
            self.note,
        )


def rows() -> list[Row]:
    """Every call, in order of its x86-64 number, then of its i386 one."""
    from ring3.abi.signatures import NUMBERS
    from ring3.kernel import load_calls
    from ring3.syscalls.table import CALLS

    load_calls()
    names = set(NUMBERS["x86_64"]) | set(NUMBERS["i386"])
    found = [Row(name, CALLS.get(name)) for name in names]
    last = 1 << 20
    return sorted(
        found, key=lambda row: (row.numbers.get("x86_64", last), row.numbers.get("i386", last))
    )


class Wanted:
    """What the options choose."""

    def __init__(self) -> None:
        self.abi = ""
        self.status: set[str] = set()
        self.category = ""
        self.form = "text"
        self.names: set[str] = set()

    def set_abi(self, text: str) -> None:
        known = {"x86_64": "x86_64", "x86-64": "x86_64", "amd64": "x86_64", "i386": "i386"}
        if text not in known:
            raise ValueError(f"{text!r} is no ABI: x86_64 or i386")
        self.abi = known[text]

    def set_status(self, text: str) -> None:
        for word in text.split(","):
            if word not in STATUSES:
                raise ValueError(f"{word!r} is no status: {', '.join(STATUSES)}")
            self.status.add(word)

    def set_category(self, text: str) -> None:
        from ring3.abi.signatures import CATEGORIES

        found = [c for c in CATEGORIES if c.startswith(text.lower())]
        if len(found) != 1:
            raise ValueError(f"{text!r} is no category: {', '.join(CATEGORIES)}")
        self.category = found[0]

    def __contains__(self, row: Row) -> bool:
        return (
            (not self.abi or self.abi in row.numbers)
            and (not self.status or row.status in self.status)
            and (not self.category or row.category == self.category)
            and (not self.names or row.name in self.names)
        )


# --- printing -------------------------------------------------------------------------------------
def as_text(chosen: list[Row]) -> str:
    table = [HEADINGS, *(row.cells() for row in chosen)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS) - 1)]
    lines = []
    for line in table:
        cells = [
            cell.rjust(width) if i < 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        lines.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join([*lines, "", tally(chosen), ""])


def tally(chosen: Iterable[Row]) -> str:
    """``198 full, 21 partial, 241 not implemented: 460 calls``"""
    counts = dict.fromkeys(STATUSES, 0)
    for row in chosen:
        counts[row.status] += 1
    return (
        f"{counts['full']} full, {counts['partial']} partial, {counts['none']} not implemented: "
        f"{sum(counts.values())} calls"
    )


def as_json(chosen: list[Row]) -> str:
    import json

    listed = [
        {
            "name": row.name,
            "numbers": row.numbers,
            "category": row.category,
            "prototype": row.prototype,
            "status": row.status,
            "note": row.note,
        }
        for row in chosen
    ]
    return json.dumps(listed, indent=1) + "\n"


SHOWN = {"full": "full", "partial": "partial", "none": "–"}


def as_markdown(chosen: list[Row]) -> str:
    """A table per category."""
    from ring3.abi.signatures import CATEGORIES

    parts = [f"{tally(chosen)}.\n"]
    for category in CATEGORIES:
        here = [row for row in chosen if row.category == category]
        if not here:
            continue
        parts.append(f"\n## {category.capitalize()}\n\n{tally(here)}.\n")
        parts.append("\n| x86-64 | i386 | call | status | note |\n|---:|---:|---|---|---|\n")
        for row in here:
            note = row.note.replace("|", "\\|")
            parts.append(
                f"| {row.number('x86_64')} | {row.number('i386')} | `{row.prototype}` "
                f"| {SHOWN[row.status]} | {note} |\n"
            )
    return "".join(parts)


FORMS = {"text": as_text, "json": as_json, "markdown": as_markdown}


def main(argv: list[str]) -> int:
    wanted = Wanted()
    parser = Parser(USAGE, ABOUT)
    parser.group(
        "Options",
        [
            Option("--abi", "ABI", "only calls that x86_64 or i386 has", wanted.set_abi),
            Option("--status", "STATUS", "only full, partial or none (a list)", wanted.set_status),
            Option("--category", "NAME", "only one category (its first letters)",
                   wanted.set_category),
            Option("--json", "", "as JSON", lambda _: setattr(wanted, "form", "json")),
            Option("--markdown", "", "as Markdown", lambda _: setattr(wanted, "form", "markdown")),
        ],
    )  # fmt: skip
    try:
        names = parser.parse(argv)
    except BadUsage as bad:
        return complain(f"syscalls: {bad}")
    if names is None:
        return 0
    every = rows()
    unknown = set(names) - {row.name for row in every}
    if unknown:
        return complain(f"syscalls: there is no system call {', '.join(sorted(unknown))}")
    wanted.names = set(names)
    sys.stdout.write(FORMS[wanted.form]([row for row in every if row in wanted]))
    return 0
