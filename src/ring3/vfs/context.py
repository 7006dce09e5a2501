"""Where a task stands in the file tree: root, working directory, umask (clone's CLONE_FS)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.vfs.path import Place


class FsContext:
    """Shared by threads; fork copies it."""

    __slots__ = ("cwd", "root", "umask", "users")

    def __init__(self, root: Place, cwd: Place, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask
        self.users = 1

    def copy(self) -> FsContext:
        return FsContext(self.root, self.cwd, self.umask)
