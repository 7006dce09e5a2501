"""A kernel without a machine for unit tests: one process, threads that a test drives by hand.

A test makes a ``Kitchen`` k and a task ``t = k.task()``, and serves calls with ``call(t, "pipe2",
k.memory.room(8), 0)``: the result, or an Errno is raised. ``start`` may give PARKED instead; then
``k.turn()`` lets host events in, and ``finish(t)`` tells what the woken call gave.
"""

from __future__ import annotations

import importlib
import struct
from pathlib import Path
from typing import Any, Final

from ring3 import syscalls
from ring3.abi.errno import EFAULT
from ring3.abi.types import I386, X86_64
from ring3.core.park import Park
from ring3.task.credentials import Credentials
from ring3.task.fdtable import FdTable
from ring3.task.process import Process, ProcessGroup, Session
from ring3.task.task import Task
from ring3.task.world import World
from ring3.vfs.context import FsContext

PARKED: Final = "parked"
PAGE: Final = 4096


class FakeMemory:
    """User memory at *base*: whole pages may be taken away to make them fault."""

    def __init__(self, size: int = 1 << 20, base: int = 0x10000, word: int = 64) -> None:
        self.word = word
        self.base = base
        self.bytes = bytearray(size)
        self.bad: set[int] = set()
        self.next = base

    def room(self, size: int, content: bytes = b"") -> int:
        """Address of *size* fresh bytes, 16-aligned."""
        at = self.next
        self.next += (max(size, len(content)) + 15) & ~15
        assert self.next <= self.base + len(self.bytes), "the fake memory is used up"
        self.put(at, content)
        return at

    def fenced(self, size: int, content: bytes = b"") -> int:
        """Address of *size* bytes behind which memory faults."""
        self.next = (self.next + size + PAGE - 1) & -PAGE
        at = self.next - size
        self.bad.add(self.next // PAGE)
        self.next += PAGE
        self.put(at, content)
        return at

    def put(self, at: int, content: bytes) -> None:
        self.bytes[at - self.base : at - self.base + len(content)] = content

    def get(self, at: int, size: int) -> bytes:
        return bytes(self.bytes[at - self.base : at - self.base + size])

    def ints(self, at: int, fmt: str) -> tuple[Any, ...]:
        """The values of ``struct`` format *fmt* at *at*."""
        return struct.unpack("<" + fmt, self.get(at, struct.calcsize("<" + fmt)))

    def check(self, addr: int, size: int) -> int:
        start = addr - self.base
        if start < 0 or start + size > len(self.bytes):
            raise EFAULT
        if any(p in self.bad for p in range(addr // PAGE, (addr + max(size, 1) - 1) // PAGE + 1)):
            raise EFAULT
        return start

    def load(self, addr: int, size: int) -> bytes:
        start = self.check(addr, size)
        return bytes(self.bytes[start : start + size])

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        start = self.check(addr, len(data))
        self.bytes[start : start + len(data)] = data

    def load_string(self, addr: int, limit: int) -> bytes | None:
        found = bytearray()
        while len(found) < limit:
            byte = self.load(addr + len(found), 1)
            if byte == b"\0":
                return bytes(found)
            found += byte
        return None


class FakeVehicle:
    def __init__(self) -> None:
        self.kicks = 0
        self.resumed = 0
        self.killed = False

    def interrupt(self) -> None:
        self.kicks += 1

    def resume(self) -> None:
        self.resumed += 1

    def kill(self) -> None:
        self.killed = True


class FakeSpace:
    """The address space of every task of a kitchen: one memory, no areas."""

    def __init__(self, memory: FakeMemory) -> None:
        self.memory = memory

    def areas(self) -> list[Any]:
        return []


class FakeMachine:
    name = "fake"

    def __init__(self, can_bind: bool) -> None:
        self.can_bind = can_bind


class Kitchen:
    """A world with process 1 and whatever threads and processes a test asks for."""

    def __init__(self, can_bind: bool = True, word: int = 64) -> None:
        self.world = World()
        self.world.machine = FakeMachine(can_bind)  # type: ignore[assignment]
        self.memory = FakeMemory(word=word)
        self.space = FakeSpace(self.memory)
        self.init = self.process(1, None)
        self.world.init = self.init

    def process(self, pid: int, parent: Process | None) -> Process:
        process = Process(self.world, pid, parent)
        self.world.processes[pid] = process
        if parent is None:
            process.join(ProcessGroup(pid, Session(pid, process)))
        else:
            process.join(parent.group)
            parent.children[pid] = process
        return process

    def task(self, process: Process | None = None, fds: FdTable | None = None) -> Task:
        """A thread: of a new process, unless *process* is given."""
        tid = self.world.new_pid()
        process = process or self.process(tid, self.init)
        task = Task(self.world, tid, process)
        task.abi = "x86_64" if self.memory.word == 64 else "i386"
        task.vehicle = FakeVehicle()  # type: ignore[assignment]
        task.memory = self.memory
        task.space = self.space  # type: ignore[assignment]
        task.cred = Credentials()
        task.fs = FsContext(None, None)  # type: ignore[arg-type]
        task.fds = fds or FdTable()
        process.threads[tid] = self.world.tasks[tid] = task
        process.leader = process.leader or task
        return task

    def turn(self, timeout_s: float = 0.0) -> None:
        """Let host events and due timers reach the queues."""
        reactor = self.world.reactor
        reactor.dispatch(reactor.poll(timeout_s))
        self.world.clock.run_due()

    def close(self) -> None:
        for task in list(self.world.tasks.values()):
            if task.fds.users:
                task.fds.release()
        self.world.reactor.close()


def binder(t: Task, name: str) -> Any:
    from ring3.syscalls.table import CALLS

    if name not in CALLS:
        # Only the family that has it: a test of one room does not depend on all others.
        for path in Path(syscalls.__path__[0]).glob("*.py"):
            if f"def {name}(" in path.read_text():
                importlib.import_module(f"ring3.syscalls.{path.stem}")
    return CALLS[name].bind(X86_64 if t.abi == "x86_64" else I386)


def start(t: Task, name: str, *args: int) -> Any:
    """Serve a call: its result, or PARKED. Errno classes come as exceptions."""
    t.memo = None
    t.interrupted = False
    t.args = [a & 0xFFFFFFFFFFFFFFFF for a in args] + [0] * (6 - len(args))
    return again(t, binder(t, name))


def again(t: Task, bound: Any) -> Any:
    calls[t.tid] = bound
    try:
        return bound(t, t.args)
    except Park as park:
        t.park(park)
        return PARKED


calls: dict[int, Any] = {}


def finish(t: Task, *, interrupted: bool = False) -> Any:
    """Run a woken call again: its result, or PARKED. *interrupted*: a signal came instead; then
    a call that would go on waiting gives minus its restart kind."""
    if interrupted:
        t.unpark()
        t.interrupted = True
    elif t in t.world.ready:
        t.world.ready.remove(t)
    elif t.parked is not None:
        return PARKED
    result = again(t, calls[t.tid])
    if interrupted and t.parked is not None:
        result = -t.parked.restart
        t.unpark()
    return result


def call(t: Task, name: str, *args: int) -> Any:
    """Serve a call that must not wait."""
    result = start(t, name, *args)
    assert result != PARKED, f"{name} waits"
    return result
