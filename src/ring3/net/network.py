"""One network world: who has which name, and what can be reached.

Nothing here touches the host's network. A guest's world has the loopback interface alone;
everything else is unreachable.
"""

from __future__ import annotations

from ring3.abi.errno import EADDRNOTAVAIL, ENETUNREACH, ENOBUFS
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE
from ring3.net.address import (
    LOOPBACK4,
    LOOPBACK6,
    is_any,
    is_loopback,
    is_v4,
    text,
)
from ring3.net.cargo import NO_ID
from ring3.net.end import ends_for
from ring3.net.link import deliver
from ring3.net.ports import FIRST_EPHEMERAL, LAST_EPHEMERAL, PortTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.clock import Clock
    from ring3.core.reactor import Reactor
    from ring3.net.cargo import Ucred
    from ring3.net.link import Frame
    from ring3.net.socket import Socket

LOOPBACK_MTU: Final = 65536
LOOPBACK_INDEX: Final = 1
HELD_MOST: Final = 256 << 20
"""Bytes that sockets may hold together: the kernel's memory, which no guest may use up."""


def network_of(world: Any) -> Network:
    """The network of *world* (``task.world.World``), made when it is first asked for."""
    net: Network | None = world.net
    if net is None:
        net = world.net = Network(world.reactor, world.clock, world.own_objects)
        plug = getattr(world.machine, "attach_network", None)
        if plug is not None:
            from ring3.net.wire import Wire

            device = plug()
            wire = Wire(device.send)
            net.carry, device.receive = wire.carry, wire.receive
    return net


class Network:
    """Names, ports and sockets that see each other. *own*: without any help of the host."""

    def __init__(self, reactor: Reactor, clock: Clock, own: bool = False) -> None:
        self.reactor = reactor
        self.clock = clock
        self.abstract: dict[bytes, Any] = {}
        """Abstract unix name (with its leading NUL) -> the socket bound to it."""
        self.ports = {p: PortTable() for p in (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE)}
        self.port_range = (FIRST_EPHEMERAL, LAST_EPHEMERAL)
        """net.ipv4.ip_local_port_range."""
        self.first_free_port = 1024
        """net.ipv4.ip_unprivileged_port_start."""
        self.max_backlog = 4096
        """net.core.somaxconn."""
        self.max_datagrams = 512
        """net.unix.max_dgram_qlen, as most distributions set it."""
        self.max_buffer = 212992
        """net.core.wmem_max and rmem_max, bytes before doubling."""
        self.default_buffer = 212992
        """net.core.wmem_default and rmem_default."""
        self.sockets: dict[int, Socket] = {}
        """Every socket by its inode number."""
        self.held = 0
        """Bytes the kernel itself keeps for sockets."""
        self.in_flight: dict[int, int] = {}
        """uid -> open files it has sent that nobody received yet."""
        self.last_autobind = 0
        self.last_port_id = 0xFFFFF000
        self.port_ids: dict[tuple[int, int], Socket] = {}
        """(netlink protocol, port id) -> socket."""
        self.carry: Callable[[Frame], None] = deliver
        """How packets cross the loopback interface: at once, unless a device does it."""
        self.own = own
        self.ends = ends_for(self, own)

    def enter(self, sock: Socket) -> int:
        """Register a new socket; return its inode number."""
        from ring3.vfs.anon import new_ino

        ino = new_ino()
        self.sockets[ino] = sock
        return ino

    def leave(self, sock: Socket) -> None:
        self.sockets.pop(sock.ino, None)

    # --- addresses ---------------------------------------------------------------------------
    def is_local(self, ip: bytes) -> bool:
        """True if *ip* may be bound."""
        return is_loopback(ip) or is_any(ip)

    def check_local(self, ip: bytes) -> None:
        if not self.is_local(ip):
            raise EADDRNOTAVAIL(f"{text(ip)} is not an address of this guest (it has lo only)")

    def destination(self, ip: bytes) -> bytes:
        """Where packets for *ip* go: 0.0.0.0 and :: mean this machine. ENETUNREACH."""
        if is_any(ip):
            return LOOPBACK4 if is_v4(ip) else LOOPBACK6
        if not is_loopback(ip):
            raise ENETUNREACH(f"{text(ip)} is outside the guest's own network; see --net")
        return ip

    def source(self, destination: bytes) -> bytes:
        """The address a socket gets that never chose one."""
        return LOOPBACK4 if is_v4(destination) else LOOPBACK6

    # --- what is under way -------------------------------------------------------------------
    def check_memory(self) -> None:
        """ENOBUFS if the kernel keeps too much already for sockets that nobody reads."""
        if self.held > HELD_MOST:
            raise ENOBUFS("all sockets together hold too much that nobody reads")

    def count_files(self, cred: Ucred | None, change: int) -> None:
        """Open files come under way, or arrive or are lost."""
        uid = cred.uid if cred is not None else NO_ID
        self.in_flight[uid] = self.in_flight.get(uid, 0) + change

    def close(self) -> None:
        """Let go of everything the host holds for this network."""
        for sock in list(self.sockets.values()):
            sock.release()
        self.ends.close()
