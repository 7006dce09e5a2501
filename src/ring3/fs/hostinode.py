"""Inodes of hostfs. Attributes are the host's, read whenever a name is looked up."""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES, EOPNOTSUPP, EPERM, ESTALE
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import (
    S_IFBLK,
    S_IFCHR,
    S_IFMT,
)
from ring3.core.hostos import O_CLOEXEC, O_NOFOLLOW, O_PATH
from ring3.fs.hosterror import refuse_setid, refused
from ring3.vfs.hostcall import close
from ring3.vfs.inode import Inode, Stat

if TYPE_CHECKING:
    from ring3.fs.host import HostFs
    from ring3.fs.hostdir import HostDir
    from ring3.vfs.file import File
    from ring3.vfs.path import Place

PATH_FLAGS = O_PATH | O_NOFOLLOW | O_CLOEXEC


def check_attribute(name: bytes) -> None:
    """Whether the extended attribute may be changed."""
    if name.startswith(b"system."):
        raise EOPNOTSUPP("no access control lists here")  # so that cp -p falls back to chmod
    if not name.startswith(b"user."):
        raise EPERM("only user.* attributes reach the host")


class HostInode(Inode):
    """*parent* and *name*: where it was last found (None: the grant itself)."""

    __slots__ = ("files", "held_fd", "name", "parent", "st")

    fs: HostFs
    trust = 0.0

    def __init__(self, fs: HostFs, st: os.stat_result, parent: HostDir | None, name: bytes) -> None:
        super().__init__(fs, st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_rdev)
        self.parent = parent
        self.name = name
        self.nlink = st.st_nlink
        self.st = st
        self.files: list[tuple[File, int]] = []
        """Open descriptions with a host descriptor of this inode."""
        self.held_fd = -1
        """A descriptor of a file without a name (O_TMPFILE)."""

    def update(self, st: os.stat_result) -> None:
        self.st = st
        self.mode = st.st_mode
        self.uid = st.st_uid
        self.gid = st.st_gid
        self.nlink = st.st_nlink

    def may_be_at_several(self, st: os.stat_result) -> bool:
        """True if this inode, found under another name than before, is still the same file.

        The host gives the number of a removed file to the next one: without a second link, and
        without a descriptor of ours that keeps the number taken, it is another file. Unless the
        name we knew was removed by a guest while others were left (``HostDir.unlink``).
        """
        if self.parent is not None and not self.name and st.st_nlink == self.nlink:
            return True
        return self.own_fd() >= 0 or (st.st_nlink > 1 and not self.is_dir)

    # --- reaching the host object ------------------------------------------------------------
    def own_fd(self) -> int:
        """A descriptor of the host object that is open anyway, or -1. ESTALE."""
        if self.files:
            return self.files[-1][1]
        if self.parent is None:
            return self.fs.root_fd()
        return self.held_fd

    def borrow(self) -> tuple[int, bool]:
        """(a descriptor of the host object, whether the caller must close it). ESTALE."""
        fd = self.own_fd()
        if fd >= 0:
            return fd, False
        assert self.parent is not None
        try:
            fd = os.open(self.name, PATH_FLAGS, dir_fd=self.parent.dir_fd())
        except OSError as error:
            raise refused(error) from None
        if not self.is_same(os.fstat(fd)):
            os.close(fd)
            raise ESTALE("replaced on the host")
        return fd, True

    def is_same(self, st: os.stat_result) -> bool:
        return st.st_ino == self.ino and st.st_dev == self.st.st_dev

    def refresh(self) -> None:
        try:
            fd = self.own_fd()
            if fd >= 0:
                self.update(os.fstat(fd))
                return
            assert self.parent is not None
            st = os.lstat(self.name, dir_fd=self.parent.dir_fd())
        except (FileNotFoundError, NotADirectoryError, ESTALE):
            self.nlink = 0
            return
        except OSError as error:
            raise refused(error) from None
        if self.is_same(st):
            self.update(st)
        else:
            self.nlink = 0

    def stat(self) -> Stat:
        st = self.st
        # Where runs are to be the same, that an earlier one read the file must not show.
        still = self.fs.in_order and self.fs.readonly
        atime_ns = st.st_mtime_ns if still else st.st_atime_ns
        return Stat(
            st.st_dev, st.st_ino, st.st_mode, self.nlink, st.st_uid, st.st_gid, st.st_rdev,
            st.st_size, st.st_blocks, atime_ns, st.st_mtime_ns, st.st_ctime_ns, st.st_blksize,
        )  # fmt: skip

    def birth_time_ns(self) -> int | None:
        from ring3.vfs.hostcall import birth_time_ns

        fd, mine = self.borrow()
        try:
            return birth_time_ns(fd)
        finally:
            if mine:
                os.close(fd)

    # --- changes -----------------------------------------------------------------------------
    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        if mode is not None:
            refuse_setid(self.mode & S_IFMT | mode, self.mode)
        fd, mine = self.borrow()
        path = f"/proc/self/fd/{fd}"
        try:
            if uid is not None or gid is not None:
                os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
            if mode is not None:
                os.chmod(path, mode)
            if atime_ns is not None or mtime_ns is not None:
                st = os.fstat(fd)
                atime_ns = st.st_atime_ns if atime_ns is None else atime_ns
                mtime_ns = st.st_mtime_ns if mtime_ns is None else mtime_ns
                os.utime(path, ns=(atime_ns, mtime_ns))
            self.update(os.fstat(fd))
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    def getxattr(self, name: bytes) -> bytes:
        fd, mine = self.borrow()
        try:
            return os.getxattr(f"/proc/self/fd/{fd}", name)
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    def listxattr(self) -> list[bytes]:
        fd, mine = self.borrow()
        try:
            return [os.fsencode(name) for name in os.listxattr(f"/proc/self/fd/{fd}")]
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    def setxattr(self, name: bytes, value: bytes, flags: int) -> None:
        check_attribute(name)
        fd, mine = self.borrow()
        try:
            os.setxattr(f"/proc/self/fd/{fd}", name, value, flags)
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    def removexattr(self, name: bytes) -> None:
        check_attribute(name)
        fd, mine = self.borrow()
        try:
            os.removexattr(f"/proc/self/fd/{fd}", name)
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    # --- opening -----------------------------------------------------------------------------
    def check_special(self) -> None:
        kind = self.mode & S_IFMT
        if kind in (S_IFCHR, S_IFBLK):
            raise EACCES("device nodes of the host are never opened")
        if not self.fs.writable:
            raise EACCES(f"a FIFO or socket of the host, {self.fs.why}")

    def open_path(self, place: Place, flags: int) -> File:
        from ring3.vfs.directory import HeldPathFile, PathFile

        if self.is_dir:
            return PathFile(place, flags)
        fd, mine = self.borrow()
        if not mine:
            fd = os.dup(fd)
        file = HeldPathFile(place, flags, self, fd)
        self.files.insert(0, (file, fd))
        return file

    def open_files(self) -> list[File]:
        return [file for file, _ in self.files]

    def forget(self, file: File) -> None:
        self.files = [entry for entry in self.files if entry[0] is not file]

    def __del__(self) -> None:
        if self.held_fd >= 0:
            close(self.held_fd)


class HostSpecial(HostInode):
    """A FIFO, socket or device node of the host."""

    __slots__ = ()
