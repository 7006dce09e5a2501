"""A board with one user page of code, one of data, and a kernel stack: for tests of the processor.

Programs are written in assembly and assembled by the host's ``as``. A test runs one at CPL 3 or 0
and looks at what reaches the kernel: the hypercall port and the pt_regs on the kernel stack.
"""

from __future__ import annotations

import functools
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("unicorn")
if shutil.which("as") is None or shutil.which("objcopy") is None:
    pytest.skip("needs the host's assembler", allow_module_level=True)

from ring3.machine.emulated import layout as at
from ring3.machine.emulated.engine import Engine
from ring3.machine.emulated.image import CpuImage
from ring3.machine.emulated.routines import fixup_of

RAM = 16 << 20
CODE = 0x401000
"""User, read and execute."""
DATA = 0x402000
"""User, read and write, not executable. The user stack's top is its end."""
READONLY = 0x403000
NOWHERE = 0x500000
CODE_PA, DATA_PA, READONLY_PA = 0x800000, 0x801000, 0x802000
ROOT = 0x600000
STACK = at.STACKS + at.PAGE
TOP = STACK + at.STACK_SIZE
KERNEL_CODE_PA = at.TEXT_PA + 0x3000
KERNEL_CODE = at.TEXT + 0x3000
"""Room behind the ring-0 text, for code that tests run at CPL 0."""
P, W, U, NX = 1, 2, 4, 1 << 63
BUDGET = 100_000


@functools.cache
def assemble(source: str, bits: int = 64, origin: int = CODE) -> bytes:
    """Machine code of *source* (GNU syntax), to run at *origin*."""
    with tempfile.TemporaryDirectory(prefix="ring3-as-") as folder:
        asm, obj, out = (Path(folder) / name for name in ("a.s", "a.o", "a.bin"))
        asm.write_text(f".code{bits}\n{source}\n")
        run = functools.partial(subprocess.run, check=True, capture_output=True, timeout=30)
        run(["as", "-o", obj, asm])
        run(["ld", "-N", "-Ttext", hex(origin), "-e", "0", "-o", out, obj])
        run(["objcopy", "-O", "binary", "-j", ".text", out])
        return out.read_bytes()


class Stop:
    """Why ring 0 was entered: the port, what RSI held there, and the saved registers."""

    def __init__(self, port: int, vector: int, where: int, words: tuple[int, ...]) -> None:
        self.port = port
        self.vector = vector
        self.frame = where
        self.regs = dict(zip(at.PT_REGS, words, strict=True))

    def __getattr__(self, name: str) -> int:
        try:
            value: int = self.__dict__["regs"][name]
            return value
        except KeyError:
            raise AttributeError(name) from None

    @property
    def error(self) -> int:
        return self.regs["orig_rax"]


class CpuBoard:
    """An engine with a small address space."""

    def __init__(self, plain: bool = False) -> None:
        self.engine = Engine(RAM, plain=plain)
        self.ram = self.engine.ram
        self.words = self.ram.cast("Q")
        self._table = ROOT + at.PAGE
        self.engine.kernel.link(ROOT)
        for page in range(2):
            self.engine.map_kernel(STACK + page * at.PAGE, 0x500000 + page * at.PAGE)
        self.map(CODE, CODE_PA, P | U)
        self.map(DATA, DATA_PA, P | U | W | NX)
        self.map(READONLY, READONLY_PA, P | U | NX)
        self.engine.set_kernel_stack(TOP)
        self.engine.set_cr3(ROOT)

    @property
    def cpu(self) -> CpuImage:
        return self.engine.cpu

    def map(self, address: int, physical: int, flags: int = P | U | W | NX) -> None:
        table = ROOT
        for shift in (39, 30, 21):
            index = table // 8 + (address >> shift & 511)
            if not self.words[index] & P:
                self.words[index] = self._table | P | W | U
                self._table += at.PAGE
            table = self.words[index] & 0xFFFFFFFFFF000
        self.words[table // 8 + (address >> 12 & 511)] = physical | flags

    def user(self, source: str, bits: int = 64, flags: int = 0x202, rsp: int = READONLY) -> None:
        """Prepare to run *source* at CPL 3."""
        code = assemble(source, bits)
        self.ram[CODE_PA : CODE_PA + len(code)] = code
        self.engine.invalidate_code(CODE_PA)
        image = self.engine.new_image()
        cpu = self.engine.image_of(image)
        cpu.cr3 = ROOT
        cpu.rsp = TOP - at.PT_REGS_SIZE
        self.engine.user_segments(cpu, bits)
        where = self.physical(cpu.rsp)
        self.ram[where : where + at.PT_REGS_SIZE] = bytes(at.PT_REGS_SIZE)
        selector = at.USER_CS if bits == 64 else at.USER32_CS
        struct.pack_into("<5Q", self.ram, where + 128, CODE, selector, flags, rsp, at.USER_DS)
        self.engine.load(image)
        assert self.stop().port == at.PORT_START
        self.cpu.rax = 0

    def kernel(self, source: str, rsp: int = TOP - 0x100) -> None:
        """Prepare to run *source* at CPL 0, interrupts off."""
        code = assemble(source, 64, KERNEL_CODE)
        self.ram[KERNEL_CODE_PA : KERNEL_CODE_PA + len(code)] = code
        self.engine.invalidate_code(KERNEL_CODE_PA)
        image = self.engine.new_image()
        cpu = self.engine.image_of(image)
        cpu.cr3 = ROOT
        cpu.rsp = rsp
        cpu.rip = KERNEL_CODE
        self.engine.load(image)

    def physical(self, address: int) -> int:
        return self.engine.memory.physical(address, False)

    def run(self) -> int:
        self.engine.budget = BUDGET
        return self.engine.run()

    def stop(self) -> Stop:
        """Run to the next hypercall."""
        why = self.run()
        assert why == at.EXIT_HYPERCALL, (why, self.engine.failure, hex(self.cpu.rip))
        rsp = self.cpu.rsp
        words = struct.unpack_from("<21Q", self.ram, self.physical(rsp))
        return Stop(self.engine.port, self.cpu.rsi, rsp, words)

    def exception(self, source: str, bits: int = 64, flags: int = 0x202) -> Stop:
        """The exception that *source* ends in at CPL 3."""
        self.user(source, bits, flags)
        stop = self.stop()
        assert stop.port == at.PORT_EXCEPTION, hex(stop.port)
        return stop

    def set(self, stop: Stop, name: str, value: int) -> None:
        """Change a saved register."""
        where = self.physical(stop.frame + 8 * at.PT_REGS.index(name))
        struct.pack_into("<Q", self.ram, where, value & (1 << 64) - 1)

    def way_out(self, full: int) -> None:
        """Choose SYSRET, SYSEXIT or RETF (0), or IRET (1)."""
        self.cpu.rax = full

    def routine(
        self, name: str, rdi: int = 0, rsi: int = 0, rdx: int = 0
    ) -> tuple[int, list[Stop]]:
        """Run a copy routine from ring 0; its rax, and the faults met (none is served)."""
        engine = self.engine
        cpu = self.cpu
        rsp = cpu.rsp
        engine.enter(name, rdi, rsi, rdx)
        faults: list[Stop] = []
        while True:
            stop = self.stop()
            if stop.port == at.PORT_COPIED:
                cpu.rsp = rsp
                return cpu.rax, faults
            assert stop.port == at.PORT_EXCEPTION
            faults.append(stop)
            fixup = fixup_of(stop.rip)
            assert fixup, hex(stop.rip)
            self.set(stop, "rip", fixup)
