"""Signal frames of i386: their layout against the compiler's, and the way back."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi.types import flatten
from ring3.task import fpregs, signals
from ring3.task.sigframe32 import OLD_CODE, OLD_SIZE, RT_CODE, RT_SIZE
from ring3.task.signals import RUN, Action, AltStack, SigInfo, bits
from ring3.task.task import Task
from tests.unit.fakes import Kitchen, call
from tests.unit.task.context import Context, SlowVehicle, stack

CODE, RESTORER = 0x401000, 0x402000
NAMES = {
    "edi": "rdi", "esi": "rsi", "ebp": "rbp", "esp": "rsp", "ebx": "rbx", "edx": "rdx",
    "ecx": "rcx", "eax": "rax", "eip": "rip", "eflags": "eflags",
}  # fmt: skip


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen(word=32)
    yield kitchen
    kitchen.close()


def fields(k: Kitchen, name: str, at: int) -> dict[str, int]:
    """The members of a C struct in user memory."""
    found = {}
    for path, offset, fmt in flatten(name, 32):
        value = struct.unpack_from("<" + fmt, k.memory.get(at + offset, struct.calcsize(fmt)))
        found[path] = value[0]
    return found


def deliver(k: Kitchen, t: Task, flags: int, fpstate: bytes = b"") -> Context:
    t.process.handlers[s.SIGUSR1] = Action(CODE, flags, RESTORER)
    signals.send_to_task(t, SigInfo(s.SIGUSR1, s.SI_USER, pid=99))
    context = Context(stack(k), fpstate=fpstate)
    assert signals.deliver(t, context) == RUN
    return context


def test_a_plain_handler(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGHUP, 40))
    before = Context(stack(k)).values()
    context = deliver(k, t, s.SA_RESTORER)
    regs = context.regs
    assert (regs.rip, regs.rax, regs.rdx, regs.rcx) == (CODE, s.SIGUSR1, 0, 0)
    assert (regs.rsp + 4) % 16 == 0
    frame = fields(k, "sigframe", regs.rsp)
    assert (frame["pretcode"], frame["sig"]) == (RESTORER, s.SIGUSR1)
    for name, ours in NAMES.items():
        if name != "esp":
            assert frame[f"sc.{name}"] == before[ours], name
    assert frame["sc.cs"] == 0x23 and frame["sc.ss"] == 0x2B
    assert frame["sc.oldmask"] == bits(s.SIGHUP)
    assert frame["extramask"] == bits(40) >> 32
    assert k.memory.get(regs.rsp + OLD_SIZE - 8, 8) == OLD_CODE


def test_a_siginfo_handler(k: Kitchen) -> None:
    t = k.task()
    t.alt_stack = AltStack(0x5000, 0, 0x3000)
    context = deliver(k, t, s.SA_RESTORER | s.SA_SIGINFO)
    regs = context.regs
    frame = fields(k, "rt_sigframe", regs.rsp)
    assert (frame["sig"], frame["pinfo"], frame["puc"]) == (s.SIGUSR1, regs.rdx, regs.rcx)
    assert frame["info.si_pid"] == 99
    assert frame["uc.uc_stack.ss_sp"] == 0x5000 and frame["uc.uc_stack.ss_size"] == 0x3000
    assert frame["uc.uc_mcontext.eip"] == 0x401002
    assert k.memory.get(regs.rsp + RT_SIZE - 8, 8) == RT_CODE


def test_without_a_restorer_the_frame_has_code(k: Kitchen) -> None:
    for flags, size in ((0, OLD_SIZE), (s.SA_SIGINFO, RT_SIZE)):
        context = deliver(k, k.task(), flags)
        (pretcode,) = k.memory.ints(context.regs.rsp, "I")
        assert pretcode == context.regs.rsp + size - 8


@pytest.mark.parametrize("flags", [0, s.SA_SIGINFO], ids=["sigreturn", "rt_sigreturn"])
def test_there_and_back(k: Kitchen, flags: int) -> None:
    t = k.task()
    vehicle = SlowVehicle(k, t)
    signals.set_mask(t, bits(s.SIGHUP, 40))
    t.process.handlers[s.SIGUSR1] = Action(CODE, flags | s.SA_RESTORER, RESTORER)
    signals.send_to_task(t, SigInfo(s.SIGUSR1, s.SI_USER))
    context = vehicle.context
    context.fpstate = fxsave()
    before = context.values()
    signals.deliver(t, context)
    context.regs.rbx = context.regs.rdi = 1
    context.regs.rsp += 4 if flags else 8  # ret, and popl in the old restorer
    call(t, "rt_sigreturn" if flags else "sigreturn")
    after = context.values()
    assert {n: after[n] for n in NAMES.values()} == {n: before[n] for n in NAMES.values()}
    assert t.sigmask == bits(s.SIGHUP, 40)
    assert context.restored == fxsave()


def test_old_calls(k: Kitchen) -> None:
    t = k.task()
    new = k.memory.room(16, struct.pack("<4I", CODE, bits(s.SIGHUP), s.SA_RESTART, 0))
    old = k.memory.room(16)
    assert call(t, "sigaction", s.SIGUSR1, new, old) == 0
    call(t, "sigaction", s.SIGUSR1, 0, old)
    assert k.memory.ints(old, "4I") == (CODE, bits(s.SIGHUP), s.SA_RESTART, 0)
    assert call(t, "signal", s.SIGUSR1, s.SIG_IGN) == CODE
    assert call(t, "signal", s.SIGUSR1, s.SIG_DFL) == s.SIG_IGN
    signals.set_mask(t, bits(40))
    at = k.memory.room(4, bits(s.SIGHUP).to_bytes(4, "little"))
    call(t, "sigprocmask", s.SIG_SETMASK, at, old)
    assert t.sigmask == bits(s.SIGHUP, 40)
    assert call(t, "sgetmask") == bits(s.SIGHUP)
    assert call(t, "ssetmask", bits(s.SIGUSR2)) == bits(s.SIGHUP)
    assert t.sigmask == bits(s.SIGUSR2)
    signals.send_to_task(t, SigInfo(s.SIGUSR2, s.SI_USER))
    call(t, "sigpending", at)
    assert k.memory.ints(at, "I") == (bits(s.SIGUSR2),)


# --- the x87 state ------------------------------------------------------------------------------
ONE = (1 << 63).to_bytes(8, "little") + (0x3FFF).to_bytes(2, "little")
ZERO = bytes(10)
INFINITY = (1 << 63).to_bytes(8, "little") + (0x7FFF).to_bytes(2, "little")


def fxsave() -> bytes:
    """ST(0) infinity, ST(1) zero, ST(2) one; the stack's top is register 5."""
    head = fpregs.FX_HEAD.pack(0x37F, 5 << 11, 0b11100000, 0x123, 0x8000, 0x9000)
    mxcsr = struct.pack("<II", 0x1F80, 0xFFFF)
    registers = b"".join(r + bytes(6) for r in (INFINITY, ZERO, ONE, *[ZERO] * 5))
    return (head + mxcsr + registers).ljust(512, b"\0")


def test_legacy_state() -> None:
    legacy = fpregs.from_fxsave(fxsave())
    assert len(legacy) == fpregs.SIZE
    cwd, swd, twd, fip, fcs, foo, _ = fpregs.ENVIRONMENT.unpack_from(legacy)
    assert (cwd & 0xFFFF, swd & 0xFFFF, fip, fcs >> 16, foo) == (
        0x37F,
        5 << 11,
        0x8000,
        0x123,
        0x9000,
    )
    # Registers 5, 6, 7 hold infinity (special), zero, one (valid); the others are empty.
    assert [twd >> 2 * i & 3 for i in range(8)] == [3, 3, 3, 3, 3, 2, 1, 0]
    assert fpregs.into_fxsave(legacy, fxsave()) == fxsave()
    assert fpregs.into_fxsave(legacy, bytes(512))[32:160] == fxsave()[32:160]
