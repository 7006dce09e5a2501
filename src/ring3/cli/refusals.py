"""What the kernel refused to a guest, for people to read when the guest is gone."""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ring3.kernel import Kernel

MOST_LINES = 10
GRANT = "add --"


class Refusals:
    """An observer that remembers failures which a grant would have prevented.

    A reason reads ``RULE: add --ro PATH`` (see fs.skeleton and views.guarded).
    """

    def __init__(self, kernel: Kernel) -> None:
        self.found: dict[str, tuple[str, str]] = {}
        """Grant -> (call, rule)."""
        environ = os.environ if kernel.env is None else kernel.env
        self.search = environ.get("PATH", "").split(":")
        """A program looked for in all of PATH: that those directories are not there is no news."""
        kernel.add_observer(self)

    def enter(self, task: Any, nr: int, name: str, call: Any, args: Sequence[int]) -> None:
        pass

    def exit(
        self,
        task: Any,
        nr: int,
        name: str,
        call: Any,
        args: Sequence[int],
        result: int | None,
        reason: str,
    ) -> None:
        if reason and GRANT in reason:
            rule, _, grant = reason.partition(GRANT)
            grant = f"--{grant.removesuffix(' to show it')}"
            path = grant.partition(" ")[2] + "/"
            if not any(f"{folder}/".startswith(path) for folder in self.search):
                self.found.setdefault(grant, (name, rule.rstrip(": ")))

    def signal(self, task: Any, info: Any) -> None:
        pass

    def stopped(self, process: Any, signo: int) -> None:
        pass

    def exited(self, task: Any, status: int) -> None:
        pass

    def started(self, task: Any, parent: Any) -> None:
        pass

    def superseded(self, task: Any, by: int) -> None:
        pass

    def lines(self) -> Iterator[str]:
        """One line per missing grant: the call, the path, the rule and the smallest grant."""
        for i, (grant, (name, rule)) in enumerate(self.found.items()):
            if i == MOST_LINES:
                yield f"and {len(self.found) - i} refusals more"
                return
            path = grant.partition(" ")[2]
            what = rule if path in rule else f"{path}: {rule}"
            yield f"refused: {name} {what} (smallest grant: {grant})"
