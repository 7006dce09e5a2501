"""What the kernel refused to guests for want of a grant, and which grant would do.

A reason that names a grant reads ``RULE: add --ro PATH`` (fs.skeleton, views.guarded, net).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring3.abi.errno import Errno
    from ring3.task.task import Task

GRANT = "add --"
MOST = 1000
"""Different grants remembered: a guest that probes everything does not fill our memory."""


class Refusal:
    """One grant that is missing: the call that first met it, the rule, the option to give."""

    __slots__ = ("call", "grant", "rule")

    def __init__(self, call: str, rule: str, grant: str) -> None:
        self.call = call
        self.rule = rule
        self.grant = grant

    @property
    def path(self) -> str:
        return self.grant.partition(" ")[2]

    def __str__(self) -> str:
        what = self.rule if self.path in self.rule else f"{self.path}: {self.rule}"
        return f"refused: {self.call} {what} (smallest grant: {self.grant})"

    def __repr__(self) -> str:
        return f"<{self}>"


class Refusals:
    def __init__(self) -> None:
        self.found: dict[str, Refusal] = {}
        """By grant, in the order they were met."""
        self.search: list[str] = []
        """PATH of the first program: that a program is not there is no news."""
        self.name_of: Callable[[Task, int], str] = lambda t, nr: str(nr)

    def note(self, t: Task, nr: int, failed: Errno) -> None:
        """Remember *failed* if a grant would have prevented it (each grant once)."""
        reason = failed.reason
        if GRANT not in reason or len(self.found) >= MOST:
            return
        rule, _, grant = reason.partition(GRANT)
        grant = "--" + grant.removesuffix(" to show it")
        path = grant.partition(" ")[2] + "/"
        if grant not in self.found and not any(f"{d}/".startswith(path) for d in self.search):
            self.found[grant] = Refusal(self.name_of(t, nr), rule.rstrip(": "), grant)

    def __iter__(self) -> Iterator[Refusal]:
        return iter(self.found.values())
