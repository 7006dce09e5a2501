"""Calls on sockets: addresses, messages, options."""

from __future__ import annotations

import socket as host
import struct
from typing import TYPE_CHECKING

from ring3.abi import socket as so
from ring3.trace.files import iovecs
from ring3.trace.kinds import KINDS, enters, exits, kind, kind_of, shapes
from ring3.trace.names import names
from ring3.trace.netlink import messages as netlink_messages
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
socket: uenum:family sock_type protocol = fd
socketpair: uenum:family sock_type protocol >fd_pair
bind connect: fd sockaddr:2 d
listen: fd d
shutdown: fd uenum:shutdown
sendto: fd payload:2 lu flags:msg sockaddr:5 u
send: fd payload:2 lu flags:msg
sendmsg: fd msghdr_out flags:msg
sendmmsg: fd >>mmsghdrs_out u flags:msg
accept accept4: = fd
setsockopt: fd uenum:sol sockopt_name sockopt_in:4 d
""")

MSGHDR = {64: struct.Struct("<QI4xQQQQI4x"), 32: struct.Struct("<IIIIIII")}
MMSGHDR = {64: 64, 32: 32}


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
    return f"htons({x.enum('eth_p', host.ntohs(value & 0xFFFF))})"


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
    where = host.inet_ntoa(data[4:8])
    return f', sin_port={port(data[2:4])}, sin_addr=inet_addr({x.quote(where.encode())})'


def inet6_address(x: Frame, data: bytes) -> str | None:
    if len(data) < 24:
        return None
    where = host.inet_ntop(host.AF_INET6, data[8:24])
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
    return x.bytes(at, size)


def netlink_protocol(x: Frame, fd: int) -> int | None:
    """The protocol of a netlink socket; None for any other file."""
    file = x.task.fds.files.get(signed(fd))
    if getattr(file, "family", None) != so.AF_NETLINK:
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
    shown = []
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
        return x.bytes(at, size)
    if level in LEVELS and size < 4:
        return addr(at)
    return x.bytes(at, size) if size >= 0 else addr(at)


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
    return x.bytes(at, size)


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


