"""The disk: a queue of requests, scatter-gather DMA into page frames, a completion interrupt.

The shape is a bus-master IDE drive's (SFF-8038i: a table of physical regions, an interrupt when
the last one is done; IRQ 14 is the primary channel's). Sectors have 512 bytes. A request takes its
time in virtual time, and its regions are transferred one after the other *during* that time: a
frame that is given back before the completion is overwritten all the same. Who submits a request
therefore has to pin its frames until ``done`` is called.
"""

from __future__ import annotations

from collections import deque

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.devices.softirq import BLOCK
from ring3.machine.emulated.layout import IRQ_DISK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.emulated.devices.backing import Backing
    from ring3.machine.emulated.devices.pic import InterruptController
    from ring3.machine.emulated.devices.schedule import Schedule
    from ring3.machine.emulated.devices.softirq import Softirqs

SECTOR: Final = 512
ACCESS_NS: Final = 80_000
"""From the command to the first byte (a SATA SSD's)."""
BYTE_NS: Final = 2
"""Per byte transferred: 500 MB/s."""
READ, WRITE, FLUSH = range(3)


class Request:
    """One transfer. *regions*: (physical address, length) in order; their lengths add up to whole
    sectors. *done* is called with the request from the bottom half; ``error`` says how it went."""

    __slots__ = ("began_ns", "done", "error", "moved", "operation", "regions", "sector")

    def __init__(
        self,
        operation: int,
        sector: int,
        regions: Sequence[tuple[int, int]],
        done: Callable[[Request], None],
    ) -> None:
        self.operation = operation
        self.sector = sector
        self.regions = regions
        self.done = done
        self.began_ns = 0
        """When it was submitted."""
        self.moved = 0
        """Bytes transferred so far."""
        self.error = ""
        """Why it failed; empty if it did not."""


class Disk:
    """*ram*: all of physical memory. *dma_written(address, length)* is told of what the disk has
    written there: code translated from those frames is stale."""

    __slots__ = (
        "backing", "busy_ns", "busy_since", "controller", "current", "dma_written", "done",
        "finished", "moved", "name", "queue", "ram", "region", "schedule", "sectors", "softirqs",
        "spent_ns", "status", "writable",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        backing: Backing,
        writable: bool,
        ram: memoryview,
        schedule: Schedule,
        controller: InterruptController,
        softirqs: Softirqs,
    ) -> None:
        self.name = name
        self.backing = backing
        self.writable = writable
        self.ram = ram
        self.schedule = schedule
        self.controller = controller
        self.softirqs = softirqs
        self.sectors = backing.size // SECTOR
        self.queue: deque[Request] = deque()
        self.current: Request | None = None
        """What the drive works at."""
        self.region = 0
        self.status: Request | None = None
        """Finished by the drive, not yet fetched by the top half."""
        self.finished: list[Request] = []
        """Fetched, waiting for the bottom half."""
        self.dma_written: Callable[[int, int], None] | None = None
        self.done = [0, 0, 0]
        self.moved = [0, 0, 0]
        self.spent_ns = [0, 0, 0]
        """Requests completed, sectors transferred, time from submission to interrupt, by operation
        (/proc/diskstats)."""
        self.busy_ns = self.busy_since = 0
        """For how long there was something to do, without the present time of that."""

    # --- the block layer's side ------------------------------------------------------------------
    def request(
        self,
        operation: int,
        sector: int,
        regions: Sequence[tuple[int, int]],
        done: Callable[[Request], None],
    ) -> Request:
        return Request(operation, sector, regions, done)

    def submit(self, request: Request) -> None:
        """Enter *request* in the queue; the drive takes them in order."""
        request.began_ns = self.schedule.now()
        if not self.in_flight:
            self.busy_since = request.began_ns
        self.queue.append(request)
        self.next_request()

    def next_request(self) -> None:
        if self.current is None and self.status is None and self.queue:
            self.current = self.queue.popleft()
            self.region = 0
            first = self.current.regions[0][1] if self.current.regions else 0
            self.schedule.after(ACCESS_NS + first * BYTE_NS, self.transfer)

    # --- the drive's side ------------------------------------------------------------------------
    def transfer(self) -> None:
        """One region of the current request; the last one ends it."""
        request = self.current
        assert request is not None, "the drive works at nothing"
        if request.operation == FLUSH:
            self.flush(request)
        elif not self.fits(request):
            request.error = "beyond the end of the medium"
        elif request.operation == WRITE and not self.writable:
            request.error = "write protected"
        elif self.region < len(request.regions):
            self.move(request, *request.regions[self.region])
            self.region += 1
            if not request.error and self.region < len(request.regions):
                self.schedule.after(request.regions[self.region][1] * BYTE_NS, self.transfer)
                return
        self.current, self.status = None, request
        self.controller.request(IRQ_DISK, f"{self.name}: done")

    def fits(self, request: Request) -> bool:
        size = sum(length for _address, length in request.regions)
        return size % SECTOR == 0 and request.sector + size // SECTOR <= self.sectors

    def move(self, request: Request, address: int, length: int) -> None:
        offset = request.sector * SECTOR + request.moved
        try:
            if request.operation == WRITE:
                self.backing.write_at(offset, self.ram[address : address + length])
            else:
                data = self.backing.read_at(offset, length)
                if len(data) < length:
                    request.error = "the medium has shrunk"
                    return
                self.ram[address : address + length] = data
                if self.dma_written is not None:
                    self.dma_written(address, length)
        except OSError as failed:
            request.error = f"the host: {failed.strerror}"
            return
        request.moved += length

    def flush(self, request: Request) -> None:
        try:
            self.backing.flush()
        except OSError as failed:
            request.error = f"the host: {failed.strerror}"

    # --- the driver's side -----------------------------------------------------------------------
    def interrupt(self) -> None:
        """Top half of IRQ 14: fetch the status, give the drive its next command."""
        request, self.status = self.status, None
        if request is None:
            return
        self.finished.append(request)
        now, operation = self.schedule.now(), request.operation
        self.done[operation] += 1
        self.moved[operation] += request.moved // SECTOR
        self.spent_ns[operation] += now - request.began_ns
        if not self.in_flight:
            self.busy_ns += now - self.busy_since
        self.next_request()
        self.softirqs.raise_softirq(BLOCK)

    def bottom_half(self) -> None:
        """BLOCK softirq: tell who asked."""
        finished, self.finished = self.finished, []
        for request in finished:
            request.done(request)

    @property
    def in_flight(self) -> int:
        """Requests that the drive has not finished, or whose interrupt was not served yet."""
        return len(self.queue) + (self.current is not None) + (self.status is not None)

    @property
    def busy(self) -> bool:
        """Whether a request is anywhere on its way."""
        return bool(self.in_flight or self.finished)

    def statistics(self) -> tuple[int, ...]:
        """The numbers of /proc/diskstats: for reads and for writes requests, merges, sectors and
        ms; in flight, ms busy, ms of all; four for discards; flushes and their ms
        (Documentation/admin-guide/iostats.rst)."""
        busy = self.busy_ns + (self.schedule.now() - self.busy_since if self.in_flight else 0)
        rows = [
            (self.done[op], 0, self.moved[op], self.spent_ns[op] // 1_000_000)
            for op in (READ, WRITE)
        ]
        busy_ms, all_ms = busy // 1_000_000, sum(self.spent_ns) // 1_000_000
        flushes = self.done[FLUSH], self.spent_ns[FLUSH] // 1_000_000
        return (*rows[0], *rows[1], self.in_flight, busy_ms, all_ms, 0, 0, 0, 0, *flushes)
