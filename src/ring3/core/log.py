"""The kernel log (dmesg): a ring of dated lines that a person can read after the fact."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.core.light import deque

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.clock import Clock


class KernelLog:
    """At most *keep* lines; ``listener``, where set, sees each line as it comes."""

    def __init__(self, clock: Clock, keep: int = 2000) -> None:
        self.clock = clock
        self.start_ns = clock.monotonic_ns()
        self.lines: deque[tuple[int, str]] = deque(maxlen=keep)
        self.said: set[str] = set()
        self.listener: Callable[[str], None] | None = None

    def say(self, text: str) -> None:
        self.lines.append((self.clock.monotonic_ns() - self.start_ns, text))
        if self.listener is not None:
            self.listener(text)

    def once(self, text: str) -> None:
        """Say *text* unless it was said before."""
        if text not in self.said:
            self.said.add(text)
            self.say(text)

    def text(self) -> str:
        """All lines as dmesg prints them."""
        return "".join(f"[{ns / 1e9:12.6f}] {line}\n" for ns, line in self.lines)
