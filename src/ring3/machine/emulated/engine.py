"""The processor and its RAM: runs guest and ring-0 code until Python is needed.

Unicorn executes instructions, walks page tables and checks privileges; its hooks call the model of
the transitions that it lacks (``transitions``). ``run()`` returns at a hypercall, when the block
budget is used up, at HLT, or when the processor shut down.

Time is counted in translated blocks (``blocks``): the same in every run, exact at every stop.
"""

from __future__ import annotations

import mmap

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated import boot, hooks, segments
from ring3.machine.emulated import layout as at
from ring3.machine.emulated.board import Board
from ring3.machine.emulated.callbacks import Callbacks
from ring3.machine.emulated.fast_calls import FastCalls
from ring3.machine.emulated.image import (
    HF_INHIBIT_IRQ,
    R10,
    RDI,
    RDX,
    RIP,
    RSI,
    CpuImage,
)
from ring3.machine.emulated.implicit import ImplicitMemory
from ring3.machine.emulated.kernel_map import KernelMap
from ring3.machine.emulated.routines import ROUTINES, call_quietly
from ring3.machine.emulated.transitions import Shutdown, Transitions
from ring3.machine.emulated.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.telling import Probe

CYCLES_PER_BLOCK: Final = 8
"""What the time stamp counter advances by in one block, unless ``tsc`` says otherwise."""
SWITCHES_PER_FLUSH: Final = 64
"""The engine's TLB grows only when flushed: a flush now and then makes random access faster."""
CR4_TSD: Final = 4


class Engine:
    """One x86-64 processor with *ram_size* bytes of RAM, in ring 0, paging on, ready to run."""

    def __init__(self, ram_size: int = at.RAM_SIZE, *, plain: bool = False) -> None:
        """Boot the board. *plain*: use Unicorn's public API only (for tests).

        Raises ImportError if Unicorn is missing, UnknownLayout if it is not one that we know.
        """
        self.host_memory = allocate(ram_size)
        self.ram = memoryview(self.host_memory)
        self.port = -1
        self.tsc: Callable[[], int] | None = None
        """What RDTSC reads; None: CYCLES_PER_BLOCK times ``blocks``."""
        self.granted = 0
        self.switches = 0
        self.watch: Watch | None = None
        self.kernel = KernelMap(self.ram)
        board = self.board = Board(self.host_memory, ram_size, self.kernel.root, plain)
        self.live = board.live
        """Whether ``cpu`` is the processor itself; else a copy, kept in step around each run."""
        self.cpu: CpuImage = board.cpu
        self.q = board.cpu.q
        self.pull = board.pull
        self.push = board.push
        self.memory = ImplicitMemory(board.cpu, self.ram)
        self.transitions = Transitions(board.cpu, self.memory)
        self.fast_calls = FastCalls(board.cpu, self.memory)
        boot.load_text(self.ram)
        board.pull()
        boot.load_registers(board.cpu)
        board.push()
        self.callbacks = Callbacks(board, self.transitions, self.fast_calls, self.time)
        self.cell = self.callbacks.cell
        self.emu_start: Any = board.library.uc_emu_start
        self.handle = board.uc.handle
        self.template = self.save()

    # --- running ----------------------------------------------------------------------------------

    def run(self) -> int:
        """Execute until something needs Python; EXIT_* from ``layout``."""
        cell = self.cell
        while True:
            cell[hooks.PORT] = -1
            self.push()
            status = self.emu_start(self.handle, self.q[RIP], 0, 0, 0)
            self.pull()
            state = self.callbacks
            if state.failure:
                return at.EXIT_SHUTDOWN
            if state.refused is not None:
                state.refuse_port()
                continue
            if state.stepping:
                state.step_abandon()
            port = cell[hooks.PORT]
            if port >= 0:
                self.port = port
                return at.EXIT_HYPERCALL
            if cell[hooks.LEFT] < 0:
                cell[hooks.LEFT] = 0
                return at.EXIT_BUDGET
            if status:
                state.failure = f"engine error {status} at {self.q[RIP]:#x}"
                return at.EXIT_SHUTDOWN
            return at.EXIT_HALT

    @property
    def failure(self) -> str:
        """Why the board is dead, after EXIT_SHUTDOWN."""
        return self.callbacks.failure

    def time(self) -> int:
        return self.blocks * CYCLES_PER_BLOCK if self.tsc is None else self.tsc()

    @property
    def budget(self) -> int:
        """Blocks to run until EXIT_BUDGET."""
        return max(self.cell[hooks.LEFT], 0)

    @budget.setter
    def budget(self, blocks: int) -> None:
        cell = self.cell
        self.granted += blocks - max(cell[hooks.LEFT], 0)
        cell[hooks.LEFT] = blocks

    @property
    def blocks(self) -> int:
        """Blocks executed since boot, this very one included: virtual time."""
        return self.granted - max(self.cell[hooks.LEFT], 0)

    # --- threads ----------------------------------------------------------------------------------

    def save(self) -> bytes:
        """The whole state: registers, segments, MSRs, CR3, floating point.

        Its last word is scratch of the engine's (a host address): zeroed, so that the same run
        gives the same bytes in every process.
        """
        self.q[-1] = 0
        return bytes(self.cpu.b)

    def load(self, image: bytes | bytearray) -> None:
        """Make *image* the processor's state; flushes the TLB as CR3 requires."""
        cpu = self.cpu
        cr3 = cpu.cr3
        cpu.b[:] = image
        self.switches += 1
        if cpu.cr3 != cr3 or self.switches >= SWITCHES_PER_FLUSH:
            self.switches = 0
            self.flush_tlb()

    def new_image(self) -> bytearray:
        """A new thread's state: at entry_start in ring 0, interrupts off, FPU clean.

        View it with ``image_of`` and set cr3 and rsp (to its pt_regs), and call user_segments.
        """
        return bytearray(self.template)

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
        cpu.cr4 = cpu.cr4 & ~CR4_TSD | (CR4_TSD if disabled else 0)

    # --- address spaces ---------------------------------------------------------------------------

    def set_cr3(self, root: int) -> None:
        """Load CR3 (a flush goes with it)."""
        self.cpu.cr3 = root
        self.flush_tlb()

    def flush_tlb(self) -> None:
        """Forget all translations: needed after a right was removed from a page table."""
        self.push()
        self.board.flush()

    def flush_page(self, address: int) -> None:
        """Forget the translation of the page at *address* (INVLPG)."""
        self.push()
        self.board.flush_page(address)

    def invalidate_code(self, physical: int, size: int = at.PAGE) -> None:
        """Forget code translated from RAM [physical, physical + size).

        Needed whenever Python wrote there, and when a page gains the right to execute.
        """
        self.push()
        self.board.invalidate(physical, size)
        self.callbacks.forget_calls()

    def map_kernel(self, address: int, physical: int) -> None:
        """Map a page of the kernel half, readable and writable in ring 0 (kernel stacks)."""
        self.kernel.map(address, physical)
        self.memory.forget_kernel_pages()
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
            self.callbacks.failure = str(dead)

    @property
    def probe(self) -> Probe | None:
        """Told of each hardware step: probe(name, details), see layout.PROBES."""
        return self.transitions.probe

    @probe.setter
    def probe(self, probe: Probe | None) -> None:
        self.transitions.probe = self.fast_calls.probe = probe
        self.cell[hooks.PROBED] = probe is not None
        if probe is not None and self.watch is None:
            self.watch = Watch(self.transitions)
            guard = self.callbacks.guard
            self.watch.install(lambda a, told: self.board.hook_at(a, guard(told, push=False)))
            self.push()
            self.board.uc.flush_code()  # code that is already translated has no such hook

    # --- ring-0 routines --------------------------------------------------------------------------

    def routine(self, name: str) -> int:
        """Address of a label of entry.S."""
        return ROUTINES[name]

    def enter(self, name: str, rdi: int = 0, rsi: int = 0, rdx: int = 0, r10: int = 0) -> None:
        """Point the processor, in ring 0, at a routine. The caller saves rip and rsp before."""
        q = self.q
        q[RDI] = rdi
        q[RSI] = rsi
        q[RDX] = rdx
        q[R10] = r10
        q[RIP] = ROUTINES[name]

    def fxsave(self) -> bytes:
        """The current thread's x87 and SSE state, 512 bytes, as FXSAVE64 stores it."""
        call_quietly(self, "save_fpu", at.DIRECT_MAP + at.FPU_PA)
        return bytes(self.ram[at.FPU_PA : at.FPU_PA + 512])

    def fxrstor(self, data: bytes) -> bool:
        """Load such a state; False if the CPU would refuse it with #GP.

        That is if reserved bits of MXCSR are set (SDM Vol. 2A, FXRSTOR); the engine does not look.
        """
        if data[26:28] != b"\0\0":
            return False
        self.ram[at.FPU_PA : at.FPU_PA + 512] = data
        return call_quietly(self, "restore_fpu", at.DIRECT_MAP + at.FPU_PA) == 0


def allocate(size: int) -> mmap.mmap:
    """Zeroed memory that the host gives page by page as it is touched."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    return mmap.mmap(-1, size, flags=flags)
