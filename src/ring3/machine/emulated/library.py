"""The Unicorn library through its C interface.

The package's own binding works as well, but importing it takes longer than starting everything
else; of it we need only the place where the library lies. Numbers are those of unicorn.h and x86.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

from ring3.abi.hints import Any, Final

ARCH_X86, MODE_64, PROT_ALL = 4, 8, 7
CPU_MODEL_BROADWELL: Final = 20
"""The oldest of the engine's models with SMAP."""
REG_CR0, REG_CR3, REG_CR4, REG_XMM0 = 50, 53, 54, 122
REG_IDTR, REG_GDTR, REG_TR, REG_MSR, REG_EFLAGS = 242, 243, 245, 248, 25
CTL_USE_EXITS, CTL_CPU_MODEL, CTL_TB_FLUSH, CTL_TLB_FLUSH = 4, 7, 10, 11
CTL_WRITE: Final = 1 << 30
NAMES: Final = {"darwin": "libunicorn.2.dylib", "win32": "unicorn.dll"}


class UnicornError(Exception):
    """A call that had to work did not: function and status."""


def load() -> ctypes.CDLL:
    """The library of the installed ``unicorn`` package; ImportError says how to get it."""
    path = package_path()
    if path is None:
        raise ImportError("the emulated machine needs Unicorn: pip install 'ring3[emulated]'")
    name = NAMES.get(sys.platform, "libunicorn.so.2")
    candidate = os.path.join(path, "lib", name)
    if os.path.exists(candidate):
        return ctypes.CDLL(candidate)
    # A distribution's package links to a library of the system's: its binding finds it.
    from unicorn.unicorn_py3 import unicorn as binding

    library: ctypes.CDLL = ctypes.CDLL(binding.uclib._name)
    return library


def package_path() -> str | None:
    """The folder of the ``unicorn`` package, without running it."""
    if "unicorn" in sys.modules and sys.modules["unicorn"] is None:
        return None
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("unicorn")
    if spec is None or not spec.submodule_search_locations:
        return None
    return str(next(iter(spec.submodule_search_locations)))


class Segment(ctypes.Structure):
    """uc_x86_mmr: a descriptor table register or TR."""

    _fields_ = (
        ("selector", ctypes.c_uint16),
        ("base", ctypes.c_uint64),
        ("limit", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class Msr(ctypes.Structure):
    """uc_x86_msr."""

    _fields_ = (("number", ctypes.c_uint32), ("value", ctypes.c_uint64))


class Unicorn:
    """One x86-64 processor: handle and the calls that are needed."""

    def __init__(self) -> None:
        self.closed = False
        self.library: Any = load()
        handle = ctypes.c_void_p()
        self.must(self.library.uc_open(ARCH_X86, MODE_64, ctypes.byref(handle)), "uc_open")
        self.handle = ctypes.c_void_p(handle.value)
        self.context_handle = ctypes.c_void_p()
        self.control(CTL_CPU_MODEL, ctypes.c_int(CPU_MODEL_BROADWELL))
        # No address ends a run; "until" would be one.
        self.control(CTL_USE_EXITS, ctypes.c_int(1))
        start = self.library.uc_emu_start
        start.argtypes = (
            ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t,
        )  # fmt: skip
        self.library.uc_emu_stop.argtypes = (ctypes.c_void_p,)

    def __del__(self) -> None:
        if sys.is_finalizing():
            return  # the process's memory goes anyway
        if not self.closed and self.__dict__.get("handle"):
            self.closed = True
            if self.context_handle:
                self.library.uc_context_free(self.context_handle)
            self.library.uc_close(self.handle)

    def must(self, status: int, what: str) -> None:
        if status:
            raise UnicornError(f"{what}: {status}")

    def control(self, number: int, *values: Any) -> None:
        code = ctypes.c_uint(number | len(values) << 26 | CTL_WRITE)
        status = self.library["uc_ctl"](self.handle, code, *variadic(2, *values))
        self.must(status, f"uc_ctl {number}")

    def map_ram(self, address: int, size: int) -> None:
        """Make *size* bytes of ours at *address* the RAM at physical 0."""
        self.must(
            self.library.uc_mem_map_ptr(
                self.handle,
                ctypes.c_uint64(0),
                ctypes.c_uint64(size),
                ctypes.c_uint32(PROT_ALL),
                ctypes.c_void_p(address),
            ),
            "uc_mem_map_ptr",
        )

    def context(self) -> tuple[int, int, int]:
        """Allocate a context: (its handle, address of the state in it, size of the state)."""
        size = self.library.uc_context_size
        size.restype = ctypes.c_size_t
        whole = size(self.handle)
        allocate = self.library.uc_context_alloc
        self.must(allocate(self.handle, ctypes.byref(self.context_handle)), "uc_context_alloc")
        assert self.context_handle.value is not None
        length = ctypes.c_size_t.from_address(self.context_handle.value).value
        return self.context_handle.value, self.context_handle.value + whole - length, length

    def reg_write(self, register: int, value: int) -> None:
        self.write(register, ctypes.c_uint64(value))

    def reg_read(self, register: int) -> int:
        out = ctypes.c_uint64()
        read = self.library.uc_reg_read
        self.must(read(self.handle, register, ctypes.byref(out)), "uc_reg_read")
        return out.value

    def segment_write(
        self, register: int, selector: int, base: int, limit: int, flags: int
    ) -> None:
        self.write(register, Segment(selector, base, limit, flags))

    def xmm_write(self, value: int) -> None:
        """Set XMM0."""
        self.write(REG_XMM0, (ctypes.c_uint64 * 2)(value & (1 << 64) - 1, value >> 64))

    def msr_write(self, number: int, value: int) -> None:
        self.write(REG_MSR, Msr(number, value))

    def msr_read(self, number: int) -> int:
        out = Msr(number, 0)
        read = self.library.uc_reg_read
        self.must(read(self.handle, REG_MSR, ctypes.byref(out)), "uc_reg_read")
        value: int = out.value
        return value

    def write(self, register: int, value: Any) -> None:
        write = self.library.uc_reg_write
        self.must(write(self.handle, register, ctypes.byref(value)), f"uc_reg_write {register}")

    def hook_add(
        self, kind: int, function: int, user: int, insn: int | None = None, only: int = 0
    ) -> int:
        """Install C function *function*; without *only* (one address) for all addresses."""
        handle = ctypes.c_size_t()
        extra = () if insn is None else variadic(7, ctypes.c_int(insn))
        status = self.library["uc_hook_add"](
            self.handle, ctypes.byref(handle), ctypes.c_int(kind), ctypes.c_void_p(function),
            ctypes.c_void_p(user), ctypes.c_uint64(only or 1), ctypes.c_uint64(only), *extra,
        )  # fmt: skip
        self.must(status, f"uc_hook_add {kind} {insn}")
        return handle.value

    def hook_del(self, handle: int) -> None:
        self.must(self.library.uc_hook_del(self.handle, ctypes.c_size_t(handle)), "uc_hook_del")

    def flush_code(self) -> None:
        """Drop all translated code."""
        self.control(CTL_TB_FLUSH)

    def flush_tlb(self) -> None:
        self.control(CTL_TLB_FLUSH)


def variadic(fixed: int, *values: Any) -> tuple[Any, ...]:
    """Arguments of a variadic C function after *fixed* others.

    On Apple's arm64 they go to the stack, which they reach when the eight registers are full.
    """
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return (*[ctypes.c_uint64(0)] * (8 - fixed), *values)
    return values
