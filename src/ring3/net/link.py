"""What crosses the loopback interface, and the place where a network device may come in.

TCP and UDP of the kernel's own make hand every packet to ``Network.carry``. By default it arrives
at once; a machine with a network device puts a function of its own there, moves the frame's bytes
through its rings, and calls ``deliver`` from the device's interrupt. Order has to be kept.
"""

from __future__ import annotations

from ring3.abi.hints import Any, Final, Protocol

DATA: Final = 0
URGENT: Final = 1
"""The last byte is urgent."""
FIN: Final = 2
RST: Final = 3
NAMES: Final = ("DATA", "URGENT", "FIN", "RST")


class Target(Protocol):
    """Who takes packets."""

    def arrive(self, frame: Frame) -> None:
        """A packet is here. It must be taken: *target* may be closed by now."""


class Frame:
    """One packet."""

    __slots__ = ("data", "kind", "rest", "target")

    def __init__(self, target: Target, kind: int, data: bytes = b"", rest: Any = None) -> None:
        self.target = target
        self.kind = kind
        """DATA, URGENT, FIN or RST; datagrams are DATA."""
        self.data = data
        self.rest = rest
        """What the target wants to know beside the bytes."""

    def __repr__(self) -> str:
        return f"Frame({NAMES[self.kind]}, {len(self.data)} bytes)"


def deliver(frame: Frame) -> None:
    """Bring *frame* to its target."""
    frame.target.arrive(frame)
