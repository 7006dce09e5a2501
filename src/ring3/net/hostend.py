"""The host's make of an end (``end``): one of a pair of host sockets, and what goes beside it."""

from __future__ import annotations

import fcntl
import os
import select
import struct

from ring3.abi.errno import BY_NUMBER, ECONNRESET, ENOTCONN, EPIPE
from ring3.abi.hints import TYPE_CHECKING, Any, Final
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
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.core.light import deque
from ring3.core.reactor import HostQueue
from ring3.net import host
from ring3.net.cargo import Cargo, Message, Ucred

if TYPE_CHECKING:
    from typing import Self

    from ring3.core.park import WaitQueue
    from ring3.net.host import HostSocket, Rendezvous
    from ring3.net.network import Network

EVERY_EVENT: Final = (
    POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP
)


class HostEnds:
    """Ends of one network, and the cargo under way between them."""

    def __init__(self, net: Network) -> None:
        self.reactor = net.reactor
        self.orphans: dict[Any, Any] = {}
        self.cargo: dict[int, Cargo] = {}
        """Cargo under way, by the number its token carries."""
        self.last_token = 0
        self.rendezvous: dict[int, Rendezvous] = {}
        """Where host sockets of a type are joined in pairs."""

    def make(self, type_: int, tcp: bool) -> HostEnd:
        sock = host.make(type_)
        if not tcp:
            return HostEnd(self, type_, sock)
        from ring3.net.hosttcp import HostTcpEnd

        return HostTcpEnd(self, type_, sock)

    def pair(self, type_: int) -> tuple[HostEnd, HostEnd]:
        first, second = host.pair(type_)
        a, b = HostEnd(self, type_, first), HostEnd(self, type_, second)
        a.other, b.other = b, a
        return a, b

    def meeting(self, type_: int) -> Rendezvous:
        found = self.rendezvous.get(type_)
        if found is None:
            found = self.rendezvous[type_] = host.Rendezvous(type_)
        return found

    def load(self, cargo: Cargo) -> int:
        """Keep *cargo* until its token arrives; return the token's number."""
        self.last_token += 1
        self.cargo[self.last_token] = cargo
        return self.last_token

    def unload(self, token: int) -> Cargo | None:
        return self.cargo.pop(token, None)

    def close(self) -> None:
        for orphan in list(self.orphans.values()):
            orphan.bury()
        for meeting in self.rendezvous.values():
            meeting.close()
        self.rendezvous.clear()


class HostEnd:
    """A host socket."""

    __slots__ = (
        "ends", "error", "fd", "gone", "host", "inbound", "other", "poller", "readers", "type",
        "watch", "writers",
    )  # fmt: skip

    def __init__(self, ends: HostEnds, type_: int, sock: HostSocket) -> None:
        self.ends = ends
        self.type = type_
        self.host = sock
        self.fd: int | None = sock.fileno()
        self.watch = HostQueue(ends.reactor, sock.fileno())
        self.readers: WaitQueue = self.watch
        self.writers: WaitQueue = self.watch
        self.poller: select.poll | None = None
        self.other: Self | None = None
        self.gone = False
        """Closed from above."""
        self.error = 0
        """What the host told when nobody could be told."""
        self.inbound: deque[int] = deque()
        """Tokens on their way here, oldest first."""

    @property
    def over(self) -> bool:
        return self.other is not None and self.other.host.fileno() < 0

    @property
    def finished(self) -> bool:
        return self.other is None or self.other.gone

    def join(self) -> Self:
        made = type(self)(self.ends, self.type, self.ends.meeting(self.type).join(self.host))
        made.other, self.other = self, made
        return made

    # --- data --------------------------------------------------------------------------------
    def receive(self, size: int, flags: int, writer: Ucred | None) -> Message | None:
        self.raise_error()
        try:
            # A message is taken as a whole: nobody else tells how long it was.
            room = size if self.type == SOCK_STREAM else host.MOST
            data, token, came = host.receive(self.host, room, flags)
        except BlockingIOError:
            return None
        message = Message(data[:size], flags=came & (MSG_EOR | MSG_OOB))
        message.length = len(data)
        if message.length > size:
            message.flags |= MSG_TRUNC
        if token:
            message.cargo = self.arrived(token, peeking=bool(flags & MSG_PEEK))
        return message

    def take(self, size: int) -> bytes | None:
        if self.inbound or self.error:
            return None
        try:
            return self.host.recv(min(size, host.MOST), MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            self.error = host.failed(error).number  # the host tells it once
            return None

    def give(self, data: bytes) -> int | None:
        if self.error:
            return None
        try:
            return self.host.send(data, MSG_DONTWAIT | MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError):
            return None
        except OSError as error:
            self.error = host.failed(error).number
            return None

    def arrived(self, token: int, *, peeking: bool) -> Cargo | None:
        """The cargo of *token*. Tokens before it were dropped by plain reads: so is their cargo."""
        while self.inbound and self.inbound[0] != token:
            self.lose(self.inbound.popleft())
        if peeking:
            cargo = self.ends.cargo.get(token)
            return cargo.copy() if cargo is not None else None
        if self.inbound:
            self.inbound.popleft()
        return self.ends.unload(token)

    def lose(self, token: int) -> None:
        cargo = self.ends.unload(token)
        if cargo is not None:
            cargo.drop()

    def send(self, data: bytes, flags: int, cargo: Cargo | None) -> int | None:
        self.raise_error()
        token = 0
        # A stream without bytes carries nothing (unix_stream_sendmsg).
        if cargo is not None and (data or self.type != SOCK_STREAM):
            token = self.ends.load(cargo)
            if self.other is not None:
                self.other.inbound.append(token)
        try:
            sent = host.send(self.host, data, flags & host.SENDABLE, token)
        except BlockingIOError:
            self.recall(token)
            return None
        except Exception:
            self.recall(token)
            raise
        if cargo is not None and not token:
            cargo.drop()
        return sent

    def recall(self, token: int) -> None:
        """The message with *token* did not go; its cargo stays the sender's."""
        if token:
            self.ends.unload(token)
            if self.other is not None:
                self.other.inbound.remove(token)

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        poller = self.poller
        if poller is None:
            poller = self.poller = select.poll()
            poller.register(self.host.fileno(), EVERY_EVENT)
        found = poller.poll(0)
        mask = found[0][1] if found else 0
        return mask | POLLERR if self.error else mask

    def raise_error(self) -> None:
        if self.error:
            raise BY_NUMBER[self.take_error()]

    def take_error(self) -> int:
        error, self.error = self.error, 0
        return error or self.host.getsockopt(SOL_SOCKET, SO_ERROR)

    # --- the end -----------------------------------------------------------------------------
    def shutdown(self, how: int) -> None:
        try:
            self.host.shutdown(how)
        except OSError as error:
            if error.errno != ENOTCONN.number:  # the peer is gone already
                raise host.failed(error) from None

    def reset(self) -> None:
        """The host resets the peer where an end is closed with data unread: have it some."""
        if self.other is not None and not self.other.gone:
            try:
                host.send(self.other.host, b"\0", 0)
            except (BlockingIOError, EPIPE, ECONNRESET):
                pass  # full of data already, or ended by itself

    def close(self) -> None:
        self.gone = True
        while self.inbound:
            self.lose(self.inbound.popleft())
        self.watch.close()
        self.part()

    def part(self) -> None:
        """Nobody waits any more: give the host's side up."""
        self.host.close()

    # --- the host's side of options ----------------------------------------------------------
    def set_nonblock(self, on: bool) -> None:
        os.set_blocking(self.host.fileno(), not on)

    def option(self, level: int, name: int, value: bytes) -> None:
        try:
            self.host.setsockopt(level, name, value)
        except OSError as error:
            raise host.failed(error) from None

    def inherit(self, older: Any) -> None:
        """Not done: the host's buffers are as they are."""

    def unread_bytes(self) -> int:
        return self.ask(FIONREAD)

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
