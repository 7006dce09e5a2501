"""Filesystems, mounts, and mount tables (mount namespaces).

A :class:`Filesystem` is a tree of dentries over inodes. A :class:`Mount` shows such a tree, or a
part of it (bind mount), on a dentry of another mount. A :class:`MountTable` owns mounts; clone's
CLONE_NEWNS copies it. Mounts do not propagate between tables: all are private.
"""

from __future__ import annotations

from ring3.abi.errno import EBUSY, EINVAL, ELOOP, ENOTDIR, EROFS
from ring3.abi.hints import TYPE_CHECKING, ClassVar
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
    ST_RDONLY,
    ST_RELATIME,
)
from ring3.vfs.dentry import MOST_CACHED, Dentry
from ring3.vfs.special import major, makedev, minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.vfs.inode import Inode
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


ST_VALID = 0x20
ST_NOSYMFOLLOW = 0x2000
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


class StatFs:
    """What statfs(2) tells; sizes in units of *bsize* bytes, *flags* are ST_*."""

    __slots__ = (
        "bavail", "bfree", "blocks", "bsize", "ffree", "files", "flags", "frsize", "fsid",
        "namelen", "type",
    )  # fmt: skip

    def __init__(
        self,
        type: int,
        bsize: int = 4096,
        blocks: int = 0,
        bfree: int = 0,
        bavail: int | None = None,
        files: int = 0,
        ffree: int = 0,
        namelen: int = 255,
        fsid: int = 0,
    ) -> None:
        self.type = type
        self.bsize = bsize
        self.blocks = blocks
        self.bfree = bfree
        self.bavail = bfree if bavail is None else bavail
        self.files = files
        self.ffree = ffree
        self.namelen = namelen
        self.frsize = bsize
        self.fsid = fsid
        self.flags = 0


_next_minor = 20


def anonymous_dev() -> int:
    """A device number for a filesystem without a device: major 0."""
    global _next_minor
    _next_minor += 1
    return makedev(0, _next_minor)


class Filesystem:
    """One tree of files (Linux's superblock)."""

    name: ClassVar[str] = "none"
    """As in /proc/filesystems."""
    magic: ClassVar[int] = 0
    nameless: ClassVar[bool] = False
    """Holds only stand-ins for open files that never had a name (``anon``)."""

    def __init__(self, dev: int | None = None) -> None:
        self.dev = anonymous_dev() if dev is None else dev
        self.root: Dentry
        """Set by the subclass, once: ``self.set_root(inode)``."""
        self.cached = 0
        """Names entered since unused ones were last dropped (``dentry.shrink``)."""
        self.most_cached = MOST_CACHED
        self.readonly = False
        self.why = ""
        """For a filesystem that never can be written: why not, and what would allow it."""
        self.mounts = 0
        """Mounts that show this tree."""

    @property
    def main_dev(self) -> int:
        """The device most of its inodes are on."""
        return self.dev

    def set_root(self, inode: Inode) -> None:
        self.root = Dentry(b"", None, inode)

    def statfs(self) -> StatFs:
        return StatFs(self.magic, fsid=self.dev)

    def options(self) -> str:
        """What /proc/mounts shows behind rw or ro: "" or ",size=..."."""
        return ""

    def remount(self, options: bytes) -> None:
        """Change options; EINVAL for what is not understood."""
        if options:
            raise EINVAL(f"{self.name} has no options")

    def set_readonly(self, readonly: bool) -> None:
        """mount -o remount,ro (rw) of the filesystem itself. EROFS for what never can be written,
        EBUSY while files are open for writing."""
        if self.why and not readonly:
            raise EROFS(self.why)
        if readonly and not self.readonly and self.has_writers():
            raise EBUSY("files are open for writing")
        self.readonly = readonly

    def has_writers(self) -> bool:
        """True if a file of this filesystem is open for writing."""
        return any(
            file.writable
            for dentry in self.root.walk()
            if dentry.inode.opens
            for file in dentry.inode.open_files()
        )

    def sync(self) -> None:
        """Write back what the host keeps in memory."""

    def shutdown(self) -> None:
        """The last mount is gone."""


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
        """Counts changes: /proc/mounts is readable again (POLLPRI) when it moves."""
        for mount in root.below():
            self._enter(mount)

    def _enter(self, mount: Mount) -> None:
        if mount.table is None:
            mount.fs.mounts += 1
        mount.table = self
        self.version += 1

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
        self.version += 1

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
        self.version += 1

    def pivot(self, new: Mount, put_old: Place) -> None:
        """pivot_root(2), checks done: *new* becomes the root, the old root goes to *put_old*."""
        old = self.root
        new.detach()
        self.root = new
        old.attach(put_old.mount, put_old.dentry)
        self.version += 1

    def copy(self) -> tuple[MountTable, dict[Mount, Mount]]:
        """A namespace of its own with the same view, and which mount became which."""
        made: dict[Mount, Mount] = {}
        root = copy_tree(self.root, None, made)
        return MountTable(root), made

    # --- as /proc shows them -----------------------------------------------------------------
    def mountinfo(self, root: Place) -> bytes:
        """/proc/PID/mountinfo as seen from *root* (a task's root directory)."""
        from ring3.vfs.path import inner_path, point_path

        lines = []
        for m in self:
            where = point_path(m, root)
            if where is None:
                continue
            state = ("ro" if m.fs.readonly else "rw") + m.fs.options()
            fields = (
                m.id,
                m.parent.id if m.parent else 1,
                major(m.fs.dev),
                minor(m.fs.dev),
                escape(inner_path(m.fs.root, m.root)),
                escape(where),
                m.option_words().encode(),
                m.fs.name.encode(),
                escape(m.source),
                state.encode(),
            )
            lines.append(b"%d %d %d:%d %s %s %s - %s %s %s\n" % fields)
        return b"".join(lines)

    def mounts(self, root: Place) -> bytes:
        """/proc/PID/mounts as seen from *root*."""
        from ring3.vfs.path import point_path

        lines = []
        for m in self:
            where = point_path(m, root)
            if where is None:
                continue
            words = ("ro" if m.readonly else "rw") + m.option_words()[2:] + m.fs.options()
            lines.append(
                b"%s %s %s %s 0 0\n"
                % (escape(m.source), escape(where), m.fs.name.encode(), words.encode())
            )
        return b"".join(lines)


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


def escape(path: bytes) -> bytes:
    """Space, tab, newline and backslash in octal, as in /proc/mounts."""
    if not any(c in path for c in b" \t\n\\"):
        return path
    return b"".join(b"\\%03o" % c if c in b" \t\n\\" else bytes((c,)) for c in path)
