"""The recorder: it watches the gate and the machine, and puts the chosen call on tape.

It is an observer of every call (to find the chosen one), and it makes the gate a ``FilmedGate``
while it is attached: filters' verdicts, parks and re-executions are events that no observer is
told of, because only this room wants them.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import snapshot
from ring3.explain.arguments import Decoding
from ring3.explain.hardware import Hardware
from ring3.explain.lines import LineTracer
from ring3.explain.tape import Tape
from ring3.explain.tapped import TappedMemory
from ring3.explain.waiting import NotedQueue, describe_park
from ring3.syscalls.table import declared
from ring3.syscalls.trap import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.abi.errno import Errno
    from ring3.core.park import Park
    from ring3.explain.selection import Selection
    from ring3.machine.base import Result
    from ring3.syscalls.table import Call
    from ring3.task.process import Process
    from ring3.task.signals import SigInfo
    from ring3.task.task import Task
    from ring3.task.world import World


class Reel:
    """A tape under way: what was put in place for it and has to be taken away again."""

    def __init__(self, tape: Tape, task: Task, hardware: Hardware) -> None:
        self.tape = tape
        self.hardware = hardware
        self.decoding: Decoding
        self.memory = TappedMemory(task.memory, tape, lambda: snapshot.areas_of(task))
        self.lines = LineTracer(tape, self.paused)

    def paused(self) -> None:
        self.memory.running = self.hardware.inside = False

    def run(self, again: bool) -> None:
        self.tape.note("run", again=again)
        self.memory.running = self.hardware.inside = True
        self.lines.start()


class Recorder:
    """Finds the call that *selection* means, and records it."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.counts: dict[str, int] = {}
        """Every call that was made, by name."""
        self.matched = 0
        self.tape: Tape | None = None
        self.reels: dict[Task, Reel] = {}
        self.world: World
        self.gate: Gate
        self.hardware = Hardware()
        self.failure = ""
        """Why the chosen call could not be filmed."""
        self.chosen = False
        """The tape is the one that was asked for, not a substitute."""

    # --- in and out of the kernel ----------------------------------------------------------------
    def attach(self, world: World, gate: Gate) -> None:
        """Begin to watch. Kernel locked, or no guest started yet."""
        self.world = world
        self.gate = gate
        gate.__class__ = FilmedGate
        gate.recorder = self  # type: ignore[attr-defined]
        gate.observers.append(self)
        world.ready = NotedQueue(self, world.ready)
        world.completed = NotedQueue(self, world.completed)
        self.hardware.attach(world.machine)

    def detach(self) -> None:
        for task in list(self.reels):
            self.finish(task)
        self.hardware.detach()
        self.gate.__class__ = Gate
        if self in self.gate.observers:
            self.gate.observers.remove(self)

    # --- choosing --------------------------------------------------------------------------------
    def consider(self, t: Task, nr: int, name: str, args: Sequence[int]) -> Reel | None:
        """Count a call; a reel if it is to be recorded."""
        shown = name or f"syscall_{nr}"
        self.counts[shown] = self.counts.get(shown, 0) + 1
        if t in self.reels:
            self.finish(t)  # it is in user mode long since
        if self.chosen:
            if not self.reels:
                self.hardware.detach()  # the film is made: let the machine run at full speed
            return None
        if self.selection.fits(name, nr):
            self.matched += 1
            if self.matched == self.selection.place:
                self.chosen = True
                return self.try_to_begin(t, nr, name, args)
        elif self.selection.open and self.tape is None:
            return self.try_to_begin(t, nr, name, args)  # in case no better one comes
        return None

    def try_to_begin(self, t: Task, nr: int, name: str, args: Sequence[int]) -> Reel | None:
        """A bug of ours must not end the guest: it goes on unfilmed, and the log says why."""
        try:
            return self.begin(t, nr, name, args)
        except Exception as bug:
            self.tape = None
            self.failure = f"{type(bug).__name__}: {bug}"
            self.world.log.say(f"explain: cannot film {name or nr}: {bug!r}")
            return None

    def begin(self, t: Task, nr: int, name: str, args: Sequence[int]) -> Reel:
        call = declared(name) if name else None
        self.tape = tape = Tape(name or f"syscall_{nr}", nr, self.selection.place, call)
        tape.unknown = not name
        tape.abi, tape.pid, tape.tid = t.abi, t.process.pid, t.tid
        tape.comm = t.comm.decode("utf-8", "replace")
        tape.machine = self.world.machine.name
        tape.args = tuple(args)
        self.hardware.begin(tape, t)
        with self.hardware.ours():
            tape.trap = snapshot.take(t, nr, args)
            reel = Reel(tape, t, self.hardware)
            reel.decoding = Decoding(t, nr, name, call, args)
        tape.rows = reel.decoding.rows
        self.reels[t] = reel
        t.memory = reel.memory
        return reel

    # --- the end ---------------------------------------------------------------------------------
    def leave(self, t: Task) -> None:
        """The handler is through: what runs from here on is not its own."""
        if (reel := self.reels.get(t)) is not None:
            reel.lines.stop()
            reel.paused()
            if t.memory is reel.memory:
                t.memory = reel.memory.inner

    def finish(self, t: Task) -> None:
        reel = self.reels.pop(t)
        reel.lines.stop()
        if t.memory is reel.memory:
            t.memory = reel.memory.inner
        if not reel.tape.over:
            reel.tape.line = reel.decoding.finish(None, "")
            reel.tape.over = True
        self.hardware.end(reel.tape)

    # --- the observer ----------------------------------------------------------------------------
    def enter(self, task: Task, nr: int, name: str, call: Call | None, args: Sequence[int]) -> None:
        """``FilmedGate.before`` has seen to it."""

    def exit(
        self, task: Task, nr: int, name: str, call: Call | None, args: Sequence[int],
        result: int | None, reason: str,
    ) -> None:  # fmt: skip
        reel = self.reels.get(task)
        if reel is None or reel.tape.over:
            return
        self.leave(task)
        tape = reel.tape
        tape.result, tape.reason, tape.over = result, reason, True
        tape.note("exit", result=result, reason=reason)
        with self.hardware.ours():
            tape.line = reel.decoding.finish(result, reason)

    def signal(self, task: Task, info: SigInfo) -> None:
        if (reel := self.reels.get(task)) is not None:
            reel.tape.note("signal", signo=info.signo, code=info.code)

    def stopped(self, process: Process, signo: int) -> None: ...

    def exited(self, task: Task, status: int) -> None:
        if (reel := self.reels.get(task)) is not None:
            reel.tape.note("exited", status=status)
            self.finish(task)

    def started(self, task: Task, parent: Task | None) -> None:
        for reel in self.reels.values():
            if not reel.tape.over:
                reel.tape.note("started", tid=task.tid, pid=task.process.pid)

    def superseded(self, task: Task, by: int) -> None: ...


class FilmedGate(Gate):
    """A gate that tells its recorder more than observers hear."""

    recorder: Recorder

    def before(self, t: Task, nr: int, args: Sequence[int]) -> Result | None:
        name = self.dispatch(t).names.get(nr, "")
        reel = self.recorder.consider(t, nr, name, args)
        if reel is None:
            return super().before(t, nr, args)
        tape = reel.tape
        for observer in self.observers:
            if observer is not self.recorder:
                tape.note("judge", role="observer", who=called(observer), verdict=None)
        if t.seccomp is not None:
            tape.note(
                "judge",
                role="seccomp",
                who=f"the thread's own filters ({t.seccomp.count or 'strict mode'})",
                verdict=None,
            )
        filters, self.filters = self.filters, [noted(tape, f) for f in self.filters]
        try:
            verdict = super().before(t, nr, args)
        finally:
            self.filters = filters
        tape.note("verdict", verdict=verdict if isinstance(verdict, int) else None,
                  final=verdict is not None)  # fmt: skip
        if verdict is None:
            reel.run(again=False)
        return verdict

    def park(self, t: Task, park: Park) -> Result | None:
        reel = self.recorder.reels.get(t)
        if reel is None or reel.tape.over:
            return super().park(t, park)
        reel.lines.stop()
        reel.paused()
        told = describe_park(park, self.world)
        memo = "" if t.memo is None else type(t.memo).__name__
        reel.tape.note("park", **told, memo=memo, refused=False)
        event = reel.tape.events[-1]
        outcome = super().park(t, park)
        if outcome is not None and event.name == "park":
            event.data["refused"] = True
        return outcome

    def again(self, t: Task) -> Result | None:
        reel = self.recorder.reels.get(t)
        if reel is not None and not reel.tape.over:
            if t.interrupted:
                reel.tape.note("interrupted")
            reel.run(again=True)
        return super().again(t)

    def leave(self, t: Task, result: int, failed: Errno | None = None) -> Result | None:
        self.recorder.leave(t)
        return super().leave(t, result, failed)

    def oops(self, t: Task, bug: Exception) -> Result | None:
        self.recorder.leave(t)
        if (reel := self.recorder.reels.get(t)) is not None:
            reel.tape.note("oops", text=repr(bug))
        return super().oops(t, bug)


def noted(tape: Tape, judge: Any) -> Any:
    """A filter whose verdict goes on tape."""

    def look(t: Task, nr: int, name: str, args: Sequence[int]) -> int | None:
        verdict: int | None = judge(t, nr, name, args)
        tape.note("judge", role="filter", who=called(judge), verdict=verdict)
        return verdict

    return look


def called(thing: Any) -> str:
    """What to call an observer or a filter."""
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{kind.__module__}.{kind.__qualname__}".replace(".<locals>", "")
