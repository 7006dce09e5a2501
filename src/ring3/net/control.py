"""Control messages (cmsg(3)) as they lie in a guest's memory, for both word sizes."""

from __future__ import annotations

import struct

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS: Final = {64: struct.Struct("<Qii"), 32: struct.Struct("<Iii")}


def split(control: bytes, word: int) -> Iterator[tuple[int, int, bytes]]:
    """(level, type, content) of each message in *control*. EINVAL for one that is malformed."""
    header = HEADERS[word]
    align = word // 8
    at = 0
    while at + header.size <= len(control):
        length, level, kind = header.unpack_from(control, at)
        if not header.size <= length <= len(control) - at:
            raise EINVAL("length of a control message")
        yield level, kind, control[at + header.size : at + length]
        at += (length + align - 1) & -align


class ControlWriter:
    """Builds what recvmsg(2) stores at msg_control, at most *room* bytes."""

    __slots__ = ("data", "header", "room", "truncated", "word")

    def __init__(self, room: int, word: int) -> None:
        self.room = room
        self.word = word
        self.header = HEADERS[word]
        self.data = bytearray()
        self.truncated = False
        """Something did not fit (MSG_CTRUNC)."""

    @property
    def left(self) -> int:
        return self.room - len(self.data)

    def add(self, level: int, kind: int, content: bytes) -> None:
        """Append a message, cut to what fits (put_cmsg)."""
        if self.left < self.header.size:
            self.truncated = True
            return
        length = self.header.size + len(content)
        if length > self.left:
            self.truncated = True
            length = self.left
        body = self.header.pack(length, level, kind) + content
        align = self.word // 8
        padded = (length + align - 1) & -align
        self.data += body[:length].ljust(min(padded, self.left), b"\0")

    def room_for_files(self) -> int:
        """How many descriptors a message may still have (scm_max_fds)."""
        if self.left <= self.header.size:
            return 0
        return (self.left - self.header.size) // 4
