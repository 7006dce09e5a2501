"""Event counters (eventfd(2)): the host's where they can be bound, else the kernel's own."""

from __future__ import annotations

import os

from ring3.abi.errno import EAGAIN, EINVAL
from ring3.abi.fcntl import O_NONBLOCK, O_RDWR
from ring3.abi.hints import TYPE_CHECKING, ClassVar, NoReturn
from ring3.abi.poll import EFD_CLOEXEC, EFD_SEMAPHORE, POLLERR, POLLIN, POLLOUT
from ring3.core.park import Park, WaitQueue
from ring3.ipc.hostfile import HostStream, host_error
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.reactor import Reactor
    from ring3.ipc.space import Ground

MAX_COUNT = (1 << 64) - 2
WIDTH = 8


def added(data: bytes) -> int:
    """The number a write of *data* adds. EINVAL for a short write or the forbidden 2**64 - 1."""
    if len(data) < WIDTH:
        raise EINVAL("an eventfd takes eight bytes")
    value = int.from_bytes(data[:WIDTH], "little")
    if value > MAX_COUNT:
        raise EINVAL("2**64 - 1 cannot be added")
    return value


class EventFd(File):
    """A 64-bit counter kept here."""

    __slots__ = ("count", "queue", "semaphore")
    kind: ClassVar[str] = "eventfd"

    def __init__(self, count: int, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.count = count
        self.semaphore = bool(flags & EFD_SEMAPHORE)
        self.queue = WaitQueue()

    def read(self, size: int) -> bytes:
        if size < WIDTH:
            raise EINVAL("an eventfd gives eight bytes")
        if not self.count:
            self.wait()
        value = 1 if self.semaphore else self.count
        self.count -= value
        self.queue.wake()
        return value.to_bytes(WIDTH, "little")

    def write(self, data: bytes) -> int:
        value = added(data)
        if value > MAX_COUNT - self.count:
            self.wait()
        self.count += value
        self.queue.wake()
        return WIDTH

    def wait(self) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(self.queue)

    def poll(self) -> int:
        mask = POLLIN if self.count else 0
        if self.count > MAX_COUNT:
            return mask | POLLERR
        return mask | POLLOUT if self.count < MAX_COUNT else mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.queue,)

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def info(self) -> str:
        return f"eventfd-count: {self.count:16x}\neventfd-semaphore: {int(self.semaphore)}\n"


class HostEventFd(HostStream):
    """A counter the host keeps."""

    __slots__ = ()
    kind: ClassVar[str] = "eventfd"

    def __init__(self, reactor: Reactor, fd: int, flags: int) -> None:
        super().__init__(reactor, fd, O_RDWR | flags & O_NONBLOCK)

    def read(self, size: int) -> bytes:
        if size < WIDTH:
            raise EINVAL("an eventfd gives eight bytes")
        return super().read(WIDTH)

    def write(self, data: bytes) -> int:
        value = added(data)
        if not self.flags & O_NONBLOCK:
            # The host knows no RWF_NOWAIT here, and POLLOUT only says that 1 can be added.
            full = value > MAX_COUNT - self.counted() if value > 1 else not self.poll() & POLLOUT
            if full:
                self.wait()
        try:
            return os.write(self.fd, data[:WIDTH])
        except BlockingIOError:
            self.wait()
        except OSError as error:
            raise host_error(error) from None

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def counted(self) -> int:
        for line in self.info().splitlines():
            name, _, value = line.partition(":")
            if name == "eventfd-count":
                return int(value, 16)
        return 0


def make_eventfd(world: Ground, count: int, flags: int) -> File:
    """A counter that starts at *count*. *flags*: EFD_SEMAPHORE, EFD_NONBLOCK. ENFILE."""
    if world.own_objects:
        return EventFd(count, flags)
    try:
        fd = os.eventfd(count, flags | EFD_CLOEXEC)
    except OSError as error:
        raise host_error(error) from None
    return HostEventFd(world.reactor, fd, flags)
