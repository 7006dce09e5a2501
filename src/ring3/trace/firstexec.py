"""The execve of the first program, put together from what the kernel laid on its stack."""

from __future__ import annotations

from ring3.abi.elf import AUX_EXECFN, AUX_RANDOM
from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.task.task import Task


def number(abi: str) -> int:
    from ring3.abi.signatures import NUMBERS

    return NUMBERS[abi]["execve"]


def arguments(task: Task) -> tuple[int, ...] | None:
    """Registers as execve(2) would have had them, with the stack's copies as what they point to;
    None if the stack does not look as the kernel leaves it.

    The stack of a new program: argc, argv, NULL, envp, NULL, auxiliary vector, and above them the
    strings, of which AT_RANDOM's bytes lie lowest (task.exec.StackBuilder).
    """
    process = task.process
    argc = process.command_line.count(b"\0")
    envc = process.environment.count(b"\0")
    word = 8 if task.abi == "x86_64" else 4
    vector = auxiliary(process.auxv, word)
    if AUX_RANDOM not in vector or AUX_EXECFN not in vector:
        return None
    size = word * (argc + envc + 3) + len(process.auxv)
    sp = (vector[AUX_RANDOM] - size) & -16
    try:
        if load_word(task.memory, sp, word) != argc:
            return None
    except EFAULT:
        return None
    argv = sp + word
    return (vector[AUX_EXECFN], argv, argv + word * (argc + 1), 0, 0, 0)


def auxiliary(data: bytes, word: int) -> dict[int, int]:
    words = [int.from_bytes(data[i : i + word], "little") for i in range(0, len(data), word)]
    return dict(zip(words[::2], words[1::2], strict=False))


def load_word(memory: Memory, at: int, word: int) -> int:
    return int.from_bytes(memory.load(at, word), "little")
