"""Sockets whose messages the kernel itself keeps: datagrams and netlink.

The source of each message has to be told to the receiver, which no host socket could do without
a name on the host; so these are queues in the kernel, and reads and writes come here.
"""

from __future__ import annotations

from ring3.abi.errno import EOPNOTSUPP
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from ring3.abi.socket import MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC
from ring3.core.light import deque
from ring3.core.park import WaitQueue
from ring3.net.cargo import Cargo, Message
from ring3.net.socket import SHUT_BOTH, SHUT_READ, Socket, WouldBlock

if TYPE_CHECKING:
    from ring3.net.cargo import Ucred
    from ring3.net.network import Network

WRITABLE: Final = POLLOUT | POLLWRNORM | POLLWRBAND
OVERHEAD: Final = 768
"""What a message counts in buffers beyond its bytes (sk_buff and its data's header)."""


class Datagram:
    """One message in a queue."""

    __slots__ = ("address", "cargo", "controls", "data", "peeked", "sender", "size", "stamp_ns")

    def __init__(
        self,
        data: bytes,
        address: bytes,
        cargo: Cargo | None = None,
        sender: QueueSocket | None = None,
        size: int = 0,
    ) -> None:
        self.data = data
        self.size = size or len(data) + OVERHEAD
        """What it counts in buffers, bytes."""
        self.address = address
        """The sender's sockaddr as the receiver sees it, b"" for none."""
        self.cargo = cargo
        self.sender = sender
        """Whose send buffer the message counts in."""
        self.controls: list[tuple[int, int, bytes]] = []
        """Control messages the receiver asked for: (level, type, content)."""
        self.stamp_ns = 0
        self.peeked = False
        """Looked at. With SO_PEEK_OFF that is what tells an empty message from the next."""


class QueueSocket(Socket):
    """A socket with a queue of messages."""

    __slots__ = ("gone", "outgoing", "peek_at", "queue", "queued", "space")

    def __init__(
        self, net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred
    ) -> None:
        super().__init__(net, domain, type_, protocol, flags, creator)
        self.queue: deque[Datagram] = deque()
        self.queued = 0
        """Bytes in the queue, as buffers count."""
        self.outgoing = 0
        """Bytes sent from here that nobody has read."""
        self.space = WaitQueue()
        """Woken when the queue gets shorter."""
        self.peek_at = -1
        """SO_PEEK_OFF, where it is known."""
        self.gone = False

    def deliver(self, datagram: Datagram) -> None:
        """Put *datagram* at the end of the queue."""
        datagram.stamp_ns = self.net.clock.realtime_ns()
        self.queue.append(datagram)
        self.queued += datagram.size
        self.net.held += datagram.size
        if datagram.sender is not None:
            datagram.sender.outgoing += datagram.size
        self.events.wake()

    def recv(self, size: int, flags: int) -> Message:
        if flags & MSG_OOB:
            raise EOPNOTSUPP
        self.raise_error()
        peeking = bool(flags & MSG_PEEK)
        datagram, skip = self.choose(peeking)
        if datagram is None:
            # Only a receive that would wait sees the end (__skb_wait_for_more_packets).
            if self.shut & SHUT_READ and not (self.nonblock or flags & MSG_DONTWAIT):
                return Message(b"")
            raise WouldBlock(self.events)
        if not peeking:
            self.pop()
        message = Message(datagram.data[skip : skip + size], datagram.address)
        message.length = len(datagram.data) - skip
        if self.peek_at >= 0:
            looked, taken = len(message.data), len(datagram.data)
            self.peek_at = self.peek_at + looked if peeking else max(self.peek_at - taken, 0)
        message.controls = datagram.controls
        message.stamp_ns = datagram.stamp_ns
        if message.length > size:
            message.flags |= MSG_TRUNC
        if datagram.cargo is not None:
            message.cargo = datagram.cargo.copy() if peeking else datagram.cargo
        return message

    def choose(self, peeking: bool) -> tuple[Datagram | None, int]:
        """The message a receive is about, and where in it a look begins (SO_PEEK_OFF)."""
        skip = max(self.peek_at, 0) if peeking else 0
        for datagram in self.queue:
            if not peeking:
                return datagram, 0
            size = len(datagram.data)
            if skip < size or not (self.peek_at >= 0 and (skip or datagram.peeked)):
                datagram.peeked = True
                return datagram, skip
            skip -= size
        return None, 0

    def pop(self) -> Datagram:
        datagram = self.queue.popleft()
        self.queued -= datagram.size
        self.net.held -= datagram.size
        if datagram.sender is not None:
            datagram.sender.outgoing -= datagram.size
            datagram.sender.events.wake()
        self.made_room()
        return datagram

    def made_room(self) -> None:
        self.space.wake()

    def purge(self) -> None:
        """Throw away what is queued."""
        while self.queue:
            cargo = self.pop().cargo
            if cargo is not None:
                cargo.drop()

    def poll(self) -> int:
        mask = POLLIN | POLLRDNORM if self.queue or self.shut & SHUT_READ else 0
        if self.shut & SHUT_READ:
            mask |= POLLRDHUP
        if self.shut == SHUT_BOTH:
            mask |= POLLHUP
        if self.error:
            mask |= POLLERR
        return mask | WRITABLE if self.roomy else mask

    @property
    def roomy(self) -> bool:
        """So much of the buffer is free that POLLOUT is told (sock_writeable)."""
        return self.outgoing * 2 < self.send_buffer

    def unread_bytes(self) -> int:
        return len(self.queue[0].data) if self.queue else 0

    def unsent_bytes(self) -> int:
        return self.outgoing

    def release(self) -> None:
        if self.gone:
            return
        self.gone = True
        super().release()
        self.purge()
        self.events.wake()
