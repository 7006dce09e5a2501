"""Extended attributes. Source: xattr(7); fs/xattr.c for permissions and the order of errors."""

from __future__ import annotations

from ring3.abi.capability import (
    CAP_SETFCAP,
    CAP_SYS_ADMIN,
    VFS_CAP_REVISION_2,
    VFS_CAP_REVISION_3,
    VFS_CAP_REVISION_MASK,
)
from ring3.abi.errno import E2BIG, EBADF, EINVAL, ENODATA, EOPNOTSUPP, EPERM, ERANGE
from ring3.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    O_PATH,
    XATTR_CREATE,
    XATTR_LIST_MAX,
    XATTR_NAME_MAX,
    XATTR_REPLACE,
    XATTR_SIZE_MAX,
)
from ring3.abi.hints import Annotated
from ring3.abi.inotify import IN_ATTRIB
from ring3.abi.stat import S_ISVTX
from ring3.abi.types import (
    PAGE_SIZE,
    AtFlags,
    Blob,
    Bytes,
    CStr,
    DirFd,
    Fd,
    In,
    Int,
    Out,
    Path,
    Size,
)
from ring3.syscalls.at import resolve
from ring3.syscalls.table import RESULT, syscall
from ring3.task.task import Task
from ring3.vfs import notify
from ring3.vfs.access import MAY_READ, MAY_WRITE, check, check_writable, owner_or_capable
from ring3.vfs.path import Place, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.file import File

Name = Annotated[bytes, CStr(XATTR_NAME_MAX + 1)]
XattrArgs = Annotated[bytes, Blob(kind="xattr_args")]
ARGS_SIZE = 16
PREFIXES = (b"user.", b"trusted.", b"security.", b"system.")


def load_name(name: In[bytes]) -> bytes:
    """An attribute's name. ERANGE if empty or too long."""
    text = name.mem.load_string(name.addr, XATTR_NAME_MAX + 1)
    if not text:
        raise ERANGE("empty name, or longer than 255 bytes")
    return text


def check_access(t: Task, place: Place, name: bytes, write: bool) -> None:
    """xattr_permission of fs/xattr.c, and what the attribute's namespace asks for."""
    inode = place.dentry.inode
    if write:
        check_writable(place)
    if not name.startswith(PREFIXES) or name in PREFIXES:
        raise EOPNOTSUPP("no such namespace of attributes") if name not in PREFIXES else EINVAL
    if name.startswith(b"trusted."):
        if not t.cred.capable(CAP_SYS_ADMIN):
            raise EPERM("CAP_SYS_ADMIN") if write else ENODATA
        return
    if not name.startswith(b"user."):
        need = CAP_SETFCAP if name == b"security.capability" else CAP_SYS_ADMIN
        if write and name.startswith(b"security.") and not t.cred.capable(need):
            raise EPERM("a capability")
        return
    if not inode.is_regular and not inode.is_dir:
        raise EPERM("user attributes are for files and directories") if write else ENODATA
    if inode.is_dir and write and inode.mode & S_ISVTX and not owner_or_capable(t.cred, inode):
        raise EPERM("sticky directory")
    check(t.cred, inode, MAY_WRITE if write else MAY_READ)


def opened(t: Task, fd: int) -> Place:
    file: File = t.fds.get(fd)
    if file.flags & O_PATH:
        raise EBADF("O_PATH")
    return place_of(file)


# --- set -----------------------------------------------------------------------------------------
def load_pair(name: In[bytes], value: In[bytes], size: int, flags: int) -> tuple[bytes, bytes]:
    """Load and check the arguments of a setxattr: (name, value)."""
    if flags & ~(XATTR_CREATE | XATTR_REPLACE):
        raise EINVAL("unknown flag")
    text = load_name(name)
    if size > XATTR_SIZE_MAX:
        raise E2BIG
    return text, value.load_bytes(size)


def check_file_caps(value: bytes) -> None:
    """EINVAL unless *value* is a struct vfs_ns_cap_data of revision 2 or 3."""
    size = {VFS_CAP_REVISION_2: 20, VFS_CAP_REVISION_3: 24}
    if len(value) < 4:
        raise EINVAL("file capabilities")
    if size.get(int.from_bytes(value[:4], "little") & VFS_CAP_REVISION_MASK) != len(value):
        raise EINVAL("file capabilities")


def put(t: Task, place: Place, name: bytes, value: bytes, flags: int) -> int:
    if name == b"security.capability":
        check_file_caps(value)
    check_access(t, place, name, write=True)
    place.dentry.inode.setxattr(name, value, flags)
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)
    return 0


@syscall(value="size")
def setxattr(
    t: Task, path: In[Path], name: In[Name], value: In[Bytes], size: Size, flags: Int
) -> int:
    """Set an extended attribute."""
    key, data = load_pair(name, value, size, flags)
    return put(t, resolve(t, AT_FDCWD, path), key, data, flags)


@syscall(value="size")
def lsetxattr(
    t: Task, path: In[Path], name: In[Name], value: In[Bytes], size: Size, flags: Int
) -> int:
    """``setxattr`` of a symbolic link itself."""
    key, data = load_pair(name, value, size, flags)
    return put(t, resolve(t, AT_FDCWD, path, follow=False), key, data, flags)


@syscall(value="size")
def fsetxattr(t: Task, fd: Fd, name: In[Name], value: In[Bytes], size: Size, flags: Int) -> int:
    place = opened(t, fd)
    key, data = load_pair(name, value, size, flags)
    return put(t, place, key, data, flags)


# --- get -----------------------------------------------------------------------------------------
def get(t: Task, place: Place, name: bytes, value: Out[bytes], size: int) -> int:
    check_access(t, place, name, write=False)
    data = place.dentry.inode.getxattr(name)
    if size:
        if len(data) > size:
            raise ERANGE
        value.store(data)
    return len(data)


@syscall(value=RESULT)
def getxattr(t: Task, path: In[Path], name: In[Name], value: Out[Bytes], size: Size) -> int:
    """Store an extended attribute's value; *size* 0 only asks for its length."""
    key = load_name(name)
    return get(t, resolve(t, AT_FDCWD, path), key, value, size)


@syscall(value=RESULT)
def lgetxattr(t: Task, path: In[Path], name: In[Name], value: Out[Bytes], size: Size) -> int:
    key = load_name(name)
    return get(t, resolve(t, AT_FDCWD, path, follow=False), key, value, size)


@syscall(value=RESULT)
def fgetxattr(t: Task, fd: Fd, name: In[Name], value: Out[Bytes], size: Size) -> int:
    place = opened(t, fd)
    return get(t, place, load_name(name), value, size)


# --- list ----------------------------------------------------------------------------------------
def list_all(t: Task, place: Place, buf: Out[bytes], size: int) -> int:
    names = place.dentry.inode.listxattr()
    if not t.cred.capable(CAP_SYS_ADMIN):
        names = [name for name in names if not name.startswith(b"trusted.")]
    data = b"".join(name + b"\0" for name in names)
    if size:
        if len(data) > size:
            raise E2BIG if size >= XATTR_LIST_MAX else ERANGE
        buf.store(data)
    return len(data)


@syscall(buf=RESULT)
def listxattr(t: Task, path: In[Path], buf: Out[Bytes], size: Size) -> int:
    """Store the names of all extended attributes, each with its NUL."""
    return list_all(t, resolve(t, AT_FDCWD, path), buf, size)


@syscall(buf=RESULT)
def llistxattr(t: Task, path: In[Path], buf: Out[Bytes], size: Size) -> int:
    return list_all(t, resolve(t, AT_FDCWD, path, follow=False), buf, size)


@syscall(buf=RESULT)
def flistxattr(t: Task, fd: Fd, buf: Out[Bytes], size: Size) -> int:
    return list_all(t, opened(t, fd), buf, size)


# --- remove --------------------------------------------------------------------------------------
def remove(t: Task, place: Place, name: bytes) -> int:
    check_access(t, place, name, write=True)
    place.dentry.inode.removexattr(name)
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)
    return 0


@syscall
def removexattr(t: Task, path: In[Path], name: In[Name]) -> int:
    """Remove an extended attribute."""
    key = load_name(name)
    return remove(t, resolve(t, AT_FDCWD, path), key)


@syscall
def lremovexattr(t: Task, path: In[Path], name: In[Name]) -> int:
    key = load_name(name)
    return remove(t, resolve(t, AT_FDCWD, path, follow=False), key)


@syscall
def fremovexattr(t: Task, fd: Fd, name: In[Name]) -> int:
    place = opened(t, fd)
    return remove(t, place, load_name(name))


# --- relative to a directory (Linux 6.13) --------------------------------------------------------
def check_at(flags: int) -> None:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("unknown flag")


def load_args(args: In[bytes], size: int) -> tuple[int, int, int]:
    """(value pointer, size, flags) of struct xattr_args."""
    if size < ARGS_SIZE:
        raise EINVAL("struct xattr_args is larger")
    if size > PAGE_SIZE:
        raise E2BIG
    raw = args.load_bytes(size)
    if any(raw[ARGS_SIZE:]):
        raise E2BIG("fields that this kernel does not know")
    return (
        int.from_bytes(raw[:8], "little"),
        int.from_bytes(raw[8:12], "little"),
        int.from_bytes(raw[12:16], "little"),
    )


@syscall(args="usize")
def setxattrat(
    t: Task,
    dirfd: DirFd,
    path: In[Path],
    at: AtFlags,
    name: In[Name],
    args: In[XattrArgs],
    usize: Size,
) -> int:
    """``setxattr`` relative to *dirfd*."""
    pointer, size, flags = load_args(args, usize)
    check_at(at)
    key, data = load_pair(name, In(t.memory, pointer, args.codec), size, flags)
    return put(t, resolve(t, dirfd, path, at), key, data, flags)


@syscall(args="usize")
def getxattrat(
    t: Task,
    dirfd: DirFd,
    path: In[Path],
    at: AtFlags,
    name: In[Name],
    args: In[XattrArgs],
    usize: Size,
) -> int:
    pointer, size, flags = load_args(args, usize)
    if flags:
        raise EINVAL("getxattr takes no flags")
    check_at(at)
    key = load_name(name)
    return get(t, resolve(t, dirfd, path, at), key, Out(t.memory, pointer, args.codec), size)


@syscall(buf=RESULT)
def listxattrat(
    t: Task, dirfd: DirFd, path: In[Path], at: AtFlags, buf: Out[Bytes], size: Size
) -> int:
    check_at(at)
    return list_all(t, resolve(t, dirfd, path, at), buf, size)


@syscall
def removexattrat(t: Task, dirfd: DirFd, path: In[Path], at: AtFlags, name: In[Name]) -> int:
    check_at(at)
    key = load_name(name)
    return remove(t, resolve(t, dirfd, path, at), key)
