"""What sockets carry: buffers, messages, control messages."""

from __future__ import annotations

import struct

from ring3.abi import socket as so
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.files import iovecs
from ring3.trace.kinds import KINDS, enters, exits, kind, kind_of
from ring3.trace.netlink import messages as netlink_messages
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

from ring3.trace.sockets import address, address_out

MSGHDR = {64: struct.Struct("<QI4xQQQQI4x"), 32: struct.Struct("<IIIIIII")}
MMSGHDR = {64: 64, 32: 32}
"""Sizes of a struct mmsghdr."""


# --- data -----------------------------------------------------------------------------------------
@kind_of
def payload(size_at: str) -> Decoder:
    """What is sent: netlink messages are taken apart."""
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        size = x.args[at] & ((1 << x.word) - 1)
        return data(x, x.args[0], v, size)

    return show


def data(x: Frame, fd: int, at: int, size: int) -> str:
    family = netlink_protocol(x, fd)
    if family is not None and (whole := x.load(at, min(size, 1 << 16))) is not None:
        return netlink_messages(x, whole, family)
    return x.buffer(at, size)


def netlink_protocol(x: Frame, fd: int) -> int | None:
    """The protocol of a netlink socket; None for any other file."""
    file = x.task.fds.files.get(signed(fd))
    if getattr(file, "domain", None) != so.AF_NETLINK:
        return None
    return int(getattr(file, "protocol", 0))


@enters("recvfrom", "recv")
def recvfrom_enter(x: Frame, a: Sequence[int]) -> str:
    x.saved = x.number(a[5], 4, True) if x.plan.name == "recvfrom" else None
    return f"{x.fd(a[0])}, "


@exits("recvfrom", "recv")
def recvfrom_exit(x: Frame, a: Sequence[int]) -> str:
    got = addr(a[1]) if x.failed else data(x, a[0], a[1], x.result)
    shown = f"{got}, {a[2]}, {x.flags('msg', a[3] & 0xFFFFFFFF)}"
    if x.plan.name == "recv":
        return shown
    return f"{shown}, {address_out(x, a[4], a[5], x.saved)}"


# --- messages -------------------------------------------------------------------------------------
def message(x: Frame, at: int, fd: int, moved: int | None, sent: int | None = None) -> str:
    """A struct msghdr; *moved* bytes were received, None: it is to be sent whole."""
    form = MSGHDR[x.word]
    raw = x.load(at, form.size)
    if raw is None:
        return addr(at)
    name, name_len, vec, count, control, control_len, flags = form.unpack(raw)
    received = moved is not None
    shown = f"msg_name={address(x, name, signed(name_len)) if name_len else addr(name)}"
    if received and sent is not None and sent != name_len:
        shown += f", msg_namelen={sent} => {name_len}"
    else:
        shown += f", msg_namelen={name_len}"
    shown += f", msg_iov={message_vec(x, fd, vec, count, moved)}, msg_iovlen={count}"
    if control_len:
        if control:
            shown += f", msg_control={control_messages(x, control, control_len)}"
        else:
            shown += ", msg_control=NULL"
    shown += f", msg_controllen={control_len}, msg_flags={x.flags('msg', flags)}"
    return "{" + shown + "}"


def message_vec(x: Frame, fd: int, vec: int, count: int, moved: int | None) -> str:
    family = netlink_protocol(x, fd)
    if family is None:
        return iovecs(x, vec, count, moved)
    word = x.word // 8
    left = [moved]

    def show(one: bytes) -> str:
        base = int.from_bytes(one[:word], "little")
        size = int.from_bytes(one[word:], "little")
        have = size if left[0] is None else min(size, left[0])
        if left[0] is not None:
            left[0] -= have
        return f"{{iov_base={data(x, fd, base, have)}, iov_len={size}}}"

    return x.array(vec, count, 2 * word, show)


def control_messages(x: Frame, at: int, size: int) -> str:
    """``[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[3]}]``"""
    word = x.word // 8
    head = word + 8
    whole = x.load(at, min(size, 1 << 16))
    if whole is None:
        return addr(at)
    shown, offset = [], 0
    while offset + head <= len(whole):
        length = int.from_bytes(whole[offset : offset + word], "little")
        level, kind_ = struct.unpack_from("<ii", whole, offset + word)
        one = f"cmsg_len={length}, cmsg_level={x.enum('sol', level)}, cmsg_type="
        one += control_type(x, level, kind_)
        if length > head:
            body = whole[offset + head : offset + length]
            one += f", cmsg_data={control_data(x, level, kind_, body)}"
        shown.append("{" + one + "}")
        if length < head:
            break
        offset += (length + word - 1) & -word
    return f"[{', '.join(shown)}]"


def control_type(x: Frame, level: int, kind_: int) -> str:
    if level == so.SOL_SOCKET:
        return x.enum("scm", kind_)
    return x.enum("ip", kind_) if level == so.IPPROTO_IP else hexed(kind_)


def control_data(x: Frame, level: int, kind_: int, body: bytes) -> str:
    if level == so.SOL_SOCKET and kind_ == so.SCM_RIGHTS:
        numbers = struct.unpack_from(f"<{len(body) // 4}i", body)
        return f"[{', '.join(x.fd(n) for n in numbers)}]"
    if level == so.SOL_SOCKET and kind_ == so.SCM_CREDENTIALS and len(body) >= 12:
        who, uid, gid = struct.unpack_from("<iII", body)
        return f"{{pid={who}, uid={uid}, gid={gid}}}"
    return x.cut(body)


@kind
def msghdr_out(x: Frame, v: int) -> str:
    return message(x, v, x.args[0], None)


@enters("recvmsg")
def recvmsg_enter(x: Frame, a: Sequence[int]) -> str:
    x.saved = x.number(a[1] + x.word // 8, 4, False)
    return f"{x.fd(a[0])}, "


@exits("recvmsg")
def recvmsg_exit(x: Frame, a: Sequence[int]) -> str:
    if x.failed:
        shown = addr(a[1]) if x.saved is None else f"{{msg_namelen={x.saved}}}"
    else:
        shown = message(x, a[1], a[0], x.result, x.saved)
    return f"{shown}, {x.flags('msg', a[2] & 0xFFFFFFFF)}"


def messages(x: Frame, at: int, fd: int, count: int, received: bool) -> str:
    if not at:
        return "NULL"
    step = MMSGHDR[x.word]
    shown: list[str] = []
    for i in range(count):
        one = at + i * step
        length = x.number(one + MSGHDR[x.word].size)
        if length is None:
            return addr(at) if not shown else f"[{', '.join(shown)}, ... /* {addr(one)} */]"
        inner = message(x, one, fd, length if received else None)
        told = f", msg_len={length}" if received or not x.failed else ""
        shown.append(f"{{msg_hdr={inner}{told}}}")
        if x.abbrev and i + 1 >= x.style.strlen and i + 1 < count:
            shown.append("...")
            break
    return f"[{', '.join(shown)}]"


@kind
def mmsghdrs_out(x: Frame, v: int) -> str:
    return messages(x, v, x.args[0], x.args[2] if x.failed else x.result, False)


@enters("recvmmsg")
def recvmmsg_enter(x: Frame, a: Sequence[int]) -> str:
    x.saved = KINDS["timespec"](x, a[4])
    return f"{x.fd(a[0])}, "


@exits("recvmmsg")
def recvmmsg_exit(x: Frame, a: Sequence[int]) -> str:
    shown = addr(a[1]) if x.failed else messages(x, a[1], a[0], x.result, True)
    if not x.failed and not x.result:
        x.aux = "Timeout"
    elif not x.failed and a[4]:
        x.aux = f"left {KINDS['timespec'](x, a[4])}"
    return f"{shown}, {a[2] & 0xFFFFFFFF}, {x.flags('msg', a[3] & 0xFFFFFFFF)}, {x.saved}"
