"""Sequences of memory calls, drawn with a seed, on an emulated space and on the host's Linux:
results, contents and /proc/PID/maps must be the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ring3.abi.errno import Errno
from ring3.abi.syscalls_x86_64 import NUMBERS
from ring3.machine.emulated.remote import peek
from tests.unit.emulated.mm_fakes import Content, FakeFile, World
from tests.unit.emulated.mm_host import PAGE, PAGES, SIZE, WINDOW, digest

ORACLE = Path(__file__).with_name("mm_host.py")
ROUNDS, STEPS = 12, 100
SIZES = (3 * PAGE + 100, 20 * PAGE)
MAP_FIXED, NOREPLACE, ANONYMOUS = 0x10, 0x100000, 0x20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the host's Linux is the oracle")


class Emulated:
    """The same operations on an emulated space."""

    def __init__(self, files: list[bytes]) -> None:
        self.world = World(4096)
        self.space = self.world.space
        self.contents = [Content(data) for data in files]
        self.files = [FakeFile(content) for content in self.contents]
        self.vector = self.space.map(None, 0, PAGE, 3, 0x22, None, 0)

    def do(self, name: str, args: list[int]) -> Any:
        try:
            return getattr(self, name)(*args)
        except Errno as error:
            return -error.number

    def place(self, result: int, size: int) -> Any:
        if result and not WINDOW <= result < WINDOW + SIZE:
            self.space.unmap(None, result, size)
            return "elsewhere"
        return result - WINDOW if result else 0

    def mmap(self, addr: int, size: int, prot: int, flags: int, file: int, offset: int) -> Any:
        source = self.files[file] if file >= 0 else None
        return self.place(self.space.map(None, addr, size, prot, flags, source, offset), size)

    def mremap(self, old: int, old_size: int, new_size: int, flags: int, new: int) -> Any:
        result = self.space.remap(None, old, old_size, new_size, flags, new)
        return self.place(result, new_size)

    def munmap(self, addr: int, size: int) -> int:
        return self.space.unmap(None, addr, size)

    def mprotect(self, addr: int, size: int, prot: int) -> int:
        return self.space.protect(None, addr, size, prot)

    def mincore(self, addr: int, size: int, vector: int) -> Any:
        self.space.advise(None, NUMBERS["mincore"], (addr, size, self.vector, 0, 0, 0))
        return list(self.space.memory.load(self.vector, -(-size // PAGE)))

    def load(self, addr: int, size: int) -> str:
        try:
            return self.space.memory.load(addr, size).hex()
        except Errno:
            return "fault"

    def store(self, addr: int, size: int, value: int) -> str:
        try:
            self.space.memory.store(addr, bytes([value]) * size)
        except Errno:
            return "fault"
        return "ok"

    def write(self, file: int, offset: int, size: int, value: int) -> int:
        self.contents[file].write(offset, bytes([value]) * size)
        return size

    def read(self, file: int, offset: int, size: int) -> str:
        return self.contents[file].read(offset, size).hex()

    def truncate(self, file: int, size: int) -> int:
        self.contents[file].truncate(size)
        return 0

    def clear(self) -> int:
        return self.munmap(WINDOW, SIZE)

    def peek(self) -> list[Any]:
        pages = range(WINDOW, WINDOW + SIZE, PAGE)
        return [digest(peek(self.space, va, PAGE)) for va in pages]

    def maps(self) -> list[Any]:
        return [
            [a.start - WINDOW, a.end - WINDOW, a.prot + ("s" if a.shared else "p"), a.offset]
            for a in self.space.areas()
            if WINDOW <= a.start < WINDOW + SIZE
        ]

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.space.advise(None, NUMBERS[name], (*args, 0, 0, 0))


class Draw:
    """Operations, wrong ones among them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def addr(self) -> int:
        odd = 1 if self.rng.random() < 0.02 else 0
        return WINDOW + self.rng.randrange(PAGES) * PAGE + odd

    def size(self) -> int:
        pages = self.rng.choice((1, 1, 2, 3, 5, 8, 13))
        return pages * PAGE - (self.rng.randrange(PAGE) if self.rng.random() < 0.1 else 0)

    def span(self) -> tuple[int, int]:
        addr, size = self.addr(), self.size()
        if self.rng.random() < 0.02:
            size = 0
        return addr, max(min(size, WINDOW + SIZE - addr), 0)

    def prot(self) -> int:
        return self.rng.choice((0, 1, 1, 3, 3, 3, 3, 5, 7))

    def mmap(self) -> list[Any]:
        addr, size = self.span()
        where = self.rng.choice((MAP_FIXED, MAP_FIXED, NOREPLACE))
        kind = self.rng.choice((1, 2, 2, 2))
        if self.rng.random() < 0.5:
            return [addr, size, self.prot(), kind | where | ANONYMOUS, -1, 0]
        offset = self.rng.randrange(6) * PAGE
        return [addr, size, self.prot(), kind | where, self.rng.randrange(len(SIZES)), offset]

    def mremap(self) -> list[Any]:
        addr, size = self.span()
        new_size = self.size() if self.rng.random() < 0.6 else size
        new, room = self.addr(), WINDOW + SIZE
        flags = self.rng.choice((0, 0, 1, 3, 3, 5, 7, 2, 4))
        if new + new_size > room:
            new = (room - new_size) & -PAGE
        if addr + new_size > room:
            new_size = room - addr
        return [addr, size, new_size, flags, new]

    def operation(self) -> list[Any]:
        rng = self.rng
        name = rng.choice(
            ["mmap"] * 5 + ["munmap"] * 2 + ["mprotect"] * 4 + ["mremap"] * 3 + ["store"] * 8
            + ["load"] * 4 + ["madvise"] * 3 + ["msync", "mlock", "munlock", "mlock2"]
            + ["write", "read", "truncate"]
        )  # fmt: skip
        if name in ("mmap", "mremap"):
            return [name, *getattr(self, name)()]
        if name == "mprotect":
            return [name, *self.span(), self.prot()]
        if name in ("store", "load"):
            addr, size = self.span()
            at, size = addr + rng.randrange(100), min(max(size, 1), 2 * PAGE)
            size = min(size, WINDOW + SIZE - at)
            return [name, at, size, *([rng.randrange(1, 256)] if name == "store" else [])]
        if name == "madvise":
            advice = rng.choice((0, 1, 2, 3, 4, 4, 4, 4, 8, 9, 10, 11, 18, 19, 20, 22, 23, 99))
            return [name, *self.span(), advice]
        if name == "msync":
            return [name, *self.span(), rng.choice((0, 1, 2, 4, 5, 6, 8))]
        if name == "mlock2":
            return [name, *self.span(), rng.choice((0, 1, 2))]
        if name in ("write", "read"):
            file = rng.randrange(len(SIZES))
            offset, size = rng.randrange(SIZES[file]), rng.randrange(1, 5000)
            return [name, file, offset, size, *([rng.randrange(256)] if name == "write" else [])]
        if name == "truncate":
            file = rng.randrange(len(SIZES))
            return [name, file, rng.randrange(SIZES[file] + 2 * PAGE)]
        return [name, *self.span()]


def run_both(seed: int, steps: int) -> list[tuple[list[Any], Any, Any]]:
    """(operation, the host's result, ours) of every step."""
    draw = Draw(seed)
    files = [bytes([65 + i]) * size for i, size in enumerate(SIZES)]
    operations: list[list[Any]] = []
    for _ in range(steps):
        operations += [draw.operation(), ["maps"], ["peek"]]
    lines = "\n".join(json.dumps(x) for x in [[f.hex() for f in files], *operations])
    done = subprocess.run(
        [sys.executable, str(ORACLE)], input=lines, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(operations), done.stderr
    ours = Emulated(files)
    rows = []
    for operation, answer in zip(operations, answers, strict=True):
        rows.append((operation, answer, ours.do(operation[0], list(operation[1:]))))
    return rows


def differences(rows: list[tuple[list[Any], Any, Any]]) -> str:
    """The first difference, with the operations before it."""
    for index, (operation, host, ours) in enumerate(rows):
        if host != ours:
            before = [str(row[0]) for row in rows[:index] if row[0][0] not in ("maps", "peek")]
            said = f"{operation}\n host {str(host)[:1500]}\n ours {str(ours)[:1500]}"
            return "\n".join([*before[-12:], said])
    return ""


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_same_as_the_host(seed: int) -> None:
    assert not differences(run_both(seed, STEPS))
