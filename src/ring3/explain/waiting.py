"""Parks and wakes: what a call waits for, and who ended the wait."""

from __future__ import annotations

import os
import sys
from collections import deque

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.core import park as parking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring3.core.park import Park, WaitQueue
    from ring3.explain.recorder import Recorder
    from ring3.task.world import World

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESTARTS = {
    parking.RESTART_SYS: "run again if the handler has SA_RESTART, else EINTR",
    parking.RESTART_NOINTR: "always run again",
    parking.RESTART_NOHAND: "EINTR once a handler ran, run again where none did",
    parking.RESTART_BLOCK: "EINTR once a handler ran; else run again for the rest of the time",
    parking.RESTART_NEVER: "EINTR, always",
    parking.UNINTERRUPTIBLE: "no signal ends this wait",
}
"""What becomes of a parked call when a signal arrives."""
MECHANISM = ("core/park.py", "task/task.py", "explain/waiting.py", "core/clock.py")
"""Files that only pass a wake on."""


def describe_park(park: Park, world: World) -> dict[str, Any]:
    """The queues, the deadline and the place of a park."""
    at = park.__traceback__
    raised: dict[str, Any] = {}
    while at is not None:
        code = at.tb_frame.f_code
        if code.co_filename.startswith(PACKAGE):
            raised = {"file": code.co_filename, "line": at.tb_lineno, "function": code.co_qualname}
        at = at.tb_next
    deadline = park.deadline_ns
    return {
        "queues": [describe_queue(queue, park) for queue in park.queues],
        "in_ns": None if deadline is None else deadline - world.clock.monotonic_ns(),
        "restart": RESTARTS.get(park.restart, str(park.restart)),
        "place": raised,
    }


def owner_of(queue: WaitQueue, park: Park) -> str:
    """Whose queue it is: an object that the frames of the park know has it as an attribute."""
    at, found = park.__traceback__, ""
    while at is not None:
        for thing in list(at.tb_frame.f_locals.values()):
            if type(thing).__module__.startswith("ring3."):
                found = attribute_with(thing, queue, 2) or found
        at = at.tb_next
    return found


def attribute_with(thing: object, queue: WaitQueue, depth: int) -> str:
    """``Pipe.readers``: the attribute of *thing*, or of what it refers to, that is *queue*."""
    names = [n for kind in type(thing).__mro__ for n in getattr(kind, "__slots__", ())]
    values = {n: getattr(thing, n, None) for n in [*names, *getattr(thing, "__dict__", ())]}
    for name, value in values.items():
        if value is queue:
            return f"{type(thing).__name__}.{name}"
    for value in values.values() if depth > 1 else ():
        if type(value).__module__.startswith(("ring3.ipc", "ring3.net", "ring3.drivers")):
            if found := attribute_with(value, queue, depth - 1):
                return found
    return ""


def describe_queue(queue: WaitQueue, park: Park) -> str:
    kind = owner_of(queue, park) or type(queue).__name__
    fd = getattr(queue, "host_fd", None)
    others = len(queue.waiters)
    behind = f", behind {others} other{'s' * (others > 1)}" if others else ""
    if fd is None:
        return kind + behind
    try:
        return f"{kind} on the host's {os.readlink(f'/proc/self/fd/{fd}')}{behind}"
    except OSError:
        return f"{kind} on host descriptor {fd}{behind}"


class NotedQueue(deque[Any]):
    """The world's queue of woken tasks: it notes who woke a filmed one."""

    def __init__(self, recorder: Recorder, waiting: Iterable[Any]) -> None:
        super().__init__(waiting)
        self.recorder = recorder

    def append(self, item: Any) -> None:
        task, *result = item if isinstance(item, tuple) else (item,)
        reel = self.recorder.reels.get(task)
        if reel is not None and not reel.tape.over:
            by, late = wakers()
            reel.tape.note("wake", by=by, deadline=late, result=result[0] if result else None)
        super().append(item)


def wakers() -> tuple[list[dict[str, Any]], bool]:
    """(who called, innermost first, without the mechanism of waking itself; whether it was the
    clock, for a deadline)."""
    frame: Any = sys._getframe(2)
    found: list[dict[str, Any]] = []
    late = False
    while frame is not None and len(found) < 4:
        code = frame.f_code
        name = os.path.relpath(code.co_filename, PACKAGE)
        late = late or code.co_name == "expire"
        if code.co_filename.startswith(PACKAGE) and name not in MECHANISM:
            found.append({"function": code.co_qualname, "file": name, "line": frame.f_lineno})
        frame = frame.f_back
    return found, late
