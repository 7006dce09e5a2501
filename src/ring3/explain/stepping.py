"""Stepping through a film on a terminal, forward and back.

Keys go to ``Stepper.key``, which knows no terminal; ``run`` is the terminal around it.
"""

from __future__ import annotations

import os
import sys

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.explain.film import CHAPTERS
from ring3.explain.terminal import step_lines

if TYPE_CHECKING:
    from ring3.explain.film import Film

KEYS: Final = {
    b"\x1b[C": "next", b"\x1bOC": "next", b" ": "next", b"n": "next", b"\r": "next", b"\n": "next",
    b"l": "next", b"\x1b[D": "back", b"\x1bOD": "back", b"p": "back", b"h": "back",
    b"\x7f": "back", b"\b": "back", b"\x1b[A": "up", b"\x1bOA": "up", b"k": "up",
    b"\x1b[B": "down", b"\x1bOB": "down", b"j": "down", b"\x1b[5~": "page up", b"b": "page up",
    b"\x1b[6~": "page down", b"f": "page down", b"\x1b[H": "first", b"g": "first",
    b"\x1b[F": "last", b"G": "last", b"s": "skip", b"q": "quit", b"\x03": "quit", b"\x04": "quit",
    b"\x1b": "quit",
}  # fmt: skip
HELP: Final = "→ n next  ← p back  s over lines  1-8 chapter  ↑ ↓ scroll  q quit"
FRAME_ROWS: Final = 5
"""Lines above and below the step."""


class Stepper:
    """Where a viewer is in the film."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.at = 0
        self.top = 0
        """First line of the step that is on the screen."""
        self.over = False

    def key(self, key: bytes, height: int = 0, lines: int = 0) -> None:
        """Do what *key* says; *height* rows show a step of *lines*."""
        self.act(key.decode() if key in CHAPTER_KEYS else KEYS.get(key, ""), height, lines)

    def act(self, action: str, height: int, lines: int) -> None:
        lowest = max(0, lines - height)
        if action == "quit":
            self.over = True
        elif action in ("up", "down", "page up", "page down"):
            by = max(1, height - 2) if action.startswith("page") else 1
            self.top = min(lowest, max(0, self.top + (by if "down" in action else -by)))
        elif action == "next":
            self.go(self.at + 1)
        elif action == "back":
            self.go(self.at - 1)
        elif action == "skip":
            self.go(self.after_lines())
        elif action == "first":
            self.go(0)
        elif action == "last":
            self.go(len(self.film.steps) - 1)
        elif action:
            self.go(self.film.first_of(int(action)))

    def go(self, to: int) -> None:
        self.at = max(0, min(len(self.film.steps) - 1, to))
        self.top = 0

    def after_lines(self) -> int:
        """The next step that is not a single line of the handler."""
        at = self.at + 1
        while at < len(self.film.steps) and self.film.steps[at].kind == "line":
            at += 1
        return at

    # --- the picture ---------------------------------------------------------------------------
    def screen(self, width: int, height: int, colour: bool = True) -> list[str]:
        """The screen's lines."""
        step = self.film.steps[self.at]
        body = step_lines(self.film, self.at, width, colour)
        room = max(1, height - FRAME_ROWS)
        if step.kind == "line" and not self.top:
            self.follow(body, room)
        self.top = min(self.top, max(0, len(body) - room))
        shown = body[self.top : self.top + room]
        shown += [""] * (room - len(shown))
        more = f"  lines {self.top + 1}-{self.top + room}/{len(body)}" if len(body) > room else ""
        head = [
            self.bar(step.chapter, width, colour),
            styled(self.film.header["line"][:width], "2", colour),
        ]
        foot = f" step {self.at + 1}/{len(self.film.steps)}{more}"
        foot = f"{foot:<{max(0, width - len(HELP) - 1)}}{HELP}"[:width]
        return [*head, "", *shown, styled("─" * width, "36", colour),
                styled(foot, "2", colour)]  # fmt: skip

    def follow(self, body: list[str], room: int) -> None:
        """Bring the marked line onto the screen."""
        for number, text in enumerate(body):
            if "▶" in text:
                if number >= room:
                    self.top = number - room // 2
                return

    def bar(self, chapter: int, width: int, colour: bool) -> str:
        words, length = [], 0
        for number, name in CHAPTERS.items():
            word = f" {number} {name} " if number == chapter else f" {number} "
            length += len(word)
            words.append(styled(word, "1;7;36" if number == chapter else "36", colour))
        return "".join(words)


CHAPTER_KEYS: Final = frozenset(str(n).encode() for n in CHAPTERS)


def styled(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def run(film: Film) -> None:
    """Step through *film* on the terminal of standard input and output, until q."""
    import select
    import shutil
    import termios
    import tty

    fd = sys.stdin.fileno()
    old: Any = termios.tcgetattr(fd)
    stepper = Stepper(film)
    colour = not os.environ.get("NO_COLOR")
    try:
        tty.setraw(fd)
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
        drawn: tuple[int, int] | None = None
        while not stepper.over:
            size = shutil.get_terminal_size()
            if drawn != size:
                draw(stepper, size.columns, size.lines, colour)
                drawn = size
            if not select.select([fd], [], [], 0.25)[0]:
                continue  # look whether the window has another size now
            pressed = os.read(fd, 64)
            if not pressed:
                break
            for key in split_keys(pressed):
                lines = len(step_lines(film, stepper.at, size.columns, False))
                stepper.key(key, size.lines - FRAME_ROWS, lines)
            drawn = None
    finally:
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()
        termios.tcsetattr(fd, termios.TCSADRAIN, old)


def draw(stepper: Stepper, width: int, height: int, colour: bool) -> None:
    lines = stepper.screen(width, height, colour)
    sys.stdout.write("\x1b[H" + "\r\n".join(line + "\x1b[0m\x1b[K" for line in lines) + "\x1b[J")
    sys.stdout.flush()


def split_keys(data: bytes) -> list[bytes]:
    """Single keys of what one read gave."""
    found = []
    while data:
        size = 1
        if data[:1] == b"\x1b" and len(data) > 1:
            size = next((n for n in (4, 3) if data[:n] in KEYS), len(data))
        found.append(data[:size])
        data = data[size:]
    return found
