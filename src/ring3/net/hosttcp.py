"""TCP over a pair of host AF_UNIX sockets: where those two differ, and a program could tell."""

from __future__ import annotations

from ring3.abi.errno import ECONNRESET
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.poll import POLLHUP, POLLWRBAND
from ring3.abi.socket import SHUT_RD, SHUT_WR, SO_SNDBUF, SOL_SOCKET
from ring3.net import host
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.net.hostend import HostEnd

if TYPE_CHECKING:
    from ring3.net.host import HostSocket
    from ring3.net.hostend import HostEnds

HOST_BUFFER: Final = b"\0\0\x20\0"
"""SO_SNDBUF asked of the host: 2 MiB, cut by it to net.core.wmem_max. TCP takes several MB
before it blocks, and programs that talk to themselves rely on it."""


class HostTcpEnd(HostEnd):
    """One end of a TCP connection."""

    __slots__ = ("ended", "left_in_peace", "resets")

    def __init__(self, ends: HostEnds, type_: int, sock: HostSocket) -> None:
        super().__init__(ends, type_, sock)
        self.ended = False
        """shutdown(SHUT_WR) was here."""
        self.resets = False
        self.left_in_peace = False
        """Closed without a reset: the peer saw the end of the data."""
        self.option(SOL_SOCKET, SO_SNDBUF, HOST_BUFFER)

    @property
    def finished(self) -> bool:
        return self.other is None or self.other.gone or self.other.ended

    def receive(self, size: int, flags: int, writer: Ucred | None) -> Message | None:
        try:
            return super().receive(size, flags, writer)
        except ECONNRESET:
            if self.other is not None and self.other.left_in_peace:
                return Message(b"")  # its end of data came before the reset
            raise

    def send(self, data: bytes, flags: int, cargo: Cargo | None) -> int | None:
        if cargo is not None:
            cargo.drop()  # open files do not travel by TCP
        return super().send(data, flags, None)

    def poll(self) -> int:
        mask = super().poll() & ~POLLWRBAND
        if self.other is not None and not self.ended and not self.over:
            # The host hangs up as soon as the peer is shut down both ways, TCP when both are
            # through.
            mask &= ~POLLHUP
        return mask

    def shutdown(self, how: int) -> None:
        if how != SHUT_RD:
            self.ended = True
        super().shutdown(how)

    def reset(self) -> None:
        self.resets = True
        super().reset()

    def part(self) -> None:
        other = self.other
        if other is not None and not other.gone and not self.resets:
            if host.peek(self.host) is None:
                # The peer may go on sending for a while, as TCP's may after our FIN.
                self.left_in_peace = True
                Orphan(self.ends, self.host)
                return
        self.host.close()


class Orphan:
    """The host's side of a connection that was closed here and not yet at the other end.

    TCP lets the peer of a closed socket write once more (it learns by the reset that follows) and
    shows it the end of the data, but no hang-up. So the host's side stays half open until
    anything comes: the host then resets the peer if that was data, and it is over.
    """

    __slots__ = ("ends", "host")

    def __init__(self, ends: HostEnds, end: HostSocket) -> None:
        self.ends = ends
        self.host = end
        try:
            end.shutdown(SHUT_WR)
        except OSError:
            end.close()  # the peer went in this very moment
            return
        ends.orphans[end.fileno()] = self
        ends.reactor.on_readable(end.fileno(), self.bury)

    def bury(self) -> None:
        fd = self.host.fileno()
        self.ends.orphans.pop(fd, None)
        self.ends.reactor.forget(fd)
        self.host.close()
