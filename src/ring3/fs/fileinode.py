"""What regular files in memory have in common, however they keep their content."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFREG
from ring3.fs.meminode import MemInode

if TYPE_CHECKING:
    from ring3.fs.tmpfs import TmpFs
    from ring3.vfs.file import File

MAX_SIZE = (1 << 63) - 1
"""Linux's MAX_LFS_FILESIZE on 64 bits."""


class FileInode(MemInode):
    """Knows who has it open (``files``) or needs its content otherwise (``pins``)."""

    __slots__ = ("blocks", "files", "linkable", "pins")

    def __init__(self, fs: TmpFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, S_IFREG | mode, uid, gid)
        self.blocks = 0
        self.files: list[File] = []
        self.pins = 0
        self.linkable = False
        """Made by O_TMPFILE: may get a name though it has none."""

    def room(self, file: File, offset: int | None, size: int) -> int:
        return self.fs.room(self, file, offset, size)

    def missing(self, start: int, end: int) -> int:
        """Pages of a range that have no memory yet."""
        raise NotImplementedError

    def pin(self) -> None:
        self.pins += 1

    def unpin(self) -> None:
        self.pins -= 1
        self.settle()

    def open_files(self) -> list[File]:
        return self.files

    def forget(self, file: File) -> None:
        if file in self.files:
            self.files.remove(file)
        self.settle()

    def unused(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Somebody has left: do away with what nobody needs any more."""
        raise NotImplementedError
