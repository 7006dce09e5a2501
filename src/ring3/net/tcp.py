"""TCP between sockets of one guest network.

There are no segments: a connection is a pair of ends (``end``), which know of half-closed
connections and resets. Here are endpoints, ports, and connecting without blocking.
Source: tcp(7), Linux's net/ipv4/af_inet.c and tcp.c.
"""

from __future__ import annotations

from ring3.abi.errno import EINVAL, EISCONN, ENETUNREACH, ENOTCONN, EPIPE, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.poll import POLLHUP, POLLIN, POLLRDHUP, POLLRDNORM
from ring3.abi.socket import AF_UNSPEC, IPPROTO_TCP, SOCK_STREAM
from ring3.net.address import family_of, is_v4, load_inet
from ring3.net.endsocket import CLOSED, CONNECTED, CONNECTING, LISTENING
from ring3.net.inet import InetSocket
from ring3.net.socket import SHUT_BOTH, SHUT_READ, SHUT_WRITE, WouldBlock
from ring3.net.stream import StreamSocket

if TYPE_CHECKING:
    from ring3.net.cargo import Cargo, Ucred
    from ring3.net.end import End
    from ring3.net.network import Network

SEND_BUFFER: Final = 16384
"""net.ipv4.tcp_wmem[1]; grown once connected."""
CONNECTED_BUFFER: Final = 2626560
"""What SO_SNDBUF shows of a connection over loopback."""
RECEIVE_BUFFER: Final = 131072
"""net.ipv4.tcp_rmem[1]."""
LOW_WATER: Final = 16 << 20

# include/net/tcp_states.h
ESTABLISHED: Final = 1
SYN_SENT: Final = 2
FIN_WAIT2: Final = 5
CLOSE: Final = 7
CLOSE_WAIT: Final = 8
LISTEN: Final = 10

# struct socket's state, which tells a connect(2) under way from one that is over.
UNCONNECTED: Final = 0
UNDER_WAY: Final = 1
DONE: Final = 2


class TcpSocket(StreamSocket, InetSocket):
    """One TCP socket."""

    __slots__ = ("phase",)

    def __init__(
        self,
        net: Network,
        domain: int,
        flags: int,
        creator: Ucred,
        end: End | None = None,
    ) -> None:
        super().__init__(net, domain, SOCK_STREAM, IPPROTO_TCP, flags, creator, end)
        self.set_up_inet()
        self.phase = UNCONNECTED

    def default_buffer(self, sending: bool) -> int:
        if not sending:
            return RECEIVE_BUFFER
        return CONNECTED_BUFFER if self.state == CONNECTED else SEND_BUFFER

    @property
    def over(self) -> bool:
        """Reset, or ended both ways: what Linux has as a closed socket again."""
        return self.end.over

    @property
    def tcp_state(self) -> int:
        """The state as /proc/net/tcp and TCP_INFO number it."""
        if self.state == CONNECTED and not self.over:
            if self.shut & SHUT_WRITE:
                return FIN_WAIT2
            return CLOSE_WAIT if self.end.finished else ESTABLISHED
        return {LISTENING: LISTEN, CONNECTING: SYN_SENT}.get(self.state, CLOSE)

    def unsent_bytes(self) -> int:
        """Bytes the peer has not acknowledged: over loopback it does so at once."""
        return 0

    def low_water(self, number: int) -> int:
        """SO_RCVLOWAT goes up to half of what the receive buffer may grow to."""
        return min(number, LOW_WATER)

    # --- connecting --------------------------------------------------------------------------
    @property
    def connecting(self) -> bool:
        return self.state == CONNECTING

    @property
    def is_connected(self) -> bool:
        return self.state == CONNECTED

    @property
    def busy(self) -> bool:
        return self.state != CLOSED

    def listen(self, backlog: int, caller: Ucred) -> None:
        if self.phase != UNCONNECTED or self.state not in (CLOSED, LISTENING):
            raise EINVAL
        if not self.local[1]:
            self.ports.bind(self, self.local[0], 0)
        self.ports.check_listen(self)
        self.shut = 0
        super().listen(backlog, caller)

    def connect(self, raw: bytes) -> None:
        """Begin to connect; ``state`` tells whether that is over already, ``error`` how it went.

        An AF_UNSPEC address ends the connection there is.
        """
        if family_of(raw) == AF_UNSPEC:
            self.disconnect()
            return
        if self.phase != UNCONNECTED or self.state != CLOSED:
            raise EISCONN
        ip, port = load_inet(raw, self.domain)
        if is_v4(ip) and self.v6only:
            raise ENETUNREACH("an IPv4 address on a socket that is IPv6 only")
        ip = self.net.destination(ip)
        self.take_source(ip)
        self.remote = (ip, port)
        self.phase = UNDER_WAY
        self.shut = 0
        listener = self.ports.find(self.remote, self.local, listening=True)
        if listener is None:
            self.refused()
            return
        assert isinstance(listener, TcpSocket)
        if listener.full:
            self.state = CONNECTING
            listener.waiting.append(self)
            return
        try:
            listener.meet(self)
        except Errno:  # no host descriptors are left
            self.give_up()
            self.forget_source()
            raise

    def child(self, client: StreamSocket, end: End) -> TcpSocket:
        assert isinstance(client, TcpSocket) and client.remote is not None
        made = TcpSocket(self.net, self.domain, 0, self.creator, end)
        made.options = dict(self.options)
        made.end.inherit(self.end)
        made.linger = self.linger
        made.receive_timeout_ns = self.receive_timeout_ns
        made.send_timeout_ns = self.send_timeout_ns
        made.phase = DONE
        made.remote = client.local
        made.chosen_ip = made.chosen_port = True
        made.ports.enter(made, client.remote)
        return made

    def refused(self) -> None:
        self.remote = None
        self.forget_source()
        self.shut = SHUT_BOTH
        super().refused()

    def give_up(self) -> None:
        """A connect(2) that failed was told of: the socket may be used for another try."""
        self.phase = UNCONNECTED
        self.remote = None
        self.shut = 0

    def disconnect(self) -> None:
        """connect(2) to AF_UNSPEC: reset the connection, start anew as a closed socket."""
        from ring3.vfs import file

        if self.state == LISTENING:
            self.turn_away()
        elif self.state == CONNECTED:
            # An end cannot be disconnected: another one takes its place.
            old = self.end
            old.reset()
            self.use(self.net.ends.make(SOCK_STREAM, tcp=True))
            self.end.inherit(old)
            file.rebound(self)
            old.close()
            if self.peer is not None:
                self.peer.peer = None
                self.peer = None
        self.state = CLOSED
        self.error = 0
        self.pushback = b""
        self.give_up()
        self.forget_source()
        self.events.wake()

    # --- data --------------------------------------------------------------------------------
    def check_receive(self) -> None:
        if self.state == CONNECTING:
            raise WouldBlock(self.events)
        if self.state != CONNECTED:
            raise ENOTCONN

    def check_send(self) -> None:
        if self.state == CONNECTING:
            raise WouldBlock(self.events)
        if self.state != CONNECTED:
            raise EPIPE

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        return super().transmit(data, flags, None, cargo)  # an address does not matter

    def poll(self) -> int:
        mask = super().poll()
        if self.state == CLOSED and self.shut & SHUT_READ:
            mask |= POLLIN | POLLRDNORM | POLLRDHUP | POLLHUP
        return mask

    # --- ending ------------------------------------------------------------------------------
    def check_shutdown(self) -> None:
        if self.state != CONNECTED or self.over:
            raise ENOTCONN

    def stop_listening(self, bits: int) -> None:
        if bits & SHUT_READ:
            self.turn_away()
            self.state = CLOSED
            self.room.wake()
            self.events.wake()

    def getpeername(self) -> bytes:
        if self.state != CONNECTED or self.over:
            raise ENOTCONN
        return super().getpeername()

    def client_name(self) -> bytes:
        return super().getpeername()

    def release(self) -> None:
        if not self.gone:
            self.leave_ports()
            super().release()

    def part(self) -> None:
        if self.linger == (1, 0):
            self.end.reset()
        self.end.close()
