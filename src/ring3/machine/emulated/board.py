"""Unicorn brought up as a board: its handle, where its state lies, control registers, hooks."""

from __future__ import annotations

import ctypes

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated import hooks, library, segments
from ring3.machine.emulated import layout as at
from ring3.machine.emulated.cpuid import FEATURES_1_ECX, FEATURES_7_EBX
from ring3.machine.emulated.image import CS, CpuImage
from ring3.machine.emulated.library import Unicorn
from ring3.machine.emulated.live_state import find
from ring3.machine.emulated.offsets import EFER_SCE, MSR_EFER, Offsets, UnknownLayout

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

CR0: Final = 0x80010033
"""PG WP NE ET MP PE."""
CR4: Final = 0x3506B0
"""PSE PAE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP SMAP (bit 17, PCIDE, is clear)."""
EFER_NXE: Final = 1 << 11
MARKS: Final = (0x5A5A1234DEADBEEF, 0x1234DEADBEEF5A5A)


class Board:
    """Unicorn with RAM and a known state layout, in 64-bit ring 0 with paging on."""

    def __init__(self, memory: mmap.mmap, size: int, root: int, plain: bool) -> None:
        uc = self.uc = Unicorn()
        self.library = uc.library
        self.keep: list[object] = [memory]
        uc.map_ram(ctypes.addressof(ctypes.c_char.from_buffer(memory)), size)
        context, state, length = uc.context()
        self.context = ctypes.c_void_p(context)
        self.copy = memoryview((ctypes.c_char * length).from_address(state)).cast("B")
        self.emu_stop: Any = self.library.uc_emu_stop
        self.context_save: Any = self.library.uc_context_save
        self.context_restore: Any = self.library.uc_context_restore
        self.live = False
        self.at = Offsets(self.saved, uc.msr_write, uc.xmm_write)
        self.control_registers(root)
        self.cpu = CpuImage(self.copy, self.at)
        self.code = self.machine_code(plain)
        self.internals = hooks.Internals(self.library) if not plain else None
        self.find_exception_fields(memory)
        env = 0 if plain else self.find_live_state()
        if env:
            self.live = True
            view = memoryview((ctypes.c_char * length).from_address(env)).cast("B")
            self.cpu = CpuImage(view, self.at)
            self.hide_features(env, length)
        self.env = env

    # --- the state, live or copied ----------------------------------------------------------------

    def pull(self) -> None:
        """Bring the copy up to date (nothing to do if it is the live state)."""
        if not self.live:
            self.context_save(self.uc.handle, self.context)

    def push(self) -> None:
        """Bring the processor up to date."""
        if not self.live:
            self.context_restore(self.uc.handle, self.context)

    def saved(self) -> bytes:
        self.context_save(self.uc.handle, self.context)
        return bytes(self.copy)

    def stop(self) -> None:
        """Stop the engine after the block at hand."""
        self.emu_stop(self.uc.handle)

    # --- start ------------------------------------------------------------------------------------

    def control_registers(self, root: int) -> None:
        uc = self.uc
        uc.reg_write(library.REG_CR3, root)
        uc.msr_write(MSR_EFER, uc.msr_read(MSR_EFER) | EFER_SCE | EFER_NXE)
        uc.reg_write(library.REG_CR4, CR4)
        uc.reg_write(library.REG_CR0, CR0)
        tables = at.DIRECT_MAP
        uc.segment_write(library.REG_GDTR, 0, tables + at.GDT_PA, segments.GDT_LIMIT, 0)
        uc.segment_write(library.REG_IDTR, 0, tables + at.IDT_PA, segments.IDT_LIMIT, 0)
        uc.segment_write(
            library.REG_TR,
            at.TSS_SELECTOR,
            tables + at.TSS_PA,
            segments.TSS_LIMIT,
            segments.TSS_FLAGS,
        )

    def find_exception_fields(self, memory: mmap.mmap) -> None:
        """Run a few instructions that end in a #GP with a telling error code.

        They also read the engine's own feature words, switch SSE state on (XSETBV) and put the FPU
        into the state that programs expect.
        """
        code = bytes.fromhex(
            "b801000000 0fa2 4189c8 4189d1"  # CPUID 1: ecx to r8, edx to r9
            "b807000000 31c9 0fa2 4189da"  # CPUID 7: ebx to r10
            "31c9 31d2 b803000000 0f01d1"  # XCR0 = 3
            "dbe3 0fae1506000000"  # FNINIT; LDMXCSR 1F80 below: the state a program starts with
            "8e1d04000000"  # mov ds, 7AF8 below: beyond the GDT's limit
            "801f0000 f87a"
        )
        memory[at.TEXT_PA : at.TEXT_PA + len(code)] = code
        seen: list[tuple[int, bytes]] = []

        def on_exception(_uc: int, vector: int, _user: int) -> None:
            seen.append((vector, self.saved()))
            self.stop()

        hook = self.hook(hooks.HOOK_INTR, hooks.VOID, (hooks.U32,), on_exception)
        self.pull()
        cpu = self.cpu
        cpu.set_segment(CS, at.KERNEL_CS, 0, segments.FLAT_LIMIT, segments.KERNEL_CS_FLAGS)
        cpu.hflags &= ~3
        self.push()
        self.library.uc_emu_start(self.uc.handle, at.TEXT, 0, 0, 0)
        self.uc.hook_del(hook)
        self.uc.flush_code()
        if not seen or seen[0][0] != 13:
            raise UnknownLayout(f"the first fault was {seen[:1]}")
        self.at.find_exception_fields(seen[0][1], 0x7AF8, 13, 0)
        self.pull()
        cpu.forget_exception()
        self.features = (cpu.r9 & 0xFFFFFFFF, cpu.r8 & 0xFFFFFFFF & ~(1 << 27), cpu.r10)
        self.push()

    def find_live_state(self) -> int:
        """Address of the processor's state inside Unicorn, or 0.

        Two marks in registers are what is looked for.
        """
        self.pull()
        self.cpu.r14, self.cpu.r15 = MARKS
        self.push()
        self.cpu_address, env = find(self.uc.handle.value or 0, bytes(self.copy[: 8 * 16]))
        return env

    def hide_features(self, env: int, length: int) -> None:
        """Make the engine refuse (#UD) what CPUID does not show: RDRAND, RDSEED, BMI, ADX.

        The feature words lie after the part of the state that a context holds.
        """
        words = memoryview((ctypes.c_char * 4096).from_address(env + length)).cast("B").cast("Q")
        edx, ecx, ebx = self.features
        for place in range(len(words) - 2):
            # OSXSAVE (bit 27) is CR4's, not the model's.
            if (words[place], words[place + 1] & ~(1 << 27), words[place + 2]) == (edx, ecx, ebx):
                words[place + 1] = ecx & FEATURES_1_ECX
                words[place + 2] = ebx & FEATURES_7_EBX
                return
        raise UnknownLayout("feature words")

    # --- hooks ------------------------------------------------------------------------------------

    def machine_code(self, plain: bool) -> hooks.MachineCode | None:
        if plain:
            return None
        try:
            return hooks.MachineCode()
        except (OSError, ValueError):
            return None

    def install_fast_hooks(
        self,
        block: Callable[..., None],
        out: Callable[..., None],
        in_: Callable[..., int],
        syscall: Callable[..., None],
    ) -> memoryview:
        """Install the BLOCK, OUT, IN and SYSCALL hooks, as machine code where possible.

        Returns the cell of words that they share with Python.
        """
        code = self.code
        cell = code.cell if code is not None else memoryview(bytearray(4096)).cast("q")
        cell[hooks.PORT] = -1
        u32, integer = hooks.U32, hooks.INT
        if code is None:
            self.hook(hooks.HOOK_BLOCK, hooks.VOID, (hooks.U64, u32), block)
        else:
            cell[hooks.STOP] = address_of(self.emu_stop)
            self.add_code(hooks.HOOK_BLOCK, "block")
        if not self.share_state(cell):
            self.hook_insn(hooks.INSN_OUT, hooks.VOID, (u32, integer, u32), out)
            self.hook_insn(hooks.INSN_IN, u32, (u32, integer), in_)
            self.hook_insn(hooks.INSN_SYSCALL, hooks.VOID, (), syscall)
            return cell
        cell[hooks.MODEL] = self.callback(hooks.VOID, (), syscall)
        self.add_code(hooks.HOOK_INSN, "out", hooks.INSN_OUT)
        self.add_code(hooks.HOOK_INSN, "in", hooks.INSN_IN)
        self.add_code(hooks.HOOK_INSN, "syscall", hooks.INSN_SYSCALL)
        return cell

    def share_state(self, cell: memoryview) -> bool:
        """Tell machine code where the state and the engine's functions are, if all can be had."""
        internals = self.internals
        if self.code is None or internals is None or not self.live:
            return False
        if internals.check_io is None or internals.compute_flags is None:
            return False
        cell[hooks.STATE] = self.env
        cell[hooks.COMPUTE_FLAGS] = address_of(internals.compute_flags)
        for function, word in zip(internals.check_io, (0, 1, 3), strict=True):
            cell[hooks.CHECK_IO + word] = address_of(function)
        return True

    def add_code(self, kind: int, name: str, insn: int | None = None) -> None:
        code = self.code
        assert code is not None
        self.uc.hook_add(kind, code.add(hooks.placed(name, self.at)), code.address, insn)

    def hook(
        self, kind: int, result: Any, arguments: tuple[Any, ...], function: Callable[..., Any]
    ) -> int:
        """Install a raw ctypes callback: (uc, *arguments, user data)."""
        return self.uc.hook_add(kind, self.callback(result, arguments, function), 0)

    def hook_insn(
        self, insn: int, result: Any, arguments: tuple[Any, ...], function: Callable[..., Any]
    ) -> None:
        """Install a raw callback for one instruction, including those the binding refuses."""
        self.uc.hook_add(hooks.HOOK_INSN, self.callback(result, arguments, function), 0, insn)

    def hook_at(self, address: int, function: Callable[..., Any]) -> None:
        """Call function(uc, address, size, user data) before the instruction at *address*."""
        arguments = (hooks.U64, hooks.U32)
        callback = self.callback(hooks.VOID, arguments, function)
        self.uc.hook_add(hooks.HOOK_CODE, callback, 0, only=address)

    def callback(
        self, result: Any, arguments: tuple[Any, ...], function: Callable[..., Any]
    ) -> int:
        kind = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *arguments, ctypes.c_void_p)
        callback = kind(function)
        self.keep.append(callback)
        return address_of(callback)

    # --- caches -----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Empty the TLB."""
        if self.live and self.internals is not None and self.internals.flush is not None:
            self.internals.flush(self.cpu_address)
        else:
            self.uc.flush_tlb()

    def flush_page(self, address: int) -> None:
        """Drop one page from the TLB."""
        if self.live and self.internals is not None and self.internals.flush_page is not None:
            self.internals.flush_page(self.cpu_address, address)
        else:
            self.flush()

    def invalidate(self, physical: int, size: int) -> None:
        """Drop translated code of a range of RAM."""
        if self.live and self.internals is not None and self.internals.invalidate is not None:
            self.internals.invalidate(self.uc.handle, physical, physical + size)
        else:
            self.uc.flush_code()


def address_of(function: Any) -> int:
    value = ctypes.cast(function, ctypes.c_void_p).value
    assert value is not None
    return value
