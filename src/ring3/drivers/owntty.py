"""What open slaves of the kernel's own terminals have in common with those over a host tty."""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.errno import EAGAIN
from ring3.abi.fcntl import O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, NoReturn
from ring3.core.park import RESTART_SYS, Park, WaitQueue
from ring3.drivers.requests import wait_for_more
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory


class OwnTty(File):
    """One open description of a terminal's user side. *pair*: drivers.ownpty.OwnPair."""

    __slots__ = ("caller", "clock", "control", "gone", "pair", "partial")
    kind: ClassVar[str] = "tty"
    wants_caller: ClassVar[bool] = True

    def __init__(self, pair: Any, flags: int) -> None:
        super().__init__(flags)
        self.pair = pair
        self.clock = pair.table.world.clock
        self.control = pair.control
        self.caller: Any = None
        """Whose call is under way (``called_by``)."""
        self.partial: dict[Any, tuple[int, int]] = {}
        """Readers that wait for more by VTIME: (deadline, bytes there at the last look)."""
        self.gone = False

    def called_by(self, task: Any) -> None:
        self.caller = task

    def wait(self) -> NoReturn:
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(self.pair.at_slave, restart=RESTART_SYS)

    def wait_until(self, patience: int, there: int) -> None:
        wait_for_more(self, self.pair.at_slave, RESTART_SYS, patience, there)

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.pair.at_slave,)

    def check_output(self) -> None:
        """TOSTOP: a background process that writes stops."""
        if self.caller is not None and self.control.shared:
            if self.pair.line.termios.lflag & io.TOSTOP:
                self.control.check_change(self.caller)

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        from ring3.drivers.ownrequests import slave_request

        return slave_request(self, memory, request, arg)

    def release(self) -> None:
        if not self.gone:
            self.gone = True
            self.partial.clear()
