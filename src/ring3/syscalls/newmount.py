"""The mount API in steps: fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), ..."""

from __future__ import annotations

from ring3.abi.errno import EBUSY, EINVAL, ENODATA, EOPNOTSUPP
from ring3.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_NO_AUTOMOUNT,
    AT_RECURSIVE,
    AT_SYMLINK_NOFOLLOW,
    O_PATH,
    O_RDWR,
)
from ring3.abi.hints import Annotated, ClassVar
from ring3.abi.mount import (
    FSCONFIG_CMD_CREATE,
    FSCONFIG_CMD_CREATE_EXCL,
    FSCONFIG_CMD_RECONFIGURE,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    FSMOUNT_CLOEXEC,
    FSOPEN_CLOEXEC,
    FSPICK_CLOEXEC,
    FSPICK_EMPTY_PATH,
    FSPICK_NO_AUTOMOUNT,
    FSPICK_SYMLINK_NOFOLLOW,
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_SIZE_VER0,
    MOUNT_ATTR_STRICTATIME,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_F_SYMLINKS,
    MOVE_MOUNT_T_EMPTY_PATH,
    MOVE_MOUNT_T_SYMLINKS,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_PRIVATE,
    MS_RDONLY,
    MS_RELATIME,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from ring3.abi.types import PAGE_SIZE, Blob, Bytes, CStr, DirFd, Fd, In, Int, Path, Size, UInt
from ring3.syscalls.at import base_of
from ring3.syscalls.mount import (
    NO_PROPAGATION,
    FsType,
    make_filesystem,
    mount_root,
    need_admin,
    table_of,
)
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs.directory import PathFile
from ring3.vfs.file import File
from ring3.vfs.mount import Filesystem, Mount, copy_tree
from ring3.vfs.path import EMPTY, FOLLOW, Place, walk

Key = Annotated[bytes, CStr(256)]
MountAttr = Annotated[bytes, Blob(kind="mount_attr")]
ATTRIBUTES = (
    (MOUNT_ATTR_RDONLY, MS_RDONLY),
    (MOUNT_ATTR_NOSUID, MS_NOSUID),
    (MOUNT_ATTR_NODEV, MS_NODEV),
    (MOUNT_ATTR_NOEXEC, MS_NOEXEC),
    (MOUNT_ATTR_NODIRATIME, MS_NODIRATIME),
    (MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW),
)
ALL_ATTRIBUTES = sum(attr for attr, _ in ATTRIBUTES) | MOUNT_ATTR__ATIME
MOVE_FLAGS = (
    MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS
    | MOVE_MOUNT_T_EMPTY_PATH
)  # fmt: skip
PICK_FLAGS = FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH


class FsContextFile(File):
    """A filesystem in the making (fsopen) or under change (fspick)."""

    __slots__ = ("fs", "made", "mounted", "options", "source", "type")
    kind: ClassVar[str] = "fscontext"

    def __init__(self, type: bytes, fs: Filesystem | None = None) -> None:
        super().__init__(O_RDWR)
        self.type = type
        self.fs = fs
        self.made = fs is None
        """Made by fsopen: may be created and mounted, but not reconfigured before."""
        self.mounted = False
        self.source = b"none"
        self.options: list[bytes] = []

    def read(self, size: int) -> bytes:
        raise ENODATA("no messages")


class MountFile(PathFile):
    """An O_PATH descriptor of a mount that is attached nowhere; the mount goes with it."""

    __slots__ = ()

    def release(self) -> None:
        assert self.place is not None
        mount = self.place.mount
        if mount.table is None and not mount.fs.mounts:
            mount.fs.shutdown()


def attribute_flags(attributes: int) -> int:
    """MOUNT_ATTR_* as MS_* flags. EINVAL."""
    if attributes & ~ALL_ATTRIBUTES:
        raise EINVAL("unknown mount attribute")
    flags = sum(ms for attr, ms in ATTRIBUTES if attributes & attr)
    atime = attributes & MOUNT_ATTR__ATIME
    if atime == MOUNT_ATTR_NOATIME:
        return flags | MS_NOATIME
    if atime == MOUNT_ATTR_STRICTATIME:
        return flags
    if atime:
        raise EINVAL("access time attributes contradict each other")
    return flags | MS_RELATIME


def context_at(t: Task, fd: int) -> FsContextFile:
    return t.fds.get(fd, FsContextFile, otherwise=EINVAL)


@syscall(partial="types tmpfs, ramfs and those mounted already")
def fsopen(t: Task, kind: In[FsType], flags: UInt) -> int:
    """Begin to make a filesystem."""
    need_admin(t)
    if flags & ~FSOPEN_CLOEXEC:
        raise EINVAL("unknown flag")
    name = kind.load()
    if name not in (b"tmpfs", b"ramfs"):
        make_filesystem(t, name, b"")  # ENODEV now rather than later
    return t.fds.install(FsContextFile(name), cloexec=bool(flags & FSOPEN_CLOEXEC))


@syscall(partial="FSCONFIG_SET_FLAG, _SET_STRING, _CMD_CREATE, _CMD_CREATE_EXCL, _CMD_RECONFIGURE")
def fsconfig(t: Task, fd: Fd, command: UInt, key: In[Key], value: In[Bytes], aux: Int) -> int:
    """Set a parameter of a filesystem in the making, or make it."""
    if fd < 0:
        raise EINVAL
    context = context_at(t, fd)
    if command in (FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING):
        if not key or aux or bool(value) != (command == FSCONFIG_SET_STRING):
            raise EINVAL("arguments of this command")
        name = key.load()
        if command == FSCONFIG_SET_FLAG:
            context.options.append(name)
            return 0
        text = value.mem.load_string(value.addr, 256)
        if text is None:
            raise EINVAL("value too long")
        if name == b"source":
            context.source = text
        else:
            context.options.append(name + b"=" + text)
        return 0
    if command in (FSCONFIG_CMD_CREATE, FSCONFIG_CMD_CREATE_EXCL):
        need_admin(t)
        if key or value or aux or not context.made:
            raise EINVAL
        if context.fs is not None:
            raise EBUSY("made already")
        context.fs = make_filesystem(t, context.type, parameters(context))
        return 0
    if command == FSCONFIG_CMD_RECONFIGURE:
        need_admin(t)
        if key or value or aux or context.fs is None:
            raise EINVAL
        context.fs.remount(parameters(context))
        return 0
    raise EOPNOTSUPP("a command for filesystems that ring3 has not")


def parameters(context: FsContextFile) -> bytes:
    """The options set so far, as mount(2) has them; they are used up. ro and rw are the mount's."""
    words = [word for word in context.options if word not in (b"ro", b"rw")]
    context.options = []
    return b",".join(words)


@syscall
def fsmount(t: Task, fd: Fd, flags: UInt, attributes: UInt) -> int:
    """A mount of a finished filesystem, attached nowhere yet, as a descriptor."""
    need_admin(t)
    if flags & ~FSMOUNT_CLOEXEC:
        raise EINVAL("unknown flag")
    own = attribute_flags(attributes)
    context = context_at(t, fd)
    if context.fs is None or not context.made:
        raise EINVAL("not made yet")
    if context.mounted:
        raise EBUSY("mounted already")
    context.mounted = True
    mount = Mount(context.fs, None, own, context.source)
    return install_mount(t, Place(mount, mount.root), bool(flags & FSMOUNT_CLOEXEC))


def install_mount(t: Task, place: Place, cloexec: bool) -> int:
    with t.fds.reserve(1) as (fd,):
        file = MountFile(place, O_PATH)
        file.attach(place)
        t.fds.publish({fd: file}, cloexec=cloexec)
    return fd


@syscall
def fspick(t: Task, dirfd: DirFd, path: In[Path], flags: UInt) -> int:
    """Begin to change a mounted filesystem."""
    need_admin(t)
    if flags & ~PICK_FLAGS:
        raise EINVAL("unknown flag")
    name = path.load()
    how = (0 if flags & FSPICK_SYMLINK_NOFOLLOW else FOLLOW) | (
        EMPTY if flags & FSPICK_EMPTY_PATH else 0
    )
    mount = mount_root(walk(t, base_of(t, dirfd, name), name, how))
    context = FsContextFile(mount.fs.name.encode(), mount.fs)
    return t.fds.install(context, cloexec=bool(flags & FSPICK_CLOEXEC))


# --- trees of mounts -----------------------------------------------------------------------------
@syscall(partial="no OPEN_TREE_NAMESPACE")
def open_tree(t: Task, dirfd: DirFd, path: In[Path], flags: UInt) -> int:
    """A place as an O_PATH descriptor; OPEN_TREE_CLONE: a copy of the mount there."""
    if flags & ~(
        AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE
        | OPEN_TREE_CLOEXEC
    ):  # fmt: skip
        raise EINVAL("unknown flag")
    if flags & AT_RECURSIVE and not flags & OPEN_TREE_CLONE:
        raise EINVAL("AT_RECURSIVE goes with OPEN_TREE_CLONE")
    if flags & OPEN_TREE_CLONE:
        need_admin(t)
    name = path.load()
    how = (0 if flags & AT_SYMLINK_NOFOLLOW else FOLLOW) | (EMPTY if flags & AT_EMPTY_PATH else 0)
    place = walk(t, base_of(t, dirfd, name), name, how)
    if flags & OPEN_TREE_CLONE:
        if place.mount.table is not table_of(t):
            raise EINVAL("a mount of another namespace")
        if flags & AT_RECURSIVE:
            mount = copy_tree(place.mount, place.dentry)
        else:
            mount = place.mount.clone(place.dentry)
        place = Place(mount, mount.root)
    return install_mount(t, place, bool(flags & OPEN_TREE_CLOEXEC))


@syscall(partial="no MOVE_MOUNT_SET_GROUP, no MOVE_MOUNT_BENEATH")
def move_mount(
    t: Task, from_fd: DirFd, from_path: In[Path], to_fd: DirFd, to_path: In[Path], flags: UInt
) -> int:
    """Attach a mount that is nowhere yet, or move one."""
    need_admin(t)
    if flags & ~MOVE_FLAGS:
        raise EINVAL("unknown flag")
    source, target = from_path.load(), to_path.load()
    how = (FOLLOW if flags & MOVE_MOUNT_F_SYMLINKS else 0) | (
        EMPTY if flags & MOVE_MOUNT_F_EMPTY_PATH else 0
    )
    moved = walk(t, base_of(t, from_fd, source), source, how)
    how = (FOLLOW if flags & MOVE_MOUNT_T_SYMLINKS else 0) | (
        EMPTY if flags & MOVE_MOUNT_T_EMPTY_PATH else 0
    )
    at = walk(t, base_of(t, to_fd, target), target, how)
    mount = mount_root(moved)
    table = table_of(t)
    if mount.table is None and mount.parent is None:
        table.attach(mount, at)
    else:
        table.move(mount, at)
    return 0


@syscall(partial=f"no MOUNT_ATTR_IDMAP; {NO_PROPAGATION}")
def mount_setattr(
    t: Task, dirfd: DirFd, path: In[Path], flags: UInt, attr: In[MountAttr], size: Size
) -> int:
    """Change flags of a mount (AT_RECURSIVE: and of those below it)."""
    if flags & ~(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT):
        raise EINVAL("unknown flag")
    if size < MOUNT_ATTR_SIZE_VER0 or size > PAGE_SIZE:
        raise EINVAL("size of struct mount_attr")
    need_admin(t)
    raw = attr.load_bytes(size)
    put, clear, propagation, _ = (
        int.from_bytes(raw[i : i + 8], "little") for i in range(0, MOUNT_ATTR_SIZE_VER0, 8)
    )
    check_setattr(put, clear, propagation)
    name = path.load()
    how = (0 if flags & AT_SYMLINK_NOFOLLOW else FOLLOW) | (EMPTY if flags & AT_EMPTY_PATH else 0)
    mount = mount_root(walk(t, base_of(t, dirfd, name), name, how))
    for each in mount.below() if flags & AT_RECURSIVE else (mount,):
        kept = each.flags & ~attribute_flags(clear & ~MOUNT_ATTR__ATIME) | each.flags & MS_RELATIME
        if clear & MOUNT_ATTR__ATIME:
            kept &= ~(MS_NOATIME | MS_RELATIME)
            kept |= attribute_flags(put & MOUNT_ATTR__ATIME)
        for bit, ms in ATTRIBUTES:
            kept |= ms if put & bit else 0
        each.flags = kept
    table_of(t).version += 1
    return 0


def check_setattr(put: int, clear: int, propagation: int) -> None:
    if (put | clear) & ~ALL_ATTRIBUTES:
        raise EINVAL("unknown mount attribute")
    if put & MOUNT_ATTR__ATIME and clear & MOUNT_ATTR__ATIME != MOUNT_ATTR__ATIME:
        raise EINVAL("access time attributes are replaced as a whole")
    if propagation not in (0, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE):
        raise EINVAL("ring3 mounts do not propagate" if propagation == MS_SHARED else "propagation")
