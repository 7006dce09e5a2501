"""overlay: a private layer in memory over a lower tree that is never written.

Each inode of the lower tree has at most one *face* here, whatever the number of its names, so hard
links stay together and a copy-up changes neither inode number nor device. A face follows the
lower inode's attributes until one is changed (``own``), and shows the lower file's content until
that is written (``content``). Directories can be renamed freely: a face takes its lower directory
with it.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import OVERLAYFS_SUPER_MAGIC
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from ring3.fs.face import FaceFile, FaceLink, FaceSpecial
from ring3.fs.facedir import FaceDir
from ring3.fs.tmpfs import TmpFs
from ring3.fs.weak import WeakTable
from ring3.vfs.mount import StatFs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.fs.face import Face
    from ring3.fs.meminode import MemInode
    from ring3.fs.ownface import OwnFaceFile
    from ring3.vfs.inode import Entry, Inode
    from ring3.vfs.mount import Filesystem

FIRST_OWN_INO = 0xC000_0000
"""Inode numbers of what exists only here; a lower number from here on is replaced by one."""


class Change:
    """One line of the list of changes: *kind* "added", "modified" or "deleted"."""

    __slots__ = ("inode", "kind", "path")

    def __init__(self, kind: str, path: bytes, inode: MemInode | None) -> None:
        self.kind = kind
        self.path = path
        """From the overlay's root, starting with "/"."""
        self.inode = inode
        """What is there now; None where it was deleted."""

    def __repr__(self) -> str:
        return f"Change({self.kind!r}, {self.path!r})"


class OverlayFs(TmpFs):
    """*lower*: any filesystem; its root becomes ours. *limit*: bytes of the upper layer."""

    name = "overlay"
    magic = OVERLAYFS_SUPER_MAGIC

    def __init__(self, lower: Filesystem, limit: int | None = None) -> None:
        self.lower = lower
        self.faces: WeakTable[Inode, Face] = WeakTable()
        self.several: dict[Inode, Face] = {}
        """Changed faces of lower files with several names: any of those may be asked for again."""
        self.numbers: dict[tuple[int, int], int] = {}
        """Numbers given to lower inodes whose own could clash."""
        super().__init__(limit)
        self.last_ino = FIRST_OWN_INO
        self.set_root(self.face(lower.root.inode, None, b""))

    def new_dir(self, mode: int, uid: int, gid: int) -> FaceDir:
        return FaceDir(self, self.new_ino(), mode, uid, gid)

    def new_file(self, mode: int, uid: int, gid: int) -> FaceFile | OwnFaceFile:
        return self.file_type()(self, self.new_ino(), mode, uid, gid)

    def file_type(self) -> type[FaceFile | OwnFaceFile]:
        if not self.own_content:
            return FaceFile
        from ring3.fs.ownface import OwnFaceFile

        return OwnFaceFile

    # --- faces of lower inodes ---------------------------------------------------------------
    def face(self, lower: Inode, parent: FaceDir | None, name: bytes) -> Face:
        """The inode that shows *lower*, found as *name* in *parent*; its attributes are fresh."""
        found = self.faces.get(lower)
        if found is not None:
            if found.owned:
                found.refresh()
            else:
                found.follow()
            return found
        st = lower.stat()
        ino = self.number(st.dev, st.ino)
        kind = lower.mode & S_IFMT
        made: Face
        if kind == S_IFREG:
            made = self.file_type()(self, ino, 0, 0, 0)
        elif kind == S_IFDIR:
            made = FaceDir(self, ino, 0, 0, 0)
        elif kind == S_IFLNK:
            made = FaceLink(self, ino, b"", 0, 0)
        else:
            made = FaceSpecial(self, ino, lower.mode, 0, 0, lower.rdev)
        made.cover(lower, parent, name)
        self.faces.put(lower, made)
        return made

    def number(self, dev: int, ino: int) -> int:
        """The inode number that lower inode (*dev*, *ino*) has here: its own where that is
        unique."""
        if dev == self.lower.main_dev and ino < FIRST_OWN_INO:
            return ino
        given = self.numbers.get((dev, ino))
        if given is None:
            self.last_ino += 1
            given = self.numbers[dev, ino] = self.last_ino
        return given

    def numbered(self, dev: int, entries: list[Entry]) -> list[Entry]:
        """*entries* of a lower directory on *dev* with the numbers they have here."""
        if dev != self.lower.main_dev:
            return [(name, self.number(dev, ino), mode) for name, ino, mode in entries]
        return [
            each if each[1] < FIRST_OWN_INO else (each[0], self.number(dev, each[1]), each[2])
            for each in entries
        ]

    # --- what changed ------------------------------------------------------------------------
    def changes(self) -> Iterator[Change]:
        """Every path that differs from the lower tree, parents before what is in them."""
        root = self.root.inode
        assert isinstance(root, FaceDir)
        yield from directory_changes(root, b"")

    def shutdown(self) -> None:
        super().shutdown()
        self.lower.shutdown()

    def statfs(self) -> StatFs:
        if self.limit is not None:
            return super().statfs()
        st = self.lower.statfs()
        st.type = self.magic
        st.fsid = self.dev
        if self.own_content:
            # What is free on the host changes from one moment to the next.
            used = -(-self.used // st.bsize)
            st.bfree = st.bavail = max(0, st.blocks // 2 - used)
            st.ffree = max(0, st.files // 2 - self.inodes)
        return st

    def options(self) -> str:
        return ",lowerdir=host,upperdir=memory"


def directory_changes(directory: FaceDir, path: bytes) -> Iterator[Change]:
    """The changes below *directory*, which is at *path* and is where its lower directory is."""
    lower = directory.lower
    for name in sorted(directory.white):
        if name not in directory.entries and lower is not None and lower.lookup(name) is not None:
            yield Change("deleted", path + b"/" + name, None)
    for name, inode in sorted(directory.entries.items()):
        where = path + b"/" + name
        old = lower.lookup(name) if lower is not None else None
        if old is None:
            yield from everything("added", inode, where)
        elif inode.lower is not old:
            if inode.mode & S_IFMT == old.mode & S_IFMT and not inode.is_dir:
                yield Change("modified", where, inode)
            else:
                yield Change("deleted", where, None)
                yield from everything("added", inode, where)
        else:
            if inode.owned and is_changed(inode, old):
                yield Change("modified", where, inode)
            if isinstance(inode, FaceDir):
                yield from directory_changes(inode, where)


def everything(kind: str, inode: MemInode, path: bytes) -> Iterator[Change]:
    """*inode* and all that is below it."""
    yield Change(kind, path, inode)
    if isinstance(inode, FaceDir):
        for name, _, _ in sorted(inode.iterate()):
            child = inode.lookup(name)
            if child is not None:
                yield from everything(kind, child, path + b"/" + name)  # type: ignore[arg-type]


def is_changed(inode: MemInode, lower: Inode) -> bool:
    """True if *inode* differs from *lower* in more than what follows from changes below it."""
    if isinstance(inode, FaceDir):
        return (inode.mode, inode.uid, inode.gid) != (lower.mode, lower.uid, lower.gid)
    return True
