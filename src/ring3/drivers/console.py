"""The caller's own terminal as the guest's: characters go through, job control is the guest's.

The host tty keeps characters and settings. Keys like ^C make the host signal ring3, which hands
them on (``forward``) to the guest's foreground group. The terminal has a number in the guest's
/dev/pts like any other.
"""

from __future__ import annotations

import os

from ring3.abi.fcntl import O_ACCMODE, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.signal import SIGCONT, SIGHUP, SIGWINCH
from ring3.drivers.ptytable import PTS_MAJOR, in_foreground, ptys_of
from ring3.drivers.requests import check_exclusive
from ring3.drivers.tty import TtyFile
from ring3.ipc.hostfile import host_error
from ring3.vfs.special import makedev

if TYPE_CHECKING:
    from ring3.drivers.ptytable import PtyTable
    from ring3.drivers.requests import Control
    from ring3.vfs.inode import Walker


class Console:
    """One terminal of the host."""

    def __init__(self, table: PtyTable, fd: int) -> None:
        self.table = table
        self.fd = os.dup(fd)
        """For opening it again, and for asking who is in the host's foreground."""
        os.set_inheritable(self.fd, False)
        self.index = table.number()
        self.uid = os.getuid()
        self.exclusive = False
        self.control: Control = table.world.terminals.make(makedev(PTS_MAJOR, self.index))
        self.control.changed = self.changed
        self.control.open = self.open
        self.files: list[ConsoleFile] = []

    def open(self, who: Walker, flags: int) -> ConsoleFile:
        """A further description of the terminal (/dev/tty, /dev/console, /dev/pts/N)."""
        check_exclusive(who, self.exclusive)
        wanted = flags & (O_ACCMODE | O_NONBLOCK) | O_NOCTTY | O_CLOEXEC
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", wanted)
        except OSError as error:
            raise host_error(error) from None
        file = ConsoleFile(self, fd, flags & ~O_NOCTTY)
        if not flags & O_NOCTTY:
            self.control.opened(who, flags & O_ACCMODE != O_WRONLY)
        return file

    def changed(self) -> None:
        """Who may read has changed: in the guest, or because ring3 went to the background."""
        for file in self.files:
            file.rebind()

    @property
    def in_front(self) -> bool:
        """Whether ring3 may read this terminal: it is in its foreground, or it is not ring3's."""
        return in_foreground(self.fd)


class ConsoleFile(TtyFile):
    __slots__ = ("console",)

    def __init__(self, console: Console, fd: int, flags: int) -> None:
        self.console = console
        world = console.table.world
        super().__init__(world.reactor, world.clock, fd, flags, console.control)
        console.files.append(self)

    def may_bind(self) -> bool:
        # A vehicle is in another session: the host would let it read from the background too.
        return super().may_bind() and self.console.in_front

    def read(self, size: int) -> bytes:
        if size and not self.pushed and not self.console.in_front:
            # ring3 is in the background of its own terminal: the host stops it (SIGTTIN) in this
            # read, or says EIO.
            if self.caller is not None:
                self.control.check_read(self.caller)
            self.second_description()
            if self.io != self.fd:
                return self.host_read(size)
        return super().read(size)

    def is_exclusive(self) -> bool:
        return self.console.exclusive

    def set_exclusive(self, on: bool) -> None:
        self.console.exclusive = on

    def release(self) -> None:
        if self in self.console.files:
            self.console.files.remove(self)
        super().release()


def console_for(world: Any, host_fd: int) -> Console:
    """The guest's terminal that stands for host tty *host_fd*, always the same one."""
    table = ptys_of(world)
    rdev = os.fstat(host_fd).st_rdev
    console: Console | None = table.consoles.get(rdev)
    if console is None:
        console = Console(table, host_fd)
        table.consoles[rdev] = table.pairs[console.index] = console
    return console


def open_console(world: Any, who: Walker, flags: int) -> ConsoleFile:
    """/dev/console: the first terminal the guest was given. ENXIO if there is none."""
    from ring3.abi.errno import ENXIO

    for console in ptys_of(world).consoles.values():
        file: ConsoleFile = console.open(who, flags)
        return file
    raise ENXIO("the guest was not started from a terminal")


# --- for the command line and the Python interface ---------------------------------------------
def forward(world: Any, signo: int) -> bool:
    """Hand a signal that ring3 got from its terminal on to the guest (kernel locked).

    False if no session of the guest has a terminal of the host: the caller decides then.
    """
    done = False
    for console in list(ptys_of(world).consoles.values()):
        control = console.control
        if control.session is None:
            continue
        done = True
        if signo == SIGCONT:
            console.changed()  # in the foreground again, or continued in the background
            control.resume()
        elif signo == SIGHUP:
            control.hang_up()
        elif signo == SIGWINCH and hasattr(console, "host_resized"):
            console.host_resized()  # tells the guest itself
        else:
            control.signal(signo)
    return done
