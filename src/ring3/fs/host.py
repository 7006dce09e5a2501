"""hostfs: a directory (or one file) of the host, granted read-only or read-write.

Confinement: every host object is reached from the granted directory's O_PATH descriptor, one
component at a time, never following a host symbolic link: links and ".." are the path walk's
affair (``vfs.path``). No host path is ever built from what a guest says. A directory is entered
by its own O_PATH descriptor; the least used of those are closed and opened again, by the chain of
names and with a check that it is still the same directory.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES, ESTALE, from_os_error
from ring3.abi.mount import (
    BTRFS_SUPER_MAGIC,
    EXT4_SUPER_MAGIC,
    F2FS_SUPER_MAGIC,
    FUSE_SUPER_MAGIC,
    HOSTFS_SUPER_MAGIC,
    NFS_SUPER_MAGIC,
    OVERLAYFS_SUPER_MAGIC,
    SQUASHFS_MAGIC,
    TMPFS_MAGIC,
    V9FS_MAGIC,
    XFS_SUPER_MAGIC,
    ZONEFS_MAGIC,
)
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from ring3.core.hostos import O_CLOEXEC, O_PATH
from ring3.core.light import OrderedDict
from ring3.fs.hostdir import HostDir
from ring3.fs.hostfile import HostFile, HostLink
from ring3.fs.hostinode import HostInode, HostSpecial
from ring3.fs.weak import WeakTable
from ring3.vfs.hostcall import close
from ring3.vfs.mount import Filesystem, StatFs

MAGICS = {
    "ext2": EXT4_SUPER_MAGIC,
    "ext3": EXT4_SUPER_MAGIC,
    "ext4": EXT4_SUPER_MAGIC,
    "xfs": XFS_SUPER_MAGIC,
    "btrfs": BTRFS_SUPER_MAGIC,
    "f2fs": F2FS_SUPER_MAGIC,
    "tmpfs": TMPFS_MAGIC,
    "overlay": OVERLAYFS_SUPER_MAGIC,
    "squashfs": SQUASHFS_MAGIC,
    "nfs": NFS_SUPER_MAGIC,
    "nfs4": NFS_SUPER_MAGIC,
    "9p": V9FS_MAGIC,
    "zonefs": ZONEFS_MAGIC,
}
KERNEL_OWN = frozenset(
    "proc sysfs devtmpfs devpts cgroup cgroup2 debugfs tracefs securityfs pstore bpf configfs"
    " efivarfs binfmt_misc mqueue fusectl rpc_pipefs nsfs selinuxfs autofs".split()
)
"""Filesystems that are interfaces to the host's kernel: never entered from above by a grant."""
KINDS: dict[int, type[HostInode]] = {S_IFREG: HostFile, S_IFDIR: HostDir, S_IFLNK: HostLink}
OPEN_DIRS = 256
"""Directory descriptors one filesystem keeps open."""


class HostFs(Filesystem):
    """*path* as the host knows it; links on the way to it are followed (it is the caller's word,
    not a guest's). OSError if it cannot be opened."""

    name = "hostfs"
    magic = HOSTFS_SUPER_MAGIC

    def __init__(self, path: bytes, writable: bool = False) -> None:
        self.path = os.path.abspath(path)
        self.fd = os.open(path, O_PATH | O_CLOEXEC)
        st = os.fstat(self.fd)
        super().__init__(st.st_dev)
        self.readonly = not writable
        self.writable = writable
        self.in_order = False
        """Directories are listed by name, not in the host's order; what was read does not show."""
        if not writable:
            self.why = f"granted read-only: add --rw {os.fsdecode(self.path)}"
        self.known: WeakTable[tuple[int, int], HostInode] = WeakTable()
        """Inodes in use by (host device, inode number): names of one file share its inode."""
        self.open_dirs: OrderedDict[HostDir, None] = OrderedDict()
        self.allowed_devs: dict[int, bool] = {st.st_dev: True}
        """Host devices below the granted directory, and whether they may be entered."""
        self.types: dict[int, str] | None = None
        self.set_root(self.make_inode(st, None, b""))

    # --- inodes ------------------------------------------------------------------------------
    def inode_for(self, st: os.stat_result, parent: HostDir, name: bytes) -> HostInode:
        """The inode of what *name* in *parent* is, with attributes *st*. EACCES where the host's
        own kernel interfaces begin."""
        dev = st.st_dev
        inode = self.known.get((dev, st.st_ino))
        if (
            inode is not None
            and not (inode.mode ^ st.st_mode) & S_IFMT
            and ((inode.name == name and inode.parent is parent) or inode.may_be_at_several(st))
        ):
            inode.parent = parent
            inode.name = name
            inode.update(st)
            return inode
        if not self.allowed_devs.get(dev, False):
            self.check_device(dev, name)
        return self.make_inode(st, parent, name)

    def make_inode(self, st: os.stat_result, parent: HostDir | None, name: bytes) -> HostInode:
        inode = KINDS.get(st.st_mode & S_IFMT, HostSpecial)(self, st, parent, name)
        self.known.put((st.st_dev, st.st_ino), inode)
        return inode

    def check_device(self, dev: int, name: bytes) -> None:
        if dev not in self.allowed_devs:
            self.allowed_devs[dev] = self.type_of(dev) not in KERNEL_OWN
        if not self.allowed_devs[dev]:
            raise EACCES(
                f"{os.fsdecode(name)} is the host's own {self.type_of(dev)}: a guest has its own"
            )

    def type_of(self, dev: int) -> str:
        """The host's name for the type of filesystem *dev*, "" if it tells none."""
        types = self.types
        if types is None or dev not in types:
            types = self.types = filesystem_types()
        return types.get(dev, "")

    # --- directory descriptors ---------------------------------------------------------------
    def opened(self, directory: HostDir) -> None:
        """*directory* has a descriptor now; close those unused for longest if there are many."""
        table = self.open_dirs
        table[directory] = None
        tries = 2 * OPEN_DIRS
        while len(table) > OPEN_DIRS and tries:
            tries -= 1
            oldest = next(iter(table))
            if oldest.used:
                oldest.used = False
                table.move_to_end(oldest)
            else:
                oldest.close()

    # --- as a whole --------------------------------------------------------------------------
    def statfs(self) -> StatFs:
        try:
            st = os.statvfs(self.fd)
        except OSError as error:
            raise from_os_error(error) from None
        kind = self.type_of(self.dev)
        magic = FUSE_SUPER_MAGIC if kind.startswith("fuse") else MAGICS.get(kind, self.magic)
        return StatFs(
            magic,
            st.f_bsize,
            st.f_blocks,
            st.f_bfree,
            st.f_bavail,
            st.f_files,
            st.f_ffree,
            st.f_namemax,
            st.f_fsid,
        )

    def sync(self) -> None:
        if self.writable:
            os.sync()

    def root_fd(self) -> int:
        """The granted directory's own descriptor. ESTALE once the filesystem was shut down."""
        if self.fd < 0:
            raise ESTALE("the filesystem was unmounted")
        return self.fd

    def close_directories(self) -> None:
        """Close the descriptors of all directories; they are opened again when needed."""
        for directory in list(self.open_dirs):
            directory.close()

    def shutdown(self) -> None:
        self.close_directories()
        self.close()

    def close(self) -> None:
        """Give the granted directory's own descriptor back."""
        fd = getattr(self, "fd", -1)
        if fd >= 0:
            self.fd = -1
            close(fd)

    __del__ = close


def filesystem_types() -> dict[int, str]:
    """Host device number -> filesystem type, from the host's mount table."""
    found = {}
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                left, _, right = line.partition(b" - ")
                high, _, low = left.split()[2].partition(b":")
                found[os.makedev(int(high), int(low))] = right.split()[0].decode()
    except (OSError, ValueError, IndexError):
        pass  # no /proc: nothing is known, and nothing is refused on its account
    return found
