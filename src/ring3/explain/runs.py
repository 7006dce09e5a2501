"""One execution of the handler: what the tape has of it, gathered by line."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain.judges import short

if TYPE_CHECKING:
    from ring3.explain.tape import Event

OURS = "/ring3/explain/"


class Run:
    """One execution of the handler: from the trap, or again after a wake."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.events: list[Event] = []
        self.functions: dict[tuple[str, int], dict[str, Any]] = {}
        self.lines: dict[tuple[str, int], int] = {}
        self.notes: dict[tuple[str, int], list[str]] = {}
        self.order: list[tuple[str, int]] = []
        self.raised: dict[str, Any] | None = None
        self.returned = ""

    def remark(self, file: str, line: int, text: str) -> None:
        kept = self.notes.setdefault((file, line), [])
        if text not in kept:
            kept.append(text)


# --- what happens in a run -----------------------------------------------------------------------
def on_call(run: Run, told: dict[str, Any]) -> None:
    key = (told["file"], told["first"])
    run.functions.setdefault(key, told)


def on_line(run: Run, told: dict[str, Any]) -> None:
    key = (told["file"], told["line"])
    run.lines[key] = run.lines.get(key, 0) + 1
    run.order.append(key)


def on_beyond(run: Run, told: dict[str, Any]) -> None:
    if OURS not in told["file"] and not told["file"].endswith("/abi/types.py"):
        if "__" in told["function"]:
            return  # a with block's or an object's own
        run.remark(told["caller"], told["line"], f"→ {told['function']} ({short(told['file'])})")


def on_memory(run: Run, told: dict[str, Any]) -> None:
    place = told["place"]
    if place:
        what = "EFAULT" if told["fault"] else f"{told['size']} bytes"
        run.remark(place["file"], place["line"], f"copy: {what}")


def on_raise(run: Run, told: dict[str, Any]) -> None:
    if run.raised is None or run.raised["type"] != told["type"]:
        run.raised = told
        reason = f"({told['reason']!r})" if told["reason"] else ""
        run.remark(told["file"], told["line"], f"✗ {told['type']}{reason}")


def on_return(run: Run, told: dict[str, Any]) -> None:
    run.returned = told["value"]


WATCHED = {
    "call": on_call, "line": on_line, "beyond": on_beyond, "load": on_memory, "string": on_memory,
    "store": on_memory, "raise": on_raise, "return": on_return,
}  # fmt: skip
