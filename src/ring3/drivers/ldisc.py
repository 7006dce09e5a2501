"""The line discipline of a terminal of our own: editing, echo, signals, output processing.

What a master writes goes in by ``receive``; a slave reads it by ``take``; what a slave writes, and
echoes, come out by ``emit``. Source: drivers/tty/n_tty.c, whose order of decisions this follows.
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import SIGINT, SIGQUIT, SIGTSTP
from ring3.drivers.termios import Termios

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER: Final = 4096
"""N_TTY_BUF_SIZE: one byte of it always stays free."""
EOF_MARK: Final = 0
CR, LF, TAB, BS = 13, 10, 9, 8
KEYS: Final = ((io.VINTR, SIGINT), (io.VQUIT, SIGQUIT), (io.VSUSP, SIGTSTP))


def is_control(c: int) -> bool:
    return c < 32 or c == 127


def is_word(c: int) -> bool:
    """isalnum() of lib/ctype.c (Latin 1), or an underscore."""
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or (
        c >= 192 and c not in (215, 247)
    )  # fmt: skip


class Discipline:
    """*emit* takes what is to come out at the master; *signal* sends one to the foreground;
    *flush_output* drops what the master has not read; *flow* is told of a stop (True) or start."""

    def __init__(
        self,
        emit: Callable[[bytes], None],
        signal: Callable[[int], None],
        flush_output: Callable[[], None],
        flow: Callable[[bool], None],
    ) -> None:
        self.termios = Termios()
        self.emit = emit
        self.signal = signal
        self.flush_output = flush_output
        self.flow = flow
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
        self.stopped = False
        self.column = 0
        self.canon_column = 0

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

    def set(self, data: bytes) -> None:
        """tcsetattr(3) with a struct of one of the three sizes."""
        old = self.termios.lflag
        self.termios.load(data)
        if (old ^ self.termios.lflag) & (io.ICANON | io.EXTPROC):
            self.ends.clear()
            if not self.termios.canonical or not self.buf:
                self.canon_head = self.tail
            else:
                # What was typed before is a line now, whatever ends it.
                self.ends.add(self.head - 1)
                self.canon_head = self.head
            self.erasing = self.lnext = False
        if self.stopped and not self.termios.iflag & io.IXON:
            self.start()

    # --- input -----------------------------------------------------------------------------------
    def receive(self, data: bytes) -> None:
        """Characters from the master; at most ``room`` of them."""
        termios = self.termios
        if termios.lflag & io.EXTPROC:
            self.buf += data
            return
        if not termios.lflag & (io.ICANON | io.ISIG | io.ECHO) and not termios.iflag:
            self.buf += data  # raw: nothing to look at
            self.lnext = False
            return
        special = self.special_set()
        for c in data:
            if self.lnext:
                self.lnext = False
                self.ordinary(self.reduced(c))
                continue
            c = self.reduced(c)
            if c in special:
                self.special(c)
            else:
                self.ordinary(c)

    def reduced(self, c: int) -> int:
        iflag, lflag = self.termios.iflag, self.termios.lflag
        if iflag & io.ISTRIP:
            c &= 0x7F
        if iflag & io.IUCLC and lflag & io.IEXTEN and 65 <= c <= 90:
            c += 32
        return c

    def special_set(self) -> set[int]:
        """Characters that mean something now (n_tty_set_termios)."""
        iflag, lflag, cc = self.termios.iflag, self.termios.lflag, self.termios.cc
        found: set[int] = set()
        if lflag & io.ICANON:
            found |= {cc[io.VERASE], cc[io.VKILL], cc[io.VEOF], LF, cc[io.VEOL]}
            if lflag & io.IEXTEN:
                found |= {cc[io.VWERASE], cc[io.VLNEXT], cc[io.VEOL2]}
                if lflag & io.ECHO:
                    found.add(cc[io.VREPRINT])
        if iflag & io.IXON:
            found |= {cc[io.VSTART], cc[io.VSTOP]}
        if lflag & io.ISIG:
            found |= {cc[io.VINTR], cc[io.VQUIT], cc[io.VSUSP]}
        found.discard(0)
        if iflag & (io.IGNCR | io.ICRNL):
            found.add(CR)
        if iflag & io.INLCR:
            found.add(LF)
        return found

    def ordinary(self, c: int) -> None:
        if self.stopped and self.termios.iflag & io.IXANY and self.termios.iflag & io.IXON:
            self.start()
        if self.termios.lflag & io.ECHO:
            self.finish_erasing()
            if c == LF:
                self.out(LF)
            else:
                self.mark_column()
                self.echo(c)
        self.put(c)

    def put(self, c: int) -> None:
        if c == 0xFF and self.termios.iflag & io.PARMRK:
            self.append(c)
        self.append(c)

    def append(self, c: int) -> None:
        if len(self.buf) < BUFFER - 1:
            self.buf.append(c)
        elif c == LF or self.head - 1 in self.ends:
            self.buf[-1] = c  # the end of an endless line takes the last place

    def special(self, c: int) -> None:
        termios = self.termios
        iflag, lflag, cc = termios.iflag, termios.lflag, termios.cc
        if iflag & io.IXON:
            if c == cc[io.VSTART]:
                self.start()
                return
            if c == cc[io.VSTOP]:
                self.stop()
                return
        if lflag & io.ISIG:
            for which, signo in KEYS:
                if c == cc[which]:
                    self.signal_key(c, signo)
                    return
        if self.stopped and iflag & io.IXON and iflag & io.IXANY:
            self.start()
        if c == CR:
            if iflag & io.IGNCR:
                return
            if iflag & io.ICRNL:
                c = LF
        elif c == LF and iflag & io.INLCR:
            c = CR
        if lflag & io.ICANON and self.edit(c):
            return
        if lflag & io.ECHO:
            self.finish_erasing()
            if c == LF:
                self.out(LF)
            else:
                self.mark_column()
                self.echo(c)
        self.put(c)

    def signal_key(self, c: int, signo: int) -> None:
        lflag = self.termios.lflag
        self.signal(signo)
        if not lflag & io.NOFLSH:
            self.flush_output()
            self.flush_input()
        if self.termios.iflag & io.IXON:
            self.start()
        if lflag & io.ECHO:
            self.echo(c)

    def edit(self, c: int) -> bool:
        """A character in canonical mode. False if it is none that edits or ends a line."""
        lflag, cc = self.termios.lflag, self.termios.cc
        more = lflag & io.IEXTEN
        if c and (c in (cc[io.VERASE], cc[io.VKILL]) or (more and c == cc[io.VWERASE])):
            self.erase(c)
        elif c and more and c == cc[io.VLNEXT]:
            self.lnext = True
            if lflag & io.ECHO:
                self.finish_erasing()
                if lflag & io.ECHOCTL:
                    self.emit_all(b"^\b")
        elif c and more and lflag & io.ECHO and c == cc[io.VREPRINT]:
            self.finish_erasing()
            self.echo(c)
            self.out(LF)
            for old in self.buf[self.canon_head - self.tail :]:
                self.echo(old)
        elif c == LF:
            if lflag & (io.ECHO | io.ECHONL):
                self.out(LF)
            self.end_line(LF)
        elif c and c == cc[io.VEOF]:
            self.end_line(EOF_MARK)
        elif c and (c == cc[io.VEOL] or (more and c == cc[io.VEOL2])):
            if lflag & io.ECHO:
                self.mark_column()
                self.echo(c)
            if c == 0xFF and self.termios.iflag & io.PARMRK:
                self.append(c)
            self.end_line(c)
        else:
            return False
        return True

    def end_line(self, c: int) -> None:
        if len(self.buf) >= BUFFER - 1:
            self.buf[-1] = c
        else:
            self.buf.append(c)
        self.ends.add(self.head - 1)
        self.canon_head = self.head

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
        if not after_tab:
            columns += self.canon_column
        back = 8 - (columns & 7)
        self.emit(b"\b" * back)
        self.column = max(0, self.column - back)

    def continues(self, c: int) -> bool:
        """A further byte of a UTF-8 character."""
        return bool(self.termios.iflag & io.IUTF8) and c & 0xC0 == 0x80

    def finish_erasing(self) -> None:
        if self.erasing:
            self.out(ord("/"))
            self.erasing = False

    # --- output ----------------------------------------------------------------------------------
    def mark_column(self) -> None:
        if self.canon_head == self.head:
            self.canon_column = self.column

    def echo(self, c: int) -> None:
        """A typed character, control characters as ^X."""
        if self.termios.lflag & io.ECHOCTL and is_control(c) and c != TAB:
            self.emit(bytes((94, c ^ 64)))
            self.column += 2
        else:
            self.out(c)

    def emit_all(self, data: bytes) -> None:
        for c in data:
            self.out(c)

    def out(self, c: int) -> None:
        """One character of echo."""
        self.emit(self.processed(bytes((c,))))

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
            if oflag & io.OLCUC and 97 <= c <= 122:
                c -= 32
            if not self.continues(c):
                self.column += 1
        return bytes((c,))

    # --- flow ------------------------------------------------------------------------------------
    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.flow(True)

    def start(self) -> None:
        if self.stopped:
            self.stopped = False
            self.flow(False)
