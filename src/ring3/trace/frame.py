"""What a printer of calls works with: one thread's call, its memory, and how to print."""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.misc import PATH_MAX
from ring3.trace import text
from ring3.trace.names import names
from ring3.trace.text import ABBREV, HEX_NEVER, RAW, addr, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.abi.types import Memory
    from ring3.task.task import Task

    Decoder = Callable[["Frame", int], str]
    """Prints one argument: the frame and the argument's register."""


class Style:
    """How to print: what strace's options of the group "Output format" say."""

    __slots__ = ("consts", "fds", "hexes", "names", "pids", "strlen", "verbose")

    def __init__(self) -> None:
        self.strlen = 32
        """-s"""
        self.hexes = HEX_NEVER
        """-x"""
        self.consts = ABBREV
        """-X"""
        self.verbose = False
        """-v: no abbreviations"""
        self.fds = 0
        """-y: 1, -yy: 2"""
        self.pids = False
        """-Y: command names after process ids"""
        self.names = False
        """-N: names of arguments"""


class Frame:
    """One thread and the call it is in."""

    __slots__ = (
        "abbrev", "abi", "args", "aux", "entered_ns", "failed", "last", "memory", "nr", "pending",
        "plan", "result", "saved", "shown", "style", "task", "tid", "took_ns", "who", "word",
    )  # fmt: skip

    def __init__(self, task: Task, style: Style) -> None:
        self.task = task
        self.tid: int = task.tid
        self.who = ""
        """The leader of this thread's lines, where it is always the same."""
        self.style = style
        self.abbrev = not style.verbose
        self.abi = "x86_64"
        self.word = 64
        self.memory: Memory
        self.args: Sequence[int] = ()
        self.nr = 0
        self.result = 0
        self.failed = False
        self.saved: Any = None
        """What the entry decoder keeps for the exit decoder."""
        self.aux = ""
        """Text behind the result, in parentheses."""
        self.last = ""
        """The call that restart_syscall(2) goes on with."""
        self.shown = ""
        """The result as text, where the call's exit printer knows better than its plan."""
        self.entered_ns = 0
        self.took_ns = 0
        self.pending = ""
        """The line so far, while the call is under way and nobody has seen it."""
        self.plan: Any = None

    # --- memory ----------------------------------------------------------------------------
    def load(self, at: int, size: int) -> bytes | None:
        """*size* bytes, or None where they cannot be read."""
        if not at:
            return None
        try:
            return self.memory.load(at, size)
        except EFAULT:
            return None

    def number(self, at: int, size: int = 4, signed: bool = False) -> int | None:
        data = self.load(at, size)
        return None if data is None else int.from_bytes(data, "little", signed=signed)

    def string(self, at: int, limit: int) -> tuple[bytes, bool] | None:
        """(bytes before the NUL, whether the NUL came within *limit* bytes); None: EFAULT."""
        if not at:
            return None
        try:
            found = self.memory.load_string(at, limit)
            if found is None:
                return self.memory.load(at, limit), False
            return found, True
        except EFAULT:
            return None

    # --- words -----------------------------------------------------------------------------
    def flags(self, which: str, value: int) -> str:
        return names(which, self.abi).flags(value, self.style.consts)

    def enum(self, which: str, value: int) -> str:
        return names(which, self.abi).enum(value, self.style.consts)

    def styled(self, value: int, name: str) -> str:
        """*value*, of which *name* is the abbreviated form, as -X wants it."""
        style = self.style.consts
        if style == ABBREV:
            return name
        return text.hexed(value) if style == RAW else f"{text.hexed(value)} /* {name} */"

    def quote(self, data: bytes) -> str:
        return quote(data, self.style.hexes)

    def cut(self, data: bytes) -> str:
        """*data* quoted, cut after -s bytes."""
        most = self.style.strlen
        if len(data) <= most:
            return quote(data, self.style.hexes)
        return quote(data[:most], self.style.hexes) + "..."

    def path(self, at: int) -> str:
        """A path: never cut below PATH_MAX."""
        if not at:
            return "NULL"
        try:
            found = self.memory.load_string(at, PATH_MAX)
            if found is not None:
                return quote(found, self.style.hexes)
            return quote(self.memory.load(at, PATH_MAX), self.style.hexes) + "..."
        except EFAULT:
            return addr(at)

    def text(self, at: int) -> str:
        """A string, cut after -s bytes."""
        most = self.style.strlen
        found = self.string(at, most + 1)
        if found is None:
            return addr(at)
        if found[1]:
            return self.quote(found[0])
        return self.quote(found[0][:most]) + "..."

    def buffer(self, at: int, size: int) -> str:
        """A buffer of *size* bytes."""
        if not at:
            return "NULL"
        most = self.style.strlen
        if size <= most:
            data = self.load(at, size) if size else b""
            return addr(at) if data is None else quote(data, self.style.hexes)
        data = self.load(at, most)
        return addr(at) if data is None else quote(data, self.style.hexes) + "..."

    def fd(self, value: int) -> str:
        number = text.signed(value)
        if not self.style.fds:
            return str(number)
        return str(number) + self.fd_path(number)

    def fd_path(self, number: int) -> str:
        """``</path>`` of a descriptor, or nothing."""
        file = self.task.fds.files.get(number)
        if file is None:
            return ""
        from ring3.trace.descriptors import described

        return described(self, file)

    def array(self, at: int, count: int, size: int, show: Callable[[bytes], str]) -> str:
        """``[a, b]`` of *count* elements of *size* bytes.

        Cut after -s elements unless -v; where memory ends in the middle, its address is told.
        """
        if not at:
            return "NULL"
        if count == 0:
            return "[]"
        if count >> 59:
            return addr(at)  # its size in bytes does not even fit into a register
        most = min(count, self.style.strlen) if self.abbrev else count
        shown = []
        data = self.load(at, most * size)
        for i in range(most):
            one = (
                self.load(at + i * size, size) if data is None else data[i * size : i * size + size]
            )
            if one is None:
                if not i:
                    return addr(at)
                shown.append(f"... /* {addr(at + i * size)} */")
                return "[" + ", ".join(shown) + "]"
            shown.append(show(one))
        if most < count:
            shown.append("...")
        return "[" + ", ".join(shown) + "]"
