"""What one case is: a program to run, the files it meets, and what of its output is compared."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Normaliser = Callable[[str], str]
Steps = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """One program run, on the host and on ring3, whose output and exit status must be equal.

    *needs* names programs; a case with one that is not installed is skipped, and says so.
    *timeout_s* bounds the host's run; ring3 gets RING3_SLOWER times that.
    *terminal*, if given, runs the case under a pty: pairs of (text to wait for, text to type).
    """

    name: str
    argv: Sequence[str]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    stdin: str | bytes | None = None
    normalise: Normaliser | None = None
    stderr: bool = False
    needs: Sequence[str] = ()
    timeout_s: float = 20
    terminal: Steps | None = None
    slow: bool = False

    @property
    def programs(self) -> list[str]:
        """All programs the case needs, the one it starts first."""
        return [self.argv[0], *self.needs]


def command(line: str, stdin: str | bytes | None = None, **rest: object) -> Case:
    """Make a case of one command line, split like a shell would but run without one."""
    return Case(line, shlex.split(line), stdin=stdin, stderr=True, **rest)  # type: ignore[arg-type]


def script(name: str, text: str, shell: str = "bash", **rest: object) -> Case:
    """Make a case of a shell script, which is put into the scratch directory as `script`."""
    files = {"script": text, **rest.pop("files", {})}  # type: ignore[dict-item]
    return Case(name, [shell, "script"], files=files, **rest)  # type: ignore[arg-type]


def program(name: str, argv: str, path: str, text: str, **rest: object) -> Case:
    """Make a case that runs *argv* with the file *path* holding *text*."""
    files = {path: text, **rest.pop("files", {})}  # type: ignore[dict-item]
    return Case(name, shlex.split(argv), files=files, **rest)  # type: ignore[arg-type]


def sorted_lines(text: str) -> str:
    """Compare lines without their order, for programs that walk directories as they come."""
    return "".join(sorted(text.splitlines(keepends=True)))
