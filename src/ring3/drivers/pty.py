"""Pseudo-terminals: host pairs underneath, numbered and guarded by us.

The host's line discipline edits, echoes and buffers. It has nobody to signal, for vehicles have no
controlling terminal; so what goes into a master passes here, and keys like ^C become signals to
the slave's foreground. A master is therefore never bound; slaves may be (``tty``).
"""

from __future__ import annotations

import os

from ring3.abi import ioctl as io
from ring3.abi.errno import EAGAIN, EINVAL, EIO, ENODEV, ENOTTY
from ring3.abi.fcntl import O_ACCMODE, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.poll import POLLERR, POLLHUP, POLLIN
from ring3.abi.signal import SIGINT, SIGQUIT, SIGTSTP, SIGWINCH
from ring3.core.hostos import fcntl
from ring3.core.park import Park
from ring3.drivers.ptytable import PTS_MAJOR
from ring3.drivers.requests import AT_ONCE, JOB_REQUESTS, READING, SETTING, check_exclusive
from ring3.drivers.tty import Settings, TtyFile, ask_host, settings_of
from ring3.ipc.hostfile import HostStream, host_error
from ring3.vfs.special import makedev

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.drivers.ptytable import PtyTable
    from ring3.drivers.requests import Control
    from ring3.vfs.inode import Walker

KEYS = ((io.VINTR, SIGINT), (io.VQUIT, SIGQUIT), (io.VSUSP, SIGTSTP))
DISABLED = 0
"""_POSIX_VDISABLE: a control character that is switched off."""


class PtyPair:
    """A master and its slaves."""

    def __init__(self, table: PtyTable, index: int, fd: int, uid: int) -> None:
        self.table = table
        self.index = index
        self.fd = fd
        """The master's host descriptor, -1 once it was closed."""
        self.uid = uid
        self.locked = True
        self.exclusive = False
        self.control: Control = table.world.terminals.make(makedev(PTS_MAJOR, index))
        self.control.changed = self.changed
        self.control.open = self.open
        self.slaves: list[PtySlave] = []

    def open(self, who: Walker, flags: int) -> PtySlave:
        """Another open description of the slave. EIO if locked or hung up."""
        if self.locked or self.fd < 0:
            raise EIO("locked" if self.fd >= 0 else "the master was closed")
        check_exclusive(who, self.exclusive)
        wanted = flags & (O_ACCMODE | O_NONBLOCK) | O_NOCTTY | O_CLOEXEC
        try:
            fd = fcntl.ioctl(self.fd, io.TIOCGPTPEER, wanted)
        except OSError as error:
            raise host_error(error) from None
        slave = PtySlave(self, fd, flags & ~O_NOCTTY)
        if not flags & O_NOCTTY:
            self.control.opened(who, flags & O_ACCMODE != O_WRONLY)
        return slave

    def changed(self) -> None:
        for slave in self.slaves:
            slave.rebind()

    def hang_up(self) -> None:
        """The master was closed: readers and writers of the slave find out from the host."""
        self.fd = -1
        self.table.forget(self)
        self.control.hang_up()


class PtySlave(TtyFile):
    __slots__ = ("pair",)

    def __init__(self, pair: PtyPair, fd: int, flags: int) -> None:
        self.pair = pair
        world = pair.table.world
        super().__init__(world.reactor, world.clock, fd, flags, pair.control)
        pair.slaves.append(self)

    def is_exclusive(self) -> bool:
        return self.pair.exclusive

    def set_exclusive(self, on: bool) -> None:
        self.pair.exclusive = on

    def release(self) -> None:
        if self in self.pair.slaves:
            self.pair.slaves.remove(self)
        super().release()


class PtyMaster(HostStream):
    """The other end of a terminal. The host's description never blocks: nothing is bound to it,
    and O_NONBLOCK is the guest's own flag here."""

    __slots__ = ("caller", "pair", "quoted")
    kind: ClassVar[str] = "tty"
    wants_caller: ClassVar[bool] = True

    def __init__(self, pair: PtyPair, fd: int, flags: int) -> None:
        world = pair.table.world
        super().__init__(world.reactor, fd, flags & ~O_NOCTTY)
        self.bind_fd = None
        self.pair = pair
        self.caller: Any = None
        self.quoted = False
        """The last key was VLNEXT: the next one is taken literally."""

    def called_by(self, task: Any) -> None:
        self.caller = task

    def set_status(self, flags: int) -> None:
        self.flags = flags

    # --- data ----------------------------------------------------------------------------------
    def host_read(self, size: int) -> bytes:
        if not self.poll() & (POLLIN | POLLHUP | POLLERR):
            self.wait()
        try:
            return os.read(self.fd, size)
        except BlockingIOError:
            self.wait()
        except OSError as error:
            raise host_error(error) from None

    def read(self, size: int) -> bytes:
        if self.pushed or not size:
            return super().read(size)
        return self.host_read(size)

    def write(self, data: bytes) -> int:
        if not data:
            return 0
        settings = settings_of(self.fd)
        try:
            done = os.write(self.fd, data)
        except BlockingIOError:
            raise self.full() from None
        except OSError as error:
            raise host_error(error) from None
        if settings.lflag & io.ISIG and not settings.lflag & io.EXTPROC:
            self.signal_keys(data[:done], settings)
        return done

    def full(self) -> Exception:
        """The slave's buffer is full: later."""
        return EAGAIN() if self.flags & O_NONBLOCK else Park(self.queue, restart=self.restart)

    def signal_keys(self, data: bytes, settings: Settings) -> None:
        """Send the signals of the keys in *data* to the slave's foreground, in order."""
        cc = settings.cc
        keys = {cc[which]: signo for which, signo in KEYS if cc[which] != DISABLED}
        quotes: list[int] = []
        if settings.canonical and settings.lflag & io.IEXTEN and cc[io.VLNEXT] != DISABLED:
            quotes = [cc[io.VLNEXT]]
        if settings.iflag & io.ISTRIP:
            data = bytes(byte & 0x7F for byte in data)
        if not self.quoted and not any(key in data for key in (*keys, *quotes)):
            return
        for key in data:
            if self.quoted:
                self.quoted = False
            elif key in quotes:
                self.quoted = True
            elif key in keys:
                self.pair.control.signal(keys[key])

    # --- requests ------------------------------------------------------------------------------
    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        pair = self.pair
        if request == io.TIOCNOTTY:
            raise ENOTTY("a master is no controlling terminal")
        if request in JOB_REQUESTS:
            return pair.control.control(self.caller, memory, request, arg, True)
        if request in READING:
            memory.store(arg, ask_host(self.fd, request, bytes(READING[request])))
            return 0
        if request in SETTING:
            size = SETTING[request]
            ask_host(self.fd, AT_ONCE[size], memory.load(arg, size))
            return 0
        if request == io.TIOCSWINSZ:
            size_wanted = memory.load(arg, 8)
            if ask_host(self.fd, io.TIOCGWINSZ, bytes(8)) != size_wanted:
                ask_host(self.fd, request, size_wanted)
                pair.control.signal(SIGWINCH)
            return 0
        if request == io.TIOCGPTN:
            memory.store(arg, pair.index.to_bytes(4, "little"))
            return 0
        if request == io.TIOCGPTPEER:
            return self.open_peer(arg)
        return self.rare(memory, request, arg)

    def rare(self, memory: Memory, request: int, arg: int) -> int:
        pair = self.pair
        if request == io.TIOCSPTLCK:
            pair.locked = any(memory.load(arg, 4))
        elif request == io.TIOCGPTLCK:
            memory.store(arg, int(pair.locked).to_bytes(4, "little"))
        elif request == io.TIOCPKT:
            ask_host(self.fd, request, memory.load(arg, 4))
        elif request == io.TIOCGPKT:
            memory.store(arg, ask_host(self.fd, request, bytes(4)))
        elif request == io.TIOCSIG:
            if arg not in (SIGINT, SIGQUIT, SIGTSTP):
                raise EINVAL("only the signals of keys")
            pair.control.signal(arg)
        elif request in (io.TCFLSH, io.TCXONC):
            try:
                fcntl.ioctl(self.fd, request, arg & 0x7FFFFFFF)
            except OSError as error:
                raise host_error(error) from None
        elif request in (io.TCSBRK, io.TCSBRKP, io.TIOCSBRK, io.TIOCCBRK):
            return 0  # output is handed over at once, and there is no line to break
        else:
            return super().ioctl(memory, request, arg)
        return 0

    def open_peer(self, flags: int) -> int:
        """TIOCGPTPEER: the slave as a new descriptor of the caller."""
        slave = self.pair.open(self.caller, flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK))
        place = self.pair.table.place(self.pair.index)
        if place is not None:
            slave.attach(place)
        number: int = self.caller.fds.install(slave, cloexec=bool(flags & O_CLOEXEC))
        return number

    def release(self) -> None:
        if not self.gone:
            super().release()
            self.pair.hang_up()


def new_pair(table: PtyTable, who: Walker, flags: int) -> PtyMaster:
    """/dev/ptmx: a host pair with a number of ours. ENOSPC, ENODEV."""
    index = table.number()
    try:
        fd = os.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        fcntl.ioctl(fd, io.TIOCSPTLCK, bytes(4))
    except FileNotFoundError:
        raise ENODEV("the host has no /dev/ptmx") from None
    except OSError as error:
        raise host_error(error) from None
    pair = PtyPair(table, index, fd, who.cred.fsuid)
    table.pairs[index] = pair
    return PtyMaster(pair, fd, flags)
