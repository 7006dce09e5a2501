"""Pseudo-terminals of the kernel's own: no host terminal underneath (``World.own_objects``).

A pair has two buffers: what the master wrote and the discipline has not taken yet, and what comes
out at the master. Source: drivers/tty/pty.c, n_tty.c (n_tty_read, n_tty_write, n_tty_poll).
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.errno import EAGAIN, EIO
from ring3.abi.fcntl import O_ACCMODE, O_NOCTTY, O_NONBLOCK, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
)
from ring3.core.park import WaitQueue
from ring3.drivers.ldisc import Discipline
from ring3.drivers.ownmaster import OwnMaster
from ring3.drivers.owntty import OwnTty
from ring3.drivers.ptytable import PTS_MAJOR
from ring3.drivers.requests import TENTH_NS, check_exclusive
from ring3.vfs.special import makedev

if TYPE_CHECKING:
    from ring3.drivers.ptytable import PtyTable
    from ring3.drivers.requests import Control
    from ring3.vfs.inode import Walker

OUTPUT_MOST: Final = 8192 + 4095
"""What a slave may write ahead of the master's reader: its flip buffer and its read buffer."""
WAKE_ROOM: Final = 256
"""A slave is ready for output only while less than that waits (WAKEUP_CHARS)."""


class OwnPair:
    """A master and its slaves."""

    def __init__(self, table: PtyTable, index: int, uid: int) -> None:
        self.table = table
        self.index = index
        self.uid = uid
        self.locked = True
        self.exclusive = False
        self.hung_up = False
        self.size = bytes(8)
        """struct winsize."""
        self.control: Control = table.world.terminals.make(makedev(PTS_MAJOR, index))
        self.control.open = self.open
        self.slaves: list[OwnSlave] = []
        self.opened_once = False
        self.waiting = bytearray()
        """Written by the master, not yet taken by the discipline."""
        self.output = bytearray()
        """To be read by the master."""
        self.packet = False
        self.status = 0
        """TIOCPKT_* bits that the master was not told yet."""
        self.line = Discipline(self.emit, self.control.signal, self.flush_output, self.flow)
        self.at_slave = WaitQueue()
        self.at_master = WaitQueue()

    # --- opening and closing ---------------------------------------------------------------------
    def open(self, who: Walker, flags: int) -> OwnSlave:
        """Another open description of the slave. EIO if locked or hung up."""
        if self.locked or self.hung_up:
            raise EIO("locked" if not self.hung_up else "the master was closed")
        check_exclusive(who, self.exclusive)
        slave = OwnSlave(self, flags & ~O_NOCTTY)
        self.slaves.append(slave)
        self.opened_once = True
        if not flags & O_NOCTTY:
            self.control.opened(who, flags & O_ACCMODE != O_WRONLY)
        return slave

    @property
    def slave_closed(self) -> bool:
        """There were slaves, and none is left."""
        return self.opened_once and not self.slaves

    def hang_up(self) -> None:
        """The master was closed."""
        self.hung_up = True
        self.line.flush_input()
        self.table.forget(self)
        self.at_slave.wake()
        self.control.hang_up()

    # --- data ------------------------------------------------------------------------------------
    def pump(self) -> None:
        """Let the discipline take what it has room for."""
        while self.waiting and (room := self.line.room()) > 0:
            part = bytes(self.waiting[:room])
            del self.waiting[:room]
            self.line.receive(part)
        self.at_slave.wake()
        self.at_master.wake()

    def emit(self, data: bytes) -> None:
        """Echo. It is lost when the master does not read, as Linux's small echo buffer is."""
        if len(self.output) < OUTPUT_MOST:
            self.output += data
            self.at_master.wake()

    def output_room(self) -> int:
        return 0 if self.line.stopped else max(0, OUTPUT_MOST - len(self.output))

    def flush_output(self) -> None:
        self.output.clear()
        self.tell(io.TIOCPKT_FLUSHWRITE, 0)
        self.at_slave.wake()

    def flush_input(self) -> None:
        self.waiting.clear()
        self.line.flush_input()
        self.tell(io.TIOCPKT_FLUSHREAD, 0)
        self.at_master.wake()

    def flow(self, stopped: bool) -> None:
        if stopped:
            self.tell(io.TIOCPKT_STOP, io.TIOCPKT_START)
            return
        self.tell(io.TIOCPKT_START, io.TIOCPKT_STOP)
        self.at_slave.wake()

    def tell(self, status: int, instead_of: int) -> None:
        """Packet mode: the master will read *status*."""
        if self.packet:
            self.status = self.status & ~instead_of | status
            self.at_master.wake()

    # --- settings --------------------------------------------------------------------------------
    def configure(self, data: bytes) -> None:
        """tcsetattr(3); a master in packet mode learns who handles ^S and ^Q."""
        line = self.line
        old = line.termios.pack(36)
        line.configure(data)
        if self.packet:
            self.tell_flow(old)
        self.pump()

    def tell_flow(self, old: bytes) -> None:
        termios = line_stops(self.line.termios.pack(36))
        if termios != line_stops(old):
            if termios:
                self.tell(io.TIOCPKT_DOSTOP, io.TIOCPKT_NOSTOP)
            else:
                self.tell(io.TIOCPKT_NOSTOP, io.TIOCPKT_DOSTOP)
        if (int.from_bytes(old[12:16], "little") ^ self.line.termios.lflag) & io.EXTPROC:
            self.tell(io.TIOCPKT_IOCTL, 0)

    def resize(self, size: bytes) -> None:
        if size != self.size:
            self.size = size
            self.control.signal(28)


def line_stops(raw: bytes) -> bool:
    """IXON with ^S and ^Q where they always are (pty_set_termios)."""
    iflag = int.from_bytes(raw[:4], "little")
    return bool(iflag & io.IXON) and raw[17 + io.VSTOP] == 19 and raw[17 + io.VSTART] == 17


class OwnSlave(OwnTty):
    __slots__ = ()

    pair: OwnPair

    def read(self, size: int) -> bytes:
        pair, line = self.pair, self.pair.line
        if self.caller is not None:
            self.control.check_read(self.caller)
        if pair.hung_up or not size:
            return b""
        if not line.packed:
            if not self.enough(size):
                return b""
        elif not line.readable():
            self.wait()
        data = line.take(size)
        self.partial.pop(self.caller, None)
        pair.pump()
        return data

    def unread(self, data: bytes) -> None:
        if data:
            self.pair.line.give_back(data)

    def enough(self, size: int) -> bool:
        """Without lines: wait as VMIN and VTIME say. False if the read ends with nothing."""
        line = self.pair.line
        cc, there = line.termios.cc, len(line.buf)
        least, patience = min(cc[io.VMIN], size), cc[io.VTIME] * TENTH_NS
        if self.flags & O_NONBLOCK:
            if not there and least:
                raise EAGAIN
            if not there and patience:
                raise EAGAIN
            return bool(there)
        if cc[io.VMIN]:
            if there >= least:
                return True
            if there and getattr(self.caller, "interrupted", False):
                return True  # a signal ends the read with what there is
            if there and patience:
                self.wait_until(patience, there)
                return True
            self.wait()
        if not there and patience:
            self.wait_until(patience, 0)
        return bool(there)

    def write(self, data: bytes) -> int:
        self.check_output()
        pair = self.pair
        if pair.hung_up:
            raise EIO("the master was closed")
        if not data:
            return 0
        room = pair.output_room()
        if not room:
            self.wait()
        # One character may become several: take so many that all fit.
        most = room if not pair.line.termios.oflag & io.OPOST else max(1, room // 8)
        part = data[:most]
        pair.output += pair.line.processed(part)
        pair.at_master.wake()
        return len(part)

    def poll(self) -> int:
        pair = self.pair
        if pair.hung_up:
            return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP
        mask = POLLIN | POLLRDNORM if pair.line.readable(True) else 0
        if pair.output_room() > 0 and len(pair.output) < OUTPUT_MOST - WAKE_ROOM:
            mask |= POLLOUT | POLLWRNORM
        return mask

    def release(self) -> None:
        pair = self.pair
        if self in pair.slaves:
            pair.slaves.remove(self)
        if not pair.slaves:
            pair.at_master.wake()
        super().release()


def new_pair(table: PtyTable, who: Walker, flags: int) -> OwnMaster:
    """/dev/ptmx. ENOSPC."""
    index = table.number()
    pair = OwnPair(table, index, who.cred.fsuid)
    table.pairs[index] = pair
    return OwnMaster(pair, flags)
