"""What TCP and UDP share: addresses, ports and the options that govern them.

Source: Linux's inet_bind and inet6_bind for the order of errors.
"""

from __future__ import annotations

from ring3.abi.errno import EACCES, EINVAL, ENOTCONN
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.socket import (
    AF_INET6,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.net.address import (
    ANY4,
    ANY6,
    is_any,
    is_multicast,
    is_v4,
    load_bind_inet,
    store_inet,
)
from ring3.net.socket import Socket

if TYPE_CHECKING:
    from ring3.net.address import Endpoint
    from ring3.net.ports import PortTable

REUSE_ADDRESS: Final = (SOL_SOCKET, SO_REUSEADDR)
REUSE_PORT: Final = (SOL_SOCKET, SO_REUSEPORT)
V6ONLY: Final = (IPPROTO_IPV6, IPV6_V6ONLY)


class InetSocket(Socket):
    """A socket with internet endpoints; mixed into a way of moving data (hence no slots: Python
    lays out only one slotted base)."""

    local: Endpoint
    """Where it is bound; port 0: nowhere."""
    remote: Endpoint | None
    """What it is connected to."""
    chosen_ip: bool
    """bind(2) named an address, so that no other may be put in its place."""
    chosen_port: bool
    """bind(2) named a port, which stays when a connection fails or ends."""

    def set_up_inet(self) -> None:
        self.local = (self.any_ip, 0)
        self.remote = None
        self.chosen_ip = self.chosen_port = False

    @property
    def any_ip(self) -> bytes:
        return ANY6 if self.domain == AF_INET6 else ANY4

    @property
    def ports(self) -> PortTable:
        return self.net.ports[self.protocol]

    @property
    def v6only(self) -> bool:
        return self.domain == AF_INET6 and bool(self.options.get(V6ONLY))

    @property
    def reuse_address(self) -> bool:
        return bool(self.options.get(REUSE_ADDRESS))

    @property
    def reuse_port(self) -> bool:
        return bool(self.options.get(REUSE_PORT))

    def bind(self, raw: bytes, privileged: bool) -> None:
        """bind(2). *privileged*: the caller has CAP_NET_BIND_SERVICE."""
        ip, port = load_bind_inet(raw, self.domain)
        if self.domain == AF_INET6:
            if self.type == SOCK_STREAM and is_multicast(ip):
                raise EINVAL
            if is_v4(ip) and self.v6only:
                raise EINVAL("an IPv4 address on a socket that is IPv6 only")
        if not is_multicast(ip):
            self.net.check_local(ip)
        if 0 < port < self.net.first_free_port and not privileged:
            raise EACCES(f"port {port} needs CAP_NET_BIND_SERVICE")
        if self.local[1] or self.busy:
            raise EINVAL("the socket is bound")
        self.ports.bind(self, ip, port)
        self.chosen_ip = not is_any(ip)
        self.chosen_port = port != 0

    @property
    def busy(self) -> bool:
        """True of a socket that cannot be bound because of what it does."""
        return False

    def take_source(self, destination: bytes) -> None:
        """Bind to an address and port of the kernel's choice, as far as bind(2) named none."""
        source = self.net.source(destination)
        ip, port = self.local
        if not port:
            self.ports.autobind(self, source)
        elif is_any(ip):
            self.local = (source, port)

    def forget_source(self) -> None:
        """Give back what ``take_source`` took."""
        if self.local[1] and not self.chosen_port:
            self.ports.remove(self)
            self.local = (self.local[0], 0)
        if not self.chosen_ip:
            self.local = (self.any_ip, self.local[1])

    def getsockname(self) -> bytes:
        return store_inet(self.local, self.domain)

    def getpeername(self) -> bytes:
        if self.remote is None:
            raise ENOTCONN
        return store_inet(self.remote, self.domain)

    def leave_ports(self) -> None:
        if self.local[1]:
            self.ports.remove(self)
