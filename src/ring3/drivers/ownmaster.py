"""The master end of a terminal of our own (``drivers.ownpty``). Source: drivers/tty/pty.c."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EIO
from ring3.abi.fcntl import O_NOCTTY, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, Final, NoReturn
from ring3.abi.poll import POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM
from ring3.core.park import RESTART_SYS, Park, WaitQueue
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.drivers.ownpty import OwnPair

INPUT_MOST: Final = 8192
"""What the master may write ahead of the discipline (pty_common_install's tty_buffer_set_limit)."""


class OwnMaster(File):
    """The other end of a terminal."""

    __slots__ = ("caller", "gone", "pair")
    kind: ClassVar[str] = "tty"
    wants_caller: ClassVar[bool] = True

    def __init__(self, pair: OwnPair, flags: int) -> None:
        super().__init__(flags & ~O_NOCTTY)
        self.pair = pair
        self.caller: Any = None
        self.gone = False

    def called_by(self, task: Any) -> None:
        self.caller = task

    def read(self, size: int) -> bytes:
        pair = self.pair
        if not size:
            return b""
        if pair.packet and pair.status:
            status, pair.status = pair.status, 0
            return bytes((status,))
        if not pair.output:
            if pair.slave_closed:
                raise EIO("no slave is open")
            self.wait()
        lead = b"\0" if pair.packet else b""
        data = bytes(pair.output[: size - len(lead)])
        del pair.output[: len(data)]
        pair.at_slave.wake()
        return lead + data

    def unread(self, data: bytes) -> None:
        if self.pair.packet:
            data = data[1:]
        self.pair.output[:0] = data

    def write(self, data: bytes) -> int:
        pair = self.pair
        if not data:
            return 0
        room = INPUT_MOST - len(pair.waiting)
        if room <= 0:
            self.wait()
        part = data[:room]
        pair.waiting += part
        pair.pump()
        return len(part)

    def wait(self) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(self.pair.at_master, restart=RESTART_SYS)

    def poll(self) -> int:
        pair = self.pair
        mask = 0
        if pair.output:
            mask |= POLLIN | POLLRDNORM
        if pair.packet and pair.status:
            mask |= POLLPRI | POLLIN | POLLRDNORM
        if pair.slave_closed:
            mask |= POLLHUP
        if len(pair.waiting) < INPUT_MOST:
            mask |= POLLOUT | POLLWRNORM
        return mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.pair.at_master,)

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        from ring3.drivers.ownrequests import master_request

        return master_request(self, memory, request, arg)

    def release(self) -> None:
        if not self.gone:
            self.gone = True
            self.pair.at_master.wake()
            self.pair.hang_up()
