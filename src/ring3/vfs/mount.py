"""Filesystems, mounts, and mount tables (mount namespaces).

A :class:`Filesystem` is a tree of dentries over inodes. A :class:`Mount` shows such a tree, or a
part of it (bind mount), on a dentry of another mount. A :class:`MountTable` owns mounts; clone's
CLONE_NEWNS copies it. Mounts do not propagate between tables: all are private.
"""

from __future__ import annotations

from ring3.abi.errno import EBUSY, EINVAL, ELOOP, ENOTDIR
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import (
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_RDONLY,
    MS_RELATIME,
    ST_NOATIME,
    ST_NODEV,
    ST_NODIRATIME,
    ST_NOEXEC,
    ST_NOSUID,
    ST_NOSYMFOLLOW,
    ST_RDONLY,
    ST_RELATIME,
    ST_VALID,
)
from ring3.core.park import WaitQueue
from ring3.vfs import mounttext
from ring3.vfs.filesystem import Filesystem as Filesystem
from ring3.vfs.filesystem import StatFs as StatFs
from ring3.vfs.mounttext import escape as escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.vfs.dentry import Dentry
    from ring3.vfs.path import Place

MOUNT_FLAGS = (
    MS_RDONLY
    | MS_NOSUID
    | MS_NODEV
    | MS_NOEXEC
    | MS_NOATIME
    | MS_NODIRATIME
    | MS_RELATIME
    | MS_NOSYMFOLLOW
)
"""What belongs to a mount rather than to its filesystem."""

NAMED = (
    (MS_NOSUID, "nosuid"),
    (MS_NODEV, "nodev"),
    (MS_NOEXEC, "noexec"),
    (MS_NOATIME, "noatime"),
    (MS_NODIRATIME, "nodiratime"),
    (MS_RELATIME, "relatime"),
    (MS_NOSYMFOLLOW, "nosymfollow"),
)


ST_FLAGS = (
    (MS_RDONLY, ST_RDONLY),
    (MS_NOSUID, ST_NOSUID),
    (MS_NODEV, ST_NODEV),
    (MS_NOEXEC, ST_NOEXEC),
    (MS_NOATIME, ST_NOATIME),
    (MS_NODIRATIME, ST_NODIRATIME),
    (MS_RELATIME, ST_RELATIME),
    (MS_NOSYMFOLLOW, ST_NOSYMFOLLOW),
)


class Mount:
    """A tree shown at a place."""

    __slots__ = (
        "children", "flags", "fs", "id", "parent", "point", "root", "source", "table", "users",
    )  # fmt: skip
    _last_id = 20

    def __init__(
        self, fs: Filesystem, root: Dentry | None = None, flags: int = 0, source: bytes = b"none"
    ) -> None:
        Mount._last_id += 1
        self.id = Mount._last_id
        self.fs = fs
        self.root = root or fs.root
        self.flags = flags
        self.source = source
        self.parent: Mount | None = None
        self.point: Dentry | None = None
        """The dentry of *parent* this mount covers."""
        self.children: dict[Dentry, Mount] = {}
        self.table: MountTable | None = None
        self.users = 0
        """Open file descriptions in it."""

    @classmethod
    def restart(cls) -> None:
        """Count mounts from the start (``kernel_setup.restart_numbers``)."""
        cls._last_id = 20

    @property
    def readonly(self) -> bool:
        return bool(self.flags & MS_RDONLY) or self.fs.readonly

    def st_flags(self) -> int:
        """ST_* as statfs(2) tells them."""
        flags = ST_VALID | (ST_RDONLY if self.fs.readonly else 0)
        for bit, st in ST_FLAGS:
            if self.flags & bit:
                flags |= st
        return flags

    def why_readonly(self) -> str:
        return self.fs.why if self.fs.readonly else "mounted read-only"

    def below(self) -> Iterator[Mount]:
        """This mount and every one mounted below it, parents first."""
        yield self
        for child in list(self.children.values()):
            yield from child.below()

    def attach(self, parent: Mount, point: Dentry) -> None:
        self.parent = parent
        self.point = point
        parent.children[point] = self
        point.mounted += 1

    def detach(self) -> None:
        """Take this mount (with all below it) from its place."""
        if self.parent is not None and self.point is not None:
            if self.parent.children.get(self.point) is self:
                del self.parent.children[self.point]
            self.point.mounted -= 1
        self.parent = self.point = None

    def clone(self, root: Dentry | None = None) -> Mount:
        """An unattached mount of the same tree, or of the part below *root*."""
        return Mount(self.fs, root or self.root, self.flags, self.source)

    def option_words(self) -> str:
        words = ["ro" if self.flags & MS_RDONLY else "rw"]
        words += [word for bit, word in NAMED if self.flags & bit]
        return ",".join(words)


class MountTable:
    """The mounts one group of processes sees, root first."""

    def __init__(self, root: Mount) -> None:
        self.root = root
        self.version = 0
        """Counts changes: a poll of /proc/mounts tells when it moved."""
        self.changed = WaitQueue()
        for mount in root.below():
            self._enter(mount)

    def _enter(self, mount: Mount) -> None:
        if mount.table is None:
            mount.fs.mounts += 1
        mount.table = self
        self.count_change()

    def count_change(self) -> None:
        self.version += 1
        self.changed.wake()

    def __iter__(self) -> Iterator[Mount]:
        return self.root.below()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def attach(self, mount: Mount, at: Place) -> None:
        """Show *mount* (and what is below it) at *at*. ENOTDIR where only one is a directory,
        EBUSY for what is mounted there already, EINVAL for a place of another table."""
        if at.mount.table is not self:
            raise EINVAL("a mount point outside this mount namespace")
        at = topmost(at)
        if mount.root.inode.is_dir != at.dentry.inode.is_dir:
            raise ENOTDIR
        if at.dentry is at.mount.root and at.mount.fs is mount.fs and at.mount.root is mount.root:
            raise EBUSY("mounted there already")
        mount.attach(at.mount, at.dentry)
        for each in mount.below():
            self._enter(each)

    def bind(self, source: Place, at: Place, recursive: bool, flags: int | None = None) -> Mount:
        """mount --bind: show the tree at *source* at *at* too."""
        mount = (
            copy_tree(source.mount, source.dentry)
            if recursive
            else source.mount.clone(source.dentry)
        )
        if flags is not None:
            mount.flags = flags
        self.attach(mount, at)
        return mount

    def move(self, mount: Mount, at: Place) -> None:
        """mount --move. EINVAL for the root, ELOOP into itself."""
        if mount.parent is None or mount.table is not self:
            raise EINVAL("not a mount that can be moved")
        at = topmost(at)
        if mount.root.inode.is_dir != at.dentry.inode.is_dir:
            raise EINVAL
        up: Mount | None = at.mount
        while up is not None:
            if up is mount:
                raise ELOOP("a mount cannot be moved below itself")
            up = up.parent
        mount.detach()
        mount.attach(at.mount, at.dentry)
        self.count_change()

    def remove(self, mount: Mount, lazy: bool = False) -> None:
        """umount. EBUSY while in use (callers know of working directories), unless *lazy*."""
        if mount is self.root or mount.table is not self:
            raise EINVAL("not a mount of this namespace, or its root")
        gone = list(mount.below())
        if not lazy and (len(gone) > 1 or mount.users):
            raise EBUSY
        mount.detach()
        for each in reversed(gone):
            each.table = None
            each.fs.mounts -= 1
            if not each.fs.mounts and not each.users:
                each.fs.shutdown()
        self.count_change()

    def pivot(self, new: Mount, put_old: Place) -> None:
        """pivot_root(2), checks done: *new* becomes the root, the old root goes to *put_old*."""
        old = self.root
        new.detach()
        self.root = new
        old.attach(put_old.mount, put_old.dentry)
        self.count_change()

    def copy(self) -> tuple[MountTable, dict[Mount, Mount]]:
        """A namespace of its own with the same view, and which mount became which."""
        made: dict[Mount, Mount] = {}
        root = copy_tree(self.root, None, made)
        return MountTable(root), made

    def mountinfo(self, root: Place) -> bytes:
        """/proc/PID/mountinfo as seen from *root* (a task's root directory)."""
        return mounttext.mountinfo(self, root)

    def mounts(self, root: Place) -> bytes:
        """/proc/PID/mounts as seen from *root*."""
        return mounttext.mounts(self, root)


def topmost(place: Place) -> Place:
    """What is mounted on *place*, or *place* itself. (A walk does this for each name it passes,
    but not for its start.)"""
    mount, dentry = place.mount, place.dentry
    while dentry.mounted and (over := mount.children.get(dentry)) is not None:
        mount, dentry = over, over.root
    return type(place)(mount, dentry)


def copy_tree(top: Mount, root: Dentry | None, made: dict[Mount, Mount] | None = None) -> Mount:
    """Copies of *top* and of the mounts below it (below *root* of it, where given)."""
    copied = top.clone(root)
    if made is not None:
        made[top] = copied
    for point, child in top.children.items():
        if root is None or point.below(root):
            copy_tree(child, None, made).attach(copied, point)
    return copied
