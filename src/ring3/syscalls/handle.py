"""name_to_handle_at(2), open_by_handle_at(2): files by number instead of by name.

A handle is good while its file is in use or its name is cached; later it is ESTALE, as on a
filesystem that gave the inode away. Views of the kernel (/proc, /sys, /dev) have none.
"""

from __future__ import annotations

import struct

from ring3.abi.capability import CAP_DAC_READ_SEARCH
from ring3.abi.errno import EINVAL, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE
from ring3.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_HANDLE_FID,
    AT_HANDLE_MNT_ID_UNIQUE,
    AT_SYMLINK_FOLLOW,
    O_CLOEXEC,
    O_CREAT,
    O_LARGEFILE,
)
from ring3.abi.hints import Annotated
from ring3.abi.types import Addr, Blob, DirFd, Fd, In, InOut, Int, OpenFlags, Path
from ring3.syscalls.at import base_of, resolve
from ring3.syscalls.open import VALID, check_flags
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs.dentry import Dentry
from ring3.vfs.open import open_place
from ring3.vfs.path import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.mount import Filesystem

FileHandle = Annotated[bytes, Blob(kind="file_handle")]
HEAD = struct.Struct("<Ii")
BODY = struct.Struct("<QQ")
MAX_HANDLE_SIZE = 128
HANDLE_TYPE = 0x33
EXPORTED = ("tmpfs", "overlay", "hostfs")


@syscall(partial="a handle lives as long as its file's name is cached")
def name_to_handle_at(
    t: Task, dirfd: DirFd, path: In[Path], handle: InOut[FileHandle], mount_id: Addr, flags: Int
) -> int:
    """Store a handle for the file, and the id of the mount it was reached by."""
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE):
        raise EINVAL("unknown flag")
    place = resolve(t, dirfd, path, flags & AT_EMPTY_PATH, bool(flags & AT_SYMLINK_FOLLOW))
    if place.mount.fs.name not in EXPORTED:
        raise EOPNOTSUPP(f"{place.mount.fs.name} has no file handles")
    room = int.from_bytes(handle.load_bytes(4), "little")
    if room > MAX_HANDLE_SIZE:
        raise EINVAL("handle_bytes")
    size = 8 if flags & AT_HANDLE_MNT_ID_UNIQUE else 4
    t.memory.store(mount_id, place.mount.id.to_bytes(size, "little"))
    if room < BODY.size:
        handle.store_bytes(BODY.size.to_bytes(4, "little"))
        raise EOVERFLOW("the handle needs more room")
    st = place.dentry.inode.stat()
    handle.store_bytes(HEAD.pack(BODY.size, HANDLE_TYPE) + BODY.pack(st.dev, st.ino))
    return 0


def find(fs: Filesystem, dev: int, ino: int) -> Dentry:
    """The cached name of an inode. ESTALE."""
    for dentry in (fs.root, *fs.root.walk()):
        st = dentry.inode.stat()
        if st.ino == ino and st.dev == dev:
            return dentry
    raise ESTALE("no such file, or its name is no longer cached")


@syscall(partial="a handle lives as long as its file's name is cached")
def open_by_handle_at(t: Task, mount_fd: Fd, handle: In[FileHandle], flags: OpenFlags) -> int:
    """Open the file that a handle means, on the filesystem that *mount_fd* is on."""
    if not t.cred.capable(CAP_DAC_READ_SEARCH):
        raise EPERM("CAP_DAC_READ_SEARCH")
    size, kind = HEAD.unpack(handle.load_bytes(HEAD.size))
    if not 0 < size <= MAX_HANDLE_SIZE:
        raise EINVAL("handle_bytes")
    base = base_of(t, mount_fd, b"") if mount_fd != AT_FDCWD else t.fs.cwd
    assert base is not None
    data = handle.load_bytes(HEAD.size + size)[HEAD.size :]
    if kind != HANDLE_TYPE or size != BODY.size:
        raise ESTALE("not one of our handles")
    dentry = find(base.mount.fs, *BODY.unpack(data))
    dentry.inode.refresh()
    flags = check_flags(flags & VALID & ~O_CREAT)
    with t.fds.reserve(1) as (fd,):
        file = open_place(t, Place(base.mount, dentry), flags | O_LARGEFILE)
        t.fds.publish({fd: file}, cloexec=bool(flags & O_CLOEXEC))
    return fd
