"""Chapters 1 and 2: the caller's code, who called it, and the registers it filled."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.explain import film
from ring3.explain.disassembly import block, instructions, trap_address
from ring3.explain.film import Step
from ring3.explain.snapshot import ARGUMENTS
from ring3.explain.unwind import unwind

if TYPE_CHECKING:
    from ring3.explain.elf import Symbols
    from ring3.explain.tape import Tape

MOST_CALLERS = 16
R10 = (
    "The fourth argument is in r10, where a function call would have it in rcx: SYSCALL itself "
    "overwrites rcx (with the return address) and r11 (with the flags)."
)


def program(tape: Tape, symbols: Symbols) -> list[Step]:
    """Chapter 1."""
    return [code(tape, symbols), chain(tape, symbols)]


def code(tape: Tape, symbols: Symbols) -> Step:
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
            "read. The code is decoded from a guessed beginning."
        )
    title = f"{where.partition('+')[0] or 'The program'} makes the call"
    blocks = film.text(opening, missing, nameless)
    blocks += block(found, f"{where or hex(at)} in {file}", "into the kernel")
    return Step(
        1, "code", title, blocks,
        {"address": at, "instruction": name, "symbol": where, "file": file, "code": found},
    )  # fmt: skip


def chain(tape: Tape, symbols: Symbols) -> Step:
    registers = tape.trap["registers"]
    found, end = unwind(symbols, tape.abi, registers, tape.trap["stack"])
    how = "unwind tables"
    if not found and tape.trap["returns"]:
        how = "stack scan"
        found = [r["address"] for r in tape.trap["returns"]]
    at = trap_address(tape)[0] or registers.get("rip", 0)
    callers = [caller(symbols, 0, at)]
    callers += [caller(symbols, n, a) for n, a in enumerate(found[:MOST_CALLERS], 1)]
    if how == "stack scan":
        told = (
            f"The unwind tables do not help here ({end}). These are the words on the stack that "
            "point behind a call instruction: most are return addresses, some may be left over."
        )
    elif not found:
        told = f"Who called it cannot be told: {end}."
    else:
        told = (
            "From the wrapper outwards, by the unwind tables that compilers put next to the code. "
            f"The chain ends with: {end}."
        )
    rows = [
        [c["depth"], c["symbol"] or "(no name)", f"{c['address']:#x}", c["file"]] for c in callers
    ]
    blocks = film.text(told) + film.table(["#", "function", "address", "file"], rows, [0])
    return Step(1, "callers", "Who called it", blocks, {"how": how, "end": end, "callers": callers})


def caller(symbols: Symbols, depth: int, address: int) -> dict[str, Any]:
    return {
        "depth": depth,
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
        rows.append([row["register"], f"{row['value']:#x}", row["name"], kind, row["meaning"]])
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
                f"which holds {value['mode']:#x} ({value['mode'] & 0o7777:#o}). It cannot know "
                "whether the program meant that: open() in C has a third "
                "argument only if somebody writes one."
            ]
        return [f"Without O_CREAT the kernel ignores mode: {register} holds whatever was there."]
    return []
