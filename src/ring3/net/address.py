"""Socket addresses: what lies in a sockaddr, and the one form the kernel keeps it in.

An internet address is kept as 16 bytes, IPv4 in its mapped form (``::ffff:a.b.c.d``), and an
endpoint is the pair (address, port). A unix name is bytes: b"" for none, a leading NUL for the
abstract namespace, else a path. Sources: ip(7), ipv6(7), unix(7), netlink(7).
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EAFNOSUPPORT, EINVAL
from ring3.abi.hints import Final
from ring3.abi.socket import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC

Endpoint = tuple[bytes, int]

MAPPED: Final = bytes(10) + b"\xff\xff"
ANY4: Final = MAPPED + bytes(4)
ANY6: Final = bytes(16)
LOOPBACK4: Final = MAPPED + b"\x7f\0\0\1"
LOOPBACK6: Final = bytes(15) + b"\1"

IN: Final = struct.Struct("<H2s4s8x")
IN6: Final = struct.Struct("<H2s4s16sI")
NL: Final = struct.Struct("<HxxII")
FAMILY: Final = struct.Struct("<H")

UN_MAX: Final = 110
"""sizeof(struct sockaddr_un)."""
IN6_OLD: Final = 24
"""sizeof(struct sockaddr_in6) before it had a scope (SIN6_LEN_RFC2133): still accepted."""


def family_of(raw: bytes) -> int:
    """The family field. EINVAL if *raw* is too short to have one."""
    if len(raw) < 2:
        raise EINVAL("socket address without a family")
    return int.from_bytes(raw[:2], "little")


def is_v4(ip: bytes) -> bool:
    return ip.startswith(MAPPED)


def is_any(ip: bytes) -> bool:
    return ip in (ANY4, ANY6)


def is_loopback(ip: bytes) -> bool:
    """True of 127.0.0.0/8 and ::1."""
    return ip[12] == 127 if is_v4(ip) else ip == LOOPBACK6


def is_multicast(ip: bytes) -> bool:
    return 224 <= ip[12] < 240 if is_v4(ip) else ip[0] == 0xFF


def text(ip: bytes) -> str:
    """For people: 127.0.0.1, ::1."""
    if is_v4(ip):
        return ".".join(map(str, ip[12:]))
    groups = [f"{int.from_bytes(ip[i : i + 2], 'big'):x}" for i in range(0, 16, 2)]
    best, at = 0, 0
    for start in range(8):
        run = 0
        while start + run < 8 and groups[start + run] == "0":
            run += 1
        if run > best:
            best, at = run, start
    if best < 2:
        return ":".join(groups)
    return ":".join(groups[:at]) + "::" + ":".join(groups[at + best :])


def load_inet(raw: bytes, domain: int) -> Endpoint:
    """The endpoint in *raw*, which has to be of *domain*. EINVAL (too short), EAFNOSUPPORT."""
    if len(raw) < (IN.size if domain == AF_INET else IN6_OLD):
        raise EINVAL("socket address too short")
    if family_of(raw) != domain:
        raise EAFNOSUPPORT("address of another family than the socket's")
    port = int.from_bytes(raw[2:4], "big")
    return (MAPPED + raw[4:8], port) if domain == AF_INET else (raw[8:24], port)


def load_bind_inet(raw: bytes, domain: int) -> Endpoint:
    """As ``load_inet``, for bind(2): AF_INET also takes 0.0.0.0 with family 0, as Linux has it."""
    if domain == AF_INET and len(raw) >= IN.size and family_of(raw) == AF_UNSPEC:
        if raw[4:8] != bytes(4):
            raise EAFNOSUPPORT
        return ANY4, int.from_bytes(raw[2:4], "big")
    return load_inet(raw, domain)


def store_inet(end: Endpoint, domain: int) -> bytes:
    """The sockaddr of *end* as a socket of *domain* shows it."""
    ip, port = end[0], end[1].to_bytes(2, "big")
    if domain == AF_INET:
        # A socket that never had an address shows 0.0.0.0.
        return IN.pack(AF_INET, port, ip[12:] if is_v4(ip) else bytes(4))
    return IN6.pack(AF_INET6, port, bytes(4), ip, 0)


def load_unix(raw: bytes) -> bytes:
    """The unix name in *raw*; b"" where it has a family and nothing else. EINVAL."""
    if len(raw) > UN_MAX or family_of(raw) != AF_UNIX:
        raise EINVAL("no address of a unix socket")
    name = raw[2:]
    return name if name.startswith(b"\0") else name.partition(b"\0")[0]


def store_unix(name: bytes) -> bytes:
    end = b"" if not name or name.startswith(b"\0") else b"\0"
    return FAMILY.pack(AF_UNIX) + name + end


def load_netlink(raw: bytes) -> tuple[int, int]:
    """(port id, multicast groups). EINVAL."""
    if len(raw) < NL.size or family_of(raw) != AF_NETLINK:
        raise EINVAL("no netlink address")
    _family, pid, groups = NL.unpack_from(raw)
    return pid, groups


def store_netlink(pid: int, groups: int) -> bytes:
    return NL.pack(AF_NETLINK, pid, groups)
