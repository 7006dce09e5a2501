"""Open terminals over a host tty: the host's line discipline, our job control.

The host keeps characters, settings and window size. Who may read and write, and whom keys signal,
is decided here (``Control``, task/terminal.py): vehicles have no controlling terminal, so the host
would let everybody. While there are no background processes the descriptor may be bound.
"""

from __future__ import annotations

import os

from ring3.abi import ioctl as io
from ring3.abi.errno import EAGAIN, EINVAL, EIO, ENOTTY, EPERM
from ring3.abi.fcntl import O_ACCMODE, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.poll import POLLERR, POLLHUP, POLLIN
from ring3.abi.signal import SIGWINCH
from ring3.core.hostos import fcntl
from ring3.core.park import RESTART_NEVER, Park
from ring3.drivers.requests import (
    AT_ONCE,
    BY_VALUE,
    FLUSHING,
    JOB_REQUESTS,
    READING,
    SETTING,
    TENTH_NS,
    TERMIOS,
    wait_for_more,
)
from ring3.ipc.hostfile import HostStream, host_error
from ring3.vfs import file as files

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.core.reactor import Reactor
    from ring3.drivers.requests import Control

DRAIN_STEP_NS = 5_000_000
LFLAG, CC = 12, 17
"""Offsets in struct termios: c_lflag, c_cc."""


def ask_host(fd: int, request: int, data: bytes) -> bytes:
    """A request of the host's terminal: what it puts in place of *data*. Errors are the host's."""
    try:
        found: bytes = fcntl.ioctl(fd, request, data)
        return found
    except OSError as error:
        raise host_error(error) from None


class Settings:
    """What the kernel wants to know of a terminal's settings."""

    __slots__ = ("cc", "iflag", "lflag")

    def __init__(self, raw: bytes) -> None:
        self.iflag = int.from_bytes(raw[:4], "little")
        self.lflag = int.from_bytes(raw[LFLAG : LFLAG + 4], "little")
        self.cc = raw[CC : CC + io.NCCS]

    @property
    def canonical(self) -> bool:
        return bool(self.lflag & io.ICANON)


def settings_of(fd: int) -> Settings:
    """The settings of host tty *fd*. EIO if it was hung up."""
    try:
        return Settings(fcntl.ioctl(fd, io.TCGETS, bytes(TERMIOS)))
    except OSError as error:
        raise host_error(error) from None


class TtyFile(HostStream):
    """One open description of a terminal. *control* None: a tty that is nobody's terminal."""

    __slots__ = ("caller", "clock", "control", "partial")
    kind: ClassVar[str] = "tty"
    wants_caller: ClassVar[bool] = True

    def __init__(self, reactor: Reactor, clock: Any, fd: int, flags: int, control: Control) -> None:
        super().__init__(reactor, fd, flags)
        self.clock = clock
        self.control = control
        self.caller: Any = None
        """Whose call is under way (``called_by``)."""
        self.partial: dict[Any, tuple[int, int]] = {}
        """Readers that wait for more by VTIME: (deadline, bytes there at the last look)."""
        if not self.may_bind():
            self.bind_fd = None

    def called_by(self, task: Any) -> None:
        self.caller = task

    # --- binding -------------------------------------------------------------------------------
    def may_bind(self) -> bool:
        """Whether I/O may go straight to the host now."""
        return not self.control.shared

    def rebind(self) -> None:
        """The session changed: let go of, or grant, the host's descriptor."""
        wanted = self.fd if self.may_bind() else None
        if wanted != self.bind_fd and not self.gone:
            self.bind_fd = wanted
            files.rebound(self)

    # --- data ----------------------------------------------------------------------------------
    def second_description(self) -> None:
        """A description that does not block, for the kernel's own I/O."""
        if self.io == self.fd:
            how = self.flags & O_ACCMODE | O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            try:
                self.io = os.open(f"/proc/self/fd/{self.fd}", how)
            except OSError:
                self.io = self.fd  # hung up, exclusive, or another user's: look before each step

    def read(self, size: int) -> bytes:
        if self.caller is not None:
            self.control.check_read(self.caller)
        if self.pushed:
            data, self.pushed = self.pushed[:size], self.pushed[size:]
            return data
        if not size:
            return b""
        ready = self.poll()
        if not ready & (POLLHUP | POLLERR):  # settings of a line that was hung up cannot be read
            if ready & POLLIN:
                self.await_more()
            elif self.ends_empty():
                return b""
        return self.host_read(size)

    def host_read(self, size: int) -> bytes:
        self.second_description()
        try:
            data = os.read(self.io, size)
        except BlockingIOError:
            self.wait()
        except OSError as error:
            raise host_error(error) from None
        self.partial.pop(self.caller, None)
        return data

    def ends_empty(self) -> bool:
        """Nothing can be read yet: wait as VMIN and VTIME say. True if the read ends now."""
        settings = settings_of(self.fd)
        if settings.canonical or settings.cc[io.VMIN]:
            self.wait()
        patience = settings.cc[io.VTIME] * TENTH_NS
        if patience:
            if self.flags & O_NONBLOCK:
                raise EAGAIN
            self.wait_until(patience, 0)
        return True

    def await_more(self) -> None:
        """There is something: with VMIN and VTIME both set, a read ends when VMIN bytes are there
        or none has come for VTIME tenths of a second."""
        settings = settings_of(self.fd)
        least, patience = settings.cc[io.VMIN], settings.cc[io.VTIME] * TENTH_NS
        if settings.canonical or not patience or least <= 1 or self.flags & O_NONBLOCK:
            return
        there = int.from_bytes(fcntl.ioctl(self.fd, io.FIONREAD, bytes(4)), "little")
        if there < least:
            self.wait_until(patience, there)

    def wait_until(self, patience: int, there: int) -> None:
        wait_for_more(self, self.queue, self.restart, patience, there)

    def write(self, data: bytes) -> int:
        self.check_output()
        if not data:
            return 0
        self.second_description()
        try:
            if self.io == self.fd and not self.flags & O_NONBLOCK:
                return self.careful_write(data)
            return os.write(self.io, data)
        except BlockingIOError:
            self.wait()
        except OSError as error:
            raise host_error(error) from None

    def check_output(self) -> None:
        if self.caller is not None and self.control.shared:
            if settings_of(self.fd).lflag & io.TOSTOP:
                self.control.check_change(self.caller)

    # --- requests ------------------------------------------------------------------------------
    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        if request in JOB_REQUESTS:
            return self.control.control(self.caller, memory, request, arg, False)
        if request in READING:
            memory.store(arg, self.ask(request, bytes(READING[request])))
            return 0
        if request == io.FIONREAD:
            return super().ioctl(memory, request, arg)
        if request in SETTING:
            return self.set_terminal(memory, request, arg)
        if request == io.TIOCSWINSZ:
            self.resize(memory.load(arg, 8))
            return 0
        if request in BY_VALUE:
            self.control.check_change(self.caller)
            return self.tell(request, arg)
        return self.rare(memory, request, arg)

    def set_terminal(self, memory: Memory, request: int, arg: int) -> int:
        """tcsetattr(3). The waiting variants wait here, never in the host."""
        self.control.check_change(self.caller)
        size = SETTING[request]
        data = memory.load(arg, size)
        if request != AT_ONCE[size]:
            self.drain()
        if request in FLUSHING:
            self.tell(io.TCFLSH, io.TCIFLUSH)
        self.ask(AT_ONCE[size], data)
        return 0

    def rare(self, memory: Memory, request: int, arg: int) -> int:
        if request in (io.TCSBRK, io.TCSBRKP, io.TIOCSBRK, io.TIOCCBRK):
            self.control.check_change(self.caller)
            self.drain()
            return 0  # a break is a condition of a serial line; ptys have none
        if request == io.TIOCSETD:
            self.control.check_change(self.caller)
            if int.from_bytes(memory.load(arg, 4), "little"):
                raise EINVAL("only the ordinary line discipline")
            return 0
        if request == io.TIOCGDEV:
            memory.store(arg, (self.control.rdev & 0xFFFFFFFF).to_bytes(4, "little"))
            return 0
        if request == io.TIOCGEXCL:
            memory.store(arg, int(self.is_exclusive()).to_bytes(4, "little"))
            return 0
        if request in (io.TIOCEXCL, io.TIOCNXCL):
            self.set_exclusive(request == io.TIOCEXCL)
            return 0
        if request == io.TIOCSTI:
            raise EIO("injecting input is never allowed (as with dev.tty.legacy_tiocsti=0)")
        if request in (io.TIOCCONS, io.TIOCVHANGUP, io.TIOCSLCKTRMIOS):
            raise EPERM("not on this terminal")
        raise ENOTTY

    def ask(self, request: int, data: bytes) -> bytes:
        return ask_host(self.fd, request, data)

    def tell(self, request: int, value: int) -> int:
        try:
            found: int = fcntl.ioctl(self.fd, request, value & 0x7FFFFFFF)
            return found
        except OSError as error:
            raise host_error(error) from None

    def drain(self) -> None:
        """Wait until the host has sent all output."""
        if any(self.ask(io.TIOCOUTQ, bytes(4))):
            now = self.clock.monotonic_ns()
            raise Park(deadline_ns=now + DRAIN_STEP_NS, restart=RESTART_NEVER)

    def resize(self, size: bytes) -> None:
        """Set the window size (rows, columns, pixels); a change is told to the foreground."""
        if self.ask(io.TIOCGWINSZ, bytes(8)) != size:
            self.ask(io.TIOCSWINSZ, size)
            self.control.signal(SIGWINCH)

    # --- exclusive use: kept here, so that the host's own users are not shut out -----------------
    def is_exclusive(self) -> bool:
        return False

    def set_exclusive(self, on: bool) -> None:
        raise EPERM("the terminal is the host's")

    def release(self) -> None:
        self.partial.clear()
        super().release()
