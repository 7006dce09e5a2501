"""Filesystems: trees of dentries over inodes (Linux's superblocks)."""

from __future__ import annotations

from ring3.abi.errno import EBUSY, EINVAL, EROFS
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.vfs.dentry import MOST_CACHED, Dentry
from ring3.vfs.inode import Inode, host_clock
from ring3.vfs.special import makedev

if TYPE_CHECKING:
    from collections.abc import Callable


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


FIRST_MINOR = 20
_next_minor = FIRST_MINOR


def anonymous_dev() -> int:
    """A device number for a filesystem without a device: major 0."""
    global _next_minor
    _next_minor += 1
    return makedev(0, _next_minor)


def restart() -> None:
    """Count device numbers from the start (``kernel_setup.restart_numbers``)."""
    global _next_minor
    _next_minor = FIRST_MINOR


clock_of_new: Callable[[], int] = host_clock
"""What filesystems made now take their stamps from: a world being put together sets it."""


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

        self.now_ns: Callable[[], int] = clock_of_new
        """The time new stamps get (``use_clock``)."""

    def use_clock(self, clock: Callable[[], int]) -> None:
        """Stamps come from *clock*, the guest's wall clock, from now on: the root's too."""
        self.now_ns = clock
        self.root.inode.restamp()

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
