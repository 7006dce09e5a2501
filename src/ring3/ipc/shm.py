"""System V shared memory: segments are host memory (memfds) that spaces map."""

from __future__ import annotations

import os

from ring3.abi.errno import ENOMEM
from ring3.abi.fcntl import O_RDWR
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.ipc import IPC_PRIVATE, SHMMNI
from ring3.abi.types import PAGE_SIZE
from ring3.ipc.ids import IpcObject, IpcTable
from ring3.vfs.file import File

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from ring3.ipc.ids import IpcCred

SHM_DEST = 0o1000
SHM_LOCKED = 0o2000


class Segment(IpcObject):
    """One segment. Removed ones live on until the last process detaches."""

    def __init__(self, key: int, mode: int, cred: IpcCred, size: int, pid: int, now: int) -> None:
        super().__init__(key, mode, cred)
        self.size = size
        self.length = -(-size // PAGE_SIZE) * PAGE_SIZE
        self.attached = 0
        self.atime = self.dtime = 0
        self.ctime = now
        self.cpid = pid
        self.lpid = 0
        try:
            self.fd = os.memfd_create("SYSV%08x" % (key & 0xFFFFFFFF), os.MFD_CLOEXEC)
            os.ftruncate(self.fd, self.length)
        except OSError as error:
            raise ENOMEM(f"shared memory: {error.strerror}") from None

    def __del__(self) -> None:
        fd = getattr(self, "fd", -1)
        if fd >= 0:
            os.close(fd)


class ShmFile(File):
    """A segment as what a space maps."""

    __slots__ = ("segment",)
    kind: ClassVar[str] = "shm"

    def __init__(self, segment: Segment) -> None:
        super().__init__(O_RDWR)
        self.segment = segment

    def map_fd(self, prot: int, shared: bool) -> int:
        return self.segment.fd

    def target(self) -> bytes:
        return b"/SYSV%08x (deleted)" % (self.segment.key & 0xFFFFFFFF)


class Attachment:
    """One shmat: pinned by each process that has it (fork copies, exec and exit drop it)."""

    __slots__ = ("addr", "now", "segment", "table")

    def __init__(
        self, table: ShmTable, segment: Segment, addr: int, now: Callable[[], int]
    ) -> None:
        self.table = table
        self.segment = segment
        self.addr = addr
        self.now = now
        """Seconds of the wall clock."""

    def pin(self) -> None:
        self.segment.attached += 1

    def unpin(self) -> None:
        segment = self.segment
        segment.attached -= 1
        segment.dtime = self.now()
        if not segment.attached and segment.mode & SHM_DEST:
            self.table.remove(segment)


class ShmTable(IpcTable[Segment]):
    def __init__(self) -> None:
        super().__init__(SHMMNI)

    def mark_removed(self, segment: Segment) -> None:
        """IPC_RMID: gone now, or with its last user."""
        if segment.attached:
            self.forget_key(segment)
            segment.key = IPC_PRIVATE
            segment.mode |= SHM_DEST
        else:
            self.remove(segment)

    def pages(self) -> int:
        """Pages of all segments together."""
        return sum(s.length // PAGE_SIZE for s in self.objects.values())
