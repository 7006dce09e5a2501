"""/proc/PID/mounts, mountinfo and mountstats. Polling them tells of changes (POLLPRI)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.vfs.mount import escape
from ring3.vfs.path import point_path

if TYPE_CHECKING:
    from ring3.vfs.inode import Walker
    from ring3.vfs.mount import MountTable
    from ring3.vfs.path import Place
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


def mounts(subject: Subject, who: Walker) -> bytes:
    table, root = view_of(subject)
    return table.mounts(root)


def mountinfo(subject: Subject, who: Walker) -> bytes:
    table, root = view_of(subject)
    return table.mountinfo(root)


def mountstats(subject: Subject, who: Walker) -> bytes:
    table, root = view_of(subject)
    lines = []
    for mount in table:
        where = point_path(mount, root)
        if where is not None:
            fields = (escape(mount.source), escape(where), mount.fs.name.encode())
            lines.append(b"device %s mounted on %s with fstype %s\n" % fields)
    return b"".join(lines)
