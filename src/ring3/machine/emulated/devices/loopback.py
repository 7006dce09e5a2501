"""The loopback interface by way of the network device: packets of the kernel as bytes on a wire.

A packet (``net.link.Frame``) has bytes, which go through RAM by DMA and come back changed or not,
and facts that only this kernel has (whose it is, which socket). On the wire a frame is an Ethernet
header with the local experimental type (IEEE 802, 0x88B5), a serial number that finds those facts
again, and the bytes.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.devices.net import NetworkDevice

HEADER: Final = struct.Struct("!6s6sHQ")
ADDRESS: Final = bytes(6)
EXPERIMENTAL: Final = 0x88B5


class Loopback:
    """*deliver* takes the packets that have crossed the wire, from the NET_RX softirq."""

    __slots__ = ("deliver", "device", "serial", "under_way")

    def __init__(self, device: NetworkDevice, deliver: Callable[[Any], None]) -> None:
        self.device = device
        self.deliver = deliver
        self.serial = 0
        self.under_way: dict[int, Any] = {}
        """Packets by serial number."""
        device.receive = self.receive

    def carry(self, packet: Any) -> None:
        """Put *packet* on the wire."""
        self.serial += 1
        self.under_way[self.serial] = packet
        header = HEADER.pack(ADDRESS, ADDRESS, EXPERIMENTAL, self.serial)
        self.device.send(header + packet.data)

    def receive(self, frame: bytes) -> None:
        _to, _from, _kind, serial = HEADER.unpack_from(frame)
        packet = self.under_way.pop(serial)
        # What counts is what came out of the ring, not what was put in.
        packet.data = frame[HEADER.size :]
        if packet.rest is not None:
            packet.rest.data = packet.data
        self.deliver(packet)
