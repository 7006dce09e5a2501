"""AF_UNIX: names, connections by name, and datagrams.

A name in the file tree is an inode whose ``socket`` attribute leads here; handlers do the path
walks. Sources: unix(7), Linux's net/unix/af_unix.c for the order of errors.
"""

from __future__ import annotations

from ring3.abi.errno import (
    EADDRINUSE,
    ECONNREFUSED,
    ECONNRESET,
    EINVAL,
    EISCONN,
    EMSGSIZE,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTOTYPE,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_UNIX,
    MSG_OOB,
    SO_PASSCRED,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.net import host
from ring3.net.address import store_unix
from ring3.net.datagram import WRITABLE, Datagram, QueueSocket
from ring3.net.socket import SHUT_READ, SHUT_WRITE, Cargo, Message, Socket, Ucred, WouldBlock
from ring3.net.stream import CLOSED, CONNECTED, LISTENING, StreamSocket

if TYPE_CHECKING:
    from typing import Any

    from ring3.net.host import HostSocket
    from ring3.net.network import Network

AUTOBIND_NAMES: Final = 1 << 20
DATAGRAM_OVERHEAD: Final = 32
"""Bytes of the send buffer that a datagram cannot use (unix_dgram_sendmsg)."""
PAIR_ONLY: Final = "an end of a datagram socketpair reaches nobody but the other end"


class Named:
    """The name of a unix socket, and where it is found under it."""

    __slots__ = ("inode", "name")

    def __init__(self, name: bytes = b"", inode: Any = None) -> None:
        self.name = name
        """b"" (none), a leading NUL and an abstract name, or the path bind(2) was given."""
        self.inode = inode
        """The socket inode of a path."""


NO_NAME: Final = Named()


def check_bind(sock: UnixSocket) -> None:
    """EINVAL if *sock* has a name already."""
    if sock.named is not NO_NAME:
        raise EINVAL("the socket is bound")


def bind_abstract(sock: UnixSocket, name: bytes) -> None:
    """Give *sock* the abstract *name* (leading NUL included). EADDRINUSE."""
    if name in sock.net.abstract:
        raise EADDRINUSE
    sock.net.abstract[name] = sock
    sock.named = Named(name)


def autobind(sock: UnixSocket) -> None:
    """Give *sock* an unused abstract name of five hexadecimal digits, unless it has a name."""
    if sock.named is not NO_NAME:
        return
    net = sock.net
    for _ in range(AUTOBIND_NAMES):
        net.last_autobind = (net.last_autobind + 1) % AUTOBIND_NAMES
        name = b"\0%05x" % net.last_autobind
        if name not in net.abstract:
            bind_abstract(sock, name)
            return
    raise EADDRINUSE("all automatic names are taken")


def bind_inode(sock: UnixSocket, path: bytes, inode: Any) -> None:
    """Attach *sock* to the fresh socket *inode* that was made at *path*."""
    inode.socket = sock
    sock.named = Named(path, inode)


def unname(sock: UnixSocket) -> None:
    """The socket is gone: nobody finds it any more. Its path stays, as on Linux."""
    named = sock.named
    if named.inode is not None:
        if named.inode.socket is sock:
            named.inode.socket = None
    elif named.name and sock.net.abstract.get(named.name) is sock:
        del sock.net.abstract[named.name]


def check_type(sock: UnixSocket, other: UnixSocket) -> None:
    if sock.type != other.type:
        raise EPROTOTYPE("the socket there is of another type")


class UnixStream(StreamSocket):
    """SOCK_STREAM, SOCK_SEQPACKET, and both ends of any socketpair(2)."""

    __slots__ = ("named",)

    def __init__(
        self,
        net: Network,
        type_: int,
        flags: int,
        creator: Ucred,
        end: HostSocket | None = None,
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
        check_type(self, other)  # type: ignore[arg-type]
        assert isinstance(other, StreamSocket)
        if other.state != LISTENING or other.shut & SHUT_READ:
            raise ECONNREFUSED("nobody listens there")
        if other.full:
            raise WouldBlock(other.room)
        if self.state != CLOSED:
            raise EISCONN if self.state == CONNECTED else EINVAL
        other.meet(self)

    def child(self, client: StreamSocket, end: HostSocket) -> UnixStream:
        made = UnixStream(self.net, self.type, 0, self.creator, end, self.named)
        made.options = {
            key: value for key, value in self.options.items() if key == (SOL_SOCKET, SO_PASSCRED)
        }
        return made

    # --- data --------------------------------------------------------------------------------
    def check_receive(self) -> None:
        if self.state != CONNECTED:
            raise EINVAL if self.type == SOCK_STREAM else ENOTCONN

    def recv(self, size: int, flags: int) -> Message:
        message = super().recv(size, flags)
        if self.partner_name:
            message.address = store_unix(self.partner_name)
        if self.options.get((SOL_SOCKET, SO_PASSCRED)):
            cargo = message.cargo = message.cargo or Cargo(self.net)
            # Plain writes go past the kernel: they count as made by whoever holds the other end.
            cargo.cred = cargo.cred or self.partner
        return message

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
        if cargo is not None and not self.tells(cargo):
            cargo.drop()
            cargo = None
        try:
            return super().transmit(data, flags, to, cargo)
        except ECONNREFUSED:
            self.peer = None  # an end of a datagram pair learns that the other is gone
            raise

    def tells(self, cargo: Cargo) -> bool:
        """False for a cargo that says nothing the other end does not know."""
        if cargo.files:
            return True
        peer = self.peer
        if peer is None or cargo.cred is None or cargo.cred.same(peer.partner):
            return False
        return bool(peer.options.get((SOL_SOCKET, SO_PASSCRED)))

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


class UnixDatagram(QueueSocket):
    """SOCK_DGRAM (and SOCK_RAW, which is the same): messages through the kernel's own queues."""

    __slots__ = ("named", "peer", "senders")

    def __init__(self, net: Network, flags: int, creator: Ucred) -> None:
        super().__init__(net, AF_UNIX, SOCK_DGRAM, 0, flags, creator)
        self.named = NO_NAME
        self.peer: UnixDatagram | None = None
        self.senders: set[UnixDatagram] = set()
        """Sockets connected to this one."""

    def connect(self, other: Socket | None) -> None:
        """Make *other* the destination (None: no fixed one any more)."""
        if other is not None:
            if not isinstance(other, UnixDatagram):
                raise EPROTOTYPE("the socket there is of another type")
            if other.peer is not None and other.peer is not self:
                raise EPERM("the socket there is connected to another")
        old, self.peer = self.peer, other
        if old is not None and old is not other:
            old.senders.discard(self)
            # What the old peer sent is no longer wanted (unix_dgram_disconnected).
            self.purge()
            if old.peer is self:
                old.fail(ECONNRESET)
        if other is not None:
            other.senders.add(self)
        self.events.wake()

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        target = self.check_send(self.peer if to is None else to, data, flags)
        name = self.named.name
        if cargo is None:
            cargo = Cargo(self.net, cred=self.creator)
        target.deliver(Datagram(data, store_unix(name) if name else b"", cargo, self))
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
            raise ECONNREFUSED("the socket there is closed")
        if other.peer is not None and other.peer is not self:
            raise EPERM("the socket there is connected to another")
        if other.shut & SHUT_READ:
            raise EPIPE
        if other is not self and len(other.queue) > self.net.max_datagrams:
            raise WouldBlock(other.space)
        if self.outgoing >= self.send_buffer:
            raise WouldBlock(self.events)
        return other

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
        if peer is not None and peer is not self and len(peer.queue) > self.net.max_datagrams:
            mask &= ~WRITABLE
        return mask

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
            self.peer.senders.discard(self)
        self.made_room()


UnixSocket = UnixStream | UnixDatagram


def make(net: Network, type_: int, flags: int, creator: Ucred) -> Socket:
    if type_ in (SOCK_STREAM, SOCK_SEQPACKET):
        return UnixStream(net, type_, flags, creator)
    return UnixDatagram(net, flags, creator)


def pair(net: Network, type_: int, flags: int, creator: Ucred) -> tuple[Socket, Socket]:
    """socketpair(2)."""
    first, second = host.pair(type_)
    a = UnixStream(net, type_, flags, creator, first)
    b = UnixStream(net, type_, flags, creator, second)
    for end, other in ((a, b), (b, a)):
        end.state, end.peer, end.partner = CONNECTED, other, creator
    return a, b
