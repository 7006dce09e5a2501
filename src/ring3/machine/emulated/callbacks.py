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

_LOW32: Final = 0xFFFFFFFF
_NOTHING: Final = memoryview(bytes(16 * hooks.PLAIN_ENTRIES)).cast("q")


def _signed(word: int) -> int:
    """A 64-bit word as the cell holds it."""
    return word - (1 << 64) if word >> 63 else word


_STEP, _STEP_TF, _STEP_IRET = 1, 2, 4
"""A step without SMAP is under way; TF was set anyway; the instruction is IRET."""


class Callbacks:
    """The hooks of one board, and the little state they leave to ``Engine.run``."""

    __slots__ = (
        "_board", "_calls", "_cpu", "_hidden", "_memory", "_model", "_q", "_ram", "_tsc", "cell",
        "failure", "refused", "stepping",
    )  # fmt: skip

    def __init__(
        self, board: Board, model: Transitions, calls: FastCalls, tsc: Callable[[], int]
    ) -> None:
        self._board = board
        self._calls = calls
        self._memory = model.memory
        self._cpu = board.cpu
        self._q = board.cpu.q
        self._model = model
        self._tsc = tsc
        self._ram = model.memory.ram
        self._hidden = -1
        self.failure = ""
        self.refused: bytes | None = None
        """The state at a refused IN or OUT, if the engine could only be stopped after its block."""
        self.stepping = 0
        """A far transfer is being run without SMAP: _STEP flags."""
        self.cell = board.install_fast_hooks(
            self._block, self._out, self._in, self.guard(self._syscall)
        )
        """The words shared with machine code, see ``hooks``."""
        self._install()

    def _install(self) -> None:
        board = self._board
        board.hook(hooks.HOOK_INTR, hooks.VOID, (hooks.U32,), self.guard(self._interrupt))
        board.hook(hooks.HOOK_INSN_INVALID, ctypes.c_bool, (), self.guard(self._invalid, True))
        board.hook_insn(hooks.INSN_SYSENTER, hooks.VOID, (), self.guard(self._sysenter))
        board.hook_insn(hooks.INSN_CPUID, hooks.INT, (), self.guard(self._cpuid, 1))
        board.hook_insn(hooks.INSN_RDTSC, hooks.INT, (), self.guard(self._rdtsc, 1))
        board.hook_insn(hooks.INSN_RDTSCP, hooks.INT, (), self.guard(self._rdtscp, 1))

    def guard(
        self, function: Callable[..., None], result: Any = None, push: bool = True
    ) -> Callable[..., Any]:
        """A callback for C: what it raises stops the board instead of vanishing.

        *push*: it may change the processor's state.
        """

        if self._board.live:

            def direct(*arguments: Any) -> Any:
                try:
                    function(*arguments)
                except BaseException as error:
                    self._die(error)
                return result

            return direct

        def copied(*arguments: Any) -> Any:
            try:
                self._board.pull()
                function(*arguments)
                if push:
                    self._board.push()
            except BaseException as error:
                self._die(error)
            return result

        return copied

    def _die(self, error: BaseException) -> None:
        kind = "" if isinstance(error, Shutdown) else f"{type(error).__name__}: "
        self.failure = self.failure or f"{kind}{error}"
        self._board.stop()

    def _interrupt(self, _uc: int, vector: int, _user: int) -> None:
        if self.refused is not None:
            return
        cpu = self._cpu
        cpu.forget_exception()
        stepped = self.stepping
        if stepped and self._step_done(vector):
            return
        if cpu.is_software_interrupt:
            self._model.deliver(vector, software=True, rip=cpu.next_rip)
            return
        error = cpu.error_code if vector in HAS_ERROR else None
        if vector == PAGE_FAULT and error is not None and not error & PF_USER and cpu.cpl == 3:
            # Refused without SMAP, too: a page that may not be written, as after fork.
            if error & PF_PRESENT and cpu.cr2 < at.USER_END and not stepped:
                self._step_without_smap()
                return
            error |= PF_USER
        self._model.deliver(vector, error)

    # --- far transfers within ring 3 --------------------------------------------------------------
    # RETF, IRET and far calls reach the user's stack as if they were supervisor accesses: the
    # engine lets SMAP refuse them (error 1 or 3 at CPL 3), and reports a missing page as the
    # kernel's. The instruction is run again with SMAP off, under TF, whose #DB switches it on.

    def _step_without_smap(self) -> None:
        cpu = self._cpu
        flags = cpu.rflags
        self.stepping = _STEP | (_STEP_TF if flags & TF else 0)
        start = cpu.rip + cpu.segment(CS)[1]
        code = self._memory.peek(start, 15)
        opcode = code.lstrip(LEGACY_PREFIXES + (REX_PREFIXES if cpu.long_code else b""))[:1]
        if opcode == b"\xcf":
            self.stepping |= _STEP_IRET
            self._hide_vm(start)
        cpu.hflags &= ~HF_SMAP
        cpu.rflags = flags | TF

    def _hide_vm(self, start: int) -> None:
        """Clear VM in the flags that a 32-bit IRET at *start* will pop, for the time of the step.

        In IA-32e mode the bit has no effect (SDM Vol. 2A, IRET); the engine would enter 8086 mode,
        in which a selector says nothing about the privilege.
        """
        cpu = self._cpu
        before = self._memory.peek(start, 15).partition(b"\xcf")[0][-1:]
        if cpu.long_code and b"\x48" <= before <= b"\x4f":
            return  # REX.W: with 64-bit operands the engine does it right
        top = cpu.rsp if cpu.long_code else cpu.rsp & _LOW32
        place = self._memory.translate(top + 8 + 2)  # the third byte of RFLAGS
        if place >= 0 and self._ram[place] & 2:
            self._hidden = place
            self._ram[place] &= ~2

    def step_undo(self) -> int:
        """End the step: SMAP is on again. What ``stepping`` was."""
        cpu = self._cpu
        state = self.stepping
        self.stepping = 0
        cpu.hflags |= HF_SMAP
        if self._hidden >= 0:
            self._ram[self._hidden] |= 2
            self._hidden = -1
        return state

    def step_abandon(self) -> None:
        """The run was stopped before the instruction: it will fault again, and be stepped again."""
        if not self.step_undo() & _STEP_TF:
            self._cpu.rflags &= ~TF

    def _step_done(self, vector: int) -> bool:
        """An event ended the step; whether it is thereby dealt with."""
        cpu = self._cpu
        state = self.step_undo()
        done = vector == DB
        if not (done and state & _STEP_IRET):  # IRET has loaded TF from the stack
            cpu.rflags = cpu.rflags & ~TF | (TF if state & _STEP_TF else 0)
        return done and not state & _STEP_TF

    def _invalid(self, _uc: int, _user: int) -> None:
        if self.refused is not None:
            return
        cpu = self._cpu
        cpu.forget_exception()
        if cpu.is_software_interrupt:  # INT 6 comes this way, too
            self._model.deliver(UD, software=True, rip=cpu.next_rip)
            return
        code = self._memory.peek(cpu.rip, 2)
        if code[:1] == b"\xf1":  # INT1: a trap
            cpu.rip += 1
            self._model.deliver(DB)
        elif code == b"\x0f\x33" and cpu.cpl:  # RDPMC with CR4.PCE clear
            self._model.deliver(GP, 0)
        else:
            self._model.deliver(UD)

    # The engine adds the instruction's length, prefixes included, to what we leave in RIP.

    def _syscall(self, _uc: int, _user: int) -> None:
        q = self._q
        cell = self.cell
        rip = _signed(q[RIP])
        space = _signed(self._cpu.cr3)
        known = hooks.PLAIN + 2 * (rip % hooks.PLAIN_ENTRIES)
        if cell[known] == rip and cell[known + 1] == space:
            length, locked = 2, False
        else:
            length, locked = self._calls.call_length()
            if length == 2:
                cell[known] = rip
                cell[known + 1] = space
        if locked or not self._calls.syscall(length):
            self._model.deliver(UD)
        q[RIP] -= length

    def forget_calls(self) -> None:
        """Code may have changed: which SYSCALLs have no prefixes is to be looked up again."""
        self.cell[hooks.PLAIN : hooks.PLAIN + 2 * hooks.PLAIN_ENTRIES] = _NOTHING

    def _sysenter(self, _uc: int, _user: int) -> None:
        length, locked = self._calls.call_length()
        if locked:
            self._model.deliver(UD)
        elif not self._calls.sysenter():
            self._model.deliver(GP, 0)
        self._q[RIP] -= length

    def _cpuid(self, _uc: int, _user: int) -> None:
        q = self._q
        q[RAX], q[RBX], q[RCX], q[RDX] = cpuid(q[RAX] & _LOW32, q[RCX] & _LOW32)

    def _rdtsc(self, _uc: int, _user: int) -> None:
        value = self._tsc()
        self._q[RAX] = value & _LOW32
        self._q[RDX] = value >> 32 & _LOW32

    def _rdtscp(self, uc: int, user: int) -> None:
        self._rdtsc(uc, user)
        self._q[RCX] = 0  # TSC_AUX: CPU 0 of node 0, as getcpu says

    # --- what machine code does where the host allows it ------------------------------------------

    def _block(self, _uc: int, _address: int, _size: int, _user: int) -> None:
        cell = self.cell
        cell[hooks.LEFT] -= 1
        if cell[hooks.LEFT] < 0:
            self._board.stop()

    def _out(self, _uc: int, port: int, size: int, _value: int, _user: int) -> None:
        if self.refused is not None:
            return
        self._board.pull()
        if self._cpu.cpl == 0:
            self.cell[hooks.PORT] = port
            self._board.stop()
        else:
            self._check_port(port, size)

    def _in(self, _uc: int, port: int, size: int, _user: int) -> int:
        if self.refused is None:
            self._board.pull()
            if self._cpu.cpl:
                self._check_port(port, size)
        return _LOW32 >> (32 - 8 * size)

    def _check_port(self, port: int, size: int) -> None:
        if not port_allowed(self._memory, port, size):
            # The block runs on to its end: what it does to registers is undone afterwards.
            self.refused = bytes(self._cpu.b)
            self._board.stop()

    def refuse_port(self) -> None:
        """Undo an IN or OUT and raise its #GP(0)."""
        assert self.refused is not None
        self._cpu.b[:] = self.refused
        self.refused = None
        self._cpu.forget_exception()
        self._model.deliver(GP, 0)
