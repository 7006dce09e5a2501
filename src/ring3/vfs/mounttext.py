"""Mount tables as /proc shows them. Source: proc_pid_mountinfo(5), proc_pid_mounts(5)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.vfs.path import inner_path, point_path
from ring3.vfs.special import major, minor

if TYPE_CHECKING:
    from ring3.vfs.mount import MountTable
    from ring3.vfs.path import Place


def mountinfo(table: MountTable, root: Place) -> bytes:
    """/proc/PID/mountinfo as seen from *root* (a task's root directory)."""
    lines = []
    for m in table:
        where = point_path(m, root)
        if where is None:
            continue
        state = ("ro" if m.fs.readonly else "rw") + m.fs.options()
        fields = (
            m.id,
            m.parent.id if m.parent else 1,
            major(m.fs.dev),
            minor(m.fs.dev),
            escape(inner_path(m.fs.root, m.root)),
            escape(where),
            m.option_words().encode(),
            m.fs.name.encode(),
            escape(m.source),
            state.encode(),
        )
        lines.append(b"%d %d %d:%d %s %s %s - %s %s %s\n" % fields)
    return b"".join(lines)


def mounts(table: MountTable, root: Place) -> bytes:
    """/proc/PID/mounts as seen from *root*."""
    lines = []
    for m in table:
        where = point_path(m, root)
        if where is None:
            continue
        words = ("ro" if m.readonly else "rw") + m.option_words()[2:] + m.fs.options()
        lines.append(
            b"%s %s %s %s 0 0\n"
            % (escape(m.source), escape(where), m.fs.name.encode(), words.encode())
        )
    return b"".join(lines)


def escape(path: bytes) -> bytes:
    """Space, tab, newline and backslash in octal, as in /proc/mounts."""
    if not any(c in path for c in b" \t\n\\"):
        return path
    return b"".join(b"\\%03o" % c if c in b" \t\n\\" else bytes((c,)) for c in path)
