"""``socket`` without its enumerations and selectors (see ``light``). Not every host has it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket as socket
else:
    import _socket as socket

__all__ = ["socket"]
