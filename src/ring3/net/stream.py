"""Connections: listening, meeting, ending.

A connection exists, with both ends and all data sent so far, from the moment connect(2) found the
listener; accept(2) only hands the other end out. While a socket is unconnected its end is too, so
that reads and writes that go to a host's end directly fail there.
"""

from __future__ import annotations

from ring3.abi.errno import ECONNREFUSED, EINVAL
from ring3.abi.hints import TYPE_CHECKING
from ring3.core.light import deque
from ring3.core.park import WaitQueue
from ring3.net.cargo import Ucred
from ring3.net.end import READABLE
from ring3.net.endsocket import CLOSED, CONNECTED, CONNECTING, LISTENING, EndSocket
from ring3.net.socket import SHUT_READ, WouldBlock

if TYPE_CHECKING:
    from typing import Self

    from ring3.net.end import End
    from ring3.net.network import Network


class StreamSocket(EndSocket):
    """A socket that connects, listens, or both ends of whose pair are known (socketpair)."""

    __slots__ = ("accepted", "backlog", "listen_cred", "partner", "room", "waiting")

    def __init__(
        self,
        net: Network,
        domain: int,
        type_: int,
        protocol: int,
        flags: int,
        creator: Ucred,
        end: End | None = None,
    ) -> None:
        super().__init__(net, domain, type_, protocol, flags, creator, end)
        self.partner: Ucred | None = None
        """Who is or was at the other end."""
        self.backlog = 0
        self.accepted: deque[StreamSocket] = deque()
        """Connections nobody accepted yet, oldest first."""
        self.waiting: deque[StreamSocket] = deque()
        """Clients for whom the backlog has no room."""
        self.room = WaitQueue()
        """Woken when the backlog has room again."""
        self.listen_cred = creator

    # --- connecting --------------------------------------------------------------------------
    def listen(self, backlog: int, caller: Ucred) -> None:
        self.backlog = min(backlog & 0xFFFFFFFF, self.net.max_backlog)
        self.listen_cred = caller
        self.state = LISTENING
        self.admit()

    @property
    def listening(self) -> bool:
        return self.state == LISTENING

    @property
    def full(self) -> bool:
        return len(self.accepted) > self.backlog

    def child(self, client: StreamSocket, end: End) -> Self:
        """The server's end of a connection from *client*."""
        raise NotImplementedError

    def meet(self, client: StreamSocket) -> None:
        """Connect *client* to this listener, whose backlog has room."""
        child = self.child(client, client.end.join())
        child.state = client.state = CONNECTED
        child.peer, client.peer = client, child
        child.partner, client.partner = client.creator, self.listen_cred
        self.accepted.append(child)
        client.connected()
        self.events.wake()

    def connected(self) -> None:
        """The connection is there; whoever waits for it may go on."""
        self.events.wake()

    def admit(self) -> None:
        """Let clients in as far as the backlog has room."""
        while self.waiting and not self.full:
            client = self.waiting.popleft()
            if client.state == CONNECTING:
                self.meet(client)
        if not self.full:
            self.room.wake()

    def accept(self) -> StreamSocket:
        if self.state != LISTENING:
            raise EINVAL("the socket does not listen")
        if not self.accepted:
            if self.shut & SHUT_READ and not self.nonblock:
                raise EINVAL("the socket was shut down")
            raise WouldBlock(self.events)
        child = self.accepted.popleft()
        self.admit()
        return child

    # --- ending ------------------------------------------------------------------------------
    def shutdown(self, how: int) -> None:
        bits = how + 1
        if self.state == LISTENING:
            self.stop_listening(bits)
            return
        self.check_shutdown()
        self.shut |= bits
        self.end.shutdown(how)
        self.events.wake()

    def check_shutdown(self) -> None:
        """Raise what shutdown(2) gives while there is no connection."""

    def stop_listening(self, bits: int) -> None:
        """shutdown(2) of a listening socket: accept(2) gives EINVAL from now on."""
        self.shut |= bits
        self.events.wake()
        self.room.wake()

    def turn_away(self) -> None:
        """Nobody will accept any more: reset what is connected, refuse what waits."""
        while self.accepted:
            self.accepted.popleft().abort()
        while self.waiting:
            client = self.waiting.popleft()
            if client.state == CONNECTING:
                client.refused()

    def refused(self) -> None:
        """The connection this socket waited for will not come."""
        self.state = CLOSED
        self.fail(ECONNREFUSED)

    def abort(self) -> None:
        """End the connection so that the peer sees ECONNRESET."""
        self.end.reset()
        self.release()

    def release(self) -> None:
        if self.gone:
            return
        self.gone = True
        super().release()
        self.turn_away()
        self.state = CLOSED
        self.part()
        self.events.wake()

    def part(self) -> None:
        """The last guest descriptor is gone: give the end up."""
        self.end.close()

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        if self.state == LISTENING:
            return READABLE if self.accepted else 0
        return 0 if self.state == CONNECTING else super().poll()

    def unread_bytes(self) -> int:
        if self.state == LISTENING:
            raise EINVAL
        return super().unread_bytes()
