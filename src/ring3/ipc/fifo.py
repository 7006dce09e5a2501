"""FIFOs: named pipes, and the meeting of their opens.

``open_fifo`` follows fifo_open() of fs/pipe.c: an open for reading waits for a writer and the
other way round, and a waiting open counts as the partner of the next one. Each waiting open has
a queue of its own, so that it leaves no trace when a signal ends the wait.
"""

from __future__ import annotations

import os

from ring3.abi.errno import ENXIO
from ring3.abi.fcntl import O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, cast
from ring3.core.park import Park, Waiter, WaitQueue
from ring3.ipc.hostfile import host_error
from ring3.ipc.hostpipe import HostPipeEnd
from ring3.ipc.pipe import Pipe, PipeEnd, PipeName

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.ipc.space import Ground
    from ring3.vfs.inode import Inode, Walker
    from ring3.vfs.path import Place

End = HostPipeEnd | PipeEnd


class Waiting(WaitQueue):
    """One parked open. Stands in the FIFO's list exactly as long as a waiter stands in it."""

    __slots__ = ("fifo", "flags")

    def __init__(self, fifo: Fifo, flags: int) -> None:
        super().__init__()
        self.fifo = fifo
        self.flags = flags

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        self.fifo.waiting.append(self)

    def remove(self, waiter: Waiter) -> None:
        super().remove(waiter)
        if self in self.fifo.waiting:
            self.fifo.waiting.remove(self)
        self.fifo.retire()


class Fifo:
    """What all opens of one FIFO share. Exists while there is an end or a waiting open."""

    __slots__ = (
        "granted", "host_path_fd", "inode", "name", "pipe", "readers", "waiting", "world",
        "writers",
    )  # fmt: skip

    def __init__(self, world: Ground, inode: Inode) -> None:
        self.world = world
        self.inode = inode
        self.name = PipeName()
        self.readers = 0
        self.writers = 0
        self.waiting: list[Waiting] = []
        self.granted: dict[Waiter, End] = {}
        """Ends of waiting opens whose partner came, until their calls run again."""
        self.pipe: Pipe | None = None
        self.host_path_fd = -1

    def waits(self, mode: int) -> bool:
        return any(w.flags & O_ACCMODE == mode for w in self.waiting)

    def end(self, flags: int) -> End:
        """A new open description of the FIFO."""
        if self.pipe is None and self.host_path_fd < 0:
            if not self.world.own_objects:
                self.host_path_fd = make_host_fifo()
            if self.host_path_fd < 0:
                self.pipe = Pipe()
        made = self.host_end(flags) if self.pipe is None else self.kernel_end(self.pipe, flags)
        made.on_release = self.left
        mode = flags & O_ACCMODE
        self.readers += mode in (O_RDONLY, O_RDWR)
        self.writers += mode in (O_WRONLY, O_RDWR)
        return made

    def kernel_end(self, pipe: Pipe, flags: int) -> PipeEnd:
        made = PipeEnd(pipe, flags, self.name)
        if flags & O_ACCMODE == O_RDONLY and not pipe.writers:
            made.silent = pipe.arrivals
        return made

    def host_end(self, flags: int) -> HostPipeEnd:
        import fcntl

        mode = flags & O_ACCMODE
        try:
            # Our own rendezvous decides who waits; the host must never.
            path = f"/proc/self/fd/{self.host_path_fd}"
            fd = os.open(path, mode | O_NONBLOCK | os.O_CLOEXEC)
            if flags & (O_NONBLOCK | O_DIRECT) != O_NONBLOCK:
                fcntl.fcntl(fd, fcntl.F_SETFL, flags & (O_NONBLOCK | O_DIRECT))
        except OSError as error:
            raise host_error(error) from None
        return HostPipeEnd(self.world.reactor, fd, flags, self.name)

    def grant(self, mode: int) -> None:
        """The partner of every open that waits in *mode* is here."""
        for w in list(self.waiting):
            if w.flags & O_ACCMODE == mode:
                for waiter in list(w.waiters):
                    self.granted[waiter] = self.end(w.flags)
                w.wake()

    def left(self, end: End) -> None:
        """*end* was closed."""
        mode = end.flags & O_ACCMODE
        self.readers -= mode in (O_RDONLY, O_RDWR)
        self.writers -= mode in (O_WRONLY, O_RDWR)
        for waiter in [w for w in self.granted if getattr(w, "exiting", False)]:
            self.granted.pop(waiter).release()  # killed between its wake-up and its second run
        self.retire()

    def retire(self) -> None:
        """Forget the buffer once nobody has the FIFO open."""
        if self.readers or self.writers or self.waiting or self.granted:
            return
        self.inode.fifo = None
        if self.host_path_fd >= 0:
            os.close(self.host_path_fd)
            self.host_path_fd = -1


def make_host_fifo() -> int:
    """An O_PATH descriptor of a host FIFO that has no name any more, or -1.

    Only a real FIFO has the FIFO's rules for POLLHUP; an anonymous pipe opened by /proc has not.
    """
    for directory in (os.environ.get("TMPDIR"), "/dev/shm", "/tmp"):
        if not directory:
            continue
        room = f"{directory}/.ring3-{os.getpid()}-{os.urandom(8).hex()}"
        try:
            os.mkdir(room, 0o700)
        except OSError:
            continue
        try:
            os.mkfifo(f"{room}/fifo", 0o600)
            fd = os.open(f"{room}/fifo", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            os.unlink(f"{room}/fifo")
            return fd
        except OSError:
            continue
        finally:
            os.rmdir(room)
    return -1


def open_fifo(world: Ground, inode: Inode, flags: int, waiter: Waiter) -> End:
    """Open the FIFO *inode* with *flags* (no creation flags) for *waiter*.

    *waiter* is the task whose call this is: its second run finds the end granted to it. Parks
    until the other side comes; with O_NONBLOCK, ENXIO for a writer without a reader.
    """
    fifo: Fifo | None = inode.fifo
    if fifo is None:
        if flags & (O_ACCMODE | O_NONBLOCK) == O_WRONLY | O_NONBLOCK:
            raise ENXIO("no reader")
        fifo = inode.fifo = Fifo(world, inode)
    granted = fifo.granted.pop(waiter, None)
    if granted is not None:
        return granted
    mode = flags & O_ACCMODE
    if mode == O_RDONLY:
        return meet(fifo, flags, fifo.writers, O_WRONLY)
    if mode == O_WRONLY:
        if flags & O_NONBLOCK and not fifo.readers and not fifo.waits(O_RDONLY):
            raise ENXIO("no reader")
        return meet(fifo, flags, fifo.readers, O_RDONLY)
    end = fifo.end(flags)
    fifo.grant(O_RDONLY)
    fifo.grant(O_WRONLY)
    return end


def meet(fifo: Fifo, flags: int, partners: int, partner_mode: int) -> End:
    """Make an end if a partner is there or is not waited for; else park."""
    if not partners and not flags & O_NONBLOCK and not fifo.waits(partner_mode):
        raise Park(Waiting(fifo, flags))
    # A host writer needs its reader there first, and a reader that waits no longer comes first.
    if flags & O_ACCMODE == O_WRONLY:
        fifo.grant(O_RDONLY)
        return fifo.end(flags)
    end = fifo.end(flags)
    fifo.grant(O_WRONLY)
    return end


def opener(world: Ground) -> Callable[[Walker, Place, int], End]:
    """What opens FIFOs for the file tree (``vfs.special.register``). Its *who* is a task."""

    def open_place(who: Walker, place: Place, flags: int) -> End:
        return open_fifo(world, place.dentry.inode, flags, cast("Waiter", who))

    return open_place
