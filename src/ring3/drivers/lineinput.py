"""Input of a terminal of our own: what was typed, what of it can be read, and how it is erased.

Positions are absolute: they count all bytes that ever came in. Source: drivers/tty/n_tty.c
(canon_copy_from_read_buf, input_available_p, eraser).
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.drivers.lineoutput import (
    AFTER_START,
    AFTER_TAB,
    BUFFER,
    LF,
    TAB,
    LineOutput,
    is_control,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EOF_MARK: Final = 0


def is_word(c: int) -> bool:
    """isalnum() of lib/ctype.c (Latin 1), or an underscore."""
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or (
        c >= 192 and c not in (215, 247)
    )  # fmt: skip


class LineInput(LineOutput):
    """The buffer of one terminal."""

    def __init__(self, emit: Callable[[bytes], None], flow: Callable[[bool], None]) -> None:
        super().__init__(emit, flow)
        self.buf = bytearray()
        """Input that was not read, the unfinished line included."""
        self.tail = 0
        """Bytes read so far: the absolute position of ``buf[0]``."""
        self.ends: set[int] = set()
        """Absolute positions of characters that end a line."""
        self.canon_head = 0
        """Where the unfinished line begins (absolute)."""
        self.lnext = False
        self.erasing = False

    # --- what can be read ------------------------------------------------------------------------
    @property
    def head(self) -> int:
        return self.tail + len(self.buf)

    @property
    def packed(self) -> bool:
        """Lines are read as lines."""
        lflag = self.termios.lflag
        return bool(lflag & io.ICANON) and not lflag & io.EXTPROC

    def readable(self, polled: bool = False) -> bool:
        """Whether a read would give something. *polled*: as poll(2) sees it, which wants VMIN."""
        if self.packed:
            return self.canon_head != self.tail
        cc = self.termios.cc
        least = cc[io.VMIN] if polled and not cc[io.VTIME] and cc[io.VMIN] else 1
        return len(self.buf) >= least

    def count(self) -> int:
        """FIONREAD: bytes that a read could give now (marks of end of file are none)."""
        if not self.packed:
            return len(self.buf)
        ready = self.buf[: self.canon_head - self.tail]
        marks = sum(1 for at in self.ends if at < self.canon_head and self.at(at) == EOF_MARK)
        return len(ready) - marks

    def at(self, position: int) -> int:
        return self.buf[position - self.tail]

    def take(self, size: int) -> bytes:
        """Up to *size* bytes: of one line if lines are edited. b"" for an end of file."""
        if not self.packed:
            data = bytes(self.buf[:size])
            self.drop(len(data))
            return data
        most = min(size, self.canon_head - self.tail)
        stop = min((e for e in self.ends if e < self.tail + most), default=-1)
        if stop < 0:
            data = bytes(self.buf[:most])
            self.drop(most)
            if self.tail in self.ends and self.at(self.tail) == EOF_MARK:
                self.drop(1)  # the line was exactly as long as the buffer (canon_skip_eof)
            return data
        data = bytes(self.buf[: stop - self.tail + 1])
        self.drop(len(data))
        return data[:-1] if data[-1] == EOF_MARK else data

    def drop(self, count: int) -> None:
        del self.buf[:count]
        if self.ends:
            passed = self.tail + count
            self.ends = {e for e in self.ends if e >= passed}
        self.tail += count
        self.canon_head = max(self.canon_head, self.tail)

    def give_back(self, data: bytes) -> None:
        """Undo a ``take`` (its line's end included)."""
        self.buf[:0] = data
        self.tail -= len(data)
        if self.packed and data[-1:] == b"\n":
            self.ends.add(self.tail + len(data) - 1)
        if not self.packed:
            self.canon_head = min(self.canon_head, self.tail)

    def flush_input(self) -> None:
        self.tail = self.head
        self.buf.clear()
        self.ends.clear()
        self.canon_head = self.tail
        self.erasing = self.lnext = False

    def room(self) -> int:
        """How many bytes may come in; at least one in the middle of an endless line."""
        room = BUFFER - len(self.buf)
        if self.termios.iflag & io.PARMRK:
            room = (room + 3) // 3
        room -= 1
        if room <= 0:
            return 1 if self.packed and self.canon_head == self.tail else 0
        return room

    # --- erasing ---------------------------------------------------------------------------------
    def erase(self, key: int) -> None:
        """VERASE, VWERASE or VKILL (eraser())."""
        if self.head == self.canon_head:
            return
        lflag, cc = self.termios.lflag, self.termios.cc
        kind = "erase" if key == cc[io.VERASE] else "kill"
        if kind == "kill" and key != cc[io.VKILL]:
            kind = "word"
        if kind == "kill":
            if not lflag & io.ECHO:
                del self.buf[self.canon_head - self.tail :]
                return
            every = io.ECHOK | io.ECHOKE | io.ECHOE
            if lflag & every != every:
                del self.buf[self.canon_head - self.tail :]
                self.finish_erasing()
                self.echo(cc[io.VKILL])
                if lflag & io.ECHOK:
                    self.out(LF)
                return
        in_word = False
        while self.head != self.canon_head:
            at = self.head
            while True:
                at -= 1
                c = self.at(at)
                if not self.continues(c) or at == self.canon_head:
                    break
            if self.continues(c):
                break  # never half a character
            if kind == "word":
                if is_word(c):
                    in_word = True
                elif in_word:
                    break
            gone = bytes(self.buf[at - self.tail :])
            del self.buf[at - self.tail :]
            if lflag & io.ECHO:
                self.show_erased(kind, c, gone)
            if kind == "erase":
                break
        if self.head == self.canon_head and lflag & io.ECHO:
            self.finish_erasing()

    def show_erased(self, kind: str, c: int, gone: bytes) -> None:
        lflag = self.termios.lflag
        if lflag & io.ECHOPRT:
            if not self.erasing:
                self.out(ord("\\"))
                self.erasing = True
            self.echo(c)
            self.emit_all(gone[1:])
        elif kind == "erase" and not lflag & io.ECHOE:
            self.echo(self.termios.cc[io.VERASE])
        elif c == TAB:
            self.erase_tab()
        else:
            if is_control(c) and lflag & io.ECHOCTL:
                self.emit_all(b"\b \b")
            if not is_control(c) or lflag & io.ECHOCTL:
                self.emit_all(b"\b \b")

    def erase_tab(self) -> None:
        """Back to the column where the tab began."""
        columns, after_tab = 0, False
        for old in reversed(self.buf[self.canon_head - self.tail :]):
            if old == TAB:
                after_tab = True
                break
            if is_control(old):
                columns += 2 if self.termios.lflag & io.ECHOCTL else 0
            elif not self.continues(old):
                columns += 1
        self.later(AFTER_TAB if after_tab else AFTER_START, columns)

    def finish_erasing(self) -> None:
        if self.erasing:
            self.out(ord("/"))
            self.erasing = False
