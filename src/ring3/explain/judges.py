"""Chapters 4 and 5: who looks at the call before its handler, and how the handler is found."""

from __future__ import annotations

import os

from ring3.abi.errno import NAMES
from ring3.abi.hints import TYPE_CHECKING
from ring3.explain import film
from ring3.explain.film import Step
from ring3.syscalls.families import family_of
from ring3.syscalls.table import numbers

if TYPE_CHECKING:
    from ring3.explain.tape import Tape

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def short(path: str) -> str:
    """A source file as a reader of the tree knows it: ``ring3/syscalls/rw.py``."""
    return "ring3/" + os.path.relpath(path, PACKAGE) if path.startswith(PACKAGE) else path


def judges(tape: Tape) -> list[Step]:
    """Chapter 4."""
    asked = [event.data for event in tape.named("judge")]
    verdict = next((event.data for event in tape.named("verdict")), None)
    final = verdict is not None and verdict["final"]
    value = verdict["verdict"] if verdict is not None else None
    decided = final and not any(told["verdict"] is not None for told in asked)
    rows = [
        [n, told["role"], told["who"],
         spoken(value if decided and told["role"] == "seccomp" else told["verdict"], told["role"])]
        for n, told in enumerate(asked, 1)
    ]  # fmt: skip
    if final:
        by = "the thread's seccomp filters" if decided else "the filter above"
        told = (
            f"The verdict of {by} is the call's result"
            f"{'' if value is None else f' ({spoken(value)})'}: no handler runs."
        )
    elif rows:
        told = "Nobody objected: the call goes on to the table."
    else:
        told = (
            "Nobody else looks: no filter, no seccomp, no other observer (the one that made this "
            "film is not counted). Were there any, one bit in the task's attention word would send "
            "the call here; without it this chapter costs a single test."
        )
    blocks = film.table(["#", "role", "who", "verdict"], rows) + film.text(told)
    title = "A verdict without the handler" if final else "Nobody stops it"
    return [Step(4, "judges", title, blocks, {"asked": asked, "final": final})]


def spoken(verdict: int | None, role: str = "filter") -> str:
    if role == "observer":
        return "only looks on"
    if verdict is None:
        return "let it go on"
    if -4095 <= verdict < 0:
        return f"fail with {NAMES.get(-verdict, str(-verdict))}"
    return f"answer {verdict}"


def lookup(tape: Tape) -> list[Step]:
    """Chapter 5."""
    from ring3.abi.types import I386, X86_64

    known = numbers(X86_64 if tape.abi == "x86_64" else I386)
    size = max(known.values()) + 1
    in_table = tape.name in known
    data = {"nr": tape.nr, "abi": tape.abi, "name": tape.name if in_table else "", "size": size}
    table = f"the {tape.abi} table ({len(known)} calls, numbers 0 to {size - 1})"
    if not in_table:
        why = "beyond its end" if not 0 <= tape.nr < size else "an empty place"
        told = (
            f"Number {tape.nr} is {why} in {table}. A number without a call is not a crash and not "
            'a signal: the answer is ENOSYS, errno 38, "Function not implemented".'
        )
        return [Step(5, "enosys", "No such call: ENOSYS", film.text(told), data)]
    call = tape.call
    if call is None:
        told = (
            f"Number {tape.nr} in {table} is {tape.name}, which Linux has and this kernel does not "
            "serve. The answer is ENOSYS, and one line in the kernel log says so."
        )
        return [Step(5, "enosys", f"{tape.name} is not served: ENOSYS", film.text(told), data)]
    code = call.fn.__code__
    where = f"{short(code.co_filename)}:{code.co_firstlineno}"
    data.update(family=family_of(tape.name), file=short(code.co_filename), line=code.co_firstlineno)
    signature = ", ".join(f"{p.name}: {call.fn.__annotations__[p.name]}" for p in call.params)
    told = (
        f"Number {tape.nr} in {table} is {tape.name}, declared in {where}. Its signature is all "
        "that binding needs: it was compiled into a function of the six registers that cuts each "
        "scalar to its width, makes handles of the pointers (nothing is read yet) and calls the "
        "handler."
    )
    lines = [film.line("", f"def {call.fn.__name__}(t: Task, {signature}) -> int" if signature
                       else f"def {call.fn.__name__}(t: Task) -> int")]  # fmt: skip
    blocks = film.text(told) + film.listing("python", where, lines)
    if call.partial:
        blocks += film.text(f"Compared with Linux's it lacks: {call.partial}")
        data["partial"] = call.partial
    return [Step(5, "lookup", f"{tape.nr} is {tape.name}", blocks, data)]
