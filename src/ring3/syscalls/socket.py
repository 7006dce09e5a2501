"""socket(2), socketpair(2), and the calls that name, connect and end sockets."""

from __future__ import annotations

from ring3.abi.capability import CAP_NET_BIND_SERVICE, CAP_NET_RAW
from ring3.abi.errno import (
    EADDRINUSE,
    EAGAIN,
    EALREADY,
    ECONNABORTED,
    EEXIST,
    EINPROGRESS,
    EINVAL,
    EISCONN,
    ENOTSOCK,
)
from ring3.abi.fcntl import O_CLOEXEC, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    AF_UNSPEC,
    SHUT_RDWR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
)
from ring3.abi.stat import S_IFSOCK
from ring3.abi.types import Fd, FdPair, In, InOut, Int, Out, SockLen
from ring3.net.address import family_of, load_unix
from ring3.net.socket import Socket, WouldBlock
from ring3.syscalls.publish import discard, install
from ring3.syscalls.sockets import (
    SockAddr,
    load_address,
    name_sender,
    network,
    socket_at,
    store_address,
    ucred,
    unix_target,
    wait,
)
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import io_file
from ring3.task.task import Task
from ring3.vfs import ops

if TYPE_CHECKING:
    pass

TYPE_MASK = 15
INET = (AF_INET, AF_INET6)


# --- making sockets -----------------------------------------------------------------------------
@syscall
def socket(t: Task, domain: Int, kind: Int, protocol: Int) -> int:
    """Make a socket."""
    flags = kind & ~TYPE_MASK
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise EINVAL("unknown socket flag")
    from ring3.net.families import create

    made = create(
        network(t),
        domain,
        kind & TYPE_MASK,
        protocol,
        flags & O_NONBLOCK,
        ucred(t),
        raw=t.cred.capable(CAP_NET_RAW),
    )
    return install(t, made, bool(flags & O_CLOEXEC))


@syscall
def socketpair(t: Task, domain: Int, kind: Int, protocol: Int, fds: Out[FdPair]) -> int:
    """Make two sockets that are connected to each other (AF_UNIX alone)."""
    flags = kind & ~TYPE_MASK
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise EINVAL("unknown socket flag")
    from ring3.net.families import create_pair

    with t.fds.reserve(2) as (first, second):
        fds.store((first, second))  # before the sockets are made, as on Linux
        pair = create_pair(
            network(t),
            domain,
            kind & TYPE_MASK,
            protocol,
            flags & O_NONBLOCK,
            ucred(t),
            raw=t.cred.capable(CAP_NET_RAW),
        )
        t.fds.publish({first: pair[0], second: pair[1]}, cloexec=bool(flags & O_CLOEXEC))
    return 0


# --- names --------------------------------------------------------------------------------------
@syscall(addr="length")
def bind(t: Task, fd: Fd, addr: In[SockAddr], length: Int) -> int:
    """Give a socket a name."""
    sock: Any = socket_at(t, fd)
    raw = load_address(addr, length)
    if sock.domain == AF_UNIX:
        bind_unix(t, sock, raw)
    else:
        sock.bind(raw, t.cred.capable(CAP_NET_BIND_SERVICE))
    return 0


def bind_unix(t: Task, sock: Any, raw: bytes) -> None:
    from ring3.net import unixname as unix

    name = load_unix(raw)
    if not name:
        unix.autobind(sock)
    elif name.startswith(b"\0"):
        unix.check_bind(sock)
        unix.bind_abstract(sock, name)
    else:
        try:
            if sock.named is not unix.NO_NAME:
                ops.vacant(t, None, name)  # its errors come first
                unix.check_bind(sock)
            place = ops.mknod(t, None, name, S_IFSOCK | 0o777, 0)
        except EEXIST:
            raise EADDRINUSE from None
        unix.bind_inode(sock, name, place.inode)


@syscall(addr="length")
def getsockname(t: Task, fd: Fd, addr: Out[SockAddr], length: InOut[SockLen]) -> int:
    """Tell a socket's own address."""
    store_address(socket_at(t, fd).getsockname(), addr, length)
    return 0


@syscall(addr="length")
def getpeername(t: Task, fd: Fd, addr: Out[SockAddr], length: InOut[SockLen]) -> int:
    """Tell the address of what a socket is connected to."""
    store_address(socket_at(t, fd).getpeername(), addr, length)
    return 0


# --- connecting ---------------------------------------------------------------------------------
@syscall(addr="length")
def connect(t: Task, fd: Fd, addr: In[SockAddr], length: Int) -> int:
    """Connect a socket; of one without connections, set the destination."""
    sock: Any = socket_at(t, fd)
    raw = load_address(addr, length)
    if sock.domain == AF_UNIX:
        return connect_unix(t, sock, raw)
    if sock.type == SOCK_STREAM and sock.domain in INET:
        return connect_tcp(t, sock, raw)
    sock.connect(raw)
    return 0


def connect_unix(t: Task, sock: Any, raw: bytes) -> int:
    from ring3.net.unixdgram import UnixDatagram

    if family_of(raw) == AF_UNSPEC and isinstance(sock, UnixDatagram):
        sock.connect(None)
        return 0
    if load_unix(raw):
        name_sender(sock)
    target = unix_target(t, sock, raw)
    try:
        sock.connect(target)
    except WouldBlock as block:
        wait(t, sock, block, sending=True)
    return 0


def connect_tcp(t: Task, sock: Any, raw: bytes) -> int:
    """The states of __inet_stream_connect: a connection may be under way from an earlier call."""
    from ring3.net import tcp

    fresh = False
    if t.memo is None:
        if family_of(raw) == AF_UNSPEC:
            sock.connect(raw)
            return 0
        if sock.phase == tcp.DONE:
            raise EISCONN
        fresh = sock.phase == tcp.UNCONNECTED
        if fresh:
            sock.connect(raw)
    if sock.nonblock and (fresh or sock.connecting):
        # On Linux the handshake is never over when the call returns, so it is not here either.
        raise EINPROGRESS if fresh else EALREADY
    if sock.connecting:
        try:
            wait(t, sock, WouldBlock(sock.events), sending=True)
        except EAGAIN:
            raise EINPROGRESS from None
    if not sock.is_connected:
        sock.give_up()
        sock.raise_error()
        raise ECONNABORTED
    sock.phase = tcp.DONE
    return 0


@syscall
def listen(t: Task, fd: Fd, backlog: Int) -> int:
    """Let a socket take connections."""
    socket_at(t, fd).listen(backlog, ucred(t))
    return 0


@syscall(addr="length")
def accept(t: Task, fd: Fd, addr: Out[SockAddr], length: InOut[SockLen]) -> int:
    """Take the next connection of a listening socket."""
    return accept_flags(t, fd, addr, length, 0)


@syscall(addr="length")
def accept4(t: Task, fd: Fd, addr: Out[SockAddr], length: InOut[SockLen], flags: Int) -> int:
    """``accept`` with SOCK_CLOEXEC and SOCK_NONBLOCK for the new socket."""
    return accept_flags(t, fd, addr, length, flags)


def accept_flags(t: Task, fd: int, addr: Out[SockAddr], length: InOut[SockLen], flags: int) -> int:
    file = io_file(t, fd)
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise EINVAL("unknown socket flag")
    with t.fds.reserve() as (new,):
        if not isinstance(file, Socket):
            raise ENOTSOCK
        try:
            made = file.accept()
        except WouldBlock as block:
            wait(t, file, block, sending=False)
        try:
            made.set_nonblock(bool(flags & O_NONBLOCK))
            if addr:
                store_address(made.client_name(), addr, length)
        except BaseException:
            discard(made)
            raise
        t.fds.publish({new: made}, cloexec=bool(flags & O_CLOEXEC))
    return new


@syscall
def shutdown(t: Task, fd: Fd, how: Int) -> int:
    """End one or both directions of a connection."""
    sock = socket_at(t, fd)
    if not 0 <= how <= SHUT_RDWR:
        raise EINVAL("how")
    sock.shutdown(how)
    return 0
