"""sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2).

Source: net/socket.c for the order of errors and of what is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ring3.abi.errno import EAGAIN, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EPIPE, Errno
from ring3.abi.poll import POLLRDHUP
from ring3.abi.signal import SIGPIPE
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    MSG_WAITFORONE,
    SO_RCVLOWAT,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
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
from ring3.net.socket import Message, Socket, WouldBlock
from ring3.syscalls.ancillary import load_cargo, store_controls
from ring3.syscalls.records import Timespec64
from ring3.syscalls.socket import (
    ADDRESS_MAX,
    SockAddr,
    load_address,
    name_sender,
    progress,
    socket_at,
    store_address,
    unix_target,
    wait,
)
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import (
    check_range,
    load_spans,
    send_signal,
    signal_pending,
    store_spans,
    total,
)
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.syscalls.transfer import Spans

CHUNK: Final = 1 << 18
"""Bytes of a stream that are loaded and sent at once."""
CONTROL_MAX: Final = 131072
"""net.core.optmem_max: bytes of control messages one call may send."""
MSG_CMSG_COMPAT: Final = 0x80000000
APART: Final = MSG_PEEK | MSG_OOB
"""Receives that leave the stream where it is."""
SEEN: Final = APART | MSG_DONTWAIT
"""Flags of a receive that sockets look at; the rest is done here."""


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
def destination(t: Task, sock: Socket, raw: bytes) -> Any:
    """What a socket's ``send`` wants as *to* for the sockaddr *raw*."""
    if sock.domain != AF_UNIX:
        return raw
    if sock.type == SOCK_DGRAM:
        return unix_target(t, sock, raw)
    return raw


def send_spans(
    t: Task, sock: Socket, spans: Spans, flags: int, raw: bytes | None, control: bytes
) -> int:
    """Send one message, or everything to a stream; return the bytes sent."""
    if sock.domain == AF_UNIX and sock.type == SOCK_DGRAM:
        name_sender(sock)
    to = destination(t, sock, raw) if raw is not None else None
    if sock.type == SOCK_STREAM:
        return send_stream(t, sock, spans, flags, to, control)
    size = total(spans)
    cargo = load_cargo(t, sock, control)
    try:
        data = load_spans(t.memory, spans, 0, size)
        if len(data) < size:
            raise EFAULT
    except EFAULT:
        if cargo is not None:
            cargo.drop()
        raise
    try:
        return sock.send(data, flags, to, cargo)
    except WouldBlock as block:
        wait(t, sock, block, sending=True, now=bool(flags & MSG_DONTWAIT))


def send_stream(t: Task, sock: Socket, spans: Spans, flags: int, to: Any, control: bytes) -> int:
    size = total(spans)
    done = t.memo.done if t.memo is not None else 0
    # Files go with the first byte.
    cargo = load_cargo(t, sock, control) if not done else None
    while True:
        want = min(size - done, CHUNK)
        try:
            data = load_spans(t.memory, spans, done, want)
            done += sock.send(data, flags, to, cargo)
        except WouldBlock as block:
            if done and signal_pending(t):
                return done
            try:
                progress(t).done = done
                wait(t, sock, block, sending=True, now=bool(flags & MSG_DONTWAIT))
            except EAGAIN:
                if done:
                    return done
                raise
        except Errno as failed:
            if cargo is not None:
                cargo.drop()
            if done:
                return done
            if isinstance(failed, EPIPE) and not flags & MSG_NOSIGNAL:
                send_signal(t, SIGPIPE)
            raise
        cargo = None
        if done >= size or len(data) < want:
            return done


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
    memo.until_ns = None


# --- receiving ----------------------------------------------------------------------------------
def receive(t: Task, sock: Socket, spans: Spans, flags: int) -> tuple[int, Message]:
    """(bytes stored, the message or the last piece of a stream)."""
    if flags & MSG_ERRQUEUE and sock.domain in (AF_INET, AF_INET6):
        raise EAGAIN("no errors are queued")
    if sock.type == SOCK_STREAM:
        return receive_stream(t, sock, spans, flags)
    size = total(spans)
    try:
        message = sock.recv(size, flags & SEEN)
    except WouldBlock as block:
        wait(t, sock, block, sending=False, now=bool(flags & MSG_DONTWAIT))
    if store_spans(t.memory, spans, 0, message.data) < len(message.data):
        message.drop()
        raise EFAULT
    return len(message.data), message


def receive_stream(t: Task, sock: Socket, spans: Spans, flags: int) -> tuple[int, Message]:
    """Bytes of a stream: what is there, or as many as SO_RCVLOWAT or MSG_WAITALL ask for."""
    size = total(spans)
    least = size if flags & MSG_WAITALL else sock.options.get((SOL_SOCKET, SO_RCVLOWAT), 1)
    done = t.memo.done if t.memo is not None else 0
    while True:
        try:
            message = sock.recv(size - done, flags & SEEN)
            done += store_piece(t, sock, spans, done, message, flags)
            if flags & MSG_PEEK and 0 < done < min(least, size) and not ended(sock):
                # The same bytes are looked at again when there are more.
                done = 0
                message.drop()
                raise WouldBlock(*sock.wait_queues())
        except WouldBlock as block:
            if done and signal_pending(t):
                return done, Message(b"")
            try:
                progress(t).done = done
                wait(t, sock, block, sending=False, now=bool(flags & MSG_DONTWAIT))
            except EAGAIN:
                if done:
                    return done, Message(b"")
                raise
        except Errno as failed:
            if not done or isinstance(failed, EFAULT):
                raise
            sock.error = failed.number  # told by the next call
            return done, Message(b"")
        if done >= min(least, size) or not message.data or message.cargo or flags & APART:
            return done, message
        if len(message.data) < message.length:
            return done, message


def ended(sock: Socket) -> bool:
    return bool(sock.poll() & POLLRDHUP)


def store_piece(
    t: Task, sock: Socket, spans: Spans, done: int, message: Message, flags: int
) -> int:
    """Store a piece of a stream; return its length. EFAULT gives back what was not stored."""
    data = message.data
    if flags & MSG_TRUNC and sock.domain != AF_UNIX:
        return len(data)  # TCP throws the bytes away
    stored = store_spans(t.memory, spans, done, data)
    if stored < len(data):
        if not flags & APART:
            sock.unread(data[stored:])
        if not done + stored:
            message.drop()
            raise EFAULT
        message.length = len(data)
        message.data = data[:stored]
    return stored


def result_of(count: int, message: Message, flags: int) -> int:
    """MSG_TRUNC asks for the length that a message had."""
    return message.length if flags & MSG_TRUNC and message.flags & MSG_TRUNC else count


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
