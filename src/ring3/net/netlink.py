"""AF_NETLINK: the part of rtnetlink(7) that getifaddrs(3), if_nameindex(3) and ip(8) read.

Requests are answered when they are sent; answers wait in the socket's queue. Nothing can be
changed. Source: netlink(7), rtnetlink(7), Linux's net/core/rtnetlink.c.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import (
    EADDRINUSE,
    ECONNREFUSED,
    EINVAL,
    ENODEV,
    EOPNOTSUPP,
    EPERM,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
    Errno,
)
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNSPEC,
    ARPHRD_LOOPBACK,
    IFA_ADDRESS,
    IFA_CACHEINFO,
    IFA_F_PERMANENT,
    IFA_FLAGS,
    IFA_LABEL,
    IFA_LOCAL,
    IFLA_ADDRESS,
    IFLA_BROADCAST,
    IFLA_CARRIER,
    IFLA_GROUP,
    IFLA_IFNAME,
    IFLA_LINKMODE,
    IFLA_MTU,
    IFLA_NUM_RX_QUEUES,
    IFLA_NUM_TX_QUEUES,
    IFLA_OPERSTATE,
    IFLA_PROMISCUITY,
    IFLA_QDISC,
    IFLA_STATS64,
    IFLA_TXQLEN,
    MSG_OOB,
    NETLINK_KOBJECT_UEVENT,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_MULTI,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_MIN_TYPE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTM_GETRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    SOCK_DGRAM,
    SOCK_RAW,
)
from ring3.net.address import LOOPBACK4, LOOPBACK6, load_netlink, store_netlink
from ring3.net.datagram import Datagram, QueueSocket
from ring3.net.interfaces import LOOPBACK_FLAGS, LOOPBACK_NAME
from ring3.net.network import LOOPBACK_INDEX, LOOPBACK_MTU

if TYPE_CHECKING:
    from ring3.net.cargo import Cargo, Ucred
    from ring3.net.network import Network

HEADER: Final = struct.Struct("<IHHII")
IFINFO: Final = struct.Struct("<BxHiII")
IFADDR: Final = struct.Struct("<BBBBI")
ATTRIBUTE: Final = struct.Struct("<HH")
WORD: Final = struct.Struct("<I")
FOREVER: Final = 0xFFFFFFFF
SCOPE_HOST: Final = 254
CHANGES: Final = 0x10
"""First rtnetlink type; of each four (new, del, get, set) only "get" changes nothing."""


def make(net: Network, type_: int, protocol: int, flags: int, creator: Ucred) -> NetlinkSocket:
    if type_ not in (SOCK_RAW, SOCK_DGRAM):
        raise ESOCKTNOSUPPORT
    if protocol not in (NETLINK_ROUTE, NETLINK_KOBJECT_UEVENT):
        raise EPROTONOSUPPORT(f"netlink protocol {protocol} is not served")
    return NetlinkSocket(net, AF_NETLINK, type_, protocol, flags, creator)


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = ATTRIBUTE.size + len(content)
    return ATTRIBUTE.pack(length, kind) + content + bytes(-length % 4)


class NetlinkSocket(QueueSocket):
    """A socket to the kernel."""

    __slots__ = ("groups", "peer_groups", "peer_id", "port_id")

    def __init__(
        self, net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred
    ) -> None:
        super().__init__(net, domain, type_, protocol, flags, creator)
        self.port_id = 0
        self.groups = 0
        self.peer_id = 0
        self.peer_groups = 0

    # --- addresses ---------------------------------------------------------------------------
    def bind(self, raw: bytes, privileged: bool) -> None:
        """Take a port id (0: the caller's pid, or another free one) and multicast groups."""
        port_id, groups = load_netlink(raw)
        if self.port_id:
            if port_id not in (0, self.port_id):
                raise EINVAL("bound to another port id")
        elif port_id:
            self.enter(port_id)
        else:
            self.autobind()
        self.groups = groups

    def enter(self, port_id: int) -> None:
        if (self.protocol, port_id) in self.net.port_ids:
            raise EADDRINUSE
        self.net.port_ids[self.protocol, port_id] = self
        self.port_id = port_id

    def autobind(self) -> None:
        port_id = self.creator.pid
        while (self.protocol, port_id) in self.net.port_ids:
            self.net.last_port_id -= 1
            port_id = self.net.last_port_id
        self.enter(port_id)

    def connect(self, raw: bytes) -> None:
        if int.from_bytes(raw[:2], "little") == AF_UNSPEC:
            self.peer_id = self.peer_groups = 0
            return
        self.peer_id, self.peer_groups = load_netlink(raw)
        if not self.port_id:
            self.autobind()

    def getsockname(self) -> bytes:
        return store_netlink(self.port_id, self.groups)

    def getpeername(self) -> bytes:
        return store_netlink(self.peer_id, self.peer_groups)

    # --- requests ----------------------------------------------------------------------------
    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        if cargo is not None:
            cargo.drop()
        if flags & MSG_OOB:
            raise EOPNOTSUPP
        port_id, groups = (self.peer_id, self.peer_groups) if to is None else load_netlink(to)
        if not self.port_id:
            self.autobind()
        if port_id or groups:
            if groups:
                raise EPERM("nobody may send to netlink groups")
            raise ECONNREFUSED("nobody has that port id")
        if self.protocol == NETLINK_ROUTE:
            self.serve(data)
        return len(data)

    def serve(self, data: bytes) -> None:
        """Answer every request in *data*."""
        at = 0
        while at + HEADER.size <= len(data):
            length, kind, flags, serial, _pid = HEADER.unpack_from(data, at)
            if not HEADER.size <= length <= len(data) - at:
                return
            if flags & NLM_F_REQUEST and kind >= NLMSG_MIN_TYPE:
                request = data[at : at + length]
                try:
                    self.answer(request, kind, flags, serial)
                    error = 0
                except Errno as failed:
                    error = failed.number
                if error or (flags & NLM_F_ACK and flags & NLM_F_DUMP != NLM_F_DUMP):
                    self.complain(request, serial, error)
            at += (length + 3) & ~3

    def answer(self, request: bytes, kind: int, flags: int, serial: int) -> None:
        if kind >= CHANGES and kind % 4 != 2:
            raise EPERM("the guest's network cannot be changed")
        dump = flags & NLM_F_DUMP == NLM_F_DUMP
        family = request[HEADER.size] if len(request) > HEADER.size else AF_UNSPEC
        if kind == RTM_GETLINK:
            if not dump:
                self.check_link(request)
            found = [(RTM_NEWLINK, link())]
        elif kind == RTM_GETADDR and dump:
            found = [(RTM_NEWADDR, body) for wanted, body in addresses() if family in (0, wanted)]
        elif kind in (RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE) and dump:
            found = []
        else:
            raise EOPNOTSUPP
        multi = NLM_F_MULTI if dump else 0
        text = b"".join(self.header(k, multi, serial, body) for k, body in found)
        if text:
            self.reply(text)
        if dump:
            self.reply(self.header(NLMSG_DONE, NLM_F_MULTI, serial, bytes(4)))

    def check_link(self, request: bytes) -> None:
        """ENODEV unless a single RTM_GETLINK asks for lo, by index or by name."""
        if len(request) < HEADER.size + IFINFO.size:
            raise EINVAL
        index = IFINFO.unpack_from(request, HEADER.size)[2]
        name = attribute(IFLA_IFNAME, LOOPBACK_NAME + b"\0")
        if index != LOOPBACK_INDEX and (index or name not in request):
            raise ENODEV

    def header(self, kind: int, flags: int, serial: int, body: bytes) -> bytes:
        length = HEADER.size + len(body)
        packed = HEADER.pack(length, kind, flags, serial, self.port_id) + body
        return packed + bytes(-length % 4)

    def complain(self, request: bytes, serial: int, error: int) -> None:
        """NLMSG_ERROR: an acknowledgement where *error* is 0."""
        body = struct.pack("<i", -error) + (request if error else request[: HEADER.size])
        self.reply(self.header(NLMSG_ERROR, 0, serial, body))

    def reply(self, text: bytes) -> None:
        self.deliver(Datagram(text, store_netlink(0, 0)))

    def release(self) -> None:
        if not self.gone:
            self.net.port_ids.pop((self.protocol, self.port_id), None)
            super().release()


def link() -> bytes:
    """RTM_NEWLINK of lo."""
    unchanged = 0
    return IFINFO.pack(
        AF_UNSPEC, ARPHRD_LOOPBACK, LOOPBACK_INDEX, LOOPBACK_FLAGS, unchanged
    ) + b"".join(
        attribute(kind, content)
        for kind, content in (
            (IFLA_IFNAME, LOOPBACK_NAME + b"\0"),
            (IFLA_TXQLEN, WORD.pack(1000)),
            (IFLA_OPERSTATE, b"\0"),
            (IFLA_LINKMODE, b"\0"),
            (IFLA_MTU, WORD.pack(LOOPBACK_MTU)),
            (IFLA_GROUP, bytes(4)),
            (IFLA_PROMISCUITY, bytes(4)),
            (IFLA_NUM_TX_QUEUES, WORD.pack(1)),
            (IFLA_NUM_RX_QUEUES, WORD.pack(1)),
            (IFLA_CARRIER, b"\1"),
            (IFLA_QDISC, b"noqueue\0"),
            (IFLA_ADDRESS, bytes(6)),
            (IFLA_BROADCAST, bytes(6)),
            (IFLA_STATS64, bytes(25 * 8)),
        )
    )


def addresses() -> list[tuple[int, bytes]]:
    """(family, RTM_NEWADDR) of each address of lo."""
    cache = attribute(IFA_CACHEINFO, struct.pack("<4I", FOREVER, FOREVER, 0, 0))
    flags = attribute(IFA_FLAGS, WORD.pack(IFA_F_PERMANENT))
    four = (
        IFADDR.pack(AF_INET, 8, IFA_F_PERMANENT, SCOPE_HOST, LOOPBACK_INDEX)
        + attribute(IFA_ADDRESS, LOOPBACK4[12:])
        + attribute(IFA_LOCAL, LOOPBACK4[12:])
        + attribute(IFA_LABEL, LOOPBACK_NAME + b"\0")
    )
    six = IFADDR.pack(AF_INET6, 128, IFA_F_PERMANENT, SCOPE_HOST, LOOPBACK_INDEX)
    six += attribute(IFA_ADDRESS, LOOPBACK6)
    return [(AF_INET, four + flags + cache), (AF_INET6, six + cache + flags)]
