"""The board without its devices: CPU, RAM, kernel stacks, and images of CPUs that wait."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.machine.emulated.engine import Engine
from ring3.machine.emulated.entry_page import CODE as ENTRY_CODE
from ring3.machine.emulated.layout import PT_REGS_SIZE, RAM_SIZE, TLS_FIRST
from ring3.machine.emulated.physical import Physical
from ring3.machine.emulated.routines import ROUTINES
from ring3.machine.emulated.space import EmulatedSpace
from ring3.machine.emulated.stacks import KernelStacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.stacks import KernelStack


class Hardware:
    def __init__(self, ram_size: int | None = None) -> None:
        self.engine = Engine(ram_size or RAM_SIZE)
        self.physical = Physical(self.engine, self.engine.kernel.root)
        self.physical.set_entry_page(ENTRY_CODE)
        self.stacks = KernelStacks(self.engine, self.physical.frames)
        self.idle_stack = self.stacks.alloc()
        self.idle_image = self.start_image(self.idle_stack)
        self.probe: Callable[[str, dict[str, Any]], None] | None = None
        self.engine.load(self.idle_image)

    # --- images ----------------------------------------------------------------------------------
    def start_image(self, stack: KernelStack) -> bytes:
        """A CPU about to leave the kernel with the pt_regs at the top of *stack*."""
        image = bytearray(self.engine.new_image())
        cpu = self.engine.image_of(image)
        cpu.rip = ROUTINES["return_full"]
        cpu.rsp = stack.top - PT_REGS_SIZE
        return bytes(image)

    def image_on_stack(self, image: bytes, stack: KernelStack) -> bytes:
        """The CPU of *image*, which is in an entry from user mode, on another kernel stack."""
        copy = bytearray(image)
        self.engine.image_of(copy).rsp = stack.top - PT_REGS_SIZE
        return bytes(copy)

    def with_fs_base(self, image: bytes, base: int) -> bytes:
        copy = bytearray(image)
        self.engine.image_of(copy).fs_base = base
        return bytes(copy)

    def with_reloaded_segments(self, image: bytes, descriptors: list[int]) -> bytes:
        """The CPU of *image* with the bases that its user's FS and GS have by *descriptors*."""
        copy = bytearray(image)
        cpu = self.engine.image_of(copy)
        for selector, name in ((cpu.fs, "fs_base"), (cpu.gs, "kernel_gs_base")):
            slot = (selector >> 3) - TLS_FIRST
            if 0 <= slot < len(descriptors):
                value = descriptors[slot]
                setattr(cpu, name, value >> 16 & 0xFFFFFF | (value >> 56 & 0xFF) << 24)
        return bytes(copy)

    def use_stack(self, stack: KernelStack) -> None:
        """Entries from user mode go to *stack* from now on."""
        self.engine.set_kernel_stack(stack.top)

    def set_tls(self, descriptors: list[int]) -> None:
        """The running thread's three TLS descriptors, in the GDT."""
        for slot, descriptor in enumerate(descriptors):
            self.engine.set_tls(slot, descriptor)

    def new_space(self, word: int) -> EmulatedSpace:
        return EmulatedSpace(self.physical, word)

    def set_probe(self, probe: Callable[[str, dict[str, Any]], None] | None) -> None:
        self.probe = self.engine.probe = probe

    def close(self) -> None:
        self.stacks.used.clear()
