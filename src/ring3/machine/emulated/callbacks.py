"""What Unicorn's hooks do: call the model, answer CPUID and RDTSC, count blocks, check ports.

No hook raises into C: what goes wrong stops the board with a reason (``failure``).
"""

from __future__ import annotations

import ctypes

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated import hooks
from ring3.machine.emulated import layout as at
from ring3.machine.emulated.cpuid import cpuid
from ring3.machine.emulated.fast_calls import LEGACY_PREFIXES, REX_PREFIXES
from ring3.machine.emulated.image import CS, HF_SMAP, RAX, RBX, RCX, RDX, RIP, TF
from ring3.machine.emulated.ports import port_allowed
from ring3.machine.emulated.transitions import Shutdown
from ring3.machine.emulated.vectors import DB, GP, HAS_ERROR, PAGE_FAULT, PF_PRESENT, PF_USER, UD

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.board import Board
    from ring3.machine.emulated.fast_calls import FastCalls
    from ring3.machine.emulated.transitions import Transitions

LOW32: Final = 0xFFFFFFFF
NOTHING: Final = memoryview(bytes(16 * hooks.PLAIN_ENTRIES)).cast("q")


def signed(word: int) -> int:
    """A 64-bit word as the cell holds it."""
    return word - (1 << 64) if word >> 63 else word


STEP, STEP_TF, STEP_IRET = 1, 2, 4
"""A step without SMAP is under way; TF was set anyway; the instruction is IRET."""


class Callbacks:
    """The hooks of one board, and the little state they leave to ``Engine.run``."""

    __slots__ = (
        "board", "calls", "cell", "cpu", "failure", "hidden", "memory", "model", "q", "ram",
        "refused", "stepping", "tsc",
    )  # fmt: skip

    def __init__(
        self, board: Board, model: Transitions, calls: FastCalls, tsc: Callable[[], int]
    ) -> None:
        self.board = board
        self.calls = calls
        self.memory = model.memory
        self.cpu = board.cpu
        self.q = board.cpu.q
        self.model = model
        self.tsc = tsc
        self.ram = model.memory.ram
        self.hidden = -1
        self.failure = ""
        self.refused: bytes | None = None
        """The state at a refused IN or OUT, if the engine could only be stopped after its block."""
        self.stepping = 0
        """A far transfer is being run without SMAP: STEP flags."""
        self.cell = board.install_fast_hooks(
            self.on_block, self.on_out, self.on_in, self.guard(self.on_syscall)
        )
        """The words shared with machine code, see ``hooks``."""
        self.install()

    def install(self) -> None:
        board = self.board
        board.hook(hooks.HOOK_INTR, hooks.VOID, (hooks.U32,), self.guard(self.on_interrupt))
        board.hook(hooks.HOOK_INSN_INVALID, ctypes.c_bool, (), self.guard(self.on_invalid, True))
        board.hook_insn(hooks.INSN_SYSENTER, hooks.VOID, (), self.guard(self.on_sysenter))
        board.hook_insn(hooks.INSN_CPUID, hooks.INT, (), self.guard(self.on_cpuid, 1))
        board.hook_insn(hooks.INSN_RDTSC, hooks.INT, (), self.guard(self.on_rdtsc, 1))
        board.hook_insn(hooks.INSN_RDTSCP, hooks.INT, (), self.guard(self.on_rdtscp, 1))

    def guard(
        self, function: Callable[..., None], result: Any = None, push: bool = True
    ) -> Callable[..., Any]:
        """A callback for C: what it raises stops the board instead of vanishing.

        *push*: it may change the processor's state.
        """

        if self.board.live:

            def direct(*arguments: Any) -> Any:
                try:
                    function(*arguments)
                except BaseException as error:
                    self.die(error)
                return result

            return direct

        def copied(*arguments: Any) -> Any:
            try:
                self.board.pull()
                function(*arguments)
                if push:
                    self.board.push()
            except BaseException as error:
                self.die(error)
            return result

        return copied

    def die(self, error: BaseException) -> None:
        kind = "" if isinstance(error, Shutdown) else f"{type(error).__name__}: "
        self.failure = self.failure or f"{kind}{error}"
        self.board.stop()

    def on_interrupt(self, _uc: int, vector: int, _user: int) -> None:
        if self.refused is not None:
            return
        cpu = self.cpu
        cpu.forget_exception()
        stepped = self.stepping
        if stepped and self.step_done(vector):
            return
        if cpu.is_software_interrupt:
            self.model.deliver(vector, software=True, rip=cpu.next_rip)
            return
        error = cpu.error_code if vector in HAS_ERROR else None
        if vector == PAGE_FAULT and error is not None and not error & PF_USER and cpu.cpl == 3:
            # Refused without SMAP, too: a page that may not be written, as after fork.
            if error & PF_PRESENT and cpu.cr2 < at.USER_END and not stepped:
                self.step_without_smap()
                return
            error |= PF_USER
        self.model.deliver(vector, error)

    # --- far transfers within ring 3 --------------------------------------------------------------
    # RETF, IRET and far calls reach the user's stack as if they were supervisor accesses: the
    # engine lets SMAP refuse them (error 1 or 3 at CPL 3), and reports a missing page as the
    # kernel's. The instruction is run again with SMAP off, under TF, whose #DB switches it on.

    def step_without_smap(self) -> None:
        cpu = self.cpu
        flags = cpu.rflags
        self.stepping = STEP | (STEP_TF if flags & TF else 0)
        start = cpu.rip + cpu.segment(CS)[1]
        code = self.memory.peek(start, 15)
        opcode = code.lstrip(LEGACY_PREFIXES + (REX_PREFIXES if cpu.long_code else b""))[:1]
        if opcode == b"\xcf":
            self.stepping |= STEP_IRET
            self.hide_vm(start)
        cpu.hflags &= ~HF_SMAP
        cpu.rflags = flags | TF

    def hide_vm(self, start: int) -> None:
        """Clear VM in the flags that a 32-bit IRET at *start* will pop, for the time of the step.

        In IA-32e mode the bit has no effect (SDM Vol. 2A, IRET); the engine would enter 8086 mode,
        in which a selector says nothing about the privilege.
        """
        cpu = self.cpu
        before = self.memory.peek(start, 15).partition(b"\xcf")[0][-1:]
        if cpu.long_code and b"\x48" <= before <= b"\x4f":
            return  # REX.W: with 64-bit operands the engine does it right
        top = cpu.rsp if cpu.long_code else cpu.rsp & LOW32
        place = self.memory.translate(top + 8 + 2)  # the third byte of RFLAGS
        if place >= 0 and self.ram[place] & 2:
            self.hidden = place
            self.ram[place] &= ~2

    def step_undo(self) -> int:
        """End the step: SMAP is on again. What ``stepping`` was."""
        cpu = self.cpu
        state = self.stepping
        self.stepping = 0
        cpu.hflags |= HF_SMAP
        if self.hidden >= 0:
            self.ram[self.hidden] |= 2
            self.hidden = -1
        return state

    def step_abandon(self) -> None:
        """The run was stopped before the instruction: it will fault again, and be stepped again."""
        if not self.step_undo() & STEP_TF:
            self.cpu.rflags &= ~TF

    def step_done(self, vector: int) -> bool:
        """An event ended the step; whether it is thereby dealt with."""
        cpu = self.cpu
        state = self.step_undo()
        done = vector == DB
        if not (done and state & STEP_IRET):  # IRET has loaded TF from the stack
            cpu.rflags = cpu.rflags & ~TF | (TF if state & STEP_TF else 0)
        return done and not state & STEP_TF

    def on_invalid(self, _uc: int, _user: int) -> None:
        if self.refused is not None:
            return
        cpu = self.cpu
        cpu.forget_exception()
        if cpu.is_software_interrupt:  # INT 6 comes this way, too
            self.model.deliver(UD, software=True, rip=cpu.next_rip)
            return
        code = self.memory.peek(cpu.rip, 2)
        if code[:1] == b"\xf1":  # INT1: a trap
            cpu.rip += 1
            self.model.deliver(DB)
        elif code == b"\x0f\x33" and cpu.cpl:  # RDPMC with CR4.PCE clear
            self.model.deliver(GP, 0)
        else:
            self.model.deliver(UD)

    # The engine adds the instruction's length, prefixes included, to what we leave in RIP.

    def on_syscall(self, _uc: int, _user: int) -> None:
        q = self.q
        cell = self.cell
        rip = signed(q[RIP])
        space = signed(self.cpu.cr3)
        known = hooks.PLAIN + 2 * (rip % hooks.PLAIN_ENTRIES)
        if cell[known] == rip and cell[known + 1] == space:
            length, locked = 2, False
        else:
            length, locked = self.calls.call_length()
            if length == 2:
                cell[known] = rip
                cell[known + 1] = space
        if locked or not self.calls.syscall(length):
            self.model.deliver(UD)
        q[RIP] -= length

    def forget_calls(self) -> None:
        """Code may have changed: which SYSCALLs have no prefixes is to be looked up again."""
        self.cell[hooks.PLAIN : hooks.PLAIN + 2 * hooks.PLAIN_ENTRIES] = NOTHING

    def on_sysenter(self, _uc: int, _user: int) -> None:
        length, locked = self.calls.call_length()
        if locked:
            self.model.deliver(UD)
        elif not self.calls.sysenter():
            self.model.deliver(GP, 0)
        self.q[RIP] -= length

    def on_cpuid(self, _uc: int, _user: int) -> None:
        q = self.q
        q[RAX], q[RBX], q[RCX], q[RDX] = cpuid(q[RAX] & LOW32, q[RCX] & LOW32)

    def on_rdtsc(self, _uc: int, _user: int) -> None:
        value = self.tsc()
        self.q[RAX] = value & LOW32
        self.q[RDX] = value >> 32 & LOW32

    def on_rdtscp(self, uc: int, user: int) -> None:
        self.on_rdtsc(uc, user)
        self.q[RCX] = 0  # TSC_AUX: CPU 0 of node 0, as getcpu says

    # --- what machine code does where the host allows it ------------------------------------------

    def on_block(self, _uc: int, _address: int, _size: int, _user: int) -> None:
        cell = self.cell
        cell[hooks.LEFT] -= 1
        if cell[hooks.LEFT] < 0:
            self.board.stop()

    def on_out(self, _uc: int, port: int, size: int, _value: int, _user: int) -> None:
        if self.refused is not None:
            return
        self.board.pull()
        if self.cpu.cpl == 0:
            self.cell[hooks.PORT] = port
            self.board.stop()
        else:
            self.check_port(port, size)

    def on_in(self, _uc: int, port: int, size: int, _user: int) -> int:
        if self.refused is None:
            self.board.pull()
            if self.cpu.cpl:
                self.check_port(port, size)
        return LOW32 >> (32 - 8 * size)

    def check_port(self, port: int, size: int) -> None:
        if not port_allowed(self.memory, port, size):
            # The block runs on to its end: what it does to registers is undone afterwards.
            self.refused = bytes(self.cpu.b)
            self.board.stop()

    def refuse_port(self) -> None:
        """Undo an IN or OUT and raise its #GP(0)."""
        assert self.refused is not None
        self.cpu.b[:] = self.refused
        self.refused = None
        self.cpu.forget_exception()
        self.model.deliver(GP, 0)
