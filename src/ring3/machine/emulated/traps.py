"""What stops the CPU: system calls, exceptions, interrupts, and the kernel's own ring-0 routines.

``go_on`` runs the current thread until one of them; ``run_routine`` runs a ring-0 routine for the
kernel, with interrupts on, on the kernel stack that is in use. Both end up in ``trap``.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any, Final
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
from ring3.machine.emulated.context import FRAME, INDEX
from ring3.machine.emulated.entry_page import LANDING
from ring3.machine.emulated.fault import EXHAUSTED
from ring3.machine.emulated.layout import (
    EXIT_BUDGET,
    EXIT_HYPERCALL,
    PAGE,
    PORT_CALL_GATE,
    PORT_COPIED,
    PORT_EXCEPTION,
    PORT_INT80,
    PORT_IRQ,
    PORT_SYSCALL,
    PORT_SYSENTER,
    USER_END,
    VSYSCALL,
)
from ring3.machine.emulated.oom import make_room
from ring3.machine.emulated.routines import ROUTINES, fixup_of

if TYPE_CHECKING:
    from ring3.machine.emulated.machine import EmulatedMachine
    from ring3.machine.emulated.space import EmulatedSpace
    from ring3.machine.emulated.thread import EmulatedVehicle

BLOCK_NS: Final = 2
"""Virtual time of one block of guest code (about five instructions)."""
TRAP_NS: Final = 200
"""Virtual time of a way through the kernel."""
IRQ_NS: Final = 500
"""Virtual time of a top half."""
SHORT: Final = 64
"""Blocks to run where an interrupt waits for interrupts to be enabled."""
ROUTINE_ROOM: Final = 256
"""Bytes between the frame in use and a routine's stack."""
FLAG_AC: Final = 0x40000
FLAG_IF: Final = 0x200
FLAG_TF: Final = 0x100
PAGE_FAULT: Final = 14
GENERAL_PROTECTION: Final = 13
BREAKPOINT: Final = 3
PF_PRESENT, PF_WRITE, PF_USER, PF_FETCH = 1, 2, 4, 16
ORIG_RAX, RAX, RIP, CS, FLAGS = (INDEX[n] for n in ("orig_rax", "rax", "rip", "cs", "eflags"))
ARGS_64 = tuple(INDEX[n] for n in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
ARGS_32 = tuple(INDEX[n] for n in ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp"))
CALL_PORTS: Final = frozenset((PORT_SYSCALL, PORT_SYSENTER, PORT_INT80, PORT_CALL_GATE))
FRAME_WORDS: Final = FRAME.size // 8
WORD: Final = (1 << 64) - 1
FAR_NS: Final = 1 << 62
MASK32: Final = 0xFFFFFFFF

SIGNAL_OF: Final = {
    0: (SIGFPE, FPE_INTDIV), 1: (SIGTRAP, TRAP_TRACE), 3: (SIGTRAP, SI_KERNEL),
    4: (SIGSEGV, SI_KERNEL), 5: (SIGSEGV, SI_KERNEL), 6: (SIGILL, ILL_ILLOPN),
    7: (SIGSEGV, SI_KERNEL), 10: (SIGSEGV, SI_KERNEL), 11: (SIGBUS, SI_KERNEL),
    12: (SIGBUS, SI_KERNEL), 13: (SIGSEGV, SI_KERNEL), 17: (SIGBUS, BUS_ADRALN),
}  # fmt: skip
"""What exceptions of user code become (arch/x86/kernel/traps.c)."""
X87, SIMD = 16, 19
AT_RIP: Final = frozenset((0, 6, 16, 19))
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


class Traps:
    def __init__(self, machine: EmulatedMachine) -> None:
        self.machine = machine
        self.hw = machine.hw
        self.physical = machine.hw.physical
        self.engine = machine.hw.engine
        self.cpu = machine.hw.engine.cpu
        self.ram = machine.hw.engine.ram
        self.board = machine.board
        self.clock = machine.clock
        self.serve = machine.supervisor.serve
        self.seen_blocks = 0
        self.words = self.ram.cast("Q")
        self.schedule = machine.board.schedule
        self.master = machine.board.controller.master
        self.due_ns = 0
        """Until then nothing happens on the board by itself (unless ``news`` says so)."""
        self.seen_serial = -1
        self.on_trap: Any = None
        """Called with (vehicle, port) at every entry from user mode (determinism checks)."""

    # --- running ---------------------------------------------------------------------------------
    def run(self) -> int:
        """Run the CPU until it needs Python, delivering interrupts on the way; the port, or 0 when
        the time until the next event is over."""
        engine, clock = self.engine, self.clock
        if clock.now_ns >= self.due_ns or self.news():
            self.look_at_board()
        code = engine.run()
        blocks = engine.blocks
        clock.now_ns += (blocks - self.seen_blocks) * BLOCK_NS
        self.seen_blocks = blocks
        if code == EXIT_HYPERCALL:
            return engine.port
        if code == EXIT_BUDGET:
            return 0
        raise RuntimeError(f"the board is dead: {engine.failure or code}")

    def news(self) -> bool:
        """A device's request waits, or a deadline was set since the board was last looked at."""
        return bool(
            self.master.irr or self.clock.rearmed or self.schedule.serial != self.seen_serial
        )

    def look_at_board(self) -> None:
        """Let the devices do what is due, deliver an interrupt if one can be, and set the budget
        for the time until the next event."""
        engine, board, clock = self.engine, self.board, self.clock
        self.due_ns = 0
        board.advance()
        if board.pending() is not None:
            if not engine.can_interrupt():
                engine.budget = SHORT
                return
            engine.deliver_irq(board.acknowledge())
        event = board.next_event_ns()
        clock.rearmed = False
        self.seen_serial = self.schedule.serial
        self.due_ns = FAR_NS if event is None else event
        engine.budget = max((self.due_ns - clock.now_ns) // BLOCK_NS, 1)

    def account(self) -> None:
        """Let virtual time pass for the blocks that ran."""
        blocks = self.engine.blocks
        self.clock.advance((blocks - self.seen_blocks) * BLOCK_NS)
        self.seen_blocks = blocks

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
            if (v.notify or v.preempted) and v.state == "ready":
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
        if frame[FLAGS] & FLAG_TF:
            v.full_return = True  # IRET traps after the next instruction, SYSRET before it
        v.call_nr = nr
        if task.abi != abi:
            machine.set_abi(v, abi)
        result = self.serve(task, nr, args)
        if self.clock.now_ns >= self.due_ns or self.news():
            # What the call set going may be done already: a packet to ourselves arrives before
            # the call is over.
            self.let_in(v)
        if result.__class__ is int and abi == v.abi and v.state == "ready":
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

    # --- exceptions ------------------------------------------------------------------------------
    def frame_at(self, rsp: int) -> tuple[int, tuple[int, ...]]:
        """(physical address, fields) of the pt_regs that an entry has just built at *rsp*."""
        pa = self.hw.stacks.pa_of(rsp)
        return pa, FRAME.unpack_from(self.ram, pa)

    def exception(self, v: EmulatedVehicle | None) -> bool:
        """An exception. True if it came from user mode."""
        cpu = self.cpu
        vector = cpu.rsi & 0xFF
        pa, frame = self.frame_at(cpu.rsp)
        error = frame[ORIG_RAX] & MASK32
        if not frame[CS] & 3:
            self.kernel_exception(pa, frame, vector, error)
            return False
        assert v is not None
        v.call_nr = -1
        if self.on_trap is not None:
            self.on_trap(v, PORT_EXCEPTION)
        if vector == PAGE_FAULT:
            address = cpu.cr2
            v.process.faults += 1
            bad = self.page_fault(
                v.space, address, bool(error & PF_WRITE), bool(error & PF_FETCH), error, 3
            )
            if bad is not None:
                if bad == EXHAUSTED:
                    make_room(self.machine, v.process)
                    return True  # if it is still alive, the access is made again
                if address >= USER_END:
                    error |= PF_PRESENT  # what is mapped there is nobody's business
                self.signal(v, Fault(*bad, address, vector, error))
            return True
        if vector == BREAKPOINT and frame[RIP] - 1 & -PAGE == VSYSCALL:
            # None of the page's three entries (emulate_vsyscall).
            v.set_frame_field("rip", frame[RIP] - 1)
            self.signal(v, Fault(SIGSEGV, SI_KERNEL, 0))
            return True
        self.signal(v, self.as_signal(vector, error, frame))
        return True

    def as_signal(self, vector: int, error: int, frame: tuple[int, ...]) -> Fault:
        if vector in (X87, SIMD):
            from ring3.machine.emulated.fpu import fault_code

            return Fault(SIGFPE, fault_code(self.engine.fxsave(), vector), frame[RIP], vector)
        signo, code = SIGNAL_OF.get(vector, (SIGSEGV, SI_KERNEL))
        address = frame[RIP] if vector in AT_RIP else 0
        if vector == 1:
            address = frame[RIP]
        return Fault(signo, code, address, vector, error)

    def signal(self, v: EmulatedVehicle, fault: Fault) -> None:
        machine = self.machine
        v.notify = False
        context = v.context()
        go = machine.supervisor.fault(v.task, fault, context)
        machine.end_of_trap(v, context, go)

    def kernel_exception(self, pa: int, frame: tuple[int, ...], vector: int, error: int) -> None:
        """An exception in ring 0: a page of the guest to bring in, or the copy's fixup."""
        rip, address = frame[RIP], self.cpu.cr2
        fixup = fixup_of(rip)
        space = self.physical.current
        if fixup and vector in (PAGE_FAULT, GENERAL_PROTECTION):
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

    # --- interrupts ------------------------------------------------------------------------------
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
        self.due_ns = 0  # the timer is programmed anew once its interrupt was taken
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

        Raises BoardFault if it takes an exception that it has no fixup for.
        """
        cpu = self.cpu
        if space is not None:
            space.activate()
        rip, rsp, flags = cpu.rip, cpu.rsp, cpu.rflags
        cpu.rdi, cpu.rsi, cpu.rdx = rdi, rsi, rdx
        cpu.rsp = (rsp - ROUTINE_ROOM) & ~15
        cpu.rip = ROUTINES[name]
        cpu.rflags = flags & ~FLAG_AC | FLAG_IF
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


__all__ = ["BoardFault", "Traps"]
