"""The kernel's own connection in AF_UNIX. Source: Linux's net/unix/af_unix.c, net/core/sock.c."""

from __future__ import annotations

from ring3.abi.errno import ECONNRESET, EMSGSIZE, EOPNOTSUPP, EPIPE
from ring3.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLWRBAND,
    POLLWRNORM,
)
from ring3.abi.socket import MSG_OOB, SOCK_STREAM
from ring3.net.cargo import Cargo
from ring3.net.end import READABLE
from ring3.net.inbox import SHUT_BOTH, SHUT_READ, SHUT_WRITE, Chunk
from ring3.net.ownend import OwnEnd
from ring3.net.truesize import PIECE, message_cost, stream_cost


class OwnUnixEnd(OwnEnd):
    """One end of a SOCK_STREAM or SOCK_SEQPACKET connection."""

    __slots__ = ()

    # --- sending -----------------------------------------------------------------------------
    def send(self, data: bytes, flags: int, cargo: Cargo | None) -> int | None:
        if self.type != SOCK_STREAM:
            return self.send_record(data, cargo)
        other = self.need_other()
        urgent = b""
        if flags & MSG_OOB:
            if not data:
                raise EOPNOTSUPP
            data, urgent = data[:-1], data[-1:]
        if self.shut & SHUT_WRITE:
            raise EPIPE
        sent, size = 0, len(data)
        most = min(self.limit // 2 - 64, PIECE)
        cred = cargo.cred if cargo is not None else None
        if not size and not urgent and cargo is not None:
            cargo.drop()  # a stream without bytes carries nothing
        while sent < size or urgent:
            self.raise_error()
            if self.used >= self.limit:
                return sent or None
            if not sent:
                self.net.check_memory()
            else:
                cargo = Cargo(self.net, cred=cred) if cred is not None else None
            if sent < size:
                part = data[sent : sent + most]
                self.add(other, Chunk(part, stream_cost(len(part)), cargo))
            else:
                part, urgent = urgent, b""
                self.add(other, Chunk(part, stream_cost(1), cargo), urgent=True)
            sent += len(part)
        return sent

    def send_record(self, data: bytes, cargo: Cargo | None) -> int | None:
        other = self.need_other()
        if len(data) > self.limit - 32:
            raise EMSGSIZE
        self.raise_error()
        if self.shut & SHUT_WRITE:
            raise EPIPE
        if self.used >= self.limit:
            return None
        self.net.check_memory()
        self.add(other, Chunk(data, message_cost(len(data)), cargo))
        return len(data)

    def add(self, other: OwnUnixEnd, chunk: Chunk, urgent: bool = False) -> None:
        self.used += chunk.cost
        other.put(chunk, urgent)

    def give(self, data: bytes) -> int | None:
        if self.other is None or self.shut & SHUT_WRITE or self.error or self.used >= self.limit:
            return None
        return self.send(data, 0, None)

    # --- readiness ---------------------------------------------------------------------------
    @property
    def roomy(self) -> bool:
        return self.used * 4 <= self.limit

    def poll(self) -> int:
        mask = 0
        if self.error:
            mask |= POLLERR
        if self.shut == SHUT_BOTH or self.other is None:
            mask |= POLLHUP
        if self.shut & SHUT_READ:
            mask |= POLLRDHUP | READABLE
        if self.queue:
            mask |= READABLE
        if self.urgent:
            mask |= POLLPRI
        if self.used * 4 <= self.limit:
            mask |= POLLOUT | POLLWRNORM | POLLWRBAND
        return mask

    # --- ending ------------------------------------------------------------------------------
    def shutdown(self, how: int) -> None:
        bits = how + 1
        self.shut |= bits
        self.wake()
        if (other := self.other) is not None:
            other.shut |= (bits & SHUT_READ) << 1 | (bits & SHUT_WRITE) >> 1
            other.wake()

    def reset(self) -> None:
        if self.other is not None and not self.other.gone:
            self.other.error = ECONNRESET.number

    def close(self) -> None:
        self.gone = True
        other = self.other
        if other is not None and not other.gone:
            other.shut = SHUT_BOTH
            queue = self.queue
            if len(queue) > 1 or (queue and len(queue[0])):  # an empty first one does not count
                other.error = ECONNRESET.number
            self.purge()
            other.wake()
        self.purge()
        self.shut = SHUT_BOTH
        self.wake()
