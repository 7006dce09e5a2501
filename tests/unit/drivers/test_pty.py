"""Pseudo-terminals and job control, without a machine: tasks are driven by hand."""

from __future__ import annotations

import os
import termios

import pytest

from ring3.abi import ioctl as io
from ring3.abi.errno import EAGAIN, EINVAL, EIO, ENOENT, ENOTTY, ENXIO, EPERM, ESRCH, Errno
from ring3.abi.signal import (
    SIG_IGN,
    SIGCONT,
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGWINCH,
)
from ring3.core.park import Park
from ring3.drivers.pty import PtyMaster, PtySlave
from ring3.task.process import ProcessGroup
from ring3.task.sigstate import Action
from ring3.task.task import Task
from ring3.task.terminal import leader_gone, terminal_of
from tests.unit.fakes import call
from tests.unit.views.conftest import Guest

NOCTTY = os.O_RDWR | os.O_NOCTTY
HANDLED = Action(0x1000)


class Line:
    """A master that the guest's task holds, and a session with the slave as its terminal: a
    leader in the foreground, and a background job of the same session."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.k = guest.k
        t = guest.t
        self.master_fd = guest.open("/dev/ptmx", NOCTTY | os.O_NONBLOCK)
        self.master: PtyMaster = t.fds.get(self.master_fd, PtyMaster)
        self.request(t, self.master_fd, io.TIOCSPTLCK, bytes(4))
        self.leader = self.member(None)
        call(self.leader, "setsid")
        self.fd = self.open_slave(self.leader, os.O_RDWR)
        self.slave: PtySlave = self.leader.fds.get(self.fd, PtySlave)
        self.group = self.leader.process.group

    def member(self, parent: Task | None) -> Task:
        """A process that a child of *parent* would be; it catches everything."""
        k = self.k
        pid = k.world.new_pid()
        process = k.process(pid, parent.process if parent is not None else k.init)
        task = Task(k.world, pid, process)
        task.vehicle = type(self.guest.t.vehicle)()
        task.memory = self.guest.t.memory
        task.cred = self.guest.t.cred
        task.fds = type(self.guest.t.fds)()
        process.threads[pid] = k.world.tasks[pid] = task
        process.leader = task
        for signo in (SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP, SIGCONT, SIGWINCH):
            process.handlers[signo] = HANDLED
        return self.guest.settle(task)

    def background(self) -> Task:
        """A job of the session that is not in the foreground."""
        job = self.member(self.leader)
        job.process.join(ProcessGroup(job.process.pid, self.leader.process.session))
        job.fds.replace(self.fd, self.slave)
        return job

    def open_slave(self, t: Task, flags: int) -> int:
        return self.guest.open(f"/dev/pts/{self.master.pair.index}", flags, t)

    def request(self, t: Task, fd: int, request: int, data: bytes = b"", size: int = 0) -> bytes:
        memory = self.k.memory
        at = memory.room(max(len(data), size), data)
        call(t, "ioctl", fd, request, at)
        return memory.get(at, size)

    def type(self, keys: bytes) -> None:
        assert call(self.guest.t, "write", self.master_fd, self.k.memory.room(9, keys), len(keys))

    def read(self, t: Task, size: int = 64) -> bytes:
        at = self.k.memory.room(size)
        return self.k.memory.get(at, call(t, "read", self.fd, at, size))

    def set(self, **flags: int) -> None:
        """Change settings: off=, on= bits of c_lflag."""
        mode = termios.tcgetattr(self.slave.fd)
        mode[3] = (mode[3] & ~flags.get("off", 0)) | flags.get("on", 0)
        termios.tcsetattr(self.slave.fd, termios.TCSANOW, mode)


@pytest.fixture
def line(guest: Guest) -> Line:
    return Line(guest)


def pending(t: Task) -> set[int]:
    """The signals that wait for a process; they are taken."""
    mask = t.pending.mask | t.process.pending.mask
    t.pending.clear()
    t.process.pending.clear()
    return {signo for signo in range(1, 65) if mask >> (signo - 1) & 1}


# --- the pair -----------------------------------------------------------------------------------
def test_a_slave_is_locked_until_it_is_not(guest: Guest) -> None:
    fd = guest.open("/dev/ptmx", NOCTTY)
    assert guest.names("/dev/pts") == ["0", "ptmx"]
    with pytest.raises(EIO):
        guest.open("/dev/pts/0", NOCTTY)
    at = guest.k.memory.room(4)
    call(guest.t, "ioctl", fd, io.TIOCSPTLCK, at)
    call(guest.t, "ioctl", fd, io.TIOCGPTN, at)
    assert guest.k.memory.ints(at, "i") == (0,)
    guest.open("/dev/pts/0", NOCTTY)
    guest.t.fds.close(fd)
    with pytest.raises(ENOENT):
        guest.open("/dev/pts/0", NOCTTY)
    assert guest.names("/dev/pts") == ["ptmx"]


def test_numbers_are_used_again(guest: Guest) -> None:
    first, second = guest.open("/dev/ptmx", NOCTTY), guest.open("/dev/ptmx", NOCTTY)
    guest.t.fds.close(first)
    guest.open("/dev/ptmx", NOCTTY)
    assert guest.names("/dev/pts") == ["0", "1", "ptmx"]
    assert guest.t.fds.get(second, PtyMaster).pair.index == 1


def test_a_peer_by_request(guest: Guest) -> None:
    fd = guest.open("/dev/ptmx", NOCTTY)
    call(guest.t, "ioctl", fd, io.TIOCSPTLCK, guest.k.memory.room(4))
    peer = call(guest.t, "ioctl", fd, io.TIOCGPTPEER, NOCTTY | os.O_CLOEXEC)
    assert peer in guest.t.fds.cloexec
    assert guest.link(f"/proc/self/fd/{peer}") == b"/dev/pts/0"


def test_masters_are_never_bound_and_slaves_while_alone(line: Line) -> None:
    assert line.master.bind_fd is None
    assert line.slave.bind_fd == line.slave.fd
    line.background()
    assert line.slave.bind_fd is None  # reads have to pass the check for background jobs


# --- keys ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "signo"), [(b"\x03", SIGINT), (b"\x1c", SIGQUIT), (b"\x1a", SIGTSTP)]
)
def test_keys_signal_the_foreground_only(line: Line, key: bytes, signo: int) -> None:
    job = line.background()
    line.type(b"a" + key)
    assert pending(line.leader) == {signo}
    assert pending(job) == set()


def test_a_quoted_key_is_a_character(line: Line) -> None:
    line.type(b"\x16\x03")
    assert pending(line.leader) == set()
    line.type(b"\x16")
    line.type(b"\x03")  # across two writes
    assert pending(line.leader) == set()
    line.type(b"\x03")
    assert pending(line.leader) == {SIGINT}


def test_keys_follow_the_settings(line: Line) -> None:
    line.set(off=io.ISIG)
    line.type(b"\x03")
    assert pending(line.leader) == set()
    line.set(on=io.ISIG)
    mode = termios.tcgetattr(line.slave.fd)
    mode[6][termios.VINTR] = b"\x07"
    mode[6][termios.VQUIT] = b"\x00"  # switched off
    termios.tcsetattr(line.slave.fd, termios.TCSANOW, mode)
    line.type(b"\x03\x00")
    assert pending(line.leader) == set()
    line.type(b"\x07")
    assert pending(line.leader) == {SIGINT}


def test_a_new_size_is_told_once(line: Line) -> None:
    size = b"\x18\0\x50\0\0\0\0\0"
    line.request(line.guest.t, line.master_fd, io.TIOCSWINSZ, size)
    assert pending(line.leader) == {SIGWINCH}
    line.request(line.guest.t, line.master_fd, io.TIOCSWINSZ, size)
    assert pending(line.leader) == set()
    assert line.request(line.leader, line.fd, io.TIOCGWINSZ, size=8) == size


# --- background ---------------------------------------------------------------------------------
def test_a_background_read_stops_the_job(line: Line) -> None:
    job = line.background()
    with pytest.raises(Park):
        line.slave.called_by(job)
        line.slave.read(1)
    assert pending(job) == {SIGTTIN}
    job.process.handlers[SIGTTIN] = Action(SIG_IGN)
    with pytest.raises(EIO):
        line.read(job)


def test_background_output_and_tostop(line: Line) -> None:
    job = line.background()
    at = line.k.memory.room(1, b"x")
    assert call(job, "write", line.fd, at, 1) == 1
    line.set(on=io.TOSTOP)
    line.slave.called_by(job)
    with pytest.raises(Park):
        line.slave.write(b"x")
    assert pending(job) == {SIGTTOU}
    job.process.handlers[SIGTTOU] = Action(SIG_IGN)
    assert call(job, "write", line.fd, at, 1) == 1


def test_an_orphaned_job_gets_an_error_instead(line: Line) -> None:
    job = line.background()
    job.process.parent = line.k.init
    with pytest.raises(EIO):
        line.read(job)
    assert pending(job) == set()


def test_settings_from_the_background(line: Line) -> None:
    job = line.background()
    settings = line.request(line.leader, line.fd, io.TCGETS, size=36)
    memory = line.k.memory
    line.slave.called_by(job)
    with pytest.raises(Park):
        line.slave.ioctl(memory, io.TCSETS, memory.room(36, settings))
    assert pending(job) == {SIGTTOU}


# --- sessions -----------------------------------------------------------------------------------
def test_the_foreground_can_be_moved(line: Line) -> None:
    job = line.background()
    pgid = job.process.group.pgid.to_bytes(4, "little")
    line.request(line.leader, line.fd, io.TIOCSPGRP, pgid)
    assert line.request(line.leader, line.fd, io.TIOCGPGRP, size=4) == pgid
    line.type(b"\x03")
    assert pending(job) == {SIGINT} and pending(line.leader) == set()
    assert line.read(job, 0) == b""


@pytest.mark.parametrize(("pgid", "wrong"), [(-1, EINVAL), (999_999, ESRCH), (1, EPERM)])
def test_what_cannot_be_in_front(line: Line, pgid: int, wrong: type[Errno]) -> None:
    with pytest.raises(wrong):
        line.request(line.leader, line.fd, io.TIOCSPGRP, pgid.to_bytes(4, "little", signed=True))


def test_outsiders_have_no_say(line: Line) -> None:
    stranger = line.member(None)
    fd = line.open_slave(stranger, NOCTTY)
    for request in (io.TIOCGPGRP, io.TIOCGSID, io.TIOCSPGRP, io.TIOCNOTTY):
        with pytest.raises(ENOTTY):
            line.request(stranger, fd, request, bytes(4))
    with pytest.raises(EPERM):
        line.request(stranger, fd, io.TIOCSCTTY)
    sid = line.request(line.guest.t, line.master_fd, io.TIOCGSID, size=4)
    assert int.from_bytes(sid, "little") == line.leader.process.session.sid


def test_dev_tty_is_the_callers_terminal(line: Line) -> None:
    fd = line.guest.open("/dev/tty", os.O_RDWR, line.leader)
    assert line.leader.fds.get(fd, PtySlave).pair is line.master.pair
    with pytest.raises(ENXIO):
        line.guest.open("/dev/tty", os.O_RDWR)
    line.request(line.leader, line.fd, io.TIOCNOTTY)
    assert terminal_of(line.leader.process) is None
    assert pending(line.leader) == {SIGHUP, SIGCONT}
    with pytest.raises(ENXIO):
        line.guest.open("/dev/tty", os.O_RDWR, line.leader)


def test_the_end_of_the_master_hangs_up(line: Line) -> None:
    line.guest.t.fds.close(line.master_fd)
    assert pending(line.leader) == {SIGHUP, SIGCONT}
    assert line.leader.process.session.terminal is None
    assert line.read(line.leader) == b""
    with pytest.raises(EIO):
        call(line.leader, "write", line.fd, line.k.memory.room(1), 1)


def test_the_end_of_the_leader_hangs_up_the_foreground(line: Line) -> None:
    job = line.background()
    front = line.member(line.leader)
    front.process.join(line.group)
    leader_gone(line.leader.process)
    assert pending(front) == {SIGHUP}
    assert pending(job) == set()
    assert line.slave.control.session is None


# --- data ---------------------------------------------------------------------------------------
def test_waiting_is_parking(line: Line) -> None:
    with pytest.raises(Park):
        line.slave.called_by(line.leader)
        line.slave.read(1)
    with pytest.raises(EAGAIN):
        line.master.read(1)
    line.type(b"line\n")
    line.k.turn(0.2)
    assert line.read(line.leader) == b"line\n"
    assert line.master.read(64) == b"line\r\n"  # the echo


def raw(line: Line, least: int, tenths: int) -> None:
    mode = termios.tcgetattr(line.slave.fd)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = least, tenths
    termios.tcsetattr(line.slave.fd, termios.TCSANOW, mode)


def test_a_read_without_minimum_ends_at_once(line: Line) -> None:
    raw(line, 0, 0)
    assert line.read(line.leader) == b""


def test_a_read_with_a_time_limit_ends_then(line: Line) -> None:
    raw(line, 0, 1)
    line.slave.called_by(line.leader)
    with pytest.raises(Park) as park:
        line.slave.read(8)
    wait = (park.value.deadline_ns or 0) - line.k.world.clock.monotonic_ns()
    assert 0 < wait <= 100_000_000
    line.slave.partial[line.leader] = (0, 0)  # time is up
    assert line.slave.read(8) == b""


def test_a_minimum_of_bytes(line: Line) -> None:
    raw(line, 3, 0)
    line.type(b"ab")
    line.slave.called_by(line.leader)
    with pytest.raises(Park):
        line.slave.read(8)
    line.type(b"c")
    line.k.turn(0.2)
    assert line.read(line.leader) == b"abc"


# --- refusals -----------------------------------------------------------------------------------
def test_input_is_never_injected(line: Line) -> None:
    for t, fd in ((line.leader, line.fd), (line.guest.t, line.master_fd)):
        with pytest.raises((EIO, ENOTTY)):
            line.request(t, fd, io.TIOCSTI, b"x")
    assert not line.slave.poll() & 1


@pytest.mark.parametrize("request_", [io.TIOCCONS, io.TIOCLINUX, io.TIOCVHANGUP, 0x54FF])
def test_odd_requests_are_refused(line: Line, request_: int) -> None:
    with pytest.raises((EPERM, ENOTTY)):
        line.request(line.leader, line.fd, request_, bytes(8))
