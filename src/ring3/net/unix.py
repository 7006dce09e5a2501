"""AF_UNIX: connections by name, and socketpairs.

Source: unix(7), Linux's net/unix/af_unix.c for the order of errors.
"""

from __future__ import annotations

from ring3.abi.errno import ECONNREFUSED, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_UNIX,
    MSG_OOB,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from ring3.net.address import store_unix
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.endsocket import CLOSED, CONNECTED, LISTENING, PASSES_CRED
from ring3.net.socket import SHUT_READ, Socket, WouldBlock
from ring3.net.stream import StreamSocket
from ring3.net.unixdgram import UnixDatagram
from ring3.net.unixname import NO_NAME, Named, check_type, unname

if TYPE_CHECKING:
    from typing import Any

    from ring3.net.end import End
    from ring3.net.network import Network

NOBODY: Final = Ucred(0, 0, 0)
"""Who sent the end of the data."""
UNSIGNED: Final = Ucred(0, 65534, 65534)
"""Who sent what was sent before anybody wanted to know."""
PAIR_ONLY: Final = "an end of a datagram socketpair reaches nobody but the other end"


class UnixStream(StreamSocket):
    """SOCK_STREAM, SOCK_SEQPACKET, and both ends of any socketpair(2)."""

    __slots__ = ("named",)

    def __init__(
        self,
        net: Network,
        type_: int,
        flags: int,
        creator: Ucred,
        end: End | None = None,
        named: Named = NO_NAME,
    ) -> None:
        super().__init__(net, AF_UNIX, type_, 0, flags, creator, end)
        self.named = named

    # --- connecting --------------------------------------------------------------------------
    def listen(self, backlog: int, caller: Ucred) -> None:
        if self.type == SOCK_DGRAM:
            raise EOPNOTSUPP
        if self.named is NO_NAME:
            raise EINVAL("the socket has no name")
        if self.state not in (CLOSED, LISTENING):
            raise EINVAL
        super().listen(backlog, caller)

    def accept(self) -> StreamSocket:
        if self.type == SOCK_DGRAM:
            raise EOPNOTSUPP
        return super().accept()

    def connect(self, other: Socket) -> None:
        """Connect to the socket found under the name; WouldBlock while its backlog is full."""
        if self.type == SOCK_DGRAM:
            raise EOPNOTSUPP(PAIR_ONLY)
        check_type(self, other)
        assert isinstance(other, StreamSocket)
        if other.state != LISTENING or other.shut & SHUT_READ:
            raise ECONNREFUSED("nobody listens there")
        if other.full:
            raise WouldBlock(other.room)
        if self.state != CLOSED:
            raise EISCONN if self.state == CONNECTED else EINVAL
        other.meet(self)

    def child(self, client: StreamSocket, end: End) -> UnixStream:
        made = UnixStream(self.net, self.type, 0, self.creator, end, self.named)
        made.options = {key: value for key, value in self.options.items() if key == PASSES_CRED}
        return made

    # --- data --------------------------------------------------------------------------------
    def check_receive(self) -> None:
        if self.state != CONNECTED:
            raise EINVAL if self.type == SOCK_STREAM else ENOTCONN

    def recv(self, size: int, flags: int) -> Message:
        message = super().recv(size, flags)
        if self.partner_name:
            message.address = store_unix(self.partner_name)
        if message.ended and self.type == SOCK_SEQPACKET:
            return message
        if (writer := self.writer) is not None:
            cargo = message.cargo = message.cargo or Cargo(self.net)
            cargo.cred = NOBODY if message.ended else cargo.cred or writer
        return message

    @property
    def writer(self) -> Ucred | None:
        if not self.options.get(PASSES_CRED):
            return None
        # Plain writes may go past the kernel: they count as made by whoever holds the other end.
        return UNSIGNED if self.net.own else self.partner

    @property
    def partner_name(self) -> bytes:
        """The name at the other end; it outlives that end."""
        peer = self.peer
        return peer.named.name if isinstance(peer, UnixStream) else b""

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        if to is not None and self.type == SOCK_STREAM:
            raise EISCONN if self.state == CONNECTED else EOPNOTSUPP
        if flags & MSG_OOB and self.type != SOCK_STREAM:
            raise EOPNOTSUPP
        if to is not None and self.type == SOCK_DGRAM and to is not self.peer:
            raise EOPNOTSUPP(PAIR_ONLY)
        if self.net.own:
            cargo = self.signed(cargo)
        elif cargo is not None and not self.tells(cargo):
            cargo.drop()
            cargo = None
        try:
            return super().transmit(data, flags, to, cargo)
        except ECONNREFUSED:
            self.peer = None  # an end of a datagram pair learns that the other is gone
            raise

    @property
    def passing(self) -> bool:
        """Messages have to say who sent them (unix_may_passcred)."""
        peer = self.peer
        theirs = peer.options.get(PASSES_CRED) if peer is not None else 0
        return bool(theirs or self.options.get(PASSES_CRED))

    def signed(self, cargo: Cargo | None) -> Cargo | None:
        """*cargo* with who sent it, if anybody wants to know, and without if not."""
        if self.passing:
            return cargo or Cargo(self.net, cred=self.creator)
        if cargo is not None:
            cargo.cred = None
        return cargo if cargo is not None and cargo.files else None

    def tells(self, cargo: Cargo) -> bool:
        """False for a cargo that says nothing the other end does not know."""
        if cargo.files:
            return True
        peer = self.peer
        if peer is None or cargo.cred is None:
            return False
        if isinstance(peer, StreamSocket) and cargo.cred.same(peer.partner):
            return False
        return bool(peer.options.get(PASSES_CRED))

    # --- names and the end -------------------------------------------------------------------
    def getsockname(self) -> bytes:
        return store_unix(self.named.name)

    def getpeername(self) -> bytes:
        if self.peer is None:
            raise ENOTCONN
        return store_unix(self.partner_name)

    @property
    def peer_cred(self) -> Ucred | None:
        return self.listen_cred if self.state == LISTENING else self.partner

    def release(self) -> None:
        unname(self)
        super().release()


def make(net: Network, type_: int, flags: int, creator: Ucred) -> Socket:
    if type_ in (SOCK_STREAM, SOCK_SEQPACKET):
        return UnixStream(net, type_, flags, creator)
    return UnixDatagram(net, flags, creator)


def pair(net: Network, type_: int, flags: int, creator: Ucred) -> tuple[Socket, Socket]:
    """socketpair(2)."""
    if net.own and type_ == SOCK_DGRAM:
        return datagram_pair(net, flags, creator)
    first, second = net.ends.pair(type_)
    a = UnixStream(net, type_, flags, creator, first)
    b = UnixStream(net, type_, flags, creator, second)
    for end, other in ((a, b), (b, a)):
        end.state, end.peer, end.partner = CONNECTED, other, creator
    return a, b


def datagram_pair(net: Network, flags: int, creator: Ucred) -> tuple[Socket, Socket]:
    """Where nobody can bind the host's, datagram sockets are the same in pairs and alone."""
    a, b = UnixDatagram(net, flags, creator), UnixDatagram(net, flags, creator)
    for end, other in ((a, b), (b, a)):
        end.connect(other)
        end.partner = creator
    return a, b
