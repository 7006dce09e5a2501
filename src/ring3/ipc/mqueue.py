"""POSIX message queues. Source: ipc/mqueue.c, mq_overview(7)."""

from __future__ import annotations

from bisect import insort

from ring3.abi.errno import EAGAIN, ENOENT, ENOSPC, ETIMEDOUT
from ring3.abi.fcntl import O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, NoReturn
from ring3.abi.poll import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from ring3.abi.stat import S_IFREG
from ring3.core.park import Park, WaitQueue
from ring3.vfs.anon import anonymous_stat, new_ino
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.vfs.inode import Stat

DEFAULT_MOST, DEFAULT_SIZE = 10, 8192
"""Messages of a queue, and bytes of a message, where mq_open does not say."""
PLAIN_MOST, PLAIN_SIZE = 10, 8192
"""What an unprivileged program may ask for (/proc/sys/fs/mqueue/msg_max, msgsize_max)."""
HARD_MOST, HARD_SIZE = 65536, 16 << 20
MAX_QUEUES = 256
OVERHEAD = 128
"""Bytes that RLIMIT_MSGQUEUE counts per message besides its content (tree node and header)."""


class Notice:
    """Who wants to know of a message in the empty queue; told once."""

    __slots__ = ("process", "signo", "value")

    def __init__(self, process: Any, signo: int, value: int) -> None:
        self.process = process
        self.signo = signo
        """0: nobody is told (SIGEV_NONE), the place is taken all the same."""
        self.value = value


class Queue:
    """One queue; lives on without a name until its last descriptor is closed."""

    __slots__ = (
        "counter", "gid", "ino", "messages", "mode", "most", "notice", "receivers", "senders",
        "size", "uid", "used",
    )  # fmt: skip

    def __init__(self, mode: int, uid: int, gid: int, most: int, size: int) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.most = most
        self.size = size
        self.ino = new_ino()
        self.messages: list[tuple[int, int, bytes]] = []
        """(minus priority, order of arrival, content), sorted."""
        self.counter = 0
        self.used = 0
        self.receivers = WaitQueue()
        self.senders = WaitQueue()
        self.notice: Notice | None = None

    def charge(self) -> int:
        """Bytes that the queue counts against RLIMIT_MSGQUEUE."""
        return self.most * (OVERHEAD + self.size)


class QueueFile(File):
    """An open queue."""

    __slots__ = ("name", "queue")
    kind: ClassVar[str] = "mqueue"

    def __init__(self, queue: Queue, name: bytes, flags: int) -> None:
        super().__init__(flags)
        self.queue = queue
        self.name = name

    def send(self, data: bytes, priority: int, until_ns: int | None, now_ns: int) -> Notice | None:
        """Append a message; return who has to be told. EAGAIN, ETIMEDOUT, or parks."""
        queue = self.queue
        if len(queue.messages) >= queue.most:
            self.wait(queue.senders, until_ns, now_ns)
        queue.counter += 1
        insort(queue.messages, (-priority, queue.counter, data))
        queue.used += len(data)
        notice = None
        if len(queue.messages) == 1 and not self.somebody_receives():
            notice, queue.notice = queue.notice, None
        queue.receivers.wake()
        return notice

    def somebody_receives(self) -> bool:
        """Whether a call waits for a message (a poll does not count)."""
        return any(hasattr(waiter, "process") for waiter in self.queue.receivers.waiters)

    def receive(self, until_ns: int | None, now_ns: int) -> tuple[bytes, int]:
        """The oldest of the most urgent messages, and its priority. EAGAIN, ETIMEDOUT, or parks."""
        queue = self.queue
        if not queue.messages:
            self.wait(queue.receivers, until_ns, now_ns)
        urgency, _order, data = queue.messages.pop(0)
        queue.used -= len(data)
        queue.senders.wake()
        return data, -urgency

    def wait(self, on: WaitQueue, until_ns: int | None, now_ns: int) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        if until_ns is not None and now_ns >= until_ns:
            raise ETIMEDOUT
        raise Park(on, deadline_ns=until_ns)

    def read(self, size: int) -> bytes:
        return self.state()[:size]

    def pread(self, size: int, offset: int) -> bytes:
        return self.state()[offset : offset + size]

    def state(self) -> bytes:
        notice = self.queue.notice
        return b"QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n" % (
            self.queue.used,
            0 if notice is None or notice.signo else 1,
            notice.signo if notice else 0,
            notice.process.pid if notice else 0,
        )

    def poll(self) -> int:
        queue = self.queue
        mask = POLLIN | POLLRDNORM if queue.messages else 0
        return mask | (POLLOUT | POLLWRNORM if len(queue.messages) < queue.most else 0)

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.queue.receivers, self.queue.senders)

    def stat(self) -> Stat:
        queue = self.queue
        found = anonymous_stat(S_IFREG | queue.mode, queue.ino, queue.uid, queue.gid)
        found.size = len(self.state())
        return found

    def target(self) -> bytes:
        return b"/" + self.name


class MessageQueues:
    """All queues by name."""

    def __init__(self) -> None:
        self.names: dict[bytes, Queue] = {}

    def find(self, name: bytes) -> Queue:
        queue = self.names.get(name)
        if queue is None:
            raise ENOENT
        return queue

    def enter(self, name: bytes, queue: Queue) -> None:
        if len(self.names) >= MAX_QUEUES:
            raise ENOSPC(f"{MAX_QUEUES} queues are the limit")
        self.names[name] = queue

    def charged_to(self, uid: int) -> int:
        """Bytes of RLIMIT_MSGQUEUE that the queues of *uid* take."""
        return sum(q.charge() for q in self.names.values() if q.uid == uid)
