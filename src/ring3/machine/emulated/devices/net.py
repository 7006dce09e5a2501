"""The network device: rings of DMA descriptors in RAM, a wire that leads back to itself.

The descriptors are the legacy ones of Intel's 8254x (Software Developer's Manual 317453, 3.2.3 and
3.3.3), reduced to what is used: u64 buffer address, u16 length, u8 status at offset 12; status bit
0 DD (the hardware is done with it), bit 1 EOP (end of packet; for transmission it stands in the
command byte at offset 11). A frame longer than a buffer takes several descriptors. Frames that do
not fit into the receive ring wait on the wire (802.3x flow control): a loopback loses nothing.

The driver works as NAPI does: the top half switches the device's interrupt off and raises NET_RX;
the softirq takes up to a budget of frames, and switches it on again once the ring is empty.
"""

from __future__ import annotations

import struct
from collections import deque

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.devices.softirq import NET_RX, NET_TX
from ring3.machine.emulated.layout import IRQ_NET, PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.machine.emulated.devices.pic import InterruptController
    from ring3.machine.emulated.devices.schedule import Schedule
    from ring3.machine.emulated.devices.softirq import Softirqs

DESCRIPTOR: Final = struct.Struct("<QHBBBBH")
"""Address, length, checksum fields (unused), command, status, errors, special."""
SIZE: Final = DESCRIPTOR.size
ENTRIES: Final = 64
"""Descriptors in each ring; a buffer is one page frame. One stays empty, as on the 8254x."""
DD: Final = 1
EOP_RX: Final = 2
EOP_TX: Final = 1
RXT0: Final = 0x80
TXDW: Final = 0x01
"""Interrupt causes: received; descriptors written back."""
WEIGHT: Final = 64
"""Frames per poll (NAPI_POLL_WEIGHT)."""
FRAME_PAGES: Final = 2 * ENTRIES + 1
"""Page frames a device needs: both rings in one, and a buffer per descriptor."""


class Ring:
    """Descriptors at *base* in RAM. The device works at ``head``, the driver at ``tail``."""

    __slots__ = ("base", "buffers", "clean", "head", "ram", "tail")

    def __init__(self, ram: memoryview, base: int, buffers: list[int]) -> None:
        self.ram = ram
        self.base = base
        self.buffers = buffers
        self.head = 0
        """Next descriptor of the device."""
        self.tail = 0
        """First descriptor that is not the device's: head == tail means it has none."""
        self.clean = 0
        """Next descriptor that the driver takes back."""
        for index, buffer in enumerate(buffers):
            self.write(index, buffer, 0, 0, 0)

    def read(self, index: int) -> tuple[int, int, int, int]:
        """(buffer address, length, command, status)."""
        address, length, _cso, command, status, _errors, _special = DESCRIPTOR.unpack_from(
            self.ram, self.base + index * SIZE
        )
        return address, length, command, status

    def write(self, index: int, address: int, length: int, command: int, status: int) -> None:
        at = self.base + index * SIZE
        DESCRIPTOR.pack_into(self.ram, at, address, length, 0, command, status, 0, 0)

    def room(self) -> int:
        """Descriptors that the driver may still hand to the device."""
        return (self.clean - self.tail - 1) % ENTRIES

    def owned(self) -> int:
        """Descriptors that are the device's."""
        return (self.tail - self.head) % ENTRIES


class NetworkDevice:
    """*new_frame* gives the physical address of a page frame for the device's own use. *receive*
    takes the frames that arrive (bytes, from the NET_RX softirq). *wire_ns* and *byte_ns* are the
    wire's latency and its time per byte; 0 for a plug in the device's own socket."""

    __slots__ = (
        "backlog", "byte_ns", "cause", "controller", "enabled", "in_flight", "ram", "receive",
        "received", "rx", "schedule", "sending", "sent", "softirqs", "tx", "wire_ns",
    )  # fmt: skip

    def __init__(
        self,
        ram: memoryview,
        new_frame: Callable[[], int],
        schedule: Schedule,
        controller: InterruptController,
        softirqs: Softirqs,
        wire_ns: int,
        byte_ns: int,
    ) -> None:
        self.wire_ns = wire_ns
        self.byte_ns = byte_ns
        self.ram = ram
        self.schedule = schedule
        self.controller = controller
        self.softirqs = softirqs
        rings = new_frame()
        self.tx = Ring(ram, rings, [new_frame() for _ in range(ENTRIES)])
        self.rx = Ring(ram, rings + ENTRIES * SIZE, [new_frame() for _ in range(ENTRIES)])
        self.rx.tail = ENTRIES - 1  # all buffers but one are the device's to fill
        self.receive: Callable[[bytes], None] | None = None
        self.backlog: deque[bytes] = deque()
        """Frames for which the transmit ring has no room (the queueing discipline)."""
        self.in_flight: deque[bytes] = deque()
        """On the wire."""
        self.sending = False
        self.cause = 0
        """ICR: why the device interrupts."""
        self.enabled = RXT0 | TXDW
        """IMS: causes that may interrupt."""
        self.sent = self.received = 0

    # --- the driver: sending ---------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        """Queue *frame* for the wire. Nothing is refused: who sends bounds what is under way."""
        if not 0 < len(frame) <= (ENTRIES - 1) * PAGE:
            raise ValueError(f"a frame cannot have {len(frame)} bytes")
        self.backlog.append(frame)
        self.fill()

    def fill(self) -> None:
        """Move frames from the backlog into the transmit ring while they fit."""
        ring = self.tx
        while self.backlog:
            frame = self.backlog[0]
            needed = (len(frame) + PAGE - 1) // PAGE
            if needed > ring.room():
                break
            self.backlog.popleft()
            for at in range(0, len(frame), PAGE):
                part = frame[at : at + PAGE]
                buffer = ring.buffers[ring.tail]
                self.ram[buffer : buffer + len(part)] = part
                last = EOP_TX if at + PAGE >= len(frame) else 0
                ring.write(ring.tail, buffer, len(part), last, 0)
                ring.tail = (ring.tail + 1) % ENTRIES
        self.start()

    # --- the device ------------------------------------------------------------------------------
    def start(self) -> None:
        """Take up transmission, unless it is under way, or frames wait at the far end."""
        if not self.sending and not self.in_flight and self.tx.owned():
            self.sending = True
            self.schedule.after(self.wire_ns, self.transmit)

    def transmit(self) -> None:
        """Read one frame from the transmit ring by DMA; it travels for a time by its length."""
        ring, frame, last = self.tx, bytearray(), 0
        while not last:
            address, length, command, _status = ring.read(ring.head)
            frame += self.ram[address : address + length]
            last = command & EOP_TX
            ring.write(ring.head, address, length, command, DD)
            ring.head = (ring.head + 1) % ENTRIES
        self.in_flight.append(bytes(frame))
        self.sent += 1
        self.schedule.after(len(frame) * self.byte_ns, self.arrive)

    def arrive(self) -> None:
        """The frame is at the other end of the wire, which is here."""
        self.sending = False
        self.deliver()
        self.raise_line(TXDW)
        self.start()

    def deliver(self) -> None:
        """Write what has arrived into the receive ring by DMA, as far as there are buffers."""
        ring, before = self.rx, self.received
        while self.in_flight:
            frame = self.in_flight[0]
            if (len(frame) + PAGE - 1) // PAGE > ring.owned():
                break
            self.in_flight.popleft()
            for at in range(0, len(frame), PAGE):
                part = frame[at : at + PAGE]
                address = ring.read(ring.head)[0]
                self.ram[address : address + len(part)] = part
                status = DD | (EOP_RX if at + PAGE >= len(frame) else 0)
                ring.write(ring.head, address, len(part), 0, status)
                ring.head = (ring.head + 1) % ENTRIES
            self.received += 1
        if self.received != before:
            self.raise_line(RXT0)

    def raise_line(self, cause: int) -> None:
        before = self.cause & self.enabled
        self.cause |= cause
        if not before and self.cause & self.enabled:
            self.controller.request(IRQ_NET, f"net: cause {self.cause:#x}")

    # --- the driver: interrupts ------------------------------------------------------------------
    def interrupt(self) -> None:
        """Top half of IRQ 11: reading ICR clears it; reception interrupts are off until the poll
        has emptied the ring."""
        cause, self.cause = self.cause, 0
        if cause & TXDW:
            self.softirqs.raise_softirq(NET_TX)
        if cause & RXT0:
            self.enabled &= ~RXT0
            self.softirqs.raise_softirq(NET_RX)

    def transmitted(self) -> None:
        """NET_TX: take descriptors back that were sent; there may be room for more."""
        ring = self.tx
        while ring.clean != ring.head:
            ring.clean = (ring.clean + 1) % ENTRIES
        self.fill()

    def poll(self) -> None:
        """NET_RX: hand up to WEIGHT frames to ``receive``."""
        for _frame in range(WEIGHT):
            frame = self.take()
            if frame is None:
                self.enabled |= RXT0
                self.deliver()  # what waited on the wire for buffers
                self.start()
                if self.cause & RXT0:
                    self.controller.request(IRQ_NET, "net: received meanwhile")
                return
            if self.receive is not None:
                self.receive(frame)
        self.softirqs.raise_softirq(NET_RX)

    def take(self) -> bytes | None:
        """The next frame of the receive ring, its buffers given back to the device; None when
        there is none."""
        ring, frame, status = self.rx, bytearray(), 0
        if not ring.read(ring.clean)[3] & DD:
            return None
        while not status & EOP_RX:
            address, length, _command, status = ring.read(ring.clean)
            frame += self.ram[address : address + length]
            ring.write(ring.clean, address, 0, 0, 0)
            ring.clean = (ring.clean + 1) % ENTRIES
            ring.tail = (ring.tail + 1) % ENTRIES
        return bytes(frame)
