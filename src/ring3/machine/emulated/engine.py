"""The processor and its RAM: runs guest and ring-0 code until Python is needed.

Unicorn executes instructions, walks page tables and checks privileges; its hooks call the model of
the transitions that it lacks (``transitions``). ``run()`` returns at a hypercall, when the block
budget is used up, at HLT, or when the processor shut down.

Time is counted in translated blocks (``blocks``): the same in every run, exact at every stop.
"""

from __future__ import annotations

import ctypes
import mmap

from ring3.abi.hints import TYPE_CHECKING, Any, Final

from . import boot, hooks, segments
from . import layout as at
from .cpuid import cpuid
from .entry_code import EXCEPTION_TABLE, SYMBOLS
from .image import (
    AC,
    HF_INHIBIT_IRQ,
    HF_SMAP,
    IF,
    R10,
    RAX,
    RBX,
    RCX,
    RDI,
    RDX,
    RIP,
    RSI,
    RSP,
    TF,
    CpuImage,
)
from .kernel_map import KernelMap
from .transitions import DB, GP, HAS_ERROR, PAGE_FAULT, UD, Shutdown, Transitions
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transitions import Probe

CYCLES_PER_BLOCK: Final = 8
"""What the time stamp counter advances by in one block, unless ``tsc`` says otherwise."""
SWITCHES_PER_FLUSH: Final = 64
"""The engine's TLB grows only when flushed: a flush now and then makes random access faster."""
_LOW32: Final = 0xFFFFFFFF
_CR4_TSD: Final = 4
_PF_PRESENT, _PF_USER = 1, 4
_STEP, _STEP_TF, _STEP_IRET = 1, 2, 4
"""A step without SMAP is under way; TF was set anyway; the instruction is IRET."""


class Engine:
    """One x86-64 processor with *ram_size* bytes of RAM, in ring 0, paging on, ready to run."""

    def __init__(self, ram_size: int = at.RAM_SIZE, *, plain: bool = False) -> None:
        """Boot the board. *plain*: use Unicorn's public API only (for tests).

        Raises ImportError if Unicorn is missing, UnknownLayout if it is not one that we know.
        """
        self._memory = _allocate(ram_size)
        self.ram = memoryview(self._memory)
        self.failure = ""
        """Why the board is dead, after EXIT_SHUTDOWN."""
        self.port = -1
        self.tsc: Callable[[], int] | None = None
        """What RDTSC reads; None: CYCLES_PER_BLOCK times ``blocks``."""
        self._granted = 0
        self._switches = 0
        self._refused: bytes | None = None
        self._stepping = 0
        self._watch: Watch | None = None
        self.kernel = KernelMap(self.ram)
        board = self._board = boot.Board(self._memory, ram_size, self.kernel.root, plain)
        self.uc = board.uc
        self.live = board.live
        """Whether ``cpu`` is the processor itself; else a copy, kept in step around each run."""
        self.cpu: CpuImage = board.cpu
        self._q = board.cpu.q
        self._pull = board.pull
        self._push = board.push
        self.transitions = Transitions(board.cpu, self.ram)
        boot.load_text(self.ram)
        board.pull()
        boot.load_registers(board.cpu)
        board.push()
        self._install_hooks()
        self._start: Any = board.library.uc_emu_start
        self._handle = board.uc._uch
        self._template = self.save()

    # --- running ----------------------------------------------------------------------------------

    def run(self) -> int:
        """Execute until something needs Python; EXIT_* from ``layout``."""
        cell = self._cell
        while True:
            cell[hooks.PORT] = -1
            self._push()
            status = self._start(self._handle, self._q[RIP], 0, 0, 0)
            self._pull()
            if self.failure:
                return at.EXIT_SHUTDOWN
            if self._refused is not None:
                self._refuse_port()
                continue
            if self._stepping and not self._step_undo() & _STEP_TF:
                self.cpu.rflags &= ~TF
            port = cell[hooks.PORT]
            if port >= 0:
                self.port = port
                return at.EXIT_HYPERCALL
            if cell[hooks.LEFT] < 0:
                cell[hooks.LEFT] = 0
                return at.EXIT_BUDGET
            if status:
                self.failure = f"engine error {status} at {self._q[RIP]:#x}"
                return at.EXIT_SHUTDOWN
            return at.EXIT_HALT

    @property
    def budget(self) -> int:
        """Blocks to run until EXIT_BUDGET."""
        return max(self._cell[hooks.LEFT], 0)

    @budget.setter
    def budget(self, blocks: int) -> None:
        cell = self._cell
        self._granted += blocks - max(cell[hooks.LEFT], 0)
        cell[hooks.LEFT] = blocks

    @property
    def blocks(self) -> int:
        """Blocks executed since boot, this very one included: virtual time."""
        return self._granted - max(self._cell[hooks.LEFT], 0)

    # --- threads ----------------------------------------------------------------------------------

    def save(self) -> bytes:
        """The whole state: registers, segments, MSRs, CR3, floating point.

        Its last word is scratch of the engine's (a host address): zeroed, so that the same run
        gives the same bytes in every process.
        """
        self._q[-1] = 0
        return bytes(self.cpu.b)

    def load(self, image: bytes | bytearray) -> None:
        """Make *image* the processor's state; flushes the TLB as CR3 requires."""
        cpu = self.cpu
        cr3 = cpu.cr3
        cpu.b[:] = image
        self._switches += 1
        if cpu.cr3 != cr3 or self._switches >= SWITCHES_PER_FLUSH:
            self._switches = 0
            self.flush_tlb()

    def new_image(self) -> bytearray:
        """A new thread's state: at entry_start in ring 0, interrupts off, FPU clean.

        View it with ``image_of`` and set cr3 and rsp (to its pt_regs), and call user_segments.
        """
        return bytearray(self._template)

    def image_of(self, image: bytearray) -> CpuImage:
        """Typed access to a saved state."""
        return CpuImage(image, self.cpu.at)

    def user_segments(self, cpu: CpuImage, bits: int) -> None:
        """Set DS, ES, FS and GS as a fresh program of *bits* (32 or 64) finds them."""
        boot.user_segments(cpu, bits)

    def set_kernel_stack(self, top: int) -> None:
        """The stack for entries from ring 3: TSS.RSP0 and the per-CPU word."""
        segments.set_rsp0(self.ram, top)
        where = at.PERCPU_PA + at.PERCPU_KSTACK
        self.ram[where : where + 8] = top.to_bytes(8, "little")

    def set_tls(self, slot: int, descriptor: int) -> None:
        """Set a thread-local storage descriptor of the GDT (set_thread_area)."""
        segments.set_tls(self.ram, slot, descriptor)

    def set_io_bitmap(self, bitmap: bytes | None) -> None:
        """Permit the ports whose bits are 0 (ioperm); None: none. For iopl, see pt_regs.eflags."""
        segments.set_io_bitmap(self.ram, bitmap)

    def set_tsc_disabled(self, disabled: bool) -> None:
        """CR4.TSD: RDTSC and RDTSCP raise #GP in ring 3 (prctl PR_SET_TSC)."""
        cpu = self.cpu
        cpu.cr4 = cpu.cr4 & ~_CR4_TSD | (_CR4_TSD if disabled else 0)

    # --- address spaces ---------------------------------------------------------------------------

    def set_cr3(self, root: int) -> None:
        """Load CR3 (a flush goes with it)."""
        self.cpu.cr3 = root
        self.flush_tlb()

    def flush_tlb(self) -> None:
        """Forget all translations: needed after a right was removed from a page table."""
        self._push()
        self._board.flush()

    def flush_page(self, address: int) -> None:
        """Forget the translation of the page at *address* (INVLPG)."""
        self._push()
        self._board.flush_page(address)

    def invalidate_code(self, physical: int, size: int = at.PAGE) -> None:
        """Forget code translated from RAM [physical, physical + size).

        Needed whenever Python wrote there, and when a page gains the right to execute.
        """
        self._push()
        self._board.invalidate(physical, size)

    def map_kernel(self, address: int, physical: int) -> None:
        """Map a page of the kernel half, readable and writable in ring 0 (kernel stacks)."""
        self.kernel.map(address, physical)
        self.transitions.forget_kernel_pages()
        self.flush_page(address)

    def unmap_kernel(self, address: int) -> None:
        """Remove a page of the kernel half."""
        self.kernel.unmap(address)
        self.transitions.forget_kernel_pages()
        self.flush_page(address)

    # --- interrupts -------------------------------------------------------------------------------

    def can_interrupt(self) -> bool:
        """IF is set and no STI or MOV SS has just run (SDM Vol. 3A, 6.8.1, 6.8.3)."""
        cpu = self.cpu
        return cpu.interrupts_enabled and not cpu.hflags & HF_INHIBIT_IRQ

    def deliver_irq(self, vector: int) -> None:
        """Deliver an external interrupt; the engine stands between two instructions."""
        try:
            self.transitions.deliver(vector, external=True)
        except Shutdown as dead:
            self.failure = str(dead)

    def deliver_exception(self, vector: int, error: int | None = None) -> None:
        """Raise an exception at the current instruction."""
        try:
            self.transitions.deliver(vector, error)
        except Shutdown as dead:
            self.failure = str(dead)

    @property
    def probe(self) -> Probe | None:
        """Told of each hardware step: probe(name, details), see layout.PROBES."""
        return self.transitions.probe

    @probe.setter
    def probe(self, probe: Probe | None) -> None:
        self.transitions.probe = probe
        if probe is not None and self._watch is None:
            self._watch = Watch(self.transitions)
            self._watch.install(
                lambda address, told: self._board.hook_at(address, self._guard(told, push=False))
            )
            self._push()
            self.uc.ctl_flush_tb()  # code that is already translated has no such hook

    # --- ring-0 routines --------------------------------------------------------------------------

    def routine(self, name: str) -> int:
        """Address of a label of entry.S."""
        return at.TEXT + SYMBOLS[name]

    def fixup(self, rip: int) -> int:
        """Where a fault at *rip* that cannot be served continues, or 0 (then it is a bug)."""
        offset = rip - at.TEXT
        for start, end, target in EXCEPTION_TABLE:
            if start <= offset < end:
                return at.TEXT + target
        return 0

    def enter(self, name: str, rdi: int = 0, rsi: int = 0, rdx: int = 0, r10: int = 0) -> None:
        """Point the processor, in ring 0, at a routine. The caller saves rip and rsp before."""
        q = self._q
        q[RDI] = rdi
        q[RSI] = rsi
        q[RDX] = rdx
        q[R10] = r10
        q[RIP] = at.TEXT + SYMBOLS[name]

    def fxsave(self) -> bytes:
        """The current thread's x87 and SSE state, 512 bytes, as FXSAVE64 stores it."""
        self._call_quietly("save_fpu")
        return bytes(self.ram[at.FPU_PA : at.FPU_PA + 512])

    def fxrstor(self, data: bytes) -> bool:
        """Load such a state; False if the CPU would refuse it with #GP.

        That is if reserved bits of MXCSR are set (SDM Vol. 2A, FXRSTOR); the engine does not look.
        """
        if data[26:28] != b"\0\0":
            return False
        self.ram[at.FPU_PA : at.FPU_PA + 512] = data
        return self._call_quietly("restore_fpu") == 0

    def _call_quietly(self, name: str) -> int:
        """Run a routine to its end with interrupts off, outside the budget; its rax."""
        cpu = self.cpu
        assert cpu.cpl == 0, "ring-0 routines run in ring 0"
        kept = bytes(cpu.b[: 8 * 17])
        flags = cpu.rflags
        budget = self.budget
        self.budget = start = 1 << 40
        cpu.rflags = flags & ~(IF | AC)
        self.enter(name, at.DIRECT_MAP + at.FPU_PA)
        while True:
            why = self.run()
            if why != at.EXIT_HYPERCALL:
                raise RuntimeError(f"{name}: exit {why} {self.failure}")
            if self.port == at.PORT_COPIED:
                break
            target = self.fixup(self._saved_rip())
            if self.port != at.PORT_EXCEPTION or not target:
                raise RuntimeError(f"{name}: unexpected hypercall {self.port:#x}")
            self._set_saved_rip(target)
        result = self._q[RAX]
        self.budget = max(budget - (start - self.budget), 0)
        cpu.b[: 8 * 17] = kept
        cpu.rflags = flags
        return result

    def _saved_rip(self) -> int:
        where = self.transitions.physical(self._q[RSP] + 8 * 16, False)
        return int.from_bytes(self.ram[where : where + 8], "little")

    def _set_saved_rip(self, rip: int) -> None:
        where = self.transitions.physical(self._q[RSP] + 8 * 16, False)
        self.ram[where : where + 8] = rip.to_bytes(8, "little")

    # --- hooks ------------------------------------------------------------------------------------

    def _install_hooks(self) -> None:
        board = self._board
        self._cell = board.install_fast_hooks(self._block, self._out, self._in)
        board.hook(hooks.HOOK_INTR, hooks.VOID, (hooks.U32,), self._guard(self._interrupt))
        board.hook(hooks.HOOK_INSN_INVALID, ctypes.c_bool, (), self._guard(self._invalid, True))
        board.hook_insn(hooks.INSN_SYSCALL, hooks.VOID, (), self._guard(self._syscall))
        board.hook_insn(hooks.INSN_SYSENTER, hooks.VOID, (), self._guard(self._sysenter))
        board.hook_insn(hooks.INSN_CPUID, hooks.INT, (), self._guard(self._cpuid, 1))
        board.hook_insn(hooks.INSN_RDTSC, hooks.INT, (), self._guard(self._rdtsc, 1))
        board.hook_insn(hooks.INSN_RDTSCP, hooks.INT, (), self._guard(self._rdtscp, 1))

    def _guard(
        self, function: Callable[..., None], result: Any = None, push: bool = True
    ) -> Callable[..., Any]:
        """A callback for C: what it raises stops the board instead of vanishing.

        *push*: it may change the processor's state.
        """

        if self.live:

            def direct(*arguments: Any) -> Any:
                try:
                    function(*arguments)
                except BaseException as error:
                    self._die(error)
                return result

            return direct

        def copied(*arguments: Any) -> Any:
            try:
                self._pull()
                function(*arguments)
                if push:
                    self._push()
            except BaseException as error:
                self._die(error)
            return result

        return copied

    def _die(self, error: BaseException) -> None:
        kind = "" if isinstance(error, Shutdown) else f"{type(error).__name__}: "
        self.failure = self.failure or f"{kind}{error}"
        self._board.stop()

    def _interrupt(self, _uc: int, vector: int, _user: int) -> None:
        if self._refused is not None:
            return
        cpu = self.cpu
        cpu.forget_exception()
        if self._stepping and self._step_done(vector):
            return
        if cpu.is_software_interrupt:
            end = cpu.next_rip
            self.transitions.deliver(
                vector, software=True, rip=end, size=self._int_size(vector, end)
            )
            return
        error = cpu.error_code if vector in HAS_ERROR else None
        if vector == PAGE_FAULT and error is not None and not error & _PF_USER and cpu.cpl == 3:
            if error & _PF_PRESENT and cpu.cr2 < at.USER_END:
                self._step_without_smap()
                return
            error |= _PF_USER
        self.transitions.deliver(vector, error)

    def _int_size(self, vector: int, end: int) -> int:
        """Length of the INT instruction before *end*: INT3 and INTO have one byte, INT n two."""
        short = {3: b"\xcc", 4: b"\xce"}.get(vector)
        return 1 if short is not None and self.transitions.peek(end - 1, 1) == short else 2

    # --- far transfers within ring 3 --------------------------------------------------------------
    # RETF, IRET and far calls reach the user's stack as if they were supervisor accesses: the
    # engine lets SMAP refuse them (error 1 or 3 at CPL 3), and reports a missing page as the
    # kernel's. The instruction is run again with SMAP off, under TF, whose #DB switches it on.

    def _step_without_smap(self) -> None:
        cpu = self.cpu
        flags = cpu.rflags
        self._stepping = _STEP | (_STEP_TF if flags & TF else 0)
        if self.transitions.peek(cpu.rip, 2).lstrip(b"\x48\x66")[:1] == b"\xcf":
            self._stepping |= _STEP_IRET
        cpu.hflags &= ~HF_SMAP
        cpu.rflags = flags | TF

    def _step_undo(self) -> int:
        cpu = self.cpu
        state = self._stepping
        self._stepping = 0
        cpu.hflags |= HF_SMAP
        return state

    def _step_done(self, vector: int) -> bool:
        """An event ended the step; whether it is thereby dealt with."""
        cpu = self.cpu
        state = self._step_undo()
        done = vector == DB
        if not (done and state & _STEP_IRET):  # IRET has loaded TF from the stack
            cpu.rflags = cpu.rflags & ~TF | (TF if state & _STEP_TF else 0)
        return done and not state & _STEP_TF

    def _invalid(self, _uc: int, _user: int) -> None:
        if self._refused is None:
            self.cpu.forget_exception()
            self.transitions.deliver(UD)

    def _syscall(self, _uc: int, _user: int) -> None:
        if not self.transitions.syscall():
            self.transitions.deliver(UD)
        self._q[RIP] -= 2  # the engine adds the instruction's length

    def _sysenter(self, _uc: int, _user: int) -> None:
        self.transitions.sysenter()
        self._q[RIP] -= 2

    def _cpuid(self, _uc: int, _user: int) -> None:
        q = self._q
        q[RAX], q[RBX], q[RCX], q[RDX] = cpuid(q[RAX] & _LOW32, q[RCX] & _LOW32)

    def _rdtsc(self, _uc: int, _user: int) -> None:
        value = self.blocks * CYCLES_PER_BLOCK if self.tsc is None else self.tsc()
        self._q[RAX] = value & _LOW32
        self._q[RDX] = value >> 32 & _LOW32

    def _rdtscp(self, uc: int, user: int) -> None:
        self._rdtsc(uc, user)
        self._q[RCX] = 0  # TSC_AUX: CPU 0 of node 0, as getcpu says

    # --- what machine code does where the host allows it ------------------------------------------

    def _block(self, _uc: int, _address: int, _size: int, _user: int) -> None:
        cell = self._cell
        cell[hooks.LEFT] -= 1
        if cell[hooks.LEFT] < 0:
            self._board.stop()

    def _out(self, _uc: int, port: int, size: int, _value: int, _user: int) -> None:
        if self._refused is not None:
            return
        self._pull()
        if self.cpu.cpl == 0:
            self._cell[hooks.PORT] = port
            self._board.stop()
        else:
            self._check_port(port, size)

    def _in(self, _uc: int, port: int, size: int, _user: int) -> int:
        if self._refused is None:
            self._pull()
            if self.cpu.cpl:
                self._check_port(port, size)
        return _LOW32 >> (32 - 8 * size)

    def _check_port(self, port: int, size: int) -> None:
        if not self.transitions.port_allowed(port, size):
            # The block runs on to its end: what it does to registers is undone afterwards.
            self._refused = bytes(self.cpu.b)
            self._board.stop()

    def _refuse_port(self) -> None:
        assert self._refused is not None
        self.cpu.b[:] = self._refused
        self._refused = None
        self.cpu.forget_exception()
        self.deliver_exception(GP, 0)


def _allocate(size: int) -> mmap.mmap:
    """Zeroed memory that the host gives page by page as it is touched."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    return mmap.mmap(-1, size, flags=flags)
