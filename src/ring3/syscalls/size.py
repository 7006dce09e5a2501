"""truncate(2), fallocate(2), fsync(2) and their kin: how large a file is, and what is on disk."""

from __future__ import annotations

from ring3.abi.errno import EBADF, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, EPERM, ESPIPE
from ring3.abi.fcntl import (
    AT_FDCWD,
    FALLOC_FL_ALLOCATE_RANGE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_WRITE_ZEROES,
    FALLOC_FL_ZERO_RANGE,
    O_APPEND,
    O_PATH,
    POSIX_FADV_NOREUSE,
    POSIX_FADV_NORMAL,
)
from ring3.abi.hints import Annotated
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_FSIZE
from ring3.abi.signal import SIGXFSZ
from ring3.abi.types import Fd, In, Int, Long, Offset, Path, Scalar, Size, UInt
from ring3.syscalls.at import resolve
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs import attributes
from ring3.vfs.directory import DirFile
from ring3.vfs.path import place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.file import File

Offset64 = Annotated[int, Scalar(64, regs="pair32", kind="offset")]
MAX_OFFSET = (1 << 63) - 1
MODES = (
    FALLOC_FL_ALLOCATE_RANGE | FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
    | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE
    | FALLOC_FL_UNSHARE_RANGE
)  # fmt: skip
SYNC_RANGE_FLAGS = 7


def check_limit(t: Task, size: int, old: int) -> None:
    """EFBIG with SIGXFSZ where a file would grow beyond RLIMIT_FSIZE (inode_newsize_ok)."""
    limit = t.process.limits.get(RLIMIT_FSIZE, (RLIM_INFINITY, 0))[0]
    if size > old and size > limit:
        from ring3.syscalls.transfer import send_signal

        send_signal(t, SIGXFSZ)
        raise EFBIG("RLIMIT_FSIZE")


def truncate_path(t: Task, path: In[bytes], length: int) -> int:
    if length < 0:
        raise EINVAL("negative length")
    place = resolve(t, AT_FDCWD, path)
    inode = place.dentry.inode
    if inode.is_regular:
        check_limit(t, length, inode.stat().size)
    attributes.truncate(t.cred, place, length)
    return 0


@syscall
def truncate(t: Task, path: In[Path], length: Long) -> int:
    """Set a file's size, with zeros where it grows."""
    return truncate_path(t, path, length)


@syscall
def truncate64(t: Task, path: In[Path], length: Offset) -> int:
    return truncate_path(t, path, length)


def truncate_fd(t: Task, fd: int, length: int) -> int:
    if length < 0:
        raise EINVAL("negative length")
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    if not file.writable or isinstance(file, DirFile):
        raise EINVAL("not a regular file open for writing")
    if file.kind in ("regular", "memfd"):
        check_limit(t, length, file.stat().size)
    file.truncate(length)
    return 0


@syscall
def ftruncate(t: Task, fd: Fd, length: Long) -> int:
    return truncate_fd(t, fd, length)


@syscall
def ftruncate64(t: Task, fd: Fd, length: Offset) -> int:
    return truncate_fd(t, fd, length)


@syscall
def fallocate(t: Task, fd: Fd, mode: Int, offset: Offset, length: Offset) -> int:
    """Allocate, free or zero a range of a file (vfs_fallocate's order of checks)."""
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    if offset < 0 or length <= 0:
        raise EINVAL("empty or negative range")
    check_fallocate_mode(mode)
    if not file.writable:
        raise EBADF("not open for writing")
    if file.flags & O_APPEND and mode & ~FALLOC_FL_KEEP_SIZE:
        raise EPERM("append-only")
    if file.kind == "pipe":
        raise ESPIPE
    if isinstance(file, DirFile):
        raise EISDIR
    if file.kind not in ("regular", "memfd"):
        raise ENODEV
    if offset + length > MAX_OFFSET:
        raise EFBIG
    if not mode & FALLOC_FL_KEEP_SIZE:
        check_limit(t, offset + length, file.stat().size)
    file.fallocate(mode, offset, length)
    return 0


def check_fallocate_mode(mode: int) -> None:
    """EOPNOTSUPP or EINVAL for modes and mixtures that no filesystem has."""
    if mode & ~(MODES | FALLOC_FL_WRITE_ZEROES):
        raise EOPNOTSUPP("unknown mode")
    if mode & FALLOC_FL_PUNCH_HOLE and not mode & FALLOC_FL_KEEP_SIZE:
        raise EOPNOTSUPP("FALLOC_FL_PUNCH_HOLE needs FALLOC_FL_KEEP_SIZE")
    if mode & FALLOC_FL_PUNCH_HOLE and mode & FALLOC_FL_ZERO_RANGE:
        raise EOPNOTSUPP
    if mode & FALLOC_FL_COLLAPSE_RANGE and mode & ~FALLOC_FL_COLLAPSE_RANGE:
        raise EINVAL
    if mode & FALLOC_FL_INSERT_RANGE and mode & ~FALLOC_FL_INSERT_RANGE:
        raise EINVAL
    if mode & FALLOC_FL_UNSHARE_RANGE and mode & ~(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE):
        raise EINVAL
    if mode & FALLOC_FL_WRITE_ZEROES:
        raise EOPNOTSUPP


# --- advice --------------------------------------------------------------------------------------
def advise(t: Task, fd: int, length: int, advice: int) -> int:
    """posix_fadvise(2): checked, and otherwise without effect."""
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    if file.kind in ("pipe", "fifo"):
        raise ESPIPE
    if length < 0 or not POSIX_FADV_NORMAL <= advice <= POSIX_FADV_NOREUSE:
        raise EINVAL("advice")
    return 0


@syscall
def fadvise64(t: Task, fd: Fd, offset: Offset, length: Size, advice: Int) -> int:
    """Announce how a file will be read."""
    return advise(t, fd, length if length < 1 << 63 else -1, advice)


@syscall
def fadvise64_64(t: Task, fd: Fd, offset: Offset, length: Offset64, advice: Int) -> int:
    return advise(t, fd, length, advice)


@syscall
def readahead(t: Task, fd: Fd, offset: Offset, count: Size) -> int:
    """Read into the host's cache; a hint that the host needs no telling of."""
    file: File = t.fds.get(fd)
    if not file.readable:
        raise EBADF("not open for reading")
    if file.kind != "regular":
        raise EINVAL("not a regular file")
    return 0


# --- writing back --------------------------------------------------------------------------------
def opened(t: Task, fd: int) -> File:
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    if file.wants_caller:
        file.called_by(t)
    return file


@syscall
def fsync(t: Task, fd: Fd) -> int:
    """Write a file's data and attributes to the host's disk."""
    opened(t, fd).sync(data_only=False)
    return 0


@syscall
def fdatasync(t: Task, fd: Fd) -> int:
    """Write a file's data to the host's disk."""
    opened(t, fd).sync(data_only=True)
    return 0


@syscall
def sync(t: Task) -> int:
    """Write everything to the host's disk."""
    seen = {mount.fs for mount in t.fs.root.mount.table or ()}
    for fs in seen:
        fs.sync()
    return 0


@syscall
def syncfs(t: Task, fd: Fd) -> int:
    """``sync`` for the filesystem that *fd* is on."""
    place_of(opened(t, fd)).mount.fs.sync()
    return 0


@syscall
def sync_file_range(t: Task, fd: Fd, offset: Offset, count: Offset, flags: UInt) -> int:
    """Write a range of a file to the host's disk."""
    file = opened(t, fd)
    if offset < 0 or count < 0 or flags & ~SYNC_RANGE_FLAGS or offset + count > MAX_OFFSET:
        raise EINVAL("range or flags")
    if file.kind not in ("regular", "memfd", "dir", "device"):
        raise ESPIPE
    if flags:
        file.sync(data_only=True)
    return 0
