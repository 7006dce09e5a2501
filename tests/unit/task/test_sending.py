"""Who gets a signal, what is dropped, and what becomes of processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ring3.abi import signal as s
from ring3.abi.errno import EAGAIN
from ring3.abi.resource import RLIMIT_SIGPENDING
from ring3.task import signals
from ring3.task.process import Process, ProcessGroup
from ring3.task.signals import Action, SigInfo, bits
from ring3.task.task import OBSERVED, SIGNALS, Task
from tests.unit.fakes import Kitchen

HANDLER = Action(0x401000, s.SA_RESTORER, 0x402000)


@pytest.fixture
def k() -> Iterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()


def kicks(t: Task) -> int:
    return t.vehicle.kicks  # type: ignore[attr-defined,no-any-return]


def user(signo: int) -> SigInfo:
    return SigInfo(signo, s.SI_USER, pid=99)


def test_a_handled_signal_interrupts_one_thread(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    t.process.handlers[s.SIGUSR1] = HANDLER
    signals.send_to_process(t.process, user(s.SIGUSR1))
    assert (kicks(t), kicks(second)) == (1, 0)
    assert t.attention & SIGNALS
    assert s.SIGUSR1 in t.process.pending


def test_a_thread_that_blocks_is_passed_over(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    t.process.handlers[s.SIGUSR1] = HANDLER
    signals.set_mask(t, bits(s.SIGUSR1))
    signals.send_to_process(t.process, user(s.SIGUSR1))
    assert (kicks(t), kicks(second)) == (0, 1)


def test_ignored_signals_are_dropped_but_not_while_blocked(k: Kitchen) -> None:
    t = k.task()
    signals.send_to_process(t.process, user(s.SIGCHLD))
    assert not t.process.pending.mask
    signals.set_mask(t, bits(s.SIGCHLD))
    signals.send_to_process(t.process, user(s.SIGCHLD))
    assert s.SIGCHLD in t.process.pending
    assert not t.attention & SIGNALS


def test_standard_signals_are_kept_once_and_real_time_ones_queue(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGUSR1, 40))
    for value in (1, 2, 3):
        signals.send_to_task(t, SigInfo(40, s.SI_QUEUE, value=value))
        signals.send_to_task(t, SigInfo(s.SIGUSR1, s.SI_QUEUE, value=value))
    taken = []
    while (info := signals.dequeue(t, 0)) is not None:
        taken.append((info.signo, info.value))
    assert taken == [(s.SIGUSR1, 1), (40, 1), (40, 2), (40, 3)]


def test_the_queue_has_a_limit(k: Kitchen) -> None:
    t = k.task()
    t.process.limits[RLIMIT_SIGPENDING] = (2, 2)
    signals.set_mask(t, bits(40, 41, s.SIGUSR1))
    for _ in range(2):
        signals.send_to_process(t.process, SigInfo(40, s.SI_QUEUE))
    with pytest.raises(EAGAIN):
        signals.send_to_process(t.process, SigInfo(40, s.SI_QUEUE))
    # kill(2) of a real-time signal is not refused: only its information is lost.
    signals.send_to_process(t.process, SigInfo(41, s.SI_USER, pid=5))
    signals.send_to_process(t.process, SigInfo(s.SIGUSR1, s.SI_USER, pid=5))
    assert [(i.signo, i.pid) for i in drain(t)] == [(s.SIGUSR1, 5), (40, 0), (40, 0), (41, 0)]
    assert k.world.signal_users[0].count == 0


def drain(t: Task) -> list[SigInfo]:
    found = []
    while (info := signals.dequeue(t, 0)) is not None:
        found.append(info)
    return found


def test_faults_come_before_anything_else(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGHUP, s.SIGSEGV))
    signals.send_to_task(t, user(s.SIGHUP))
    signals.send_to_task(t, SigInfo(s.SIGSEGV, s.SEGV_MAPERR))
    assert [i.signo for i in drain(t)] == [s.SIGSEGV, s.SIGHUP]


def test_a_fatal_signal_kills_at_once(k: Kitchen) -> None:
    t = k.task()
    signals.send_to_process(t.process, user(s.SIGTERM))
    assert t.process.state == "dying"
    assert t.process.exit_status == s.SIGTERM
    assert t.vehicle.killed  # type: ignore[attr-defined]


def test_nothing_reaches_the_dying_and_init(k: Kitchen) -> None:
    t = k.task()
    signals.send_to_process(t.process, user(s.SIGKILL))
    signals.send_to_process(t.process, user(s.SIGUSR1))
    assert not t.process.pending.mask
    signals.send_to_process(k.init, user(s.SIGKILL))
    assert k.init.state == "running"


def test_observers_see_ignored_signals_without_an_interruption(k: Kitchen) -> None:
    t = k.task()
    t.attention |= OBSERVED
    signals.send_to_process(t.process, user(s.SIGCHLD))
    assert [i.signo for i in t.notices] == [s.SIGCHLD]
    assert not signals.has_deliverable(t)
    assert kicks(t) == 0


def test_stop_and_continue_forget_each_other(k: Kitchen) -> None:
    t = k.task()
    signals.set_mask(t, bits(s.SIGTSTP, s.SIGCONT))
    signals.send_to_process(t.process, user(s.SIGTSTP))
    signals.send_to_process(t.process, user(s.SIGCONT))
    assert s.SIGTSTP not in t.process.pending
    signals.send_to_process(t.process, user(s.SIGTSTP))
    assert s.SIGCONT not in t.process.pending


def child_of(k: Kitchen, parent: Process) -> Task:
    process = k.process(k.world.new_pid(), parent)
    process.exit_signal = s.SIGCHLD
    task = k.task(process)
    process.leader = task
    return task


def test_stopping_holds_signals_until_sigcont(k: Kitchen) -> None:
    from ring3.task.jobs import stop

    parent = k.task()
    parent.process.handlers[s.SIGCHLD] = HANDLER
    t = child_of(k, parent.process)
    stop(t.process, s.SIGSTOP)
    assert t.process.state == "stopped"
    info = signals.dequeue(parent, 0)
    assert info is not None
    assert (info.signo, info.code, info.status) == (s.SIGCHLD, s.CLD_STOPPED, s.SIGSTOP)
    signals.send_to_process(t.process, user(s.SIGTERM))
    assert t.process.state == "stopped"
    signals.send_to_process(t.process, user(s.SIGCONT))
    assert t.process.state == "running"
    assert t.vehicle.resumed == 1  # type: ignore[attr-defined]
    info = signals.dequeue(parent, 0)
    assert info is not None and info.code == s.CLD_CONTINUED
    assert signals.deliverable(t) == bits(s.SIGTERM)


def test_nocldstop_keeps_stops_quiet(k: Kitchen) -> None:
    from ring3.task.jobs import stop

    parent = k.task()
    parent.process.handlers[s.SIGCHLD] = Action(0x401000, s.SA_NOCLDSTOP)
    stop(child_of(k, parent.process).process, s.SIGTSTP)
    assert not parent.process.pending.mask


def test_a_kill_ends_a_stopped_process(k: Kitchen) -> None:
    from ring3.task.jobs import stop

    t = k.task()
    stop(t.process, s.SIGSTOP)
    signals.send_to_process(t.process, user(s.SIGKILL))
    assert t.process.exit_status == s.SIGKILL


def test_an_orphaned_stopped_group_is_hung_up(k: Kitchen) -> None:
    from ring3.task.jobs import stop
    from ring3.task.wait import announce_exit

    shell = k.task()
    job = child_of(k, shell.process)
    job.process.join(ProcessGroup(job.process.pid, shell.process.session))
    job.process.handlers[s.SIGHUP] = HANDLER
    stop(job.process, s.SIGTSTP)
    shell.process.threads.clear()
    announce_exit(shell.process)
    assert job.process.state == "running"
    assert signals.deliverable(job) == bits(s.SIGHUP)
    assert job.process.parent is k.init


def test_unblocking_another_thread_gets_what_this_one_now_blocks(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    t.process.handlers[s.SIGUSR1] = HANDLER
    signals.send_to_process(t.process, user(s.SIGUSR1))
    assert kicks(second) == 0
    signals.set_mask(t, bits(s.SIGUSR1))
    assert kicks(second) == 1


def test_an_exiting_thread_hands_on_what_was_sent_to_the_process(k: Kitchen) -> None:
    t = k.task()
    second = k.task(t.process)
    t.process.handlers[s.SIGUSR1] = HANDLER
    signals.send_to_process(t.process, user(s.SIGUSR1))
    signals.thread_exits(t)
    assert kicks(second) == 1


def test_force_overrules_a_block(k: Kitchen) -> None:
    t = k.task()
    t.process.handlers[s.SIGSEGV] = HANDLER
    signals.set_mask(t, bits(s.SIGSEGV))
    signals.force(t, SigInfo(s.SIGSEGV, s.SEGV_MAPERR))
    assert t.process.handlers[s.SIGSEGV].handler == s.SIG_DFL
    assert not t.sigmask & bits(s.SIGSEGV)
    assert signals.has_deliverable(t)


def test_force_keeps_a_handler_that_can_run(k: Kitchen) -> None:
    t = k.task()
    t.process.handlers[s.SIGSEGV] = HANDLER
    signals.force(t, SigInfo(s.SIGSEGV, s.SEGV_MAPERR))
    assert t.process.handlers[s.SIGSEGV] is HANDLER


def test_exec_keeps_ignored_signals_only(k: Kitchen) -> None:
    handlers = k.task().process.handlers
    handlers[s.SIGUSR1] = HANDLER
    handlers[s.SIGUSR2] = Action(s.SIG_IGN, s.SA_RESTART)
    handlers.reset_on_exec()
    assert handlers[s.SIGUSR1].handler == s.SIG_DFL
    assert (handlers[s.SIGUSR2].handler, handlers[s.SIGUSR2].flags) == (s.SIG_IGN, 0)
