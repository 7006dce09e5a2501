"""ioctl(2) requests of terminals, sorted; and who decides about jobs. No host needed."""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EBUSY
from ring3.abi.hints import TYPE_CHECKING, Any, Protocol
from ring3.core.park import Park, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.abi.types import Memory

    class Control(Protocol):
        """Job control of one terminal (task.terminal.Terminal)."""

        rdev: int
        session: Any
        changed: Callable[[], None]
        open: Callable[[Any, int], Any] | None

        @property
        def shared(self) -> bool: ...
        def check_read(self, t: Any) -> None: ...
        def check_change(self, t: Any) -> None: ...
        def control(self, t: Any, memory: Memory, request: int, arg: int, master: bool) -> int: ...
        def opened(self, t: Any, readable: bool) -> None: ...
        def signal(self, signo: int) -> None: ...
        def hang_up(self) -> None: ...
        def attach(self, session: Any) -> None: ...
        def resume(self) -> None: ...


JOB_REQUESTS = frozenset((io.TIOCGPGRP, io.TIOCSPGRP, io.TIOCGSID, io.TIOCSCTTY, io.TIOCNOTTY))
TERMIOS, TERMIOS2, TERMIO = 36, 44, 18
"""Sizes of struct termios, termios2 and termio."""
READING = {
    io.TCGETS: TERMIOS,
    io.TCGETS2: TERMIOS2,
    io.TCGETA: TERMIO,
    io.TIOCGWINSZ: 8,
    io.TIOCOUTQ: 4,
    io.TIOCGETD: 4,
    io.TIOCGLCKTRMIOS: TERMIOS,
    io.TIOCGSOFTCAR: 4,
}
"""Requests that the host answers: size of the answer."""
SETTING = {
    io.TCSETS: TERMIOS,
    io.TCSETS2: TERMIOS2,
    io.TCSETA: TERMIO,
    io.TCSETSF: TERMIOS,
    io.TCSETSF2: TERMIOS2,
    io.TCSETAF: TERMIO,
    io.TCSETSW: TERMIOS,
    io.TCSETSW2: TERMIOS2,
    io.TCSETAW: TERMIO,
}
"""Requests that change settings: size of the argument."""
AT_ONCE = {TERMIOS: io.TCSETS, TERMIOS2: io.TCSETS2, TERMIO: io.TCSETA}
"""The variant that neither waits nor flushes, by the size of the argument."""
FLUSHING = frozenset((io.TCSETSF, io.TCSETSF2, io.TCSETAF))
BY_VALUE = frozenset((io.TCXONC, io.TCFLSH))
"""Requests whose argument is a number; they are changes."""
TENTH_NS = 100_000_000


def check_exclusive(who: Any, exclusive: bool) -> None:
    if exclusive and not who.cred.capable(CAP_SYS_ADMIN):
        raise EBUSY("opened for exclusive use (TIOCEXCL)")


def wait_for_more(file: Any, queue: WaitQueue, restart: int, patience: int, there: int) -> None:
    """VTIME: wait until *patience* ns have passed since the count of characters last changed.

    *there* is the count now; what it was, and until when to wait, is kept in ``file.partial``.
    """
    now = file.clock.monotonic_ns()
    deadline, seen = file.partial.get(file.caller, (0, -1))
    if seen != there:
        deadline = now + patience
        file.partial[file.caller] = deadline, there
    if now < deadline:
        raise Park(queue, deadline_ns=deadline, restart=restart)
    file.partial.pop(file.caller, None)
