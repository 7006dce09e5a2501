"""Paths as system calls give them: relative to a directory descriptor, or empty."""

from __future__ import annotations

from ring3.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from ring3.vfs.path import EMPTY, FOLLOW, place_of, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.abi.types import In
    from ring3.task.task import Task
    from ring3.vfs.path import Place


def base_of(t: Task, dirfd: int, path: bytes) -> Place | None:
    """Where *path* starts: None for the working directory (and the root). EBADF."""
    if dirfd == AT_FDCWD or path[:1] == b"/":
        return None
    return place_of(t.fds.get(dirfd))


def resolve(t: Task, dirfd: int, path: In[bytes], flags: int = 0, follow: bool = True) -> Place:
    """The place an *at call means, by AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH of *flags*.

    A NULL path counts as empty where AT_EMPTY_PATH is set (Linux 6.11).
    """
    name = b"" if not path and flags & AT_EMPTY_PATH else path.load()
    how = FOLLOW if follow and not flags & AT_SYMLINK_NOFOLLOW else 0
    if flags & AT_EMPTY_PATH:
        how |= EMPTY
    return walk(t, base_of(t, dirfd, name), name, how)
