"""Overlay directories: what the guest put there over what the lower directory has."""

from __future__ import annotations

from ring3.abi.errno import ENOENT, ESTALE
from ring3.abi.hints import TYPE_CHECKING
from ring3.fs.face import Face, FaceLink, FaceSpecial
from ring3.fs.hostdir import HostDir
from ring3.fs.meminode import MemDir, MemInode

if TYPE_CHECKING:
    from ring3.fs.overlay import OverlayFs
    from ring3.vfs.inode import Entry, Inode, Stat


class FaceDir(MemDir, Face):
    """``entries``: what is in the upper layer; ``white``: lower names that are hidden."""

    __slots__ = ("white",)

    fs: OverlayFs

    def __init__(self, fs: OverlayFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.white: set[bytes] = set()

    def fill(self, st: Stat) -> None:
        st.size = 4096

    def stat(self) -> Stat:
        return Face.stat(self)

    def refresh(self) -> None:
        Face.refresh(self)

    def lookup(self, name: bytes) -> Inode | None:
        inode = self.entries.get(name)
        if inode is not None:
            inode.refresh()
            return inode
        if self.lower is None or name in self.white:
            return None
        below = self.look_below(name)
        return None if below is None else self.fs.face(below, self, name)

    def look_below(self, name: bytes) -> Inode | None:
        """*name* in the lower directory. Where the host removed that and the guest has things in
        it, it goes on as a directory of the guest's own."""
        assert self.lower is not None
        try:
            return self.lower.lookup(name)
        except ESTALE:
            if not self.entries and not self.owned:
                raise
        self.cut_off()
        return None

    def cut_off(self) -> None:
        """There is no lower directory any more."""
        self.own()
        self.lower = None
        self.nlink = 2 + sum(inode.is_dir for inode in self.entries.values())

    def check_alive(self) -> None:
        if self.lower is not None and not self.entries and not self.owned:
            self.lower.check_alive()

    def absent(self, name: bytes) -> str:
        if self.lower is None or name in self.white:
            return ""
        return self.lower.absent(name)

    def iterate(self) -> list[Entry]:
        lower = self.lower
        if lower is None:
            return super().iterate()
        if not isinstance(lower, HostDir):
            return self.iterate_mixed(lower)
        entries, white, number = self.entries, self.white, self.fs.number
        dev = lower.st.st_dev
        if not entries and not white:
            return self.fs.numbered(dev, self.list_below(lower))
        found = []
        left = dict(entries)
        for name, ino, mode in self.list_below(lower):
            inode = left.pop(name, None)
            if inode is not None:
                found.append((name, inode.ino, inode.mode))
            elif name not in white:
                found.append((name, number(dev, ino), mode))
        found += [(name, inode.ino, inode.mode) for name, inode in left.items()]
        return found

    def list_below(self, lower: Inode) -> list[Entry]:
        try:
            return lower.iterate()
        except (ENOENT, ESTALE):
            if self.entries or self.owned:
                self.cut_off()
            return []

    def iterate_mixed(self, lower: Inode) -> list[Entry]:
        """As ``iterate`` for a lower directory whose entries lie on several devices."""
        names = dict.fromkeys([name for name, _, _ in lower.iterate()] + list(self.entries))
        inodes = [(name, self.lookup(name)) for name in names]
        return [(name, inode.ino, inode.mode) for name, inode in inodes if inode is not None]

    def is_empty(self) -> bool:
        return not self.entries and not self.iterate()

    def changed(self) -> None:
        self.own()
        super().changed()

    def insert(self, name: bytes, inode: MemInode) -> None:
        self.own()
        super().insert(name, inode)
        assert isinstance(inode, Face)
        inode.where = (self, name)

    def take_out(self, name: bytes, inode: MemInode) -> None:
        self.own()
        self.entries.pop(name, None)
        if self.lower is not None and name not in self.white:
            if self.look_below(name) is not None:
                self.white.add(name)
        if inode.is_dir:
            self.nlink -= 1
        self.changed()

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        inode = FaceLink(self.fs, self.fs.new_ino(), target, uid, gid)
        self.insert(name, inode)
        return inode

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        inode = FaceSpecial(self.fs, self.fs.new_ino(), mode, uid, gid, rdev)
        self.insert(name, inode)
        return inode
