"""What stops the CPU: system calls, exceptions, interrupts, and the kernel's own ring-0 routines.

``go_on`` runs the current thread until one of them; ``run_routine`` runs a ring-0 routine for the
kernel, with interrupts on, on the kernel stack that is in use: page faults and interrupts nest.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.context import FRAME, INDEX
from ring3.machine.emulated.entry_page import LANDING
from ring3.machine.emulated.exceptions import Exceptions
from ring3.machine.emulated.image import AC, IF, TF
from ring3.machine.emulated.layout import (
    PORT_CALL_GATE,
    PORT_COPIED,
    PORT_EXCEPTION,
    PORT_INT80,
    PORT_IRQ,
    PORT_SYSCALL,
    PORT_SYSENTER,
    WORD,
)
from ring3.machine.emulated.routines import ROUTINES
from ring3.machine.emulated.running import Runner
from ring3.machine.emulated.thread import READY

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedVehicle

TRAP_NS: Final = 200
"""Virtual time of a way through the kernel."""
IRQ_NS: Final = 500
"""Virtual time of a top half."""
ROUTINE_ROOM: Final = 256
"""Bytes between the frame in use and a routine's stack."""
ORIG_RAX, RAX, RIP, CS, FLAGS = (INDEX[n] for n in ("orig_rax", "rax", "rip", "cs", "eflags"))
ARGS_64 = tuple(INDEX[n] for n in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
ARGS_32 = tuple(INDEX[n] for n in ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp"))
CALL_PORTS: Final = frozenset((PORT_SYSCALL, PORT_SYSENTER, PORT_INT80, PORT_CALL_GATE))
FRAME_WORDS: Final = FRAME.size // 8
MASK32: Final = 0xFFFFFFFF


class Traps:
    """What is done about them, for the thread that has the CPU."""

    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine
        self.stacks = machine.hw.stacks
        self.physical = machine.hw.physical
        self.cpu = machine.hw.engine.cpu
        self.ram = machine.hw.engine.ram
        self.board = machine.board
        self.clock = machine.clock
        self.serve = machine.supervisor.serve
        self.runner = Runner(machine)
        self.run = self.runner.run
        self.exceptions = Exceptions(machine)
        self.words = self.ram.cast("Q")
        self.master = machine.board.controller.master
        self.on_trap: Any = None
        """Called with (vehicle, port) at every entry from user mode (determinism checks)."""

    def go_on(self, v: EmulatedVehicle) -> None:
        """Let *v*, which has the CPU, run until its next trap, and serve it."""
        if self.physical.current is not v.space:
            v.space.activate()  # a copy for another process had its tables in use
        self.cpu.rax = int(v.full_return)
        v.full_return = False
        clock = self.clock
        before = clock.now_ns
        port = 0
        while not port:
            # Not back to the caller when only the budget is used up: the next time here sets RAX,
            # which is the user's own unless the CPU stands at a hypercall.
            port = self.run()
            if port == PORT_IRQ and self.in_kernel():
                # On the way out of a call: the interrupt's own way back leads there again.
                self.interrupt(v)
                self.machine.softirqs.run_pending()
                port = 0
        v.user_ns += clock.now_ns - before
        if port:
            self.trap(v, port)
            v.system_ns += TRAP_NS
            clock.now_ns += TRAP_NS

    def trap(self, v: EmulatedVehicle, port: int) -> None:
        """A trap of the current thread. Those from user mode end with bottom halves, the calls
        that woke up, and signals."""
        machine = self.machine
        from_user = True
        if port in CALL_PORTS:
            self.system_call(v, port)
        elif port == PORT_EXCEPTION:
            from_user = self.exception(v)
        elif port == PORT_IRQ:
            from_user = self.interrupt(v)
        else:
            raise RuntimeError(f"hypercall {port:#x} out of place")
        if from_user:
            machine.settle_world()
            if (v.notify or v.preempted) and v.state is READY:
                machine.user_work(v)

    def system_call(self, v: EmulatedVehicle, port: int) -> None:
        machine, task, at = self.machine, v.task, v.frame_pa >> 3
        words = self.words
        if self.on_trap is not None:
            self.on_trap(v, port)
        if self.master.irr:
            self.let_in(v)
        frame = words[at : at + FRAME_WORDS].tolist()
        if port == PORT_SYSCALL or (port == PORT_CALL_GATE and v.abi == "x86_64"):
            abi, nr = "x86_64", frame[ORIG_RAX]
            args = [frame[i] for i in ARGS_64]
        else:
            abi, nr = "i386", frame[ORIG_RAX] & MASK32
            args = [frame[i] & MASK32 for i in ARGS_32]
            if port == PORT_SYSENTER and not self.land(v, args):
                return
        if frame[FLAGS] & TF:
            v.full_return = True  # IRET traps after the next instruction, SYSRET before it
        v.call_nr = nr
        if task.abi != abi:
            machine.set_abi(v, abi)
        result = self.serve(task, nr, args)
        runner = self.runner
        if self.clock.now_ns >= runner.due_ns or runner.news():
            # What the call set going may be done already: a packet to ourselves arrives before
            # the call is over.
            self.let_in(v)
        if result.__class__ is int and abi == v.abi and v.state is READY:
            if task.fds.changes:
                task.fds.changes.clear()
            words[at + RAX] = result & WORD
        else:
            machine.settle(v, result)

    def land(self, v: EmulatedVehicle, args: list[int]) -> bool:
        """SYSENTER leaves no return address: the entry page has a landing place, and the sixth
        argument is on the user's stack (do_fast_syscall_32). False: that could not be read."""
        v.set_frame_field("rip", v.entry_page + LANDING)
        try:
            args[5] = int.from_bytes(v.task.memory.load(v.frame_field("rsp"), 4), "little")
        except EFAULT:
            self.machine.settle(v, -EFAULT.number)
            return False
        v.set_frame_field("rbp", args[5])
        return True

    # --- exceptions and interrupts ---------------------------------------------------------------
    def frame_at(self, rsp: int) -> tuple[int, tuple[int, ...]]:
        """(physical address, fields) of the pt_regs that an entry has just built at *rsp*."""
        pa = self.stacks.pa_of(rsp)
        return pa, FRAME.unpack_from(self.ram, pa)

    def exception(self, v: EmulatedVehicle | None) -> bool:
        """An exception. True if it came from user mode."""
        cpu = self.cpu
        vector = cpu.rsi & 0xFF
        pa, frame = self.frame_at(cpu.rsp)
        error = frame[ORIG_RAX] & MASK32
        if not frame[CS] & 3:
            self.exceptions.of_kernel(pa, frame, vector, error)
            return False
        assert v is not None
        v.call_nr = -1
        if self.on_trap is not None:
            self.on_trap(v, PORT_EXCEPTION)
        self.exceptions.of_user(v, frame, vector, error)
        return True

    def in_kernel(self) -> bool:
        """Whether the entry that has just been made interrupted ring 0."""
        return not self.frame_at(self.cpu.rsp)[1][CS] & 3

    def let_in(self, v: EmulatedVehicle) -> None:
        """Take the interrupts that wait, during a call of *v*."""
        self.board.advance()
        if self.board.pending() is not None:
            self.run_routine(v.space, "breathe")

    def interrupt(self, v: EmulatedVehicle | None) -> bool:
        """An external interrupt: its top half. True if it came from user mode."""
        cpu = self.cpu
        vector = cpu.rsi & 0xFF
        _, frame = self.frame_at(cpu.rsp)
        board = self.board
        if board.interrupts.begin(vector):
            # The top half takes its time, and until its EOI interrupts of higher priority nest.
            self.clock.now_ns += IRQ_NS
            board.advance()
            if board.pending() is not None:
                self.run_routine(None, "breathe")
            board.interrupts.end(vector)
        self.runner.due_ns = 0  # the timer is programmed anew once its interrupt was taken
        from_user = bool(frame[CS] & 3)
        if from_user and v is not None:
            v.call_nr = -1
            if self.on_trap is not None:
                self.on_trap(v, PORT_IRQ)
        return from_user

    def idle_interrupts(self) -> None:
        """Let the devices' requests in while no thread runs, and do their bottom halves."""
        board = self.board
        board.advance()
        while board.pending() is not None:
            self.run_routine(None, "breathe")
        board.bottom_halves()

    # --- ring-0 routines -------------------------------------------------------------------------
    def run_routine(
        self, space: EmulatedSpace | None, name: str, rdi: int = 0, rsi: int = 0, rdx: int = 0
    ) -> int:
        """Run a routine of entry.S with interrupts on; what it leaves in RAX.

        Raises BoardFault (``exceptions``) if it takes an exception that it has no fixup for.
        """
        cpu = self.cpu
        if space is not None:
            space.activate()
        rip, rsp, flags = cpu.rip, cpu.rsp, cpu.rflags
        cpu.rdi, cpu.rsi, cpu.rdx = rdi, rsi, rdx
        cpu.rsp = (rsp - ROUTINE_ROOM) & ~15
        cpu.rip = ROUTINES[name]
        cpu.rflags = flags & ~AC | IF
        try:
            while True:
                port = self.run()
                if port == PORT_COPIED:
                    result: int = cpu.rax
                    return result
                if port == PORT_EXCEPTION:
                    self.exception(None)
                elif port == PORT_IRQ:
                    self.interrupt(None)
                elif port:
                    raise RuntimeError(f"hypercall {port:#x} in a routine")
        finally:
            cpu.rip, cpu.rsp, cpu.rflags = rip, rsp, flags


__all__ = ["Traps"]
