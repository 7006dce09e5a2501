"""The registers of a call with the meaning that its declaration gives to each.

Decoding is the tracer's: a declared scalar or pointer names a kind of ``ring3.trace``, which prints
it. What the kernel reads is decoded at entry, what it writes at exit.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain.looking import looking
from ring3.explain.snapshot import ARGUMENTS
from ring3.trace import plan as plans
from ring3.trace.declared import declared, load_families, shape_of
from ring3.trace.frame import Frame, Style
from ring3.trace.kinds import SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.syscalls.table import Call
    from ring3.task.task import Task

LONGEST = 200


class Decoding:
    """The call's line and its rows, begun at entry and finished at exit."""

    def __init__(self, task: Task, nr: int, name: str, call: Call | None, args: Sequence[int]):
        load_families()
        style = Style()
        style.fds = 1
        self.frame = frame = Frame(task, style)
        frame.memory = looking(task)
        frame.abi = task.abi
        frame.word = 64 if task.abi == "x86_64" else 32
        frame.nr = nr
        frame.args = self.args = args
        self.plan = plans.make(name, nr, call, task.abi, style)
        frame.plan = self.plan
        self.words = words(name, call, task.abi)
        self.line = attempt(lambda: self.plan.enter(frame, args), f"{name or nr}(")
        self.rows = rows(frame, name, call, task.abi, args)
        self.show(late=False)

    def show(self, late: bool) -> None:
        """Fill in the meanings of what is known now."""
        for row, word in zip(self.rows, self.words, strict=False):
            bare = word.lstrip("~>")
            is_late = ">" in word
            if is_late != late or bare == "skip":
                continue
            value = row["value"]
            if is_late and self.frame.failed and not word.startswith(">>"):
                row["meaning"] = "pointer; the call failed, so nothing is there"
                continue
            shown = attempt(lambda b=bare, v=value: self.decoded(b, v), hex(value))
            row["meaning"] = shown.removeprefix(", ")  # optional ones bring their separator along

    def decoded(self, bare: str, value: int) -> str:
        shown = plans.decoder(bare)(self.frame, value)
        return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."

    def finish(self, result: int | None, reason: str) -> str:
        """The whole line, with the outputs and the result."""
        frame, plan = self.frame, self.plan
        if result is None:
            return f"{self.line}) = ?"
        frame.result = result
        frame.failed = -plans.MAX_ERRNO <= result < 0
        if plan.exit is not None:
            exit_ = plan.exit
            self.line += attempt(lambda: exit_(frame, self.args), "...")
        self.show(late=True)
        ended = plans.error_text(-result) if frame.failed else plan.result(frame, result)
        aux = f" ({frame.aux})" if frame.aux else ""
        return f"{self.line}) = {frame.shown or ended}{aux}"


def attempt(work: Any, otherwise: str) -> str:
    """A printer's text; what it says of odd values must not end the guest."""
    try:
        return str(work())
    except Exception:
        return otherwise


def words(name: str, call: Call | None, abi: str) -> list[str]:
    """A decoder's word per argument."""
    shape = SHAPES.get(plans.canonical(name, abi)) or ""
    listed = shape.partition("=")[0].split()
    if call is not None:
        own = [declared(call, i) for i in range(len(call.params))]
        return listed if len(listed) == len(own) else own
    return listed or (shape_of(name, None, abi) or "").split()


def rows(
    frame: Frame, name: str, call: Call | None, abi: str, args: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per argument, in the order of the declaration."""
    signature = c_signature(name, abi)
    if call is None and not name:
        return [
            {**row(abi, i, 1, args, f"arg{i + 1}", "", "", ""), "meaning": "nobody knows"}
            for i in range(6)
        ]
    if call is None:
        return [row(abi, i, 1, args, n, kind, "", "") for i, (n, kind) in enumerate(signature[:6])]
    found, register = [], 0
    for param in call.params:
        double = param.pointer is None and (
            param.codec.regs == "pair" or (param.codec.regs == "pair32" and frame.word == 32)
        )
        kind = signature[register][1] if register < len(signature) else ""
        hint = call.fn.__annotations__.get(param.name, "")
        way = direction(param)
        found.append(row(abi, register, 2 if double else 1, args, param.name, kind, str(hint), way))
        register += 2 if double else 1
    return found


def row(
    abi: str, at: int, count: int, args: Sequence[int], name: str, kind: str, hint: str, way: str
) -> dict[str, Any]:
    mask = (1 << 64) - 1 if abi == "x86_64" else (1 << 32) - 1
    value = 0
    for i in range(count):
        if at + i < len(args):
            value |= (args[at + i] & mask) << (i * (64 if abi == "x86_64" else 32))
    return {
        "register": "+".join(ARGUMENTS[abi][at : at + count]),
        "value": value,
        "name": name,
        "c_type": kind,
        "declared": hint,
        "direction": way,
        "meaning": "",
    }


def direction(param: Any) -> str:
    if param.pointer is None:
        return ""
    reads, writes = param.pointer.reads, param.pointer.writes
    return "in/out" if reads and writes else "out" if writes else "in"


def c_signature(name: str, abi: str) -> list[tuple[str, str]]:
    from ring3.abi.signatures import NUMBERS, signature

    if name not in NUMBERS[abi]:
        return []
    return [(n, k) for n, k in signature(name, abi).args]
