"""Options of level SOL_SOCKET that mean something. Source: socket(7), net/core/sock.c."""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_NET_ADMIN, CAP_NET_RAW
from ring3.abi.errno import (
    EACCES,
    EDOM,
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
    SO_LINGER,
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
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO_NEW,
    SO_RCVTIMEO_OLD,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDTIMEO_NEW,
    SO_SNDTIMEO_OLD,
    SO_TYPE,
    SO_ZEROCOPY,
    SOL_SOCKET,
)
from ring3.net.interfaces import LOOPBACK_NAME
from ring3.net.options import INT, getter, setter
from ring3.net.socket import FOREVER, NO_ID, Socket

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


# --- buffers ----------------------------------------------------------------------------------
@getter(SOL_SOCKET, SO_SNDBUF)
def get_send_buffer(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.send_buffer)


@getter(SOL_SOCKET, SO_RCVBUF)
def get_receive_buffer(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.receive_buffer)


def set_buffer(sock: Socket, name: int, size: int) -> None:
    """Linux keeps twice what was asked for, to have room for its own structures."""
    sock.options[SOL_SOCKET, name] = max(size * 2, LEAST[name])
    sock.host_option(SOL_SOCKET, name, INT.pack(size))


@setter(SOL_SOCKET, SO_SNDBUF)
def set_send_buffer(sock: Socket, value: Value, asker: Asker) -> None:
    set_buffer(sock, SO_SNDBUF, min(value.number() & 0xFFFFFFFF, sock.net.max_buffer))


@setter(SOL_SOCKET, SO_RCVBUF)
def set_receive_buffer(sock: Socket, value: Value, asker: Asker) -> None:
    set_buffer(sock, SO_RCVBUF, min(value.number() & 0xFFFFFFFF, sock.net.max_buffer))


@setter(SOL_SOCKET, SO_SNDBUFFORCE)
def force_send_buffer(sock: Socket, value: Value, asker: Asker) -> None:
    size = value.number()
    if not asker.capable(CAP_NET_ADMIN):
        raise EPERM("CAP_NET_ADMIN")
    set_buffer(sock, SO_SNDBUF, min(max(size, 0), MAX // 2))


@setter(SOL_SOCKET, SO_RCVBUFFORCE)
def force_receive_buffer(sock: Socket, value: Value, asker: Asker) -> None:
    size = value.number()
    if not asker.capable(CAP_NET_ADMIN):
        raise EPERM("CAP_NET_ADMIN")
    set_buffer(sock, SO_RCVBUF, min(max(size, 0), MAX // 2))


@getter(SOL_SOCKET, SO_RCVLOWAT)
def get_low_water(sock: Socket, asker: Asker) -> bytes:
    return INT.pack(sock.options.get((SOL_SOCKET, SO_RCVLOWAT), 1))


@setter(SOL_SOCKET, SO_RCVLOWAT)
def set_low_water(sock: Socket, value: Value, asker: Asker) -> None:
    number = value.number()
    number = MAX if number < 0 else number or 1
    number = sock.low_water(number)
    sock.options[SOL_SOCKET, SO_RCVLOWAT] = number
    sock.host_option(SOL_SOCKET, SO_RCVLOWAT, INT.pack(number))


# --- time -------------------------------------------------------------------------------------
def timeval(name: int, asker: Asker) -> struct.Struct:
    """The form of a timeout: the new options have 64 bits in both ABIs."""
    return TIMEVALS[64 if name in (SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW) else asker.word]


def timeout(value: Value, form: struct.Struct) -> int:
    """Nanoseconds, FOREVER for zero (sock_set_timeout). EINVAL, EDOM."""
    seconds, micros = form.unpack(value.bytes(form.size))
    if not 0 <= micros < 1_000_000:
        raise EDOM
    if seconds < 0:
        return 0
    ns = seconds * SECOND_NS + micros * 1000
    return int(ns) if 0 < ns < (1 << 62) else FOREVER


def show_timeout(ns: int, form: struct.Struct) -> bytes:
    if ns == FOREVER:
        return form.pack(0, 0)
    return form.pack(ns // SECOND_NS, ns % SECOND_NS // 1000)


def host_timeval(ns: int) -> bytes:
    """A timeout as the host takes it. What is over at once is the shortest it knows."""
    return show_timeout(max(ns, 1000) if ns != FOREVER else ns, TIMEVALS[64])


def set_receive_timeout(name: int) -> None:
    """Enter SO_RCVTIMEO under its old or its new number."""

    @getter(SOL_SOCKET, name)
    def read(sock: Socket, asker: Asker) -> bytes:
        return show_timeout(sock.receive_timeout_ns, timeval(name, asker))

    @setter(SOL_SOCKET, name)
    def write(sock: Socket, value: Value, asker: Asker) -> None:
        sock.receive_timeout_ns = timeout(value, timeval(name, asker))
        sock.host_option(SOL_SOCKET, SO_RCVTIMEO_OLD, host_timeval(sock.receive_timeout_ns))


def set_send_timeout(name: int) -> None:
    """Enter SO_SNDTIMEO under its old or its new number."""

    @getter(SOL_SOCKET, name)
    def read(sock: Socket, asker: Asker) -> bytes:
        return show_timeout(sock.send_timeout_ns, timeval(name, asker))

    @setter(SOL_SOCKET, name)
    def write(sock: Socket, value: Value, asker: Asker) -> None:
        sock.send_timeout_ns = timeout(value, timeval(name, asker))
        sock.host_option(SOL_SOCKET, SO_SNDTIMEO_OLD, host_timeval(sock.send_timeout_ns))


for number in (SO_RCVTIMEO_OLD, SO_RCVTIMEO_NEW):
    set_receive_timeout(number)
for number in (SO_SNDTIMEO_OLD, SO_SNDTIMEO_NEW):
    set_send_timeout(number)


@getter(SOL_SOCKET, SO_LINGER)
def get_linger(sock: Socket, asker: Asker) -> bytes:
    return PAIR.pack(*sock.linger)


@setter(SOL_SOCKET, SO_LINGER)
def set_linger(sock: Socket, value: Value, asker: Asker) -> None:
    on, seconds = PAIR.unpack(value.bytes(PAIR.size))
    sock.linger = (int(on != 0), seconds if on else sock.linger[1])


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
    if number >= 0 and sock.bind_fd is None:
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
