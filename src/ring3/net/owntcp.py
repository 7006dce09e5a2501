"""The kernel's own TCP connection: no segments and no timers, but what they mean to a program.

Whatever goes from one end to the other is a frame that crosses the loopback interface
(``Network.carry``). Source: Linux's net/ipv4/tcp.c and tcp_input.c.
"""

from __future__ import annotations

from ring3.abi.errno import ECONNRESET, ENOTCONN, EPIPE
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLWRNORM,
)
from ring3.abi.socket import MSG_OOB, SO_RCVBUF, SO_RCVLOWAT, SOCK_STREAM, SOL_SOCKET
from ring3.net.cargo import Cargo, Message
from ring3.net.end import READABLE
from ring3.net.inbox import SHUT_BOTH, SHUT_READ, SHUT_WRITE, Chunk
from ring3.net.link import DATA, FIN, RST, URGENT, Frame
from ring3.net.ownend import OwnEnd

if TYPE_CHECKING:
    from typing import Self

    from ring3.net.network import Network

SEND_LIMIT: Final = 4 << 20
"""net.ipv4.tcp_wmem[2], up to which a connection over loopback soon grows."""
WINDOW: Final = 65536
"""What the other end takes before anybody reads."""
SEGMENT: Final = 65483
"""Most bytes in one frame: what lo's MTU leaves."""

COALESCED: Final = 4096
"""Small pieces are put together up to this (tcp_try_coalesce): a chunk is not free."""


class OwnTcpEnd(OwnEnd):
    """One end of a TCP connection."""

    __slots__ = ("closed", "ended", "low_water", "resets", "window")

    def __init__(self, net: Network, type_: int = SOCK_STREAM) -> None:
        super().__init__(net, type_)
        self.limit = SEND_LIMIT
        self.window = WINDOW
        self.low_water = 1
        self.ended = False
        """The other end's FIN came: nothing that comes after it can be an error of the data."""
        self.closed = False
        """Reset, or both FINs went through."""
        self.resets = False

    @property
    def over(self) -> bool:
        return self.closed

    @property
    def finished(self) -> bool:
        return self.ended

    # --- sending -----------------------------------------------------------------------------
    @property
    def capacity(self) -> int:
        """Bytes that may be under way."""
        return self.limit + (self.other.window if self.other is not None else WINDOW)

    def send(self, data: bytes, flags: int, cargo: Cargo | None) -> int | None:
        self.raise_error()
        other = self.need_other()
        if self.shut & SHUT_WRITE or self.closed:
            raise EPIPE
        room = self.capacity - self.used
        if data and room <= 0:
            return None
        self.net.check_memory()
        if cargo is not None:
            cargo.drop()  # open files do not travel by TCP
        if len(data) > room:
            data = data[:room]
        elif flags & MSG_OOB and data:
            self.emit(other, data[:-1])
            self.emit(other, data[-1:], URGENT)
            return len(data)
        self.emit(other, data)
        return len(data)

    def emit(self, other: Self, data: bytes, kind: int = DATA) -> None:
        for at in range(0, len(data), SEGMENT):
            if self.closed:
                return  # reset by what went before
            part = data[at : at + SEGMENT]
            self.used += len(part)
            self.net.carry(Frame(other, kind, part))

    def give(self, data: bytes) -> int | None:
        if self.error or self.closed or self.shut & SHUT_WRITE or self.other is None:
            return None
        return self.send(data, 0, None)

    # --- arriving ----------------------------------------------------------------------------
    def arrive(self, frame: Frame) -> None:
        if frame.kind == RST:
            self.reset_by_other()
        elif frame.kind == FIN:
            self.ended = True
            self.shut |= SHUT_READ
            self.check_over()
            self.wake()
        else:
            self.accept_data(frame)

    def accept_data(self, frame: Frame) -> None:
        both = self.shut & SHUT_BOTH == SHUT_BOTH and not self.ended
        if self.closed or self.gone or both:
            # Nobody will ever read this (tcp_rcv_state_process).
            if self.other is not None:
                self.other.freed(len(frame.data))
            if not self.closed:
                self.break_off()
            return
        last = self.queue[-1] if self.queue else None
        size = len(frame.data)
        joins = last is not None and last is not self.mark and len(last.data) + size <= COALESCED
        if last is not None and joins and frame.kind == DATA:
            last.data += frame.data
            last.cost += size
            self.net.held += size
            self.readers.wake()
            return
        self.put(Chunk(frame.data, len(frame.data)), frame.kind == URGENT)

    def displace(self, mark: Chunk) -> None:
        if self.at_mark() and not self.inline:
            self.drop_first()  # is lost (tcp_check_urg)
        else:
            mark.start = 0  # is read like any other, though it may have been already

    def break_off(self) -> None:
        """Reset both sides."""
        other = self.other
        if not self.gone:
            self.reset_by_other()
        self.close_down()
        if other is not None:
            self.net.carry(Frame(other, RST))

    def reset_by_other(self) -> None:
        if self.closed:
            return
        self.error = (EPIPE if self.ended else ECONNRESET).number
        self.shut = SHUT_BOTH
        self.close_down()
        self.wake()

    def close_down(self) -> None:
        self.closed = True
        self.net.ends.orphans.pop(id(self), None)

    def check_over(self) -> None:
        """Both ends sent their FIN: the connection is over."""
        if self.ended and self.shut & SHUT_WRITE:
            self.shut = SHUT_BOTH
            self.close_down()

    def at_end(self) -> Message | None:
        if self.ended:
            return Message(b"")
        self.raise_error()
        if self.shut & SHUT_READ:
            return Message(b"")
        if self.closed:
            raise ENOTCONN
        return None

    # --- readiness ---------------------------------------------------------------------------
    @property
    def roomy(self) -> bool:
        return self.used * 3 <= self.capacity * 2

    def poll(self) -> int:
        mask = 0
        if self.error:
            mask |= POLLERR
        if self.shut == SHUT_BOTH or self.closed or self.other is None:
            mask |= POLLHUP
        if self.shut & SHUT_READ:
            mask |= POLLRDHUP | READABLE
        if self.queue and self.unread_bytes() >= self.target:
            mask |= READABLE
        if self.urgent:
            mask |= POLLPRI
        if self.shut & SHUT_WRITE or self.roomy:
            mask |= POLLOUT | POLLWRNORM
        return mask

    @property
    def target(self) -> int:
        """How many bytes make the end readable; the urgent one ahead is none of them."""
        at_mark = self.at_mark() and len(self.queue[0]) and not self.inline
        return self.low_water + 1 if at_mark else self.low_water

    # --- ending ------------------------------------------------------------------------------
    def shutdown(self, how: int) -> None:
        bits = how + 1
        fresh = bits & SHUT_WRITE and not self.shut & SHUT_WRITE
        self.shut |= bits
        if fresh and self.other is not None:
            self.net.carry(Frame(self.other, FIN))
            self.check_over()
        self.wake()

    def reset(self) -> None:
        self.resets = True

    def close(self) -> None:
        self.gone = True
        other, unread = self.other, bool(self.queue)
        self.purge()
        if other is not None and not self.closed:
            if self.resets or unread:
                self.close_down()
                self.net.carry(Frame(other, RST))
            else:
                if not self.ended:
                    self.net.ends.orphans[id(self)] = self
                self.shutdown(1)
        self.shut = SHUT_BOTH
        self.wake()

    # --- options -----------------------------------------------------------------------------
    def option(self, level: int, name: int, value: bytes) -> None:
        super().option(level, name, value)
        if level == SOL_SOCKET and name == SO_RCVBUF:
            self.window = int.from_bytes(value[:4], "little")
        elif level == SOL_SOCKET and name == SO_RCVLOWAT:
            self.low_water = int.from_bytes(value[:4], "little")
            self.readers.wake()

    def inherit(self, older: Any) -> None:
        super().inherit(older)
        self.window = older.window
        self.low_water = older.low_water

    def unsent_bytes(self) -> int:
        return self.used
