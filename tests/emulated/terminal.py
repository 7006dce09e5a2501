"""A program under a terminal: the test is its user."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

SRC = str(Path(__file__).resolve().parents[2] / "src")


class Session:
    """*command* as leader of a session on a pty of its own."""

    def __init__(self, *command: str, rows: int = 24, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("<4H", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd="/usr",
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509  (no threads here)
            env={**os.environ, "PYTHONPATH": SRC, "PS1": "$ ", "TERM": "dumb"},
        )

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, timeout_s: float = 40) -> str:
        """Wait for *text*; what came up to its end, which is then forgotten."""
        until = time.monotonic() + timeout_s
        wanted = text.encode()
        while wanted not in self.seen:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"{text!r} did not come; there is {self.seen!r}")
            try:
                data = os.read(self.master, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"{text!r} did not come before the end: {self.seen!r}")
            self.seen += data
        end = self.seen.index(wanted) + len(wanted)
        found, self.seen = self.seen[:end], self.seen[end:]
        return found.decode()

    def wait(self, timeout_s: float = 40) -> int:
        return self.process.wait(timeout_s)

    @property
    def settings_are_back(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)


def take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ring3(*command: str) -> Session:
    return Session(sys.executable, "-m", "ring3", "run", "--machine", "emulated", *command)
