"""getsockopt(2) and setsockopt(2): which options a socket has.

Options that are merely kept are in ``option_table``. Those that mean something have functions of
their own, entered here by ``base_options`` (SOL_SOCKET) and ``inet_options``. What does not exist
gives an errno that differs by family, as on Linux.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EINVAL, ENOPROTOOPT, EOPNOTSUPP, Errno
from ring3.abi.hints import TYPE_CHECKING, Final, Protocol
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    IP_MULTICAST_TTL,
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_MULTICAST_HOPS,
    IPV6_UNICAST_HOPS,
    SOL_SOCKET,
)
from ring3.net.option_table import OPTIONS, OUR_NAMES, IntOption, belongs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.net.socket import Socket

    Getter = Callable[["Socket", "Asker"], bytes]
    Setter = Callable[["Socket", "Value", "Asker"], None]

INT: Final = struct.Struct("<i")
DEFAULT_BY_MINUS_ONE: Final = frozenset(
    (
        (IPPROTO_IP, IP_TTL),
        (IPPROTO_IP, IP_MULTICAST_TTL),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS),
        (IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
    )
)
"""Where -1 asks for the default again."""

GETTERS: Final[dict[tuple[int, int], Getter]] = {}
SETTERS: Final[dict[tuple[int, int], Setter]] = {}


class Asker(Protocol):
    """Who makes the call, and with which ABI."""

    word: int

    def capable(self, cap: int) -> bool: ...


class Value:
    """An option's new value, still in user memory."""

    __slots__ = ("length", "load")

    def __init__(self, load: Callable[[int], bytes], length: int) -> None:
        self.load = load
        """Give that many bytes from the start. EFAULT."""
        self.length = length

    def bytes(self, size: int) -> bytes:
        """The first *size* bytes; EINVAL if there are fewer."""
        if self.length < size:
            raise EINVAL("option value too short")
        return self.load(size)

    def number(self) -> int:
        return INT.unpack(self.bytes(4))[0]  # type: ignore[no-any-return]

    def byte_or_number(self) -> int:
        """IP options may be set by a single byte, and by none to 0."""
        if self.length >= 4:
            return self.number()
        return self.load(1)[0] if self.length else 0


def getter(level: int, *names: int) -> Callable[[Getter], Getter]:
    """Enter the function that reads options."""

    def enter(fn: Getter) -> Getter:
        GETTERS.update({(level, name): fn for name in names})
        return fn

    return enter


def setter(level: int, *names: int) -> Callable[[Setter], Setter]:
    """Enter the function that changes options."""

    def enter(fn: Setter) -> Setter:
        SETTERS.update({(level, name): fn for name in names})
        return fn

    return enter


def load_special() -> None:
    """Have the modules with functions of their own enter them."""
    from ring3.net import base_options, buffer_options, inet_options

    assert base_options and buffer_options and inet_options


def unknown_level(sock: Socket, level: int, setting: bool) -> type[Errno] | None:
    """What a level gives that sockets of this kind do not have; None where they have it."""
    if sock.domain == AF_UNIX:
        return EOPNOTSUPP
    if sock.domain == AF_NETLINK:
        return None if level == OUR_NAMES["SOL_NETLINK"] else ENOPROTOOPT
    known = (IPPROTO_IP, sock.protocol) + ((IPPROTO_IPV6,) if sock.domain == AF_INET6 else ())
    if level in known:
        return None
    return EOPNOTSUPP if sock.domain == AF_INET and not setting else ENOPROTOOPT


def get_option(sock: Socket, level: int, name: int, asker: Asker) -> bytes:
    """The whole value of an option."""
    if not GETTERS:
        load_special()
    wrong = None if level == SOL_SOCKET else unknown_level(sock, level, setting=False)
    if wrong is not None:
        raise wrong
    special = GETTERS.get((level, name))
    if special is not None:
        return special(sock, asker)
    option = OPTIONS.get((level, name))
    if option is None or (level, name) in SETTERS:
        raise ENOPROTOOPT(f"option {name} of level {level}")
    if level == SOL_SOCKET and option.who == "unix" and sock.domain != AF_UNIX:
        raise EOPNOTSUPP
    return INT.pack(sock.options.get((level, name), option.default))


def set_option(sock: Socket, level: int, name: int, value: Value, asker: Asker) -> None:
    if not GETTERS:
        load_special()
    wrong = None if level == SOL_SOCKET else unknown_level(sock, level, setting=True)
    if wrong is not None:
        raise wrong
    special = SETTERS.get((level, name))
    if special is not None:
        special(sock, value, asker)
        return
    number = value.byte_or_number() if level == IPPROTO_IP else value.number()
    option = OPTIONS.get((level, name))
    if option is None or option.rule == "none" or (level, name) in GETTERS:
        raise ENOPROTOOPT(f"option {name} of level {level}")
    if not belongs(option.who, sock.domain, sock.type):
        raise misplaced(level)
    keep(sock, (level, name), option, number)


def misplaced(level: int) -> type[Errno]:
    """What an option of a known level gives on the wrong kind of socket."""
    if level == IPPROTO_IP:
        return EINVAL
    return EOPNOTSUPP if level == SOL_SOCKET else ENOPROTOOPT


def keep(sock: Socket, key: tuple[int, int], option: IntOption, number: int) -> None:
    """Store *number* as the option's rule has it. EINVAL."""
    if option.rule == "bool":
        number = int(number != 0)
    elif option.rule == "bit":
        if number not in (0, 1):
            raise EINVAL("0 or 1")
    elif option.rule == "range":
        if number == -1 and key in DEFAULT_BY_MINUS_ONE:
            number = option.default
        if not option.low <= number <= option.high:
            raise EINVAL(f"{option.low} to {option.high}")
    sock.options[key] = number
