"""What all sockets share: identity, options, waiting, and the shape of what they carry.

The methods never block: what would have to wait raises :class:`WouldBlock`, which names the
queues to wait on. Handlers (and ``read``/``write`` here) turn that into EAGAIN or a park.
"""

from __future__ import annotations

from ring3.abi.errno import (
    BY_NUMBER,
    EAGAIN,
    EINVAL,
    EOPNOTSUPP,
    Errno,
)
from ring3.abi.fcntl import O_NONBLOCK, O_RDWR
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, Final, NoReturn
from ring3.abi.socket import SO_RCVBUF, SO_SNDBUF, SOCK_STREAM, SOL_SOCKET
from ring3.abi.stat import S_IFSOCK
from ring3.core.park import RESTART_NEVER, RESTART_SYS, Park, WaitQueue
from ring3.net.cargo import Cargo, Message, Ucred
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.net.network import Network
    from ring3.vfs.inode import Stat

SHUT_READ: Final = 1
SHUT_WRITE: Final = 2
SHUT_BOTH: Final = 3
FOREVER: Final = -1
"""A timeout that was not set."""


class WouldBlock(EAGAIN):
    """EAGAIN for now; *queues* wake when another try is worth it."""

    number = EAGAIN.number

    def __init__(self, *queues: WaitQueue) -> None:
        super().__init__()
        self.queues = queues


class Socket(File):
    """An open socket of any family."""

    __slots__ = (
        "creator",
        "domain",
        "error",
        "events",
        "ino",
        "linger",
        "net",
        "options",
        "protocol",
        "receive_timeout_ns",
        "send_timeout_ns",
        "shut",
        "type",
        "until_ns",
    )

    kind: ClassVar[str] = "socket"
    peeks_at_offset: ClassVar[bool] = False
    """SO_PEEK_OFF is known here."""

    def __init__(
        self, net: Network, domain: int, type_: int, protocol: int, flags: int, creator: Ucred
    ) -> None:
        super().__init__(O_RDWR | flags)
        self.net = net
        self.domain = domain
        self.type = type_
        self.protocol = protocol
        self.creator = creator
        self.error = 0
        """Pending error (SO_ERROR), reported once."""
        self.shut = 0
        """SHUT_READ and SHUT_WRITE bits."""
        self.options: dict[tuple[int, int], int] = {}
        """(level, name) -> value, of the options that were set."""
        self.linger: tuple[int, int] = (0, 0)
        self.receive_timeout_ns = FOREVER
        self.send_timeout_ns = FOREVER
        self.until_ns: dict[str, int] = {}
        """When a read(2) or write(2) under way gives up (SO_RCVTIMEO, SO_SNDTIMEO)."""
        self.events = WaitQueue()
        """Woken by the kernel's own changes: connected, connection to accept, error, datagram."""
        self.ino = net.enter(self)

    # --- what families do --------------------------------------------------------------------
    def recv(self, size: int, flags: int) -> Message:
        """Take one piece (stream) or message. *flags*: MSG_PEEK, MSG_OOB,
        MSG_DONTWAIT."""
        raise EOPNOTSUPP

    def send(self, data: bytes, flags: int, to: Any = None, cargo: Cargo | None = None) -> int:
        """Send what goes without waiting; return how many bytes. *cargo* is used up in any case.

        *to* is a sockaddr, or for datagrams in AF_UNIX the socket found under it.
        """
        try:
            sent = self.transmit(data, flags, to, cargo)
        except Exception:
            if cargo is not None:
                cargo.drop()
            raise
        return sent

    def transmit(self, data: bytes, flags: int, to: Any, cargo: Cargo | None) -> int:
        """What ``send`` does; *cargo* is kept, passed on or dropped unless it raises."""
        raise EOPNOTSUPP

    def take(self, size: int) -> bytes | None:
        """What ``recv`` would give, in the plainest case; None: ask ``recv``."""
        return None

    def give(self, data: bytes) -> int | None:
        """What ``send`` would return, in the plainest case; None: ask ``send``."""
        return None

    def shutdown(self, how: int) -> None:
        """shutdown(2). *how*: SHUT_RD, SHUT_WR, SHUT_RDWR, already checked."""
        raise EOPNOTSUPP

    def listen(self, backlog: int, caller: Ucred) -> None:
        raise EOPNOTSUPP

    def accept(self) -> Socket:
        """The next connection, with a reference that is the caller's. WouldBlock."""
        raise EOPNOTSUPP

    def getsockname(self) -> bytes:
        raise EOPNOTSUPP

    def getpeername(self) -> bytes:
        raise EOPNOTSUPP

    def client_name(self) -> bytes:
        """Whom accept(2) says a connection is from; it may be over by then."""
        return self.getpeername()

    @property
    def listening(self) -> bool:
        return False

    @property
    def peer_cred(self) -> Ucred | None:
        """Who is at the other end (SO_PEERCRED), where that is known."""
        return None

    # --- buffers -----------------------------------------------------------------------------
    @property
    def send_buffer(self) -> int:
        """SO_SNDBUF, in bytes."""
        return self.options.get((SOL_SOCKET, SO_SNDBUF)) or self.default_buffer(sending=True)

    @property
    def receive_buffer(self) -> int:
        """SO_RCVBUF, in bytes."""
        return self.options.get((SOL_SOCKET, SO_RCVBUF)) or self.default_buffer(sending=False)

    def default_buffer(self, sending: bool) -> int:
        return self.net.default_buffer

    def low_water(self, number: int) -> int:
        """The SO_RCVLOWAT that is kept where *number* was asked for."""
        return number

    # --- errors and waiting ------------------------------------------------------------------
    def fail(self, kind: type[Errno]) -> None:
        """Leave a pending error and wake whoever waits."""
        self.error = kind.number
        self.events.wake()

    def take_error(self) -> int:
        """The pending error's number (SO_ERROR), which is then over."""
        error, self.error = self.error, 0
        return error

    def raise_error(self) -> None:
        """Raise the pending error, if there is one."""
        if self.error:
            raise BY_NUMBER[self.take_error()]

    def sleep(self, block: WouldBlock, sending: bool) -> NoReturn:
        """End a read(2) or write(2) that would block: EAGAIN, or Park."""
        if self.nonblock:
            raise EAGAIN
        timeout_ns = self.send_timeout_ns if sending else self.receive_timeout_ns
        if timeout_ns == FOREVER:
            raise Park(*block.queues, restart=RESTART_SYS)
        # read(2) has no place to remember its deadline in; two threads that read the same socket
        # with a timeout share one.
        key = "send" if sending else "receive"
        now = self.net.clock.monotonic_ns()
        until_ns = self.until_ns.setdefault(key, now + timeout_ns)
        if now >= until_ns:
            del self.until_ns[key]
            raise EAGAIN
        raise Park(*block.queues, deadline_ns=until_ns, restart=RESTART_NEVER)

    # --- File --------------------------------------------------------------------------------
    def read(self, size: int) -> bytes:
        if not size:
            return b""
        try:
            message = self.recv(size, 0)
        except WouldBlock as block:
            self.sleep(block, sending=False)
        self.until_ns.pop("receive", None)
        message.drop()
        return message.data

    def write(self, data: bytes) -> int:
        try:
            sent = self.send(data, 0)
        except WouldBlock as block:
            self.sleep(block, sending=True)
        self.until_ns.pop("send", None)
        return sent

    @property
    def breaks_pipe(self) -> bool:
        """True where EPIPE comes with SIGPIPE."""
        return self.type == SOCK_STREAM

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.events,)

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        from ring3.net.interfaces import socket_ioctl

        return socket_ioctl(self, memory, request, arg)

    def unread_bytes(self) -> int:
        """SIOCINQ: bytes (of the next message) that wait to be read."""
        raise EINVAL

    def unsent_bytes(self) -> int:
        """SIOCOUTQ: bytes the peer has not read yet."""
        return 0

    def at_mark(self) -> bool:
        """SIOCATMARK: the next byte is the one that came out of band."""
        return False

    def host_option(self, level: int, name: int, value: bytes) -> None:
        """Tell what moves the bytes of an option that shapes reads and writes."""

    def stat(self) -> Stat:
        from ring3.vfs.anon import anonymous_stat

        uid, gid = self.creator.uid, self.creator.gid
        return anonymous_stat(S_IFSOCK | 0o777, self.ino, uid, gid)

    def target(self) -> bytes:
        return b"socket:[%d]" % self.ino

    def set_nonblock(self, on: bool) -> None:
        self.set_status(self.flags | O_NONBLOCK if on else self.flags & ~O_NONBLOCK)

    def release(self) -> None:
        self.net.leave(self)
