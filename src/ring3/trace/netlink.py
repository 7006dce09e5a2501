"""Netlink messages inside what sockets carry."""

from __future__ import annotations

import struct

from ring3.abi import socket as so
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.text import hexed

if TYPE_CHECKING:
    from ring3.trace.frame import Frame

HEADER = struct.Struct("<IHHII")


def messages(x: Frame, data: bytes, protocol: int) -> str:
    """``[{nlmsg_len=20, nlmsg_type=RTM_GETLINK, ...}, ...]``, one message without the brackets."""
    shown, at = [], 0
    while at + HEADER.size <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length < HEADER.size:
            break
        shown.append(message(x, data[at : at + length], protocol))
        at += (length + 3) & -4
        if x.abbrev and len(shown) >= x.style.strlen and at < len(data):
            shown.append("...")
            break
    if not shown:
        return x.cut(data)
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def message(x: Frame, data: bytes, protocol: int) -> str:
    length, kind, flags, seq, pid = HEADER.unpack_from(data)
    head = (
        f"nlmsg_len={length}, nlmsg_type={type_name(x, kind, protocol)}, "
        f"nlmsg_flags={flag_names(x, kind, flags)}, nlmsg_seq={seq}, nlmsg_pid={pid}"
    )
    body = data[HEADER.size : length]
    if not body:
        return f"{{nlmsg_len={length}, {head.partition(', ')[2]}}}"
    return f"{{{{{head[0:]}}}, {x.cut(body)}}}"


def type_name(x: Frame, kind: int, protocol: int) -> str:
    if kind >= so.NLMSG_MIN_TYPE and protocol == so.NETLINK_ROUTE:
        return x.enum("rtm", kind)
    return x.enum("nl_type", kind) if kind < so.NLMSG_MIN_TYPE else hexed(kind)


def flag_names(x: Frame, kind: int, flags: int) -> str:
    """Flags above the first byte mean what the verb of the message says."""
    low, high = flags & 0xFF, flags & 0xFF00
    verb = {0: "nl_new", 1: "nl_del", 2: "nl_get"}.get(kind & 3) if kind >= 16 else None
    shown = [x.flags("nl_flags", low)] if low else []
    if high:
        shown.append(x.flags(verb, high) if verb else hexed(high))
    return "|".join(shown) or "0"
