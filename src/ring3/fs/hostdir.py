"""Directories of the host: names are looked up and changed below an O_PATH descriptor."""

from __future__ import annotations

import os
import sys

from ring3.abi.errno import EISDIR, ENOENT, EPERM, ESTALE, EXDEV
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFBLK, S_IFCHR, S_IFMT, S_IFREG
from ring3.core.hostos import O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, effective_user
from ring3.fs.hosterror import kind_of, refuse_setid, refused
from ring3.fs.hostinode import PATH_FLAGS, HostInode
from ring3.vfs.hostcall import close, rename_exchange

if TYPE_CHECKING:
    from ring3.fs.host import HostFs
    from ring3.vfs.inode import Entry, Inode

DIR_FLAGS = PATH_FLAGS | O_DIRECTORY
ENCODING = sys.getfilesystemencoding()


class HostDir(HostInode):
    __slots__ = ("fd", "used")
    trust = 1.0

    def __init__(self, fs: HostFs, st: os.stat_result, parent: HostDir | None, name: bytes) -> None:
        super().__init__(fs, st, parent, name)
        self.fd = -1
        self.used = False
        """Asked for since the table of descriptors was last looked through."""

    def dir_fd(self) -> int:
        """The O_PATH descriptor of this directory. ENOENT or ESTALE if it is no longer there."""
        if self.fd >= 0:
            self.used = True
            return self.fd
        if self.parent is None:
            return self.fs.root_fd()
        try:
            fd = os.open(self.name, DIR_FLAGS, dir_fd=self.parent.dir_fd())
        except OSError as error:
            raise refused(error) from None
        if not self.is_same(os.fstat(fd)):
            os.close(fd)
            raise ESTALE("replaced on the host")
        self.fd = fd
        self.used = True
        self.fs.opened(self)
        return fd

    def own_fd(self) -> int:
        return self.fs.root_fd() if self.parent is None else self.fd

    def close(self) -> None:
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        self.fs.open_dirs.pop(self, None)

    # --- names -------------------------------------------------------------------------------
    def lookup(self, name: bytes) -> Inode | None:
        try:
            fd = self.fd if self.fd >= 0 else self.dir_fd()
        except ENOENT:
            raise ESTALE("removed on the host") from None
        try:
            st = os.lstat(name, dir_fd=fd)
        except FileNotFoundError:
            self.check_alive()
            return None
        except ValueError:
            return None  # an embedded NUL cannot come from a path, but from Python callers
        except OSError as error:
            raise refused(error) from None
        self.used = True
        return self.fs.inode_for(st, self, name)

    def check_alive(self) -> None:
        if not os.fstat(self.dir_fd()).st_nlink:
            raise ESTALE("removed on the host")

    def iterate(self) -> list[Entry]:
        try:
            fd = os.open(".", os.O_RDONLY | O_DIRECTORY | O_CLOEXEC, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        try:
            with os.scandir(fd) as entries:
                found = [
                    (
                        e.name.encode(ENCODING, "surrogateescape"),
                        e.inode(),
                        S_IFREG if e.is_file(follow_symlinks=False) else kind_of(e),
                    )
                    for e in entries
                ]
            return sorted(found) if self.fs.in_order else found
        except OSError as error:
            raise refused(error) from None
        finally:
            os.close(fd)

    def made(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """Give what was just made at *name* its owner and mode, whatever ring3's own umask."""
        at = self.dir_fd()
        try:
            st = os.lstat(name, dir_fd=at)
            if (st.st_uid, st.st_gid) != (uid, gid) and effective_user() == 0:
                os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
            if mode >= 0 and st.st_mode & 0o7777 != mode:
                fd = os.open(name, PATH_FLAGS, dir_fd=at)
                try:
                    os.chmod(f"/proc/self/fd/{fd}", mode)
                finally:
                    os.close(fd)
            st = os.lstat(name, dir_fd=at)
        except OSError as error:
            raise refused(error) from None
        return self.fs.inode_for(st, self, name)

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        refuse_setid(S_IFREG | mode, 0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_NOFOLLOW | O_CLOEXEC
        try:
            os.close(os.open(name, flags, mode, dir_fd=self.dir_fd()))
        except OSError as error:
            raise refused(error) from None
        return self.made(name, mode, uid, gid)

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        try:
            os.mkdir(name, mode, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        return self.made(name, mode, uid, gid)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        try:
            os.symlink(target, name, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        return self.made(name, -1, uid, gid)

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        if mode & S_IFMT in (S_IFCHR, S_IFBLK) and (rdev or mode & S_IFMT == S_IFBLK):
            raise EPERM("device nodes do not reach the host")  # but an overlay's whiteout may
        try:
            os.mknod(name, mode, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        return self.made(name, mode & 0o7777, uid, gid)

    def tmpfile(self, mode: int, uid: int, gid: int, linkable: bool) -> Inode:
        refuse_setid(S_IFREG | mode, 0)
        flags = os.O_TMPFILE | os.O_RDWR | O_CLOEXEC | (0 if linkable else os.O_EXCL)
        try:
            fd = os.open(".", flags, mode, dir_fd=self.dir_fd())
            os.fchmod(fd, mode)
            if effective_user() == 0:
                os.fchown(fd, uid, gid)
            inode = self.fs.make_inode(os.fstat(fd), self, b"")
        except OSError as error:
            raise refused(error) from None
        inode.held_fd = fd
        return inode

    def link(self, name: bytes, inode: Inode) -> None:
        if not isinstance(inode, HostInode) or inode.fs is not self.fs:
            raise EXDEV
        at = self.dir_fd()
        try:
            if inode.own_fd() >= 0:
                source = f"/proc/self/fd/{inode.own_fd()}"
                os.link(source, name, dst_dir_fd=at, follow_symlinks=True)
            else:
                assert inode.parent is not None
                source_dir = inode.parent.dir_fd()
                os.link(
                    inode.name, name, src_dir_fd=source_dir, dst_dir_fd=at, follow_symlinks=False
                )
            inode.parent, inode.name = self, name
            inode.update(os.lstat(name, dir_fd=at))
        except OSError as error:
            raise refused(error) from None

    def unlink(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, HostInode)
        try:
            os.unlink(name, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        inode.nlink -= 1
        if inode.own_fd() >= 0:
            inode.refresh()
        elif inode.nlink > 0:
            inode.name = b""  # it lives on under a name that the next look-up tells

    def rmdir(self, name: bytes, inode: Inode) -> None:
        try:
            os.rmdir(name, dir_fd=self.dir_fd())
        except OSError as error:
            raise refused(error) from None
        inode.nlink = 0

    def rename(
        self,
        name: bytes,
        inode: Inode,
        new_dir: Inode,
        new_name: bytes,
        target: Inode | None,
        exchange: bool,
    ) -> None:
        assert isinstance(inode, HostInode)
        if not isinstance(new_dir, HostDir) or new_dir.fs is not self.fs:
            raise EXDEV
        here, there = self.dir_fd(), new_dir.dir_fd()
        try:
            if exchange:
                rename_exchange(here, name, there, new_name)
            else:
                os.rename(name, new_name, src_dir_fd=here, dst_dir_fd=there)
        except OSError as error:
            raise refused(error) from None
        inode.parent, inode.name = new_dir, new_name
        if isinstance(target, HostInode):
            if exchange:
                target.parent, target.name = self, name
            elif target.own_fd() >= 0 and not target.is_dir:
                target.refresh()
            else:
                target.nlink = 0 if target.is_dir else target.nlink - 1

    def truncate(self, size: int) -> None:
        raise EISDIR

    def __del__(self) -> None:
        if self.fd >= 0:
            close(self.fd)
