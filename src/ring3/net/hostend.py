"""One end of a host socket pair: data, and what travels beside it.

What is connected to what is decided above (``stream``).
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
from collections import deque

from ring3.abi.errno import ENOTCONN
from ring3.abi.fcntl import O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.ioctl import FIONREAD, SIOCATMARK, TIOCOUTQ
from ring3.abi.poll import (
    POLLERR,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from ring3.abi.socket import (
    MSG_DONTWAIT,
    MSG_EOR,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    SO_ERROR,
    SO_PASSCRED,
    SO_RCVLOWAT,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.core.reactor import HostQueue
from ring3.net import host
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.socket import Socket, WouldBlock

if TYPE_CHECKING:
    from typing import Any

    from ring3.core.park import WaitQueue
    from ring3.net.host import HostSocket
    from ring3.net.network import Network

EVERY_EVENT: Final = (
    POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP
)
READABLE: Final = POLLIN | POLLRDNORM
LOW_WATER: Final = (SOL_SOCKET, SO_RCVLOWAT)
PASSES_CRED: Final = (SOL_SOCKET, SO_PASSCRED)

CLOSED: Final = 0
LISTENING: Final = 1
CONNECTING: Final = 2
CONNECTED: Final = 3


class HostEnd(Socket):
    """A socket whose bytes the host moves."""

    __slots__ = ("gone", "host", "host_queue", "inbound", "peer", "poller", "pushback", "state")

    def __init__(
        self,
        net: Network,
        domain: int,
        type_: int,
        protocol: int,
        flags: int,
        creator: Ucred,
        end: HostSocket | None = None,
    ) -> None:
        super().__init__(net, domain, type_, protocol, flags, creator)
        self.state = CLOSED
        self.gone = False
        """Released: no descriptor leads here any more."""
        self.peer: HostEnd | None = None
        """The other end; it may be ``gone`` by now."""
        self.pushback = b""
        """Bytes taken from the host that the guest's buffer would not take."""
        self.inbound: deque[int] = deque()
        """Tokens on their way here, oldest first."""
        self.poller: select.poll | None = None
        self.use(end if end is not None else host.make(type_))

    def use(self, end: HostSocket) -> None:
        """Have *end* be the host's side."""
        self.host = end
        self.bind_fd = end.fileno()
        self.host_queue = HostQueue(self.net.reactor, self.bind_fd)
        self.poller = None
        if self.nonblock:
            os.set_blocking(self.bind_fd, False)

    # --- data --------------------------------------------------------------------------------
    def check_receive(self) -> None:
        """Raise what a receive gives while there is no connection."""
        if self.state != CONNECTED:
            raise ENOTCONN

    def check_send(self) -> None:
        if self.state != CONNECTED:
            raise ENOTCONN

    def recv(self, size: int, flags: int) -> Message:
        if self.error:
            self.raise_error()
        self.check_receive()
        if self.pushback and not flags & MSG_OOB:
            return self.from_pushback(size, flags)
        try:
            # A message is taken as a whole: nobody else tells how long it was.
            room = size if self.type == SOCK_STREAM else host.MOST
            data, token, came = host.receive(self.host, room, flags & (MSG_PEEK | MSG_OOB))
        except BlockingIOError:
            raise WouldBlock(self.host_queue, self.events) from None
        message = Message(data[:size], flags=came & (MSG_EOR | MSG_OOB))
        message.length = len(data)
        if message.length > size:
            message.flags |= MSG_TRUNC
        if token:
            message.cargo = self.arrived(token, peeking=bool(flags & MSG_PEEK))
        return message

    def take(self, size: int) -> bytes | None:
        if (
            self.state != CONNECTED
            or self.error
            or self.pushback
            or self.inbound
            or self.type != SOCK_STREAM
            or LOW_WATER in self.options
        ):
            return None
        try:
            return self.host.recv(min(size, host.MOST), MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            self.error = host.failed(error).number  # the host tells it once
            return None

    def give(self, data: bytes) -> int | None:
        if self.state != CONNECTED or self.error or self.type != SOCK_STREAM:
            return None
        if self.peer is not None and PASSES_CRED in self.peer.options:
            return None
        try:
            return self.host.send(data, MSG_DONTWAIT | MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError):
            return None
        except OSError as error:
            self.error = host.failed(error).number
            return None

    def from_pushback(self, size: int, flags: int) -> Message:
        data = self.pushback[:size]
        if not flags & MSG_PEEK:
            # A message that was put back is read as one, whatever fits.
            self.pushback = self.pushback[size:] if self.type == SOCK_STREAM else b""
        return Message(data)

    def unread(self, data: bytes) -> None:
        self.pushback = data + self.pushback

    def arrived(self, token: int, *, peeking: bool) -> Cargo | None:
        """The cargo of *token*. Tokens before it were dropped by plain reads: so is their cargo."""
        while self.inbound and self.inbound[0] != token:
            self.lose(self.inbound.popleft())
        if peeking:
            cargo = self.net.cargo.get(token)
            return cargo.copy() if cargo is not None else None
        if self.inbound:
            self.inbound.popleft()
        return self.net.unload(token)

    def lose(self, token: int) -> None:
        cargo = self.net.unload(token)
        if cargo is not None:
            cargo.drop()

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        self.raise_error()
        self.check_send()
        token = 0
        # A stream without bytes carries nothing (unix_stream_sendmsg).
        if cargo is not None and (data or self.type != SOCK_STREAM):
            token = self.net.load(cargo)
            if self.peer is not None:
                self.peer.inbound.append(token)
        try:
            sent = host.send(self.host, data, flags & host.SENDABLE, token)
        except BlockingIOError:
            self.recall(token)
            raise WouldBlock(self.host_queue, self.events) from None
        except Exception:
            self.recall(token)
            raise
        if cargo is not None and not token:
            cargo.drop()
        return sent

    def recall(self, token: int) -> None:
        """The message with *token* did not go; its cargo stays the sender's."""
        if token:
            self.net.unload(token)
            if self.peer is not None:
                self.peer.inbound.remove(token)

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        mask = self.poll_host()
        if self.pushback:
            mask |= READABLE
        return mask | POLLERR if self.error else mask

    def poll_host(self) -> int:
        poller = self.poller
        if poller is None:
            poller = self.poller = select.poll()
            poller.register(self.host.fileno(), EVERY_EVENT)
        found = poller.poll(0)
        return found[0][1] if found else 0

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.host_queue, self.events)

    def take_error(self) -> int:
        if self.error:
            return super().take_error()
        return self.host.getsockopt(SOL_SOCKET, SO_ERROR) if self.state == CONNECTED else 0

    # --- the host's side of options ----------------------------------------------------------
    def set_status(self, flags: int) -> None:
        if (flags ^ self.flags) & O_NONBLOCK:
            os.set_blocking(self.host.fileno(), not flags & O_NONBLOCK)
        super().set_status(flags)

    def host_option(self, level: int, name: int, value: bytes) -> None:
        try:
            self.host.setsockopt(level, name, value)
        except OSError as error:
            raise host.failed(error) from None

    def unread_bytes(self) -> int:
        return len(self.pushback) + self.ask(FIONREAD)

    def unsent_bytes(self) -> int:
        return self.ask(TIOCOUTQ)

    def at_mark(self) -> bool:
        return bool(self.ask(SIOCATMARK))

    def ask(self, request: int) -> int:
        """The int that a host ioctl gives; 0 where the host has none."""
        try:
            answer = fcntl.ioctl(self.host.fileno(), request, bytes(4))
        except OSError:
            return 0
        return struct.unpack("i", answer)[0]  # type: ignore[no-any-return]
