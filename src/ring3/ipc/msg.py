"""System V message queues. Source: ipc/msg.c, msgop(2)."""

from __future__ import annotations

from ring3.abi.errno import E2BIG, EAGAIN, EIDRM, ENOMSG
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.ipc import IPC_NOWAIT, MSG_COPY, MSG_EXCEPT, MSG_NOERROR, MSGMNB, MSGMNI
from ring3.core.light import deque
from ring3.core.park import RESTART_NOHAND, Park, WaitQueue
from ring3.ipc.ids import IpcObject, IpcTable

if TYPE_CHECKING:
    from ring3.ipc.ids import IpcCred


class Letter:
    """One message."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: int, data: bytes) -> None:
        self.kind = kind
        self.data = data


class MessageQueue(IpcObject):
    """One queue."""

    def __init__(self, key: int, mode: int, cred: IpcCred, now: int) -> None:
        super().__init__(key, mode, cred)
        self.letters: deque[Letter] = deque()
        self.used = 0
        """Bytes in the queue."""
        self.room = MSGMNB
        """msg_qbytes."""
        self.senders = WaitQueue()
        self.receivers = WaitQueue()
        self.stime = self.rtime = 0
        self.lspid = self.lrpid = 0
        self.ctime = now

    def send(self, letter: Letter, flags: int, pid: int, now: int) -> None:
        """EAGAIN, or parks while there is no room."""
        size = len(letter.data)
        # Empty messages count too, else they would never end.
        if self.used + size > self.room or len(self.letters) + 1 > self.room:
            if flags & IPC_NOWAIT:
                raise EAGAIN("the queue is full")
            raise Park(self.senders, restart=RESTART_NOHAND)
        self.letters.append(letter)
        self.used += size
        self.lspid, self.stime = pid, now
        self.receivers.wake()

    def receive(self, size: int, kind: int, flags: int, pid: int, now: int) -> Letter:
        """Take the message *kind* chooses. ENOMSG or parks if there is none; E2BIG."""
        index = self.choose(kind, flags)
        if index is None:
            if flags & (IPC_NOWAIT | MSG_COPY):
                raise ENOMSG
            raise Park(self.receivers, restart=RESTART_NOHAND)
        letter = self.letters[index]
        if len(letter.data) > size and not flags & MSG_NOERROR:
            raise E2BIG("the message is longer than the buffer")
        if not flags & MSG_COPY:
            del self.letters[index]
            self.used -= len(letter.data)
            self.lrpid, self.rtime = pid, now
            self.senders.wake()
        return letter

    def choose(self, kind: int, flags: int) -> int | None:
        """The index of the message meant: any (0), of a type, of another type (MSG_EXCEPT), of
        the lowest type up to -*kind*, or number *kind* (MSG_COPY)."""
        if flags & MSG_COPY:
            return kind if 0 <= kind < len(self.letters) else None
        if kind == 0:
            return 0 if self.letters else None
        if kind > 0:
            want = not flags & MSG_EXCEPT
            for index, letter in enumerate(self.letters):
                if (letter.kind == kind) == want:
                    return index
            return None
        best: int | None = None
        for index, letter in enumerate(self.letters):
            if letter.kind <= -kind and (best is None or letter.kind < self.letters[best].kind):
                best = index
        return best

    def gone(self) -> None:
        for queue in (self.senders, self.receivers):
            for waiter in list(queue.waiters):
                queue.remove(waiter)
                waiter.finished(queue, -EIDRM.number)


class MessageTable(IpcTable[MessageQueue]):
    def __init__(self) -> None:
        super().__init__(MSGMNI)
