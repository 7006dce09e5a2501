"""Typing at a guest of the emulated machine: every byte arrives by an interrupt of the keyboard and
passes the kernel's own line discipline."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator

import pytest

from tests.emulated.terminal import Session, ring3

pytest.importorskip("unicorn")


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    made: list[Session] = []
    yield made
    for session in made:
        session.close()


def test_lines_are_edited_echoed_and_read(sessions: list[Session]) -> None:
    s = ring3("cat")
    sessions.append(s)
    s.type("helo\x7flo\n")
    s.expect("helo\b \blo\r\nhello\r\n")
    s.type("no newline\x04")
    s.expect("no newlineno newline")
    s.type("\x04")
    assert s.wait() == 0
    assert s.settings_are_back


def test_each_batch_is_an_interrupt_and_a_tasklet(sessions: list[Session]) -> None:
    s = ring3("sh", "-c", "read line; cat /proc/interrupts /proc/softirqs; read line")
    sessions.append(s)
    s.type("x" * 100 + "\n")
    text = s.expect("RCU:")
    keyboard = re.search(r" 1: +(\d+) +XT-PIC +keyboard", text)
    tasklets = re.search(r"TASKLET: +(\d+)", text)
    assert keyboard is not None
    assert tasklets is not None
    assert 7 <= int(keyboard[1]) <= 101, "101 bytes through a FIFO of 16"
    assert int(tasklets[1]) >= 7
    s.type("\n")
    assert s.wait() == 0


def test_keys_signal_the_foreground(sessions: list[Session]) -> None:
    s = ring3("sh", "-c", "trap 'echo caught' INT; echo ready; read line; echo $?; sleep 100")
    sessions.append(s)
    s.expect("ready\r\n")
    s.type("\x03")
    s.expect("^Ccaught\r\n1\r\n")
    s.type("\x1c")
    assert s.wait() != 0


def test_a_busy_program_is_interrupted(sessions: list[Session]) -> None:
    """^C gets in while the guest computes and never asks for input."""
    s = ring3("sh", "-c", "echo ready; while :; do :; done")
    sessions.append(s)
    s.expect("ready\r\n")
    s.type("\x03")
    assert s.wait() == -2
    assert s.settings_are_back


def test_a_shell_with_job_control(sessions: list[Session]) -> None:
    s = ring3("bash", "--norc", "--noediting", "-i")
    sessions.append(s)
    s.expect("$ ")
    s.type("sleep 1000\n")
    s.expect("sleep 1000\r\n")
    s.type("\x1a")
    s.expect("Stopped")
    s.type("jobs; kill %1; wait; echo over\n")
    s.expect("Stopped")
    s.expect("over\r\n")
    s.type("stty size; exit 7\n")
    s.expect("24 80\r\n")
    assert s.wait() == 7
    assert s.settings_are_back


def test_raw_mode_is_the_guests_own(sessions: list[Session]) -> None:
    s = ring3(
        "sh", "-c",
        "stty -icanon -echo min 1; echo ready; dd bs=1 count=3 2>/dev/null | od -An -c;"
        " stty raw; printf 'a\\nb'; stty -raw; echo; stty sane; echo end",
    )  # fmt: skip
    sessions.append(s)
    s.expect("ready\r\n")
    s.type("q\x7f\x04")
    s.expect("q 177 004\r\n")
    s.expect("a\nb")
    s.expect("end\r\n")
    assert s.wait() == 0
    assert s.settings_are_back


def test_the_window_size_follows_the_hosts(sessions: list[Session]) -> None:
    s = ring3("sh", "-c", "trap 'stty size; exit 0' WINCH; stty size; while :; do read l; done")
    sessions.append(s)
    s.expect("24 80\r\n")
    fcntl.ioctl(s.master, termios.TIOCSWINSZ, struct.pack("<4H", 50, 132, 0, 0))
    s.expect("50 132\r\n")
    assert s.wait() == 0


def test_much_output_arrives_whole(sessions: list[Session]) -> None:
    s = ring3("seq", "20000")
    sessions.append(s)
    text = s.expect("\r\n20000\r\n")
    assert text == "".join(f"{n}\r\n" for n in range(1, 20001))
    assert s.wait() == 0


def test_a_paste_loses_nothing(sessions: list[Session]) -> None:
    s = ring3("sh", "-c", "stty -echo; echo ready; head -n 400 | sha256sum")
    sessions.append(s)
    s.expect("ready\r\n")
    lines = "".join(f"line {n} of a long paste\n" for n in range(400))
    for at in range(0, len(lines), 1000):
        s.type(lines[at : at + 1000])
    import hashlib

    s.expect(hashlib.sha256(lines.encode()).hexdigest())
    assert s.wait() == 0


def test_a_terminal_that_goes_away_hangs_the_guest_up(sessions: list[Session]) -> None:
    s = ring3("sh", "-c", "trap 'exit 3' HUP; echo ready; while :; do sleep 1; done")
    sessions.append(s)
    s.expect("ready\r\n")
    os.close(s.slave)
    os.close(s.master)
    s.master, s.slave = os.pipe()
    assert s.wait() in (3, -1, 129)
