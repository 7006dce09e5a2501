"""What the machine's probe tells of the chosen call.

The way in comes before anybody can know which call it is, so the last steps of every thread are
kept until it is known. The kernel's own looks at memory for the film (``ours``) are left out.
"""

from __future__ import annotations

from collections import deque

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.explain.tape import Tape
    from ring3.task.task import Task

KEPT = 64
WAYS_IN = ("syscall", "sysenter", "int", "call_gate")


class Quiet:
    """While it is open, what the machine does is the film's own doing."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware

    def __enter__(self) -> None:
        self.hardware.muted += 1

    def __exit__(self, *exc: object) -> None:
        self.hardware.muted -= 1


class Hardware:
    def __init__(self) -> None:
        self.machine: Any = None
        self.recent: deque[tuple[str, dict[str, Any]]] = deque(maxlen=KEPT)
        self.tape: Tape | None = None
        self.muted = 0
        self.depth = 0
        """Entries to ring 0 since the call's own that have not returned."""
        self.away = False
        """Another thread has the CPU."""

    def attach(self, machine: Any) -> None:
        if hasattr(machine, "probe"):
            self.machine = machine
            machine.probe = self.step

    def detach(self) -> None:
        if self.machine is not None:
            self.machine.probe = None

    def ours(self) -> Quiet:
        return Quiet(self)

    def begin(self, tape: Tape, task: Task) -> None:
        """The call whose way in was the last one is *tape*'s."""
        past = list(self.recent)
        self.recent.clear()
        self.tape, self.depth, self.away = tape, 1, False
        for at in range(len(past) - 1, -1, -1):
            name, details = past[at]
            if name == "entry" and details.get("kind") in WAYS_IN:
                for kept, told in past[at:]:
                    tape.note("hardware", name=kept, details=told, before=True)
                return

    def end(self, tape: Tape) -> None:
        if self.tape is tape:
            self.tape = None

    def step(self, name: str, details: dict[str, Any]) -> None:
        """The machine's probe."""
        if self.muted:
            return
        tape = self.tape
        if tape is None:
            self.recent.append((name, dict(details)))
            return
        tape.note("hardware", name=name, details=dict(details), after=tape.over)
        if name == "switch":
            self.away = not self.away
        elif self.away:
            self.recent.append((name, dict(details)))
        elif name == "entry":
            self.depth += 1
        elif name == "return":
            self.depth -= 1
            if self.depth <= 0 and tape.over:
                tape.back = True
                self.tape = None
