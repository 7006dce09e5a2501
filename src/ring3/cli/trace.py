"""``ring3 trace``: run a program and print its system calls, with strace's options."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.cli.guest import GuestOptions, checked, leave, run_guest, say
from ring3.cli.main import OWN_ERROR, complain
from ring3.cli.parse import BadUsage, Option, Parser, count
from ring3.trace import filters
from ring3.trace.options import (
    TraceOptions,
    clock_stamp,
    duration,
    since,
    unix_stamp,
)
from ring3.trace.output import Outputs
from ring3.trace.tracer import Tracer

if TYPE_CHECKING:
    from ring3.kernel import Kernel

USAGE = "ring3 trace [OPTION]... [--] COMMAND [ARGUMENT]..."
ABOUT = """\
Run a program on the kernel and print its system calls in strace's form. Short options are
strace's; the options of `ring3 run` that say what the guest sees work here too."""

PRECISION = {"s": 0, "ms": 3, "us": 6, "ns": 9}
QUIET = ("attach", "exit", "path-resolution", "personality", "thread-execve")
STYLES = {"raw": 1, "abbrev": 0, "verbose": 2}
NATIVE_CALLS = frozenset(
    "read write pread64 pwrite64 readv writev futex futex_waitv brk munmap mprotect mremap madvise"
    " msync mincore mlock munlock mlock2 mlockall munlockall membarrier sched_yield arch_prctl rseq"
    " clock_gettime clock_getres gettimeofday time getcpu getrandom mmap".split()
)
"""Calls that the machine may let run natively in the fast profile: tracing one of them needs the
full profile."""


class TraceCommand:
    """The command line of a trace."""

    def __init__(self) -> None:
        self.guest = GuestOptions()
        self.trace = TraceOptions()
        self.output = ""
        self.append = False
        self.separately = False
        self.stamps = 0
        self.hexes = 0
        self.decode = 0
        self.quiet = 0
        self.profile_given = False
        self.verbose: frozenset[str] | None = None

    # --- what options do -------------------------------------------------------------------------
    def follow(self, _: str) -> None:
        self.separately = self.separately or self.trace.follow
        self.trace.follow = True

    def set_output(self, text: str) -> None:
        self.output = text

    def expression(self, text: str) -> None:
        """``-e KEY=SET``; a set alone means trace=SET."""
        key, equals, value = text.partition("=")
        if not equals:
            key, value = "trace", text
        keys = {"t": "trace", "a": "abbrev", "v": "verbose", "x": "raw", "signals": "signal"}
        key = keys.get(key, key)
        if key not in EXPRESSIONS:
            raise ValueError(f"{key!r} is not supported; known are {', '.join(EXPRESSIONS)}")
        EXPRESSIONS[key](self, value)

    def set_calls(self, text: str) -> None:
        self.trace.calls = filters.calls(text)
        self.trace.unknown_calls = text.startswith("!")

    def set_signals(self, text: str) -> None:
        self.trace.signals = filters.signals(text)

    def set_status(self, text: str) -> None:
        self.trace.statuses = filters.statuses(text)

    def set_raw(self, text: str) -> None:
        chosen = filters.calls(text)
        self.trace.raw = filters.all_calls() if chosen is None else chosen

    def set_abbrev(self, text: str) -> None:
        self.trace.abbrev = filters.calls(text)

    def set_quiet(self, text: str) -> None:
        every = QUIET if text in ("all", "") else text.split(",")
        for word in every:
            if word not in QUIET:
                raise ValueError(f"there is no message {word!r}: {', '.join(QUIET)}")
        self.trace.quiet_attach |= "attach" in every
        self.trace.quiet_exit |= "exit" in every
        self.trace.quiet_superseded |= "thread-execve" in every

    def add_path(self, text: str) -> None:
        if self.trace.paths is None:
            self.trace.paths = filters.PathFilter()
        self.trace.paths.add(text)

    def set_strlen(self, text: str) -> None:
        self.trace.style.strlen = count(text)

    def set_style(self, text: str) -> None:
        if text not in STYLES:
            raise ValueError(f"{text!r} is no format: raw, abbrev or verbose")
        self.trace.style.consts = STYLES[text]

    def unabbreviated(self, _: str) -> None:
        self.trace.abbrev = frozenset()
        self.trace.style.verbose = True

    def set_hex(self, text: str) -> None:
        known = {"": 2, "all": 2, "non-ascii": 1, "non-ascii-chars": 3, "none": 0}
        if text not in known:
            raise ValueError(f"{text!r} is none of all, non-ascii, non-ascii-chars")
        self.hexes = known[text]

    def set_decode(self, text: str) -> None:
        if text not in ("", "path", "all"):
            raise ValueError(f"{text!r} is neither path nor all")
        self.decode = 2 if text == "all" else 1

    def absolute(self, text: str) -> None:
        """``--absolute-timestamps[=[format:]FORMAT[,[precision:]PRECISION]]``"""
        form, digits = "time", 0
        for word in text.split(",") if text else ():
            value = word.rpartition(":")[2]
            if value in ("none", "time", "unix"):
                form = value
            elif value in PRECISION:
                digits = PRECISION[value]
            else:
                raise ValueError(f"{word!r} is neither a format nor a precision")
        if form == "none":
            self.trace.stamp = None
        else:
            self.trace.stamp = unix_stamp(digits) if form == "unix" else clock_stamp(digits)

    def precision(self, text: str, default: str = "us") -> int:
        if (text or default) not in PRECISION:
            raise ValueError(f"{text!r} is no precision: s, ms, us or ns")
        return PRECISION[text or default]

    def relative(self, text: str) -> None:
        self.trace.relative = since(self.precision(text))

    def times(self, text: str) -> None:
        self.trace.times = duration(self.precision(text))

    def sort(self, text: str) -> None:
        from ring3.trace.summary import sorting

        self.trace.sort = sorting(text)

    def columns(self, text: str) -> None:
        from ring3.trace.summary import columns

        self.trace.columns = columns(text)

    def counting(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def set_profile(self, text: str) -> None:
        self.profile_given = True
        self.guest.set_profile(text)

    # --- the tables ------------------------------------------------------------------------------
    def parser(self) -> Parser:
        parser = Parser(USAGE, ABOUT)
        parser.group("Which processes and calls", self.selection())
        parser.group("How they are printed", self.format())
        parser.group("Where and what else", self.placing())
        guest = [o for o in self.guest.options() if "--profile" not in o.names]
        guest.append(
            Option("--profile", "fast|full", "full is the default where the calls that are"
                   " traced\nmay run natively otherwise", self.set_profile)
        )  # fmt: skip
        parser.group("What the guest sees", guest)
        return parser

    def selection(self) -> list[Option]:
        trace = self.trace
        return [
            Option("-f --follow-forks", "", "follow children and threads", self.follow),
            Option("-e", "EXPR", "trace=, signal=, status=, raw=, abbrev=, quiet=",
                   self.expression),
            Option("--trace", "SET", "calls to print: names, %file %process %net %signal %ipc"
                   "\n%desc %memory %creds %clock %pure %stat %lstat %fstat\n%%stat %statfs ..., "
                   "/REGEX, ?NAME, all, none; !SET: all others", self.set_calls),
            Option("--signal", "SET", "signals to print", self.set_signals),
            Option("--status", "SET", "results to print: successful, failed, unfinished",
                   self.set_status),
            Option("-z --successful-only", "", "only calls that succeeded",
                   lambda _: self.set_status("successful")),
            Option("-Z --failed-only", "", "only calls that failed",
                   lambda _: self.set_status("failed")),
            Option("-P --trace-path", "PATH", "only calls that concern PATH (repeatable)",
                   self.add_path),
            Option("-p --attach -b --detach-on", "WHAT", "not supported", unsupported),
            Option("-c --summary-only", "", "count calls, errors and time; print only a table",
                   lambda _: setattr(trace, "summary", "only")),
            Option("-C --summary", "", "the same after the trace",
                   lambda _: setattr(trace, "summary", "too")),
            Option("-w --summary-wall-clock", "", "time from entry to exit (ring3 always counts"
                   " so)", lambda _: None),
            Option("-S --summary-sort-by", "ORDER", "time, calls, errors, name, nothing,"
                   " min-time,\nmax-time, avg-time", self.sort),
            Option("-U --summary-columns", "COLUMNS", "columns of the table", self.columns),
        ]  # fmt: skip

    def format(self) -> list[Option]:
        trace = self.trace
        return [
            Option("-s --string-limit", "N", "most bytes of a string (32)", self.set_strlen),
            Option("-v --no-abbrev", "", "print structures in full", self.unabbreviated),
            Option("-x", "", "non-ASCII strings in hexadecimal; -xx: all strings",
                   lambda _: self.counting("hexes")),
            Option("--strings-in-hex", "[=WHICH]", "all, non-ascii, non-ascii-chars",
                   self.set_hex),
            Option("-X --const-print-style", "FORMAT", "constants: raw, abbrev, verbose",
                   self.set_style),
            Option("-y", "", "paths of descriptors; -yy: devices and sockets too",
                   lambda _: self.counting("decode")),
            Option("--decode-fds", "[=WHAT]", "path or all", self.set_decode),
            Option("-Y --decode-pids", "[=comm]", "names of commands after process ids",
                   lambda _: setattr(trace.style, "pids", True)),
            Option("-t", "", "time of day; -tt: with microseconds; -ttt: seconds since 1970",
                   lambda _: self.counting("stamps")),
            Option("--absolute-timestamps", "[=FORMAT]", "none, time or unix, and a precision",
                   self.absolute),
            Option("-r --relative-timestamps", "[=PRECISION]", "time since the line before",
                   self.relative),
            Option("-T --syscall-times", "[=PRECISION]", "time that each call took", self.times),
            Option("-n --syscall-number", "", "numbers of calls",
                   lambda _: setattr(trace, "numbers", True)),
            Option("-N --arg-names", "", "names of arguments, where they are plain values",
                   lambda _: setattr(trace.style, "names", True)),
            Option("-a --columns", "COLUMN", "column of the results (40)",
                   lambda text: setattr(trace, "column", count(text))),
            Option("--reasons", "", "why a call failed, where the kernel knows more than the"
                   " errno", lambda _: setattr(trace, "reasons", True)),
        ]  # fmt: skip

    def placing(self) -> list[Option]:
        return [
            Option("-o --output", "FILE", "write to FILE, or to the command after |",
                   self.set_output),
            Option("-A --output-append-mode", "", "append to FILE",
                   lambda _: setattr(self, "append", True)),
            Option("--output-separately", "", "one FILE.PID per process (also -ff)",
                   lambda _: setattr(self, "separately", True)),
            Option("-q", "", "less talk; -qq: no exit lines; -qqq: none at all",
                   lambda _: self.counting("quiet")),
            Option("--quiet", "[=SET]", "messages to leave out: attach, exit, thread-execve",
                   self.set_quiet),
            Option("-E", "NAME[=VALUE]", "set a variable, or remove it", self.set_variable),
            Option("-u --user", "USER", "run the program as that user", self.guest.set_user),
        ]  # fmt: skip

    def set_variable(self, text: str) -> None:
        name, equals, value = text.partition("=")
        self.guest.env[name] = value if equals else None

    # --- afterwards ------------------------------------------------------------------------------
    def settle(self) -> None:
        """Turn counted letters into options."""
        trace = self.trace
        if self.stamps:
            makers = (clock_stamp(0), clock_stamp(6), unix_stamp(6))
            trace.stamp = makers[min(self.stamps, 3) - 1]
        trace.style.hexes = self.hexes if self.hexes in (0, 1, 3) else 2
        trace.style.fds = min(self.decode, 2)
        if self.quiet:
            self.set_quiet(("", "attach,personality", "attach,personality,exit", "all")[
                min(self.quiet, 3)
            ])  # fmt: skip
        if not self.profile_given:
            wanted = trace.calls
            natively = wanted is None or not wanted.isdisjoint(NATIVE_CALLS)
            self.guest.profile = "full" if natively else "fast"


def unsupported(_: str) -> None:
    raise ValueError("is not supported: ring3 starts what it traces, and traces it to its end")


EXPRESSIONS = {
    "trace": TraceCommand.set_calls,
    "signal": TraceCommand.set_signals,
    "status": TraceCommand.set_status,
    "raw": TraceCommand.set_raw,
    "abbrev": TraceCommand.set_abbrev,
    "quiet": TraceCommand.set_quiet,
}


def main(argv: list[str]) -> int:
    command = TraceCommand()
    parser = command.parser()
    try:
        words = parser.parse(argv)
        if words is None:
            return 0
        words = checked(words, USAGE)
        command.guest.check()
        command.settle()
        if command.separately and command.trace.summary:
            raise BadUsage("-c and -ff cannot be combined")
    except (BadUsage, ValueError) as bad:
        return complain(f"trace: {bad}")
    try:
        outputs = Outputs(command.output, command.separately, command.append)
    except OSError as bad:
        say(f"trace: {command.output}: {bad.strerror}")
        return OWN_ERROR
    return leave(run_traced(command, words, outputs))


def run_traced(command: TraceCommand, words: list[str], outputs: Outputs) -> int:
    """Run the program with a tracer looking on; the wait status."""
    tracer = Tracer(command.trace, outputs)

    def prepare(kernel: Kernel) -> None:
        kernel.add_observer(tracer)

    try:
        return run_guest(command.guest, words, prepare)
    finally:
        tracer.close()
