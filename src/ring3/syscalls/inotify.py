"""inotify(7): descriptors that tell what happens to files.

Events come from the VFS (``vfs.notify``). What a host process changes in a granted directory, and
what is written through a memory mapping, is not seen.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EAGAIN, EBADF, EEXIST, EINVAL
from ring3.abi.fcntl import O_NONBLOCK, O_RDONLY
from ring3.abi.hints import Annotated, ClassVar
from ring3.abi.inotify import (
    IN_ALL_EVENTS,
    IN_CLOEXEC,
    IN_DONT_FOLLOW,
    IN_EXCL_UNLINK,
    IN_IGNORED,
    IN_MASK_ADD,
    IN_MASK_CREATE,
    IN_NONBLOCK,
    IN_ONESHOT,
    IN_ONLYDIR,
    IN_Q_OVERFLOW,
    IN_UNMOUNT,
)
from ring3.abi.ioctl import FIONREAD
from ring3.abi.poll import POLLIN, POLLRDNORM
from ring3.abi.types import Fd, In, Int, Memory, Path, Scalar
from ring3.core.park import Park, WaitQueue
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs import notify
from ring3.vfs.access import MAY_READ, check
from ring3.vfs.file import File
from ring3.vfs.path import DIRECTORY, FOLLOW, walk
from ring3.vfs.regular import RegularFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.inode import Inode

InotifyMask = Annotated[int, Scalar(32, signed=False, flags="inotify", kind="flags")]
HEAD = struct.Struct("<iIII")
MOST_QUEUED = 16384
"""/proc/sys/fs/inotify/max_queued_events."""
KNOWN = (
    IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD
    | IN_ONESHOT | IN_UNMOUNT
)  # fmt: skip
WATCH_BITS = IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK


class Watch:
    """One watch of one inotify descriptor on one inode."""

    __slots__ = ("file", "inode", "mask", "options", "wd")

    def __init__(self, file: InotifyFile, inode: Inode, wd: int) -> None:
        self.file = file
        self.inode = inode
        self.wd = wd
        self.mask = 0
        self.options = 0

    def event(self, mask: int, cookie: int, name: bytes) -> None:
        self.file.put(self.wd, mask, cookie, name)
        if self.options & IN_ONESHOT and not mask & IN_UNMOUNT:
            self.gone()

    def gone(self) -> None:
        """The watch ends: IN_IGNORED."""
        if self.file.watches.pop(self.wd, None) is not None:
            self.file.by_inode.pop(self.inode, None)
            notify.remove(self.inode, self)
            self.file.put(self.wd, IN_IGNORED, 0, b"")


class InotifyFile(File):
    """The queue of events of all watches made with this descriptor."""

    __slots__ = ("by_inode", "last_wd", "queue", "queued", "watches")
    kind: ClassVar[str] = "inotify"

    def __init__(self, flags: int) -> None:
        super().__init__(O_RDONLY | flags & O_NONBLOCK)
        self.watches: dict[int, Watch] = {}
        self.by_inode: dict[Inode, Watch] = {}
        self.last_wd = 0
        self.queued: list[tuple[int, int, int, bytes]] = []
        """Events not read yet: (watch, mask, cookie, name)."""
        self.queue = WaitQueue()

    # --- events ------------------------------------------------------------------------------
    def put(self, wd: int, mask: int, cookie: int, name: bytes) -> None:
        """Queue an event unless it equals the last one."""
        event = (wd, mask, cookie, name)
        if self.queued and self.queued[-1] == event:
            return
        if len(self.queued) >= MOST_QUEUED:
            if self.queued[-1][1] != IN_Q_OVERFLOW:
                self.queued.append((-1, IN_Q_OVERFLOW, 0, b""))
            return
        self.queued.append(event)
        self.queue.wake()

    def pack(self, event: tuple[int, int, int, bytes]) -> bytes:
        wd, mask, cookie, name = event
        room = (len(name) + HEAD.size) // HEAD.size * HEAD.size if name else 0
        return HEAD.pack(wd, mask, cookie, room) + name.ljust(room, b"\0")

    def read(self, size: int) -> bytes:
        if not self.queued:
            if self.flags & O_NONBLOCK:
                raise EAGAIN
            raise Park(self.queue)
        data = b""
        count = 0
        for event in self.queued:
            packed = self.pack(event)
            if len(data) + len(packed) > size:
                break
            data += packed
            count += 1
        if not count:
            raise EINVAL("the buffer is too small for the next event")
        del self.queued[:count]
        return data

    def unread(self, data: bytes) -> None:
        """Linux loses events whose buffer is bad, too: nothing comes back."""

    def write(self, data: bytes) -> int:
        raise EBADF("inotify descriptors are for reading")

    def poll(self) -> int:
        return POLLIN | POLLRDNORM if self.queued else 0

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        return (self.queue,)

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        if request == FIONREAD:
            size = sum(len(self.pack(event)) for event in self.queued)
            memory.store(arg, size.to_bytes(4, "little"))
            return 0
        return super().ioctl(memory, request, arg)

    # --- watches -----------------------------------------------------------------------------
    def watch(self, inode: Inode, mask: int) -> int:
        """Add a watch, or change the one that is there. EEXIST with IN_MASK_CREATE."""
        found = self.by_inode.get(inode)
        if found is None:
            self.last_wd += 1
            found = Watch(self, inode, self.last_wd)
            self.watches[found.wd] = self.by_inode[inode] = found
            notify.add(inode, found)
        elif mask & IN_MASK_CREATE:
            raise EEXIST
        elif mask & IN_MASK_ADD:
            mask |= found.mask | found.options
        found.mask = mask & IN_ALL_EVENTS
        found.options = mask & (IN_ONESHOT | IN_EXCL_UNLINK)
        if found.mask & notify.DATA:
            unbind_all(inode)
        return found.wd

    def release(self) -> None:
        for watch in list(self.watches.values()):
            notify.remove(watch.inode, watch)
        self.watches.clear()
        self.by_inode.clear()
        self.queued.clear()

    def info(self) -> str:
        return "".join(
            f"inotify wd:{w.wd:x} ino:{w.inode.ino:x} sdev:{w.inode.fs.dev:x} mask:{w.mask:x}"
            " ignored_mask:0\n"
            for w in self.watches.values()
        )


def unbind_all(inode: Inode) -> None:
    """Reads and writes of *inode* (of what is in it, if it is a directory) must reach the kernel
    from now on."""
    inodes = [inode]
    if inode.is_dir:
        inodes += directory_inodes(inode)
    for each in inodes:
        for file in each.open_files():
            if isinstance(file, RegularFile):
                file.unbind()


def directory_inodes(directory: Inode) -> list[Inode]:
    """What is cached below *directory*: an open file is always among that."""
    found: list[Inode] = []
    for dentry in directory.fs.root.walk():
        if dentry.parent is not None and dentry.parent.inode is directory:
            found.append(dentry.inode)
    return found


# --- calls ---------------------------------------------------------------------------------------
@syscall
def inotify_init1(t: Task, flags: Int) -> int:
    """Make an inotify descriptor."""
    if flags & ~(IN_CLOEXEC | IN_NONBLOCK):
        raise EINVAL("unknown flag")
    return t.fds.install(InotifyFile(flags), cloexec=bool(flags & IN_CLOEXEC))


@syscall
def inotify_init(t: Task) -> int:
    return t.fds.install(InotifyFile(0))


def inotify_at(t: Task, fd: int) -> InotifyFile:
    return t.fds.get(fd, InotifyFile, otherwise=EINVAL)


@syscall(partial="changes made by host processes, or through memory mappings, are not seen")
def inotify_add_watch(t: Task, fd: Fd, path: In[Path], mask: InotifyMask) -> int:
    """Watch a file or directory, or change what is watched for."""
    if not mask & KNOWN or (mask & IN_MASK_ADD and mask & IN_MASK_CREATE):
        raise EINVAL("mask")
    if not mask & IN_ALL_EVENTS:
        raise EINVAL("no event")
    t.fds.get(fd)
    file = inotify_at(t, fd)
    how = (0 if mask & IN_DONT_FOLLOW else FOLLOW) | (DIRECTORY if mask & IN_ONLYDIR else 0)
    inode = walk(t, None, path.load(), how).dentry.inode
    check(t.cred, inode, MAY_READ)
    return file.watch(inode, mask)


@syscall
def inotify_rm_watch(t: Task, fd: Fd, wd: Int) -> int:
    """End a watch; IN_IGNORED follows."""
    watch = inotify_at(t, fd).watches.get(wd)
    if watch is None:
        raise EINVAL("no such watch")
    watch.gone()
    return 0
