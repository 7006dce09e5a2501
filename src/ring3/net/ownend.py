"""The kernel's own make of an end (``end``): queues of chunks, with nothing of the host underneath.

Here is what AF_UNIX and TCP share: the receiving side, which glues the pieces of a stream together,
and urgent data. How a send is counted and how a connection ends differ: ``ownunix``, ``owntcp``.
"""

from __future__ import annotations

from collections import deque

from ring3.abi.errno import BY_NUMBER, EINVAL, ENOTCONN
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import (
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    SO_OOBINLINE,
    SO_PEEK_OFF,
    SO_SNDBUF,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.core.park import WaitQueue
from ring3.net.cargo import Cargo, Message, Ucred

if TYPE_CHECKING:
    from typing import Self

    from ring3.net.end import End
    from ring3.net.network import Network

SHUT_READ: Final = 1
SHUT_WRITE: Final = 2
SHUT_BOTH: Final = 3


class OwnEnds:
    """Ends of one network."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.orphans: dict[Any, Any] = {}

    def make(self, type_: int, tcp: bool) -> End:
        if tcp:
            from ring3.net.owntcp import OwnTcpEnd

            return OwnTcpEnd(self.net, type_)
        from ring3.net.ownunix import OwnUnixEnd

        return OwnUnixEnd(self.net, type_)

    def pair(self, type_: int) -> tuple[End, End]:
        first = self.make(type_, tcp=False)
        return first, first.join()

    def close(self) -> None:
        self.orphans.clear()


class Chunk:
    """What one send left in the queue, or the unread rest of it."""

    __slots__ = ("cargo", "cost", "data", "start")

    def __init__(self, data: bytes, cost: int, cargo: Cargo | None = None) -> None:
        self.data = data
        self.start = 0
        """Bytes already read."""
        self.cost = cost
        """What it counts in the sender's buffer."""
        self.cargo = cargo

    def __len__(self) -> int:
        return len(self.data) - self.start


class OwnEnd:
    """One end."""

    __slots__ = (
        "error", "fd", "gone", "inline", "limit", "mark", "net", "other", "peek_at", "queue",
        "readers", "shut", "type", "urgent", "used", "writers",
    )  # fmt: skip

    def __init__(self, net: Network, type_: int) -> None:
        self.net = net
        self.type = type_
        self.fd: int | None = None
        self.readers = WaitQueue()
        self.writers = WaitQueue()
        self.other: Self | None = None
        self.queue: deque[Chunk] = deque()
        self.shut = 0
        """SHUT_READ: no more will come; SHUT_WRITE: no more may go."""
        self.error = 0
        self.gone = False
        """Closed from above."""
        self.limit = net.default_buffer
        """SO_SNDBUF."""
        self.used = 0
        """What of it is under way: sent from here and not yet read."""
        self.mark: Chunk | None = None
        """The urgent byte's place in the queue."""
        self.urgent = b""
        """That byte, until it was read."""
        self.inline = False
        """SO_OOBINLINE."""
        self.peek_at = -1
        """SO_PEEK_OFF."""

    @property
    def over(self) -> bool:
        return False

    @property
    def finished(self) -> bool:
        return bool(self.shut & SHUT_READ)

    def join(self) -> Self:
        made = type(self)(self.net, self.type)
        made.other, self.other = self, made
        return made

    # --- receiving ---------------------------------------------------------------------------
    def receive(self, size: int, flags: int, writer: Ucred | None) -> Message | None:
        if flags & MSG_OOB:
            return self.receive_urgent(size, bool(flags & MSG_PEEK))
        if self.type != SOCK_STREAM:
            return self.receive_record(size, bool(flags & MSG_PEEK))
        message = self.glue(size, bool(flags & MSG_PEEK), writer)
        return message if message is not None else self.at_end()

    def at_end(self) -> Message | None:
        """What a receive gives that finds nothing."""
        self.raise_error()
        return Message(b"") if self.shut & SHUT_READ else None

    def glue(self, size: int, peeking: bool, writer: Ucred | None) -> Message | None:
        """Up to *size* bytes of the stream (unix_stream_read_generic). None: there is nothing.

        A piece with open files ends it, and so does the urgent byte's place and, if *writer* is
        given, another writer's piece.
        """
        parts: list[bytes] = []
        cargo: Cargo | None = None
        at, skip, done = 0, max(self.peek_at, 0) if peeking else 0, 0
        by: Ucred | None = None
        while at < len(self.queue):
            chunk = self.queue[at]
            if chunk is self.mark:
                if parts:
                    break
                if not self.inline:
                    if not peeking:
                        self.lift_mark()
                        self.drop_first()
                    at += peeking
                    continue
                if not peeking:
                    self.lift_mark()
            if skip and skip >= len(chunk):
                skip -= len(chunk)
                at += 1
                continue
            if writer is not None:
                wrote = (chunk.cargo and chunk.cargo.cred) or writer
                if by is not None and not by.same(wrote):
                    break
                by = wrote
            start = chunk.start + skip
            skip = 0
            part = chunk.data[start : start + size - done]
            parts.append(part)
            done += len(part)
            if chunk.cargo is not None:
                cargo = self.unload(chunk, cargo, peeking)
            if peeking:
                at += 1
            else:
                chunk.start += len(part)
                if len(chunk):
                    break
                self.drop_first()
            if done >= size or (cargo is not None and cargo.files):
                break
        if not parts:
            return None
        if self.peek_at >= 0:
            self.peek_at = self.peek_at + done if peeking else max(self.peek_at - done, 0)
        message = Message(parts[0] if len(parts) == 1 else b"".join(parts))
        message.cargo = cargo
        return message

    def unload(self, chunk: Chunk, before: Cargo | None, peeking: bool) -> Cargo | None:
        """The cargo of a receive that had *before* so far and now takes from *chunk*. Files are
        taken with the first byte; who sent them is kept for the rest."""
        found = chunk.cargo
        if found is None:
            return before
        if before is not None:
            before.drop()
        if peeking:
            return found.copy()
        chunk.cargo = Cargo(self.net, cred=found.cred) if found.cred is not None else None
        return found

    def receive_record(self, size: int, peeking: bool) -> Message | None:
        """One message, cut to *size*; an error comes before what waits."""
        self.raise_error()
        if not self.queue:
            return Message(b"") if self.shut & SHUT_READ else None
        chunk = self.queue[0]
        skip = min(max(self.peek_at, 0), len(chunk)) if peeking else 0
        message = Message(chunk.data[skip : skip + size])
        message.length = len(chunk) - skip
        if message.length > size:
            message.flags |= MSG_TRUNC
        if chunk.cargo is not None:
            message.cargo = chunk.cargo.copy() if peeking else chunk.cargo
        if self.peek_at >= 0:
            done = len(message.data)
            self.peek_at = self.peek_at + done if peeking else max(self.peek_at - len(chunk), 0)
        if not peeking:
            chunk.cargo = None
            self.drop_first()
        return message

    def take(self, size: int) -> bytes | None:
        if self.mark is not None or self.peek_at >= 0 or not self.queue:
            return None
        chunk = self.queue[0]
        if chunk.cargo is not None or len(self.queue) > 1:
            message = self.glue(size, False, None)
            if message is None:
                return None
            message.drop()
            return message.data
        part = chunk.data[chunk.start : chunk.start + size]
        chunk.start += len(part)
        if not len(chunk):
            self.drop_first()
        return part

    def drop_first(self) -> None:
        """The first chunk was read, or nobody will: its sender has room again."""
        chunk = self.queue.popleft()
        if chunk.cargo is not None:
            chunk.cargo.drop()
        if self.other is not None:
            self.other.freed(chunk.cost)

    def freed(self, cost: int) -> None:
        """*cost* of the buffer is free again."""
        self.used -= cost
        if self.writers.waiters and self.roomy:
            self.writers.wake()

    @property
    def roomy(self) -> bool:
        """The buffer has so much room that POLLOUT is told."""
        raise NotImplementedError

    def purge(self) -> None:
        """Throw away what nobody will read."""
        self.lift_mark()
        while self.queue:
            self.drop_first()

    # --- urgent data -------------------------------------------------------------------------
    def put(self, chunk: Chunk, urgent: bool = False) -> None:
        """*chunk* arrives."""
        self.queue.append(chunk)
        if urgent:
            if self.mark is not None and not len(self.mark):  # read, and no place any more
                self.queue.remove(self.mark)
                if self.other is not None:
                    self.other.freed(self.mark.cost)
            self.mark, self.urgent = chunk, chunk.data
        self.readers.wake()

    def lift_mark(self) -> None:
        self.mark, self.urgent = None, b""

    def receive_urgent(self, size: int, peeking: bool) -> Message | None:
        """MSG_OOB. The byte's place stays in the queue, empty."""
        if self.inline or self.mark is None or not self.urgent:
            raise EINVAL("no urgent data")
        message = Message(self.urgent[:size], flags=MSG_OOB)
        message.length = 1
        if not peeking:
            self.urgent = b""
            self.mark.start = 1
        return message

    def at_mark(self) -> bool:
        return self.mark is not None and self.queue[0] is self.mark

    # --- errors and options ------------------------------------------------------------------
    def raise_error(self) -> None:
        if self.error:
            raise BY_NUMBER[self.take_error()]

    def take_error(self) -> int:
        error, self.error = self.error, 0
        return error

    def wake(self) -> None:
        self.readers.wake()
        self.writers.wake()

    def need_other(self) -> Self:
        if self.other is None:
            raise ENOTCONN
        return self.other

    def set_nonblock(self, on: bool) -> None:
        """Nothing here ever waits."""

    def option(self, level: int, name: int, value: bytes) -> None:
        if level != SOL_SOCKET:
            return
        number = int.from_bytes(value[:4], "little", signed=True)
        if name == SO_SNDBUF:
            self.limit = max(number * 2, 4608)  # as net.buffer_options shows it
            self.writers.wake()
        elif name == SO_OOBINLINE:
            self.inline = bool(number)
        elif name == SO_PEEK_OFF:
            self.peek_at = number

    def inherit(self, older: Any) -> None:
        self.limit = older.limit
        self.inline = older.inline

    def unread_bytes(self) -> int:
        return sum(map(len, self.queue))

    def unsent_bytes(self) -> int:
        return self.used
