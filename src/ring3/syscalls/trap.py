"""The gate: every system call of every guest passes here.

The fast path is one table look-up, one call and two tests of one word. Whatever somebody asked
for (observers, filters, pending signals) is behind ``task.attention``.
"""

from __future__ import annotations

from ring3.abi.errno import ENOSYS, Errno
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.types import I386, X86_64
from ring3.core.park import RESTART_BLOCK, RESTART_SYS, Park
from ring3.syscalls.table import Dispatch
from ring3.task.task import FILTERED, OBSERVED, SIGNALS, SWAPPED_MASK, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.base import Result
    from ring3.syscalls.events import Observer
    from ring3.task.world import World

    Filter = Callable[[Task, int, str, Sequence[int]], int | None]


def unimplemented(t: Task, nr: int, name: str) -> int:
    """A call nothing serves: ENOSYS, named once in the kernel log."""
    t.world.log.once(f"{name or f'system call {nr}'} is not implemented: ENOSYS")
    raise ENOSYS


class Gate:
    """Runs handlers, parks and re-runs them, and tells observers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.x86_64 = Dispatch(X86_64, unimplemented)
        self.i386: Dispatch | None = None
        """Made for the first i386 program."""
        self.observers: list[Observer] = []
        world.refusals.name_of = lambda t, nr: self.dispatch(t).names.get(nr, str(nr))
        self.filters: list[Filter] = []
        """Asked in order before the handler; an int is the call's result without running it."""

    def dispatch(self, t: Task) -> Dispatch:
        if t.abi == "x86_64":
            return self.x86_64
        if self.i386 is None:
            self.i386 = Dispatch(I386, unimplemented)
        return self.i386

    # --- a new call ----------------------------------------------------------------------------
    def serve(self, t: Task, nr: int, args: Sequence[int]) -> Result | None:
        """Serve one trapped call. None: parked, or held while the process is stopped."""
        t.nr = nr
        t.args = args
        if t.attention & (OBSERVED | FILTERED):
            verdict = self.before(t, nr, args)
            if verdict is not None:
                if verdict.__class__ is not int:
                    return verdict
                return None if t.process.state == "dying" else self.leave(t, verdict)
        try:
            if t.abi == "x86_64":
                result = self.x86_64.binders[nr](t, args)
            else:
                result = self.dispatch(t).invoke(nr)(t, args)
        except Errno as failed:
            if failed.args:
                self.world.refusals.note(t, nr, failed)
            if t.attention:
                t.memo = None
                return self.leave(t, -failed.number, failed)
            result = -failed.number
        except Park as park:
            return self.park(t, park)
        except IndexError as bug:
            return self.odd_number(t, nr, bug)
        except Exception as bug:
            return self.oops(t, bug)
        t.memo = None
        if t.attention and result.__class__ is int:
            return self.leave(t, result)
        return result

    def odd_number(self, t: Task, nr: int, bug: IndexError) -> Result | None:
        """An IndexError of the table is an unknown number, any other is a bug in a handler."""
        if 0 <= nr < len(self.dispatch(t).binders):
            return self.oops(t, bug)
        try:
            unimplemented(t, nr, "")
        except Errno as failed:
            return self.leave(t, -failed.number)
        return None

    def before(self, t: Task, nr: int, args: Sequence[int]) -> Result | None:
        """Filters, then the enter event. Not None: the result of a call that is not to run."""
        name, call = self.dispatch(t).told(nr)
        verdict: Result | None = None
        if t.attention & FILTERED:
            if t.seccomp is not None:
                from ring3.syscalls.seccomp import judge as seccomp_judge

                verdict = seccomp_judge(t, nr, name, args)
            for judge in self.filters if verdict is None else ():
                verdict = judge(t, nr, name, args)
                if verdict is not None:
                    break
        if t.attention & OBSERVED:
            for observer in self.observers:
                observer.enter(t, nr, name, call, args)
        return verdict

    # --- parking -------------------------------------------------------------------------------
    def park(self, t: Task, park: Park) -> Result | None:
        """Leave the call waiting, or interrupt it if a signal is there."""
        restart = park.restart
        if t.attention & SIGNALS and restart and (t.interrupted or self.signal_waits(t)):
            t.memo = None
            return self.leave(t, -restart)
        t.interrupted = False
        t.park(park)
        return None

    def signal_waits(self, t: Task) -> bool:
        from ring3.task.signals import has_deliverable

        return has_deliverable(t)

    def again(self, t: Task) -> Result | None:
        """Run a woken task's parked call again."""
        attention, t.attention = t.attention, t.attention & ~(OBSERVED | FILTERED)
        try:
            binder: Callable[[Task, Sequence[int]], Result] = self.dispatch(t).invoke(t.nr)
            result = binder(t, t.args)
        except Errno as failed:
            t.attention |= attention & (OBSERVED | FILTERED)
            t.memo = None
            return self.leave(t, -failed.number, failed)
        except Park as park:
            t.attention |= attention & (OBSERVED | FILTERED)
            return self.park(t, park)
        except Exception as bug:
            t.attention |= attention & (OBSERVED | FILTERED)
            return self.oops(t, bug)
        t.attention |= attention & (OBSERVED | FILTERED)
        t.memo = None
        t.interrupted = False
        return self.leave(t, result) if result.__class__ is int else result

    def drain(self) -> None:
        """Run everything that woke up, until nothing does."""
        world = self.world
        while world.ready or world.completed:
            if world.completed:
                t, value = world.completed.popleft()
                outcome: Result | None = self.complete(t, value)
            else:
                t = world.ready.popleft()
                if t.exiting or t.process.state == "dying":
                    continue
                outcome = self.again(t)
            if outcome is not None:
                world.machine.reply(t, outcome)

    # --- the end of a call ---------------------------------------------------------------------
    def complete(self, t: Task, result: int) -> Result | None:
        """A call that the machine (or another task) finished."""
        t.memo = None
        t.interrupted = False
        # A wait in the host that was broken off for nothing (-512) is made again on the way out.
        if t.attention or -RESTART_BLOCK <= result <= -RESTART_SYS:
            return self.leave(t, result)
        return result

    def leave(self, t: Task, result: int, failed: Errno | None = None) -> Result | None:
        """The slow way out: tell observers, deliver signals."""
        t.interrupted = False
        if t.attention & OBSERVED:
            self.tell_exit(t, result, failed.reason if failed is not None else "")
        if t.attention & (SIGNALS | SWAPPED_MASK) or -RESTART_BLOCK <= result <= -RESTART_SYS:
            return t.vehicle.slow_return(result)
        return result

    def tell_exit(self, t: Task, result: int | None, reason: str = "") -> None:
        name, call = self.dispatch(t).told(t.nr)
        for observer in self.observers:
            observer.exit(t, t.nr, name, call, t.args, result, reason)

    def oops(self, t: Task, bug: Exception) -> Result | None:
        """A bug in a handler: the guest process dies with a report, the kernel goes on."""
        import traceback

        from ring3.task.jobs import terminate

        name = self.dispatch(t).names.get(t.nr, str(t.nr))
        report = "".join(traceback.format_exception(bug)).rstrip()
        args = ", ".join(hex(a) for a in t.args)
        self.world.log.say(f"oops in {name}({args}) of pid {t.process.pid} ({t.comm!r}):")
        for line in report.splitlines():
            self.world.log.say("  " + line)
        t.memo = None
        terminate(t.process, 9)
        return None


def any_attention(observers: Sequence[Any], filters: Sequence[Any]) -> int:
    """The attention bits a new task starts with."""
    return (OBSERVED if observers else 0) | (FILTERED if filters else 0)
