"""signalfd(2): pending signals as something to read. Source: fs/signalfd.c."""

from __future__ import annotations

import struct

from ring3.abi.errno import EAGAIN, EINVAL
from ring3.abi.fcntl import O_NONBLOCK, O_RDWR
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.poll import POLLIN
from ring3.abi.signal import SIGKILL, SIGSTOP
from ring3.core.park import Park
from ring3.task.sending import dequeue
from ring3.task.sigstate import ALL, bits
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.park import WaitQueue
    from ring3.task.siginfo import SigInfo
    from ring3.task.task import Task

NEVER = bits(SIGKILL, SIGSTOP)
# struct signalfd_siginfo, the same in both ABIs: signo errno code pid uid fd tid band overrun
# trapno status int ptr utime stime addr addr_lsb, syscall call_addr arch.
ROW = struct.Struct("<Iii IIiI III ii Q QQ Q HxxiQI28x")
MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF


class SignalFd(File):
    """Gives the signals pending for whoever reads it, not for whoever made it."""

    __slots__ = ("caller", "mask")
    kind: ClassVar[str] = "signalfd"
    wants_caller: ClassVar[bool] = True

    def __init__(self, caller: Task, mask: int, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.caller = caller
        self.mask = mask & ~NEVER

    def called_by(self, task: Any) -> None:
        self.caller = task

    def set_mask(self, mask: int) -> None:
        self.mask = mask & ~NEVER
        self.caller.process.handlers.event.wake()

    def read(self, size: int) -> bytes:
        if size < ROW.size:
            raise EINVAL("a signalfd gives 128 bytes per signal")
        rows: list[bytes] = []
        while len(rows) < size // ROW.size:
            info = dequeue(self.caller, ALL & ~self.mask)
            if info is None:
                break
            rows.append(pack(info))
        if rows:
            return b"".join(rows)
        if self.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(*self.wait_queues())

    def poll(self) -> int:
        task = self.caller
        waiting = task.pending.mask | task.process.pending.mask
        return POLLIN if waiting & self.mask else 0

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.caller.process.handlers.event,)

    def seek(self, offset: int, whence: int) -> int:
        """No position, and no error either (noop_llseek)."""
        return 0

    def info(self) -> str:
        return f"sigmask:\t{self.mask:016x}\n"


def pack(info: SigInfo) -> bytes:
    """struct signalfd_siginfo of *info*: only the members its layout has are not zero."""
    layout = info.layout
    who = layout in ("kill", "rt", "chld")
    has_value = layout in ("rt", "timer")
    value = info.value & MASK64 if has_value else 0
    return ROW.pack(
        info.signo & MASK32,
        info.errno,
        info.code,
        info.pid & MASK32 if who else 0,
        info.uid & MASK32 if who else 0,
        info.fd if layout == "poll" else 0,
        info.timerid & MASK32 if layout == "timer" else 0,
        info.band & MASK32 if layout == "poll" else 0,
        info.overrun & MASK32 if layout == "timer" else 0,
        0,
        info.status if layout == "chld" else 0,
        ((value & MASK32) ^ (1 << 31)) - (1 << 31),
        value,
        info.utime if layout == "chld" else 0,
        info.stime if layout == "chld" else 0,
        info.addr & MASK64 if layout == "fault" else 0,
        info.addr_lsb if layout == "fault" else 0,
        info.syscall if layout == "sys" else 0,
        info.addr & MASK64 if layout == "sys" else 0,
        info.arch & MASK32 if layout == "sys" else 0,
    )
