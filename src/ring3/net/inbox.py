"""The receiving side of the kernel's own ends: a queue of chunks, read as a stream or as messages.

Pieces of a stream are glued together as far as Linux does; urgent data has a place among them.
Source: unix_stream_read_generic, manage_oob and __skb_try_recv_datagram.
"""

from __future__ import annotations

from ring3.abi.errno import BY_NUMBER, EINVAL
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_STREAM
from ring3.core.light import deque
from ring3.core.park import WaitQueue
from ring3.net.cargo import Cargo, Message, Ucred

if TYPE_CHECKING:
    from ring3.net.network import Network

SHUT_READ: Final = 1
SHUT_WRITE: Final = 2
SHUT_BOTH: Final = 3


class Chunk:
    """What one send left in the queue, or the unread rest of it."""

    __slots__ = ("cargo", "cost", "data", "peeked", "start")

    def __init__(self, data: bytes, cost: int, cargo: Cargo | None = None) -> None:
        self.data = data
        self.start = 0
        """Bytes already read."""
        self.cost = cost
        """What it counts in the sender's buffer."""
        self.cargo = cargo
        self.peeked = False
        """Looked at. With SO_PEEK_OFF that is what tells an empty message from the next."""

    def __len__(self) -> int:
        return len(self.data) - self.start


def end_of_data() -> Message:
    message = Message(b"")
    message.ended = True
    return message


class Inbox:
    """What came and was not read."""

    __slots__ = (
        "error", "inline", "mark", "net", "other", "peek_at", "queue", "readers", "shut", "type",
        "urgent",
    )  # fmt: skip

    def __init__(self, net: Network, type_: int) -> None:
        self.net = net
        self.type = type_
        self.readers = WaitQueue()
        self.other: Any = None
        """Whose sends come here."""
        self.queue: deque[Chunk] = deque()
        self.shut = 0
        """SHUT_READ: no more will come; SHUT_WRITE: no more may go."""
        self.error = 0
        self.mark: Chunk | None = None
        """The urgent byte's place in the queue."""
        self.urgent = b""
        """That byte, until it was read."""
        self.inline = False
        """SO_OOBINLINE."""
        self.peek_at = -1
        """SO_PEEK_OFF."""

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
        return end_of_data() if self.shut & SHUT_READ else None

    def glue(self, size: int, peeking: bool, writer: Ucred | None) -> Message | None:
        """Up to *size* bytes of the stream. None: there is nothing.

        A piece with open files ends it, and so does the urgent byte's place and, if *writer* is
        given, another writer's piece.
        """
        parts: list[bytes] = []
        cargo: Cargo | None = None
        by: Ucred | None = None
        at = done = 0
        skip = max(self.peek_at, 0) if peeking else 0
        while (at := self.past_mark(at, done, peeking)) < len(self.queue):
            chunk = self.queue[at]
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
            at += peeking
            if not peeking and not self.passed(chunk, len(part)):
                break
            # A look goes on, though with no bytes, to files that come next: so does Linux's.
            if (done >= size and not peeking) or (cargo is not None and cargo.files):
                break
        if not parts:
            return None
        self.move_peek(done, done, peeking)
        message = Message(parts[0] if len(parts) == 1 else b"".join(parts))
        message.cargo = cargo
        return message

    def past_mark(self, at: int, done: int, peeking: bool) -> int:
        """Where to read on, if not at *at* because the urgent byte is there."""
        if self.mark is None or at >= len(self.queue) or self.queue[at] is not self.mark:
            return at
        if done:
            return len(self.queue)
        if peeking:
            return at if self.inline else at + 1
        self.lift_mark()
        if not self.inline:
            self.drop_first()
        return at

    def passed(self, chunk: Chunk, count: int) -> bool:
        """*count* bytes of the first chunk were read; True if that was all of it."""
        chunk.start += count
        if len(chunk):
            return False
        self.drop_first()
        return True

    def move_peek(self, looked: int, taken: int, peeking: bool) -> None:
        if self.peek_at >= 0:
            self.peek_at = self.peek_at + looked if peeking else max(self.peek_at - taken, 0)

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
        skip = max(self.peek_at, 0) if peeking else 0
        for chunk in self.queue:
            passed = peeking and self.peek_at >= 0 and (skip or chunk.peeked)
            if skip < len(chunk) or not passed:
                chunk.peeked |= peeking
                break
            skip -= len(chunk)
        else:
            return end_of_data() if self.shut & SHUT_READ else None
        message = Message(chunk.data[skip : skip + size])
        message.length = len(chunk) - skip
        if message.length > size:
            message.flags |= MSG_TRUNC
        if chunk.cargo is not None:
            message.cargo = chunk.cargo.copy() if peeking else chunk.cargo
        self.move_peek(len(message.data), len(chunk), peeking)
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
        self.passed(chunk, len(part))
        return part

    def drop_first(self) -> None:
        """The first chunk was read, or nobody will: its sender has room again."""
        chunk = self.queue.popleft()
        self.net.held -= chunk.cost
        if chunk.cargo is not None:
            chunk.cargo.drop()
        if self.other is not None:
            self.other.freed(chunk.cost)

    def purge(self) -> None:
        """Throw away what nobody will read."""
        self.lift_mark()
        while self.queue:
            self.drop_first()

    # --- urgent data -------------------------------------------------------------------------
    def put(self, chunk: Chunk, urgent: bool = False) -> None:
        """*chunk* arrives."""
        self.queue.append(chunk)
        self.net.held += chunk.cost
        if urgent:
            if self.mark is not None:
                self.displace(self.mark)
            self.mark, self.urgent = chunk, chunk.data
        self.readers.wake()

    def displace(self, mark: Chunk) -> None:
        """Another urgent byte came: *mark* is one no more. It is like any other unless it was
        read."""
        if not len(mark):
            self.queue.remove(mark)
            self.net.held -= mark.cost
            if self.other is not None:
                self.other.freed(mark.cost)

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

    # --- errors ------------------------------------------------------------------------------
    def raise_error(self) -> None:
        if self.error:
            raise BY_NUMBER[self.take_error()]

    def take_error(self) -> int:
        error, self.error = self.error, 0
        return error

    def unread_bytes(self) -> int:
        return sum(map(len, self.queue))
