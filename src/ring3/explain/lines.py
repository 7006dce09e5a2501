"""Which lines of the handler ran: ``sys.settrace`` on its own frames, for one call."""

from __future__ import annotations

import sys

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain.tapped import is_handler

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ring3.explain.tape import Tape

BINDER = "<binder of"
"""File name of the functions that table.Call.bind compiles."""


class LineTracer:
    """Follows the binder of a call into the handler and the helpers of syscalls/.

    Functions of other rooms are told of by name where a traced line calls them, and not entered.
    The tracer takes itself away when the binder returns.
    """

    def __init__(self, tape: Tape, done: Callable[[], None]) -> None:
        self.tape = tape
        self.done = done
        """Called when the handler is through, however it ends."""
        self.old: Any = None
        self.on = False
        self.inside = False
        self.traced: set[FrameType] = set()

    def start(self) -> None:
        self.old = sys.gettrace()
        self.on = True
        sys.settrace(self.called)

    def stop(self) -> None:
        if self.on:
            self.on = self.inside = False
            self.traced.clear()
            sys.settrace(self.old)
            self.done()

    def called(self, frame: FrameType, event: str, arg: Any) -> Any:
        """A new frame."""
        code = frame.f_code
        if code.co_filename.startswith(BINDER) and code.co_name == "invoke":
            frame.f_trace_lines = False
            self.inside = True
            return self.in_binder
        if not self.inside:
            return None
        if is_handler(code.co_filename):
            if code.co_name.startswith("<"):
                return None  # a comprehension runs in the line that holds it
            last = max((n for _, _, n in code.co_lines() if n), default=code.co_firstlineno)
            self.tape.note(
                "call",
                function=code.co_qualname,
                file=code.co_filename,
                first=code.co_firstlineno,
                last=last,
                caller=frame.f_back.f_lineno if frame.f_back in self.traced else 0,
            )
            self.traced.add(frame)
            return self.in_handler
        caller = frame.f_back
        if caller is not None and caller in self.traced:
            self.tape.note(
                "beyond",
                function=code.co_qualname,
                file=code.co_filename,
                first=code.co_firstlineno,
                line=caller.f_lineno,
                caller=caller.f_code.co_filename,
            )
        return None

    def in_binder(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "return":
            self.stop()
            return None
        return self.in_binder

    def in_handler(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if event == "line":
            self.tape.note("line", file=code.co_filename, line=frame.f_lineno)
        elif event == "return":
            self.traced.discard(frame)
            self.tape.note(
                "return", function=code.co_qualname, line=frame.f_lineno, value=shown(arg)
            )
        elif event == "exception":
            kind, value, _ = arg
            self.tape.note(
                "raise",
                file=code.co_filename,
                line=frame.f_lineno,
                function=code.co_qualname,
                type=kind.__name__,
                reason=reason_of(value),
            )
        return self.in_handler


def reason_of(value: object) -> str:
    """The reason that an errno was raised with."""
    args = getattr(value, "args", ())
    return str(args[0]) if args and isinstance(args[0], str) else ""


def shown(value: object) -> str:
    """A handler's value in a few characters: never the repr of a whole kernel."""
    if value is None or isinstance(value, int | bytes | str | tuple | list):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return type(value).__name__
