"""The bare bones of a guest's root: directories that lead to what was granted, and nothing else.

A skeleton is the lower layer of the default view's overlay. Its own directories look like the
host's (mode, owner, time) but show only the entries entered here; a grant is a whole hostfs grafted
in. A name that the host has and nobody granted is absent, and ``absent`` says what would grant it.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EEXIST, ENOTDIR
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFLNK
from ring3.fs.host import HostFs
from ring3.fs.hostinode import HostInode
from ring3.vfs.inode import Inode, Stat, host_clock
from ring3.vfs.mount import Filesystem, StatFs

if TYPE_CHECKING:
    from ring3.vfs.inode import Entry, Walker


class SkeletonInode(Inode):
    """Attributes fixed when it was made."""

    __slots__ = ("stamp_ns",)

    def __init__(self, fs: SkeletonFs, mode: int, like: os.stat_result | None) -> None:
        fs.last_ino += 1
        super().__init__(fs, fs.last_ino, mode)
        self.stamp_ns = fs.stamp_ns
        if like is not None:
            self.uid, self.gid = like.st_uid, like.st_gid
            # What others do in the host's directory must not show in a world with its own time.
            own_time = fs.now_ns is not host_clock
            self.stamp_ns = fs.now_ns() if own_time else like.st_mtime_ns

    def stat(self) -> Stat:
        st = super().stat()
        st.atime_ns = st.mtime_ns = st.ctime_ns = self.stamp_ns
        st.size = 4096
        return st


class SkeletonLink(SkeletonInode):
    __slots__ = ("target",)

    def __init__(self, fs: SkeletonFs, target: bytes, like: os.stat_result | None) -> None:
        super().__init__(fs, S_IFLNK | 0o777, like)
        self.target = target

    def readlink(self, who: Walker) -> bytes:
        return self.target

    def stat(self) -> Stat:
        st = super().stat()
        st.size = len(self.target)
        return st


class SkeletonDir(SkeletonInode):
    """*host_path*: the host directory it stands for, b"" if none."""

    __slots__ = ("entries", "host_path")

    def __init__(self, fs: SkeletonFs, host_path: bytes) -> None:
        like = None
        try:
            like = os.lstat(host_path) if host_path else None
        except OSError:
            pass  # a directory the host does not have: root's, 0755
        mode = like.st_mode & 0o7777 if like is not None else 0o755
        super().__init__(fs, S_IFDIR | mode, like)
        self.host_path = host_path
        self.entries: dict[bytes, Inode] = {}

    def lookup(self, name: bytes) -> Inode | None:
        inode = self.entries.get(name)
        if inode is not None:
            inode.refresh()
        return inode

    def iterate(self) -> list[Entry]:
        return [(name, inode.ino, inode.mode) for name, inode in self.entries.items()]

    def absent(self, name: bytes) -> str:
        if not self.host_path:
            return ""
        path = os.path.join(self.host_path, name)
        if not os.path.lexists(path):
            return ""
        return f"outside the grants: add --ro {os.fsdecode(path)}"


class SkeletonFs(Filesystem):
    """*host_root*: the host directory the root stands for (b"/" for the default view)."""

    name = "skeleton"

    def __init__(self, host_root: bytes = b"/") -> None:
        super().__init__()
        self.last_ino = 0
        self.stamp_ns = 0
        self.readonly = True
        self.grants: list[HostFs] = []
        self.set_root(SkeletonDir(self, host_root))

    def shutdown(self) -> None:
        for grant in self.grants:
            grant.shutdown()

    def directory(self, path: bytes) -> SkeletonDir:
        """The skeleton directory *path*, made with its parents where missing. EEXIST below a
        grant, which covers the path already, ENOTDIR below a link."""
        at = self.root.inode
        assert isinstance(at, SkeletonDir)
        for name in path.split(b"/"):
            if not name:
                continue
            inode = at.entries.get(name)
            if inode is None:
                host = os.path.join(at.host_path, name) if at.host_path else b""
                inode = at.entries[name] = SkeletonDir(self, host)
                at.nlink += 1
            if isinstance(inode, HostInode):
                raise EEXIST("a grant covers this path already")
            if not isinstance(inode, SkeletonDir):
                raise ENOTDIR
            at = inode
        return at

    def graft(self, path: bytes, host: HostFs) -> None:
        """Show *host* at *path*. EEXIST where something is there already."""
        parent, _, name = path.rstrip(b"/").rpartition(b"/")
        directory = self.directory(parent)
        if name in directory.entries:
            raise EEXIST("granted already")
        directory.entries[name] = host.root.inode
        directory.nlink += host.root.inode.is_dir
        self.grants.append(host)

    def link(self, path: bytes, target: bytes, like: os.stat_result | None = None) -> None:
        """Show a symbolic link at *path* (as /bin is one to usr/bin on most hosts)."""
        parent, _, name = path.rstrip(b"/").rpartition(b"/")
        directory = self.directory(parent)
        if name in directory.entries:
            raise EEXIST("granted already")
        directory.entries[name] = SkeletonLink(self, target, like)

    def grant(self, path: bytes) -> bool:
        """Show the host's *path* at the same path: a symbolic link as a link, anything else as a
        read-only graft. False if the host has no such path. EEXIST if it is visible already."""
        if os.path.islink(path):
            self.link(path, os.readlink(path), os.lstat(path))
            return True
        try:
            host = HostFs(path)
        except FileNotFoundError:
            return False
        self.graft(path, host)
        return True

    @property
    def main_dev(self) -> int:
        return self.grants[0].dev if self.grants else self.dev

    def statfs(self) -> StatFs:
        return self.grants[0].statfs() if self.grants else super().statfs()
