"""Open file descriptions.

A :class:`File` is what open(2) makes: shared by every descriptor that dup(2) or fork(2) derived
from it. Methods block by raising ``Park`` and fail by raising an errno; they never sleep.
"""

from __future__ import annotations

from ring3.abi.errno import EBADF, EINVAL, ENODEV, ENOTDIR, ENOTTY, ENXIO, ESPIPE
from ring3.abi.fcntl import O_ACCMODE, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, Protocol
from ring3.abi.inotify import IN_CLOSE_NOWRITE, IN_CLOSE_WRITE
from ring3.abi.poll import POLLIN, POLLOUT
from ring3.vfs import notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.abi.types import Memory
    from ring3.core.park import WaitQueue
    from ring3.machine.base import FileContent
    from ring3.vfs.inode import Inode, Stat, Walker
    from ring3.vfs.path import Place

ALWAYS = POLLIN | POLLOUT
WRITING = O_WRONLY | O_RDWR


binders: list[Callable[[File], None]] = []
"""What machines want called when a binding changed; kernel.py enters them."""


def rebound(file: File) -> None:
    """What *file*'s ``bind_fd`` leads to changed: vehicles need the new binding."""
    for tell in binders:
        tell(file)


class Follower(Protocol):
    """Something that must end with an open file description: an epoll item, a lock."""

    def file_gone(self, file: File) -> None:
        """The last reference to *file* is gone; it is about to be released."""


class File:
    """Base of every open file description; what a method does not do, it refuses as Linux does."""

    __slots__ = (
        "__weakref__", "bind_fd", "flags", "followers", "owner", "place", "placeholder", "refs",
    )  # fmt: skip

    kind: ClassVar[str] = "file"
    """One word for traces and /proc/PID/fd: file, dir, pipe, socket, eventpoll, ..."""
    seekable: ClassVar[bool] = False
    wants_caller: ClassVar[bool] = False
    """Handlers announce themselves (``called_by``) before they read or poll: what the file says
    depends on who asks (signalfd, a terminal's background processes)."""
    takes_buffers: ClassVar[bool] = False
    """read and write calls hand over the caller's buffers (``transfer``): a device moves the bytes
    itself, while the call is parked."""

    def __init__(self, flags: int) -> None:
        self.flags = flags
        """Access mode and status flags (O_CLOEXEC and the creation flags are not kept)."""
        self.refs = 0
        """Descriptors (and messages in flight) that hold this description."""
        self.bind_fd: int | None = None
        """Host descriptor whose plain read, write and lseek mean the same as this file's: the
        native machine may lay it under the guest's number. None: the kernel does all I/O."""
        self.placeholder = "routed"
        """How host I/O on the number of an unbindable file fails: "badf", "dir", "inval"; or
        "routed": I/O has to reach the kernel."""
        self.owner = 0
        """F_SETOWN: pid, or minus the process group, that SIGIO goes to."""
        self.place: Place | None = None
        """What was opened (``attach``); None for pipes, sockets and other nameless files."""
        self.followers: dict[Follower, None] | None = None
        """Told when the description goes. None until there is one."""

    @property
    def swallows(self) -> bool:
        """What is written goes nowhere and is not even looked at (/dev/null)."""
        return False

    def attach(self, place: Place) -> None:
        """The file was opened at *place*: its mount is in use until the last reference goes."""
        self.place = place
        place.mount.users += 1
        inode = place.dentry.inode
        inode.opens += 1
        if self.flags & WRITING and self.kind == "regular" and not self.flags & O_PATH:
            inode.writers += 1

    # --- modes -------------------------------------------------------------------------------
    @property
    def readable(self) -> bool:
        return self.flags & O_ACCMODE != O_WRONLY and not self.flags & O_PATH

    @property
    def writable(self) -> bool:
        return self.flags & O_ACCMODE not in (O_RDONLY, 3) and not self.flags & O_PATH

    @property
    def nonblock(self) -> bool:
        return bool(self.flags & O_NONBLOCK)

    def set_status(self, flags: int) -> None:
        """fcntl F_SETFL, with *flags* already reduced to what may change."""
        self.flags = flags

    def called_by(self, task: Any) -> None:
        """The next read or poll is made for *task* (only where ``wants_caller``)."""

    # --- data --------------------------------------------------------------------------------
    def read(self, size: int) -> bytes:
        """At most *size* bytes from the file position, b"" at the end. EAGAIN, or parks."""
        raise EINVAL(f"{self.kind} cannot be read")

    def unread(self, data: bytes) -> None:
        """Give *data* back: the caller's buffer turned out to be bad (EFAULT loses nothing)."""

    def write(self, data: bytes) -> int:
        """Write at the file position; return how many bytes went. EAGAIN, or parks."""
        raise EINVAL(f"{self.kind} cannot be written")

    def transfer(
        self, t: Any, spans: list[tuple[int, int]], offset: int | None, write: bool
    ) -> int:
        """Read into, or write from, buffers of *t*, at *offset* or the position; the bytes moved
        (only where ``takes_buffers``). What a park has to remember goes into ``t.memo``."""
        raise EINVAL(f"{self.kind} has no device that moves bytes")

    def pread(self, size: int, offset: int) -> bytes:
        raise ESPIPE

    def pwrite(self, data: bytes, offset: int) -> int:
        raise ESPIPE

    def seek(self, offset: int, whence: int) -> int:
        raise ESPIPE

    # --- readiness ---------------------------------------------------------------------------
    def poll(self) -> int:
        """POLL* bits that hold now."""
        return ALWAYS

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        """Queues that wake whenever ``poll`` may have changed; () if it never does."""
        return ()

    # --- the rest ----------------------------------------------------------------------------
    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        """ioctl(2) on what only the file itself knows (FIONBIO and kin are done before)."""
        raise ENOTTY

    def getdents(self, limit: int) -> object:
        raise ENOTDIR

    def truncate(self, size: int) -> None:
        raise EINVAL

    def sync(self, data_only: bool) -> None:
        """fsync(2). EINVAL where there is nothing to write back (pipe, socket)."""
        raise EINVAL

    def map_fd(self, prot: int, shared: bool) -> int:
        """Host descriptor to map this file by (native machine). Checks the access mode.

        ENODEV for what cannot be mapped, EACCES for a mode that does not allow *prot*.
        """
        raise ENODEV

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        """What a machine with pages of its own maps; None for memory that starts as zeros.
        Refuses as ``map_fd`` does."""
        raise ENODEV

    # --- identity ----------------------------------------------------------------------------
    @property
    def inode(self) -> Inode:
        """The inode of what is open (a nameless file has one of its own)."""
        from ring3.vfs.path import place_of

        return place_of(self).dentry.inode

    def stat(self) -> Stat:
        """fstat(2), up to date. Nameless files override this where Linux shows a type."""
        if self.place is None or self.place.mount.fs.nameless:
            from ring3.vfs.anon import anonymous_stat

            return anonymous_stat()
        inode = self.place.dentry.inode
        inode.refresh()
        return inode.stat()

    def reopen(self, who: Walker, flags: int) -> File:
        """open(2) of /proc/PID/fd/N where the file has no name of its own. ENXIO."""
        raise ENXIO

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2), arguments checked."""
        raise ENODEV

    def target(self) -> bytes:
        """What readlink(2) of /proc/PID/fd/N shows, for a file without a place."""
        return b"anon_inode:[" + self.kind.encode() + b"]"

    def info(self) -> str:
        """The lines /proc/PID/fdinfo/N has beyond pos, flags, mnt_id and ino."""
        return ""

    def flush(self) -> None:
        """A descriptor was closed (each close(2), not only the last)."""

    def release(self) -> None:
        """The last reference is gone."""

    # --- references --------------------------------------------------------------------------
    def hold(self) -> None:
        self.refs += 1

    def drop(self) -> None:
        """Give one reference back; the last one releases the description."""
        self.refs -= 1
        if self.refs == 0:
            if self.followers is not None:
                for follower in list(self.followers):
                    follower.file_gone(self)
            if self.place is None:
                self.release()
            else:
                self._leave(self.place)

    def _leave(self, place: Place) -> None:
        """The last reference of a file with a place is gone."""
        mount, inode = place.mount, place.dentry.inode
        if notify.active and not self.flags & O_PATH:
            notify.happened(place.dentry, IN_CLOSE_WRITE if self.writable else IN_CLOSE_NOWRITE)
        self.release()
        mount.users -= 1
        inode.opens -= 1
        if self.flags & WRITING and self.kind == "regular" and not self.flags & O_PATH:
            inode.writers -= 1
        inode.unused()
        if notify.active and not inode.nlink and not inode.opens:
            notify.destroyed(inode)
        if mount.table is None and not mount.users and not mount.fs.mounts:
            mount.fs.shutdown()

    def follow(self, follower: Follower) -> None:
        if self.followers is None:
            self.followers = {}
        self.followers[follower] = None

    def unfollow(self, follower: Follower) -> None:
        if self.followers is not None:
            self.followers.pop(follower, None)

    def need_readable(self) -> None:
        if not self.readable:
            raise EBADF("not open for reading")

    def need_writable(self) -> None:
        if not self.writable:
            raise EBADF("not open for writing")
