"""Options of level SOL_SOCKET about buffers and time. Source: socket(7), net/core/sock.c."""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_NET_ADMIN
from ring3.abi.errno import EDOM, EPERM
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    SO_LINGER,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO_NEW,
    SO_RCVTIMEO_OLD,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDTIMEO_NEW,
    SO_SNDTIMEO_OLD,
    SOL_SOCKET,
)
from ring3.net.options import INT, getter, setter
from ring3.net.socket import FOREVER, Socket

if TYPE_CHECKING:
    from ring3.net.options import Asker, Value

MAX: Final = 0x7FFFFFFF
LEAST: Final = {SO_SNDBUF: 4608, SO_RCVBUF: 2304}
"""SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF: bytes as the options show them."""
PAIR: Final = struct.Struct("<ii")
TIMEVALS: Final = {64: struct.Struct("<qq"), 32: struct.Struct("<ii")}
SECOND_NS: Final = 1_000_000_000


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
