"""Lines of calls on memory that a test laid out; expectations are strace 6.1's for the same bytes.

``test_strace.py`` compares many more with strace itself, where it is installed.
"""

from __future__ import annotations

import struct

import pytest

from tests.unit.trace.stage import Actor, Stage

E2BIG, ENOENT, ENOEXEC, EBADF, EFAULT = 7, 2, 8, 9, 14


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def actor() -> Actor:
    return Actor(7)


def test_open_prints_the_mode_only_where_a_file_may_be_made(stage: Stage, actor: Actor) -> None:
    path = actor.put(b"/etc/passwd\0")
    at_cwd = -100
    assert stage.call(actor, "openat", at_cwd, path, 0o2000000, 0o644, result=3) == (
        'openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3'
    )
    assert stage.call(actor, "openat", at_cwd, path, 0o1101, 0o640, result=-ENOENT) == (
        'openat(AT_FDCWD, "/etc/passwd", O_WRONLY|O_CREAT|O_TRUNC, 0640) = '
        "-1 ENOENT (No such file or directory)"
    )


def test_the_result_stands_in_column_40(stage: Stage, actor: Actor) -> None:
    assert stage.call(actor, "close", 3) == "close(3)" + " " * 32 + "= 0"


def test_buffers_are_cut_and_read_when_they_are_filled(stage: Stage, actor: Actor) -> None:
    buf = actor.put(bytes(64))
    stage.enter(actor, "read", 0, buf, 64)
    actor.memory.put(buf, b"x" * 40)
    stage.exit(actor, "read", 40)
    assert stage.text == f'read(0, "{"x" * 32}"..., 64) = 40\n'
    assert stage.call(actor, "read", 9, buf, 64, result=-EBADF).startswith(f"read(9, {buf:#x}, 64)")
    assert stage.call(actor, "write", 1, 0x10, 5, result=-EFAULT) == (
        "write(1, 0x10, 5)                       = -1 EFAULT (Bad address)"
    )


def test_stat_abbreviates(stage: Stage, actor: Actor) -> None:
    fields = struct.pack("<QQQIIIIQqqq", 0xFE00, 77, 1, 0o100644, 0, 0, 0, 0, 1234, 4096, 8)
    buf = actor.put(fields.ljust(144, b"\0"))
    assert stage.call(actor, "fstat", 3, buf) == (
        "fstat(3, {st_mode=S_IFREG|0644, st_size=1234, ...}) = 0"
    )
    stage.tracer.plans["x86_64"].clear()
    stage.options.abbrev = frozenset()
    assert "st_dev=makedev(0xfe, 0), st_ino=77, st_mode=S_IFREG|0644, st_nlink=1" in stage.call(
        actor, "fstat", 3, buf
    )


def test_execve_counts_the_environment(stage: Stage, actor: Actor) -> None:
    words = [actor.put(w + b"\0") for w in (b"ls", b"-l", b"A=1")]
    argv = actor.put(struct.pack("<3Q", words[0], words[1], 0))
    envp = actor.put(struct.pack("<2Q", words[2], 0))
    path = actor.put(b"/bin/ls\0")
    line = stage.call(actor, "execve", path, argv, envp)
    assert line == f'execve("/bin/ls", ["ls", "-l"], {envp:#x} /* 1 var */) = 0'
    assert "NULL, NULL" in stage.call(actor, "execve", path, 0, 0, result=-ENOEXEC)


def test_a_path_that_runs_into_nothing_is_a_pointer(stage: Stage, actor: Actor) -> None:
    at = actor.memory.fenced(4, b"abcd")
    assert stage.call(actor, "chdir", at, result=-EFAULT).startswith(f"chdir({at:#x})")


def test_arrays_tell_where_memory_ends(stage: Stage, actor: Actor) -> None:
    at = actor.memory.fenced(8, struct.pack("<ihh", 5, 1, 0))
    line = stage.call(actor, "poll", at, 2, 0, result=-EFAULT)
    assert line.startswith(f"poll([{{fd=5, events=POLLIN}}, ... /* {at + 8:#x} */], 2, 0)")


def test_poll_tells_what_it_found(stage: Stage, actor: Actor) -> None:
    fds = actor.put(struct.pack("<ihh", 3, 1, 0) + struct.pack("<ihh", 4, 4, 4))
    assert stage.call(actor, "poll", fds, 2, -1, result=1) == (
        "poll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}], 2, -1) = 1 "
        "([{fd=4, revents=POLLOUT}])"
    )
    assert stage.call(actor, "poll", fds, 1, 0, result=0).endswith("= 0 (Timeout)")


def test_wait_explains_the_status(stage: Stage, actor: Actor) -> None:
    status = actor.put(struct.pack("<i", 3 << 8))
    assert stage.call(actor, "wait4", -1, status, 0, 0, result=9) == (
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 9"
    )
    actor.memory.put(status, struct.pack("<i", 11 | 0x80))
    assert "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]" in stage.call(
        actor, "wait4", -1, status, 1, 0, result=9
    )
    assert f"wait4(-1, {status:#x}, WNOHANG, NULL)" in stage.call(
        actor, "wait4", -1, status, 1, 0, result=0
    )


def test_sockets(stage: Stage, actor: Actor) -> None:
    where = actor.put(struct.pack("<H", 2) + b"\0\x50" + bytes((127, 0, 0, 1)) + bytes(8))
    assert stage.call(actor, "connect", 3, where, 16) == (
        "connect(3, {sa_family=AF_INET, sin_port=htons(80), "
        'sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    )
    length = actor.put(struct.pack("<i", 128))
    stage.enter(actor, "accept", 3, where, length)
    actor.memory.put(length, struct.pack("<i", 16))
    stage.exit(actor, "accept", 4)
    assert stage.text.endswith('inet_addr("127.0.0.1")}, [128 => 16]) = 4\n')


def test_sigaction_and_sets(stage: Stage, actor: Actor) -> None:
    mask = 1 << 16 | 1 << 32
    act = actor.put(struct.pack("<4Q", 1, 0x14000000, 0x4000, mask))
    assert stage.call(actor, "rt_sigaction", 2, act, 0, 8) == (
        "rt_sigaction(SIGINT, {sa_handler=SIG_IGN, sa_mask=[CHLD RT_1], "
        "sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x4000}, NULL, 8) = 0"
    )
    most = actor.put(struct.pack("<Q", ~(1 << 8) & ((1 << 64) - 1)))
    assert "rt_sigprocmask(SIG_SETMASK, ~[KILL], NULL, 8)" in stage.call(
        actor, "rt_sigprocmask", 2, most, 0, 8
    )


def test_results_that_are_no_plain_numbers(stage: Stage, actor: Actor) -> None:
    end = "= 0x7f0000001000"
    assert stage.call(actor, "mmap", 0, 8192, 3, 0x22, -1, 0, result=0x7F0000001000).endswith(end)
    assert stage.call(actor, "umask", 0o77, result=0o22).endswith("= 022")
    assert stage.call(actor, "fcntl", 3, 3, 0, result=0o102002).endswith(
        "= 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)"
    )
    assert stage.call(actor, "pause", result=-514).endswith(
        "= ? ERESTARTNOHAND (To be restarted if no handler)"
    )
    assert stage.call(actor, "getpid", result=-999).endswith("= -1 (errno 999)")
    assert stage.call(actor, "exit_group", 3, result=None) == (
        "exit_group(3)                           = ?"
    )


def test_an_unknown_number_shows_six_words(stage: Stage, actor: Actor) -> None:
    stage.tracer.enter(actor, 0xBAD, "", None, (1, 2, 3, 0, 5, 6))  # type: ignore[arg-type]
    stage.tracer.exit(actor, 0xBAD, "", None, (), -38, "")  # type: ignore[arg-type]
    assert stage.text == (
        "syscall_0xbad(0x1, 0x2, 0x3, 0, 0x5, 0x6) = -1 ENOSYS (Function not implemented)\n"
    )


def test_descriptors_with_their_paths(actor: Actor) -> None:
    stage = Stage(fds=1)
    actor = Actor(7, {3: b"/etc/passwd", 4: b"/tmp/x (deleted)"})
    assert stage.call(actor, "close", 3).startswith("close(3</etc/passwd>)")
    assert stage.call(actor, "dup", 3, result=4).endswith("= 4</tmp/x>(deleted)")


def test_a_declared_call_prints_by_its_declaration(stage: Stage, actor: Actor) -> None:
    """A call that no family describes is decoded as its handler declares it."""
    from ring3.abi.types import Bytes, Fd, In, Out, Path, Size
    from ring3.syscalls.table import Call

    def novel(t: object, fd: Fd, path: In[Path], buf: Out[Bytes], count: Size) -> int:
        return 0

    novel.__globals__.update(In=In, Out=Out, Fd=Fd, Path=Path, Bytes=Bytes, Size=Size)
    call = Call(novel, "novel", "", {"buf": "return"})
    args = (5, actor.put(b"/x\0"), actor.put(b"data"), 9, 0, 0)
    stage.tracer.enter(actor, 777, "novel", call, args)  # type: ignore[arg-type]
    stage.tracer.exit(actor, 777, "novel", call, args, 4, "")  # type: ignore[arg-type]
    assert stage.text == 'novel(5, "/x", "data", 9)               = 4\n'
