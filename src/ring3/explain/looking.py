"""Reading a guest's memory for the film without touching it: no page is faulted in by our looks.

Else the kernel's own first access to a page would never be seen to fault.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.task.task import Task

PIECE = 256


class LookingMemory:
    """Memory as a debugger sees it (abi.types.Memory, but for stores)."""

    def __init__(self, space: Any, word: int) -> None:
        self.space = space
        self.word = word

    def load(self, addr: int, size: int) -> bytes:
        data: bytes = self.space.peek(addr, size)
        if len(data) < size:
            raise EFAULT
        return data

    def load_string(self, addr: int, limit: int) -> bytes | None:
        found = b""
        while len(found) < limit:
            at = addr + len(found)
            piece = self.load(at, min(limit - len(found), PIECE - at % PIECE))
            end = piece.find(0)
            if end >= 0:
                return found + piece[:end]
            found += piece
        return None

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        raise EFAULT


def looking(task: Task) -> Memory:
    """The task's memory, to look at; a machine that cannot look without touching has its own."""
    if hasattr(task.space, "peek"):
        return LookingMemory(task.space, task.memory.word)
    return task.memory
