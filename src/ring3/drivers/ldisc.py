"""The line discipline of a terminal of our own: editing, echo, signals, output processing.

What a master writes goes in by ``receive``; a slave reads it by ``take``; what a slave writes, and
echoes, come out by ``emit``. Source: drivers/tty/n_tty.c, whose order of decisions this follows.
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.signal import SIGINT, SIGQUIT, SIGTSTP
from ring3.drivers.lineinput import EOF_MARK, LineInput
from ring3.drivers.lineoutput import BUFFER, CR, LF, MARK

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS: Final = ((io.VINTR, SIGINT), (io.VQUIT, SIGQUIT), (io.VSUSP, SIGTSTP))


class Discipline(LineInput):
    """*emit* takes what is to come out at the master; *signal* sends one to the foreground;
    *flush_output* drops what the master has not read; *flow* is told of a stop (True) or start."""

    def __init__(
        self,
        emit: Callable[[bytes], None],
        signal: Callable[[int], None],
        flush_output: Callable[[], None],
        flow: Callable[[bool], None],
    ) -> None:
        super().__init__(emit, flow)
        self.signal = signal
        self.flush_output = flush_output

    def configure(self, data: bytes) -> None:
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
        self.flush_echoes()

    def reduced(self, c: int) -> int:
        iflag, lflag = self.termios.iflag, self.termios.lflag
        if iflag & io.ISTRIP:
            c &= 0x7F
        if (
            iflag & io.IUCLC
            and lflag & io.IEXTEN
            and (65 <= c <= 90 or (0xC0 <= c <= 0xDE and c != 0xD7))
        ):
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
                self.flush_echoes()
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
            self.echoes.clear()
            self.flush_output()
            self.flush_input()
        if self.termios.iflag & io.IXON:
            self.start()
        if lflag & io.ECHO:
            self.echo(c)
        else:
            self.flush_echoes()

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

    def mark_column(self) -> None:
        if self.canon_head == self.head:
            self.later(MARK, 0)
