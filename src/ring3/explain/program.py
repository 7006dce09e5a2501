"""Chapters 1 and 2: the caller's code, who called it, and the registers it filled."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.disassembly import block, instructions, trap_address
from ring3.explain.film import Step
from ring3.explain.snapshot import ARGUMENTS
from ring3.explain.unwind import OUTERMOST, unwind

if TYPE_CHECKING:
    from ring3.explain.elf import Symbols
    from ring3.explain.tape import Tape

MOST_CALLERS = 16
MOST_GUESSED = 6
R10 = (
    "The fourth argument is in r10, where a function call would have it in rcx: SYSCALL itself "
    "overwrites rcx (with the return address) and r11 (with the flags)."
)


def program(tape: Tape, symbols: Symbols) -> list[Step]:
    """Chapter 1."""
    callers = chain(tape, symbols)
    return [code(tape, symbols, callers.data["callers"]), callers]


def code(tape: Tape, symbols: Symbols, callers: list[dict[str, Any]]) -> Step:
    trap, name = trap_address(tape)
    at = trap or tape.trap["registers"].get("rip", 0)
    found, missing = instructions(tape, symbols)
    where = symbols.named(at)
    file = symbols.file_name(at) or "memory without a file"
    opening = (
        f"Thread {tape.tid} of process {tape.pid} ({tape.comm}) is in {where or f'{at:#x}'} of "
        f"{file}."
    )
    if name:
        opening += (
            f" {name} is the instruction that leaves the program: before it, the function put the "
            f"call's number {tape.nr} into {'rax' if tape.abi == 'x86_64' else 'eax'} and the "
            "arguments into the registers of the next chapter."
        )
    known = symbols.symbol(at)
    nameless = ""
    if at and known is None:
        nameless = symbols.missing or (
            "No symbol covers this address: the file is stripped of its own names, or cannot be "
            "read."
        )
        if not symbols.start(at):
            nameless += " The code is decoded from a guessed beginning."
    wrapper = next((c["symbol"] for c in callers[:2] if c["symbol"]), "The program")
    title = f"{wrapper.partition('+')[0]} makes the call"
    blocks = film.text(opening, missing, nameless)
    blocks += block(found, f"{where or hex(at)} in {file}", "into the kernel")
    return Step(
        1, "code", title, blocks,
        {"address": at, "instruction": name, "symbol": where, "file": file, "code": found},
    )  # fmt: skip


def chain(tape: Tape, symbols: Symbols) -> Step:
    registers = tape.trap["registers"]
    found, end, sp = unwind(symbols, tape.abi, registers, tape.trap["stack"])
    at = trap_address(tape)[0] or registers.get("rip", 0)
    callers = [caller(symbols, 0, at, "the trap")]
    callers += [caller(symbols, n, a, "unwind tables") for n, a in enumerate(found, 1)]
    guessed = []
    if end != OUTERMOST:
        # The first word above the last known frame is its caller's, if anything is.
        guessed = [r["address"] for r in tape.trap["returns"] if r["slot"] >= sp]
        callers += [caller(symbols, 0, a, "left on the stack") for a in guessed[:MOST_GUESSED]]
    told = (
        "From the wrapper outwards, by the unwind tables that compilers put next to the code. "
        f"The chain ends with: {end}."
    )
    if not found:
        told = f"The unwind tables do not help here: {end.rstrip('.')}."
    if guessed:
        told += (
            " Further words on the stack that point behind a call instruction are shown too: most "
            "are return addresses, some may be left over from calls that are through."
        )
    callers = callers[:MOST_CALLERS]
    rows = [
        [c["depth"] if c["how"] != "left on the stack" else "?", c["symbol"] or "(no name)",
         f"{c['address']:#x}", short_file(c["file"]), c["how"]]
        for c in callers
    ]  # fmt: skip
    blocks = film.text(told)
    blocks += film.table(["#", "function", "address", "file", "known by"], rows, [0])
    return Step(1, "callers", "Who called it", blocks, {"end": end, "callers": callers})


def short_file(path: str) -> str:
    """The name of a file without its folders."""
    return path.rpartition("/")[2]


def caller(symbols: Symbols, depth: int, address: int, how: str) -> dict[str, Any]:
    return {
        "depth": depth,
        "how": how,
        "address": address,
        "symbol": symbols.named(address),
        "file": symbols.file_name(address),
    }


# --- chapter 2 ------------------------------------------------------------------------------------
def registers(tape: Tape) -> list[Step]:
    """Chapter 2."""
    i386 = tape.abi == "i386"
    number = "eax" if i386 else "rax"
    known = "no such call" if tape.unknown else f"{tape.nr} = {tape.name}"
    rows = [[number, f"{tape.nr:#x}", "number", "", known]]
    for row in tape.rows:
        kind = row["declared"] or row["c_type"]
        meaning = row["meaning"] or "not used by this call"
        rows.append([row["register"], f"{row['value']:#x}", row["name"], kind, meaning])
    used = {r for row in tape.rows for r in row["register"].split("+")}
    unused = [r for r in ARGUMENTS[tape.abi] if r not in used]
    told = [f"As a tracer prints it: {tape.line}"]
    if len(tape.rows) > 3 and not i386:
        told.append(R10)
    if unused and not tape.unknown:
        count = len(tape.rows)
        told.append(
            f"{tape.name} takes {count} argument{'s' * (count != 1)}; what "
            f"{', '.join(unused)} happen to hold, the kernel never looks at."
        )
    blocks = film.table(["register", "value", "argument", "declared", "meaning"], rows, [0])
    blocks += film.text(*told)
    blocks += film.text(*stale(tape))
    data = {"number": tape.nr, "line": tape.line, "arguments": tape.rows, "unused": unused}
    count = len(tape.rows)
    title = f"{count} argument{'s' * (count != 1)} in registers"
    if tape.unknown:
        title = "Six registers that no declaration explains"
    return [Step(2, "registers", title, blocks, data)]


O_CREAT, O_TMPFILE = 0o100, 0o20200000


def stale(tape: Tape) -> list[str]:
    """Registers that are arguments by the declaration, and that this call leaves to chance."""
    value = {row["name"]: row["value"] for row in tape.rows}
    if tape.name in ("open", "openat") and "mode" in value:
        register = next(row["register"] for row in tape.rows if row["name"] == "mode")
        flags = value.get("flags", 0)
        if flags & O_CREAT or flags & O_TMPFILE == O_TMPFILE:
            return [
                f"O_CREAT: the kernel takes the new file's permissions from {register}, "
                f"which holds {value['mode']:#x} (0{value['mode'] & 0o7777:o} in octal). It cannot "
                "know whether the program meant that: open() in C has a third "
                "argument only if somebody writes one."
            ]
        return [f"Without O_CREAT the kernel ignores mode: {register} holds whatever was there."]
    return []
