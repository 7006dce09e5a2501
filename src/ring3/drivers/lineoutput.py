"""What comes out of a terminal of our own: output processing and echo.

Source: drivers/tty/n_tty.c (do_output_char, __process_echoes).
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.drivers.termios import Termios

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER: Final = 4096
"""N_TTY_BUF_SIZE, and the size of the buffer of echoes."""
CR, LF, TAB, BS = 13, 10, 9, 8
PROCESSED, PLAIN, CARET, MARK, AFTER_TAB, AFTER_START = range(6)
"""Kinds of echo (ECHO_OP_*): a character, processed or plain; ^X; the line begins at this column;
back to where a tab began, *operand* columns after the tab before or after the line's start."""


def is_control(c: int) -> bool:
    return c < 32 or c == 127


class LineOutput:
    """*emit* takes what is to come out at the master; *flow* is told of a stop (True) or start."""

    def __init__(self, emit: Callable[[bytes], None], flow: Callable[[bool], None]) -> None:
        self.termios = Termios()
        self.emit = emit
        self.flow = flow
        self.stopped = False
        self.echoes: list[tuple[int, int]] = []
        """Echo of the block under way, and what waits while output is stopped: (what, operand).
        It is processed when it goes out, by the settings of that moment."""
        self.column = 0
        self.canon_column = 0

    # --- output ----------------------------------------------------------------------------------
    def echo(self, c: int) -> None:
        """A typed character, control characters as ^X."""
        if self.termios.lflag & io.ECHOCTL and is_control(c) and c != TAB:
            self.later(CARET, c)
        else:
            self.out(c)

    def emit_all(self, data: bytes) -> None:
        for c in data:
            self.out(c)

    def out(self, c: int) -> None:
        """One character of echo. 255 is never processed (it is n_tty's own escape)."""
        self.later(PLAIN if c == 0xFF else PROCESSED, c)

    def later(self, what: int, operand: int) -> None:
        if len(self.echoes) < BUFFER:
            self.echoes.append((what, operand))

    def flush_echoes(self) -> None:
        """Let the echo out, unless output is stopped."""
        if not self.echoes or self.stopped:
            return
        todo, self.echoes = self.echoes, []
        data = bytearray()
        for what, operand in todo:
            if what == PROCESSED:
                data += self.processed(bytes((operand,)))
            elif what == PLAIN:
                data.append(operand)
                self.column += 1
            elif what == CARET:
                data += bytes((94, operand ^ 64))
                self.column += 2
            elif what == MARK:
                self.canon_column = self.column
            else:
                columns = operand + (self.canon_column if what == AFTER_START else 0)
                back = 8 - (columns & 7)
                data += b"\b" * back
                self.column = max(0, self.column - back)
        if data:
            self.emit(bytes(data))

    def processed(self, data: bytes) -> bytes:
        """*data* as it comes out (do_output_char())."""
        oflag = self.termios.oflag
        if not oflag & io.OPOST:
            return data
        if oflag & ~(io.OPOST | io.ONLCR) == 0:
            last = data.rfind(b"\n")
            if last < 0 and not any(c < 32 or c >= 127 for c in data):
                self.column += len(data)
                return data
        made = bytearray()
        for c in data:
            made += self.output_char(c, oflag)
        return bytes(made)

    def output_char(self, c: int, oflag: int) -> bytes:
        if c == LF:
            if oflag & io.ONLRET:
                self.column = 0
            if oflag & io.ONLCR:
                self.column = self.canon_column = 0
                return b"\r\n"
            self.canon_column = self.column
        elif c == CR:
            if oflag & io.ONOCR and self.column == 0:
                return b""
            if oflag & io.OCRNL:
                if oflag & io.ONLRET:
                    self.column = self.canon_column = 0
                return b"\n"
            self.column = self.canon_column = 0
        elif c == TAB:
            spaces = 8 - (self.column & 7)
            self.column += spaces
            if oflag & io.TABDLY == io.XTABS:
                return b" " * spaces
        elif c == BS:
            self.column = max(0, self.column - 1)
        elif not is_control(c):
            if oflag & io.OLCUC and (97 <= c <= 122 or (c >= 0xDF and c != 0xF7)):
                c -= 32
            if not self.continues(c):
                self.column += 1
        return bytes((c,))

    def continues(self, c: int) -> bool:
        """A further byte of a UTF-8 character."""
        return bool(self.termios.iflag & io.IUTF8) and c & 0xC0 == 0x80

    # --- flow ------------------------------------------------------------------------------------
    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.flow(True)

    def start(self) -> None:
        if self.stopped:
            self.stopped = False
            self.flow(False)
            self.flush_echoes()
