"""The kernel's own pipe, for machines that cannot bind a host's.

A pipe is a ring of slots, each with up to a page: capacity is counted in slots, as in Linux, so
that a program which fills a pipe with odd sizes sees the same numbers. Source: fs/pipe.c.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EBUSY, EINVAL, EPERM, EPIPE
from ring3.abi.fcntl import O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, ClassVar, NoReturn
from ring3.abi.ioctl import FIONREAD
from ring3.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from ring3.abi.stat import S_IFIFO
from ring3.core.light import deque
from ring3.core.park import Park, WaitQueue
from ring3.vfs.anon import anonymous_stat, new_ino
from ring3.vfs.file import File

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.abi.types import Memory
    from ring3.vfs.inode import Stat, Walker

PAGE = 4096
PIPE_BUF = PAGE
DEFAULT_SLOTS = 16
MAX_SIZE = 1 << 20
"""/proc/sys/fs/pipe-max-size: what an unprivileged F_SETPIPE_SZ may ask for."""


class PipeName:
    """What fstat(2) and /proc/PID/fd tell of a pipe, the same at both ends."""

    __slots__ = ("gid", "ino", "uid")

    def __init__(self, uid: int = 0, gid: int = 0) -> None:
        self.ino = new_ino()
        self.uid = uid
        self.gid = gid


class Slot:
    """One buffer. ``start`` counts bytes already read; a packet is read whole or cut."""

    __slots__ = ("data", "packet", "start")

    def __init__(self, data: bytes, packet: bool) -> None:
        self.data = data
        self.packet = packet
        self.start = 0

    def __len__(self) -> int:
        return len(self.data) - self.start


class Pipe:
    """The buffer between ends, and how many ends there are of each kind."""

    __slots__ = ("arrivals", "readable", "readers", "slots", "slots_max", "writable", "writers")

    def __init__(self) -> None:
        self.slots: deque[Slot] = deque()
        self.slots_max = DEFAULT_SLOTS
        self.readers = 0
        self.writers = 0
        self.arrivals = 0
        """Write ends that were ever opened."""
        self.readable = WaitQueue()
        self.writable = WaitQueue()

    @property
    def full(self) -> bool:
        return len(self.slots) >= self.slots_max

    def waiting(self) -> int:
        """Bytes that a reader would find."""
        return sum(map(len, self.slots))

    def take(self, size: int) -> bytes:
        """Remove up to *size* bytes; b"" if there are none. A packet ends the read."""
        found = []
        slots = self.slots
        was_full = len(slots) >= self.slots_max
        while slots and size:
            slot = slots[0]
            part = slot.data[slot.start : slot.start + size]
            slot.start += len(part)
            size -= len(part)
            found.append(part)
            if slot.packet or not len(slot):
                slots.popleft()
                if slot.packet:
                    break
        if found and was_full:
            self.writable.wake()
        return b"".join(found)

    def put(self, data: bytes, packet: bool) -> int:
        """Append what fits; return how much that was (0: full). At most a page never splits."""
        at, slots = 0, self.slots
        head = len(data) % PAGE
        if head and slots and not slots[-1].packet:
            last = slots[-1]
            if len(last.data) + head <= PAGE:
                last.data += data[:head]
                at = head
        while at < len(data) and len(slots) < self.slots_max:
            slots.append(Slot(data[at : at + PAGE], packet))
            at += len(slots[-1].data)
        if at:
            self.readable.wake()
        return at

    def put_back(self, data: bytes) -> None:
        """Undo a ``take``: what comes back may stand in more slots than are allowed."""
        if data:
            self.slots.appendleft(Slot(data, False))
            self.readable.wake()

    def resize(self, size: int, privileged: bool) -> int:
        """F_SETPIPE_SZ: return the new capacity in bytes. EINVAL, EPERM, EBUSY."""
        if not 0 <= size <= 1 << 31:
            raise EINVAL("pipe size")
        slots = max(1, 1 << (max(size, PAGE) - 1).bit_length()) // PAGE
        if slots > self.slots_max and slots * PAGE > MAX_SIZE and not privileged:
            raise EPERM("above /proc/sys/fs/pipe-max-size")
        if len(self.slots) > slots:
            raise EBUSY("the pipe holds more than that")
        self.slots_max = slots
        self.writable.wake()
        return slots * PAGE


class PipeEnd(File):
    """One end (or, for a FIFO opened O_RDWR, both)."""

    __slots__ = ("name", "on_release", "pipe", "silent")
    kind: ClassVar[str] = "pipe"

    def __init__(self, pipe: Pipe, flags: int, name: PipeName) -> None:
        super().__init__(flags)
        self.pipe = pipe
        self.name = name
        self.on_release: Callable[[PipeEnd], None] | None = None
        """Told when the end goes (the FIFO it belongs to)."""
        self.silent = -1
        """A FIFO opened for reading with no writer there: ``pipe.arrivals`` at that time. There is
        no POLLHUP until one more came and went."""
        if self.readable:
            pipe.readers += 1
        if self.writable:
            pipe.writers += 1
            pipe.arrivals += 1
            pipe.readable.wake()

    def read(self, size: int) -> bytes:
        if not size:
            return b""
        data = self.pipe.take(size)
        if not data and self.pipe.writers:
            self.wait(self.pipe.readable)
        return data

    def unread(self, data: bytes) -> None:
        self.pipe.put_back(data)

    def write(self, data: bytes) -> int:
        if not data:
            return 0
        if not self.pipe.readers:
            raise EPIPE
        done = self.pipe.put(data, bool(self.flags & O_DIRECT))
        if not done:
            self.wait(self.pipe.writable)
        return done

    def wait(self, queue: WaitQueue) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(queue)

    def poll(self) -> int:
        mask, pipe = 0, self.pipe
        if self.readable:
            if pipe.slots:
                mask |= POLLIN | POLLRDNORM
            if not pipe.writers and self.silent != pipe.arrivals:
                mask |= POLLHUP
        if self.writable:
            if not pipe.full:
                mask |= POLLOUT | POLLWRNORM
            if not pipe.readers:
                mask |= POLLERR
        return mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        mode = self.flags & O_ACCMODE
        if mode == O_RDONLY:
            return (self.pipe.readable,)
        if mode == O_WRONLY:
            return (self.pipe.writable,)
        return (self.pipe.readable, self.pipe.writable)

    def capacity(self) -> int:
        """F_GETPIPE_SZ, in bytes."""
        return self.pipe.slots_max * PAGE

    def set_capacity(self, size: int, privileged: bool) -> int:
        """F_SETPIPE_SZ: the capacity there is now, in bytes."""
        return self.pipe.resize(size, privileged)

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        if request != FIONREAD:
            return super().ioctl(memory, request, arg)
        memory.store(arg, self.pipe.waiting().to_bytes(4, "little"))
        return 0

    def target(self) -> bytes:
        return b"pipe:[%d]" % self.name.ino

    def stat(self) -> Stat:
        if self.place is not None and not self.place.mount.fs.nameless:
            return super().stat()
        return anonymous_stat(S_IFIFO | 0o600, self.name.ino, self.name.uid, self.name.gid)

    def reopen(self, who: Walker, flags: int) -> PipeEnd:
        """A further description of the same pipe, reading or writing as *flags* say."""
        return PipeEnd(self.pipe, flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT), self.name)

    def release(self) -> None:
        pipe = self.pipe
        if self.readable:
            pipe.readers -= 1
        if self.writable:
            pipe.writers -= 1
        # The other side finds end of file or a broken pipe.
        pipe.readable.wake()
        pipe.writable.wake()
        if self.on_release is not None:
            self.on_release(self)
