"""Which call is explained."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.syscalls.table import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_CHOICE = "write"
"""What is explained where nobody says what: the call that every first program makes."""


class NoSuchCall(ValueError):
    """No ABI has a call of that name."""


class Selection:
    """A name, a number, or neither; and the how-manieth of them."""

    __slots__ = ("name", "nr", "nth")

    def __init__(self, name: str = "", nr: int | None = None, nth: int = 0) -> None:
        if name:
            check_name(name)
        self.name = name
        self.nr = nr
        self.nth = nth
        """Counted from 1; 0: not given."""

    @property
    def open(self) -> bool:
        """Nothing was chosen: the first write, or else the first call."""
        return not self.name and self.nr is None and not self.nth

    def fits(self, name: str, nr: int) -> bool:
        if self.name:
            return name == self.name
        if self.nr is not None:
            return nr == self.nr
        return name == FIRST_CHOICE if self.open else True

    @property
    def place(self) -> int:
        return self.nth or 1

    def __str__(self) -> str:
        what = f"{self.name}()" if self.name else "call"
        if self.nr is not None:
            what = f"call number {self.nr}"
        return f"{ordinal(self.place)} {what}"


def check_name(name: str) -> None:
    """Raise NoSuchCall, with the nearest name, if neither ABI knows *name*."""
    from difflib import get_close_matches

    from ring3.abi.types import I386, X86_64

    known = {**numbers(X86_64), **numbers(I386)}
    if name in known:
        return
    close = get_close_matches(name, list(known), 1, 0.6)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise NoSuchCall(f"there is no system call {name!r}{hint}")


def ordinal(n: int) -> str:
    tail = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{tail}"


def listed(counts: dict[str, int], width: int = 96) -> Iterable[str]:
    """The calls that were made, as lines of ``name×n``, the most frequent first."""
    words = [
        name if times == 1 else f"{name}×{times}"
        for name, times in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    row = ""
    for word in words:
        if row and len(row) + len(word) + 2 > width:
            yield row + ","
            row = word
        else:
            row += (", " if row else "") + word
    if row:
        yield row
