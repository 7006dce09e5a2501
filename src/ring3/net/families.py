"""socket(2) and socketpair(2): which families, types and protocols there are.

Errors in the order of __sock_create, unix_create, inet_create, inet6_create, netlink_create.
"""

from __future__ import annotations

from ring3.abi.errno import (
    EACCES,
    EAFNOSUPPORT,
    EINVAL,
    EOPNOTSUPP,
    EPERM,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_PACKET,
    AF_UNIX,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_UDPLITE,
    SOCK_DGRAM,
    SOCK_PACKET,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)

if TYPE_CHECKING:
    from ring3.net.cargo import Ucred
    from ring3.net.network import Network
    from ring3.net.socket import Socket

FAMILIES: Final = 46
"""AF_MAX of Linux 7.2."""
TYPES: Final = 11
"""SOCK_MAX."""
PROTOCOLS: Final = 263
"""IPPROTO_MAX."""
INET_PROTOCOLS: Final = {
    SOCK_STREAM: (IPPROTO_TCP,),
    SOCK_DGRAM: (IPPROTO_UDP, IPPROTO_UDPLITE),
}
"""By type; the first is what protocol 0 stands for."""


def create(
    net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred, raw: bool
) -> Socket:
    """A fresh socket. *flags*: O_NONBLOCK or 0; *raw*: the caller has CAP_NET_RAW."""
    if not 0 <= domain < FAMILIES:
        raise EAFNOSUPPORT
    if not 0 <= type_ < TYPES:
        raise EINVAL("socket type")
    if domain == AF_INET and type_ == SOCK_PACKET:
        domain = AF_PACKET
    if domain == AF_UNIX:
        check_unix(type_, protocol)
        from ring3.net import unix

        return unix.make(net, type_, flags, creator)
    if domain in (AF_INET, AF_INET6):
        return create_inet(net, domain, type_, protocol, flags, creator, raw)
    if domain == AF_NETLINK:
        from ring3.net import netlink

        return netlink.make(net, type_, protocol, flags, creator)
    if domain == AF_PACKET and not raw:
        raise EPERM("CAP_NET_RAW")
    raise EAFNOSUPPORT(f"address family {domain} is not served")


def check_unix(type_: int, protocol: int) -> None:
    if protocol not in (0, AF_UNIX):
        raise EPROTONOSUPPORT
    if type_ not in (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET):
        raise ESOCKTNOSUPPORT


def create_inet(
    net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred, raw: bool
) -> Socket:
    if not 0 <= protocol < PROTOCOLS:
        raise EINVAL("protocol")
    if type_ == SOCK_RAW:
        if protocol == 0:
            raise EPROTONOSUPPORT
        if not raw:
            raise EPERM("CAP_NET_RAW")
        raise EPERM("raw sockets are not served: the guest's network has no packets")
    if type_ not in INET_PROTOCOLS:
        raise ESOCKTNOSUPPORT
    ping = IPPROTO_ICMP if domain == AF_INET else IPPROTO_ICMPV6
    if type_ == SOCK_DGRAM and protocol == ping:
        raise EACCES("no group may send pings (net.ipv4.ping_group_range)")
    protocol = protocol or INET_PROTOCOLS[type_][0]
    if protocol not in INET_PROTOCOLS[type_]:
        raise EPROTONOSUPPORT
    if type_ == SOCK_STREAM:
        from ring3.net.tcp import TcpSocket

        return TcpSocket(net, domain, flags, creator)
    from ring3.net.udp import UdpSocket

    return UdpSocket(net, domain, protocol, flags, creator)


def create_pair(
    net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred, raw: bool
) -> tuple[Socket, Socket]:
    """socketpair(2): what is no unix socket can be made, but not in pairs."""
    if domain != AF_UNIX:
        create(net, domain, type_, protocol, flags, creator, raw).release()
        raise EOPNOTSUPP
    if not 0 <= type_ < TYPES:
        raise EINVAL("socket type")
    check_unix(type_, protocol)
    from ring3.net import unix

    return unix.pair(net, SOCK_DGRAM if type_ == SOCK_RAW else type_, flags, creator)
