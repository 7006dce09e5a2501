"""Open regular files whose content is in a host descriptor (host files, memfds).

The guest's open file description *is* the host's: offset, O_APPEND and the access mode are the
host description's own, so that I/O in Python and I/O on the bound descriptor mean the same.
"""

from __future__ import annotations

import os

from ring3.abi.errno import (
    EACCES,
    EBADF,
    EINVAL,
    EMFILE,
    ENFILE,
    ENODEV,
    ENOSPC,
    EPERM,
    from_os_error,
)
from ring3.abi.fcntl import (
    FALLOC_FL_PUNCH_HOLE,
    O_ACCMODE,
    O_APPEND,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
)
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.abi.inotify import IN_ACCESS, IN_MODIFY
from ring3.abi.mman import PROT_EXEC, PROT_WRITE
from ring3.abi.mount import MS_NOEXEC
from ring3.core.hostos import O_CLOEXEC
from ring3.vfs import file as files
from ring3.vfs import hostcall, notify
from ring3.vfs.access import without_setid
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.machine.base import FileContent
    from ring3.vfs.inode import Inode, Stat

HOST_STATUS = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
"""Status flags that the host description has to have too."""


class RegularFile(File):
    """*fd* belongs to the file: closed with the last reference."""

    __slots__ = ("_inode", "fd", "privileged")
    kind: ClassVar[str] = "regular"
    seekable: ClassVar[bool] = True

    def __init__(self, inode: Inode, fd: int, flags: int, bindable: bool = True) -> None:
        super().__init__(flags)
        self._inode = inode
        self.fd = fd
        self.privileged = True
        """Opened with CAP_FSETID, or for reading: writes leave set-ID bits alone."""
        if bindable:
            self.bind_fd = fd

    @property
    def inode(self) -> Inode:
        return self._inode

    def stat(self) -> Stat:
        self._inode.refresh()
        return self._inode.stat()

    # --- data --------------------------------------------------------------------------------
    def read(self, size: int) -> bytes:
        if self._inode.mapping is not None:
            self._inode.mapping.before_read(os.lseek(self.fd, 0, os.SEEK_CUR), size)
        try:
            data = os.read(self.fd, size)
        except OSError as error:
            raise from_os_error(error) from None
        if notify.active and data:
            self._tell(IN_ACCESS)
        return data

    def unread(self, data: bytes) -> None:
        os.lseek(self.fd, -len(data), os.SEEK_CUR)

    def write(self, data: bytes) -> int:
        room = self._inode.room(self, None, len(data))
        if room < len(data):
            data = self._fit(data, room)
        if not self.privileged:
            self._strip()
        if self._inode.mapping is not None:
            return self._write_mapped(data, None)
        try:
            done = os.write(self.fd, data)
        except OSError as error:
            raise from_os_error(error) from None
        if notify.active and done:
            self._tell(IN_MODIFY)
        return done

    def pread(self, size: int, offset: int) -> bytes:
        if self._inode.mapping is not None:
            self._inode.mapping.before_read(offset, size)
        try:
            data = os.pread(self.fd, size, offset)
        except OSError as error:
            raise from_os_error(error) from None
        if notify.active and data:
            self._tell(IN_ACCESS)
        return data

    def pwrite(self, data: bytes, offset: int) -> int:
        room = self._inode.room(self, offset, len(data))
        if room < len(data):
            data = self._fit(data, room)
        if not self.privileged:
            self._strip()
        if self._inode.mapping is not None:
            return self._write_mapped(data, offset)
        try:
            done = os.pwrite(self.fd, data, offset)
        except OSError as error:
            raise from_os_error(error) from None
        if notify.active and done:
            self._tell(IN_MODIFY)
        return done

    def _write_mapped(self, data: bytes, offset: int | None) -> int:
        """Write where a machine keeps pages of the file."""
        mapping, before = self._inode.mapping, os.fstat(self.fd).st_size
        assert mapping is not None
        at = offset
        if self.flags & O_APPEND:
            at = before  # Linux appends in pwrite(2) too
        elif at is None:
            at = os.lseek(self.fd, 0, os.SEEK_CUR)
        mapping.before_read(at, len(data))
        try:
            if offset is None:
                done = os.write(self.fd, data)
            else:
                done = os.pwrite(self.fd, data, offset)
        except OSError as error:
            raise from_os_error(error) from None
        if at + done > before:
            mapping.truncated(at + done)
        mapping.after_write(at, done)
        if notify.active and done:
            self._tell(IN_MODIFY)
        return done

    def seek(self, offset: int, whence: int) -> int:
        try:
            return os.lseek(self.fd, offset, whence)
        except OSError as error:
            raise from_os_error(error) from None
        except OverflowError:
            raise EINVAL("offset out of range") from None

    def truncate(self, size: int) -> None:
        """ftruncate(2), permission checked by the mode the file was opened with."""
        if not self.writable:
            raise EINVAL("not open for writing")
        if not self.privileged:
            self._strip()
        self._inode.truncate(size)
        if notify.active:
            self._tell(IN_MODIFY)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        if not self.writable:
            raise EBADF("not open for writing")
        if not mode & FALLOC_FL_PUNCH_HOLE and self._inode.room(self, offset, length) < length:
            raise ENOSPC
        mapping = self._inode.mapping
        if mapping is not None:
            mapping.before_read(0, os.fstat(self.fd).st_size)
        hostcall.fallocate(self.fd, mode, offset, length)
        if mapping is not None:
            size = os.fstat(self.fd).st_size
            mapping.truncated(size)
            mapping.after_write(0, size)
        if notify.active:
            self._tell(IN_MODIFY)

    def sync(self, data_only: bool) -> None:
        if self._inode.mapping is not None:
            self._inode.mapping.before_read(0, os.fstat(self.fd).st_size)
        try:
            (getattr(os, "fdatasync", os.fsync) if data_only else os.fsync)(self.fd)
        except OSError as error:
            raise from_os_error(error) from None

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        from ring3.abi.errno import ENOTTY
        from ring3.abi.ioctl import FIONREAD

        if request != FIONREAD:
            raise ENOTTY
        left = os.fstat(self.fd).st_size - os.lseek(self.fd, 0, os.SEEK_CUR)
        memory.store(arg, (left & 0xFFFFFFFF).to_bytes(4, "little"))
        return 0

    def _fit(self, data: bytes, room: int) -> bytes:
        if room <= 0:
            raise ENOSPC(f"the {self._inode.fs.name} is full")
        return data[:room]

    def _strip(self) -> None:
        """Take set-ID bits off, as any write of a common user does."""
        inode = self._inode
        bits = without_setid(None, inode.mode)
        if bits != inode.mode:
            inode.setattr(mode=bits & 0o7777)

    def guard_setid(self) -> None:
        """The file has set-ID bits now: the writes of common users must come by here."""
        if not self.privileged:
            self.unbind()

    def _tell(self, mask: int) -> None:
        if self.place is not None:
            notify.happened(self.place.dentry, mask)

    # --- status and binding ------------------------------------------------------------------
    def set_status(self, flags: int) -> None:
        import fcntl

        if (flags ^ self.flags) & HOST_STATUS:
            try:
                fcntl.fcntl(self.fd, fcntl.F_SETFL, flags & HOST_STATUS)
            except OSError as error:
                raise from_os_error(error) from None
        self.flags = flags

    def map_fd(self, prot: int, shared: bool) -> int:
        self.check_map(prot, shared)
        if self.fd < 0:
            raise ENODEV
        return self.fd

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        self.check_map(prot, shared)
        return self._inode

    def check_map(self, prot: int, shared: bool) -> None:
        if not self.readable:
            raise EACCES("mmap needs a file open for reading")
        if shared and prot & PROT_WRITE and not self.writable:
            raise EACCES("not open for writing")
        if self.place is not None and self.place.mount.flags & MS_NOEXEC and prot & PROT_EXEC:
            raise EPERM("mounted noexec")

    def rebind(self, fd: int) -> None:
        """Go on with the content behind *fd* (a new host description of the same access mode; it
        is taken over): the file was copied up. The offset stays."""
        try:
            os.lseek(fd, os.lseek(self.fd, 0, os.SEEK_CUR), os.SEEK_SET)
            os.dup2(fd, self.fd, inheritable=False)
        finally:
            os.close(fd)
        if self.bind_fd is not None:
            files.rebound(self)

    def unbind(self) -> None:
        """I/O has to reach the kernel from now on (somebody watches this file)."""
        if self.bind_fd is not None:
            self.bind_fd = None
            files.rebound(self)

    def release(self) -> None:
        self._inode.forget(self)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def reopen_flags(flags: int) -> int:
    """What of open(2)'s *flags* the host description of the content is opened with."""
    return (flags & (O_ACCMODE | O_APPEND | O_NOATIME)) | O_CLOEXEC


def reopen(fd: int, flags: int) -> int:
    """A description of its own of what *fd* has open, with the access mode of *flags*."""
    try:
        return os.open(f"/proc/self/fd/{fd}", reopen_flags(flags))
    except OSError as error:
        if error.errno == EMFILE.number:
            raise ENFILE("the kernel process is out of descriptors") from None
        raise from_os_error(error) from None
