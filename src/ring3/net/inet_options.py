"""Options of the levels IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP and SOL_NETLINK that mean something.

Source: ip(7), ipv6(7), tcp(7).
"""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_NET_ADMIN, CAP_NET_RAW
from ring3.abi.errno import EINVAL, ENODEV, ENOENT, ENOTCONN, EPERM, EPROTO
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_INET6,
    IP_ADD_MEMBERSHIP,
    IP_DROP_MEMBERSHIP,
    IP_MTU,
    IP_MULTICAST_ALL,
    IP_MULTICAST_IF,
    IP_OPTIONS,
    IP_TOS,
    IP_TRANSPARENT,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_ADD_MEMBERSHIP,
    IPV6_DROP_MEMBERSHIP,
    IPV6_MTU,
    IPV6_MULTICAST_IF,
    IPV6_TCLASS,
    IPV6_TRANSPARENT,
    IPV6_V6ONLY,
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_DROP_MEMBERSHIP,
    NETLINK_LIST_MEMBERSHIPS,
    SOCK_STREAM,
    TCP_CONGESTION,
    TCP_DEFER_ACCEPT,
    TCP_INFO,
    TCP_LINGER2,
    TCP_MAXSEG,
    TCP_ULP,
)
from ring3.net.network import LOOPBACK_INDEX
from ring3.net.option_table import OUR_NAMES
from ring3.net.options import INT, getter, setter

if TYPE_CHECKING:
    from typing import Any

    from ring3.net.options import Asker, Value
    from ring3.net.socket import Socket

SOL_NETLINK: Final = OUR_NAMES["SOL_NETLINK"]
PATH_MTU: Final = 65535
"""What IP makes of lo's MTU of 65536."""
SEGMENT: Final = {False: 65483, True: 65463}
"""Bytes of a segment over lo by IPv4 and by IPv6, with timestamps."""
CONGESTION: Final = (b"cubic", b"reno")
ECN_BITS: Final = 3
NAME_MAX: Final = 16


def kept(level: int, name: int, default: int = 0) -> None:
    """Enter the reading of an option whose setting is special."""

    @getter(level, name)
    def read(sock: Socket, asker: Asker) -> bytes:
        return INT.pack(sock.options.get((level, name), default))


def connected(sock: Any) -> bool:
    return sock.remote is not None


# --- IP ---------------------------------------------------------------------------------------
kept(IPPROTO_IP, IP_TOS)
kept(IPPROTO_IP, IP_TRANSPARENT)
kept(IPPROTO_IPV6, IPV6_TRANSPARENT)
kept(IPPROTO_IPV6, IPV6_TCLASS)


def set_class(level: int, name: int) -> None:
    """Enter the setting of the type of service; TCP keeps the two ECN bits to itself."""

    @setter(level, name)
    def write(sock: Socket, value: Value, asker: Asker) -> None:
        number = value.byte_or_number() if level == IPPROTO_IP else value.number()
        if level == IPPROTO_IPV6:
            if not -1 <= number <= 255:
                raise EINVAL
            number = max(number, 0)
        number &= 0xFF & ~ECN_BITS if sock.type == SOCK_STREAM else 0xFF
        sock.options[level, name] = number


set_class(IPPROTO_IP, IP_TOS)
set_class(IPPROTO_IPV6, IPV6_TCLASS)


def set_transparent(level: int, name: int) -> None:
    @setter(level, name)
    def write(sock: Socket, value: Value, asker: Asker) -> None:
        on = value.byte_or_number()
        if on and not asker.capable(CAP_NET_RAW) and not asker.capable(CAP_NET_ADMIN):
            raise EPERM("CAP_NET_ADMIN")
        sock.options[level, name] = int(on != 0)


set_transparent(IPPROTO_IP, IP_TRANSPARENT)
set_transparent(IPPROTO_IPV6, IPV6_TRANSPARENT)


@getter(IPPROTO_IP, IP_MTU)
@getter(IPPROTO_IPV6, IPV6_MTU)
def get_mtu(sock: Socket, asker: Asker) -> bytes:
    if not connected(sock):
        raise ENOTCONN
    return INT.pack(PATH_MTU)


@getter(IPPROTO_IP, IP_OPTIONS)
def get_ip_options(sock: Socket, asker: Asker) -> bytes:
    return b""


@setter(IPPROTO_IP, IP_OPTIONS)
def set_ip_options(sock: Socket, value: Value, asker: Asker) -> None:
    if value.length:
        raise EINVAL("IP options are not served: the guest's network has no packets")


@setter(IPPROTO_IPV6, IPV6_V6ONLY)
def set_v6only(sock: Any, value: Value, asker: Asker) -> None:
    number = value.number()
    if sock.local[1]:
        raise EINVAL("the socket is bound")
    sock.options[IPPROTO_IPV6, IPV6_V6ONLY] = int(number != 0)


kept(IPPROTO_IPV6, IPV6_V6ONLY)


# --- multicast, which lo does not have ----------------------------------------------------------
@getter(IPPROTO_IP, IP_MULTICAST_IF)
@getter(IPPROTO_IPV6, IPV6_MULTICAST_IF)
def get_multicast_interface(sock: Socket, asker: Asker) -> bytes:
    return bytes(4)


@setter(IPPROTO_IPV6, IPV6_MULTICAST_IF)
def set_multicast_interface6(sock: Socket, value: Value, asker: Asker) -> None:
    if value.number() not in (0, LOOPBACK_INDEX):
        raise ENODEV


@getter(IPPROTO_IP, IP_MULTICAST_ALL)
def get_multicast_all(sock: Socket, asker: Asker) -> bytes:
    default = int(sock.domain != AF_INET6)
    return INT.pack(sock.options.get((IPPROTO_IP, IP_MULTICAST_ALL), default))


@setter(IPPROTO_IP, IP_MULTICAST_ALL)
def set_multicast_all(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.byte_or_number()
    if number not in (0, 1):
        raise EINVAL
    sock.options[IPPROTO_IP, IP_MULTICAST_ALL] = number


@setter(IPPROTO_IP, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP)
def set_membership(sock: Socket, value: Value, asker: Asker) -> None:
    if sock.type == SOCK_STREAM:
        raise EPROTO
    value.bytes(8)
    raise ENODEV("no interface of the guest's network has multicast")


@setter(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP)
def set_membership6(sock: Socket, value: Value, asker: Asker) -> None:
    value.bytes(20)
    if sock.type == SOCK_STREAM:
        raise EPROTO
    raise ENODEV("no interface of the guest's network has multicast")


# --- TCP --------------------------------------------------------------------------------------
@getter(IPPROTO_TCP, TCP_MAXSEG)
def get_segment(sock: Socket, asker: Asker) -> bytes:
    if connected(sock):
        return INT.pack(SEGMENT[sock.domain == AF_INET6])
    return INT.pack(sock.options.get((IPPROTO_TCP, TCP_MAXSEG), 0) or 536)


@setter(IPPROTO_TCP, TCP_MAXSEG)
def set_segment(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    if number and not 88 <= number <= 32767:
        raise EINVAL
    sock.options[IPPROTO_TCP, TCP_MAXSEG] = number


kept(IPPROTO_TCP, TCP_LINGER2, 60)
kept(IPPROTO_TCP, TCP_DEFER_ACCEPT)


@setter(IPPROTO_TCP, TCP_LINGER2)
def set_linger2(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    sock.options[IPPROTO_TCP, TCP_LINGER2] = -1 if number < 0 else min(number or 60, 120)


@setter(IPPROTO_TCP, TCP_DEFER_ACCEPT)
def set_defer(sock: Socket, value: Value, asker: Asker) -> None:
    """Kept in retransmissions, told in seconds (secs_to_retrans and back)."""
    seconds, period, total = value.number(), 1, 0
    while total < seconds:
        total += period
        period = min(period * 2, 120)
    sock.options[IPPROTO_TCP, TCP_DEFER_ACCEPT] = total


@getter(IPPROTO_TCP, TCP_CONGESTION)
def get_congestion(sock: Socket, asker: Asker) -> bytes:
    chosen = sock.options.get((IPPROTO_TCP, TCP_CONGESTION), 0)
    return CONGESTION[chosen].ljust(NAME_MAX, b"\0")


@setter(IPPROTO_TCP, TCP_CONGESTION)
def set_congestion(sock: Socket, value: Value, asker: Asker) -> None:
    if value.length < 1:
        raise EINVAL
    name = value.load(min(value.length, NAME_MAX - 1)).partition(b"\0")[0]
    if name not in CONGESTION:
        raise ENOENT
    sock.options[IPPROTO_TCP, TCP_CONGESTION] = CONGESTION.index(name)


@getter(IPPROTO_TCP, TCP_ULP)
def get_ulp(sock: Socket, asker: Asker) -> bytes:
    return b""


@setter(IPPROTO_TCP, TCP_ULP)
def set_ulp(sock: Socket, value: Value, asker: Asker) -> None:
    if value.length < 1:
        raise EINVAL
    raise ENOENT("no upper layer protocol is served")


@getter(IPPROTO_TCP, TCP_INFO)
def get_info(sock: Any, asker: Asker) -> bytes:
    """State, and the figures of an idle connection over loopback; counters are zero."""
    segment = SEGMENT[sock.domain == AF_INET6]
    times = (200_000, 40_000, segment, 536)
    path = (0, 0, 0, 0, 0, 0, 0, 0, 0, PATH_MTU, 33280, 20, 10, 0x7FFFFFFF, 10, segment, 3, 0)
    head = struct.pack("<8B", sock.tcp_state, 0, 0, 0, 0, 7, 0x77, 0)
    body = struct.pack(f"<{len(times) + len(path)}I", *times, *path) + struct.pack("<I", segment)
    return (head + body).ljust(232, b"\0")


# --- netlink ----------------------------------------------------------------------------------
@setter(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP)
def leave_netlink_group(sock: Any, value: Value, asker: Asker) -> None:
    number = value.number()
    if not 0 < number <= 64:
        raise EINVAL
    sock.groups &= ~(1 << (number - 1))


@setter(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP)
def join_netlink_group(sock: Any, value: Value, asker: Asker) -> None:
    number = value.number()
    if not 0 < number <= 64:
        raise EINVAL
    # Nothing ever happens to the guest's one interface, so members hear nothing.
    if number <= 32:
        sock.groups |= 1 << (number - 1)


@getter(SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS)
def get_netlink_groups(sock: Any, asker: Asker) -> bytes:
    return struct.pack("<I", sock.groups & 0xFFFFFFFF)
