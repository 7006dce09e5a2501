"""The texts of /proc/net. ``FILES`` has, per file name, a function of the world.

Counters of packets are zero: the guest's network has none. Formats: net/ipv4/tcp_ipv4.c, udp.c,
net/unix/af_unix.c.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_UDPLITE,
)
from ring3.net.address import LOOPBACK6
from ring3.net.interfaces import LOOPBACK_NAME
from ring3.net.network import LOOPBACK_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring3.net.address import Endpoint
    from ring3.net.network import Network
    from ring3.net.socket import Socket

TCP_WIDTH: Final = 149
UDP_WIDTH: Final = 127
COLUMNS: Final = "local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
TCP_HEAD: Final = f"  sl  {COLUMNS}timeout inode"
UDP_HEAD: Final = f"   sl  {COLUMNS}timeout inode ref pointer drops"
SIX: Final = ("local_address rem_address   ", f"{'local_address':<38}{'remote_address':<38}")
ESTABLISHED: Final = 1
CLOSE: Final = 7
ACCEPTING: Final = 0x10000
UNCONNECTED: Final = 1
CONNECTING: Final = 2
CONNECTED: Final = 3
UNSEEN: Final = "0" * 16
"""A kernel address, as those who may not see it are shown it."""


def sockets(world: Any, domain: int, protocol: int | None = None) -> Iterator[Any]:
    """The sockets of a kind, oldest first."""
    net: Network | None = world.net
    if net is None:
        return
    for sock in list(net.sockets.values()):
        if sock.domain == domain and protocol in (None, sock.protocol):
            yield sock


def endpoint(end: Endpoint | None, domain: int) -> str:
    """An address as the host's words in hexadecimal, and a port."""
    ip, port = end if end is not None else (bytes(16), 0)
    ip = ip[12:] if domain == AF_INET else ip
    words = struct.unpack(f"<{len(ip) // 4}I", ip)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def inode_of(sock: Socket) -> int:
    """A connection that nobody accepted yet has none."""
    return sock.ino if sock.refs else 0


def tcp(domain: int) -> Callable[[Any], bytes]:
    def text(world: Any) -> bytes:
        lines = [TCP_HEAD.replace(*SIX) if domain == AF_INET6 else TCP_HEAD.ljust(TCP_WIDTH)]
        for sock in sockets(world, domain, IPPROTO_TCP):
            state = sock.tcp_state
            if state == CLOSE:
                continue
            waiting = len(sock.accepted) if sock.listening else sock.unread_bytes()
            unsent = 0 if sock.listening else sock.unsent_bytes()
            tail = "100 0 0 10 0" if sock.listening else "20 4 30 10 -1"
            line = (
                f"{len(lines) - 1:4d}: {endpoint(sock.local, domain)} "
                f"{endpoint(sock.remote, domain)} {state:02X} {unsent:08X}:{waiting:08X} "
                f"00:00000000 00000000 {sock.creator.uid:5d}        0 {inode_of(sock)} 1 "
                f"{UNSEEN} {tail}"
            )
            lines.append(line.ljust(TCP_WIDTH) if domain == AF_INET else line)
        return ("\n".join(lines) + "\n").encode()

    return text


def udp(domain: int, protocol: int) -> Callable[[Any], bytes]:
    def text(world: Any) -> bytes:
        lines = [UDP_HEAD[1:].replace(*SIX) if domain == AF_INET6 else UDP_HEAD.ljust(UDP_WIDTH)]
        for sock in sockets(world, domain, protocol):
            if not sock.local[1]:
                continue
            state = ESTABLISHED if sock.remote is not None else CLOSE
            line = (
                f"{sock.local[1]:5d}: {endpoint(sock.local, domain)} "
                f"{endpoint(sock.remote, domain)} {state:02X} 00000000:{sock.queued:08X} "
                f"00:00000000 00000000 {sock.creator.uid:5d}        0 {sock.ino} 2 {UNSEEN} 0"
            )
            lines.append(line.ljust(UDP_WIDTH) if domain == AF_INET else line)
        return ("\n".join(lines) + "\n").encode()

    return text


def unix(world: Any) -> bytes:
    lines = [b"Num       RefCount Protocol Flags    Type St Inode Path\n"]
    for sock in sockets(world, AF_UNIX):
        connected = getattr(sock, "partner", None) or getattr(sock, "peer", None)
        state = UNCONNECTED
        if connected is not None and not sock.listening:
            state = CONNECTED if sock.refs else CONNECTING
        flags = ACCEPTING if sock.listening else 0
        name = sock.named.name
        path = b"@" + name[1:] if name.startswith(b"\0") else name
        lines.append(
            f"{UNSEEN}: {2 + (connected is not None):08X} 00000000 {flags:08X} {sock.type:04X}"
            f" {state:02X} {inode_of(sock):5d}".encode()
            + (b" " + path if path else b"")
            + b"\n"
        )
    return b"".join(lines)


def netlink(world: Any) -> bytes:
    lines = [
        "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
    ]
    lines += [
        f"{UNSEEN} {sock.protocol:<3d} {sock.port_id:<10d} {sock.groups:08x} {sock.queued:<8d} "
        f"0        0     2        0        {sock.ino:<8d}\n"
        for sock in sockets(world, AF_NETLINK)
    ]
    return "".join(lines).encode()


def dev(world: Any) -> bytes:
    name = LOOPBACK_NAME.decode()
    received = "      0       0    0    0    0     0          0         0"
    sent = "       0       0    0    0    0     0       0          0"
    return (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs"
        " drop fifo colls carrier compressed\n"
        f"{name:>6}: {received} {sent}\n"
    ).encode()


def if_inet6(world: Any) -> bytes:
    name = LOOPBACK_NAME.decode()
    return f"{LOOPBACK6.hex()} {LOOPBACK_INDEX:02x} 80 10 80 {name:>8}\n".encode()


def ipv6_route(world: Any) -> bytes:
    zero = "0" * 32
    name = LOOPBACK_NAME.decode()
    return (
        f"{LOOPBACK6.hex()} 80 {zero} 00 {zero} 00000000 00000001 00000000 80200001 {name:>8}\n"
    ).encode()


def count(world: Any, domain: int, protocol: int) -> int:
    return sum(bool(sock.local[1]) for sock in sockets(world, domain, protocol))


def sockstat(world: Any) -> bytes:
    net: Network | None = world.net
    used = len(net.sockets) if net is not None else 0
    orphans = len(net.ends.orphans) if net is not None else 0
    four = [count(world, AF_INET, p) for p in (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE)]
    return (
        f"sockets: used {used}\n"
        f"TCP: inuse {four[0]} orphan {orphans} tw 0 alloc {four[0]} mem 0\n"
        f"UDP: inuse {four[1]} mem 0\nUDPLITE: inuse {four[2]}\nRAW: inuse 0\n"
        "FRAG: inuse 0 memory 0\n"
    ).encode()


def sockstat6(world: Any) -> bytes:
    six = [count(world, AF_INET6, p) for p in (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE)]
    return (
        f"TCP6: inuse {six[0]}\nUDP6: inuse {six[1]}\nUDPLITE6: inuse {six[2]}\nRAW6: inuse 0\n"
        "FRAG6: inuse 0 memory 0\n"
    ).encode()


def always(text: str) -> Callable[[Any], bytes]:
    return lambda world: text.encode()


FILES: Final[dict[bytes, Callable[[Any], bytes]]] = {
    b"arp": always(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
    ),
    b"dev": dev,
    b"icmp": always(UDP_HEAD.ljust(UDP_WIDTH) + "\n"),
    b"if_inet6": if_inet6,
    b"ipv6_route": ipv6_route,
    b"netlink": netlink,
    b"packet": always("sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
    b"raw": always(TCP_HEAD + " ref pointer drops\n"),
    b"raw6": always(TCP_HEAD.replace(*SIX) + " ref pointer drops\n"),
    b"route": always(
        (
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
        ).ljust(UDP_WIDTH)
        + "\n"
    ),
    b"sockstat": sockstat,
    b"sockstat6": sockstat6,
    b"tcp": tcp(AF_INET),
    b"tcp6": tcp(AF_INET6),
    b"udp": udp(AF_INET, IPPROTO_UDP),
    b"udp6": udp(AF_INET6, IPPROTO_UDP),
    b"udplite": udp(AF_INET, IPPROTO_UDPLITE),
    b"udplite6": udp(AF_INET6, IPPROTO_UDPLITE),
    b"unix": unix,
}
