"""Calls on sockets: addresses, messages, options."""

from __future__ import annotations

import struct

from ring3.abi import socket as so
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.kinds import KINDS, enters, exits, kind, kind_of, shapes
from ring3.trace.names import names
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
socket: uenum:family sock_type protocol = fd
socketpair: uenum:family sock_type protocol >fd_pair
bind connect: fd sockaddr:2 d
shutdown: fd uenum:shutdown
sendto: fd payload:2 lu flags:msg sockaddr:5 u
send: fd payload:2 lu flags:msg
sendmsg: fd msghdr_out flags:msg
sendmmsg: fd >>mmsghdrs_out u flags:msg
accept accept4: = fd
setsockopt: fd uenum:sol sockopt_name sockopt_in:4 d
""")


# --- socket(2) ------------------------------------------------------------------------------------
@kind
def sock_type(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    flags = value & ~0xF
    if value & 0xF not in names("sock_type").by_value:
        return x.flags("sock_flags", value)
    shown = x.enum("sock_type", value & 0xF)
    return f"{shown}|{x.flags('sock_flags', flags)}" if flags else shown


@kind
def protocol(x: Frame, v: int) -> str:
    family, value = x.args[0] & 0xFFFFFFFF, v & 0xFFFFFFFF
    if family in (so.AF_INET, so.AF_INET6):
        return x.enum("ipproto", value)
    if family == so.AF_NETLINK:
        return x.enum("netlink", value)
    if family == so.AF_PACKET:
        return ether_type(x, value)
    return str(signed(v))


def ether_type(x: Frame, value: int) -> str:
    swapped = (value & 0xFF) << 8 | (value >> 8 & 0xFF)
    return f"htons({x.enum('eth_p', swapped)})"


# --- addresses ------------------------------------------------------------------------------------
def address(x: Frame, at: int, size: int) -> str:
    """A struct sockaddr of *size* bytes."""
    if size < 2:
        return addr(at)
    data = x.load(at, min(size, 128))
    if data is None:
        return addr(at)
    family = int.from_bytes(data[:2], "little")
    head = f"sa_family={x.enum('family', family)}"
    show = FAMILIES.get(family)
    inner = show(x, data) if show is not None else None
    if inner is None:
        inner = f", sa_data={x.quote(data[2:])}" if len(data) > 2 else ""
    return "{" + head + inner + "}"


def unix_address(x: Frame, data: bytes) -> str | None:
    if len(data) <= 2:
        return ""
    name = data[2:110]
    if name[0]:
        return f", sun_path={x.quote(name.split(bytes(1), 1)[0])}"
    return f", sun_path=@{x.quote(name[1:])}"


def port(data: bytes) -> str:
    return f"htons({int.from_bytes(data, 'big')})"


def inet_address(x: Frame, data: bytes) -> str | None:
    if len(data) < 16:
        return None
    where = ".".join(str(byte) for byte in data[4:8])
    return f", sin_port={port(data[2:4])}, sin_addr=inet_addr({x.quote(where.encode())})"


def inet6_address(x: Frame, data: bytes) -> str | None:
    if len(data) < 24:
        return None
    from ring3.core.light_socket import socket

    where = socket.inet_ntop(so.AF_INET6, data[8:24])
    shown = (
        f", sin6_port={port(data[2:4])}, "
        f"sin6_flowinfo=htonl({int.from_bytes(data[4:8], 'big')}), "
        f"inet_pton(AF_INET6, {x.quote(where.encode())}, &sin6_addr)"
    )
    if len(data) >= 28:
        shown += f", sin6_scope_id={int.from_bytes(data[24:28], 'little')}"
    return shown


def netlink_address(x: Frame, data: bytes) -> str | None:
    if len(data) < 12:
        return None
    who, groups = struct.unpack_from("<II", data, 4)
    return f", nl_pid={who}, nl_groups={groups:08x}"


def packet_address(x: Frame, data: bytes) -> str | None:
    if len(data) < 12:
        return None
    proto, index, kind_, packet, length = struct.unpack_from("<HiHBB", data, 2)
    where = ", ".join(hexed(b) for b in data[12 : 12 + length])
    return (
        f", sll_protocol={ether_type(x, proto)}, sll_ifindex={index}, "
        f"sll_hatype={hexed(kind_)}, sll_pkttype={packet}, sll_halen={length}, sll_addr=[{where}]"
    )


FAMILIES: dict[int, Callable[[Frame, bytes], str | None]] = {
    so.AF_UNIX: unix_address,
    so.AF_INET: inet_address,
    so.AF_INET6: inet6_address,
    so.AF_NETLINK: netlink_address,
    so.AF_PACKET: packet_address,
}


@kind_of
def sockaddr(size_at: str) -> Decoder:
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        return address(x, v, signed(x.args[at]))

    return show


def address_out(x: Frame, at: int, size_at: int, before: int | None) -> str:
    """``{sa_family=...}, [128 => 16]``: an address that the call stored."""
    after = x.number(size_at, 4, True)
    if x.failed or before is None or after is None or not at:
        told = addr(at)
        if before is None:
            return f"{told}, {addr(size_at)}"
        return f"{told}, [{before}]"
    lengths = f"[{before}]" if before == after else f"[{before} => {after}]"
    return f"{address(x, at, min(before, after))}, {lengths}"


@enters("accept", "accept4", "getsockname", "getpeername")
def accept_enter(x: Frame, a: Sequence[int]) -> str:
    x.saved = x.number(a[2], 4, True) if a[1] else None
    return f"{x.fd(a[0])}, "


@exits("accept", "accept4", "getsockname", "getpeername")
def accept_exit(x: Frame, a: Sequence[int]) -> str:
    shown = address_out(x, a[1], a[2], x.saved)
    return f"{shown}, {KINDS['accept_flags'](x, a[3])}" if x.plan.name == "accept4" else shown


@kind
def accept_flags(x: Frame, v: int) -> str:
    return x.flags("sock_flags", v & 0xFFFFFFFF)
