"""Datagrams of AF_UNIX, through the kernel's own queues.

Errors in the order of unix_dgram_sendmsg and unix_dgram_connect.
"""

from __future__ import annotations

from ring3.abi.errno import (
    ECONNREFUSED,
    ECONNRESET,
    EMSGSIZE,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTOTYPE,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import AF_UNIX, MSG_OOB, SO_PASSCRED, SO_PEEK_OFF, SOCK_DGRAM, SOL_SOCKET
from ring3.net.address import store_unix
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.datagram import WRITABLE, Datagram, QueueSocket
from ring3.net.socket import SHUT_READ, SHUT_WRITE, Socket, WouldBlock
from ring3.net.truesize import message_cost
from ring3.net.unixname import NO_NAME, unname

if TYPE_CHECKING:
    from typing import Any

    from ring3.net.network import Network

DATAGRAM_OVERHEAD: Final = 32
"""Bytes of the send buffer that a datagram cannot use (unix_dgram_sendmsg)."""


class UnixDatagram(QueueSocket):
    """SOCK_DGRAM (and SOCK_RAW, which is the same): messages through the kernel's own queues."""

    __slots__ = ("named", "partner", "peer", "senders")

    peeks_at_offset = True

    def __init__(self, net: Network, flags: int, creator: Ucred) -> None:
        super().__init__(net, AF_UNIX, SOCK_DGRAM, 0, flags, creator)
        self.named = NO_NAME
        self.peer: UnixDatagram | None = None
        self.senders: dict[UnixDatagram, None] = {}
        """Sockets connected to this one, oldest first."""
        self.partner: Ucred | None = None
        """Who made the socketpair."""

    def connect(self, other: Socket | None) -> None:
        """Make *other* the destination (None: no fixed one any more)."""
        if other is not None:
            if not isinstance(other, UnixDatagram):
                raise EPROTOTYPE("the socket there is of another type")
            if other.peer is not None and other.peer is not self:
                raise EPERM("the socket there is connected to another")
        old, self.peer = self.peer, other
        if old is not None and old is not other:
            self.disconnected(old)
        if other is not None:
            other.senders[self] = None
        self.events.wake()

    def disconnected(self, old: UnixDatagram) -> None:
        """*old* is the destination no more: what it sent is no longer wanted, and it is told if
        it had sent anything (unix_dgram_disconnected)."""
        old.senders.pop(self, None)
        if self.queue:
            self.purge()
            if old.peer is self and not old.gone:
                old.fail(ECONNRESET)

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        target = self.check_send(self.peer if to is None else to, data, flags)
        name = self.named.name
        if cargo is None:
            cargo = Cargo(self.net, cred=self.creator)
        source = store_unix(name) if name else b""
        target.deliver(Datagram(data, source, cargo, self, message_cost(len(data))))
        return len(data)

    def check_send(self, other: Socket | None, data: bytes, flags: int) -> UnixDatagram:
        """The socket the message goes to. Errors in the order of unix_dgram_sendmsg."""
        if flags & MSG_OOB:
            raise EOPNOTSUPP
        if len(data) > self.send_buffer - DATAGRAM_OVERHEAD:
            raise EMSGSIZE
        self.raise_error()
        if self.shut & SHUT_WRITE:
            raise EPIPE
        if other is None:
            raise ENOTCONN
        if not isinstance(other, UnixDatagram):
            raise EPROTOTYPE("the socket there is of another type")
        if other.ino not in self.net.sockets:
            if other is self.peer:
                self.peer = None
                self.disconnected(other)
            raise ECONNREFUSED("the socket there is closed")
        if other.peer is not None and other.peer is not self:
            raise EPERM("the socket there is connected to another")
        if other.shut & SHUT_READ:
            raise EPIPE
        if self.stuffs(other):
            raise WouldBlock(other.space)
        if self.outgoing >= self.send_buffer:
            raise WouldBlock(self.events)
        self.net.check_memory()
        return other

    def stuffs(self, other: UnixDatagram) -> bool:
        """*other* holds all the messages it may. Two that are each other's destination go by the
        sender's buffer alone."""
        mutual = other is self or other.peer is self
        return not mutual and len(other.queue) > self.net.max_datagrams

    def shutdown(self, how: int) -> None:
        self.shut |= how + 1
        self.events.wake()
        self.made_room()

    def made_room(self) -> None:
        self.space.wake()
        for sender in self.senders:
            sender.events.wake()

    @property
    def passes_cred(self) -> bool:
        return bool(self.options.get((SOL_SOCKET, SO_PASSCRED)))

    def recv(self, size: int, flags: int) -> Message:
        message = super().recv(size, flags)
        if not self.passes_cred and message.cargo is not None:
            message.cargo.cred = None
        return message

    def poll(self) -> int:
        mask = super().poll()
        peer = self.peer
        if peer is not None and self.stuffs(peer):
            mask &= ~WRITABLE
        return mask

    @property
    def roomy(self) -> bool:
        return self.outgoing * 4 <= self.send_buffer  # unix_writable

    def host_option(self, level: int, name: int, value: bytes) -> None:
        if (level, name) == (SOL_SOCKET, SO_PEEK_OFF):
            self.peek_at = int.from_bytes(value, "little", signed=True)

    @property
    def peer_cred(self) -> Ucred | None:
        return self.partner

    def getsockname(self) -> bytes:
        return store_unix(self.named.name)

    def getpeername(self) -> bytes:
        if self.peer is None:
            raise ENOTCONN
        return store_unix(self.peer.named.name)

    def release(self) -> None:
        unname(self)
        super().release()
        if self.peer is not None:
            self.peer.senders.pop(self, None)
        self.made_room()
