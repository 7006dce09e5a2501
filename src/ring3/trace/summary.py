"""The table of ``-c``: calls, errors and times, in strace's layout."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.trace.options import TraceOptions

CALLS, ERRORS, TOTAL, SHORTEST, LONGEST, NUMBER = range(6)
"""Places in a row of ``Tracer.counts``; times in nanoseconds."""

# Column -> (heading, least width)
COLUMNS = {
    "time-percent": ("% time", 6),
    "total-time": ("seconds", 11),
    "min-time": ("shortest", 8),
    "max-time": ("longest", 8),
    "avg-time": ("usecs/call", 11),
    "calls": ("calls", 9),
    "errors": ("errors", 9),
    "name": ("syscall", 16),
}
ALIASES = {
    "time": "time-percent",
    "time_percent": "time-percent",
    "total_time": "total-time",
    "shortest": "min-time",
    "min_time": "min-time",
    "longest": "max-time",
    "max_time": "max-time",
    "avg_time": "avg-time",
    "count": "calls",
    "error": "errors",
    "syscall": "name",
    "syscall-name": "name",
    "syscall_name": "name",
}
DEFAULT = ("time-percent", "total-time", "avg-time", "calls", "errors", "name")
SORTS = ("time", "min-time", "max-time", "avg-time", "calls", "errors", "name", "nothing")
MODES = {"x86_64": "64 bit", "i386": "32 bit"}


def columns(text: str) -> tuple[str, ...]:
    """The columns that ``-U TEXT`` names. ValueError."""
    chosen = []
    for word in text.split(","):
        name = ALIASES.get(word, word)
        if name not in COLUMNS:
            raise ValueError(f"there is no column {word!r}: {', '.join(COLUMNS)}")
        if name in chosen:
            raise ValueError(f"column {word!r} is named twice")
        chosen.append(name)
    return tuple(chosen)


def sorting(text: str) -> str:
    """The order that ``-S TEXT`` names. ValueError."""
    name = {"time-percent": "time", "total-time": "time", "none": "nothing"}.get(
        ALIASES.get(text, text), ALIASES.get(text, text)
    )
    if name not in SORTS:
        raise ValueError(f"there is no order {text!r}: {', '.join(SORTS)}")
    return name


def sort_key(order: str, name: str, row: list[int]) -> tuple[object, ...]:
    number = row[NUMBER]
    if order == "name":
        return (name,)
    if order == "nothing":
        return (number,)
    value = {
        "time": row[TOTAL],
        "min-time": row[SHORTEST],
        "max-time": row[LONGEST],
        "avg-time": row[TOTAL] // row[CALLS],
        "calls": row[CALLS],
        "errors": row[ERRORS],
    }[order]
    return (-value, number)


def cells(name: str, row: list[int], whole_ns: int) -> dict[str, str]:
    share = 100.0 * row[TOTAL] / whole_ns if whole_ns else 0.0
    return {
        "time-percent": f"{share:.2f}",
        "total-time": seconds(row[TOTAL]),
        "min-time": seconds(row[SHORTEST]),
        "max-time": seconds(row[LONGEST]),
        "avg-time": str(row[TOTAL] // row[CALLS] // 1000 if row[CALLS] else 0),
        "calls": str(row[CALLS]),
        "errors": str(row[ERRORS]) if row[ERRORS] else "",
        "name": name,
    }


def seconds(ns: int) -> str:
    return f"{ns // 1_000_000_000}.{ns % 1_000_000_000 // 1000:06d}"


def table(rows: dict[str, list[int]], options: TraceOptions) -> str:
    """One ABI's table, with its rulers and total."""
    chosen = options.columns or DEFAULT
    if "name" not in chosen:
        chosen = (*chosen, "name")
    whole = [0, 0, 0, 0, 0, 0]
    for row in rows.values():
        for at in (CALLS, ERRORS, TOTAL):
            whole[at] += row[at]
    whole[SHORTEST] = min((row[SHORTEST] for row in rows.values()), default=0)
    whole[LONGEST] = max((row[LONGEST] for row in rows.values()), default=0)
    order = sorted(rows.items(), key=lambda item: sort_key(options.sort, *item))
    body = [cells(name, row, whole[TOTAL]) for name, row in order]
    total = cells("total", whole, whole[TOTAL])
    total["time-percent"] = "100.00"
    widths = {
        name: max(COLUMNS[name][1], *(len(line[name]) for line in (*body, total)))
        for name in chosen
    }
    heading = {name: COLUMNS[name][0] for name in chosen}
    ruler = {name: "-" * widths[name] for name in chosen}
    ruler["name"] = "-" * COLUMNS["name"][1]
    lines = [heading, ruler, *body, ruler, total]
    return "".join(" ".join(line_cells(line, chosen, widths)) + "\n" for line in lines)


def line_cells(line: dict[str, str], chosen: tuple[str, ...], widths: dict[str, int]) -> list[str]:
    """The cells of a line: numbers to the right, the name to the left and unpadded at the end."""
    out = []
    for i, name in enumerate(chosen):
        text = line[name]
        if name != "name":
            text = text.rjust(widths[name])
        elif i + 1 < len(chosen):
            text = text.ljust(widths[name])
        out.append(text)
    return out


def tables(counts: dict[str, dict[str, list[int]]], options: TraceOptions) -> str:
    """The tables of all ABIs that were used."""
    used = {abi: rows for abi, rows in counts.items() if rows}
    if not used:
        return table({}, options)
    out = []
    for abi, rows in used.items():
        if len(used) > 1:
            out.append(f"System call usage summary for {MODES[abi]} mode:\n")
        out.append(table(rows, options))
    return "\n".join(out) if len(out) == 1 else "".join(out)
