"""Chapter 7: the handler's own source, the lines that ran, and what happened in between."""

from __future__ import annotations

import linecache

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.film import Step
from ring3.explain.interrupts import nested
from ring3.explain.judges import short
from ring3.explain.runs import WATCHED, Run

if TYPE_CHECKING:
    from collections.abc import Collection

    from ring3.explain.tape import Tape

MOST_FUNCTIONS = 8
MOST_LINES = 120
"""Steps of single lines."""
AROUND = 400
FOLD = 3
"""More lines in a row that did not run are left out of a helper's listing."""


def handler(tape: Tape) -> list[Step]:
    """All steps, in order of time."""
    steps: list[Step] = []
    run: Run | None = None
    count, waiting = 0, False
    for event in tape.events:
        if event.name == "run":
            count += 1
            run, waiting = Run(count), False
            continue
        if run is not None and event.name in WATCHED:
            WATCHED[event.name](run, event.data)
        if event.name in ENDS and run is not None:
            steps += shown(tape, run)
            run = None
        waiting = event.name == "park" or (waiting and event.name != "run")
        maker = BETWEEN.get(event.name)
        told = event.data
        if waiting and event.name == "hardware":
            told = {**told, "waiting": True}
        for step in maker(tape, told) if maker is not None else ():
            if not steps or steps[-1].kind != "switch" or steps[-1].title != step.title:
                steps.append(step)
    if run is not None:
        steps += shown(tape, run)
    if not count:
        steps.insert(0, no_handler(tape))
    if tape.lost:
        steps.append(Step(7, "more", f"{tape.lost} events more", film.text(
            "The call did more than a film holds; the rest was only counted."), {}))  # fmt: skip
    return steps


def no_handler(tape: Tape) -> Step:
    verdict = any(e.data["final"] for e in tape.named("verdict"))
    told = "A filter's verdict was the result: no handler ran."
    return Step(7, "none", "No handler runs", film.text(told if verdict else "No handler ran."), {})


ENDS = ("exit", "park", "exited", "oops")


def shown(tape: Tape, run: Run) -> list[Step]:
    """The listing of a run, then its lines one by one."""
    again = run.number > 1
    functions = list(run.functions.values())
    if not functions:
        told = "Nothing serves this number: no handler ran."
        if tape.call is not None:
            told = "The handler's lines could not be followed."
        return [Step(7, "none", "No handler runs", film.text(told), {"run": run.number})]
    name = functions[0]["function"]
    ended = outcome(tape, run)
    title = f"{name}() {'runs again' if again else 'runs'}: {ended}"
    count = len(run.order)
    told = f"{count} line{'s' * (count != 1)} of syscalls/ ran, in {len(functions)} functions."
    if len(functions) == 1:
        told = f"{count} line{'s' * (count != 1)} ran."
    if again:
        told += (
            " The call is executed again from its registers: no Python stack was kept while it "
            "waited, so the handler starts at its first line."
        )
    blocks = film.text(told)
    for each in functions[:MOST_FUNCTIONS]:
        blocks += folded(source(run, each)) if each is not functions[0] else source(run, each)
    if len(functions) > MOST_FUNCTIONS:
        rest = ", ".join(f["function"] for f in functions[MOST_FUNCTIONS:])
        blocks += film.text(f"Not shown: {rest}.")
    data = {
        "run": run.number,
        "outcome": ended,
        "functions": [{**f, "file": short(f["file"])} for f in functions],
        "order": [[short(f), n] for f, n in run.order],
        "ran": [[short(f), n, times] for (f, n), times in sorted(run.lines.items())],
        "raised": None if run.raised is None else {**run.raised, "file": short(run.raised["file"])},
        "returned": run.returned,
    }
    return [Step(7, "handler", title, blocks, data), *single_lines(run)]


def outcome(tape: Tape, run: Run) -> str:
    if run.raised is not None and run.raised["type"] == "Park":
        return "it wants to wait"
    if run.raised is not None and (tape.result is None or tape.result < 0):
        return f"raises {run.raised['type']}"
    if run.returned and run.returned[:1].isalpha() and run.returned != "None":
        return f"leaves the rest to the machine ({run.returned})"
    return f"returns {run.returned}" if run.returned else "ends"


def source(
    run: Run,
    function: dict[str, Any],
    now: tuple[str, int] | None = None,
    so_far: Collection[tuple[str, int]] | None = None,
) -> list[film.Block]:
    """A function's listing with its lines marked: those that ran, or ran *so_far*, and *now*."""
    file = function["file"]
    ran = run.lines if so_far is None else so_far
    lines = []
    for n in range(function["first"], min(function["last"], function["first"] + AROUND) + 1):
        key = (file, n)
        mark = "ran" if key in ran else ""
        notes = list(run.notes.get(key, ())) if mark else []
        if mark and run.raised is not None:
            mark = "raised" if (run.raised["file"], run.raised["line"]) == key else mark
        if key == now:
            mark = "now"
        times = run.lines.get(key, 0)
        if times > 1 and so_far is None:
            notes.insert(0, f"{times}×")
        lines.append(film.line(n, linecache.getline(file, n).rstrip("\n"), mark, "; ".join(notes)))
    return film.listing("python", f"{function['function']}, {short(file)}", lines)


def folded(blocks: list[film.Block]) -> list[film.Block]:
    """A helper's listing without the longer stretches that did not run."""
    for block in blocks:
        kept: list[dict[str, str]] = []
        quiet: list[dict[str, str]] = []
        for each in [*block["lines"], None]:
            if each is not None and not each["mark"] and kept:
                quiet.append(each)
                continue
            if len(quiet) > FOLD:
                indent = " " * (len(quiet[0]["text"]) - len(quiet[0]["text"].lstrip()))
                quiet = [film.line("", f"{indent}⋮  {len(quiet)} lines that did not run")]
            kept += quiet
            quiet = []
            if each is not None:
                kept.append(each)
        block["lines"] = kept
    return blocks


def single_lines(run: Run) -> list[Step]:
    """A step per line: only for views that can be stepped."""
    steps = []
    so_far: set[tuple[str, int]] = set()
    for number, (file, n) in enumerate(run.order[:MOST_LINES], 1):
        so_far.add((file, n))
        inside = [
            f for f in run.functions.values() if f["file"] == file and f["first"] <= n <= f["last"]
        ]
        if not inside:
            continue
        function = min(inside, key=lambda f: int(f["last"]) - int(f["first"]))
        title = f"line {number} of {len(run.order)}: {function['function']}:{n}"
        blocks = source(run, function, (file, n), so_far)
        text = linecache.getline(file, n).strip()
        data = {"run": run.number, "file": short(file), "line": n, "text": text}
        steps.append(Step(7, "line", title, blocks, data))
    return steps


# --- between runs ---------------------------------------------------------------------------------
def parked(tape: Tape, told: dict[str, Any]) -> list[Step]:
    place = told["place"]
    where = f"{place['function']}, {short(place['file'])}:{place['line']}" if place else "?"
    text = linecache.getline(place["file"], place["line"]).strip() if place else ""
    wait = "for ever" if told["in_ns"] is None else f"for {told['in_ns'] / 1e6:.3f} ms at most"
    kept = "its number and registers"
    if told["memo"]:
        kept = f"its number, registers and memo (a {told['memo']}: what it must not forget)"
    opening = (
        f"{where} raised Park: the call waits {wait}. What stays of it is data: {kept}. The "
        "handler is gone from the Python stack, and other threads run."
    )
    if told["refused"]:
        said = (
            f"{where} raised Park, but a signal is pending, and it may not wait any more. "
            f"What becomes of the call: {told['restart']}."
        )
        title = "It may not wait: a signal is pending"
        return [Step(7, "park", title, film.text(said), {**told, "source": text})]
    rows = [[queue] for queue in told["queues"]] or [["nothing but the time"]]
    blocks = film.text(opening) + film.listing("python", where, [film.line("", text, "raised")])
    blocks += film.table(["waits in"], rows)
    blocks += film.text(f"If a signal arrives: {told['restart']}.")
    return [Step(7, "park", f"The call waits {wait}", blocks, {**told, "source": text})]


def woken(tape: Tape, told: dict[str, Any]) -> list[Step]:
    by = told["by"]
    rows = [[f"{f['function']}", f"ring3/{f['file']}:{f['line']}"] for f in by]
    result = told["result"]
    opening = "It is made ready, and will be executed again."
    if result is not None:
        opening = f"It is finished with {result}, without being executed again."
    if told["deadline"]:
        opening = "Its deadline has passed. " + opening
    blocks = film.text(opening) + film.table(["woken by", "at"], rows)
    who = by[0]["function"] if by else "the machine"
    if told["deadline"]:
        who = "its deadline"
    return [Step(7, "wake", f"Woken by {who}", blocks, told)]


def interrupted(tape: Tape, told: dict[str, Any]) -> list[Step]:
    return [
        Step(
            7,
            "interrupted",
            "A signal interrupts the wait",
            film.text(
                "A signal is pending: the call runs again, and may finish, but not wait once more."
            ),
            {},
        )
    ]


def started(tape: Tape, told: dict[str, Any]) -> list[Step]:
    return [Step(7, "started", f"Thread {told['tid']} of process {told['pid']} is born",
                 [], told)]  # fmt: skip


def oops(tape: Tape, told: dict[str, Any]) -> list[Step]:
    return [Step(7, "oops", "A bug in the handler", film.text(
        f"{told['text']}: the program is ended with a report in the kernel log; the kernel goes "
        "on."), told)]  # fmt: skip


BETWEEN = {
    "park": parked, "wake": woken, "interrupted": interrupted, "started": started, "oops": oops,
    "hardware": nested,
}  # fmt: skip
