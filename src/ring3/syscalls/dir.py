"""Directories: reading, making, removing them, and standing in them."""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_SYS_CHROOT
from ring3.abi.errno import EBADF, EINVAL, ENOENT, ENOTDIR, EPERM, ERANGE
from ring3.abi.fcntl import O_PATH
from ring3.abi.inotify import IN_ACCESS
from ring3.abi.types import Bytes, DirFd, Fd, In, Mode, Out, Path, Size, UInt
from ring3.syscalls.at import base_of
from ring3.syscalls.table import RESULT, syscall
from ring3.task.task import Task
from ring3.vfs import notify, ops
from ring3.vfs.access import MAY_EXEC, check
from ring3.vfs.directory import DirFile
from ring3.vfs.path import DIRECTORY, FOLLOW, path_of, reachable, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.path import Place

HEAD64 = struct.Struct("<QqHB")
HEAD_LONG = {64: struct.Struct("<QQH"), 32: struct.Struct("<IIH")}
OLD_ENTRY = struct.Struct("<IIH")
ZEROS = bytes(16)


def open_directory(t: Task, fd: int) -> DirFile:
    """The directory open at *fd* for reading. EBADF, ENOTDIR."""
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    if not isinstance(file, DirFile):
        raise ENOTDIR
    return file


@syscall(buf=RESULT)
def getdents64(t: Task, fd: Fd, buf: Out[Bytes], count: UInt) -> int:
    """Read directory entries as struct linux_dirent64."""
    file = open_directory(t, fd)
    entries = file.listing()
    pack = HEAD64.pack
    parts: list[bytes] = []
    left = count
    at = file.position
    for name, ino, mode in entries[at:]:
        used = 20 + len(name)
        size = (used + 7) & ~7
        if size > left:
            break
        left -= size
        at += 1
        # The type of an entry is its mode's type bits.
        parts += (pack(ino, at, size, mode >> 12 & 15), name, ZEROS[: size - used + 1])
    if not parts and at < len(entries):
        raise EINVAL("no entry fits")
    buf.store(b"".join(parts))
    file.position = at
    if notify.active and file.place is not None:
        notify.happened(file.place.dentry, IN_ACCESS)
    return count - left


@syscall(buf=RESULT)
def getdents(t: Task, fd: Fd, buf: Out[Bytes], count: UInt) -> int:
    """Read directory entries as struct linux_dirent: the type in the last byte."""
    file = open_directory(t, fd)
    entries = file.listing()
    word = t.memory.word
    head, align = HEAD_LONG[word], word // 8
    parts: list[bytes] = []
    left = count
    at = file.position
    for name, ino, mode in entries[at:]:
        used = head.size + len(name) + 2
        size = (used + align - 1) & -align
        if size > left:
            break
        left -= size
        at += 1
        kind = bytes((mode >> 12 & 15,))
        parts += (head.pack(ino & 2**word - 1, at, size), name, ZEROS[: size - used + 1], kind)
    if not parts and at < len(entries):
        raise EINVAL("no entry fits")
    buf.store(b"".join(parts))
    file.position = at
    if notify.active and file.place is not None:
        notify.happened(file.place.dentry, IN_ACCESS)
    return count - left


@syscall(buf=RESULT)
def readdir(t: Task, fd: Fd, buf: Out[Bytes], count: UInt) -> int:
    """Read one entry as struct old_linux_dirent; 1, or 0 at the end. *count* is not looked at."""
    file = open_directory(t, fd)
    entries = file.listing()
    if file.position >= len(entries):
        return 0
    name, ino, _ = entries[file.position]
    head = OLD_ENTRY.pack(ino & 0xFFFFFFFF, file.position, len(name))
    buf.store(head + name + b"\0")
    file.position += 1
    return 1


# --- making and removing -------------------------------------------------------------------------
@syscall
def mkdirat(t: Task, dirfd: DirFd, path: In[Path], mode: Mode) -> int:
    """Make a directory."""
    name = path.load()
    ops.mkdir(t, base_of(t, dirfd, name), name, mode)
    return 0


@syscall
def mkdir(t: Task, path: In[Path], mode: Mode) -> int:
    ops.mkdir(t, None, path.load(), mode)
    return 0


@syscall
def rmdir(t: Task, path: In[Path]) -> int:
    """Remove an empty directory."""
    ops.rmdir(t, None, path.load())
    return 0


# --- where a process stands ----------------------------------------------------------------------
def enterable(t: Task, place: Place) -> Place:
    """EACCES unless one may stand in *place*."""
    check(t.cred, place.dentry.inode, MAY_EXEC)
    return place


@syscall
def chdir(t: Task, path: In[Path]) -> int:
    """Change the working directory."""
    t.fs.cwd = enterable(t, walk(t, None, path.load(), FOLLOW | DIRECTORY))
    return 0


@syscall
def fchdir(t: Task, fd: Fd) -> int:
    """Make the directory open at *fd* the working directory."""
    file: File = t.fds.get(fd)
    if file.place is None or not file.place.dentry.inode.is_dir:
        raise ENOTDIR
    t.fs.cwd = enterable(t, file.place)
    return 0


@syscall
def chroot(t: Task, path: In[Path]) -> int:
    """Change what "/" means for this process. The working directory stays."""
    place = enterable(t, walk(t, None, path.load(), FOLLOW | DIRECTORY))
    if not t.cred.capable(CAP_SYS_CHROOT):
        raise EPERM("CAP_SYS_CHROOT")
    t.fs.root = place
    return 0


@syscall(buf=RESULT)
def getcwd(t: Task, buf: Out[Bytes], size: Size) -> int:
    """Store the working directory's path with its NUL; the result is its length."""
    cwd = t.fs.cwd
    if cwd.dentry.dead:
        raise ENOENT("the working directory was removed")
    path = path_of(cwd, t.fs.root)
    if not reachable(cwd, t.fs.root):
        path = b"(unreachable)" + path
    if len(path) + 1 > size:
        raise ERANGE
    buf.store(path + b"\0")
    return len(path) + 1
