"""What a connected socket needs of whatever moves its bytes.

An *end* is one end of a connection, or of one that may still come about. Two makes of it exist: the
host's (``hostend``), which the native machine can lay under a guest's number, and the kernel's own
(``ownend``), which needs no host. What a socket is, who meets whom, names, credentials and options
are decided above (``endsocket``, ``stream``) and do not depend on the make.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final, Protocol
from ring3.abi.poll import POLLIN, POLLRDNORM

if TYPE_CHECKING:
    from typing import Self

    from ring3.core.park import WaitQueue
    from ring3.net.cargo import Cargo, Message, Ucred
    from ring3.net.network import Network

READABLE: Final = POLLIN | POLLRDNORM


class End(Protocol):
    """One end. No method ever waits."""

    fd: int | None
    """Host descriptor whose plain read and write mean the same; None if there is none."""
    readers: WaitQueue
    """Wakes whenever a receive that gave None may give something."""
    writers: WaitQueue
    """Wakes whenever a send that gave None may take something; may be the same queue."""

    @property
    def over(self) -> bool:
        """TCP: reset, or ended both ways; Linux has a closed socket again."""

    @property
    def finished(self) -> bool:
        """TCP: the other end will send no more."""

    def join(self) -> Self:
        """Connect this end: the other one, which is new."""

    def receive(self, size: int, flags: int, writer: Ucred | None) -> Message | None:
        """Take one piece of a stream, or a message; None: there is nothing yet.

        *flags*: MSG_PEEK, MSG_OOB. *writer* is given where pieces of different writers must not
        be glued: who is meant where none is named. Errors: the connection's.
        """

    def send(self, data: bytes, flags: int, cargo: Cargo | None) -> int | None:
        """Send what goes: the number of bytes, None if nothing does. *flags*: MSG_OOB.

        *cargo* is used up if a number is returned, and left alone otherwise.
        """

    def take(self, size: int) -> bytes | None:
        """``receive`` in the plainest case; None: ask ``receive``."""

    def give(self, data: bytes) -> int | None:
        """``send`` in the plainest case; None: ask ``send``."""

    def poll(self) -> int:
        """POLL* bits that hold now."""

    def shutdown(self, how: int) -> None:
        """*how*: SHUT_RD, SHUT_WR, SHUT_RDWR."""

    def reset(self) -> None:
        """``close`` comes next, and the other end shall see ECONNRESET."""

    def close(self) -> None:
        """The socket is gone."""

    def take_error(self) -> int:
        """The pending error's number, which is then over."""

    def set_nonblock(self, on: bool) -> None: ...

    def option(self, level: int, name: int, value: bytes) -> None:
        """A socket option was set; those that shape reads and writes matter here."""

    def inherit(self, older: Any) -> None:
        """Take over the options that *older*, an end of the same make, was told of."""

    def unread_bytes(self) -> int:
        """SIOCINQ."""

    def unsent_bytes(self) -> int:
        """SIOCOUTQ."""

    def at_mark(self) -> bool:
        """SIOCATMARK."""


class Ends(Protocol):
    """Makes ends for one network."""

    orphans: dict[Any, Any]
    """TCP connections closed here whose other end is still there."""

    def make(self, type_: int, tcp: bool) -> End:
        """An unconnected end. *type_*: SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM."""

    def pair(self, type_: int) -> tuple[End, End]:
        """Both ends of an AF_UNIX connection."""

    def close(self) -> None:
        """Let go of whatever outlives the sockets."""


def ends_for(net: Network, own: bool) -> Ends:
    """The make that suits the machine. *own*: nothing of the host may be used."""
    if own:
        from ring3.net.ownend import OwnEnds

        return OwnEnds(net)
    from ring3.net.hostend import HostEnds

    return HostEnds(net)
