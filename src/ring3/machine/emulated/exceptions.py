"""Exceptions: a page to bring in, a signal, or a fault that the kernel's own copying foresaw."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import (
    BUS_ADRALN,
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_TRACE,
)
from ring3.machine.base import Fault
from ring3.machine.emulated.context import INDEX
from ring3.machine.emulated.fault import EXHAUSTED
from ring3.machine.emulated.layout import PAGE, USER_END, VSYSCALL
from ring3.machine.emulated.oom import make_room
from ring3.machine.emulated.routines import fixup_of
from ring3.machine.emulated.vectors import (
    AC,
    BP,
    BR,
    DB,
    DE,
    GP,
    MF,
    NM,
    NP,
    OVERFLOW,
    PAGE_FAULT,
    PF_FETCH,
    PF_PRESENT,
    PF_WRITE,
    STACK,
    TS,
    UD,
    XM,
)

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedVehicle

RIP: Final = INDEX["rip"]
SIGNAL_OF: Final = {
    DE: (SIGFPE, FPE_INTDIV), DB: (SIGTRAP, TRAP_TRACE), BP: (SIGTRAP, SI_KERNEL),
    OVERFLOW: (SIGSEGV, SI_KERNEL), BR: (SIGSEGV, SI_KERNEL), UD: (SIGILL, ILL_ILLOPN),
    NM: (SIGSEGV, SI_KERNEL), TS: (SIGSEGV, SI_KERNEL), NP: (SIGBUS, SI_KERNEL),
    STACK: (SIGBUS, SI_KERNEL), GP: (SIGSEGV, SI_KERNEL), AC: (SIGBUS, BUS_ADRALN),
}  # fmt: skip
"""What exceptions of user code become (arch/x86/kernel/traps.c)."""
AT_RIP: Final = frozenset((DE, DB, UD))
"""Exceptions whose si_addr is the instruction."""


class BoardFault(Exception):
    """Ring 0 took an exception that nobody foresaw: a bug of the kernel, or a test's intention."""

    def __init__(self, vector: int, error: int, address: int, rip: int) -> None:
        super().__init__(
            f"exception {vector} (error {error:#x}) in ring 0 at {rip:#x}, address {address:#x}"
        )
        self.vector = vector
        self.error = error
        self.address = address
        self.rip = rip


class Exceptions:
    """What the kernel does about them."""

    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine
        self.hw = machine.hw
        self.physical = machine.hw.physical
        self.engine = machine.hw.engine
        self.cpu = machine.hw.engine.cpu
        self.ram = machine.hw.engine.ram

    def of_user(self, v: EmulatedVehicle, frame: tuple[int, ...], vector: int, error: int) -> None:
        """An exception of user code."""
        if vector == PAGE_FAULT:
            address = self.cpu.cr2
            v.process.faults += 1
            bad = self.page_fault(
                v.space, address, bool(error & PF_WRITE), bool(error & PF_FETCH), error, 3
            )
            if bad is not None:
                if bad == EXHAUSTED:
                    make_room(self.machine, v.process)
                    return  # if it is still alive, the access is made again
                if address >= USER_END:
                    error |= PF_PRESENT  # what is mapped there is nobody's business
                self.signal(v, Fault(*bad, address, vector, error))
            return
        if vector == BP and frame[RIP] - 1 & -PAGE == VSYSCALL:
            # None of the page's three entries (emulate_vsyscall).
            v.set_frame_field("rip", frame[RIP] - 1)
            self.signal(v, Fault(SIGSEGV, SI_KERNEL, 0))
            return
        self.signal(v, self.as_signal(vector, error, frame))

    def as_signal(self, vector: int, error: int, frame: tuple[int, ...]) -> Fault:
        if vector in (MF, XM):
            from ring3.machine.emulated.fpu import fault_code

            return Fault(SIGFPE, fault_code(self.engine.fxsave(), vector), frame[RIP], vector)
        signo, code = SIGNAL_OF.get(vector, (SIGSEGV, SI_KERNEL))
        address = frame[RIP] if vector in AT_RIP else 0
        return Fault(signo, code, address, vector, error)

    def signal(self, v: EmulatedVehicle, fault: Fault) -> None:
        machine = self.machine
        v.notify = False
        context = v.context()
        go = machine.supervisor.fault(v.task, fault, context)
        machine.end_of_trap(v, context, go)

    def of_kernel(self, pa: int, frame: tuple[int, ...], vector: int, error: int) -> None:
        """An exception in ring 0: a page of the guest to bring in, or the copy's fixup."""
        rip, address = frame[RIP], self.cpu.cr2
        fixup = fixup_of(rip)
        space = self.physical.current
        if fixup and vector in (PAGE_FAULT, GP):
            if vector == PAGE_FAULT and space is not None and address < USER_END:
                write = bool(error & PF_WRITE)
                bad = self.page_fault(space, address, write, False, error, 0)
                if bad == EXHAUSTED and (v := self.machine.current) is not None:
                    make_room(self.machine, v.process)
                    if not v.process.dead:
                        return
                if bad is None:
                    return
            at = pa + 8 * RIP
            self.ram[at : at + 8] = fixup.to_bytes(8, "little")
            return
        raise BoardFault(vector, error, address, rip)

    def page_fault(
        self, space: EmulatedSpace, address: int, write: bool, fetch: bool, error: int, cpl: int
    ) -> tuple[int, int] | None:
        """``EmulatedSpace.fault``, and the probe is told of it."""
        if self.hw.probe is None:
            return space.fault(address, write, fetch, True)
        from ring3.machine.emulated.telling import page_fault

        return page_fault(self.hw.probe, space, address, write, fetch, error, cpl)
