"""Signal delivery: frames, restarts, alternate stacks, masks."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.core.park import (
    RESTART_BLOCK,
    RESTART_NOHAND,
    RESTART_NOINTR,
    RESTART_SYS,
)
from ring3.task import signals
from ring3.task.process import ProcessGroup
from ring3.task.sigframe import FRAME_SIZE, INFO_AT
from ring3.task.signals import DIE, RUN, STOP, Action, AltStack, SigInfo, bits
from ring3.task.task import Task
from tests.unit.fakes import Kitchen
from tests.unit.task.context import Context, returning, stack

CODE, RESTORER = 0x401000, 0x402000
READ_NR = 0
EINTR = (1 << 64) - 4
FLAGS = s.SA_RESTORER | s.SA_SIGINFO


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def handle(t: Task, signo: int, flags: int = 0, mask: int = 0) -> None:
    t.process.handlers[signo] = Action(CODE, FLAGS | flags, RESTORER, mask)


def user(signo: int) -> SigInfo:
    return SigInfo(signo, s.SI_USER, pid=99, uid=98)


def test_a_handler_finds_its_frame(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1, mask=bits(s.SIGUSR2))
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k))
    before = context.values()
    assert signals.deliver(t, context) == RUN
    regs = context.regs
    assert (regs.rip, regs.rdi, regs.rax) == (CODE, s.SIGUSR1, 0)
    assert regs.rsp % 16 == 8, "as after a call instruction"
    assert regs.rsp <= before["rsp"] - 128 - FRAME_SIZE, "the red zone is spared"
    assert (regs.rsi, regs.rdx) == (regs.rsp + INFO_AT, regs.rsp + 8)
    (pretcode,) = k.memory.ints(regs.rsp, "Q")
    assert pretcode == RESTORER
    assert k.memory.ints(regs.rsi, "iii4xiI") == (s.SIGUSR1, 0, s.SI_USER, 99, 98)
    saved = k.memory.ints(regs.rdx + 40, "18Q")
    assert dict(zip(before, saved, strict=True)) == before
    assert t.sigmask == bits(s.SIGUSR1, s.SIGUSR2)


def test_sigreturn_undoes_it_all(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    signals.set_mask(t, bits(s.SIGHUP))
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k))
    before = context.values()
    signals.deliver(t, context)
    context.regs.rsp += 8  # the handler's ret
    context.regs.rbx = 0xDEAD
    context.call_nr = 15
    signals.sigreturn(t, context)
    assert context.values() == before
    assert t.sigmask == bits(s.SIGHUP)
    assert context.call_nr == -1


def test_sigreturn_sets_no_privileged_flags(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k))
    signals.deliver(t, context)
    flags_at = context.regs.rdx + 40 + 17 * 8
    k.memory.put(flags_at, (0xFFFFFFFF).to_bytes(8, "little"))
    context.regs.rsp += 8
    signals.sigreturn(t, context)
    assert context.regs.eflags & 0x3000 == 0, "no I/O privilege level"
    assert context.regs.eflags & 0x200, "interrupts stay on"


def test_a_bad_frame_is_a_segv(k: Kitchen) -> None:
    t = k.task()
    context = Context(0x10)
    signals.sigreturn(t, context)
    assert signals.deliver(t, context) == DIE
    assert t.process.exit_status == s.SIGSEGV


def xstate(size: int = 832) -> bytes:
    data = bytearray(b"\x5a" * size)
    struct.pack_into("<IIQI", data, 464, 0x46505853, size + 4, 7, size)
    return bytes(data) + (0x46505845).to_bytes(4, "little")


def test_the_fpu_state_travels(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k), fpstate=xstate())
    signals.deliver(t, context)
    (flags,) = k.memory.ints(context.regs.rdx, "Q")
    assert flags & s.UC_FP_XSTATE
    (at,) = k.memory.ints(context.regs.rdx + 40 + 184, "Q")
    assert at % 64 == 0
    assert k.memory.get(at, len(xstate())) == xstate()
    context.regs.rsp += 8
    signals.sigreturn(t, context)
    assert context.restored == xstate()


def test_without_the_second_magic_only_the_old_part_is_taken(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k), fpstate=xstate())
    signals.deliver(t, context)
    (at,) = k.memory.ints(context.regs.rdx + 40 + 184, "Q")
    k.memory.put(at + 832, bytes(4))
    context.regs.rsp += 8
    signals.sigreturn(t, context)
    assert context.restored == xstate()[:464] + bytes(48)


# --- restarts -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "flags", "again"),
    [
        (RESTART_SYS, 0, False),
        (RESTART_SYS, s.SA_RESTART, True),
        (RESTART_NOINTR, 0, True),
        (RESTART_NOHAND, s.SA_RESTART, False),
        (RESTART_BLOCK, s.SA_RESTART, False),
    ],
)
def test_restart_with_a_handler(k: Kitchen, kind: int, flags: int, again: bool) -> None:
    t = k.task()
    handle(t, s.SIGUSR1, flags)
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(stack(k), -kind, READ_NR)
    rip = context.regs.rip
    signals.deliver(t, context)
    saved = k.memory.ints(context.regs.rdx + 40, "18Q")
    rax, saved_rip = saved[13], saved[16]
    assert (rax, saved_rip) == ((READ_NR, rip - 2) if again else (EINTR, rip))


@pytest.mark.parametrize(
    ("kind", "nr"),
    [(RESTART_SYS, 0), (RESTART_NOINTR, 0), (RESTART_NOHAND, 0), (RESTART_BLOCK, 219)],
)
def test_restart_without_a_handler(k: Kitchen, kind: int, nr: int) -> None:
    t = k.task()
    verdict, context = returning(k, t, -kind, READ_NR)
    assert verdict == RUN
    assert (context.regs.rax, context.regs.rip) == (nr, 0x401000)


def test_a_result_outside_a_call_is_no_restart(k: Kitchen) -> None:
    verdict, context = returning(k, k.task(), -RESTART_SYS, -1)
    assert verdict == RUN
    assert context.regs.rip == 0x401002


# --- default actions ----------------------------------------------------------------------------
def test_default_actions(k: Kitchen) -> None:
    for signo, verdict in ((s.SIGTERM, DIE), (s.SIGSEGV, DIE), (s.SIGSTOP, STOP), (s.SIGURG, RUN)):
        t = k.task()
        signals.send_to_task(t, user(signo))
        assert returning(k, t)[0] == verdict, signo
        assert t.process.exit_status == (signo if verdict == DIE else 0)


def test_what_kills_is_in_the_log(k: Kitchen) -> None:
    t = k.task()
    t.comm = b"prog"
    signals.send_to_task(t, SigInfo(s.SIGSEGV, s.SEGV_MAPERR, addr=0xBAD))
    returning(k, t)
    assert f"prog[{t.tid}]: killed by signal 11 (code 1) at bad" in k.world.log.text()


def test_a_terminal_stop_spares_orphaned_groups(k: Kitchen) -> None:
    t = k.task()
    assert t.process.parent is k.init
    signals.send_to_task(t, user(s.SIGTSTP))
    assert returning(k, t)[0] == RUN
    child = k.task(k.process(k.world.new_pid(), t.process))
    child.process.leader = child
    child.process.join(ProcessGroup(child.process.pid, t.process.session))
    signals.send_to_task(child, user(s.SIGTSTP))
    assert returning(k, child)[0] == STOP


# --- flags --------------------------------------------------------------------------------------
def test_resethand_and_nodefer(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1, s.SA_RESETHAND | s.SA_NODEFER)
    signals.send_to_task(t, user(s.SIGUSR1))
    returning(k, t)
    assert t.process.handlers[s.SIGUSR1].handler == s.SIG_DFL
    assert t.sigmask == 0


def test_two_signals_stack_up(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    handle(t, s.SIGUSR2)
    signals.send_to_task(t, user(s.SIGUSR2))
    signals.send_to_task(t, user(s.SIGUSR1))
    _, context = returning(k, t)
    assert context.regs.rdi == s.SIGUSR2, "the last one pushed runs first"
    saved = k.memory.ints(context.regs.rdx + 40, "18Q")
    assert saved[16] == CODE, "and returns into the first one's handler"
    assert saved[8] == s.SIGUSR1


def test_a_swapped_mask_comes_back(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGUSR1)
    signals.set_mask(t, bits(s.SIGUSR1, s.SIGHUP))
    signals.swap_mask(t, bits(s.SIGTERM))
    signals.send_to_task(t, user(s.SIGUSR1))
    _, context = returning(k, t, -RESTART_NOHAND, 130)
    assert t.sigmask == bits(s.SIGTERM, s.SIGUSR1), "handlers run with the call's mask"
    context.regs.rsp += 8
    signals.sigreturn(t, context)
    assert t.sigmask == bits(s.SIGUSR1, s.SIGHUP)


def test_a_swapped_mask_comes_back_without_a_handler(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGHUP)
    signals.set_mask(t, 0)
    signals.swap_mask(t, bits(s.SIGHUP))
    signals.send_to_task(t, user(s.SIGHUP))
    _, context = returning(k, t, 1, 271)
    assert context.regs.rip == CODE, "what the old mask lets through is delivered at once"
    assert t.sigmask == bits(s.SIGHUP)


# --- alternate stacks ---------------------------------------------------------------------------
def test_onstack_moves_to_the_alternate_stack(k: Kitchen) -> None:
    t = k.task()
    at = k.memory.room(8192)
    t.alt_stack = AltStack(at, 0, 8192)
    handle(t, s.SIGUSR1, s.SA_ONSTACK)
    signals.send_to_task(t, user(s.SIGUSR1))
    _, context = returning(k, t)
    assert at < context.regs.rsp < at + 8192
    assert t.alt_stack.in_use(context.regs.rsp)


def test_autodisarm_forgets_the_stack_until_sigreturn(k: Kitchen) -> None:
    t = k.task()
    at = k.memory.room(8192)
    t.alt_stack = AltStack(at, s.SS_AUTODISARM, 8192)
    handle(t, s.SIGUSR1, s.SA_ONSTACK)
    signals.send_to_task(t, user(s.SIGUSR1))
    _, context = returning(k, t)
    assert t.alt_stack.size == 0
    context.regs.rsp += 8
    signals.sigreturn(t, context)
    assert (t.alt_stack.sp, t.alt_stack.size) == (at, 8192)


def test_an_overflowing_alternate_stack_is_a_segv(k: Kitchen) -> None:
    t = k.task()
    at = k.memory.room(8192)
    t.alt_stack = AltStack(at, 0, 8192)
    handle(t, s.SIGUSR1, s.SA_ONSTACK)
    signals.send_to_task(t, user(s.SIGUSR1))
    context = Context(at + 300)
    assert signals.deliver(t, context) == DIE
    assert t.process.exit_status == s.SIGSEGV


def test_no_stack_no_handler(k: Kitchen) -> None:
    t = k.task()
    handle(t, s.SIGSEGV)
    signals.send_to_task(t, SigInfo(s.SIGSEGV, s.SEGV_MAPERR))
    context = Context(0x2000)
    assert signals.deliver(t, context) == DIE
    assert t.process.exit_status == s.SIGSEGV


def test_a_handler_needs_a_restorer(k: Kitchen) -> None:
    t = k.task()
    t.process.handlers[s.SIGUSR1] = Action(CODE, 0)
    signals.send_to_task(t, user(s.SIGUSR1))
    assert returning(k, t)[0] == DIE
    assert t.process.exit_status == s.SIGSEGV
