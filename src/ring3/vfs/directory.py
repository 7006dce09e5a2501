"""Open directories and O_PATH descriptors."""

from __future__ import annotations

from ring3.abi.errno import EBADF, EINVAL, EISDIR, ENOENT
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.vfs.inode import Entry, Inode
    from ring3.vfs.path import Place

SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2


class DirFile(File):
    """An open directory. Its entries are listed when they are first read and after a rewind, so
    that removing files between two getdents(2) neither skips nor repeats names. The position
    after entry *i* (counting "." and "..") is *i* + 1; that is also the entry's d_off."""

    __slots__ = ("entries", "position")
    kind: ClassVar[str] = "dir"
    seekable: ClassVar[bool] = True

    def __init__(self, place: Place, flags: int) -> None:
        super().__init__(flags)
        self.place = place
        self.placeholder = "dir"
        self.position = 0
        self.entries: list[Entry] | None = None

    @property
    def inode(self) -> Inode:
        assert self.place is not None
        return self.place.dentry.inode

    def read(self, size: int) -> bytes:
        raise EISDIR

    def pread(self, size: int, offset: int) -> bytes:
        raise EISDIR

    def write(self, data: bytes) -> int:
        raise EBADF("a directory is never open for writing")

    def listing(self) -> list[Entry]:
        """All entries with "." and ".." in front, as of the first read. ENOENT if removed."""
        if self.entries is None:
            assert self.place is not None
            dentry = self.place.dentry
            if dentry.dead:
                raise ENOENT("the directory was removed")
            inode = dentry.inode
            inode.refresh()
            above = self._above()
            self.entries = [
                (b".", inode.ino, inode.mode),
                (b"..", above.ino, above.mode),
                *inode.iterate(),
            ]
        return self.entries

    def _above(self) -> Inode:
        """The parent, across mounts."""
        assert self.place is not None
        mount, dentry = self.place.mount, self.place.dentry
        while dentry is mount.root:
            up, point = mount.parent, mount.point
            if up is None or point is None:
                break
            mount, dentry = up, point
        return (dentry.parent or dentry).inode

    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.position
        elif whence == SEEK_END:
            offset += 0x7FFFFFFFFFFFFFFF
        elif whence != SEEK_SET:
            raise EINVAL
        if not 0 <= offset <= 0x7FFFFFFFFFFFFFFF:
            raise EINVAL
        if offset == 0:
            self.entries = None  # rewinddir: look again
        self.position = offset
        return offset

    def sync(self, data_only: bool) -> None:
        """Nothing to write back."""


class PathFile(File):
    """O_PATH: a place held open, good for *at calls, fstat, fchdir and little else."""

    __slots__ = ()
    kind: ClassVar[str] = "path"

    def __init__(self, place: Place, flags: int) -> None:
        super().__init__(flags)
        self.place = place
        self.placeholder = "badf"

    @property
    def inode(self) -> Inode:
        assert self.place is not None
        return self.place.dentry.inode

    def read(self, size: int) -> bytes:
        raise EBADF("O_PATH")

    def write(self, data: bytes) -> int:
        raise EBADF("O_PATH")

    def pread(self, size: int, offset: int) -> bytes:
        raise EBADF("O_PATH")

    def pwrite(self, data: bytes, offset: int) -> int:
        raise EBADF("O_PATH")

    def seek(self, offset: int, whence: int) -> int:
        raise EBADF("O_PATH")

    def truncate(self, size: int) -> None:
        raise EBADF("O_PATH")

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        raise EBADF("O_PATH")

    def sync(self, data_only: bool) -> None:
        raise EBADF("O_PATH")

    def map_fd(self, prot: int, shared: bool) -> int:
        raise EBADF("O_PATH")


class HeldPathFile(PathFile):
    """An O_PATH descriptor that keeps the host object alive and reachable after its name went."""

    __slots__ = ("fd", "held")

    def __init__(self, place: Place, flags: int, held: Inode, fd: int) -> None:
        super().__init__(place, flags)
        self.held = held
        self.fd = fd

    def release(self) -> None:
        import os

        self.held.forget(self)
        os.close(self.fd)
