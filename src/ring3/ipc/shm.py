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
from ring3.vfs.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from ring3.ipc.ids import IpcCred
    from ring3.machine.base import FileContent, FileMapping

SHM_DEST = 0o1000
SHM_LOCKED = 0o2000


class Segment(IpcObject):
    """One segment. Removed ones live on until the last process detaches.

    *own*: its memory is the kernel's (``data``), for a machine with pages of its own; else a memfd
    that vehicles map.
    """

    def __init__(
        self, key: int, mode: int, cred: IpcCred, size: int, pid: int, now: int, own: bool = False
    ) -> None:
        super().__init__(key, mode, cred)
        self.size = size
        self.length = -(-size // PAGE_SIZE) * PAGE_SIZE
        self.attached = 0
        self.atime = self.dtime = 0
        self.ctime = now
        self.cpid = pid
        self.lpid = 0
        self.mapping: FileMapping | None = None
        self.data = Pages()
        self.data.resize(self.length)
        self.fd = -1
        if own:
            return
        try:
            self.fd = os.memfd_create("SYSV%08x" % (key & 0xFFFFFFFF), os.MFD_CLOEXEC)
            os.ftruncate(self.fd, self.length)
        except OSError as error:
            raise ENOMEM(f"shared memory: {error.strerror}") from None

    # --- for machines with pages of their own (machine.base.FileContent) -------------------------
    def read_at(self, offset: int, size: int) -> bytes:
        return self.data.read(offset, size)

    def write_at(self, offset: int, data: bytes) -> None:
        self.data.write(offset, data)

    def content_size(self) -> int:
        return self.length

    def stamp(self) -> object:
        return None

    def resident(self) -> int:
        """Bytes of memory in use."""
        if self.fd >= 0:
            return os.fstat(self.fd).st_blocks * 512
        return self.data.blocks * 512

    def discard(self) -> None:
        """The segment is removed for good."""
        if self.mapping is not None:
            self.mapping.gone()
        self.data = Pages()

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

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        return self.segment

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
            segment.discard()


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
            segment.discard()

    def pages(self) -> int:
        """Pages of all segments together."""
        return sum(s.length // PAGE_SIZE for s in self.objects.values())
