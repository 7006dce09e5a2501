"""/proc/PID/mounts, mountinfo and mountstats. Polling them tells of changes (POLLPRI)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.poll import POLLERR, POLLIN, POLLPRI, POLLRDNORM
from ring3.vfs.mount import escape
from ring3.vfs.path import point_path
from ring3.views.nodes import Snapshot
from ring3.views.proc_pid import PidInode

if TYPE_CHECKING:
    from ring3.core.park import WaitQueue
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.mount import MountTable
    from ring3.vfs.path import Place
    from ring3.views.nodes import Maker
    from ring3.views.proc_pid import Subject


def view_of(subject: Subject) -> tuple[MountTable, Place]:
    """The mount namespace and root directory of a process. EINVAL for one that ended."""
    from ring3.abi.errno import EINVAL, ESRCH
    from ring3.views.proc_fd import root_of

    try:
        root = root_of(subject)
    except ESRCH:
        raise EINVAL("the process has ended") from None
    table: MountTable | None = root.mount.table
    if table is None:
        raise EINVAL("the root directory is not mounted any more")
    return table, root


class Mounts(PidInode):
    """/proc/PID/mounts."""

    __slots__ = ()

    def open(self, who: Walker, place: Place, flags: int) -> File:
        self.subject.check()
        table, _root = view_of(self.subject)
        return MountsFile(who, self.text, flags, table)

    def text(self, who: Walker) -> bytes:
        table, root = view_of(self.subject)
        return table.mounts(root)


class MountInfo(Mounts):
    """/proc/PID/mountinfo."""

    __slots__ = ()

    def text(self, who: Walker) -> bytes:
        table, root = view_of(self.subject)
        return table.mountinfo(root)


class MountsFile(Snapshot):
    """Polling it tells once of each change: POLLERR and POLLPRI."""

    __slots__ = ("table", "version")

    def __init__(self, who: Walker, make: Maker, flags: int, table: MountTable) -> None:
        super().__init__(who, make, flags)
        self.table = table
        self.version = table.version

    def poll(self) -> int:
        mask = POLLIN | POLLRDNORM
        if self.version != self.table.version:
            self.version = self.table.version
            mask |= POLLERR | POLLPRI
        return mask

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.table.changed,)


def mountstats(subject: Subject, who: Walker) -> bytes:
    table, root = view_of(subject)
    lines = []
    for mount in table:
        where = point_path(mount, root)
        if where is not None:
            fields = (escape(mount.source), escape(where), mount.fs.name.encode())
            lines.append(b"device %s mounted on %s with fstype %s\n" % fields)
    return b"".join(lines)
