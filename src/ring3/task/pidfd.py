"""pidfds: descriptors that stand for a process (pidfd_open(2), CLONE_PIDFD)."""

from __future__ import annotations

from ring3.abi.errno import EBADF, ESRCH
from ring3.abi.fcntl import O_NONBLOCK, O_PATH, O_RDWR
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.abi.poll import POLLHUP, POLLIN
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.park import WaitQueue
    from ring3.task.fdtable import FdTable
    from ring3.task.process import Process

PIDFD_NONBLOCK = O_NONBLOCK


class PidFd(File):
    """Becomes readable when the process is a zombie; cannot be read or written."""

    __slots__ = ("process",)
    kind: ClassVar[str] = "pidfd"

    def __init__(self, process: Process, flags: int = 0) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.process = process
        self.placeholder = "inval"

    @property
    def reaped(self) -> bool:
        return self.process.world.processes.get(self.process.pid) is not self.process

    def target_process(self) -> Process:
        """The process, zombies included. ESRCH once it was waited for."""
        if self.reaped:
            raise ESRCH
        return self.process

    def poll(self) -> int:
        if self.process.state != "zombie":
            return 0
        return POLLIN | (POLLHUP if self.reaped else 0)

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.process.exit_event,)

    def info(self) -> str:
        pid = -1 if self.reaped else self.process.pid
        return f"Pid:\t{pid}\nNSpid:\t{pid}\n"


def open_pidfd(process: Process, flags: int = 0) -> PidFd:
    """A new pidfd for *process*; *flags* may hold O_NONBLOCK."""
    return PidFd(process, flags)


def pidfd_process(fds: FdTable, fd: int, *, or_directory: bool = False) -> Process:
    """The process that pidfd *fd* stands for. EBADF, ESRCH.

    *or_directory*: a descriptor of /proc/PID will do too.
    """
    if or_directory:
        file: File = fds.get(fd)
        process: Process | None = getattr(getattr(file, "inode", None), "stands_for", None)
        if process is not None and not file.flags & O_PATH:
            if process.world.processes.get(process.pid) is not process:
                raise ESRCH
            return process
    return fds.get(fd, PidFd, otherwise=EBADF).target_process()
