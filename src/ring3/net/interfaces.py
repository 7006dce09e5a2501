"""ioctls of sockets: the interface calls of netdevice(7), and the queue sizes.

There is one interface, lo. Nothing about it can be changed.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EADDRNOTAVAIL, EINVAL, ENODEV, ENOTTY, EPERM
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.ioctl import (
    FIONREAD,
    SIOCATMARK,
    SIOCGIFADDR,
    SIOCGIFBRDADDR,
    SIOCGIFCONF,
    SIOCGIFDSTADDR,
    SIOCGIFFLAGS,
    SIOCGIFHWADDR,
    SIOCGIFINDEX,
    SIOCGIFMAP,
    SIOCGIFMETRIC,
    SIOCGIFMTU,
    SIOCGIFNAME,
    SIOCGIFNETMASK,
    SIOCGIFTXQLEN,
    SIOCSIFADDR,
    SIOCSIFFLAGS,
    SIOCSIFMTU,
    SIOCSIFNETMASK,
    TIOCOUTQ,
)
from ring3.abi.socket import (
    AF_INET,
    ARPHRD_LOOPBACK,
    IFF_LOOPBACK,
    IFF_LOWER_UP,
    IFF_RUNNING,
    IFF_UP,
)
from ring3.net.address import LOOPBACK4, store_inet
from ring3.net.network import LOOPBACK_INDEX, LOOPBACK_MTU

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.net.socket import Socket

LOOPBACK_NAME: Final = b"lo"
LOOPBACK_FLAGS: Final = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP
IFNAMSIZ: Final = 16
IFREQ: Final = {64: 40, 32: 32}
"""sizeof(struct ifreq) by word size."""
INT: Final = struct.Struct("<i")
CHANGING: Final = frozenset((SIOCSIFADDR, SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFNETMASK))


def loopback_address() -> bytes:
    return store_inet((LOOPBACK4, 0), AF_INET)


def mask() -> bytes:
    return store_inet((LOOPBACK4[:12] + b"\xff\0\0\0", 0), AF_INET)


def value_of(request: int) -> bytes:
    """What *request* puts behind the name in a struct ifreq about lo. ENOTTY."""
    if request == SIOCGIFFLAGS:
        return struct.pack("<H", LOOPBACK_FLAGS & 0xFFFF)
    if request in (SIOCGIFADDR, SIOCGIFDSTADDR):
        return loopback_address()
    if request == SIOCGIFBRDADDR:
        return store_inet((LOOPBACK4[:12] + bytes(4), 0), AF_INET)
    if request == SIOCGIFNETMASK:
        return mask()
    if request == SIOCGIFHWADDR:
        return struct.pack("<H14x", ARPHRD_LOOPBACK)
    ints = {
        SIOCGIFINDEX: LOOPBACK_INDEX,
        SIOCGIFMTU: LOOPBACK_MTU,
        SIOCGIFMETRIC: 0,
        SIOCGIFTXQLEN: 1000,
    }
    if request in ints:
        return INT.pack(ints[request])
    if request == SIOCGIFMAP:
        return bytes(16)
    raise ENOTTY


def socket_ioctl(sock: Socket, memory: Memory, request: int, arg: int) -> int:
    """ioctl(2) of any socket."""
    if request == FIONREAD:
        memory.store(arg, INT.pack(sock.unread_bytes()))
    elif request == TIOCOUTQ:
        memory.store(arg, INT.pack(sock.unsent_bytes()))
    elif request == SIOCATMARK:
        memory.store(arg, INT.pack(sock.at_mark()))
    elif request == SIOCGIFCONF:
        configuration(memory, arg)
    elif request == SIOCGIFNAME:
        name_of_index(memory, arg)
    elif request in CHANGING:
        raise EPERM("the guest's network cannot be changed")
    else:
        ask(sock, memory, request, arg)
    return 0


def ask(sock: Socket, memory: Memory, request: int, arg: int) -> None:
    """One of the calls that take a struct ifreq with the interface's name."""
    value = value_of(request)
    name = memory.load(arg, IFREQ[memory.word])[:IFNAMSIZ].partition(b"\0")[0]
    if name.partition(b":")[0] != LOOPBACK_NAME:
        raise ENODEV
    if name != LOOPBACK_NAME and request in (SIOCGIFADDR, SIOCGIFNETMASK):
        raise EADDRNOTAVAIL("no such alias")
    memory.store(arg + IFNAMSIZ, value)


def configuration(memory: Memory, arg: int) -> None:
    """SIOCGIFCONF: all interfaces with an IPv4 address, as many as fit."""
    form = struct.Struct("<i4xQ" if memory.word == 64 else "<iI")
    room, buffer = form.unpack(memory.load(arg, form.size))
    if room < 0:
        raise EINVAL
    size = IFREQ[memory.word]
    entry = LOOPBACK_NAME.ljust(IFNAMSIZ, b"\0") + loopback_address()
    if not buffer:
        length = size
    elif room < size:
        length = 0
    else:
        memory.store(buffer, entry.ljust(size, b"\0"))
        length = size
    memory.store(arg, INT.pack(length))


def name_of_index(memory: Memory, arg: int) -> None:
    """SIOCGIFNAME: the name for ifr_ifindex."""
    data = memory.load(arg, IFREQ[memory.word])
    if INT.unpack_from(data, IFNAMSIZ)[0] != LOOPBACK_INDEX:
        raise ENODEV
    memory.store(arg, LOOPBACK_NAME.ljust(IFNAMSIZ, b"\0"))
