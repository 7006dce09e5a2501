"""The settings of a terminal as the kernel keeps them: struct termios2, and its older forms.

Source: include/uapi/asm-generic/termbits.h; drivers/tty/tty_ioctl.c.
"""

from __future__ import annotations

import struct

from ring3.abi import ioctl as io

TERMIOS, TERMIOS2, TERMIO = 36, 44, 18
"""Sizes of struct termios, termios2 and termio."""
WHOLE = struct.Struct("<4IB19s2I")
OLD = struct.Struct("<4HB8sx")
CONTROL = bytes((3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0))
"""INIT_C_CC: ^C ^\\ DEL ^U ^D, VTIME 0, VMIN 1, -, ^Q ^S ^Z - ^R ^O ^W ^V -."""
SPEEDS = (0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400)
FAST = (
    57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
    2500000, 3000000, 3500000, 4000000,
)  # fmt: skip
"""From CBAUDEX | 1 on."""
ODD_FLAGS = io.CSIZE | io.PARENB


class Termios:
    """tty_std_termios to begin with."""

    __slots__ = ("cc", "cflag", "iflag", "ispeed", "lflag", "line", "oflag", "ospeed")

    def __init__(self) -> None:
        self.iflag = io.ICRNL | io.IXON
        self.oflag = io.OPOST | io.ONLCR
        self.cflag = io.B38400 | io.CS8 | io.CREAD
        self.lflag = (
            io.ISIG | io.ICANON | io.ECHO | io.ECHOE | io.ECHOK | io.ECHOCTL | io.ECHOKE
            | io.IEXTEN
        )  # fmt: skip
        self.line = 0
        self.cc = CONTROL
        self.ispeed = self.ospeed = 38400

    @property
    def canonical(self) -> bool:
        return bool(self.lflag & io.ICANON)

    def pack(self, size: int) -> bytes:
        """As the struct of *size* bytes."""
        if size == TERMIO:
            words = (self.iflag, self.oflag, self.cflag, self.lflag)
            return OLD.pack(*(word & 0xFFFF for word in words), self.line, self.cc[:8])
        return WHOLE.pack(
            self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc,
            self.ispeed, self.ospeed,
        )[:size]  # fmt: skip

    def load(self, data: bytes) -> None:
        """Take the settings from a struct; its size says which. A pty has eight bits and no
        parity whatever is asked (pty_set_termios)."""
        if len(data) == TERMIO:
            *words, self.line, cc = OLD.unpack(data)
            old = (self.iflag, self.oflag, self.cflag, self.lflag)
            new = [a & ~0xFFFF | b for a, b in zip(old, words, strict=True)]
            self.iflag, self.oflag, self.cflag, self.lflag = new
            self.cc = cc + self.cc[8:]
        else:
            data = data.ljust(TERMIOS2, b"\0")
            fields = WHOLE.unpack(data)
            self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc = fields[:6]
            if data[TERMIOS:] != bytes(8):
                self.ispeed, self.ospeed = fields[6:]
        self.cflag = self.cflag & ~ODD_FLAGS | io.CS8 | io.CREAD
        self.settle_speed()

    def settle_speed(self) -> None:
        """Speeds follow the flags, unless those say BOTHER."""
        coded = self.cflag & io.CBAUD
        if coded == io.BOTHER:
            return
        table = FAST if coded & io.CBAUDEX else SPEEDS
        at = (coded & 15) - (1 if coded & io.CBAUDEX else 0)
        self.ospeed = table[at] if at < len(table) else 38400
        above = self.cflag >> io.IBSHIFT & io.CBAUD
        if above == 0 or above != io.BOTHER:
            self.ispeed = self.ospeed
