"""The caller as the trap found it: registers, code around the instruction, stack, areas.

Taken while the caller waits in its trap, with nothing looked up: names and disassembly come later
(``program``).
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.explain.looking import looking
from ring3.vfs.path import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.abi.types import Memory
    from ring3.machine.base import Area
    from ring3.task.task import Task

PAGE: Final = 4096
CODE_BEFORE: Final = 1024
CODE_AFTER: Final = 96
STACK_BYTES: Final = 8192
MOST_RETURNS: Final = 48
"""Words of the stack that are looked at as return addresses."""
ARGUMENTS: Final = {
    "x86_64": ("rdi", "rsi", "rdx", "r10", "r8", "r9"),
    "i386": ("ebx", "ecx", "edx", "esi", "edi", "ebp"),
}
"""Registers of the arguments (syscall(2), "Architecture calling conventions")."""


def take(task: Task, nr: int, args: Sequence[int]) -> dict[str, Any]:
    """Everything that chapters 1 to 3 need."""
    memory = looking(task)
    registers, how = user_registers(task, nr, args)
    areas = areas_of(task)
    rip, rsp = registers.get("rip", 0), registers.get("rsp", 0)
    word = 8 if task.abi == "x86_64" else 4
    before = readable(memory, rip - CODE_BEFORE, rip) if rip else b""
    stack = readable_up(memory, rsp, STACK_BYTES) if rsp else b""
    return {
        "how": how,
        "registers": registers,
        "areas": areas,
        "code": before + (readable_up(memory, rip, CODE_AFTER) if rip else b""),
        "code_at": rip - len(before),
        "stack": stack,
        "returns": return_addresses(memory, areas, rsp, stack, word),
    }


def areas_of(task: Task) -> list[dict[str, Any]]:
    """What is mapped, as plain data."""
    return [
        {
            "start": a.start,
            "end": a.end,
            "prot": a.prot,
            "shared": a.shared,
            "offset": a.offset,
            "name": name_of(a, task).decode("utf-8", "replace"),
        }
        for a in task.space.areas()
    ]


def name_of(area: Area, task: Task) -> bytes:
    """What lies in an area: the guest's path of its file, or what the machine calls it."""
    place = getattr(getattr(area, "file", None), "place", None)
    if area.name or place is None:
        return area.name
    return path_of(place, task.fs.root)


def user_registers(task: Task, nr: int, args: Sequence[int]) -> tuple[dict[str, int], str]:
    """The user registers as far as the machine knows them, and how it learned them."""
    ask = getattr(task.vehicle, "user_registers", None)
    found: dict[str, int] = {}
    how = ""
    if ask is not None:
        try:
            how, found = ask()
        except (OSError, Errno):
            found = {}  # the vehicle is not where it can be looked at
    full = dict(found)
    for name, value in zip(ARGUMENTS["x86_64"], args, strict=False):
        if task.abi == "x86_64":
            full.setdefault(name, value)
    if task.abi == "i386":
        for name, value in zip(ARGUMENTS["i386"], args, strict=False):
            full.setdefault("r" + name[1:], value & 0xFFFFFFFF)
    full["orig_rax"] = nr
    return full, how


def readable(memory: Memory, start: int, end: int) -> bytes:
    """As much of [start, end) as can be read up to *end*."""
    while start < end:
        try:
            return memory.load(start, end - start)
        except EFAULT:
            start = (start // PAGE + 1) * PAGE
    return b""


def readable_up(memory: Memory, start: int, size: int) -> bytes:
    """As much as can be read from *start* on, *size* bytes at most."""
    found = b""
    while len(found) < size:
        at = start + len(found)
        part = min(size - len(found), PAGE - at % PAGE)
        try:
            found += memory.load(at, part)
        except EFAULT:
            break
    return found


def return_addresses(
    memory: Memory, areas: list[dict[str, Any]], rsp: int, stack: bytes, word: int
) -> list[dict[str, int]]:
    """Words of the stack that point behind a call instruction: perhaps return addresses."""
    code = [(a["start"], a["end"]) for a in areas if "x" in a["prot"]]
    found: list[dict[str, int]] = []
    for at in range(0, len(stack) - word + 1, word):
        value = int.from_bytes(stack[at : at + word], "little")
        if any(low <= value < high for low, high in code):
            try:
                before = memory.load(value - 7, 7)
            except EFAULT:
                continue
            if follows_call(before):
                found.append({"slot": rsp + at, "address": value})
                if len(found) == MOST_RETURNS:
                    break
    return found


def follows_call(before: bytes) -> bool:
    """Whether the 7 bytes end with a CALL: E8 rel32, or FF /2 in its lengths 2 to 7."""
    if before[2] == 0xE8:
        return True
    for length in (2, 3, 4, 6, 7):
        opcode = before[7 - length : 9 - length]
        if len(opcode) == 2 and opcode[0] == 0xFF and opcode[1] >> 3 & 7 == 2:
            return True
    return False
