"""Regular files and symbolic links of the host."""

from __future__ import annotations

import os

from ring3.abi.errno import ENODATA, EPERM, ESTALE, Errno
from ring3.abi.fcntl import O_ACCMODE, O_APPEND, O_NOATIME, O_SYNC, O_TRUNC
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFMT, S_IFREG
from ring3.core.hostos import O_CLOEXEC, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK
from ring3.fs.hosterror import refused
from ring3.fs.hostinode import HostInode
from ring3.vfs.directory import PathFile
from ring3.vfs.hostcall import close
from ring3.vfs.regular import RegularFile

if TYPE_CHECKING:
    from ring3.fs.host import HostFs
    from ring3.fs.hostdir import HostDir
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.path import Place


class HostLink(HostInode):
    __slots__ = ()
    trust = 1.0

    def readlink(self, who: Walker) -> bytes:
        assert self.parent is not None
        try:
            return os.readlink(self.name, dir_fd=self.parent.dir_fd())
        except OSError as error:
            raise refused(error) from None

    def borrow(self) -> tuple[int, bool]:
        raise EPERM("attributes of host links are not changed")

    def getxattr(self, name: bytes) -> bytes:
        raise ENODATA

    def listxattr(self) -> list[bytes]:
        return []

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        assert self.parent is not None
        at = self.parent.dir_fd()
        try:
            if uid is not None or gid is not None:
                owner = (-1 if uid is None else uid, -1 if gid is None else gid)
                os.chown(self.name, *owner, dir_fd=at, follow_symlinks=False)
            if atime_ns is not None or mtime_ns is not None:
                st = self.st
                atime_ns = st.st_atime_ns if atime_ns is None else atime_ns
                mtime_ns = st.st_mtime_ns if mtime_ns is None else mtime_ns
                os.utime(self.name, ns=(atime_ns, mtime_ns), dir_fd=at, follow_symlinks=False)
        except OSError as error:
            raise refused(error) from None
        self.refresh()

    def open_path(self, place: Place, flags: int) -> File:
        return PathFile(place, flags)


class HostFile(HostInode):
    """*read_fd*: a host description for reading content, while somebody needs the content of this
    file without having it open (``pin``)."""

    __slots__ = ("pins", "read_fd")

    def __init__(self, fs: HostFs, st: os.stat_result, parent: HostDir | None, name: bytes) -> None:
        super().__init__(fs, st, parent, name)
        self.pins = 0
        self.read_fd = -1

    def open(self, who: Walker, place: Place, flags: int) -> RegularFile:
        fd = self.host_open(flags)
        file = RegularFile(self, fd, flags & ~O_TRUNC)
        self.files.append((file, fd))
        return file

    def host_open(self, flags: int) -> int:
        """A new host description of this file. EACCES, ESTALE, ..."""
        wanted = flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_NOATIME | O_SYNC)
        # O_NONBLOCK: should the host have put a FIFO here this moment, it must not block us.
        wanted |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK
        known = self.own_fd()
        try:
            if known >= 0:
                fd = self.open_again(known, wanted)
            else:
                assert self.parent is not None
                fd = self.open_name(self.parent.dir_fd(), wanted)
        except OSError as error:
            raise refused(error) from None
        if not self.is_same(os.fstat(fd)):
            os.close(fd)
            raise ESTALE("replaced on the host")
        return fd

    # --- content without an open file ----------------------------------------------------------
    def pin(self) -> None:
        if self.read_fd < 0 and self.mode & S_IFMT == S_IFREG:
            self.read_fd = self.host_open(os.O_RDONLY)
        self.pins += 1

    def unpin(self) -> None:
        self.pins -= 1
        if not self.pins and self.read_fd >= 0:
            fd, self.read_fd = self.read_fd, -1
            close(fd)

    def own_fd(self) -> int:
        known = super().own_fd()
        return known if known >= 0 else self.read_fd

    def read_at(self, offset: int, size: int) -> bytes:
        try:
            if self.read_fd >= 0:
                return os.pread(self.read_fd, size, offset)
            fd = self.host_open(os.O_RDONLY)
            try:
                return os.pread(fd, size, offset)
            finally:
                os.close(fd)
        except OSError as error:
            raise refused(error) from None

    def write_at(self, offset: int, data: bytes) -> None:
        fd = next((fd for file, fd in self.files if file.writable), -1)
        mine = fd < 0
        if mine:
            fd = self.host_open(os.O_WRONLY)
        try:
            at = 0
            while at < len(data):
                at += os.pwrite(fd, data[at:], offset + at)
        except OSError as error:
            raise refused(error) from None
        finally:
            if mine:
                os.close(fd)

    def stamp(self) -> object:
        self.refresh()
        st = self.st
        return st.st_ino, st.st_size, st.st_mtime_ns

    def lock_fd(self) -> int | None:
        """A host description that stands for the guests' locks (``ipc.locks``): programs outside
        see them. None where the guest may not write: it cannot keep anybody out there."""
        if self.fs.readonly:
            return None
        for mode in (os.O_RDWR, os.O_RDONLY):
            try:
                return self.host_open(mode)
            except Errno:
                continue
        return None

    def open_name(self, at: int, wanted: int) -> int:
        try:
            return os.open(self.name, wanted | O_NOFOLLOW, dir_fd=at)
        except PermissionError:
            if not wanted & O_NOATIME:
                raise
            # Only its owner may read a file without a trace.
            return os.open(self.name, wanted & ~O_NOATIME | O_NOFOLLOW, dir_fd=at)

    def open_again(self, known: int, wanted: int) -> int:
        path = f"/proc/self/fd/{known}"
        try:
            return os.open(path, wanted)
        except PermissionError:
            if not wanted & O_NOATIME:
                raise
            return os.open(path, wanted & ~O_NOATIME)

    def truncate(self, size: int) -> None:
        if self.mapping is not None and size:
            self.mapping.before_read(0, min(size, self.content_size()))
        self.set_size(size)
        if self.mapping is not None:
            self.mapping.truncated(size)

    def __del__(self) -> None:
        super().__del__()
        if self.read_fd >= 0:
            close(self.read_fd)

    def set_size(self, size: int) -> None:
        for file, fd in self.files:
            if file.writable:
                try:
                    os.ftruncate(fd, size)
                except OSError as error:
                    raise refused(error) from None
                return
        fd = self.host_open(os.O_WRONLY)
        try:
            os.ftruncate(fd, size)
        except OSError as error:
            raise refused(error) from None
        finally:
            os.close(fd)
