"""Descriptors for files that nobody has seen yet."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.task.task import Task
    from ring3.vfs.file import File


def install(t: Task, file: File, cloexec: bool) -> int:
    """Give *file* the lowest free descriptor. EMFILE releases it again."""
    try:
        return t.fds.install(file, cloexec=cloexec)
    except BaseException:
        file.release()
        raise


def discard(*files: File) -> None:
    """Undo the making of files that were not published."""
    for file in files:
        file.release()
