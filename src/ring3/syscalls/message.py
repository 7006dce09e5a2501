"""sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2).

Source: net/socket.c for the order of errors and of what is stored.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EINVAL, EMSGSIZE, ENOBUFS, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.socket import (
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_OOB,
    MSG_WAITFORONE,
)
from ring3.abi.types import (
    IOV_MAX,
    MAX_RW_COUNT,
    Bytes,
    Fd,
    In,
    InOut,
    Int,
    Iovec,
    Out,
    Record,
    RecordCodec,
    Size,
    SockLen,
    Timespec,
    UInt,
    iovecs,
)
from ring3.core.park import Park
from ring3.net.socket import Socket
from ring3.syscalls.ancillary import store_controls
from ring3.syscalls.records import Timespec64
from ring3.syscalls.socketio import (
    receive,
    receive_at_once,
    result_of,
    send_at_once,
    send_spans,
)
from ring3.syscalls.sockets import (
    ADDRESS_MAX,
    SockAddr,
    load_address,
    progress,
    socket_at,
    store_address,
)
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import (
    check_range,
    signal_pending,
)
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.vfs.spans import Spans

CONTROL_MAX: Final = 131072
"""net.core.optmem_max: bytes of control messages one call may send."""
MSG_CMSG_COMPAT: Final = 0x80000000


class MsgHdr(Record):
    """struct msghdr."""

    LAYOUT = "msghdr"
    FIELDS = {
        "name": "msg_name",
        "namelen": "msg_namelen",
        "iov": "msg_iov",
        "iovlen": "msg_iovlen",
        "control": "msg_control",
        "controllen": "msg_controllen",
        "flags": "msg_flags",
    }
    __slots__ = ("control", "controllen", "flags", "iov", "iovlen", "name", "namelen")
    name: int
    namelen: int
    iov: int
    iovlen: int
    control: int
    controllen: int
    flags: int


class MMsgHdr(Record):
    """struct mmsghdr: a msghdr (read and stored as one) and what its call returned."""

    LAYOUT = "mmsghdr"
    FIELDS = {"length": "msg_len"}
    __slots__ = ("length",)
    length: int


HEADER: Final[RecordCodec[MsgHdr]] = RecordCodec(MsgHdr)
NAMELEN_AT: Final = {64: 8, 32: 4}
CONTROLLEN_AT: Final = {64: 40, 32: 20}
FLAGS_AT: Final = {64: 48, 32: 24}
LENGTH_AT: Final = {64: 56, 32: 28}
"""Offsets in struct mmsghdr, whose first member the msghdr is, by word size."""


# --- sending ------------------------------------------------------------------------------------
def send_header(t: Task, sock: Socket, header: MsgHdr, flags: int) -> int:
    """Send what a struct msghdr describes."""
    check_header(header)
    raw = None
    if header.name and header.namelen:
        raw = t.memory.load(header.name, min(header.namelen, ADDRESS_MAX))
    spans = spans_of(t, header)
    control = b""
    if header.controllen:
        if header.controllen > CONTROL_MAX:
            raise ENOBUFS("too many control messages")
        control = t.memory.load(header.control, header.controllen)
    return send_spans(t, sock, spans, flags, raw, control)


def check_header(header: MsgHdr) -> None:
    if header.namelen < 0:
        raise EINVAL("negative msg_namelen")
    if header.iovlen > IOV_MAX:
        raise EMSGSIZE("more than 1024 buffers")


def spans_of(t: Task, header: MsgHdr) -> Spans:
    vector: In[Iovec] = In(t.memory, header.iov, IOVEC)
    return iovecs(vector, header.iovlen)


IOVEC: Final = Iovec.__metadata__[0]  # type: ignore[attr-defined]


@syscall(buf="size", addr="length")
def sendto(
    t: Task, fd: Fd, buf: In[Bytes], size: Size, flags: UInt, addr: In[SockAddr], length: Int
) -> int:
    """Send a message, to *addr* if that is given."""
    size = min(size, MAX_RW_COUNT)
    check_range(t.memory, buf.addr, size)
    sock = socket_at(t, fd)
    if not addr and (sent := send_at_once(t, sock, buf.addr, size, flags)) is not None:
        return sent
    raw = load_address(addr, length) if addr else None
    return send_spans(t, sock, [(buf.addr, size)], flags, raw or None, b"")


@syscall
def sendmsg(t: Task, fd: Fd, message: In[MsgHdr], flags: UInt) -> int:
    """Send a message with control messages."""
    if flags & MSG_CMSG_COMPAT:
        raise EINVAL("MSG_CMSG_COMPAT")
    sock = socket_at(t, fd)
    return send_header(t, sock, message.load(), flags)


@syscall
def sendmmsg(t: Task, fd: Fd, messages: InOut[MMsgHdr], count: UInt, flags: UInt) -> int:
    """Send up to *count* messages; return how many went."""
    if flags & MSG_CMSG_COMPAT:
        raise EINVAL("MSG_CMSG_COMPAT")
    sock = socket_at(t, fd)
    memo = progress(t)
    word = t.memory.word
    while memo.index < min(count, IOV_MAX):
        at = messages.at(memo.index).addr
        try:
            header = HEADER.decode(t.memory.load(at, HEADER.size(word)), word)
            sent = send_header(t, sock, header, flags)
            t.memory.store(at + LENGTH_AT[word], sent.to_bytes(4, "little"))
        except (Errno, Park) as stop:
            if memo.index and (isinstance(stop, Errno) or signal_pending(t)):
                return memo.index
            raise
        next_message(memo)
        if memo.index < count and signal_pending(t):
            break
    return memo.index


def next_message(memo: Any) -> None:
    memo.index += 1
    memo.done = 0
    memo.spans = None
    memo.until_ns = None


# --- receiving ----------------------------------------------------------------------------------
@syscall(buf="return", addr="length")
def recvfrom(
    t: Task,
    fd: Fd,
    buf: Out[Bytes],
    size: Size,
    flags: UInt,
    addr: Out[SockAddr],
    length: InOut[SockLen],
) -> int:
    """Receive a message, and where it came from."""
    size = min(size, MAX_RW_COUNT)
    check_range(t.memory, buf.addr, size)
    sock = socket_at(t, fd)
    if not addr and (got := receive_at_once(t, sock, buf.addr, size, flags)) is not None:
        return got
    count, message = receive(t, sock, [(buf.addr, size)], flags)
    message.drop()
    if addr:
        store_address(message.address, addr, length)
    return result_of(count, message, flags)


def receive_header(t: Task, sock: Socket, at: int, flags: int) -> tuple[int, int]:
    """Receive into what the msghdr at *at* describes: (result, msg_flags)."""
    word = t.memory.word
    header = HEADER.decode(t.memory.load(at, HEADER.size(word)), word)
    check_header(header)
    count, message = receive(t, sock, spans_of(t, header), flags)
    room = header.controllen
    used, short = store_controls(t, sock, message, header.control, room, flags)
    said = message.flags | flags & MSG_CMSG_CLOEXEC | (MSG_CTRUNC if short else 0)
    if header.name:
        raw = message.address
        t.memory.store(header.name, raw[: header.namelen])
        t.memory.store(at + NAMELEN_AT[word], len(raw).to_bytes(4, "little"))
    t.memory.store(at + FLAGS_AT[word], said.to_bytes(4, "little"))
    t.memory.store(at + CONTROLLEN_AT[word], used.to_bytes(word // 8, "little"))
    return result_of(count, message, flags), said


@syscall
def recvmsg(t: Task, fd: Fd, message: InOut[MsgHdr], flags: UInt) -> int:
    """Receive a message with control messages."""
    if flags & MSG_CMSG_COMPAT:
        raise EINVAL("MSG_CMSG_COMPAT")
    return receive_header(t, socket_at(t, fd), message.addr, flags)[0]


@syscall
def recvmmsg(
    t: Task,
    fd: Fd,
    messages: InOut[MMsgHdr],
    count: UInt,
    flags: UInt,
    timeout: InOut[Timespec],
) -> int:
    """Receive up to *count* messages; *timeout* is looked at after each, as on Linux."""
    return receive_many(t, fd, messages, count, flags, timeout)


@syscall
def recvmmsg_time64(
    t: Task,
    fd: Fd,
    messages: InOut[MMsgHdr],
    count: UInt,
    flags: UInt,
    timeout: InOut[Timespec64],
) -> int:
    """recvmmsg with 64-bit seconds (i386)."""
    return receive_many(t, fd, messages, count, flags, timeout)


def receive_many(
    t: Task, fd: int, messages: InOut[MMsgHdr], count: int, flags: int, timeout: InOut[Any]
) -> int:
    if flags & MSG_CMSG_COMPAT:
        raise EINVAL("MSG_CMSG_COMPAT")
    clock = t.world.clock
    resumed = t.memo is not None
    memo = progress(t)
    if timeout and not resumed:
        memo.end_ns = clock.monotonic_ns() + timeout.load().ns()
    sock = socket_at(t, fd)
    if not resumed:
        sock.raise_error()
    word = t.memory.word
    while memo.index < min(count, IOV_MAX):
        at = messages.at(memo.index).addr
        waits = not (flags & MSG_WAITFORONE and memo.index)
        try:
            got, said = receive_header(t, sock, at, flags if waits else flags | MSG_DONTWAIT)
            t.memory.store(at + LENGTH_AT[word], got.to_bytes(4, "little"))
        except Park:
            if memo.index and signal_pending(t):
                break
            raise
        except Errno as failed:
            if not memo.index:
                raise
            if not isinstance(failed, EAGAIN):
                sock.error = failed.number
            break
        next_message(memo)
        if said & MSG_OOB or (memo.index < count and signal_pending(t)):
            break
        if memo.end_ns is not None and clock.monotonic_ns() >= memo.end_ns:
            break
    if timeout and memo.index and memo.end_ns is not None:
        timeout.store(type(timeout.load()).of(max(0, memo.end_ns - clock.monotonic_ns())))
    return memo.index
