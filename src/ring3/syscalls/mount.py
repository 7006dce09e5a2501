"""mount(2), umount2(2), pivot_root(2): what a guest's root does to its own view.

Nothing of this reaches the host. A filesystem can be a new tmpfs or one the guest's kernel has
already (proc, sysfs, ...: one instance each, as on Linux without namespaces of their own).
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EBUSY, EINVAL, ENODEV, ENOENT, EPERM
from ring3.abi.hints import Annotated
from ring3.abi.inotify import IN_UNMOUNT
from ring3.abi.mount import (
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MS_BIND,
    MS_MGC_MSK,
    MS_MGC_VAL,
    MS_MOVE,
    MS_NOATIME,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_UNBINDABLE,
    UMOUNT_NOFOLLOW,
)
from ring3.abi.types import PAGE_SIZE, Bytes, CStr, In, Int, Path, Scalar
from ring3.fs.tmpfs import TmpFs
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs import notify
from ring3.vfs.mount import MOUNT_FLAGS, Mount, topmost
from ring3.vfs.path import DIRECTORY, FOLLOW, Place, reachable, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.mount import Filesystem, MountTable

FsType = Annotated[bytes, CStr(PAGE_SIZE)]
MountFlags = Annotated[int, Scalar(0, signed=False, flags="mount", kind="flags")]
PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE
NO_PROPAGATION = "mounts are all private: MS_SHARED gives EINVAL"


def need_admin(t: Task) -> None:
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("CAP_SYS_ADMIN")


def table_of(t: Task) -> MountTable:
    """The caller's mount namespace."""
    table = t.fs.root.mount.table
    if table is None:
        raise EINVAL("the root directory is in no mount namespace")
    return table


def mount_root(place: Place) -> Mount:
    """The mount whose root *place* is. EINVAL if it is none."""
    if place.dentry is not place.mount.root:
        raise EINVAL("not a mount point")
    return place.mount


def load_text(text: In[bytes]) -> bytes:
    return text.load() if text else b""


def own_flags(flags: int) -> int:
    """The flags that belong to the mount, access times as mount(2) understands them."""
    own = flags & MOUNT_FLAGS
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        own |= MS_RELATIME
    return own


def make_filesystem(t: Task, kind: bytes, options: bytes) -> Filesystem:
    """The filesystem that mounting type *kind* shows. ENODEV for a type there is none of."""
    if kind in (b"tmpfs", b"ramfs"):
        fs = TmpFs.from_options(options)
        root = fs.root.inode
        if b"uid=" not in options:
            root.uid = t.cred.fsuid
        if b"gid=" not in options:
            root.gid = t.cred.fsgid
        if t.world.own_objects:
            fs.own_content = True
            fs.use_clock(t.world.clock.realtime_ns)
        return fs
    for table in (table_of(t), t.world.mounts):
        for mount in table or ():
            if mount.fs.name.encode() == kind and kind not in (b"hostfs", b"overlay"):
                return mount.fs
    raise ENODEV(f"no filesystem type {kind.decode(errors='replace')} for guests")


@syscall(partial=f"types tmpfs, ramfs and those mounted already; {NO_PROPAGATION}")
def mount(
    t: Task,
    source: In[Path],
    target: In[Path],
    kind: In[FsType],
    flags: MountFlags,
    data: In[Bytes],
) -> int:
    """Show a filesystem at *target*, or change what is mounted there."""
    name_of_kind, name = load_text(kind), load_text(source)
    options = (data.mem.load_string(data.addr, PAGE_SIZE) or b"") if data else b""
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    at = walk(t, None, target.load(), FOLLOW)
    need_admin(t)
    if flags & MS_REMOUNT:
        remount(at, flags, options)
    elif flags & MS_BIND:
        if not name:
            raise EINVAL("nothing to bind")
        origin = walk(t, None, name, FOLLOW)
        if origin.mount.table is not table_of(t):
            raise EINVAL("from another mount namespace")
        table_of(t).bind(origin, at, bool(flags & MS_REC))
    elif flags & PROPAGATION:
        set_propagation(at, flags)
    elif flags & MS_MOVE:
        if not name:
            raise EINVAL("nothing to move")
        table_of(t).move(mount_root(walk(t, None, name, FOLLOW)), at)
    else:
        if not name_of_kind:
            raise EINVAL("no filesystem type")
        fs = make_filesystem(t, name_of_kind, options)
        if at.dentry.dead:
            raise ENOENT("the mount point was removed")
        table_of(t).attach(Mount(fs, None, own_flags(flags), name or b"none"), at)
    return 0


def remount(at: Place, flags: int, options: bytes) -> None:
    """MS_REMOUNT: of the mount alone (with MS_BIND), or with its filesystem's options."""
    target = mount_root(at)
    if not flags & MS_BIND:
        target.fs.remount(options)
        target.fs.set_readonly(bool(flags & MS_RDONLY))
    target.flags = own_flags(flags)
    if target.table is not None:
        target.table.version += 1


def set_propagation(at: Place, flags: int) -> None:
    kind = flags & ~(MS_REC | MS_SILENT)
    if kind not in (MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE):
        raise EINVAL("one kind of propagation at a time")
    mount_root(at)
    if kind == MS_SHARED:
        raise EINVAL("ring3 mounts do not propagate")


# --- taking away ---------------------------------------------------------------------------------
def stands_in(t: Task, target: Mount) -> bool:
    """True if a process has its root or working directory in *target*."""
    return any(
        task.fs.cwd.mount is target or task.fs.root.mount is target
        for task in t.world.tasks.values()
        if hasattr(task, "fs")
    )


def unmount(t: Task, path: In[bytes], flags: int) -> int:
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise EINVAL("unknown flag")
    place = topmost(walk(t, None, path.load(), 0 if flags & UMOUNT_NOFOLLOW else FOLLOW))
    need_admin(t)
    target = mount_root(place)
    if target.table is not table_of(t):
        raise EINVAL("a mount of another namespace")
    if flags & MNT_EXPIRE:
        raise EINVAL("MNT_EXPIRE is not implemented")
    lazy = bool(flags & MNT_DETACH)
    if target is table_of(t).root or (not lazy and stands_in(t, target)):
        raise EBUSY
    gone = list(target.below())
    table_of(t).remove(target, lazy)
    if notify.active:
        for each in gone:
            if not each.fs.mounts:
                tell_watchers(each)
    return 0


def tell_watchers(target: Mount) -> None:
    """The filesystem is no longer mounted: watches in it end."""
    for dentry in (target.fs.root, *target.fs.root.walk()):
        for watch in list(dentry.inode.watches or ()):
            watch.event(IN_UNMOUNT, 0, b"")
            watch.gone()


@syscall(partial="MNT_EXPIRE gives EINVAL")
def umount2(t: Task, path: In[Path], flags: Int) -> int:
    """Take a mount away."""
    return unmount(t, path, flags)


@syscall
def umount(t: Task, path: In[Path]) -> int:
    """``umount2`` without flags (i386)."""
    return unmount(t, path, 0)


@syscall
def pivot_root(t: Task, new_root: In[Path], put_old: In[Path]) -> int:
    """Make the mount at *new_root* the root and move the present one to *put_old*."""
    need_admin(t)
    new = walk(t, None, new_root.load(), FOLLOW | DIRECTORY)
    old = walk(t, None, put_old.load(), FOLLOW | DIRECTORY)
    root = t.fs.root
    table = table_of(t)
    if new.mount.table is not table or old.mount.table is not table or new.dentry.dead:
        raise EINVAL("not in this mount namespace")
    if new.mount is root.mount or old.mount is root.mount:
        raise EBUSY("new_root and put_old must not be on the root's mount")
    mount_root(root)
    mount_root(new)
    if not reachable(old, new):
        raise EINVAL("put_old is not below new_root")
    if new.mount.parent is None:
        raise EINVAL("new_root is mounted nowhere")
    above, point = root.mount.parent, root.mount.point
    new.mount.detach()
    if above is None or point is None:
        table.root = new.mount
    else:
        root.mount.detach()
        new.mount.attach(above, point)
    root.mount.attach(old.mount, old.dentry)
    table.version += 1
    fresh = Place(new.mount, new.dentry)
    for task in t.world.tasks.values():
        if task.fs.root == root:
            task.fs.root = fresh
        if task.fs.cwd == root:
            task.fs.cwd = fresh
    return 0
