"""Kernel stacks: one per thread, with an unmapped guard page below (Linux's VMAP_STACK).

A kernel stack that overflows faults in the guard page; the fault cannot be pushed there either, so
the CPU takes a double fault on the stack of its own (IST).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.frames import NoMemory
from ring3.machine.emulated.layout import PAGE, STACK_SIZE, STACKS

if TYPE_CHECKING:
    from ring3.machine.emulated.engine import Engine
    from ring3.machine.emulated.frames import Frames

SLOT: Final = STACK_SIZE + PAGE
PAGES: Final = STACK_SIZE // PAGE


class KernelStack:
    """STACK_SIZE bytes that end at *top*."""

    __slots__ = ("frames", "slot", "top")

    def __init__(self, slot: int, frames: list[int]) -> None:
        self.slot = slot
        self.top = STACKS + (slot + 1) * SLOT
        self.frames = frames

    @property
    def top_pa(self) -> int:
        """Physical address of the end of its highest page."""
        return self.frames[-1] + PAGE


class KernelStacks:
    """The stacks in use. Frames of freed ones are kept for the next thread."""

    def __init__(self, engine: Engine, frames: Frames) -> None:
        self.engine = engine
        self.frames = frames
        self.spare: list[KernelStack] = []
        self.used: dict[int, KernelStack] = {}
        self.made = 0

    def alloc(self) -> KernelStack:
        """A stack for a thread. Raises NoMemory."""
        if self.spare:
            stack = self.spare.pop()
        else:
            pages: list[int] = []
            try:
                while len(pages) < PAGES:
                    pages.append(self.frames.alloc())
            except NoMemory:
                for frame in pages:
                    self.frames.release(frame)
                raise
            stack = KernelStack(self.made, pages)
            self.made += 1
            for index, frame in enumerate(pages):
                self.engine.map_kernel(stack.top - STACK_SIZE + index * PAGE, frame)
        self.used[stack.slot] = stack
        return stack

    def free(self, stack: KernelStack) -> None:
        del self.used[stack.slot]
        self.spare.append(stack)

    def pa_of(self, address: int) -> int:
        """Physical address of a byte of a stack in use. KeyError for any other address."""
        slot, offset = divmod(address - STACKS, SLOT)
        page, within = divmod(offset - PAGE, PAGE)
        if page < 0:
            raise KeyError(address)
        return self.used[slot].frames[page] + within
