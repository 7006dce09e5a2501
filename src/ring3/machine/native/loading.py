"""exec on the native machine: a real host exec of the shim, then the image is mapped into it.

The host's exec ends the other threads and resets what a guest could have left behind (restartable
sequences, robust list, vDSO, alternate stacks). The shim then rings as booted, and the kernel has
it map the program, builds the stack, and lets it return into the entry point.
"""

from __future__ import annotations

from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_GROWSDOWN,
    PROT_READ,
    PROT_WRITE,
)
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.abi.types import PAGE_SIZE
from ring3.machine.base import Deferred, Image, Result, Segment
from ring3.machine.native.protocol import (
    FRAME,
    REPLY_ENTER,
    RIP,
    RSP,
    SLOT_SIZE,
    SLOT_STACK,
    SLOTS,
    USER_SEGMENTS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.native.machine import NativeMachine
    from ring3.machine.native.vehicle import NativeVehicle

ENTER_FRAME = SLOTS + 0x8000
"""Where the first frame of a program lies: below the shim's own stack, above nothing in use."""
PATH_AT = 0x3800
"""Offset in the slot of the strings of the host's execve."""
PROC_SELF_EXE = b"/proc/self/exe\0"
NO_FD = (1 << 64) - 1
UC_FLAGS = 2 | 4
"""UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS"""
SIGSEGV = 11

Cmds = list[tuple[int, tuple[int, ...], int]]


def page_down(x: int) -> int:
    return x & -PAGE_SIZE


def page_up(x: int) -> int:
    return -(-x // PAGE_SIZE) * PAGE_SIZE


class Exec(Deferred):
    """execve(2) by the vehicle itself."""

    __slots__ = ("image",)

    def __init__(self, image: Image, then: Callable[[int], Result | None]) -> None:
        super().__init__(then)
        self.image = image

    def begin(self, machine: NativeMachine, v: NativeVehicle) -> None:
        v.enter_shim(lambda: self.inside(machine, v))

    def inside(self, machine: NativeMachine, v: NativeVehicle) -> None:
        """Have the shim exec itself. argv is one string, so the host's stack stays small."""
        base = v.slot_base
        strings = PROC_SELF_EXE + bytes(1)
        pointers = (base + PATH_AT).to_bytes(8, "little") + bytes(8)
        try:
            v.space.memory.store(base + PATH_AT, strings.ljust(64, b"\0") + pointers + bytes(8))
        except Errno as bad:
            v.pending_then = self.then
            machine.finished(v, -bad.number)
            return
        argv = base + PATH_AT + 64
        v.pending_then = self.then
        task = v.task
        v.process.booting = lambda v, vdso, sp: self.booted(machine, v, task, vdso, sp)

        def failed(v: NativeVehicle, index: int, last: int) -> None:
            v.process.booting = None
            machine.finished(v, last)
            for other in list(v.process.vehicles.values()):
                if other.kick_due:
                    other.kick_due = False
                    other.interrupt()

        args = (base + PATH_AT, argv, argv + 8)
        v.run([(NUMBERS["execve"], args, 0)], failed)

    def booted(
        self, machine: NativeMachine, v: NativeVehicle, task: Any, vdso: int, sp: int
    ) -> None:
        """The point of no return lies behind us: tell the kernel, then load the program. The
        thread that asked now runs as the process's leader, whichever it was."""
        assert self.then is not None
        v.task, task.vehicle = task, v
        task.space, task.memory = v.space, v.space.memory
        task.fds.bound.difference_update(task.fds.cloexec)
        task.fds.routed.difference_update(task.fds.cloexec)
        # The stack is laid out before ``then``, which closes the program's files.
        loader = Loader(machine, v, self.image, vdso, page_down(sp))
        loader.prepare()
        self.then(0)
        loader.start()


def load_image(machine: NativeMachine, v: NativeVehicle, image: Image, vdso: int, sp: int) -> None:
    """Map *image* into a freshly booted vehicle and enter it."""
    loader = Loader(machine, v, image, vdso, page_down(sp))
    loader.prepare()
    loader.start()


class Loader:
    """The steps of one load; any failure here kills the process (SIGSEGV), as on Linux."""

    def __init__(
        self, machine: NativeMachine, v: NativeVehicle, image: Image, vdso: int, top: int
    ) -> None:
        self.machine = machine
        self.v = v
        self.image = image
        self.vdso = vdso
        self.top = top
        self.zero: list[tuple[int, int]] = []
        self.bad = next((why for s in image.segments if (why := misplaced(s))), "")

    def prepare(self) -> None:
        """Build the stack and take hold of the files; the kernel may close its own afterwards."""
        self.block_at, self.block = self.image.build_stack(self.top, self.vdso)
        self.cmds: Cmds = []
        lent: dict[int, int] = {}
        for segment in self.image.segments if not self.bad else ():
            host_fd = -1
            if segment.file is not None and segment.filesz:
                source = segment.file.map_fd(PROT_READ, False)
                if source not in lent:
                    lent[source] = self.machine.lend(self.v, source)
                host_fd = lent[source]
            self.map_segment(self.cmds, segment, host_fd)
        self.cmds += [(NUMBERS["close"], (fd,), 0) for fd in lent.values()]
        if self.image.loaded is not None:
            self.image.loaded()

    def start(self) -> None:
        """Have the vehicle map everything and grow its stack."""
        if self.bad:
            self.fail(self.bad)
            return
        cmds, sp = self.cmds, self.block_at
        # A system call that writes there makes the host grow the stack down to it.
        cmds.append((NUMBERS["clock_gettime"], (1, max(sp - 128, 0)), 0))
        if self.image.stack_prot & 4:
            prot = self.image.stack_prot | PROT_GROWSDOWN
            cmds.append((NUMBERS["mprotect"], (page_down(sp), PAGE_SIZE, prot), 0))
        self.count = len(cmds)
        self.v.run(cmds, self.mapped)

    def map_segment(self, cmds: Cmds, s: Segment, host_fd: int) -> None:
        start = page_down(s.vaddr)
        file_end = s.vaddr + s.filesz
        mapped_end = page_up(file_end) if s.filesz else start
        if s.filesz:
            skew = s.vaddr - start
            args = (start, s.filesz + skew, s.prot, MAP_PRIVATE | MAP_FIXED, host_fd)
            cmds.append((NUMBERS["mmap"], (*args, s.offset - skew), 0))
            # The rest of the last page belongs to .bss and must read as zero.
            if s.memsz > s.filesz and mapped_end > file_end and s.prot & PROT_WRITE:
                self.zero.append((file_end, mapped_end - file_end))
        end = page_up(s.vaddr + s.memsz)
        if end > mapped_end:
            flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
            args = (mapped_end, end - mapped_end, s.prot, flags, NO_FD)
            cmds.append((NUMBERS["mmap"], (*args, 0), 0))

    def mapped(self, v: NativeVehicle, index: int, last: int) -> None:
        if index != self.count:
            self.fail(f"mapping step {index} of {self.count} failed: {last}")
            return
        try:
            for at, size in self.zero:
                v.space.memory.store(at, bytes(size))
            v.space.memory.store(self.block_at, self.block)
            self.write_frame()
        except Errno:
            self.fail("the new memory cannot be written")
            return
        v.space.stack_top = self.top
        context = v.context(-1)
        if context is not None:
            v.entering = True
            self.machine.to_user(v, context)

    def write_frame(self) -> None:
        registers = [0] * 23
        registers[RSP] = self.block_at
        registers[RIP] = self.image.entry & (1 << 64) - 1
        registers[17] = 0x202
        registers[18] = USER_SEGMENTS
        stack = (SLOTS + SLOT_STACK, 0, SLOT_SIZE - SLOT_STACK)
        frame = FRAME.pack(UC_FLAGS, 0, *stack, *registers, 0) + bytes(80)
        self.v.frame = ENTER_FRAME
        self.v.space.memory.store(ENTER_FRAME, frame)
        self.v.space.memory.store(SLOTS + 8, ENTER_FRAME.to_bytes(8, "little"))

    def fail(self, why: str) -> None:
        self.machine.say(f"exec of {self.image.name}: {why}")
        self.machine.lost(self.v, SIGSEGV)


def misplaced(segment: Segment) -> str:
    """Why a segment cannot lie where it wants to; "" if it can."""
    from ring3.machine.native.space import touches_shim

    if segment.vaddr < 0 or segment.vaddr + segment.memsz >= 1 << 47:
        return "segment beyond user memory"
    if touches_shim(segment.vaddr, max(segment.memsz, 1)):
        return "segment where the machine's own code is"
    return ""


__all__ = ["REPLY_ENTER", "Exec", "load_image"]
