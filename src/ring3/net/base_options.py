"""Options of level SOL_SOCKET that mean something. Source: socket(7), net/core/sock.c."""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_NET_ADMIN, CAP_NET_RAW
from ring3.abi.errno import (
    EACCES,
    EINVAL,
    ENODATA,
    ENODEV,
    ENOENT,
    ENOPROTOOPT,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    SO_ACCEPTCONN,
    SO_ATTACH_FILTER,
    SO_BINDTODEVICE,
    SO_BSDCOMPAT,
    SO_COOKIE,
    SO_DEBUG,
    SO_DETACH_FILTER,
    SO_DOMAIN,
    SO_ERROR,
    SO_MARK,
    SO_MEMINFO,
    SO_OOBINLINE,
    SO_PEEK_OFF,
    SO_PEERCRED,
    SO_PEERGROUPS,
    SO_PEERNAME,
    SO_PRIORITY,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_TYPE,
    SO_ZEROCOPY,
    SOL_SOCKET,
)
from ring3.net.cargo import NO_ID
from ring3.net.interfaces import LOOPBACK_NAME
from ring3.net.options import INT, getter, setter
from ring3.net.socket import Socket

if TYPE_CHECKING:
    from ring3.net.options import Asker, Value

MAX: Final = 0x7FFFFFFF
LEAST: Final = {SO_SNDBUF: 4608, SO_RCVBUF: 2304}
"""SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF: bytes as the options show them."""
UCRED: Final = struct.Struct("<3I")
PAIR: Final = struct.Struct("<ii")
TIMEVALS: Final = {64: struct.Struct("<qq"), 32: struct.Struct("<ii")}
SECOND_NS: Final = 1_000_000_000
IFNAMSIZ: Final = 16


# --- read only --------------------------------------------------------------------------------
@getter(SOL_SOCKET, SO_TYPE)
def get_type(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.type)


@getter(SOL_SOCKET, SO_DOMAIN)
def get_domain(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.domain)


@getter(SOL_SOCKET, SO_PROTOCOL)
def get_protocol(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.protocol)


@getter(SOL_SOCKET, SO_ERROR)
def get_error(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.take_error())


@getter(SOL_SOCKET, SO_ACCEPTCONN)
def get_accepting(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.listening)


@getter(SOL_SOCKET, SO_PEERCRED)
def get_peer_cred(sock: Socket, asker: Asker) -> bytes:
    cred = sock.peer_cred
    if cred is None:
        return UCRED.pack(0, NO_ID, NO_ID)
    return UCRED.pack(cred.pid, cred.uid, cred.gid)


@getter(SOL_SOCKET, SO_PEERGROUPS)
def get_peer_groups(sock: Socket, asker: Asker) -> bytes:
    cred = sock.peer_cred
    if cred is None:
        raise ENODATA
    return struct.pack(f"<{len(cred.groups)}I", *cred.groups)


@getter(SOL_SOCKET, SO_PEERNAME)
def get_peer_name(sock: Socket, asker: Asker) -> bytes:
    try:
        return sock.getpeername()
    except EOPNOTSUPP:
        raise ENOTCONN from None


@getter(SOL_SOCKET, SO_COOKIE)
def get_cookie(sock: Socket, asker: Asker) -> bytes:
    return struct.pack("<Q", sock.ino)


@getter(SOL_SOCKET, SO_MEMINFO)
def get_memory(sock: Socket, asker: Asker) -> bytes:
    return struct.pack("<9I", 0, sock.receive_buffer, 0, sock.send_buffer, 0, 0, 0, 0, 0)


# --- what needs a capability, or is not there ---------------------------------------------------
@setter(SOL_SOCKET, SO_DEBUG)
def set_debug(sock: Socket, value: Value, asker: Asker) -> None:
    on = value.number()
    if on and not asker.capable(CAP_NET_ADMIN):
        raise EACCES("CAP_NET_ADMIN")
    sock.options[SOL_SOCKET, SO_DEBUG] = int(on != 0)


@setter(SOL_SOCKET, SO_MARK)
def set_mark(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    if not asker.capable(CAP_NET_ADMIN) and not asker.capable(CAP_NET_RAW):
        raise EPERM("CAP_NET_ADMIN")
    sock.options[SOL_SOCKET, SO_MARK] = number


@setter(SOL_SOCKET, SO_PRIORITY)
def set_priority(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    if not 0 <= number <= 6 and not asker.capable(CAP_NET_ADMIN):
        raise EPERM("CAP_NET_ADMIN")
    sock.options[SOL_SOCKET, SO_PRIORITY] = number


def kept(name: int, default: int = 0) -> None:
    """Enter the reading of an option whose setting is special."""

    @getter(SOL_SOCKET, name)
    def read(sock: Socket, asker: Asker) -> bytes:
        return INT.pack(sock.options.get((SOL_SOCKET, name), default))


for number in (
    SO_DEBUG,
    SO_MARK,
    SO_PRIORITY,
    SO_ZEROCOPY,
    SO_REUSEPORT,
    SO_BSDCOMPAT,
    SO_OOBINLINE,
):
    kept(number)
kept(SO_PEEK_OFF, -1)


@setter(SOL_SOCKET, SO_OOBINLINE)
def set_inline(sock: Socket, value: Value, asker: Asker) -> None:
    """Urgent data in its place among the rest: the host's to arrange."""
    on = int(value.number() != 0)
    sock.options[SOL_SOCKET, SO_OOBINLINE] = on
    sock.host_option(SOL_SOCKET, SO_OOBINLINE, INT.pack(on))


@setter(SOL_SOCKET, SO_BSDCOMPAT)
def set_nothing(sock: Socket, value: Value, asker: Asker) -> None:
    value.number()


@setter(SOL_SOCKET, SO_REUSEPORT)
def set_reuse_port(sock: Socket, value: Value, asker: Asker) -> None:
    on = int(value.number() != 0)
    if on and sock.domain not in (AF_INET, AF_INET6):
        raise EOPNOTSUPP
    sock.options[SOL_SOCKET, SO_REUSEPORT] = on


@setter(SOL_SOCKET, SO_PEEK_OFF)
def set_peek_offset(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    if number >= 0 and not sock.peeks_at_offset:
        raise EOPNOTSUPP("datagrams are always peeked at from their start")
    sock.options[SOL_SOCKET, SO_PEEK_OFF] = number
    sock.host_option(SOL_SOCKET, SO_PEEK_OFF, INT.pack(number))


@setter(SOL_SOCKET, SO_ZEROCOPY)
def set_zero_copy(sock: Socket, value: Value, asker: Asker) -> None:
    if value.number():
        raise EOPNOTSUPP("there are no completion notices for MSG_ZEROCOPY")


@getter(SOL_SOCKET, SO_BINDTODEVICE)
def get_device(sock: Socket, asker: Asker) -> bytes:
    return LOOPBACK_NAME + b"\0" if sock.options.get((SOL_SOCKET, SO_BINDTODEVICE)) else b""


@setter(SOL_SOCKET, SO_BINDTODEVICE)
def set_device(sock: Socket, value: Value, asker: Asker) -> None:
    name = value.load(min(value.length, IFNAMSIZ - 1)).partition(b"\0")[0]
    if name not in (b"", LOOPBACK_NAME):
        raise ENODEV
    sock.options[SOL_SOCKET, SO_BINDTODEVICE] = int(bool(name))


@setter(SOL_SOCKET, SO_ATTACH_FILTER)
def set_filter(sock: Socket, value: Value, asker: Asker) -> None:
    if value.length != (16 if asker.word == 64 else 8):
        raise EINVAL("struct sock_fprog")
    if sock.domain != AF_NETLINK:
        raise ENOPROTOOPT("socket filters are not served")
    # A netlink socket that nothing is sent to has nothing to filter.


@setter(SOL_SOCKET, SO_DETACH_FILTER)
def drop_filter(sock: Socket, value: Value, asker: Asker) -> None:
    value.number()
    raise ENOENT
