"""``--compare-entries``: the ways into the kernel side by side, on the emulated machine.

Each way is filmed once (its second call, when nothing is new any more), and timed over many calls
without probe or line tracing: the difference between one call's arrival at the gate and the next.
"""

from __future__ import annotations

import time

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.explain import side_by_side
from ring3.explain.compose import compose
from ring3.explain.film import Film
from ring3.explain.recorder import Recorder
from ring3.explain.selection import NoSuchCall, Selection
from ring3.explain.stub import Stub
from ring3.explain.tiny import WAYS, Way, program
from ring3.syscalls.table import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Kernel = Any  # ring3.kernel.Kernel stands above this room

TIMES: Final = 1000
LONGEST_S: Final = 20
FOLDER: Final = "/tmp"
UNFIT: Final = frozenset(
    "fork vfork clone clone3 execve execveat exit exit_group rt_sigreturn sigreturn pause"
    " rt_sigsuspend sigsuspend rt_sigtimedwait".split()
)
"""Calls that a loop cannot make again and again."""


class CannotCompare(Exception):
    """The text says why."""


class Take:
    """What was seen of one way."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.film: Film | None = None
        self.why = ""
        """Why there is no film."""
        self.us = 0.0
        self.blocks = 0
        self.stub: Stub | None = None

    def step(self, chapter: int, kind: str) -> dict[str, Any]:
        """The data of the first step of a kind, {} if there is none."""
        if self.film is None:
            return {}
        found = self.film.of(chapter, kind)
        return found[0].data if found else {}


class Clock:
    """An observer that notes when calls arrive."""

    def __init__(self, nr: int, machine: Any) -> None:
        self.nr = nr
        self.machine = machine
        self.ns: list[int] = []
        self.blocks: list[int] = []

    def enter(self, task: Any, nr: int, name: str, call: Any, args: Sequence[int]) -> None:
        if nr == self.nr:
            self.ns.append(time.perf_counter_ns())
            self.blocks.append(self.machine.hw.engine.blocks)

    def exit(self, *event: Any) -> None: ...
    def signal(self, *event: Any) -> None: ...
    def stopped(self, *event: Any) -> None: ...
    def exited(self, *event: Any) -> None: ...
    def started(self, *event: Any) -> None: ...
    def superseded(self, *event: Any) -> None: ...


def compare_entries(name: str, make_kernel: Callable[[], Kernel]) -> Film:
    """The comparison as a film. CannotCompare."""
    if name in UNFIT:
        raise CannotCompare(f"{name} cannot be called in a loop; take one that returns (getpid)")
    takes = []
    for way in WAYS:
        nr = number_of(name, way)
        take = Take(way)
        takes.append(take)
        record(take, name, nr, make_kernel)
        if take.film is not None:
            measure(take, nr, make_kernel)
    if all(take.film is None for take in takes):
        raise CannotCompare(f"no way in worked: {takes[0].why}")
    steps = side_by_side.steps(name, takes)
    first = next(take.film for take in takes if take.film is not None)
    header = {
        **first.header, "program": ["(tiny programs)"], "nth": 1, "abi": "x86_64 and i386",
        "line": f"{name}() by every way into the kernel", "call": name, "comparison": True,
    }  # fmt: skip
    return Film(header, steps).cleaned()


def number_of(name: str, way: Way) -> int:
    """The call's number by that way. CannotCompare."""
    from ring3.abi.types import I386, X86_64

    known = numbers(X86_64 if way.abi == "x86_64" else I386)
    if name not in known:
        try:
            Selection(name)
        except NoSuchCall as bad:
            raise CannotCompare(str(bad)) from None
        raise CannotCompare(f"{way.abi} has no {name}, so the ways in cannot be compared with it")
    return known[name]


def record(take: Take, name: str, nr: int, make_kernel: Callable[[], Kernel]) -> None:
    recorder = Recorder(Selection(name, nth=2))
    kernel = booted(make_kernel)
    path = f"{FOLDER}/{take.way.key}"
    try:
        with kernel.lock:
            recorder.attach(kernel.world, kernel.supervision.gate)
        status = run(kernel, path, program(take.way, nr, 3))
        with kernel.lock:
            recorder.detach()
        if recorder.tape is None or not recorder.chosen:
            take.why = f"{take.way.title} did not arrive (wait status {status:#x})"
            return
        image = program(take.way, nr, 3)
        take.film = compose(recorder.tape, [path], lambda name: image if name == path else None)
        take.stub = Stub.of(kernel.machine, take.step(8, "return").get("kind"), take.way)
    except OSError as bad:
        take.why = f"{take.way.title}: {bad.strerror}"
    finally:
        kernel.close()


def measure(take: Take, nr: int, make_kernel: Callable[[], Kernel]) -> None:
    """Median time and blocks of a whole call, the two instructions of the loop included."""
    from statistics import median

    kernel = booted(make_kernel)
    try:
        clock = Clock(nr, kernel.machine)
        kernel.add_observer(clock)
        run(kernel, f"{FOLDER}/{take.way.key}", program(take.way, nr, TIMES))
    finally:
        kernel.close()
    if len(clock.ns) > 2:
        take.us = median(b - a for a, b in zip(clock.ns, clock.ns[1:], strict=False)) / 1000
        take.blocks = int(
            median(b - a for a, b in zip(clock.blocks, clock.blocks[1:], strict=False))
        )


def booted(make_kernel: Callable[[], Kernel]) -> Kernel:
    try:
        return make_kernel()
    except (OSError, ValueError, ImportError) as bad:
        raise CannotCompare(f"the emulated machine does not start: {bad}") from None


def run(kernel: Kernel, path: str, data: bytes) -> int:
    """Put a program into the guest's tree and run it to its end; the wait status."""
    from ring3.vfs.open import open_at

    write_program(kernel, path, data, open_at)
    guest = kernel.spawn([path], env={}, cwd="/", stdin=None, stdout=None, stderr=None)
    try:
        return int(guest.wait(LONGEST_S))
    except TimeoutError:
        raise CannotCompare(f"{path} did not end within {LONGEST_S} s") from None


def write_program(kernel: Kernel, path: str, data: bytes, open_at: Any) -> None:
    from ring3.abi.errno import Errno
    from ring3.abi.fcntl import O_CREAT, O_TRUNC, O_WRONLY

    who = Installer(kernel)
    with kernel.lock:
        try:
            file = open_at(who, None, path.encode(), O_WRONLY | O_CREAT | O_TRUNC, 0o755)
            file.hold()
            file.write(data)
            file.drop()
        except Errno as bad:
            raise OSError(bad.number, bad.reason or bad.text, path) from None


class Installer:
    """Who writes the programs: the guest's user at the root of its tree."""

    def __init__(self, kernel: Kernel) -> None:
        from ring3.task.credentials import Credentials
        from ring3.vfs.context import FsContext
        from ring3.vfs.path import Place

        root = Place(kernel.view.table.root, kernel.view.table.root.root)
        self.fs = FsContext(root, root, 0o022)
        self.cred = Credentials(kernel.uid, kernel.gid, kernel.groups)
