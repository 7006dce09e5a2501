"""Open files whose data the host keeps: pipes, eventfds, timerfds on a machine that can bind.

The guest's description *is* a host description (offset, O_NONBLOCK and data are shared), so that
the native machine may lay the descriptor under the guest's number. When a call lands here all the
same (profile ``full``, traced threads), it must not block the kernel: I/O is made with
RWF_NOWAIT, or on a second description of the same object, or after a look with poll.
"""

from __future__ import annotations

import errno
import os
import select

from ring3.abi.errno import EAGAIN, ENFILE, EPIPE, Errno, from_os_error
from ring3.abi.fcntl import O_APPEND, O_DIRECT, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, NoReturn
from ring3.abi.ioctl import FIONREAD
from ring3.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM
from ring3.core.park import RESTART_SYS, Park
from ring3.core.reactor import HostQueue
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.core.park import WaitQueue
    from ring3.core.reactor import Reactor

RWF_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
"""0 where the host has none: then a look with poll comes before each step."""
MIRRORED = O_NONBLOCK | O_APPEND | O_DIRECT
EVERY_EVENT = 0x3FFF
ONE_READ = 65536
"""Bytes asked of the host at once: what a pipe holds unless it was enlarged."""


def host_error(error: OSError) -> Errno:
    """What the guest is told. Out of descriptors here is the system's want, not the guest's."""
    if error.errno == errno.EMFILE:
        return ENFILE("the kernel is out of descriptors")
    return from_os_error(error)


class HostStream(File):
    """A description without a position: what is read is gone."""

    __slots__ = ("fd", "gone", "io", "pushed", "queue", "watcher")

    restart = RESTART_SYS

    def __init__(self, reactor: Reactor, fd: int, flags: int) -> None:
        super().__init__(flags)
        self.fd = fd
        """The kernel's copy of the host descriptor. Closed with the last guest reference."""
        self.bind_fd = fd
        self.io = fd
        """Where the kernel's own I/O goes: ``fd``, or a second description of the same object."""
        self.queue = HostQueue(reactor, fd)
        self.pushed = b""
        """Bytes read and given back. Only the kernel's own reads see them."""
        self.watcher: select.poll | None = None
        self.gone = False

    # --- status ------------------------------------------------------------------------------
    def set_status(self, flags: int) -> None:
        import fcntl

        if (flags ^ self.flags) & MIRRORED:
            try:
                fcntl.fcntl(self.fd, fcntl.F_SETFL, flags & MIRRORED)
            except OSError as error:
                raise host_error(error) from None
        self.flags = flags

    # --- data --------------------------------------------------------------------------------
    def read(self, size: int) -> bytes:
        if self.pushed:
            data, self.pushed = self.pushed[:size], self.pushed[size:]
            return data
        if not size:
            return b""
        data = self.host_read(min(size, ONE_READ))
        while len(data) % ONE_READ == 0 and 0 < len(data) < size:
            # An enlarged pipe gives more than one read's worth; never wait for it.
            try:
                more = self.host_read(min(size - len(data), ONE_READ))
            except (Park, Errno):
                break
            if not more:
                break
            data += more
        return data

    def host_read(self, size: int) -> bytes:
        try:
            if self.io != self.fd or self.flags & O_NONBLOCK:
                return os.read(self.io, size)
            if not RWF_NOWAIT:
                raise OSError(errno.EOPNOTSUPP, "RWF_NOWAIT")
            buffer = bytearray(size)
            return bytes(memoryview(buffer)[: os.preadv(self.io, (buffer,), -1, RWF_NOWAIT)])
        except BlockingIOError:
            self.wait()
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise host_error(error) from None
            self.second_description()
            if self.io != self.fd:
                return self.host_read(size)
            if not self.poll() & (POLLIN | POLLHUP | POLLERR):
                self.wait()
            return os.read(self.fd, size)

    def unread(self, data: bytes) -> None:
        self.pushed = data + self.pushed

    def write(self, data: bytes) -> int:
        try:
            if self.io != self.fd or self.flags & O_NONBLOCK:
                return os.write(self.io, data)
            if not RWF_NOWAIT:
                raise OSError(errno.EOPNOTSUPP, "RWF_NOWAIT")
            return os.pwritev(self.io, (data,), -1, RWF_NOWAIT)
        except BlockingIOError:
            self.wait()
        except BrokenPipeError:
            raise EPIPE from None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise host_error(error) from None
            return self.careful_write(data)

    def careful_write(self, data: bytes) -> int:
        """Write where the host knows no RWF_NOWAIT for this kind of object."""
        self.second_description()
        if self.io != self.fd:
            return self.write(data)
        if not self.poll() & (POLLOUT | POLLERR):
            self.wait()
        try:
            return os.write(self.fd, data)
        except OSError as error:
            raise host_error(error) from None

    def second_description(self) -> None:
        """Open the object once more without blocking, if its kind allows that (``io``)."""

    def wait(self) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(self.queue, restart=self.restart)

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        if self.watcher is None:
            self.watcher = select.poll()
            self.watcher.register(self.fd, EVERY_EVENT)
        found = self.watcher.poll(0)
        mask = found[0][1] if found else 0
        return mask | POLLIN | POLLRDNORM if self.pushed else mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.queue,)

    # --- the rest ----------------------------------------------------------------------------
    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        if request != FIONREAD:
            return super().ioctl(memory, request, arg)
        import fcntl

        try:
            count = int.from_bytes(fcntl.ioctl(self.fd, FIONREAD, bytes(4)), "little")
        except OSError as error:
            raise host_error(error) from None
        memory.store(arg, (count + len(self.pushed)).to_bytes(4, "little"))
        return 0

    def info(self) -> str:
        """The host's own fdinfo of the object, without the lines every file has."""
        with open(f"/proc/self/fdinfo/{self.fd}") as file:
            lines = file.readlines()
        common = ("pos:", "flags:", "mnt_id:", "ino:")
        return "".join(line for line in lines if not line.startswith(common))

    def release(self) -> None:
        if self.gone:
            return
        self.gone = True
        self.queue.wake()
        self.queue.close()
        if self.io != self.fd:
            os.close(self.io)
        os.close(self.fd)
