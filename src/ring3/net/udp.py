"""UDP between sockets of one guest network. Source: udp(7), Linux's net/ipv4/udp.c, ipv6/udp.c."""

from __future__ import annotations

import struct

from ring3.abi.errno import (
    EACCES,
    EAFNOSUPPORT,
    ECONNREFUSED,
    EDESTADDRREQ,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOTCONN,
    EOPNOTSUPP,
    EPIPE,
)
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    IP_PKTINFO,
    IP_RECVERR,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    IPV6_RECVERR,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVPKTINFO,
    IPV6_RECVTCLASS,
    IPV6_TCLASS,
    IPV6_UNICAST_HOPS,
    MSG_OOB,
    SO_BROADCAST,
    SOCK_DGRAM,
    SOL_SOCKET,
)
from ring3.net.address import MAPPED, family_of, is_any, is_v4, load_inet, store_inet
from ring3.net.cargo import Cargo
from ring3.net.datagram import Datagram, QueueSocket
from ring3.net.inet import InetSocket
from ring3.net.link import DATA, Frame
from ring3.net.network import LOOPBACK_INDEX
from ring3.net.socket import SHUT_WRITE

if TYPE_CHECKING:
    from ring3.net.address import Endpoint
    from ring3.net.cargo import Ucred
    from ring3.net.network import Network

MOST4: Final = 65535 - 20 - 8
MOST6: Final = 65535 - 8
BROADCASTS: Final = (MAPPED + b"\xff\xff\xff\xff", MAPPED + b"\x7f\xff\xff\xff")
Option = tuple[int, int]
RECEIVES_ERRORS: Final = ((IPPROTO_IP, IP_RECVERR), (IPPROTO_IPV6, IPV6_RECVERR))
INT: Final = struct.Struct("<i")


class UdpSocket(QueueSocket, InetSocket):
    """One UDP (or UDP-Lite, which differs in its checksum) socket."""

    __slots__ = ()

    def __init__(
        self, net: Network, domain: int, protocol: int, flags: int, creator: Ucred
    ) -> None:
        super().__init__(net, domain, SOCK_DGRAM, protocol, flags, creator)
        self.set_up_inet()

    def connect(self, raw: bytes) -> None:
        """Fix the destination, and hear nobody else; AF_UNSPEC undoes it."""
        family = family_of(raw)
        if family == AF_UNSPEC:
            self.remote = None
            self.forget_source()
            return
        ip, port = self.load_destination(raw)
        ip = self.net.destination(ip)
        self.take_source(ip)  # which stays as it is when there is one from before
        self.remote = (ip, port)
        self.events.wake()

    def load_destination(self, raw: bytes) -> Endpoint:
        """The endpoint in *raw*. An IPv6 socket takes IPv4 addresses too."""
        if self.domain == AF_INET6 and family_of(raw) == AF_INET:
            if self.v6only:
                raise EAFNOSUPPORT
            return load_inet(raw, AF_INET)
        ip, port = load_inet(raw, self.domain)
        if is_v4(ip) and self.v6only:
            raise ENETUNREACH("an IPv4 address on a socket that is IPv6 only")
        return ip, port

    # --- data --------------------------------------------------------------------------------
    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        facts = cargo.facts if cargo is not None else {}
        if len(data) > 0xFFFF:
            raise EMSGSIZE
        if flags & MSG_OOB:
            raise EOPNOTSUPP
        ip, port = self.route(to)
        self.raise_error()
        if self.shut & SHUT_WRITE:
            raise EPIPE
        if len(data) > (MOST4 if is_v4(ip) else MOST6):
            raise EMSGSIZE
        if not self.local[1]:
            self.ports.autobind(self, self.any_ip)
        source = self.net.source(ip) if is_any(self.local[0]) else self.local[0]
        self.carry(data, (source, self.local[1]), (ip, port), facts)
        return len(data)

    def route(self, to: bytes | None) -> Endpoint:
        """Where a message goes. *to*: the sockaddr given with it."""
        if to is None or (self.domain == AF_INET6 and family_of(to) == AF_UNSPEC):
            if self.remote is None:
                raise EDESTADDRREQ
            return self.remote
        if self.domain == AF_INET and len(to) >= 16 and family_of(to) == AF_UNSPEC:
            to = AF_INET.to_bytes(2, "little") + to[2:]
        ip, port = self.load_destination(to)
        if port == 0:
            raise EINVAL("port 0")
        if ip in BROADCASTS and not self.options.get((SOL_SOCKET, SO_BROADCAST)):
            raise EACCES("a broadcast needs SO_BROADCAST")
        return self.net.destination(ip), port

    def carry(
        self, data: bytes, source: Endpoint, destination: Endpoint, facts: dict[Option, int]
    ) -> None:
        """Bring a message to whoever is bound to *destination*, if anybody is."""
        target = self.ports.find(destination, source, listening=False)
        if target is None:
            # The ICMP error that comes back is told to who is connected there, and to who asked.
            asked = self.remote is None and any(map(self.options.get, RECEIVES_ERRORS))
            if asked or self.remote == destination:
                self.fail(ECONNREFUSED)
            return
        assert isinstance(target, UdpSocket)
        datagram = Datagram(data, store_inet(source, target.domain))
        datagram.controls = target.describe(destination[0], self.options | facts)
        self.net.carry(Frame(target, DATA, data, datagram))

    def arrive(self, frame: Frame) -> None:
        datagram: Datagram = frame.rest
        datagram.data = frame.data
        if not self.gone and self.queued + datagram.size <= self.receive_buffer:
            self.deliver(datagram)

    def describe(self, ip: bytes, sender: dict[Option, int]) -> list[tuple[int, int, bytes]]:
        """The control messages this socket asked for, about a message to *ip*.

        *sender*: the sender's options and what it said of this message.
        """
        found = []
        wants = self.options.get
        if is_v4(ip):
            if wants((IPPROTO_IP, IP_PKTINFO)):
                info = INT.pack(LOOPBACK_INDEX) + ip[12:] + ip[12:]
                found.append((IPPROTO_IP, IP_PKTINFO, info))
            if wants((IPPROTO_IP, IP_RECVTTL)):
                found.append((IPPROTO_IP, IP_TTL, INT.pack(sender.get((IPPROTO_IP, IP_TTL), 64))))
            if wants((IPPROTO_IP, IP_RECVTOS)):
                tos = sender.get((IPPROTO_IP, IP_TOS), 0)
                found.append((IPPROTO_IP, IP_TOS, bytes([tos & 0xFF])))
        if self.domain == AF_INET6:
            if wants((IPPROTO_IPV6, IPV6_RECVPKTINFO)):
                found.append((IPPROTO_IPV6, IPV6_PKTINFO, ip + INT.pack(LOOPBACK_INDEX)))
            if wants((IPPROTO_IPV6, IPV6_RECVHOPLIMIT)):
                hops = sender.get((IPPROTO_IPV6, IPV6_UNICAST_HOPS), 64)
                hops = sender.get((IPPROTO_IPV6, IPV6_HOPLIMIT), hops)
                found.append((IPPROTO_IPV6, IPV6_HOPLIMIT, INT.pack(hops)))
            if wants((IPPROTO_IPV6, IPV6_RECVTCLASS)):
                tclass = sender.get((IPPROTO_IPV6, IPV6_TCLASS), 0)
                found.append((IPPROTO_IPV6, IPV6_TCLASS, INT.pack(tclass)))
        return found

    # --- ending ------------------------------------------------------------------------------
    def shutdown(self, how: int) -> None:
        # Linux marks the socket even where it complains.
        self.shut |= how + 1
        self.events.wake()
        if self.remote is None:
            raise ENOTCONN

    def release(self) -> None:
        if not self.gone:
            self.leave_ports()
            super().release()
