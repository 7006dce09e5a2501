"""Port numbers of one protocol: who may bind what, and who is found under an address.

Rules of Linux's inet_csk_get_port and udp_lib_get_port, without TIME_WAIT: a port is free again
as soon as the last socket on it is gone.
"""

from __future__ import annotations

from ring3.abi.errno import EADDRINUSE, EADDRNOTAVAIL
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.net.address import ANY4, ANY6, is_any, is_v4

if TYPE_CHECKING:
    from ring3.net.address import Endpoint
    from ring3.net.inet import InetSocket

FIRST_EPHEMERAL: Final = 32768
LAST_EPHEMERAL: Final = 60999
STEP: Final = 7919
"""Prime to the range: ports go round it without being handed out in an order that programs could
come to rely on, and are the same in every run."""


def overlap(ip: bytes, v6only: bool, other: bytes, other_v6only: bool) -> bool:
    """True if some address belongs to both (inet_rcv_saddr_equal)."""
    if ip == other:
        return True
    if is_v4(ip) == is_v4(other):
        return is_any(ip) or is_any(other)
    # One is IPv4, the other IPv6: they meet where the IPv6 one is the dual-stack wildcard.
    six, only = (other, other_v6only) if is_v4(ip) else (ip, v6only)
    return six == ANY6 and not only


class PortTable:
    """Ports of one protocol in use."""

    __slots__ = ("bound", "cursor")

    def __init__(self) -> None:
        self.bound: dict[int, list[InetSocket]] = {}
        self.cursor = 0

    def bind(self, sock: InetSocket, ip: bytes, port: int) -> None:
        """Give *sock* the endpoint (ip, port); port 0 stands for any free one. EADDRINUSE."""
        if port == 0:
            port = self.free_port(sock, ip)
        elif any(self.conflict(sock, ip, other) for other in self.bound.get(port, ())):
            raise EADDRINUSE
        self.enter(sock, (ip, port))

    def enter(self, sock: InetSocket, local: Endpoint) -> None:
        """Record *sock* under *local* without asking (accepted connections share their port)."""
        sock.local = local
        self.bound.setdefault(local[1], []).append(sock)

    def remove(self, sock: InetSocket) -> None:
        users = self.bound.get(sock.local[1])
        if users is not None and sock in users:
            users.remove(sock)
            if not users:
                del self.bound[sock.local[1]]

    def free_port(self, sock: InetSocket, ip: bytes) -> int:
        """A port of the ephemeral range that nobody uses at *ip*. EADDRINUSE if there is none."""
        low, high = sock.net.port_range
        for _ in range(high - low + 1):
            self.cursor = (self.cursor + STEP) % (high - low + 1)
            port = low + self.cursor
            if not any(
                overlap(ip, sock.v6only, other.local[0], other.v6only)
                for other in self.bound.get(port, ())
            ):
                return port
        raise EADDRINUSE("no ephemeral port is left")

    def autobind(self, sock: InetSocket, ip: bytes) -> None:
        """What connect(2) and sendto(2) do to an unbound socket. EADDRNOTAVAIL."""
        try:
            self.bind(sock, ip, 0)
        except EADDRINUSE:
            raise EADDRNOTAVAIL("no ephemeral port is left") from None

    def conflict(self, sock: InetSocket, ip: bytes, other: InetSocket) -> bool:
        """True if *other* keeps *sock* from binding at *ip* on the same port."""
        if other is sock or not overlap(ip, sock.v6only, other.local[0], other.v6only):
            return False
        if sock.reuse_address and other.reuse_address and not other.listening:
            return False
        return not (sock.reuse_port and other.reuse_port and sock.creator.uid == other.creator.uid)

    def check_listen(self, sock: InetSocket) -> None:
        """EADDRINUSE if another socket listens where *sock* is to (both had SO_REUSEADDR)."""
        ip, port = sock.local
        for other in self.bound.get(port, ()):
            if other.listening and self.conflict(sock, ip, other):
                raise EADDRINUSE

    def find(self, local: Endpoint, remote: Endpoint, *, listening: bool) -> InetSocket | None:
        """The socket that a packet from *remote* to *local* belongs to (compute_score).

        Among equals the youngest wins, except that SO_REUSEPORT spreads over them by *remote*.
        """
        best: list[InetSocket] = []
        top = 0
        for sock in self.bound.get(local[1], ()):
            score = self.score(sock, local, remote, listening)
            if score > top:
                top, best = score, [sock]
            elif score and score == top:
                best.append(sock)
        if not best:
            return None
        if len(best) > 1 and best[0].reuse_port:
            return best[remote[1] % len(best)]
        return best[-1]

    def score(self, sock: InetSocket, local: Endpoint, remote: Endpoint, listening: bool) -> int:
        """How well *sock* fits; 0: not at all."""
        if listening != sock.listening:
            return 0
        ip = sock.local[0]
        score = 1
        if ip == local[0]:
            score += 4
        elif ip == ANY6:
            if is_v4(local[0]) and sock.v6only:
                return 0
        elif ip != ANY4 or not is_v4(local[0]):
            return 0
        if is_v4(ip) == is_v4(local[0]):
            score += 1
        if sock.remote is not None:
            if sock.remote != remote:
                return 0
            score += 8
        return score
