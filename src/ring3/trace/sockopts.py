"""Socket options and their values."""

from __future__ import annotations

import struct

from ring3.abi import socket as so
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.kinds import enters, exits, kind, kind_of
from ring3.trace.text import addr, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame

# --- options --------------------------------------------------------------------------------------
LEVELS = {
    so.SOL_SOCKET: "so",
    so.IPPROTO_IP: "ip",
    so.IPPROTO_IPV6: "ipv6",
    so.IPPROTO_TCP: "tcp",
    so.IPPROTO_UDP: "udp",
    so.SOL_NETLINK: "netlink_opt",
    so.SOL_PACKET: "packet_opt",
}


@kind
def sockopt_name(x: Frame, v: int) -> str:
    which = LEVELS.get(x.args[1] & 0xFFFFFFFF)
    return x.enum(which, v & 0xFFFFFFFF) if which else str(v & 0xFFFFFFFF)


def option_value(x: Frame, level: int, name: int, at: int, size: int) -> str:
    """The value of an option, *size* bytes."""
    if level == so.SOL_SOCKET:
        show = SOCKET_OPTIONS.get(name)
        if show is not None:
            return show(x, at, size)
    if size == 4:
        number = x.number(at, 4, True)
        return addr(at) if number is None else f"[{number}]"
    if level == so.IPPROTO_TCP and name == so.TCP_CONGESTION:
        return x.buffer(at, size)
    if level in LEVELS and size < 4:
        return addr(at)
    return x.buffer(at, size) if size >= 0 else addr(at)


def linger(x: Frame, at: int, size: int) -> str:
    raw = x.load(at, 8) if size >= 8 else None
    if raw is None:
        return addr(at)
    on, seconds = struct.unpack("<ii", raw)
    return f"{{l_onoff={on}, l_linger={seconds}}}"


def credentials(x: Frame, at: int, size: int) -> str:
    raw = x.load(at, 12) if size >= 12 else None
    if raw is None:
        return addr(at)
    who, uid, gid = struct.unpack("<iii", raw)
    return f"{{pid={who}, uid={uid}, gid={gid}}}"


def error_word(x: Frame, at: int, size: int) -> str:
    from ring3.abi.errno import NAMES

    number = x.number(at, 4)
    if number is None or size < 4:
        return addr(at)
    return f"[{NAMES.get(number, number) if number else 0}]"


def device(x: Frame, at: int, size: int) -> str:
    return x.buffer(at, size)


SOCKET_OPTIONS: dict[int, Callable[[Frame, int, int], str]] = {
    so.SO_LINGER: linger,
    so.SO_PEERCRED: credentials,
    so.SO_ERROR: error_word,
    so.SO_BINDTODEVICE: device,
}


@kind_of
def sockopt_in(size_at: str) -> Decoder:
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        size = signed(x.args[at])
        return option_value(x, x.args[1] & 0xFFFFFFFF, x.args[2] & 0xFFFFFFFF, v, size)

    return show


@enters("getsockopt")
def getsockopt_enter(x: Frame, a: Sequence[int]) -> str:
    x.saved = x.number(a[4], 4, True)
    return f"{x.fd(a[0])}, {x.enum('sol', a[1] & 0xFFFFFFFF)}, {sockopt_name(x, a[2])}, "


@exits("getsockopt")
def getsockopt_exit(x: Frame, a: Sequence[int]) -> str:
    before, after = x.saved, x.number(a[4], 4, True)
    if before is None or after is None:
        return f"{addr(a[3])}, {addr(a[4])}"
    if x.failed:
        return f"{addr(a[3])}, [{before}]"
    shown = option_value(x, a[1] & 0xFFFFFFFF, a[2] & 0xFFFFFFFF, a[3], after)
    lengths = f"[{before}]" if before == after else f"[{before} => {after}]"
    return f"{shown}, {lengths}"
