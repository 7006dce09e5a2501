"""Lines in their order: unfinished calls, leaders, signals, filters, the table of -c."""

from __future__ import annotations

import struct

import pytest

from ring3.task.siginfo import SigInfo
from ring3.trace import filters, summary
from ring3.trace.options import clock_stamp, duration, since, unix_stamp
from tests.unit.trace.stage import Actor, Stage

SIGCHLD, SIGUSR1, SIGSEGV = 17, 10, 11


def lines(stage: Stage) -> list[str]:
    return stage.text.splitlines()


def two(stage: Stage) -> tuple[Actor, Actor]:
    first, second = Actor(10), Actor(11)
    stage.call(first, "getpid", result=10)
    stage.tracer.started(second, first)  # type: ignore[arg-type]
    return first, second


def test_a_call_that_another_line_interrupts_is_resumed() -> None:
    stage = Stage(follow=True)
    first, second = two(stage)
    buf = first.put(b"abc")
    stage.enter(first, "read", 0, buf, 3)
    stage.call(second, "getppid", result=10)
    stage.exit(first, "read", 3)
    assert lines(stage)[1:] == [
        "10    read(0,  <unfinished ...>",
        "11    getppid()                         = 10",
        '10    <... read resumed>"abc", 3)       = 3',
    ]


def test_without_f_only_the_first_process_is_traced() -> None:
    stage = Stage()
    _, second = two(stage)
    stage.call(second, "getppid", result=10)
    assert lines(stage) == ["getpid()                                = 10"]


def test_the_leader_on_a_terminal_tells_the_pid_while_there_are_several() -> None:
    stage = Stage(target="", follow=True, quiet_attach=True)
    first, second = two(stage)
    stage.call(second, "getppid", result=10)
    stage.tracer.exited(second, 0)  # type: ignore[arg-type]
    stage.call(first, "getpid", result=10)
    assert lines(stage) == [
        "getpid()                                = 10",
        "[pid    11] getppid()                   = 10",
        "[pid    11] +++ exited with 0 +++",
        "getpid()                                = 10",
    ]


def test_one_file_per_thread() -> None:
    stage = Stage(separately=True, follow=True)
    first, second = two(stage)
    buf = first.put(b"abc")
    stage.enter(first, "read", 0, buf, 3)
    stage.call(second, "getppid", result=10)
    stage.exit(first, "read", 3)
    assert stage.pages.sinks[10].text.splitlines()[1] == (
        'read(0, "abc", 3)                       = 3'
    )
    assert stage.pages.sinks[11].text == "getppid()                               = 10\n"


def test_signals_and_ends() -> None:
    stage = Stage()
    actor = Actor(10)
    stage.call(actor, "getpid", result=10)
    info = SigInfo(SIGCHLD, 2, pid=12, uid=5, status=SIGUSR1)
    stage.tracer.signal(actor, info)  # type: ignore[arg-type]
    stage.tracer.signal(actor, SigInfo(SIGSEGV, 1, addr=0x10))  # type: ignore[arg-type]
    stage.tracer.stopped(actor.process, 19)
    stage.tracer.exited(actor, SIGSEGV | 0x80)  # type: ignore[arg-type]
    assert lines(stage)[1:] == [
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=12, si_uid=5, "
        "si_status=SIGUSR1, si_utime=0, si_stime=0} ---",
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---",
        "--- stopped by SIGSTOP ---",
        "+++ killed by SIGSEGV (core dumped) +++",
    ]


def test_a_thread_that_dies_in_a_call() -> None:
    stage = Stage()
    actor = Actor(10)
    buf = actor.put(bytes(4))
    stage.enter(actor, "read", 0, buf, 4)
    stage.tracer.exited(actor, 9)  # type: ignore[arg-type]
    assert lines(stage) == [
        "read(0,  <unfinished ...>)              = ?",
        "+++ killed by SIGKILL +++",
    ]


def test_execve_of_a_thread_goes_on_under_the_leaders_number() -> None:
    stage = Stage(follow=True)
    leader, caller = two(stage)
    idle = Actor(12)
    stage.tracer.started(idle, leader)  # type: ignore[arg-type]
    caller.process = idle.process = leader.process
    path = caller.put(b"/bin/x\0")
    stage.enter(leader, "pause")
    stage.enter(caller, "execve", path, 0, 0)
    for other in (idle, leader):
        stage.tracer.superseded(other, 10)  # type: ignore[arg-type]
    stage.exit(caller, "execve", 0)
    assert lines(stage)[1:] == [
        "10    pause( <unfinished ...>",
        '11    execve("/bin/x", NULL, NULL <unfinished ...>',
        "12    +++ exited with 0 +++",
        "10    +++ superseded by execve in pid 11 +++",
        "10    <... execve resumed>)             = 0",
    ]


def test_filters_by_call_status_and_signal() -> None:
    stage = Stage(
        calls=filters.calls("%file"),
        statuses=filters.statuses("failed"),
        signals=filters.signals("none"),
    )
    actor = Actor(10)
    path = actor.put(b"/x\0")
    stage.call(actor, "getpid", result=10)
    stage.call(actor, "chdir", path, result=0)
    stage.call(actor, "chdir", path, result=-2)
    stage.tracer.signal(actor, SigInfo(SIGUSR1, 0))  # type: ignore[arg-type]
    assert lines(stage) == [
        'chdir("/x")                             = -1 ENOENT (No such file or directory)'
    ]


def test_filter_by_path() -> None:
    wanted = filters.PathFilter()
    wanted.add("/x")
    stage = Stage(paths=wanted)
    actor = Actor(10, {3: b"/x", 4: b"/y"})
    stage.call(actor, "chdir", actor.put(b"/x\0"))
    stage.call(actor, "chdir", actor.put(b"/y\0"))
    stage.call(actor, "close", 3)
    stage.call(actor, "close", 4)
    assert [line.split(" ")[0] for line in lines(stage)] == ['chdir("/x")', "close(3)"]


def test_raw_and_reasons() -> None:
    stage = Stage(raw=frozenset({"chdir"}), reasons=True)
    actor = Actor(10)
    stage.enter(actor, "chdir", 0x1000)
    stage.exit(actor, "chdir", -13, "unveil: /x is not visible")
    assert lines(stage) == [
        "chdir(0x1000)                           = -1 EACCES (Permission denied)"
        "  # unveil: /x is not visible"
    ]


def test_times() -> None:
    ns = 1_234_567_891_234_567_891
    assert unix_stamp(6)(ns) == "1234567891.234567"
    assert clock_stamp(0)(0).count(":") == 2
    assert duration(6)(87_000) == "0.000087"
    assert since(6)(219_000) == "     0.000219"
    stage = Stage(stamp=unix_stamp(6), numbers=True, times=duration(6))
    actor = Actor(10)
    line = stage.call(actor, "getpid", result=10)
    stamp, rest = line.split(" ", 1)
    assert float(stamp) > 1e9
    assert rest.startswith("[  39] getpid()")
    assert line.endswith(">")


def test_summary_has_straces_layout() -> None:
    stage = Stage(summary="only")
    rows = {
        "openat": [10, 3, 2_000_000, 100, 900_000, 257],
        "close": [4, 0, 0, 0, 0, 3],
        "read": [4, 0, 0, 0, 0, 0],
    }
    assert summary.tables({"x86_64": rows}, stage.options) == (
        "% time     seconds  usecs/call     calls    errors syscall\n"
        "------ ----------- ----------- --------- --------- ----------------\n"
        "100.00    0.002000         200        10         3 openat\n"
        "  0.00    0.000000           0         4           read\n"
        "  0.00    0.000000           0         4           close\n"
        "------ ----------- ----------- --------- --------- ----------------\n"
        "100.00    0.002000         111        18         3 total\n"
    )
    stage.options.columns = summary.columns("name,calls,errors")
    stage.options.sort = summary.sorting("calls")
    assert summary.tables({"x86_64": rows}, stage.options).splitlines()[:3] == [
        "syscall              calls    errors",
        "---------------- --------- ---------",
        "openat                  10         3",
    ]


def test_counting_prints_no_lines() -> None:
    stage = Stage(summary="only")
    actor = Actor(10)
    for result in (0, -2, -2):
        stage.call(actor, "chdir", actor.put(b"/x\0"), result=result)
    assert stage.text == ""
    assert stage.tracer.counts["x86_64"]["chdir"][:2] == [3, 2]
    stage.tracer.close()
    assert " 2 chdir\n" in stage.text


def test_the_first_execve_is_told_from_the_stack() -> None:
    """The kernel starts the first program itself; its stack says with what."""
    stage = Stage()
    actor = Actor(10)
    random_at = actor.put(bytes(16))
    execfn = actor.put(b"/bin/true\0")
    arg = actor.put(b"true\0")
    aux = struct.pack("<6Q", 25, random_at, 31, execfn, 0, 0)
    actor.process.command_line, actor.process.environment = b"true\0", b"A=1\0B=2\0"
    actor.process.auxv = aux
    words = struct.pack("<6Q", 1, arg, 0, arg, arg, 0)
    sp = (random_at - len(words) - len(aux)) & -16
    actor.memory.base -= 4096
    actor.memory.bytes[:0] = bytes(4096)
    actor.memory.put(sp, words)
    stage.call(actor, "getpid", result=10)
    assert lines(stage)[0] == (f'execve("/bin/true", ["true"], {sp + 24:#x} /* 2 vars */) = 0')


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("%file", {"openat", "execve", "statx"}, {"read", "close"}),
        ("file", {"openat"}, {"read"}),
        ("%%stat", {"stat", "lstat", "newfstatat"}, {"statfs"}),
        ("read,write", {"read", "write"}, {"pread64"}),
        ("!read", {"write"}, {"read"}),
        ("/^sched_", {"sched_yield", "sched_setattr"}, {"read"}),
        ("?nosuch,read", {"read"}, {"write"}),
        ("none", set(), {"read"}),
        ("read@64", {"read"}, {"write"}),
    ],
)
def test_sets_of_calls(text: str, some: set[str], none: set[str]) -> None:
    chosen = filters.calls(text)
    assert chosen is not None
    assert some <= chosen
    assert not none & chosen


def test_sets_that_are_wrong_say_so() -> None:
    assert filters.calls("all") is None
    for bad in ("nosuch", "%nosuch", "/(", "read@99"):
        with pytest.raises(ValueError):
            filters.calls(bad)
    assert filters.signals("!SIGUSR1,usr2") is not None
    with pytest.raises(ValueError):
        filters.signals("SIGNOSUCH")
    with pytest.raises(ValueError):
        filters.statuses("maybe")


def test_a_bug_in_a_printer_does_not_reach_the_guest() -> None:
    stage = Stage()
    actor = Actor(10)
    said: list[str] = []
    actor.world.log = type("Log", (), {"say": staticmethod(said.append)})()
    stage.call(actor, "close", 3)

    def broken(x: object, a: object) -> str:
        raise ZeroDivisionError

    plan = stage.tracer.plans["x86_64"][stage.numbers["close"]]
    plan.enter = plan.exit = broken
    assert stage.call(actor, "close", 3).startswith("close(0x3, 0, 0, 0, 0, 0 /* ZeroDivision")
    assert "cannot print close(0x3" in said[0]
    assert len(said) == 2
