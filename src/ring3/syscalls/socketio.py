"""How socket data moves between user memory and sockets: loops, waiting, partial results.

``syscalls/message.py`` has the calls themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ring3.abi.errno import EAGAIN, EFAULT, EPIPE, Errno
from ring3.abi.poll import POLLRDHUP
from ring3.abi.signal import SIGPIPE
from ring3.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    SO_RCVLOWAT,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)
from ring3.net.cargo import Message
from ring3.net.socket import Socket, WouldBlock
from ring3.syscalls.ancillary import load_cargo
from ring3.syscalls.sockets import name_sender, progress, unix_target, wait
from ring3.syscalls.transfer import (
    load_spans,
    send_signal,
    signal_pending,
    store_spans,
)
from ring3.vfs.spans import total

if TYPE_CHECKING:
    from ring3.task.task import Task
    from ring3.vfs.spans import Spans

CHUNK: Final = 1 << 18
"""Bytes of a stream that are loaded and sent at once."""
APART: Final = MSG_PEEK | MSG_OOB
"""Receives that leave the stream where it is."""
SEEN: Final = APART | MSG_DONTWAIT
"""Flags of a receive that sockets look at; the rest is done here."""
PLAIN: Final = MSG_DONTWAIT | MSG_NOSIGNAL
"""Flags that make no difference where nothing is to be waited for."""


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
    done, spans = so_far(t, spans)
    size = total(spans)
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
                remember(t, done, spans)
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


def so_far(t: Task, spans: Spans) -> tuple[int, Spans]:
    """How many bytes of a stream are through, and the buffers as the call first found them."""
    if t.memo is None:
        return 0, spans
    return t.memo.done, spans if t.memo.spans is None else t.memo.spans


def remember(t: Task, done: int, spans: Spans) -> None:
    memo = progress(t)
    memo.done, memo.spans = done, spans


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
    done, spans = so_far(t, spans)
    size = total(spans)
    least = size if flags & MSG_WAITALL else sock.options.get((SOL_SOCKET, SO_RCVLOWAT), 1)
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
                remember(t, done, spans)
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


# --- the plainest case ----------------------------------------------------------------------------
def send_at_once(t: Task, sock: Socket, addr: int, size: int, flags: int) -> int | None:
    """Send to a stream that needs no second thought. None: go the long way (memo says how far)."""
    if flags & ~PLAIN or t.memo is not None or size > CHUNK:
        return None
    try:
        data = t.memory.load(addr, size)
    except EFAULT:
        return None
    sent = sock.give(data)
    if sent is not None and sent < size:
        progress(t).done = sent
        return None
    return sent


def receive_at_once(t: Task, sock: Socket, addr: int, size: int, flags: int) -> int | None:
    """Receive from a stream that needs no second thought. None: go the long way."""
    if flags & ~PLAIN or t.memo is not None:
        return None
    data = sock.take(size)
    if data is None:
        return None
    try:
        if data:
            t.memory.store(addr, data)
    except EFAULT:
        sock.unread(data)
        return None
    return len(data)
