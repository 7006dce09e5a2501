"""The caller's terminal: the same keys to the same program, on the host and on ring3.

A shell with job control runs under a host pty, as a terminal emulator would run it. What is
compared are the lines a person sees, without prompts and escape sequences.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RING3 = [sys.executable, "-m", "ring3", "run", "--no-denials", "--"]
PATIENCE = 15.0
"""Seconds until something that was waited for counts as missing."""


class Terminal:
    """A program at the other end of a pty. ``expect`` waits, ``type`` sends keys."""

    def __init__(self, argv: list[str], cwd: Path) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(cwd)
            os.environ.update(PS1="% ", TERM="dumb", LC_ALL="C", HISTFILE="")
            os.execvp(argv[0], argv)
        self.seen = b""
        self.at = 0
        """Up to where ``expect`` has looked."""
        self.status: int | None = None

    def pull(self, seconds: float) -> bool:
        """Take in what comes within *seconds*; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False  # EIO: the last process let go of the terminal
        self.seen += data
        return bool(data)

    def expect(self, text: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while (found := self.seen.find(text, self.at)) < 0:
            assert time.monotonic() < end, f"no {text!r} in {self.seen[self.at :]!r}"
            assert self.pull(0.1), f"no {text!r} at the end: {self.seen!r}"
        self.at = found + len(text)

    def press_until(self, text: bytes) -> None:
        """Press return again and again: a shell tells of its jobs at each prompt."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen[self.at :]:
            assert time.monotonic() < end, f"no {text!r} in {self.seen[self.at :]!r}"
            self.type(b"\n")
            time.sleep(0.2)
            self.pull(0.1)
        self.expect(text)

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def wait(self) -> int:
        """The exit status, once everything was read."""
        end = time.monotonic() + PATIENCE
        while self.pull(0.1):
            assert time.monotonic() < end, f"still runs: {self.seen!r}"
        status = os.waitpid(self.pid, 0)[1]
        self.status = status
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def lines(self) -> list[str]:
        text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", self.seen).decode()
        lines = [line.rstrip() for line in text.replace("\r", "\n").split("\n")]
        return [line for line in lines if line not in ("", "%")]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Callable[[list[str], Callable[[Terminal], None]], None]]:
    """Runs a script of keys on the host and on ring3; the lines shown must be the same."""
    opened: list[Terminal] = []

    def run(argv: list[str], script: Callable[[Terminal], None]) -> None:
        shown = []
        for prefix in ([], RING3):
            terminal = Terminal([*prefix, *argv], tmp_path)
            opened.append(terminal)
            script(terminal)
            status = terminal.wait()
            shown.append((terminal.lines(), status))
        assert shown[0] == shown[1]

    yield run
    for terminal in opened:
        terminal.close()


SHELL = ["bash", "--norc", "--noediting", "-i"]


def test_a_line_and_the_end_of_input(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.type(b"hello\n")
        t.expect(b"hello\r\nhello\r\n")
        t.type(b"\x04")

    both(["cat"], script)


def test_what_kind_of_terminal(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.expect(b"38400")

    program = "import os; print([os.isatty(n) for n in (0, 1, 2)], os.tcgetpgrp(0) == os.getpgrp()"
    program += ", os.getsid(0) == os.getpid(), os.open('/dev/tty', 2), flush=True)"
    program += "; os.system('stty -a | head -1')"
    both(["/usr/bin/python3", "-c", program], script)


def test_interrupt_kills_the_program(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.type(b"x\n")
        t.expect(b"x\r\nx\r\n")
        t.type(b"\x03")
        t.expect(b"^C")

    both(["cat"], script)


@pytest.mark.slow
def test_jobs_of_a_shell(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.expect(b"% ")
        t.type(b"sleep 100\n")
        t.expect(b"sleep 100")
        time.sleep(0.3)
        t.type(b"\x1a")
        t.expect(b"Stopped")
        t.expect(b"% ")
        t.type(b"fg\n")
        t.expect(b"sleep 100")
        time.sleep(0.3)
        t.type(b"\x03")
        t.expect(b"% ")
        t.type(b"echo status $?\n")
        t.expect(b"status 130")
        t.expect(b"% ")
        t.type(b"exit 4\n")
        t.expect(b"exit")

    both(SHELL, script)


@pytest.mark.slow
def test_a_background_job_that_reads_stops(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.expect(b"% ")
        t.type(b"(read x; echo got $x) &\n")
        t.expect(b"% ")
        t.press_until(b"Stopped")
        t.expect(b"% ")
        t.type(b"fg > /dev/null\n")
        time.sleep(0.3)
        t.type(b"line\n")
        t.expect(b"got line")
        t.expect(b"% ")
        t.type(b"exit\n")
        t.expect(b"exit")

    def without_numbers(t: Terminal) -> None:
        script(t)
        t.seen = re.sub(rb"\[1\] \d+", b"[1] PID", t.seen)

    both(SHELL, without_numbers)


def test_a_new_size_is_told(both: Callable[..., None]) -> None:
    def script(t: Terminal) -> None:
        t.expect(b"ready")
        t.resize(33, 99)
        t.expect(b"33 99")

    both(["bash", "-c", "trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep .1; done"],
         script)  # fmt: skip


def test_hangup(both: Callable[..., None], tmp_path: Path) -> None:
    """The terminal goes away: the program hears SIGHUP, and ring3 ends."""
    out = tmp_path / "out"
    for prefix in ([], [*RING3[:-1], "--rw", str(out), "--"]):
        out.write_text("")
        program = f"trap 'echo hup > {out}; exit' HUP; echo ready; while :; do sleep .1; done"
        t = Terminal([*prefix, "bash", "-c", program], tmp_path)
        t.expect(b"ready")
        os.close(t.fd)
        end = time.monotonic() + PATIENCE
        while os.waitpid(t.pid, os.WNOHANG)[0] == 0:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert out.read_text() == "hup\n", prefix


@pytest.mark.slow
def test_ring3_stops_and_continues_with_its_program(tmp_path: Path) -> None:
    """Seen from the caller's shell: ctrl-Z, fg, and a start in the background."""
    command = " ".join([*RING3, "cat"]).encode()
    t = Terminal(SHELL, tmp_path)
    try:
        t.expect(b"% ")
        t.type(command + b"\n")
        t.expect(b"cat")
        t.type(b"one\n")
        t.expect(b"one\r\none\r\n")
        t.type(b"\x1a")
        t.expect(b"Stopped")
        t.expect(b"% ")
        t.type(b"fg\n")
        t.expect(b"cat")
        t.type(b"two\n")
        t.expect(b"two\r\ntwo\r\n")
        t.type(b"\x04")
        t.expect(b"% ")
        t.type(command + b" &\n")
        t.expect(b"% ")
        t.press_until(b"Stopped")
        time.sleep(0.3)
        t.pull(0.1)
        t.at = len(t.seen)
        t.type(b"fg\n")
        t.expect(b"cat\r\n")
        t.type(b"three\n")
        t.expect(b"three\r\nthree\r\n")
        t.type(b"\x03")
        t.expect(b"% ")
        t.type(b"echo status $?; exit\n")
        t.expect(b"status 130")
        t.wait()
    finally:
        t.close()
