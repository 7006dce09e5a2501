"""Tasks that exist only as far as the tracer looks, and a tracer that writes into a string."""

from __future__ import annotations

from typing import Any

from ring3.core.clock import Clock
from ring3.trace.options import TraceOptions
from ring3.trace.tracer import Tracer
from tests.unit.fakes import FakeMemory


class Thing:
    """Something with attributes."""

    def __init__(self, **named: Any) -> None:
        self.__dict__.update(named)


class Actor:
    """One thread: memory, descriptors, a number."""

    def __init__(self, tid: int, files: dict[int, bytes] | None = None) -> None:
        self.tid = tid
        self.abi = "x86_64"
        self.memory = FakeMemory()
        self.sigmask = 0
        opened = {n: Thing(target=lambda p=p: p, kind="file") for n, p in (files or {}).items()}
        self.fds = Thing(files=opened)
        self.world = Thing(tasks={}, clock=Clock())
        self.process = Thing(
            pid=tid, threads={tid: self}, command_line=b"", environment=b"", auxv=b""
        )
        self.comm = b"actor"

    def put(self, content: bytes) -> int:
        """Address of *content* in this thread's memory."""
        return self.memory.room(len(content), content)


class Page:
    """A sink that keeps what is written."""

    live = False

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


class Pages:
    """Outputs as the tracer knows them."""

    def __init__(self, target: str = "file", separately: bool = False) -> None:
        self.target = target
        self.separately = separately
        self.common: Page | None = None if separately else Page()
        self.sinks: dict[int, Page] = {}

    def of(self, tid: int) -> Page:
        return self.common or self.sinks.setdefault(tid, Page())

    def forget(self, tid: int) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Stage:
    """A tracer and the lines it wrote."""

    def __init__(self, target: str = "file", separately: bool = False, **options: Any) -> None:
        from ring3.abi.syscalls_x86_64 import NUMBERS
        from ring3.kernel import load_calls
        from ring3.syscalls.table import CALLS

        load_calls()
        self.calls = CALLS
        self.numbers = NUMBERS
        self.options = TraceOptions()
        for name, value in options.items():
            holder = self.options.style if hasattr(self.options.style, name) else self.options
            setattr(holder, name, value)
        self.pages = Pages(target, separately)
        self.tracer = Tracer(self.options, self.pages)  # type: ignore[arg-type]

    def enter(self, actor: Actor, name: str, *args: int) -> None:
        registers = tuple(a & ((1 << 64) - 1) for a in args) + (0,) * (6 - len(args))
        actor.args = registers  # type: ignore[attr-defined]
        nr = self.numbers.get(name, 9999)
        call = self.calls.get(name)
        self.tracer.enter(actor, nr, name, call, registers)  # type: ignore[arg-type]

    def exit(self, actor: Actor, name: str, result: int | None, reason: str = "") -> None:
        nr = self.numbers.get(name, 9999)
        args: Any = actor.args  # type: ignore[attr-defined]
        self.tracer.exit(actor, nr, name, None, args, result, reason)  # type: ignore[arg-type]

    def call(self, actor: Actor, name: str, *args: int, result: int | None = 0) -> str:
        """One call from entry to exit; the line without its end."""
        before = len(self.text)
        self.enter(actor, name, *args)
        self.exit(actor, name, result)
        return self.text[before:].rstrip("\n")

    @property
    def text(self) -> str:
        """What went to the common sink."""
        return self.pages.common.text if self.pages.common is not None else ""
