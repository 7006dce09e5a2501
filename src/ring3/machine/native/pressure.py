"""The memory limit of a world (--mem): what its vehicles and the kernel's memory files hold.

A host limit on address space would break programs that reserve much and use little (node, Go), and
an ordinary user has no cgroup. So resident memory is sampled; over the limit the biggest process
is killed with a report, as Linux's out-of-memory killer does.
"""

from __future__ import annotations

import os
import stat

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.core.clock import Clock
    from ring3.machine.native.machine import NativeMachine

PERIOD_NS = 50_000_000
CALM_PERIOD_NS = 250_000_000
"""While less than a quarter of the limit is in use."""
BLOCK = 512


class MemoryWatch:
    """Samples every 50 ms (250 ms while little is in use). *kill* ends a guest process."""

    def __init__(
        self, machine: NativeMachine, clock: Clock, limit: int, kill: Callable[[Any, str], None]
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.limit = limit
        self.kill = kill
        self.last = 0
        self.arm()

    def arm(self, period_ns: int = PERIOD_NS) -> None:
        self.clock.arm(self.clock.monotonic_ns() + period_ns, self)

    def expire(self) -> None:
        if self.machine.closing:
            return
        self.arm(PERIOD_NS if self.last > self.limit // 4 else CALM_PERIOD_NS)
        sizes = {p: resident(p.pid) for p in list(self.machine.processes.values()) if p.process}
        if not sizes:
            return
        files = memory_files()
        self.last = sum(sizes.values()) + files
        if self.last <= self.limit:
            return
        # Pages that forks share were counted for each of them: now count exactly.
        sizes = {p: proportional(p.pid) for p in sizes}
        total = sum(sizes.values()) + files
        alive = [p for p in sizes if p.process.state not in ("dying", "zombie")]
        if total <= self.limit or not alive:
            return
        biggest = max(alive, key=lambda p: sizes[p])
        self.kill(
            biggest.process,
            f"out of memory: {total >> 10} KiB in use, limit {self.limit >> 10} KiB:"
            f" killed process {biggest.process.pid}, {sizes[biggest] >> 10} KiB",
        )


def resident(pid: int) -> int:
    """Bytes of RAM that only host process *pid* and its kin hold (anonymous and shared memory;
    files come from the page cache); 0 if it is gone."""
    total = 0
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith((b"RssAnon:", b"RssShmem:", b"VmSwap:")):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return total


def proportional(pid: int) -> int:
    """The same with shared pages divided by their users."""
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith((b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return resident(pid)
    return total


def memory_files() -> int:
    """Bytes in the memory files this process holds: tmpfs files, shared memory, pipes of data."""
    seen: dict[tuple[int, int], int] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            st = os.fstat(int(name))
            if not stat.S_ISREG(st.st_mode) or (st.st_dev, st.st_ino) in seen:
                continue
            if os.readlink(f"/proc/self/fd/{name}").startswith("/memfd:"):
                seen[st.st_dev, st.st_ino] = st.st_blocks * BLOCK
        except OSError:
            continue  # closed meanwhile
    return sum(seen.values())
