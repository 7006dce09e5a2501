"""Where a trace goes: standard error, a file, one file per thread, or the input of a command."""

from __future__ import annotations

import os
import sys

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

BLOCK = 1000
"""Lines that a file's writer collects before it writes."""


class Sink:
    """Collects text for one host descriptor."""

    __slots__ = ("fd", "live", "parts")

    def __init__(self, fd: int, live: bool) -> None:
        self.fd = fd
        self.live = live
        """Every piece is written at once: somebody may be watching."""
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)
        if self.live or len(self.parts) >= BLOCK:
            self.flush()

    def flush(self) -> None:
        if not self.parts:
            return
        data = "".join(self.parts).encode("latin-1", "replace")
        self.parts.clear()
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view) :]
            except BrokenPipeError:
                return  # nobody reads on: the guest runs on all the same

    def close(self) -> None:
        self.flush()
        if self.fd > 2:
            os.close(self.fd)


class Outputs:
    """The sinks of one trace: a common one, or one per thread (-ff -o)."""

    def __init__(self, target: str = "", separately: bool = False, append: bool = False) -> None:
        self.target = target
        self.separately = separately and bool(target)
        self.append = append
        self.command: subprocess.Popen[bytes] | None = None
        self.common: Sink | None = None if self.separately else self.open(target)
        self.sinks: dict[int, Sink] = {}

    @property
    def to_terminal(self) -> bool:
        """Whether the trace goes to standard error."""
        return not self.target

    def open(self, target: str) -> Sink:
        if not target:
            sys.stderr.flush()
            return Sink(2, True)
        if target[0] in "|!":
            import subprocess

            self.command = subprocess.Popen(target[1:], shell=True, stdin=subprocess.PIPE)
            assert self.command.stdin is not None
            fd = os.dup(self.command.stdin.fileno())
            self.command.stdin.close()
            return Sink(fd, False)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.append else os.O_TRUNC)
        return Sink(os.open(target, flags | os.O_CLOEXEC, 0o666), False)

    def of(self, tid: int) -> Sink:
        """The sink of thread *tid*."""
        if self.common is not None:
            return self.common
        sink = self.sinks.get(tid)
        if sink is None:
            sink = self.sinks[tid] = self.open(f"{self.target}.{tid}")
        return sink

    def forget(self, tid: int) -> None:
        """Thread *tid* is gone: its own file is complete."""
        if (sink := self.sinks.pop(tid, None)) is not None:
            sink.close()

    def flush(self) -> None:
        for sink in [*self.sinks.values(), *([self.common] if self.common else [])]:
            sink.flush()

    def close(self) -> None:
        for sink in [*self.sinks.values(), *([self.common] if self.common else [])]:
            sink.close()
        if self.command is not None:
            self.command.wait()
