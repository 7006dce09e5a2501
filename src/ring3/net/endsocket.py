"""A socket whose bytes an end moves (``end``): data, and what travels beside it.

What is connected to what is decided above (``stream``).
"""

from __future__ import annotations

from ring3.abi.errno import ENOTCONN
from ring3.abi.fcntl import O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.poll import POLLERR
from ring3.abi.socket import (
    IPPROTO_TCP,
    MSG_OOB,
    MSG_PEEK,
    SO_PASSCRED,
    SO_RCVLOWAT,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.end import READABLE
from ring3.net.socket import Socket, WouldBlock

if TYPE_CHECKING:
    from typing import Any

    from ring3.core.park import WaitQueue
    from ring3.net.end import End
    from ring3.net.network import Network

LOW_WATER: Final = (SOL_SOCKET, SO_RCVLOWAT)
PASSES_CRED: Final = (SOL_SOCKET, SO_PASSCRED)

CLOSED: Final = 0
LISTENING: Final = 1
CONNECTING: Final = 2
CONNECTED: Final = 3


class EndSocket(Socket):
    """A socket with an end."""

    __slots__ = ("end", "gone", "peer", "pushback", "state")

    peeks_at_offset = True

    def __init__(
        self,
        net: Network,
        domain: int,
        type_: int,
        protocol: int,
        flags: int,
        creator: Ucred,
        end: End | None = None,
    ) -> None:
        super().__init__(net, domain, type_, protocol, flags, creator)
        self.state = CLOSED
        self.gone = False
        """Released: no descriptor leads here any more."""
        self.peer: EndSocket | None = None
        """The other end's socket; it may be ``gone`` by now."""
        self.pushback = b""
        """Bytes taken from the end that the guest's buffer would not take."""
        self.use(end if end is not None else net.ends.make(type_, protocol == IPPROTO_TCP))

    def use(self, end: End) -> None:
        """Have *end* move the bytes."""
        self.end = end
        self.bind_fd = end.fd
        if self.nonblock:
            end.set_nonblock(True)

    # --- data --------------------------------------------------------------------------------
    def check_receive(self) -> None:
        """Raise what a receive gives while there is no connection."""
        if self.state != CONNECTED:
            raise ENOTCONN

    def check_send(self) -> None:
        if self.state != CONNECTED:
            raise ENOTCONN

    @property
    def writer(self) -> Ucred | None:
        """Who wrote what names no writer, where the receiver wants to know."""
        return None

    def recv(self, size: int, flags: int) -> Message:
        if self.error:
            self.raise_error()
        self.check_receive()
        if self.pushback and not flags & MSG_OOB:
            return self.from_pushback(size, flags)
        message = self.end.receive(size, flags & (MSG_PEEK | MSG_OOB), self.writer)
        if message is None:
            raise WouldBlock(self.end.readers, self.events)
        return message

    def take(self, size: int) -> bytes | None:
        if (
            self.state != CONNECTED
            or self.error
            or self.pushback
            or self.type != SOCK_STREAM
            or LOW_WATER in self.options
            or PASSES_CRED in self.options
        ):
            return None
        return self.end.take(size)

    def give(self, data: bytes) -> int | None:
        if self.state != CONNECTED or self.error or self.type != SOCK_STREAM:
            return None
        peer = self.peer
        if PASSES_CRED in self.options or (peer is not None and PASSES_CRED in peer.options):
            return None
        return self.end.give(data)

    def from_pushback(self, size: int, flags: int) -> Message:
        data = self.pushback[:size]
        if not flags & MSG_PEEK:
            # A message that was put back is read as one, whatever fits.
            self.pushback = self.pushback[size:] if self.type == SOCK_STREAM else b""
        return Message(data)

    def unread(self, data: bytes) -> None:
        self.pushback = data + self.pushback

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        self.raise_error()
        self.check_send()
        sent = self.end.send(data, flags, cargo)
        if sent is None:
            raise WouldBlock(self.end.writers, self.events)
        return sent

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        mask = self.end.poll()
        if self.pushback:
            mask |= READABLE
        return mask | POLLERR if self.error else mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        end = self.end
        if end.readers is end.writers:
            return (end.readers, self.events)
        return (end.readers, end.writers, self.events)

    def take_error(self) -> int:
        if self.error:
            return super().take_error()
        return self.end.take_error() if self.state == CONNECTED else 0

    # --- the end's side of options -----------------------------------------------------------
    def set_status(self, flags: int) -> None:
        if (flags ^ self.flags) & O_NONBLOCK:
            self.end.set_nonblock(bool(flags & O_NONBLOCK))
        super().set_status(flags)

    def host_option(self, level: int, name: int, value: bytes) -> None:
        self.end.option(level, name, value)

    def unread_bytes(self) -> int:
        return len(self.pushback) + self.end.unread_bytes()

    def unsent_bytes(self) -> int:
        return self.end.unsent_bytes()

    def at_mark(self) -> bool:
        return self.end.at_mark()
