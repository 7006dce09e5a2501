"""What the machine's probe tells of the chosen call.

The way in comes before anybody can know which call it is, so the last steps are kept until it is
known. The kernel's own looks at memory for the film (``ours``) are left out, and so is what the
CPU did for other threads, but for a short note of each switch.
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
        self.away = False
        """Another thread has the CPU."""
        self.inside = False
        """The call's handler runs, perhaps on the CPU of whoever woke it."""

    def attach(self, machine: Any) -> None:
        if hasattr(machine, "probe"):
            self.machine = machine
            machine.probe = self.step

    def detach(self) -> None:
        if self.machine is not None:
            self.machine.probe = None
            self.machine = None

    def ours(self) -> Quiet:
        return Quiet(self)

    def begin(self, tape: Tape, task: Task) -> None:
        """The call whose way in was the last one is *tape*'s."""
        past = list(self.recent)
        self.recent.clear()
        self.tape, self.away = tape, False
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
        if name == "switch":
            self.away = details.get("to") != tape.tid
        elif self.away and not self.inside:
            self.recent.append((name, dict(details)))
            return
        tape.note("hardware", name=name, details=dict(details), after=tape.over)
        if name == "return" and tape.over and details["after"].get("cpl") == 3:
            tape.back = True
            self.tape = None
