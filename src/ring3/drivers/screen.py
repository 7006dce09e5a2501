"""The caller's terminal on a machine with a keyboard of its own: the host's tty as a bare line.

The guest's terminal is one of the kernel's own (``ownpty``), whose master is nobody's file but this
driver. What is typed reaches it as interrupts: the host's bytes go to the keyboard device, and its
bottom half hands them to the line discipline. What comes out is written to the host's tty, which is
in raw mode meanwhile, but for one thing: while the guest wants LF turned into CR LF, the host does
it, so that what ring3 itself says on the same terminal looks right as well.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import select

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.core.reactor import HostQueue
from ring3.drivers.ownmaster import INPUT_MOST
from ring3.drivers.ownpty import OwnPair, OwnSlave
from ring3.drivers.ptytable import in_foreground, ptys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.vfs.inode import Walker

TERMIOS: Final = 36
IFLAG, OFLAG, LFLAG, CC = 0, 4, 12, 17
"""Offsets in struct termios."""
AHEAD: Final = 4096
"""Bytes typed ahead of the keyboard; more stays with the host."""
LAST_WORDS_MS: Final = 2000


class Screen(OwnPair):
    """The terminal over host tty *fd*, which is copied."""

    def __init__(self, table: Any, fd: int, keyboard: Any) -> None:
        super().__init__(table, table.number(), os.getuid())
        self.locked = False
        self.keyboard = keyboard
        how = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        self.fd = os.open(f"/proc/self/fd/{fd}", how)  # does not block; the caller's own goes on to
        self.writable = HostQueue(table.world.reactor, self.fd)
        self.saved = fcntl.ioctl(self.fd, io.TCGETS, bytes(TERMIOS))
        self.is_raw = self.watching = False
        self.unsent = b""
        self.line.configure(self.saved)
        self.size = fcntl.ioctl(self.fd, io.TIOCGWINSZ, bytes(8))
        self.at_master.add(self)
        keyboard.sink, keyboard.ended = self.typed, self.host_gone
        self.stop: Callable[[], None] | None = table.world.on_stop
        if self.stop is not None:
            table.world.on_stop = self.stop_too
        atexit.register(self.restore)
        self.changed()

    def open(self, who: Walker, flags: int) -> OwnSlave:
        slave = super().open(who, flags)
        if not self.is_raw:
            self.changed()
        return slave

    def stream(self, flags: int) -> OwnSlave:
        """One of a program's standard streams."""
        slave = OwnSlave(self, flags)
        self.slaves.append(slave)
        self.opened_once = True
        place = self.table.place(self.index)
        if place is not None:
            slave.attach(place)
        if not self.is_raw:
            self.changed()
        return slave

    # --- input -----------------------------------------------------------------------------------
    def watch(self, on: bool) -> None:
        """Whether the host's tty is read at all."""
        reactor = self.table.world.reactor
        if on and not self.watching:
            self.fd_in = os.dup(self.fd)  # epoll knows one interest for each descriptor
            os.set_inheritable(self.fd_in, False)
            reactor.on_readable(self.fd_in, self.host_typed)
        elif self.watching and not on:
            reactor.forget(self.fd_in)
            os.close(self.fd_in)
        self.watching = on

    def host_typed(self) -> None:
        if not self.in_front:
            self.watch(False)  # reading would stop ring3
            return
        try:
            data = os.read(self.fd, AHEAD)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.keyboard.feed(data)
            if len(self.keyboard.wire) >= AHEAD:
                self.watch(False)
        else:
            self.watch(False)
            self.keyboard.hang_up()

    def typed(self, data: bytes) -> int:
        """The keyboard's bottom half: as much as there is room for."""
        part = data[: max(0, INPUT_MOST - len(self.waiting))]
        self.waiting += part
        self.pump()
        if not self.keyboard.wire and not self.keyboard.finished and self.is_raw:
            self.watch(True)
        return len(part)

    def host_gone(self) -> None:
        """The host's terminal was hung up."""
        self.hung_up = True
        self.at_slave.wake()
        self.control.hang_up()

    # --- output: this driver stands in both queues -----------------------------------------------
    def woken(self, queue: Any) -> None:
        if queue is self.writable:
            queue.remove(self)
        self.drain()
        if self.slave_closed:
            self.restore()
        elif self.keyboard.buffer and len(self.waiting) < INPUT_MOST:
            self.keyboard.resume()

    finished: Any = None

    def drain(self) -> None:
        """Write to the host what it takes now."""
        while self.output or self.unsent:
            if not self.unsent:
                self.unsent = bytes(self.output)
                self.output.clear()
                if self.host_adds_cr:
                    self.unsent = self.unsent.replace(b"\r\n", b"\n")
                self.at_slave.wake()
            try:
                self.unsent = self.unsent[os.write(self.fd, self.unsent) :]
            except BlockingIOError:
                self.writable.add(self)
                return
            except OSError as failed:
                self.unsent = b""
                if failed.errno != errno.EIO:
                    raise

    def flush_output(self) -> None:
        super().flush_output()
        self.unsent = b""

    # --- the host's settings ---------------------------------------------------------------------
    @property
    def host_adds_cr(self) -> bool:
        wanted = io.OPOST | io.ONLCR
        return self.line.termios.oflag & wanted == wanted

    @property
    def in_front(self) -> bool:
        """Whether ring3 may read this terminal: it is in its foreground, or it is not ring3's."""
        return in_foreground(self.fd)

    def changed(self) -> None:
        """ring3 may have come to the foreground, or gone from it."""
        if self.in_front and self.slaves:
            self.make_raw()
            self.watch(True)
        else:
            self.watch(False)

    def make_raw(self) -> None:
        raw = bytearray(self.saved)
        raw[IFLAG : IFLAG + 4] = raw[LFLAG : LFLAG + 4] = bytes(4)
        oflag = io.OPOST | io.ONLCR if self.host_adds_cr else 0
        raw[OFLAG : OFLAG + 4] = oflag.to_bytes(4, "little")
        raw[CC + io.VMIN], raw[CC + io.VTIME] = 1, 0
        self.set_host(bytes(raw))
        self.is_raw = True

    def set_host(self, settings: bytes) -> None:
        try:
            fcntl.ioctl(self.fd, io.TCSETS, settings)
        except OSError:
            pass  # hung up

    def configure(self, data: bytes) -> None:
        super().configure(data)
        if self.is_raw:
            self.make_raw()

    def restore(self) -> None:
        """Give the host its settings back; what was typed ahead stays unread there."""
        self.watch(False)
        if self.is_raw:
            self.is_raw = False
            self.set_host(self.saved)

    def stop_too(self) -> None:
        """ring3 stops with its guest; the shell that has the terminal then finds it as it was."""
        self.restore()
        if self.stop is not None:
            self.stop()
        self.changed()

    def host_resized(self) -> None:
        """The host's window has another size (SIGWINCH)."""
        self.resize(fcntl.ioctl(self.fd, io.TIOCGWINSZ, bytes(8)))

    def close(self) -> None:
        """The world ends."""
        self.drain()
        if self.unsent:
            waiting = select.poll()
            waiting.register(self.fd, select.POLLOUT)
            while self.unsent and waiting.poll(LAST_WORDS_MS):
                before = self.unsent
                self.drain()
                if self.unsent == before:
                    break
        self.restore()
        self.writable.close()
        os.close(self.fd)
        atexit.unregister(self.restore)


def screen_for(world: Any, host_fd: int) -> Screen:
    """The guest's terminal for host tty *host_fd*: always the same one."""
    table = ptys_of(world)
    rdev = os.fstat(host_fd).st_rdev
    screen: Screen | None = table.consoles.get(rdev)
    if screen is None:
        screen = Screen(table, host_fd, world.machine.keyboard)
        table.consoles[rdev] = table.pairs[screen.index] = screen
    return screen
