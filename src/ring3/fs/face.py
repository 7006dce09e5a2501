"""Overlay inodes: each may stand for (be the face of) one inode of the lower tree."""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES, EPERM, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY
from ring3.abi.hints import TYPE_CHECKING
from ring3.fs.memfile import MemFile
from ring3.fs.meminode import MemInode, MemSpecial, MemSymlink
from ring3.fs.store import extents, send
from ring3.vfs.inode import FOREVER, Inode, Stat
from ring3.vfs.regular import RegularFile, reopen

if TYPE_CHECKING:
    from ring3.fs.facedir import FaceDir
    from ring3.fs.overlay import OverlayFs
    from ring3.vfs.inode import Walker

COPIED_XATTRS = (b"user.", b"security.capability")


class Face(MemInode):
    """``lower`` is None for what was made here. ``owned``: attributes are ours, no longer the lower
    inode's. ``where``: the directory and name it is reached by, None for the root."""

    __slots__ = ()

    fs: OverlayFs

    def cover(self, lower: Inode, parent: FaceDir | None, name: bytes) -> None:
        """Become the face of *lower*."""
        self.lower = lower
        self.owned = False
        self.trust = lower.trust
        self.where = (parent, name) if parent is not None else None
        self.follow()

    def follow(self) -> None:
        """Take over what the lower inode's attributes are now."""
        lower = self.lower
        assert lower is not None
        self.mode = lower.mode
        self.uid = lower.uid
        self.gid = lower.gid
        self.nlink = lower.nlink

    def refresh(self) -> None:
        if not self.owned and self.lower is not None:
            self.lower.refresh()
            self.follow()

    def stat(self) -> Stat:
        if self.owned or self.lower is None:
            return super().stat()
        st = self.lower.stat()
        st.dev = self.fs.dev
        st.ino = self.ino
        return st

    def own(self) -> None:
        """Stop following: the attributes are about to become different."""
        lower = self.lower
        if self.owned or lower is None:
            return
        self.refresh()
        st = lower.stat()
        self.size = st.size
        self.atime_ns, self.mtime_ns, self.ctime_ns = st.atime_ns, st.mtime_ns, st.ctime_ns
        self.btime_ns = st.btime_ns or st.ctime_ns
        xattrs = self.lower_xattrs()
        self.xattrs = xattrs or None
        self.owned = True
        self.trust = FOREVER
        if self.nlink > 1 and not self.is_dir:
            self.fs.several[lower] = self
        self.fs.inodes += 1
        self.anchor()

    def anchor(self) -> None:
        """Enter this face in the upper layer, and the directories above it."""
        face: MemInode = self
        while face.where is not None:
            parent, name = face.where
            if name in parent.entries or name in parent.white:  # type: ignore[attr-defined]
                return
            parent.entries[name] = face
            face = parent

    def lower_xattrs(self) -> dict[bytes, bytes]:
        """The lower inode's extended attributes that a copy takes over."""
        lower = self.lower
        if lower is None:
            return {}
        try:
            names = [n for n in lower.listxattr() if n.startswith(COPIED_XATTRS)]
            return {name: lower.getxattr(name) for name in names}
        except (EACCES, EPERM):
            return {}  # the host lets us see the file but not these

    def all_xattrs(self) -> dict[bytes, bytes]:
        return self.lower_xattrs() if not self.owned else self.xattrs or {}

    def unlinked(self) -> None:
        super().unlinked()
        if not self.nlink and self.lower is not None:
            self.fs.several.pop(self.lower, None)


class FaceFile(MemFile, Face):
    """*below*: the content is still the lower file's."""

    fs: OverlayFs

    __slots__ = ("below",)

    def __init__(self, fs: OverlayFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.below = False

    def cover(self, lower: Inode, parent: FaceDir | None, name: bytes) -> None:
        super().cover(lower, parent, name)
        self.below = True

    def refresh(self) -> None:
        if not self.below:
            MemFile.refresh(self)
            return
        lower = self.lower
        assert lower is not None
        lower.refresh()
        if not self.owned:
            self.follow()
        else:
            self.size = lower.stat().size

    def stat(self) -> Stat:
        return Face.stat(self)

    def fill(self, st: Stat) -> None:
        if self.below and self.lower is not None:
            lower = self.lower.stat()
            st.size, st.blocks = lower.size, lower.blocks
        else:
            super().fill(st)

    # --- content -----------------------------------------------------------------------------
    def host_open(self, flags: int) -> int:
        if self.below and flags & O_ACCMODE == O_RDONLY:
            assert self.lower is not None
            return self.lower.host_open(flags)
        return super().host_open(flags)

    def description(self, flags: int) -> RegularFile:
        if self.below and flags & O_ACCMODE == O_RDONLY:
            assert self.lower is not None
            return RegularFile(self, self.lower.host_open(flags), flags)
        return super().description(flags)

    def content(self) -> int:
        if not self.below:
            return super().content()
        self.own()
        # ``size`` decides how much is taken over; the lower file may have changed since own().
        assert self.lower is not None
        self.lower.refresh()
        self.size = self.lower.stat().size
        fd = super().content()
        self.below = False
        for file in list(self.files):
            if isinstance(file, RegularFile):
                file.rebind(reopen(fd, file.flags))
        return fd

    def load_into(self, fd: int) -> None:
        if not self.below:
            super().load_into(fd)
            return
        assert self.lower is not None
        source = self.lower.host_open(O_RDONLY)
        try:
            os.ftruncate(fd, self.size)
            for start, end in extents(source, 0, self.size):
                os.lseek(fd, start, os.SEEK_SET)
                send(fd, source, start, end - start)
            os.utime(fd, ns=(self.atime_ns, self.mtime_ns))
        except OSError as error:
            raise from_os_error(error) from None
        finally:
            os.close(source)

    def truncate(self, size: int) -> None:
        if self.below:
            self.own()
            self.refresh()
            if size == 0:
                self.drop_below()
                self.touch()
                return
        super().truncate(size)

    def drop_below(self) -> None:
        """Truncated to nothing: there is nothing to copy."""
        self.below = False
        self.size = 0
        if self.files:
            fd = self.content()
            for file in list(self.files):
                if isinstance(file, RegularFile):
                    file.rebind(reopen(fd, file.flags))

    def drop_content(self) -> None:
        self.below = False
        super().drop_content()

    def pin(self) -> None:
        if self.below:
            self.pins += 1  # a mapping of the lower file needs no copy
        else:
            super().pin()


class FaceLink(MemSymlink, Face):
    __slots__ = ()

    def readlink(self, who: Walker) -> bytes:
        return self.target if self.lower is None else self.lower.readlink(who)


class FaceSpecial(MemSpecial, Face):
    __slots__ = ()
