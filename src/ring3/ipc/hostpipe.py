"""Pipes that the host keeps, so that they can be bound."""

from __future__ import annotations

import errno
import os

from ring3.abi.errno import EAGAIN, EINVAL, EPERM
from ring3.abi.fcntl import (
    F_GETPIPE_SZ,
    F_SETPIPE_SZ,
    O_ACCMODE,
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
)
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.abi.poll import POLLIN
from ring3.abi.stat import S_IFIFO
from ring3.core.park import Park
from ring3.ipc.hostfile import MIRRORED, HostStream, host_error
from ring3.ipc.pipe import MAX_SIZE, Pipe, PipeEnd, PipeName
from ring3.vfs import hostcall
from ring3.vfs.anon import anonymous_stat

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.reactor import Reactor
    from ring3.ipc.space import Ground
    from ring3.vfs.file import File
    from ring3.vfs.inode import Stat, Walker


class HostPipeEnd(HostStream):
    """One end of a host pipe, or one open of a host FIFO."""

    __slots__ = ("name", "on_release")
    kind: ClassVar[str] = "pipe"

    def __init__(self, reactor: Reactor, fd: int, flags: int, name: PipeName) -> None:
        super().__init__(reactor, fd, flags)
        self.name = name
        self.on_release: Callable[[HostPipeEnd], None] | None = None
        """Told when the end goes (the FIFO it belongs to)."""

    def second_description(self) -> None:
        """FIFOs, and pipes before Linux 6.4, know no RWF_NOWAIT; a second description that does
        not block does. It ends with this one, so the other side's counts stay right."""
        if self.io == self.fd:
            how = self.flags & O_ACCMODE | O_NONBLOCK | O_CLOEXEC
            try:
                self.io = os.open(f"/proc/self/fd/{self.fd}", how)
                if self.flags & O_DIRECT:
                    import fcntl

                    fcntl.fcntl(self.io, fcntl.F_SETFL, O_NONBLOCK | O_DIRECT)
            except OSError:
                # No reader is left (ENXIO), or no /proc: look before each step instead.
                self.io = self.fd

    def write(self, data: bytes) -> int:
        return super().write(data) if data else 0

    def capacity(self) -> int:
        """F_GETPIPE_SZ, in bytes."""
        import fcntl

        try:
            return fcntl.fcntl(self.fd, F_GETPIPE_SZ)
        except OSError as error:
            raise host_error(error) from None

    def set_capacity(self, size: int, privileged: bool) -> int:
        """F_SETPIPE_SZ: the capacity there is now, in bytes. EINVAL, EPERM, EBUSY."""
        import fcntl

        if not 0 <= size <= 1 << 31:
            raise EINVAL("pipe size")
        if size > max(MAX_SIZE, self.capacity()) and not privileged:
            raise EPERM("above /proc/sys/fs/pipe-max-size")
        try:
            fcntl.fcntl(self.fd, F_SETPIPE_SZ, size)
        except OSError as error:
            raise host_error(error) from None
        return self.capacity()

    def target(self) -> bytes:
        return b"pipe:[%d]" % self.name.ino

    def stat(self) -> Stat:
        if self.place is not None and not self.place.mount.fs.nameless:
            return super().stat()
        return anonymous_stat(S_IFIFO | 0o600, self.name.ino, self.name.uid, self.name.gid)

    def reopen(self, who: Walker, flags: int) -> HostPipeEnd:
        """A further description of the same pipe, reading or writing as *flags* say."""
        import fcntl

        kept = flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT)
        try:
            # Anonymous pipes never wait for a partner; O_NONBLOCK only keeps the host honest.
            fd = os.open(f"/proc/self/fd/{self.fd}", flags & O_ACCMODE | O_NONBLOCK | os.O_CLOEXEC)
            fcntl.fcntl(fd, fcntl.F_SETFL, kept & MIRRORED)
        except OSError as error:
            raise host_error(error) from None
        return HostPipeEnd(self.queue.reactor, fd, kept, self.name)

    def release(self) -> None:
        if not self.gone:
            super().release()
            if self.on_release is not None:
                self.on_release(self)


def make_pipe(world: Ground, flags: int, uid: int = 0, gid: int = 0) -> tuple[File, File]:
    """The (read, write) ends of a fresh pipe that *uid* and *gid* own.

    *flags*: O_NONBLOCK (both ends), O_DIRECT (the write end's packet mode). ENFILE.
    """
    name = PipeName(uid, gid)
    reading = O_RDONLY | flags & O_NONBLOCK
    if world.own_objects:
        pipe = Pipe()
        return PipeEnd(pipe, reading, name), PipeEnd(pipe, O_WRONLY | flags, name)
    try:
        r, w = os.pipe2(flags | O_CLOEXEC)
    except OSError as error:
        raise host_error(error) from None
    reactor = world.reactor
    return (
        HostPipeEnd(reactor, r, reading, name),
        HostPipeEnd(reactor, w, O_WRONLY | flags, name),
    )


def host_splice(source: HostPipeEnd, out: HostPipeEnd, count: int) -> int:
    """splice(2) from pipe to pipe, in the host, so that nothing has to be put back."""
    if source.pushed:
        done = out.write(source.pushed[:count])
        source.pushed = source.pushed[done:]
        return done
    try:
        return os.splice(source.fd, out.fd, count, flags=os.SPLICE_F_NONBLOCK)
    except BlockingIOError:
        raise blocked(source, out) from None
    except OSError as error:
        raise host_error(error) from None


def host_tee(source: HostPipeEnd, out: HostPipeEnd, count: int) -> int:
    """tee(2)."""
    if source.pushed:
        return out.write(source.pushed[:count])
    done: int = hostcall.libc().tee(source.fd, out.fd, min(count, 1 << 30), os.SPLICE_F_NONBLOCK)
    if done >= 0:
        return done
    import ctypes

    failed = ctypes.get_errno()
    if failed == errno.EAGAIN:
        raise blocked(source, out)
    raise host_error(OSError(failed, "tee"))


def blocked(source: HostPipeEnd, out: HostPipeEnd) -> Exception:
    """What to raise where it is stuck: *source* is empty, or *out* full."""
    if (source.flags | out.flags) & O_NONBLOCK:
        return EAGAIN()
    return Park((out if source.poll() & POLLIN else source).queue)
