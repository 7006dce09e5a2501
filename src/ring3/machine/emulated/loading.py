"""Making a program's memory, and the registers that enter it."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.resource import RLIMIT_STACK
from ring3.machine.emulated.context import FRAME, INDEX, INITIAL_FX
from ring3.machine.emulated.layout import (
    PAGE,
    USER32_CS,
    USER_CS,
    USER_DS,
    USER_END,
    USER_END_32,
)
from ring3.machine.emulated.program import map_entry_page, map_segment, map_stack, set_break

if TYPE_CHECKING:
    from ring3.machine.base import Image
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedVehicle

START_FLAGS: Final = 0x202
STACK_RANDOM_64: Final = 22
"""Bits of pages by which the stack's top moves (arch_align_stack, randomize_stack_top)."""
STACK_RANDOM_32: Final = 11
GAP_RANDOM_64: Final = 28
GAP_RANDOM_32: Final = 8
HEAP_RANDOM: Final = 8192
"""Pages by which the heap is moved at most (arch_randomize_brk: 32 MB)."""


class Loader:
    """One load: ``prepare`` may fail and changes nothing that anybody sees; the rest may not."""

    def __init__(self, machine: EmulatedMachine, image: Image) -> None:
        self.machine = machine
        self.image = image
        self.space: EmulatedSpace | None = None
        self.sp = 0
        self.entry_page = 0

    def prepare(self, task: Any) -> None:
        """Map the segments and the stack of *task*'s new program. Errno as execve(2)."""
        machine, image = self.machine, self.image
        word = 64 if image.abi == "x86_64" else 32
        self.space = space = machine.lives.new_space(word)
        limits = {which: soft for which, (soft, _) in task.process.limits.items()}
        for which, soft in limits.items():
            space.set_limit(which, soft)
        end, bits = (USER_END, STACK_RANDOM_64) if word == 64 else (USER_END_32, STACK_RANDOM_32)
        top = end - machine.random_below(1 << bits) * PAGE
        gap = machine.random_below(1 << (GAP_RANDOM_64 if word == 64 else GAP_RANDOM_32)) * PAGE
        map_stack(space, top, image.stack_prot, limits.get(RLIMIT_STACK, image.stack_size), gap)
        for segment in image.segments:
            map_segment(space, segment)
        self.entry_page = map_entry_page(space) if word == 32 else 0
        set_break(space, machine.random_below(HEAP_RANDOM) * PAGE)
        self.sp, block = image.build_stack(top, self.entry_page)
        space.memory.store(self.sp, block)
        if image.loaded is not None:
            image.loaded()

    def discard(self) -> None:
        if self.space is not None:
            self.space.drop()
            self.space = None

    def take_over(self, v: EmulatedVehicle) -> None:
        """The vehicle leaves its old memory for the new one."""
        assert self.space is not None
        machine, old = self.machine, v.space
        v.space, self.space = self.space, None
        machine.lives.enter_space(v)
        v.space.activate()
        old.drop()

    def enter(self, v: EmulatedVehicle) -> None:
        """Registers of a program's first instruction; then signals that are pending."""
        machine = self.machine
        self.write_frame(v)
        v.tls, v.iopl, v.ports, v.rseq, v.call_nr = [0, 0, 0], 0, None, None, -1
        v.entry_page = self.entry_page
        machine.engine.user_segments(machine.engine.cpu, v.space.word)
        machine.load_user_segments(v)
        machine.engine.fxrstor(INITIAL_FX)
        v.full_return = True
        machine.to_user(v, v.context())

    def write_frame(self, v: EmulatedVehicle) -> None:
        fields = [0] * len(INDEX)
        fields[INDEX["rip"]] = self.image.entry
        fields[INDEX["rsp"]] = self.sp
        fields[INDEX["cs"]] = USER_CS if self.image.abi == "x86_64" else USER32_CS
        fields[INDEX["ss"]] = USER_DS
        fields[INDEX["eflags"]] = START_FLAGS
        v.abi = self.image.abi
        v.task.abi = self.image.abi
        FRAME.pack_into(self.machine.ram, v.frame_pa, *fields)
