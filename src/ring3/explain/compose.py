"""From tape to film: once the guest is gone, or nothing more happens to its call."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.explain.back import back
from ring3.explain.copies import copies
from ring3.explain.elf import Symbols
from ring3.explain.entry import entry
from ring3.explain.film import Film
from ring3.explain.handler import handler
from ring3.explain.judges import judges, lookup
from ring3.explain.program import program, registers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.explain.tape import Tape


def compose(tape: Tape, argv: Sequence[str], read_file: Callable[[str], bytes | None]) -> Film:
    """The film of *tape*. *read_file* gives the bytes of a program file by its name in an area."""
    symbols = Symbols(tape.trap["areas"], read_file)
    steps = [
        *program(tape, symbols),
        *registers(tape),
        *entry(tape),
        *judges(tape),
        *lookup(tape),
        *copies(tape, 6),
        *handler(tape),
        *back(tape),
    ]
    header = {
        "program": list(argv),
        "call": tape.name,
        "nr": tape.nr,
        "nth": tape.nth,
        "abi": tape.abi,
        "pid": tape.pid,
        "tid": tape.tid,
        "comm": tape.comm,
        "machine": tape.machine,
        "line": tape.line,
        "result": tape.result,
    }
    return Film(header, steps).cleaned()
