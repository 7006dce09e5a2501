"""Frames as bytes, for a network device that moves them through memory.

    wire = Wire(device.send)
    net.carry, device.receive = wire.carry, wire.receive

The device has to keep the order and to lose nothing, as a loopback does. What the receiving end
gets are the bytes that came, not those that were sent.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.core.light import deque
from ring3.net.link import deliver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.net.link import Frame

HEADER: Final = struct.Struct("<IHHII")
"""Number of the frame, kind, unused, bytes that follow, unused."""


class Wire:
    """One direction of the loopback, which is both."""

    __slots__ = ("number", "send", "under_way")

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        """Takes one frame's bytes; ``receive`` gets them later."""
        self.under_way: deque[Frame] = deque()
        self.number = 0
        """Of the oldest frame under way."""

    def carry(self, frame: Frame) -> None:
        number = self.number + len(self.under_way) & 0xFFFFFFFF
        self.under_way.append(frame)
        self.send(HEADER.pack(number, frame.kind, 0, len(frame.data), 0) + frame.data)

    def receive(self, raw: bytes) -> None:
        """A frame has arrived. ValueError if it is not the one that has to come next."""
        number, kind, _, length, _ = HEADER.unpack_from(raw)
        if not self.under_way or number != self.number or kind != self.under_way[0].kind:
            raise ValueError(f"frame {number} came where {self.number} was due")
        frame = self.under_way.popleft()
        self.number = number + 1 & 0xFFFFFFFF
        frame.data = raw[HEADER.size : HEADER.size + length]
        deliver(frame)
