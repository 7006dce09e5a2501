"""An emulated vehicle: one guest thread's CPU image and kernel stack.

A vehicle that is not on the CPU always stands in ring 0, in an entry path, with the ``pt_regs`` of
its user code at the top of its kernel stack: the kernel finds and changes the user's registers
there, and nothing of a blocked thread lies on a Python stack.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated import tls
from ring3.machine.emulated.context import FRAME, INDEX, EmulatedContext
from ring3.machine.emulated.layout import PT_REGS_SIZE
from ring3.machine.emulated.operations import (
    Clone,
    Exec,
    ExitThread,
    SlowReturn,
    own_call,
)
from ring3.machine.emulated.usage import VirtualUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import CloneArgs, Image, Result, UserContext
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.stacks import KernelStack

READY: Final = "ready"
"""In the run queue, or on the CPU."""
BLOCKED: Final = "blocked"
"""In a call that has no result yet."""
HELD: Final = "held"
"""Not to return to user mode now (its process is stopped)."""
GONE: Final = "gone"
PORT_BYTES: Final = 8192


class EmulatedProcess:
    """The vehicles of one guest process."""

    __slots__ = ("barriers", "cpu_ns", "dead", "faults", "process", "system_ns", "vehicles")

    def __init__(self, process: Any) -> None:
        self.process = process
        self.vehicles: list[EmulatedVehicle] = []
        self.dead = False
        self.barriers = 0
        """membarrier(2) commands it registered for."""
        self.faults = 0
        """Page faults of its user code."""
        self.cpu_ns = 0
        """User time of threads that have ended, in virtual ns."""
        self.system_ns = 0

    def times_ns(self) -> tuple[int, int]:
        """(user, system) virtual time of all its threads, those that ended included."""
        user = self.cpu_ns + sum(v.user_ns for v in self.vehicles)
        return user, self.system_ns + sum(v.system_ns for v in self.vehicles)


class EmulatedVehicle:
    __slots__ = (
        "abi",
        "call_nr",
        "entry_page",
        "frame_pa",
        "full_return",
        "image",
        "iopl",
        "machine",
        "notify",
        "outcome",
        "pending_then",
        "ports",
        "preempted",
        "process",
        "rseq",
        "space",
        "stack",
        "state",
        "system_ns",
        "task",
        "tls",
        "user_ns",
    )

    def __init__(
        self,
        machine: EmulatedMachine,
        process: EmulatedProcess,
        space: EmulatedSpace,
        stack: KernelStack,
    ) -> None:
        self.machine = machine
        self.process = process
        self.space = space
        self.stack = stack
        self.frame_pa = stack.top_pa - PT_REGS_SIZE
        """Physical address of the pt_regs of its user code."""
        self.task: Any = None
        self.abi = "x86_64"
        """The program's interface; ``task.abi`` is that of the call under way."""
        self.image: Any = None
        """The CPU's state while another thread has the CPU."""
        self.state = READY
        self.outcome: Result | None = None
        """The result of a call that came while another thread had the CPU."""
        self.pending_then: Callable[[int], Result | None] | None = None
        self.notify = False
        """``user_return`` has to be asked before the next return to user mode."""
        self.full_return = False
        """The registers were changed: return by IRET."""
        self.call_nr = -1
        """The system call being returned from, or -1 (an exception, an interrupt, a start)."""
        self.tls = [0, 0, 0]
        """Descriptors of set_thread_area(2), GDT entries 12 to 14."""
        self.entry_page = 0
        """Where its i386 program finds the code that enters the kernel."""
        self.iopl = 0
        self.ports: bytes | None = None
        """The I/O permission bitmap of ioperm(2); None: no port."""
        self.rseq: tuple[int, int, int] | None = None
        """(address, size, signature) of rseq(2)."""
        self.preempted = False
        """It lost the CPU since it was in user mode: a restartable sequence has to restart."""
        self.user_ns = 0
        self.system_ns = 0

    # --- where its user registers are ------------------------------------------------------------
    def frame_field(self, name: str) -> int:
        at = self.frame_pa + 8 * INDEX[name]
        return int.from_bytes(self.machine.ram[at : at + 8], "little")

    def set_frame_field(self, name: str, value: int) -> None:
        at = self.frame_pa + 8 * INDEX[name]
        self.machine.ram[at : at + 8] = (value & (1 << 64) - 1).to_bytes(8, "little")

    def frame(self) -> tuple[int, ...]:
        return FRAME.unpack_from(self.machine.ram, self.frame_pa)

    def user_registers(self) -> tuple[str, dict[str, int]]:
        found = dict(zip(INDEX, self.frame(), strict=True))
        return "trap", {**found, "kernel_stack": self.stack.top - PT_REGS_SIZE}

    def context(self) -> EmulatedContext:
        return EmulatedContext(self, self.call_nr)

    # --- the kernel's side (machine.base.Vehicle) ------------------------------------------------
    def clone(self, args: CloneArgs, child: Any, then: Callable[[int], Result | None]) -> Result:
        return Clone(args, child, then)

    def exec(self, image: Image, then: Callable[[int], Result | None]) -> Result:
        return Exec(image, then)

    def host_call(self, nr: int, args: Sequence[int]) -> Result:
        """What on another machine the host does for a thread: this machine does it itself."""
        return own_call(self, nr, args)

    def slow_return(self, result: int, edit: Callable[[UserContext], None] | None = None) -> Result:
        return SlowReturn(result, edit)

    def exit_thread(self, status: int, wakes: Sequence[int] = ()) -> Result:
        return ExitThread(False)

    def exit_group(self, status: int, wakes: Sequence[int] = ()) -> Result:
        return ExitThread(True)

    def resume(self) -> None:
        if self.state == HELD:
            self.notify = True
            self.machine.make_ready(self)

    def interrupt(self) -> None:
        self.notify = True
        if self.state == HELD:
            self.machine.make_ready(self)

    def kill(self) -> None:
        self.machine.lives.kill(self.process)

    def set_limit(self, which: int, soft: int, hard: int) -> None:
        self.space.set_limit(which, soft)

    def set_thread_area(self, area: int) -> int:
        return tls.set_area(self, area)

    def get_thread_area(self, area: int) -> int:
        return tls.get_area(self, area)

    def permit_ports(self, first: int, count: int, allow: bool) -> int:
        """ioperm(2): a copy of the bitmap of its own, loaded into the TSS while it runs."""
        bitmap = bytearray(self.ports or b"\xff" * PORT_BYTES)
        for port in range(first, first + count):
            bit = 1 << (port & 7)
            bitmap[port >> 3] = bitmap[port >> 3] & ~bit if allow else bitmap[port >> 3] | bit
        self.ports = None if bitmap.count(0xFF) == PORT_BYTES else bytes(bitmap)
        self.machine.load_user_segments(self)
        return 0

    def set_iopl(self, level: int) -> int:
        """iopl(2). As Linux since 5.5, level 3 means all ports by the bitmap; flag IOPL stays 0,
        or user code could turn interrupts off."""
        self.iopl = level
        self.machine.load_user_segments(self)
        return 0

    # --- accounts (virtual time) -----------------------------------------------------------------
    def cpu_ns(self) -> tuple[int, int]:
        return self.user_ns, self.system_ns

    def process_times_ns(self) -> tuple[int, int]:
        return self.process.times_ns()

    def process_cpu_ns(self) -> int:
        return sum(self.process_times_ns())

    def process_usage(self) -> VirtualUsage:
        return VirtualUsage(self.process)


__all__ = ["BLOCKED", "GONE", "HELD", "READY", "EmulatedProcess", "EmulatedVehicle"]
