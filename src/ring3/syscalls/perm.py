"""Mode, owner, times: chmod(2), chown(2), umask(2), utimensat(2) and their kin."""

from __future__ import annotations

from ring3.abi.errno import EBADF, EINVAL
from ring3.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH
from ring3.abi.hints import Annotated
from ring3.abi.types import (
    AtFlags,
    DirFd,
    Fd,
    In,
    Int,
    Mode,
    Packed,
    Path,
    Timespec,
    Timeval,
    Uid,
)
from ring3.syscalls.at import resolve
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs import attributes
from ring3.vfs.path import Place, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.file import File

SECOND_NS = 1_000_000_000
UTIME_NOW, UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE
Utimbuf = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("qq", "ii", kind="utimbuf")]


def opened(t: Task, fd: int) -> Place:
    """The place of an open file. EBADF for O_PATH descriptors, which change nothing."""
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    place = place_of(file)
    place.dentry.inode.refresh()
    return place


# --- mode ----------------------------------------------------------------------------------------
@syscall
def chmod(t: Task, path: In[Path], mode: Mode) -> int:
    """Set a file's permission bits."""
    attributes.chmod(t.cred, resolve(t, AT_FDCWD, path), mode)
    return 0


@syscall
def fchmod(t: Task, fd: Fd, mode: Mode) -> int:
    attributes.chmod(t.cred, opened(t, fd), mode)
    return 0


@syscall
def fchmodat(t: Task, dirfd: DirFd, path: In[Path], mode: Mode) -> int:
    attributes.chmod(t.cred, resolve(t, dirfd, path), mode)
    return 0


@syscall
def fchmodat2(t: Task, dirfd: DirFd, path: In[Path], mode: Mode, flags: AtFlags) -> int:
    """``fchmodat`` with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")
    attributes.chmod(t.cred, resolve(t, dirfd, path, flags), mode)
    return 0


@syscall
def umask(t: Task, mask: Int) -> int:
    """Set the permission bits that new files do not get; the result is the old mask."""
    old = t.fs.umask
    t.fs.umask = mask & 0o777
    return old


# --- owner ---------------------------------------------------------------------------------------
@syscall
def chown(t: Task, path: In[Path], uid: Uid, gid: Uid) -> int:
    """Set owner and group; -1 leaves one as it is."""
    attributes.chown(t.cred, resolve(t, AT_FDCWD, path), uid, gid)
    return 0


@syscall
def lchown(t: Task, path: In[Path], uid: Uid, gid: Uid) -> int:
    """``chown`` of a symbolic link itself."""
    attributes.chown(t.cred, resolve(t, AT_FDCWD, path, follow=False), uid, gid)
    return 0


@syscall
def fchown(t: Task, fd: Fd, uid: Uid, gid: Uid) -> int:
    attributes.chown(t.cred, opened(t, fd), uid, gid)
    return 0


@syscall
def fchownat(t: Task, dirfd: DirFd, path: In[Path], uid: Uid, gid: Uid, flags: AtFlags) -> int:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")
    attributes.chown(t.cred, resolve(t, dirfd, path, flags), uid, gid)
    return 0


# i386 has the calls above with 16-bit ids too, under the same names.
syscall(name="chown32")(chown)
syscall(name="lchown32")(lchown)
syscall(name="fchown32")(fchown)


# --- times ---------------------------------------------------------------------------------------
def set_times(t: Task, place: Place, times: tuple[int, int] | None) -> int:
    """Both times in nanoseconds, or None for now."""
    if times is None:
        attributes.touch(t.cred, place)
    else:
        attributes.set_times(t.cred, place, *times)
    return 0


@syscall
def utime(t: Task, path: In[Path], times: In[Utimbuf]) -> int:
    """Set access and modification time, in seconds; NULL: now."""
    pair = None
    if times:
        access, change = times.load()
        pair = (access * SECOND_NS, change * SECOND_NS)
    return set_times(t, resolve(t, AT_FDCWD, path), pair)


def load_timevals(times: In[Timeval]) -> tuple[int, int] | None:
    if not times:
        return None
    access, change = times.load_array(2)
    for time in (access, change):
        if not 0 <= time.usec < 1_000_000:
            raise EINVAL("microseconds")
    return tuple(time.sec * SECOND_NS + time.usec * 1000 for time in (access, change))  # type: ignore[return-value]


@syscall
def utimes(t: Task, path: In[Path], times: In[Timeval]) -> int:
    """``utime`` in microseconds."""
    pair = load_timevals(times)
    return set_times(t, resolve(t, AT_FDCWD, path), pair)


@syscall
def futimesat(t: Task, dirfd: DirFd, path: In[Path], times: In[Timeval]) -> int:
    """``utimes`` relative to *dirfd*; a NULL path means *dirfd* itself."""
    pair = load_timevals(times)
    if not path and dirfd != AT_FDCWD:
        return set_times(t, opened(t, dirfd), pair)
    return set_times(t, resolve(t, dirfd, path), pair)


def utimens(
    t: Task,
    dirfd: int,
    path: In[bytes],
    times: list[Timespec] | list[Timespec64] | None,
    flags: int,
) -> int:
    """utimensat(2) with *times* loaded."""
    if times is not None:
        nsecs = [time.nsec for time in times]
        if any(not (0 <= n < SECOND_NS or n in (UTIME_NOW, UTIME_OMIT)) for n in nsecs):
            raise EINVAL("nanoseconds")
        if nsecs == [UTIME_OMIT, UTIME_OMIT]:
            return 0
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")
    if not path and dirfd != AT_FDCWD:
        if flags:
            raise EINVAL("flags without a path")
        place = opened(t, dirfd)
    else:
        place = resolve(t, dirfd, path, flags)
    if times is None or nsecs == [UTIME_NOW, UTIME_NOW]:
        attributes.touch(t.cred, place)
        return 0
    now = place.inode.fs.now_ns()
    known = {UTIME_NOW: now, UTIME_OMIT: None}
    access, change = (
        known[time.nsec] if time.nsec in known else time.sec * SECOND_NS + time.nsec
        for time in times
    )
    attributes.set_times(t.cred, place, access, change)
    return 0


@syscall
def utimensat(t: Task, dirfd: DirFd, path: In[Path], times: In[Timespec], flags: AtFlags) -> int:
    """Set access and modification time, each to a time, to now or not at all."""
    return utimens(t, dirfd, path, times.load_array(2) if times else None, flags)


@syscall
def utimensat_time64(
    t: Task, dirfd: DirFd, path: In[Path], times: In[Timespec64], flags: AtFlags
) -> int:
    """``utimensat`` with 64-bit seconds on i386."""
    return utimens(t, dirfd, path, times.load_array(2) if times else None, flags)
