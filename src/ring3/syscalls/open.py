"""open(2), openat(2), openat2(2), creat(2)."""

from __future__ import annotations

from ring3.abi.errno import E2BIG, EAGAIN, EINVAL, EOVERFLOW
from ring3.abi.fcntl import (
    AT_FDCWD,
    O_ACCMODE,
    O_APPEND,
    O_ASYNC,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_DSYNC,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_SYNC,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from ring3.abi.hints import Annotated
from ring3.abi.types import PAGE_SIZE, Blob, DirFd, In, Mode, OpenFlags, Path, Size
from ring3.syscalls.at import base_of
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs.open import open_at
from ring3.vfs.path import Place

OpenHow = Annotated[bytes, Blob(kind="open_how")]
TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY
VALID = (
    O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC
    | O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH
    | O_TMPFILE
)  # fmt: skip
RESOLVES = (
    RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
    | RESOLVE_IN_ROOT | RESOLVE_CACHED
)  # fmt: skip
PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC
HOW_SIZE = 24
LARGEST_32 = 0x7FFFFFFF


def check_flags(flags: int) -> int:
    """EINVAL for what open(2) refuses before it looks at the path (build_open_flags)."""
    if flags & O_PATH:
        return flags & PATH_FLAGS
    if flags & TMPFILE_BIT:
        if flags & O_TMPFILE != O_TMPFILE or flags & O_CREAT:
            raise EINVAL("O_TMPFILE needs O_DIRECTORY and goes without O_CREAT")
        if flags & O_ACCMODE == O_RDONLY:
            raise EINVAL("O_TMPFILE needs write access")
    elif flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY:
        raise EINVAL("O_CREAT makes no directories")
    return flags


def install(
    t: Task, base: Place | None, path: bytes, flags: int, mode: int, resolve: int = 0
) -> int:
    """Open and publish; a free descriptor is looked for before the path is (EMFILE first)."""
    if t.memory.word == 64:
        flags |= O_LARGEFILE if not flags & O_PATH else 0
    with t.fds.reserve(1) as (fd,):
        file = open_at(t, base, path, flags, mode, resolve)
        if not flags & (O_LARGEFILE | O_PATH) and file.kind == "regular":
            if file.stat().size > LARGEST_32:
                file.hold()
                file.drop()
                raise EOVERFLOW("O_LARGEFILE is needed for this file")
        t.fds.publish({fd: file}, cloexec=bool(flags & O_CLOEXEC))
    return fd


@syscall
def openat(t: Task, dirfd: DirFd, path: In[Path], flags: OpenFlags, mode: Mode) -> int:
    """Open a file, making it first if need be."""
    flags = check_flags(flags & VALID)
    name = path.load()
    return install(t, base_of(t, dirfd, name), name, flags, mode)


@syscall
def open(t: Task, path: In[Path], flags: OpenFlags, mode: Mode) -> int:
    """``openat`` from the working directory."""
    flags = check_flags(flags & VALID)
    return install(t, None, path.load(), flags, mode)


@syscall
def creat(t: Task, path: In[Path], mode: Mode) -> int:
    """``open`` with O_CREAT, O_WRONLY and O_TRUNC."""
    return install(t, None, path.load(), O_CREAT | O_WRONLY | O_TRUNC, mode)


@syscall(how="size")
def openat2(t: Task, dirfd: DirFd, path: In[Path], how: In[OpenHow], size: Size) -> int:
    """``openat`` with rules for the path (RESOLVE_*) and strict about flags."""
    if size < HOW_SIZE:
        raise EINVAL("struct open_how is larger")
    if size > PAGE_SIZE:
        raise E2BIG
    raw = how.load_bytes(size)
    if any(raw[HOW_SIZE:]):
        raise E2BIG("fields that this kernel does not know")
    flags, mode, rules = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16))
    if flags & ~VALID or rules & ~RESOLVES:
        raise EINVAL("unknown flag")
    if rules & RESOLVE_BENEATH and rules & RESOLVE_IN_ROOT:
        raise EINVAL("RESOLVE_BENEATH and RESOLVE_IN_ROOT contradict each other")
    if mode and (not flags & (O_CREAT | TMPFILE_BIT) or mode & ~0o7777):
        raise EINVAL("mode")
    if flags & O_PATH and flags & ~PATH_FLAGS:
        raise EINVAL("a flag that O_PATH has no use for")
    flags = check_flags(flags)
    if rules & RESOLVE_CACHED and flags & (O_TRUNC | O_CREAT | TMPFILE_BIT):
        raise EAGAIN
    name = path.load()
    base = None
    if dirfd != AT_FDCWD and (name[:1] != b"/" or rules & RESOLVE_IN_ROOT):
        base = base_of(t, dirfd, b"")
    return install(t, base, name, flags, mode, rules)
