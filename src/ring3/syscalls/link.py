"""Names: link(2), symlink(2), readlink(2), unlink(2), rename(2), mknod(2) and their *at kin."""

from __future__ import annotations

from ring3.abi.capability import CAP_DAC_READ_SEARCH
from ring3.abi.errno import EINVAL, ENOENT
from ring3.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW
from ring3.abi.hints import Annotated
from ring3.abi.types import Bytes, Dev, DirFd, In, Int, Mode, Out, Path, Scalar
from ring3.syscalls.at import base_of, resolve
from ring3.syscalls.table import RESULT, syscall
from ring3.task.task import Task
from ring3.vfs import ops
from ring3.vfs.path import EMPTY, walk

RenameFlags = Annotated[int, Scalar(32, signed=False, flags="rename", kind="flags")]


# --- hard links ----------------------------------------------------------------------------------
@syscall
def linkat(t: Task, olddir: DirFd, old: In[Path], newdir: DirFd, new: In[Path], flags: Int) -> int:
    """Make *new* another name of the file *old*."""
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")
    follow = bool(flags & AT_SYMLINK_FOLLOW)
    if flags & AT_EMPTY_PATH and not old.load() and not t.cred.capable(CAP_DAC_READ_SEARCH):
        raise ENOENT("AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH")
    place = resolve(t, olddir, old, flags & AT_EMPTY_PATH, follow)
    name = new.load()
    ops.link(t, place, base_of(t, newdir, name), name)
    return 0


@syscall
def link(t: Task, old: In[Path], new: In[Path]) -> int:
    place = resolve(t, AT_FDCWD, old, follow=False)
    ops.link(t, place, None, new.load())
    return 0


# --- symbolic links ------------------------------------------------------------------------------
@syscall
def symlinkat(t: Task, target: In[Path], newdir: DirFd, path: In[Path]) -> int:
    """Make a symbolic link with the text *target*."""
    text = target.load()
    name = path.load()
    ops.symlink(t, text, base_of(t, newdir, name), name)
    return 0


@syscall
def symlink(t: Task, target: In[Path], path: In[Path]) -> int:
    text = target.load()
    ops.symlink(t, text, None, path.load())
    return 0


@syscall(buf=RESULT)
def readlinkat(t: Task, dirfd: DirFd, path: In[Path], buf: Out[Bytes], size: Int) -> int:
    """Store a symbolic link's text, cut to *size* bytes and without a NUL."""
    if size <= 0:
        raise EINVAL("no room")
    name = path.load()
    place = walk(t, base_of(t, dirfd, name), name, EMPTY)
    inode = place.dentry.inode
    if not inode.is_symlink:
        raise EINVAL("not a symbolic link") if name else ENOENT("not a symbolic link")
    text = inode.readlink(t)[:size]
    buf.store(text)
    return len(text)


@syscall(buf=RESULT)
def readlink(t: Task, path: In[Path], buf: Out[Bytes], size: Int) -> int:
    if size <= 0:
        raise EINVAL("no room")
    inode = walk(t, None, path.load(), 0).dentry.inode
    text = inode.readlink(t)[:size]
    buf.store(text)
    return len(text)


# --- removing ------------------------------------------------------------------------------------
@syscall
def unlinkat(t: Task, dirfd: DirFd, path: In[Path], flags: Int) -> int:
    """Remove a name; AT_REMOVEDIR: an empty directory."""
    if flags & ~AT_REMOVEDIR:
        raise EINVAL("unknown flag")
    name = path.load()
    (ops.rmdir if flags else ops.unlink)(t, base_of(t, dirfd, name), name)
    return 0


@syscall
def unlink(t: Task, path: In[Path]) -> int:
    ops.unlink(t, None, path.load())
    return 0


# --- renaming ------------------------------------------------------------------------------------
@syscall
def renameat2(
    t: Task, olddir: DirFd, old: In[Path], newdir: DirFd, new: In[Path], flags: RenameFlags
) -> int:
    """Give *old* the name *new*, replacing what was there."""
    source = old.load()
    target = new.load()
    ops.rename(t, base_of(t, olddir, source), source, base_of(t, newdir, target), target, flags)
    return 0


@syscall
def renameat(t: Task, olddir: DirFd, old: In[Path], newdir: DirFd, new: In[Path]) -> int:
    source = old.load()
    target = new.load()
    ops.rename(t, base_of(t, olddir, source), source, base_of(t, newdir, target), target)
    return 0


@syscall
def rename(t: Task, old: In[Path], new: In[Path]) -> int:
    source = old.load()
    ops.rename(t, None, source, None, new.load())
    return 0


# --- nodes ---------------------------------------------------------------------------------------
@syscall
def mknodat(t: Task, dirfd: DirFd, path: In[Path], mode: Mode, dev: Dev) -> int:
    """Make a FIFO, socket, device node or empty file."""
    name = path.load()
    ops.mknod(t, base_of(t, dirfd, name), name, mode, dev)
    return 0


@syscall
def mknod(t: Task, path: In[Path], mode: Mode, dev: Dev) -> int:
    ops.mknod(t, None, path.load(), mode, dev)
    return 0
