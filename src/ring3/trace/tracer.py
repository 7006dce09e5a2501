"""The observer behind ``ring3 trace``: it turns events of the gate into strace's lines."""

from __future__ import annotations

from ring3.abi.errno import ERESTART_RESTARTBLOCK
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.trace import plan as plans
from ring3.trace.declared import load_families
from ring3.trace.frame import Frame
from ring3.trace.lines import exit_line, killed_line, signal_line, stop_line
from ring3.trace.plan import MAX_ERRNO, Plan, error_text
from ring3.trace.text import hexed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.task.process import Process
    from ring3.task.siginfo import SigInfo
    from ring3.task.task import Task
    from ring3.trace.options import TraceOptions
    from ring3.trace.output import Outputs

UNFINISHED = " <unfinished ...>"


class Tracer:
    """Prints calls, signals and exits as strace does; counts them for -c.

    A line that is not complete waits in its frame (``Frame.pending``); it is written when the call
    ends, or as "<unfinished ...>" when another line has to come first.
    """

    def __init__(self, options: TraceOptions, outputs: Outputs) -> None:
        load_families()
        self.options = options
        self.style = options.style
        self.outputs = outputs
        self.frames: dict[Task, Frame] = {}
        self.plans: dict[str, dict[int, Plan]] = {"x86_64": {}, "i386": {}}
        self.open_line: Frame | None = None
        """The frame whose line nobody has finished yet."""
        self.begun = False
        """The first program's execve has been told of."""
        self.first = 0
        """The thread that is traced without -f."""
        self.last_ns = 0
        self.prints = options.summary != "only"
        self.timed = options.times is not None or options.summary is not None
        self.simple_leader = not (options.stamp or options.relative is not None or options.numbers)
        self.whole_lines = options.statuses is not None
        """Lines are held until the call's result tells whether they are wanted."""
        self.counts: dict[str, dict[str, list[int]]] = {}
        """ABI -> call -> row (summary.py names the places)."""
        self.sink = outputs.common
        self.live = self.sink is not None and self.sink.live
        self.column = options.column
        self.extras = options.times is not None or options.reasons
        self.fixed_leader = self.simple_leader and bool(outputs.target)
        """A thread's lines all begin alike (``Frame.who``)."""
        self.plain = (
            self.fixed_leader
            and self.prints
            and self.sink is not None
            and not (self.live or self.timed or self.whole_lines or options.paths)
        )
        """Lines go to one file as they are: what else could be asked for need not be looked at."""

    # --- events of the gate --------------------------------------------------------------------
    def enter(self, task: Task, nr: int, name: str, call: Any, args: Sequence[int]) -> None:
        frame = self.frames.get(task)
        if frame is None:
            frame = self.adopt(task)
            if frame is None:
                return
        if not self.begun:
            self.begun = True
            self.first_exec(task, name)
        table = self.plans[task.abi]
        plan = table.get(nr)
        if plan is None:
            plan = table[nr] = self.plan(nr, name, call, task.abi)
        frame.plan = plan
        frame.nr = nr
        if not plan.traced:
            return
        frame.args = args
        frame.memory = task.memory
        frame.word = plan.word
        frame.abi = task.abi
        frame.abbrev = plan.abbrev
        frame.failed = False
        if not self.plain and not self.wants_entry(frame, plan):
            return
        try:
            text = plan.enter(frame, args)
        except Exception as bug:
            text = f"{plan.name}({self.unprintable(task, plan, args, bug)}"
        if not self.whole_lines:
            other = self.open_line
            if other is not None and (other.pending or self.outputs.separately):
                self.begin(frame)
            self.open_line = frame
        if self.plain:
            frame.pending = frame.who + text
            return
        frame.pending = self.leader(frame) + text
        if self.live and not self.whole_lines:
            self.outputs.of(frame.tid).write(frame.pending)

    def wants_entry(self, frame: Frame, plan: Plan) -> bool:
        """Whether the beginning call is to be printed; starts its clock."""
        if self.timed:
            frame.entered_ns = frame.task.world.clock.monotonic_ns()
        if not self.prints:
            return False
        if self.options.paths and not self.options.paths.wants(frame, plan):
            frame.plan = None
            return False
        return True

    def exit(
        self,
        task: Task,
        nr: int,
        name: str,
        call: Any,
        args: Sequence[int],
        result: int | None,
        reason: str,
    ) -> None:
        frame = self.frames.get(task)
        if frame is None or (plan := frame.plan) is None or not plan.traced:
            return
        failed = result is not None and -MAX_ERRNO <= result < 0
        if not self.plain and not self.wants_exit(frame, plan, result, failed):
            frame.plan = None
            return
        frame.failed = failed
        line, written = (frame.pending, 0) if self.plain else ("", 0)
        if not line:
            line, written = self.resume(frame, plan)
        if result is None:
            line += UNFINISHED if plan.exit is not None else ""
            ended = "?"
        else:
            frame.result = result
            if plan.exit is not None:
                try:
                    line += plan.exit(frame, args)
                except Exception as bug:
                    line += self.unprintable(task, plan, args, bug)
            if failed:
                if result == -ERESTART_RESTARTBLOCK:
                    frame.last = plan.name
                ended = error_text(-result)
            else:
                ended = frame.shown or plan.result(frame, result)
                frame.shown = ""
        line = (line + ") ").ljust(self.column) + "= " + ended
        if frame.aux:
            line += f" ({frame.aux})"
            frame.aux = ""
        if self.extras:
            if self.options.times is not None:
                line += f" <{self.options.times(frame.took_ns)}>"
            if reason and self.options.reasons and failed:
                line += f"  # {reason}"
        frame.plan = None
        frame.pending = ""
        sink = self.sink or self.outputs.of(frame.tid)
        sink.write((line[written:] if written else line) + "\n")

    def wants_exit(self, frame: Frame, plan: Plan, result: int | None, failed: bool) -> bool:
        """Whether the ending call is to be printed; stops its clock and counts it."""
        if self.timed:
            frame.took_ns = frame.task.world.clock.monotonic_ns() - frame.entered_ns
            self.count(plan, frame.task.abi, frame.took_ns, result)
            if not self.prints:
                return False
        if self.whole_lines and not self.options.wants_status(result, failed):
            frame.pending = ""
            return False
        return True

    def signal(self, task: Task, info: SigInfo) -> None:
        frame = self.frames.get(task)
        if frame is None or not self.prints or not self.options.wants_signal(info.signo):
            return
        self.say(frame, signal_line(frame, info))

    def stopped(self, process: Process, signo: int) -> None:
        if not self.prints or not self.options.wants_signal(signo):
            return
        for _, task in sorted(process.threads.items()):
            if (frame := self.frames.get(task)) is not None:
                self.say(frame, stop_line(signo))

    def exited(self, task: Task, status: int) -> None:
        frame = self.frames.get(task)
        if frame is None:
            return
        if self.prints:
            self.abandon(frame)
            if not self.options.quiet_exit:
                self.say(frame, killed_line(status) if status & 0x7F else exit_line(status))
        del self.frames[task]
        self.outputs.forget(frame.tid)

    def started(self, task: Task, parent: Task | None) -> None:
        known = self.frames.get(parent) if parent is not None else None
        if known is None and parent is not None:
            return
        frame = self.adopt(task)
        if frame is None or parent is None or self.options.quiet_attach or self.outputs.target:
            return
        if self.prints:
            self.notice(f"Process {task.tid} attached")

    def superseded(self, task: Task, by: int) -> None:
        """execve ends the other threads; the caller goes on under the leader's number."""
        frame = self.frames.get(task)
        if frame is None:
            return
        caller = next(
            (
                other
                for owner, other in self.frames.items()
                if owner.process is task.process
                and owner is not task
                and other.plan is not None
                and other.plan.name in ("execve", "execveat")
            ),
            None,
        )
        if caller is None or task.tid != task.process.pid:
            self.exited(task, 0)
            return
        if self.prints and not self.options.quiet_superseded:
            self.say(frame, f"+++ superseded by execve in pid {caller.tid} +++")
        caller.tid, caller.who = frame.tid, frame.who
        del self.frames[task]

    def first_exec(self, task: Task, name: str) -> None:
        """Tell of the execve that started the program: the kernel did it, no guest asked for it."""
        from ring3.trace.firstexec import arguments, number

        if name in ("execve", "execveat"):
            return  # the first program is being replaced before it made any call
        args = arguments(task)
        if args is None:
            return
        nr = number(task.abi)
        self.enter(task, nr, "execve", None, args)
        self.exit(task, nr, "execve", None, args, 0, "")

    def unprintable(self, task: Task, plan: Plan, args: Sequence[int], bug: Exception) -> str:
        """What stands for arguments that our own code failed on: the guest must not suffer."""
        words = ", ".join(hexed(value) for value in args)
        task.world.log.say(f"trace: cannot print {plan.name}({words}): {bug!r}")
        return f"{words} /* {type(bug).__name__} */"

    # --- lines -----------------------------------------------------------------------------------
    def adopt(self, task: Task) -> Frame | None:
        """Trace *task* from now on, if -f or its being the first one says so."""
        if self.frames and not self.options.follow:
            return None
        if self.first and not self.options.follow:
            return None
        self.first = self.first or task.tid
        frame = self.frames[task] = Frame(task, self.style)
        frame.who = self.pid_field(task.tid)
        return frame

    def plan(self, nr: int, name: str, call: Any, abi: str) -> Plan:
        options = self.options
        raw = options.raw is not None and name in options.raw
        if raw:
            plan = plans.make_raw(name, nr, abi)
        else:
            plan = plans.make(name, nr, call, abi, self.style)
        plan.traced = (
            options.calls is None or name in options.calls or (not name and options.unknown_calls)
        )
        plan.word = 64 if abi == "x86_64" else 32
        plan.abbrev = options.abbrev is None or name in options.abbrev
        return plan

    def begin(self, frame: Frame) -> None:
        """Make room for a new line of *frame*."""
        other = frame if self.outputs.separately else self.open_line
        if other is not None and other.pending:
            written = other.pending if self.live else ""
            self.outputs.of(other.tid).write(other.pending[len(written) :] + UNFINISHED + "\n")
            other.pending = ""
        self.open_line = frame

    def resume(self, frame: Frame, plan: Plan) -> tuple[str, int]:
        """(the line so far, how many characters of it are written already)."""
        if frame.pending:
            self.open_line = frame
            return frame.pending, len(frame.pending) if self.live and not self.whole_lines else 0
        self.begin(frame)
        return f"{self.leader(frame)}<... {plan.name} resumed>", 0

    def abandon(self, frame: Frame) -> None:
        """*frame*'s thread died in a call: finish the line as strace does."""
        plan = frame.plan
        if plan is None or not plan.traced or self.whole_lines:
            return
        self.exit(frame.task, plan.nr, plan.name, None, frame.args, None, "")

    def say(self, frame: Frame, text: str) -> None:
        """Write a line of its own."""
        self.begin(frame)
        self.outputs.of(frame.tid).write(f"{self.leader(frame)}{text}\n")
        self.open_line = None

    def notice(self, text: str) -> None:
        """A message of the tracer itself. It may stand in the middle of a line, as strace's do."""
        self.outputs.flush()
        import os

        os.write(2, f"ring3: {text}\n".encode())

    def pid_field(self, tid: int) -> str:
        """What a line in a file begins with."""
        return f"{tid:<5d} " if self.options.follow and not self.outputs.separately else ""

    def leader(self, frame: Frame) -> str:
        """What comes before a line: the thread, the time, the call's number."""
        if self.fixed_leader:
            return frame.who
        options = self.options
        if self.outputs.target:
            who = frame.who
        else:
            who = f"[pid {frame.tid:5d}] " if len(self.frames) > 1 else ""
        if self.simple_leader:
            return who
        now = frame.task.world.clock.realtime_ns()
        if options.stamp:
            who += options.stamp(now) + " "
        if options.relative is not None:
            since = now - self.last_ns if self.last_ns else 0
            self.last_ns = now
            shown = options.relative(since)
            who += f"(+{shown}) " if options.stamp else f"{shown} "
        if options.numbers:
            who += f"[{frame.nr:4d}] "
        return who

    # --- counting --------------------------------------------------------------------------------
    def count(self, plan: Plan, abi: str, took_ns: int, result: int | None) -> None:
        if self.options.summary is None or result is None:
            return
        failed = -MAX_ERRNO <= result < 0
        rows = self.counts.setdefault(abi, {})
        row = rows.get(plan.name)
        if row is None:
            row = rows[plan.name] = [0, 0, 0, took_ns, took_ns, plan.nr]
        row[0] += 1
        row[1] += failed
        row[2] += took_ns
        if took_ns < row[3]:
            row[3] = took_ns
        elif took_ns > row[4]:
            row[4] = took_ns

    def close(self) -> None:
        """The trace is over: print the summary, complete every line, close the files."""
        for frame in list(self.frames.values()):
            self.begin(frame)
        if self.options.summary is not None:
            from ring3.trace.summary import tables

            sink = self.outputs.common
            if sink is not None:
                sink.write(tables(self.counts, self.options))
        self.outputs.close()
