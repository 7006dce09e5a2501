"""The kernel's own make of an end (``end``), with nothing of the host underneath.

Here is what AF_UNIX and TCP share beyond the receiving side (``inbox``). How a send is counted and
how a connection ends differ: ``ownunix``, ``owntcp``.
"""

from __future__ import annotations

from ring3.abi.errno import ENOTCONN
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.socket import SO_OOBINLINE, SO_PEEK_OFF, SO_SNDBUF, SOL_SOCKET
from ring3.core.park import WaitQueue
from ring3.net.inbox import SHUT_READ, Inbox

if TYPE_CHECKING:
    from typing import Self

    from ring3.net.end import End
    from ring3.net.network import Network


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


class OwnEnd(Inbox):
    """One end."""

    __slots__ = ("fd", "gone", "limit", "used", "writers")

    other: Self | None

    def __init__(self, net: Network, type_: int) -> None:
        super().__init__(net, type_)
        self.fd: int | None = None
        self.writers = WaitQueue()
        self.gone = False
        """Closed from above."""
        self.limit = net.default_buffer
        """SO_SNDBUF."""
        self.used = 0
        """What of it is under way: sent from here and not yet read."""

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

    def freed(self, cost: int) -> None:
        """*cost* of the buffer is free again."""
        self.used -= cost
        if self.writers.waiters and self.roomy:
            self.writers.wake()

    @property
    def roomy(self) -> bool:
        """The buffer has so much room that POLLOUT is told."""
        raise NotImplementedError

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

    def unsent_bytes(self) -> int:
        return self.used
