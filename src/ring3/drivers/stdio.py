"""The caller's own descriptors as a guest's standard streams.

The open file description stays the host's: offsets, data and O_NONBLOCK are shared, as with a
forked child. What kind of file the guest sees depends on what it is on the host.
"""

from __future__ import annotations

import os
import stat

from ring3.abi.errno import ENOENT, Errno, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_APPEND, O_RDONLY, O_TRUNC
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mount import HOSTFS_SUPER_MAGIC
from ring3.core.hostos import fcntl
from ring3.drivers.mem import NAMES, MemDevice
from ring3.vfs.access import PlainCred
from ring3.vfs.context import FsContext
from ring3.vfs.dentry import Dentry
from ring3.vfs.inode import Inode, Stat
from ring3.vfs.mount import Filesystem, Mount
from ring3.vfs.path import Place, walk
from ring3.vfs.regular import RegularFile, reopen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.mount import MountTable

MEM_MAJOR = 1


def open_host(world: Any, host_fd: int) -> File:
    """An open file description of the guest over the caller's descriptor *host_fd*, which is
    copied. OSError if it is closed."""
    fd = fcntl.fcntl(host_fd, fcntl.F_DUPFD_CLOEXEC, 3)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    st = os.fstat(fd)
    kind = stat.S_IFMT(st.st_mode)
    if kind == stat.S_IFCHR:
        return open_device(world, fd, flags, st)
    if kind == stat.S_IFIFO:
        from ring3.ipc.hostpipe import HostPipeEnd
        from ring3.ipc.pipe import PipeName

        name = PipeName(st.st_uid, st.st_gid)
        if world.random.seeded and flags & O_ACCMODE == os.O_WRONLY:
            from ring3.drivers.patient import PatientPipe

            return PatientPipe(world.reactor, fd, flags, name)
        return HostPipeEnd(world.reactor, fd, flags, name)
    if kind == stat.S_IFREG:
        return open_regular(world, fd, flags)
    from ring3.drivers.hostsocket import HostSocket
    from ring3.ipc.hostfile import HostStream

    if kind == stat.S_IFSOCK:
        return HostSocket(world.reactor, fd, flags, st.st_ino)
    return HostStream(world.reactor, fd, flags)


def open_device(world: Any, fd: int, flags: int, st: os.stat_result) -> File:
    """A terminal, one of the memory devices, or some device of the host."""
    if os.isatty(fd):
        if hasattr(world.machine, "keyboard"):
            from ring3.drivers.screen import screen_for

            slave = screen_for(world, fd).stream(flags)
            os.close(fd)
            return slave
        from ring3.drivers.console import ConsoleFile, console_for

        console = console_for(world, fd)
        tty = ConsoleFile(console, fd, flags)
        place = console.table.place(console.index)
        if place is not None:
            tty.attach(place)
        return tty
    number = os.minor(st.st_rdev)
    if os.major(st.st_rdev) == MEM_MAJOR and number in NAMES:
        device = MemDevice(number, flags, fd)
        node = device_node(world, b"/dev/" + NAMES[number].encode())
        if node is not None:
            device.attach(node)
        return device
    from ring3.ipc.hostfile import HostStream

    return HostStream(world.reactor, fd, flags)


class Boot:
    """The kernel itself, as who looks a device up."""

    def __init__(self, table: MountTable) -> None:
        root = Place(table.root, table.root.root)
        self.fs = FsContext(root, root)
        self.cred = PlainCred()


def device_node(world: Any, path: bytes) -> Place | None:
    """The guest's node for a device, None where its tree has none."""
    if world.mounts is None:
        return None
    try:
        return walk(Boot(world.mounts), None, path)
    except Errno:
        return None


class GivenFs(Filesystem):
    """One file that the caller gave by descriptor, as a filesystem of its own."""

    name = "hostfs"
    magic = HOSTFS_SUPER_MAGIC

    def __init__(self, fd: int, writable: bool, since_ns: int | None = None) -> None:
        super().__init__(os.fstat(fd).st_dev if since_ns is None else None)
        self.since_ns = since_ns
        """Where runs are to be the same: the only time that shows, and neither the file's number
        nor its blocks do."""
        self.readonly = not writable
        self.why = "the caller gave it for reading only"
        self.set_root(GivenFile(self, fd))


class GivenFile(Inode):
    """*fd* belongs to the first open description; it lives as long as that does."""

    __slots__ = ("fd", "st")

    def __init__(self, fs: GivenFs, fd: int) -> None:
        self.fd = fd
        self.st = os.fstat(fd)
        super().__init__(fs, self.st.st_ino, self.st.st_mode, self.st.st_uid, self.st.st_gid)

    def refresh(self) -> None:
        if self.fd >= 0:
            self.st = os.fstat(self.fd)
            self.mode, self.nlink = self.st.st_mode, self.st.st_nlink

    def stat(self) -> Stat:
        st = self.st
        since = self.fs.since_ns  # type: ignore[attr-defined]
        if since is not None:
            blocks = -(-st.st_size // 4096) * 8
            return Stat(
                self.fs.dev, 1, st.st_mode, 1, st.st_uid, st.st_gid, 0, st.st_size, blocks,
                since, since, since, 4096,
            )  # fmt: skip
        return Stat(
            st.st_dev, st.st_ino, st.st_mode, st.st_nlink, st.st_uid, st.st_gid, 0, st.st_size,
            st.st_blocks, st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns, st.st_blksize,
        )  # fmt: skip

    def open(self, who: Walker, place: Place, flags: int) -> RegularFile:
        if self.fd < 0:
            raise ENOENT("the caller's descriptor was closed")
        if flags & O_TRUNC:
            self.truncate(0)
        return RegularFile(self, reopen(self.fd, flags), flags & ~O_TRUNC)

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            raise from_os_error(error) from None

    def forget(self, file: File) -> None:
        if isinstance(file, RegularFile) and file.fd == self.fd:
            self.fd = -1


def open_regular(world: Any, fd: int, flags: int) -> RegularFile:
    """A file of the host. It can be reopened through /proc/self/fd, but not with more access than
    the caller's descriptor has: one for reading only stays so."""
    since_ns = world.clock.realtime_ns() if world.random.seeded else None
    name = (
        b"stdio"
        if since_ns is not None
        else os.fsencode(os.readlink(f"/proc/self/fd/{fd}")).lstrip(b"/")
    )
    fs = GivenFs(fd, flags & O_ACCMODE != O_RDONLY, since_ns)
    mount = Mount(fs, source=b"stdio")
    inode = fs.root.inode
    file = RegularFile(inode, fd, flags)
    file.attach(Place(mount, Dentry(name, fs.root, inode)))
    return file


def open_streams(world: Any, host_fds: Sequence[int | None]) -> list[File | None]:
    """Files for a program's standard streams: one and the same for descriptors that share a
    description, so that a change of O_NONBLOCK shows on all."""
    opened: list[File | None] = []
    for index, host_fd in enumerate(host_fds):
        file: File | None = None
        for before in range(index):
            earlier, other = opened[before], host_fds[before]
            if host_fd is not None and other is not None and earlier is not None:
                if same_description(host_fd, other):
                    file = earlier
                    break
        if file is None and host_fd is not None:
            file = open_host(world, host_fd)
        opened.append(file)
    return opened


def adopt(world: Any, session: Any, files: list[File | None]) -> None:
    """Make the first terminal among *files* (a program's standard streams) the controlling
    terminal of its new *session*, unless another session has it."""
    session.watched = world.on_stop is not None
    for file in files:
        control = getattr(file, "control", None)
        if control is not None:
            if control.session is None and session.terminal is None:
                control.attach(session)
            return


def same_description(one: int, other: int) -> bool:
    """Whether two descriptors share a description: a status flag that does not matter on such
    files is turned over for a moment."""
    if one == other:
        return True
    a, b = os.fstat(one), os.fstat(other)
    if (a.st_dev, a.st_ino, a.st_rdev) != (b.st_dev, b.st_ino, b.st_rdev):
        return False
    if stat.S_IFMT(a.st_mode) not in (stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK):
        return False
    flags = fcntl.fcntl(one, fcntl.F_GETFL)
    if fcntl.fcntl(other, fcntl.F_GETFL) != flags:
        return False
    try:
        fcntl.fcntl(one, fcntl.F_SETFL, flags ^ O_APPEND)
        seen = fcntl.fcntl(other, fcntl.F_GETFL)
        fcntl.fcntl(one, fcntl.F_SETFL, flags)
    except OSError:
        return False
    return bool(seen != flags)
