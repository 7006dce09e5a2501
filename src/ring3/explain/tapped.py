"""User memory with a witness: what a call loads and stores, and from which of its lines."""

from __future__ import annotations

import os
import sys

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.abi.types import Memory
    from ring3.explain.tape import Tape

MOST_COPIES = 40
"""Of one call, told in full."""
MOST_BYTES = 4096
"""Of one copy, kept for showing."""
CALLS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "syscalls")
"""Where handlers live."""
NOT_HANDLERS = frozenset(
    os.path.join(CALLS, name) for name in ("trap.py", "table.py", "families.py")
)


def is_handler(filename: str) -> bool:
    return filename.startswith(CALLS) and filename not in NOT_HANDLERS


def place_in_handler() -> dict[str, Any]:
    """The innermost line of a handler (or of its family's helpers) that we are called from."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_handler(frame.f_code.co_filename):
            return {
                "file": frame.f_code.co_filename,
                "line": frame.f_lineno,
                "function": frame.f_code.co_name,
            }
        frame = frame.f_back  # type: ignore[assignment]
    return {}


class TappedMemory:
    """A task's memory while its call is filmed (abi.types.Memory)."""

    def __init__(self, inner: Memory, tape: Tape, areas: Callable[[], Any]) -> None:
        self.inner = inner
        self.word = inner.word
        self.tape = tape
        self.areas = areas
        """Tells what is mapped now."""
        self.copies = 0
        self.running = False
        """The call's own handler runs: what others do with this memory meanwhile is not noted."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def told(self, kind: str, addr: int, size: int, data: bytes | None, found: int = -1) -> None:
        if self.running:
            self.copies += 1
            self.tape.note(
                kind,
                areas=self.areas() if self.copies <= MOST_COPIES else None,
                address=addr,
                size=size if found < 0 else found,
                data=None if data is None else bytes(data[:MOST_BYTES]),
                fault=data is None,
                place=place_in_handler(),
            )

    def began(self, kind: str, addr: int, size: int) -> None:
        """Before the copy, so that the steps of the hardware follow what they belong to."""
        if self.running:
            self.tape.note("copying", kind=kind, address=addr, size=size)

    def load(self, addr: int, size: int) -> bytes:
        self.began("load", addr, size)
        try:
            data = self.inner.load(addr, size)
        except EFAULT:
            self.told("load", addr, size, None)
            raise
        self.told("load", addr, size, data)
        return data

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        self.began("store", addr, len(data))
        try:
            self.inner.store(addr, data)
        except EFAULT:
            self.told("store", addr, len(data), None)
            raise
        self.told("store", addr, len(data), bytes(data))

    def load_string(self, addr: int, limit: int) -> bytes | None:
        self.began("string", addr, limit)
        try:
            found = self.inner.load_string(addr, limit)
        except EFAULT:
            self.told("string", addr, limit, None)
            raise
        data = b"" if found is None else found + b"\0"
        self.told("string", addr, limit, data, limit if found is None else len(data))
        return found
