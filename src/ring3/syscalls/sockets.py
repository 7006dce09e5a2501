"""What the socket calls share: finding sockets, addresses in user memory, waiting."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, ECONNREFUSED, EINVAL, ENOTSOCK
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any, NoReturn
from ring3.abi.socket import SO_PASSCRED, SOL_SOCKET
from ring3.abi.stat import S_IFMT, S_IFSOCK
from ring3.abi.types import Blob, In, InOut, Out, SockLen
from ring3.core.park import RESTART_NEVER, RESTART_SYS, Park
from ring3.net.address import load_unix
from ring3.net.cargo import Ucred
from ring3.net.socket import FOREVER, Socket, WouldBlock
from ring3.syscalls.transfer import io_file
from ring3.vfs.access import MAY_WRITE, check
from ring3.vfs.path import walk

if TYPE_CHECKING:
    from ring3.net.network import Network
    from ring3.task.task import Task

SockAddr = Annotated[bytes, Blob(kind="sockaddr")]

ADDRESS_MAX = 128
"""sizeof(struct sockaddr_storage)."""


def network(t: Task) -> Network:
    """The network that *t* sees."""
    net: Network | None = t.world.net
    if net is None:
        from ring3.net.network import network_of

        net = network_of(t.world)
    return net


def ucred(t: Task) -> Ucred:
    """The caller as its peers see it."""
    cred = t.cred
    return Ucred(t.process.pid, cred.euid, cred.egid, cred.groups)


def socket_at(t: Task, fd: int) -> Socket:
    """The socket at *fd*. EBADF, ENOTSOCK."""
    file = io_file(t, fd)
    if not isinstance(file, Socket):
        raise ENOTSOCK
    return file


def load_address(addr: In[SockAddr], length: int) -> bytes:
    """The sockaddr at *addr*. EINVAL, EFAULT."""
    if not 0 <= length <= ADDRESS_MAX:
        raise EINVAL("length of a socket address")
    return addr.load_bytes(length)


def store_address(raw: bytes, addr: Out[SockAddr], length: InOut[SockLen]) -> None:
    """Store as much of *raw* as fits, and how long it is."""
    room = length.load()
    if room < 0:
        raise EINVAL("length of a socket address")
    length.store(len(raw))
    addr.store_bytes(raw[:room])


class Progress:
    """What a socket call that waits remembers (``t.memo``)."""

    __slots__ = ("done", "end_ns", "index", "spans", "until_ns")

    def __init__(self) -> None:
        self.until_ns: int | None = None
        """When it gives up; FOREVER: never; None: it did not wait yet."""
        self.done = 0
        """Bytes of a stream that are through."""
        self.index = 0
        """Messages of sendmmsg or recvmmsg that are through."""
        self.end_ns: int | None = None
        """recvmmsg's own time limit."""
        self.spans: list[tuple[int, int]] | None = None
        """The buffers, once some bytes of a stream are through: not read from the guest twice."""


def progress(t: Task) -> Progress:
    if t.memo is None:
        t.memo = Progress()
    return t.memo  # type: ignore[no-any-return]


def wait(t: Task, sock: Socket, block: WouldBlock, *, sending: bool, now: bool = False) -> NoReturn:
    """End a call that cannot go on: EAGAIN, also when its time is up, or Park.

    *now*: the call was made not to wait (MSG_DONTWAIT).
    """
    if now or sock.nonblock:
        raise EAGAIN
    memo = progress(t)
    if memo.until_ns is None:
        timeout_ns = sock.send_timeout_ns if sending else sock.receive_timeout_ns
        clock_ns = t.world.clock.monotonic_ns()
        memo.until_ns = FOREVER if timeout_ns == FOREVER else clock_ns + timeout_ns
    if memo.until_ns == FOREVER:
        raise Park(*block.queues, restart=RESTART_SYS)
    if t.world.clock.monotonic_ns() >= memo.until_ns:
        raise EAGAIN
    raise Park(*block.queues, deadline_ns=memo.until_ns, restart=RESTART_NEVER)


def unix_target(t: Task, sock: Socket, raw: bytes) -> Socket:
    """The socket bound to the unix name in *raw*. The errors of the walk, EACCES, ECONNREFUSED."""
    name = load_unix(raw)
    if not name:
        raise EINVAL("a unix address without a name")
    if name.startswith(b"\0"):
        found = sock.net.abstract.get(name)
        if found is None:
            raise ECONNREFUSED("nobody has that abstract name")
        return found  # type: ignore[no-any-return]
    inode = walk(t, None, name).inode
    check(t.cred, inode, MAY_WRITE)
    if inode.mode & S_IFMT != S_IFSOCK:
        raise ECONNREFUSED("not a socket")
    if inode.socket is None:
        raise ECONNREFUSED("no program of this guest has that socket open")
    return inode.socket  # type: ignore[no-any-return]


def name_sender(sock: Any) -> None:
    """SO_PASSCRED gives a unix socket that has no name one before it connects or sends."""
    if sock.options.get((SOL_SOCKET, SO_PASSCRED)):
        from ring3.net.unixname import autobind

        autobind(sock)
