"""Keeping the kernel and its guests on one CPU while that is faster.

A hand-over between two CPUs wakes an idle one, which on virtual machines costs more than the call.
So everything runs on one CPU until guests have computing to do in parallel: their CPU time is
sampled, and the pin goes when two or more of them would fill that CPU, and comes back when they
would not fill it any more.
"""

from __future__ import annotations

import os
import time

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.native.usage import stat_fields

if TYPE_CHECKING:
    from ring3.machine.native.machine import NativeMachine

BUSY_TICK_S = 0.04
IDLE_TICK_S = 0.5
CROWDED = 0.6
"""Share of the one CPU from which on guests are held up by it."""
ROOMY = 0.9
"""CPUs' worth of work below which one CPU will do."""
PATIENCE = 8
"""Roomy samples in a row before the pin comes back."""


class Pinning:
    def __init__(self, machine: NativeMachine) -> None:
        self.machine = machine
        self.cpus = os.sched_getaffinity(0)
        self.one: set[int] = set()
        """The CPU for everybody."""
        self.pinned = False
        self.thread = 0
        """The thread that serves traps."""
        self.seen: dict[int, int] = {}
        """CPU time of each vehicle's process at the last sample, in ns."""
        self.last_ns = 0
        self.roomy = 0
        self.useful = len(self.cpus) > 1 and not os.environ.get("RING3_NO_PIN")

    def start(self, thread: int) -> None:
        """Pin from the first trap on (called on the serving thread *thread*)."""
        self.thread = thread
        if self.useful:
            # The scheduler has put us where there was room.
            self.one = {current_cpu()} & self.cpus or {min(self.cpus)}
            self.move(self.one)

    def move(self, cpus: set[int]) -> None:
        """Put the serving thread and every vehicle on *cpus*; new vehicles inherit it."""
        self.pinned = cpus is self.one
        for tid in (self.thread, *self.machine.vehicles):
            try:
                os.sched_setaffinity(tid, cpus)
            except OSError:
                pass  # it ended, or the host does not let us: then it runs where it does

    def tick_s(self) -> float | None:
        """How soon to sample again; None while there is nothing to find out."""
        if not self.useful or len(self.machine.vehicles) < 3:
            return None
        return BUSY_TICK_S if self.seen or not self.pinned else IDLE_TICK_S

    def sample(self) -> None:
        """Look at the guests' CPU time and move them if that is due (machine locked)."""
        now = time.monotonic_ns()
        passed = now - self.last_ns
        if passed < BUSY_TICK_S * 0.9e9:
            return
        used, busy, seen = 0, 0, {}
        for process in self.machine.processes.values():
            spent = process_ns(process.pid)
            seen[process.pid] = spent
            share = spent - self.seen.get(process.pid, spent)
            used += share
            busy += share > passed // 10
        crowd = busy > 1 or any(len(p.vehicles) > 1 for p in self.machine.processes.values())
        fresh = not self.seen or passed > 1_000_000_000
        self.last_ns, self.seen = now, seen if used or fresh else {}
        if fresh:
            return
        if self.pinned:
            if crowd and used > CROWDED * passed:
                self.roomy = 0
                self.move(self.cpus)
        elif used < ROOMY * passed:
            self.roomy += 1
            if self.roomy >= PATIENCE:
                self.move(self.one)
        else:
            self.roomy = 0


def current_cpu() -> int:
    """The CPU that this thread runs on; -1 if the host does not tell."""
    fields = stat_fields("/proc/thread-self/stat")
    return int(fields[36]) if fields else -1


def process_ns(pid: int) -> int:
    """CPU time of host process *pid* so far, in ns."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0
