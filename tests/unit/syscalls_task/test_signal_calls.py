"""rt_sigaction and its family as calls: error order, masks, waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi.errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM
from ring3.core.park import RESTART_NEVER, RESTART_NOHAND
from ring3.task import signals
from ring3.task.signals import Action, SigInfo, bits
from ring3.task.task import SWAPPED_MASK, Task
from tests.unit.fakes import PARKED, Kitchen, call, finish, start
from tests.unit.task.context import SlowVehicle, hand_clock

S = 1_000_000_000


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def words(k: Kitchen, *values: int) -> int:
    return k.memory.room(0, b"".join((v % (1 << 64)).to_bytes(8, "little") for v in values))


def test_sigaction_sets_and_tells(k: Kitchen) -> None:
    t = k.task()
    everything = (1 << 64) - 1
    new = words(k, 0x401000, s.SA_RESTART | s.SA_UNSUPPORTED | s.SA_RESTORER, 0x402000, everything)
    old = k.memory.room(32)
    assert call(t, "rt_sigaction", s.SIGUSR1, new, old, 8) == 0
    assert k.memory.ints(old, "4Q") == (0, 0, 0, 0)
    call(t, "rt_sigaction", s.SIGUSR1, 0, old, 8)
    mask = everything & ~bits(s.SIGKILL, s.SIGSTOP)
    assert k.memory.ints(old, "4Q") == (0x401000, s.SA_RESTART | s.SA_RESTORER, 0x402000, mask)


def test_sigaction_errors_come_in_linuxs_order(k: Kitchen) -> None:
    t = k.task()
    new = words(k, 0x401000, 0, 0, 0)
    for signo, action, size, error in (
        (s.SIGUSR1, 16, 4, EINVAL),
        (65, 16, 8, EFAULT),
        (65, new, 8, EINVAL),
        (0, 0, 8, EINVAL),
        (s.SIGKILL, new, 8, EINVAL),
    ):
        with pytest.raises(error):
            call(t, "rt_sigaction", signo, action, 0, size)
    assert call(t, "rt_sigaction", s.SIGKILL, 0, 0, 8) == 0


def test_ignoring_forgets_what_is_pending(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGUSR1))
    signals.send_to_task(t, SigInfo(s.SIGUSR1, s.SI_USER))
    signals.send_to_process(t.process, SigInfo(s.SIGUSR1, s.SI_USER))
    call(t, "rt_sigaction", s.SIGUSR1, words(k, s.SIG_IGN, 0, 0, 0), 0, 8)
    signals.set_mask(t, 0)
    assert not signals.has_deliverable(t)


def test_sigprocmask(k: Kitchen) -> None:
    t = k.task()
    new, old = words(k, bits(s.SIGUSR1, s.SIGKILL)), k.memory.room(8)
    call(t, "rt_sigprocmask", s.SIG_BLOCK, new, old, 8)
    assert (t.sigmask, k.memory.ints(old, "Q")) == (bits(s.SIGUSR1), (0,))
    call(t, "rt_sigprocmask", s.SIG_SETMASK, words(k, bits(s.SIGHUP, s.SIGUSR2)), old, 8)
    call(t, "rt_sigprocmask", s.SIG_UNBLOCK, words(k, bits(s.SIGHUP)), old, 8)
    assert t.sigmask == bits(s.SIGUSR2)
    with pytest.raises(EINVAL):
        call(t, "rt_sigprocmask", 9, new, 0, 8)
    assert call(t, "rt_sigprocmask", 9, 0, old, 8) == 0
    with pytest.raises(EINVAL):
        call(t, "rt_sigprocmask", s.SIG_BLOCK, new, 0, 16)


def test_sigpending_shows_what_is_blocked(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGUSR1, 40))
    signals.send_to_task(t, SigInfo(40, s.SI_USER))
    signals.send_to_process(t.process, SigInfo(s.SIGUSR1, s.SI_USER))
    out = k.memory.room(8, b"\xff" * 8)
    call(t, "rt_sigpending", out, 8)
    assert k.memory.ints(out, "Q") == (bits(s.SIGUSR1, 40),)
    k.memory.put(out, b"\xff" * 8)
    call(t, "rt_sigpending", out, 4)
    assert k.memory.ints(out, "II") == (bits(s.SIGUSR1), 0xFFFFFFFF)


def test_sigsuspend_swaps_the_mask_once(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGHUP))
    assert start(t, "rt_sigsuspend", words(k, bits(s.SIGUSR1)), 8) == PARKED
    assert (t.sigmask, t.saved_mask) == (bits(s.SIGUSR1), bits(s.SIGHUP))
    assert finish(t, interrupted=True) == -RESTART_NOHAND
    assert (t.sigmask, t.saved_mask) == (bits(s.SIGUSR1), bits(s.SIGHUP))
    assert t.attention & SWAPPED_MASK


def test_pause(k: Kitchen) -> None:
    t = k.task()
    assert start(t, "pause") == PARKED
    assert finish(t, interrupted=True) == -RESTART_NOHAND


# --- sigtimedwait -------------------------------------------------------------------------------
def test_sigtimedwait_takes_what_is_pending(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(40, 41))
    signals.send_to_task(t, SigInfo(41, s.SI_QUEUE, value=5))
    out = k.memory.room(128)
    assert call(t, "rt_sigtimedwait", words(k, bits(41)), out, 0, 8) == 41
    assert k.memory.ints(out, "iii") == (41, 0, s.SI_QUEUE)
    with pytest.raises(EAGAIN):
        call(t, "rt_sigtimedwait", words(k, bits(41)), out, words(k, 0, 0), 8)


def test_sigtimedwait_waits(k: Kitchen) -> None:
    clock = hand_clock(k)
    t = k.task()
    signals.set_mask(t, bits(40))
    wanted = words(k, bits(40))
    assert start(t, "rt_sigtimedwait", wanted, 0, words(k, 1, 0), 8) == PARKED
    signals.send_to_process(t.process, SigInfo(40, s.SI_USER))
    assert finish(t) == 40
    assert start(t, "rt_sigtimedwait", wanted, 0, words(k, 1, 0), 8) == PARKED
    clock.pass_time(S)
    with pytest.raises(EAGAIN):
        finish(t)
    assert start(t, "rt_sigtimedwait", wanted, 0, 0, 8) == PARKED
    assert finish(t, interrupted=True) == -RESTART_NEVER
    with pytest.raises(EINVAL):
        call(t, "rt_sigtimedwait", wanted, 0, words(k, 0, S), 8)


# --- alternate stack and return -----------------------------------------------------------------
def stack_t(k: Kitchen, sp: int, flags: int, size: int) -> int:
    return words(k, sp, flags, size)


def test_sigaltstack(k: Kitchen) -> None:
    t = k.task()
    vehicle = SlowVehicle(k, t)
    old = k.memory.room(24)
    assert call(t, "sigaltstack", 0, old) == 0
    assert k.memory.ints(old, "QiiQ") == (0, s.SS_DISABLE, 0, 0)
    for flags, size, error in ((8, 8192, EINVAL), (0, 100, ENOMEM)):
        with pytest.raises(error):
            call(t, "sigaltstack", stack_t(k, 0x1000, flags, size), 0)
    at = k.memory.room(8192)
    assert call(t, "sigaltstack", stack_t(k, at, 0, 8192), 0) == 0
    assert call(t, "sigaltstack", 0, old) == 0
    assert k.memory.ints(old, "QiiQ") == (at, 0, 0, 8192)
    vehicle.context.regs.rsp = at + 4096
    assert call(t, "sigaltstack", 0, old) == 0
    assert k.memory.ints(old, "QiiQ")[1] == s.SS_ONSTACK
    assert call(t, "sigaltstack", stack_t(k, 0, s.SS_DISABLE, 0), 0) == -EPERM.number
    assert call(t, "sigaltstack", 0, 16) == -EFAULT.number


def test_rt_sigreturn_goes_back(k: Kitchen) -> None:
    t = k.task()
    vehicle = SlowVehicle(k, t)
    t.process.handlers[s.SIGUSR1] = Action(0x401000, s.SA_RESTORER, 0x402000)
    before = vehicle.context.values()
    signals.send_to_task(t, SigInfo(s.SIGUSR1, s.SI_USER))
    signals.deliver(t, vehicle.context)
    assert vehicle.context.regs.rip == 0x401000
    vehicle.context.regs.rsp += 8
    call(t, "rt_sigreturn")
    assert vehicle.context.values() == before
    assert vehicle.context.call_nr == -1


def test_restart_syscall_without_a_broken_call(k: Kitchen) -> None:
    t: Task = k.task()
    with pytest.raises(EINTR):
        call(t, "restart_syscall")
