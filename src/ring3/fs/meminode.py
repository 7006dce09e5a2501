"""Inodes that live in memory: attributes and extended attributes, and all kinds but files."""

from __future__ import annotations

from ring3.abi.errno import EEXIST, ENODATA, ENOENT, ENOTEMPTY, EOPNOTSUPP
from ring3.abi.fcntl import XATTR_CREATE, XATTR_REPLACE
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT
from ring3.vfs.inode import FOREVER, Inode, Stat

if TYPE_CHECKING:
    from ring3.fs.tmpfs import TmpFs
    from ring3.vfs.inode import Entry, Walker

ENTRY_SIZE = 20
"""What tmpfs counts per directory entry (BOGO_DIRENT_SIZE)."""


class MemInode(Inode):
    """Attributes in slots; times in nanoseconds. The last four slots serve overlays (``face``)."""

    __slots__ = (
        "atime_ns",
        "btime_ns",
        "ctime_ns",
        "lower",
        "mtime_ns",
        "owned",
        "size",
        "trust",
        "where",
        "xattrs",
    )  # fmt: skip

    fs: TmpFs
    lower: Inode | None
    owned: bool
    trust: float
    where: tuple[MemDir, bytes] | None

    def __init__(
        self, fs: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0, rdev: int = 0
    ) -> None:
        super().__init__(fs, ino, mode, uid, gid, rdev)
        self.size = 0
        self.atime_ns = self.mtime_ns = self.ctime_ns = self.btime_ns = self.fs.now_ns()
        self.xattrs: dict[bytes, bytes] | None = None
        self.lower = None
        self.owned = True
        self.trust = FOREVER
        self.where = None

    def restamp(self) -> None:
        self.atime_ns = self.mtime_ns = self.ctime_ns = self.btime_ns = self.fs.now_ns()

    def stat(self) -> Stat:
        st = Stat(
            self.fs.dev, self.ino, self.mode, self.nlink, self.uid, self.gid, self.rdev,
            self.size, 0, self.atime_ns, self.mtime_ns, self.ctime_ns, 4096, self.btime_ns,
        )  # fmt: skip
        self.fill(st)
        return st

    def fill(self, st: Stat) -> None:
        """Complete *st* with what only the kind of file knows."""

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        self.own()
        if mode is not None:
            self.mode = self.mode & S_IFMT | mode
        if uid is not None:
            self.uid = uid
        if gid is not None:
            self.gid = gid
        if atime_ns is not None or mtime_ns is not None:
            self.set_times(atime_ns, mtime_ns)
        self.ctime_ns = self.fs.now_ns()

    def own(self) -> None:
        """The attributes are about to change (an overlay stops following the lower file's)."""

    def set_times(self, atime_ns: int | None, mtime_ns: int | None) -> None:
        if atime_ns is not None:
            self.atime_ns = atime_ns
        if mtime_ns is not None:
            self.mtime_ns = mtime_ns

    # --- extended attributes -----------------------------------------------------------------
    def all_xattrs(self) -> dict[bytes, bytes]:
        return self.xattrs or {}

    def getxattr(self, name: bytes) -> bytes:
        value = self.all_xattrs().get(name)
        if value is None:
            if name.startswith(b"system.") and not name.startswith(b"system.posix_acl_"):
                raise EOPNOTSUPP
            raise ENODATA
        return value

    def setxattr(self, name: bytes, value: bytes, flags: int) -> None:
        if name.startswith(b"system."):
            raise EOPNOTSUPP("no access control lists here")
        self.own()
        if self.xattrs is None:
            self.xattrs = {}
        if flags & XATTR_CREATE and name in self.xattrs:
            raise EEXIST
        if flags & XATTR_REPLACE and name not in self.xattrs:
            raise ENODATA
        self.xattrs[name] = value
        self.ctime_ns = self.fs.now_ns()

    def listxattr(self) -> list[bytes]:
        return list(self.all_xattrs())

    def removexattr(self, name: bytes) -> None:
        self.own()
        if not self.xattrs or name not in self.xattrs:
            raise ENODATA
        del self.xattrs[name]
        self.ctime_ns = self.fs.now_ns()

    # --- links -------------------------------------------------------------------------------
    def linked(self) -> None:
        """One more name leads here."""
        self.own()
        self.nlink += 1
        self.ctime_ns = self.fs.now_ns()

    def unlinked(self) -> None:
        """One name less leads here."""
        self.own()
        self.nlink -= 1
        self.ctime_ns = self.fs.now_ns()
        if not self.nlink:
            self.fs.inodes -= 1
            self.unused()


class MemSymlink(MemInode):
    __slots__ = ("target",)

    def __init__(self, fs: TmpFs, ino: int, target: bytes, uid: int, gid: int) -> None:
        super().__init__(fs, ino, S_IFLNK | 0o777, uid, gid)
        self.target = target
        self.size = len(target)

    def readlink(self, who: Walker) -> bytes:
        return self.target


class MemSpecial(MemInode):
    """A FIFO, socket or device node."""

    __slots__ = ()


class MemDir(MemInode):
    """A directory: names in order of their making."""

    __slots__ = ("entries",)

    def __init__(self, fs: TmpFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, S_IFDIR | mode, uid, gid)
        self.entries: dict[bytes, MemInode] = {}

    def fill(self, st: Stat) -> None:
        st.size = ENTRY_SIZE * (2 + len(self.entries))

    def changed(self) -> None:
        self.mtime_ns = self.ctime_ns = self.fs.now_ns()

    def lookup(self, name: bytes) -> Inode | None:
        inode = self.entries.get(name)
        if inode is not None:
            inode.refresh()
        return inode

    def iterate(self) -> list[Entry]:
        return [(name, inode.ino, inode.mode) for name, inode in self.entries.items()]

    def is_empty(self) -> bool:
        return not self.entries

    def insert(self, name: bytes, inode: MemInode) -> None:
        """Enter *inode*, which counts *name* already."""
        self.entries[name] = inode
        if inode.is_dir:
            self.nlink += 1
        self.changed()

    def take_out(self, name: bytes, inode: MemInode) -> None:
        """Remove the entry; link counts of *inode* are the caller's affair."""
        del self.entries[name]
        if inode.is_dir:
            self.nlink -= 1
        self.changed()

    # --- new entries -------------------------------------------------------------------------
    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        inode = self.fs.new_file(mode, uid, gid)
        self.insert(name, inode)
        return inode

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        inode = self.fs.new_dir(mode, uid, gid)
        self.insert(name, inode)
        return inode

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        inode = MemSymlink(self.fs, self.fs.new_ino(), target, uid, gid)
        self.insert(name, inode)
        return inode

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        inode = MemSpecial(self.fs, self.fs.new_ino(), mode, uid, gid, rdev)
        self.insert(name, inode)
        return inode

    def tmpfile(self, mode: int, uid: int, gid: int, linkable: bool = True) -> Inode:
        inode = self.fs.new_file(mode, uid, gid)
        inode.nlink = 0
        self.fs.inodes -= 1  # until it gets a name
        inode.linkable = linkable
        return inode

    def link(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, MemInode)
        if not inode.nlink:
            if not getattr(inode, "linkable", False):
                raise ENOENT("the file was removed")
            self.fs.inodes += 1
        inode.linked()
        self.insert(name, inode)

    # --- fewer entries -----------------------------------------------------------------------
    def unlink(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, MemInode)
        self.take_out(name, inode)
        inode.unlinked()

    def rmdir(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, MemDir)
        if not inode.is_empty():
            raise ENOTEMPTY
        self.take_out(name, inode)
        inode.nlink = 1
        inode.unlinked()

    def rename(
        self,
        name: bytes,
        inode: Inode,
        new_dir: Inode,
        new_name: bytes,
        target: Inode | None,
        exchange: bool,
    ) -> None:
        assert isinstance(inode, MemInode) and isinstance(new_dir, MemDir)
        if target is not None:
            assert isinstance(target, MemInode)
            if not exchange and isinstance(target, MemDir) and not target.is_empty():
                raise ENOTEMPTY
            new_dir.take_out(new_name, target)
        self.take_out(name, inode)
        new_dir.insert(new_name, inode)
        inode.own()
        inode.ctime_ns = self.fs.now_ns()
        if target is not None:
            assert isinstance(target, MemInode)
            if exchange:
                self.insert(name, target)
                target.own()
                target.ctime_ns = self.fs.now_ns()
            else:
                if target.is_dir:
                    target.nlink = 1
                target.unlinked()
