"""stat(2), statx(2), statfs(2), access(2) and their kin: asking about files."""

from __future__ import annotations

from ring3.abi.errno import EACCES, EINVAL, EROFS
from ring3.abi.fcntl import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_STATX_SYNC_TYPE,
    AT_SYMLINK_NOFOLLOW,
    W_OK,
    X_OK,
)
from ring3.abi.hints import Annotated
from ring3.abi.mount import MS_NOEXEC
from ring3.abi.stat import (
    S_IFBLK,
    S_IFCHR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    STATX__RESERVED,
    STATX_ATTR_AUTOMOUNT,
    STATX_ATTR_DAX,
    STATX_ATTR_MOUNT_ROOT,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_MNT_ID,
    STATX_MNT_ID_UNIQUE,
)
from ring3.abi.types import AtFlags, DirFd, Fd, In, Int, Out, Path, Record, Scalar, Size, UInt
from ring3.syscalls.at import resolve
from ring3.syscalls.statcodec import (
    OldStatBuf,
    Stat64Buf,
    StatBuf,
    StatFs64Buf,
    StatFsBuf,
)
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs.access import check, real_cred
from ring3.vfs.path import Place, place_of, walk
from ring3.vfs.special import major, minor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.access import Cred
    from ring3.vfs.context import FsContext
    from ring3.vfs.file import File
    from ring3.vfs.inode import Inode, Stat
    from ring3.vfs.mount import Mount, StatFs

SECOND_NS = 1_000_000_000
STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH
STATX_FLAGS = STAT_FLAGS | AT_STATX_SYNC_TYPE
AccessMode = Annotated[int, Scalar(32, flags="access", kind="flags")]
StatxMask = Annotated[int, Scalar(32, signed=False, flags="statx", kind="flags")]


def stat_at(t: Task, dirfd: int, path: In[bytes], flags: int) -> Stat:
    """fstatat(2)."""
    if flags & ~STAT_FLAGS:
        raise EINVAL("unknown flag")
    if flags & AT_EMPTY_PATH and dirfd != AT_FDCWD and (not path or not path.load()):
        return t.fds.get(dirfd).stat()
    return resolve(t, dirfd, path, flags).dentry.inode.stat()


@syscall
def newfstatat(t: Task, dirfd: DirFd, path: In[Path], buf: Out[StatBuf], flags: AtFlags) -> int:
    """Tell a file's attributes."""
    buf.store(stat_at(t, dirfd, path, flags))
    return 0


@syscall
def fstatat64(t: Task, dirfd: DirFd, path: In[Path], buf: Out[Stat64Buf], flags: AtFlags) -> int:
    """``newfstatat`` with i386's struct stat64."""
    buf.store(stat_at(t, dirfd, path, flags))
    return 0


@syscall
def stat(t: Task, path: In[Path], buf: Out[StatBuf]) -> int:
    """Tell the attributes of what *path* leads to."""
    buf.store(walk(t, None, path.load()).dentry.inode.stat())
    return 0


@syscall
def lstat(t: Task, path: In[Path], buf: Out[StatBuf]) -> int:
    """Tell the attributes of *path* itself, even if it is a symbolic link."""
    buf.store(walk(t, None, path.load(), 0).dentry.inode.stat())
    return 0


@syscall
def fstat(t: Task, fd: Fd, buf: Out[StatBuf]) -> int:
    """Tell the attributes of an open file."""
    buf.store(t.fds.get(fd).stat())
    return 0


@syscall
def stat64(t: Task, path: In[Path], buf: Out[Stat64Buf]) -> int:
    """``stat`` with i386's struct stat64."""
    buf.store(walk(t, None, path.load()).dentry.inode.stat())
    return 0


@syscall
def lstat64(t: Task, path: In[Path], buf: Out[Stat64Buf]) -> int:
    """``lstat`` with i386's struct stat64."""
    buf.store(walk(t, None, path.load(), 0).dentry.inode.stat())
    return 0


@syscall
def fstat64(t: Task, fd: Fd, buf: Out[Stat64Buf]) -> int:
    """``fstat`` with i386's struct stat64."""
    buf.store(t.fds.get(fd).stat())
    return 0


@syscall
def oldstat(t: Task, path: In[Path], buf: Out[OldStatBuf]) -> int:
    """``stat`` of Linux 1; EOVERFLOW for most of today's files."""
    buf.store(walk(t, None, path.load()).dentry.inode.stat())
    return 0


@syscall
def oldlstat(t: Task, path: In[Path], buf: Out[OldStatBuf]) -> int:
    buf.store(walk(t, None, path.load(), 0).dentry.inode.stat())
    return 0


@syscall
def oldfstat(t: Task, fd: Fd, buf: Out[OldStatBuf]) -> int:
    buf.store(t.fds.get(fd).stat())
    return 0


# --- statx ---------------------------------------------------------------------------------------
STATX_FIELDS = (
    "stx_mask stx_blksize stx_attributes stx_nlink stx_uid stx_gid stx_mode stx_ino stx_size"
    " stx_blocks stx_attributes_mask stx_atime.tv_sec stx_atime.tv_nsec stx_btime.tv_sec"
    " stx_btime.tv_nsec stx_ctime.tv_sec stx_ctime.tv_nsec stx_mtime.tv_sec stx_mtime.tv_nsec"
    " stx_rdev_major stx_rdev_minor stx_dev_major stx_dev_minor stx_mnt_id"
).split()


class Statx(Record):
    """struct statx, the same in both ABIs; what has no field here is zero."""

    LAYOUT = "statx"
    FIELDS = {field.removeprefix("stx_").replace(".", "_"): field for field in STATX_FIELDS}
    __slots__ = tuple(FIELDS)


@syscall
def statx(
    t: Task, dirfd: DirFd, path: In[Path], flags: AtFlags, mask: StatxMask, buf: Out[Statx]
) -> int:
    """Tell what *mask* asks for and more, and which of it is true."""
    if mask & STATX__RESERVED or flags & ~STATX_FLAGS:
        raise EINVAL("unknown flag or field")
    if flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise EINVAL("both ways to synchronize")
    if flags & AT_EMPTY_PATH and dirfd != AT_FDCWD and (not path or not path.load()):
        file: File = t.fds.get(dirfd)
        place = place_of(file)
        st = file.stat()
    else:
        place = resolve(t, dirfd, path, flags)
        st = place.dentry.inode.stat()
    if mask & STATX_BTIME and st.btime_ns is None:
        st.btime_ns = place.dentry.inode.birth_time_ns()
    buf.store(statx_of(st, place, mask))
    return 0


def statx_of(st: Stat, place: Place, mask: int) -> Statx:
    birth = st.btime_ns
    # Which of the two numbers is told depends on what was asked; ours never come back, so both
    # are the same.
    has_id = STATX_MNT_ID_UNIQUE if mask & STATX_MNT_ID_UNIQUE else STATX_MNT_ID
    is_root = place.dentry is place.mount.root
    return Statx(
        STATX_BASIC_STATS | has_id | (STATX_BTIME if birth is not None else 0),
        st.blksize,
        STATX_ATTR_MOUNT_ROOT if is_root else 0,
        st.nlink,
        st.uid,
        st.gid,
        st.mode,
        st.ino,
        st.size,
        st.blocks,
        STATX_ATTR_MOUNT_ROOT | STATX_ATTR_AUTOMOUNT | STATX_ATTR_DAX,
        *divmod(st.atime_ns, SECOND_NS),
        *divmod(birth or 0, SECOND_NS),
        *divmod(st.ctime_ns, SECOND_NS),
        *divmod(st.mtime_ns, SECOND_NS),
        major(st.rdev),
        minor(st.rdev),
        major(st.dev),
        minor(st.dev),
        place.mount.id,
    )


# --- statfs --------------------------------------------------------------------------------------
def statfs_of(mount: Mount) -> StatFs:
    """statfs(2) of *mount*: its filesystem's numbers with its own flags."""
    st = mount.fs.statfs()
    st.flags = mount.st_flags()
    return st


@syscall
def statfs(t: Task, path: In[Path], buf: Out[StatFsBuf]) -> int:
    """Tell about the filesystem that *path* is on."""
    buf.store(statfs_of(walk(t, None, path.load()).mount))
    return 0


@syscall
def fstatfs(t: Task, fd: Fd, buf: Out[StatFsBuf]) -> int:
    """Tell about the filesystem that an open file is on."""
    buf.store(statfs_of(place_of(t.fds.get(fd)).mount))
    return 0


@syscall
def statfs64(t: Task, path: In[Path], size: Size, buf: Out[StatFs64Buf]) -> int:
    """``statfs`` with i386's struct statfs64."""
    if size != buf.codec.size(t.memory.word):
        raise EINVAL("size of struct statfs64")
    buf.store(statfs_of(walk(t, None, path.load()).mount))
    return 0


@syscall
def fstatfs64(t: Task, fd: Fd, size: Size, buf: Out[StatFs64Buf]) -> int:
    """``fstatfs`` with i386's struct statfs64."""
    if size != buf.codec.size(t.memory.word):
        raise EINVAL("size of struct statfs64")
    buf.store(statfs_of(place_of(t.fds.get(fd)).mount))
    return 0


class Ustat(Record):
    """struct ustat; the names in it have always been empty on Linux."""

    LAYOUT = "ustat"
    FIELDS = {"tfree": "f_tfree", "tinode": "f_tinode"}
    __slots__ = tuple(FIELDS)


@syscall
def ustat(t: Task, dev: UInt, buf: Out[Ustat]) -> int:
    """Tell free blocks and inodes of the mounted filesystem with device number *dev*."""
    for mount in t.fs.root.mount.table or ():
        if mount.fs.dev == dev:
            st = mount.fs.statfs()
            buf.store(Ustat(st.bfree & 0x7FFFFFFF, st.ffree))
            return 0
    raise EINVAL("no filesystem with this device number")


# --- access --------------------------------------------------------------------------------------
class As:
    """A walker like *t* with other credentials."""

    __slots__ = ("cred", "fs", "process", "tid")

    def __init__(self, t: Task, cred: Cred) -> None:
        self.fs: FsContext = t.fs
        self.cred = cred
        self.process = t.process
        """/proc/self asks who walks."""
        self.tid = t.tid


def access_at(t: Task, dirfd: int, path: In[bytes], mode: int, flags: int) -> int:
    if mode & ~0o7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")
    cred: Cred = t.cred if flags & AT_EACCESS else real_cred(t.cred)
    who = As(t, cred)
    place = resolve_as(t, who, dirfd, path, flags)
    inode = place.dentry.inode
    if mode:
        if mode & X_OK and place.mount.flags & MS_NOEXEC and inode.mode & S_IFMT == S_IFREG:
            raise EACCES("mounted noexec")
        check(cred, inode, mode)
        if mode & W_OK and place.mount.readonly and not is_special(inode):
            raise EROFS(place.mount.why_readonly())
    return 0


def resolve_as(t: Task, who: As, dirfd: int, path: In[bytes], flags: int) -> Place:
    from ring3.syscalls.at import base_of
    from ring3.vfs.path import EMPTY, FOLLOW

    name = path.load()
    how = (0 if flags & AT_SYMLINK_NOFOLLOW else FOLLOW) | (EMPTY if flags & AT_EMPTY_PATH else 0)
    return walk(who, base_of(t, dirfd, name), name, how)


def is_special(inode: Inode) -> bool:
    """A device, FIFO or socket: writing to it is no write to the filesystem."""
    return inode.mode & S_IFMT in (S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK)


@syscall
def access(t: Task, path: In[Path], mode: AccessMode) -> int:
    """Check what the real user may do with *path*."""
    return access_at(t, AT_FDCWD, path, mode, 0)


@syscall
def faccessat(t: Task, dirfd: DirFd, path: In[Path], mode: AccessMode) -> int:
    """``access`` relative to *dirfd*."""
    return access_at(t, dirfd, path, mode, 0)


@syscall
def faccessat2(t: Task, dirfd: DirFd, path: In[Path], mode: AccessMode, flags: Int) -> int:
    """``faccessat`` with AT_EACCESS, AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH."""
    return access_at(t, dirfd, path, mode, flags)
