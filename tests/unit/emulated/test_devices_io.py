"""The disk and the network device, with a small RAM and without a CPU."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from ring3.machine.emulated.devices import net
from ring3.machine.emulated.devices.disk import (
    ACCESS_NS,
    BYTE_NS,
    FLUSH,
    READ,
    SECTOR,
    WRITE,
    Disk,
    Request,
)
from ring3.machine.emulated.layout import IRQ_DISK, IRQ_NET, PAGE
from tests.unit.emulated.test_devices import Bench

RAM_PAGES = 512


class IoBench(Bench):
    def __init__(self) -> None:
        super().__init__()
        self.ram = bytearray(RAM_PAGES * PAGE)
        self.board.ram = memoryview(self.ram)
        self.used = 0
        self.done: list[Request] = []

    def frame(self) -> int:
        self.used += 1
        assert self.used <= RAM_PAGES
        return (self.used - 1) * PAGE

    def disk(self, source: bytes | Path, writable: bool = True) -> Disk:
        return self.board.attach_disk(source, writable)

    def submit(self, disk: Disk, operation: int, sector: int, *regions: tuple[int, int]) -> Request:
        request = Request(operation, sector, regions, self.done.append)
        disk.submit(request)
        return request

    def idle(self) -> None:
        """Until nothing is going on any more."""
        for _ in range(100_000):
            at = self.board.next_event_ns(idle=True)
            if at is None and not self.board.softirqs.pending:
                return
            if at is not None:
                self.clock.now = max(at, self.clock.now)
            self.settle()
            self.board.bottom_halves()
        raise AssertionError("the board does not come to rest")


def image(sectors: int) -> bytes:
    return b"".join(struct.pack("<I", n) * (SECTOR // 4) for n in range(sectors))


# --- the disk ------------------------------------------------------------------------------------
def test_a_read_fills_frames_by_dma_and_completes_by_interrupt() -> None:
    bench = IoBench()
    disk = bench.disk(image(64))
    request = bench.submit(disk, READ, 3, (PAGE, 512), (5 * PAGE + 512, 1024))
    assert disk.busy
    assert bench.done == []
    bench.idle()
    assert bench.done == [request]
    assert (request.error, request.moved, disk.busy) == ("", 1536, False)
    assert bench.ram[PAGE : PAGE + 512] == image(64)[3 * 512 : 4 * 512]
    assert bench.ram[5 * PAGE + 512 : 5 * PAGE + 1536] == image(64)[4 * 512 : 6 * 512]
    assert not any(bench.ram[5 * PAGE : 5 * PAGE + 512]), "nothing beside the regions"
    assert not any(bench.ram[5 * PAGE + 1536 :])
    assert bench.board.interrupts.counts[IRQ_DISK] == 1
    assert dict(bench.board.softirqs.rows())["BLOCK"] == 1
    assert bench.clock.now == ACCESS_NS + 1536 * BYTE_NS


def test_regions_are_transferred_one_after_the_other() -> None:
    bench = IoBench()
    disk = bench.disk(image(64))
    bench.submit(disk, READ, 1, (0, 4096), (PAGE, 4096))
    bench.run(ACCESS_NS + 4096 * BYTE_NS, idle=True)
    assert any(bench.ram[:PAGE])
    assert not any(bench.ram[PAGE : 2 * PAGE]), "the second region has not been reached"
    assert bench.done == []
    bench.idle()
    assert any(bench.ram[PAGE : 2 * PAGE])


def test_writes_reach_the_host_file_and_requests_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(image(8))
    bench = IoBench()
    disk = bench.disk(path)
    bench.ram[:512] = b"W" * 512
    write = bench.submit(disk, WRITE, 2, (0, 512))
    read = bench.submit(disk, READ, 2, (PAGE, 512))
    flush = bench.submit(disk, FLUSH, 0)
    assert path.read_bytes() == image(8)
    bench.idle()
    assert bench.done == [write, read, flush]
    assert bench.ram[PAGE : PAGE + 512] == b"W" * 512
    assert path.read_bytes() == image(8)[:1024] + b"W" * 512 + image(8)[1536:]
    assert (disk.done, disk.moved) == ([1, 1, 1], [1, 1, 0])
    bench.board.close()


@pytest.mark.parametrize(
    ("operation", "sector", "size", "error"),
    [
        (READ, 8, 512, "beyond"),
        (READ, 7, 1024, "beyond"),
        (WRITE, 0, 512, "write protected"),
        (READ, 0, 100, "beyond"),
    ],
)
def test_requests_that_cannot_be_served(operation: int, sector: int, size: int, error: str) -> None:
    bench = IoBench()
    disk = bench.disk(image(8), writable=False)
    request = bench.submit(disk, operation, sector, (0, size))
    bench.idle()
    assert error in request.error
    assert bench.done == [request]
    assert not any(bench.ram)
    assert disk.backing.read_at(0, disk.backing.size) == image(8)


def test_an_image_that_shrinks_is_an_error_of_that_request_only(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(image(8))
    bench = IoBench()
    disk = bench.disk(path, writable=False)
    os.truncate(path, 512)
    bad = bench.submit(disk, READ, 4, (0, 512))
    good = bench.submit(disk, READ, 0, (0, 512))
    bench.idle()
    assert ("shrunk" in bad.error, good.error) == (True, "")
    bench.board.close()


def test_statistics_add_up() -> None:
    bench = IoBench()
    disk = bench.disk(image(4096))
    for _ in range(20):
        bench.submit(disk, READ, 8, (0, 32768))
    bench.submit(disk, WRITE, 8, (0, 512))
    assert disk.statistics()[8] == disk.in_flight == 21
    bench.idle()
    took = bench.clock.now // 1_000_000
    numbers = disk.statistics()
    assert len(numbers) == 17
    assert numbers[:8] == (20, 0, 20 * 64, numbers[3], 1, 0, 1, took)
    assert numbers[8:10] == (0, took)
    assert numbers[3] > 5 * took, "they waited for each other"


def test_code_behind_a_dma_write_is_told() -> None:
    bench = IoBench()
    disk = bench.disk(image(8))
    told: list[tuple[int, int]] = []
    disk.dma_written = lambda address, length: told.append((address, length))
    bench.submit(disk, WRITE, 0, (0, 512))
    bench.submit(disk, READ, 0, (PAGE, 512), (3 * PAGE, 512))
    bench.idle()
    assert told == [(PAGE, 512), (3 * PAGE, 512)]


def test_a_partial_sector_at_the_end_of_an_image_is_not_there() -> None:
    assert IoBench().disk(image(2) + b"rest").sectors == 2


def test_one_drive_only() -> None:
    bench = IoBench()
    bench.disk(image(1))
    with pytest.raises(ValueError, match="drive"):
        bench.disk(image(1))


# --- the network device --------------------------------------------------------------------------
def plugged() -> tuple[IoBench, net.NetworkDevice, list[bytes]]:
    bench = IoBench()
    device = bench.board.attach_network(bench.frame)
    assert bench.used == net.FRAME_PAGES
    got: list[bytes] = []
    device.receive = got.append
    return bench, device, got


def test_a_frame_comes_back_over_the_wire() -> None:
    bench, device, got = plugged()
    device.send(b"hello")
    bench.settle()
    assert got == []
    bench.idle()
    assert got == [b"hello"]
    assert bench.board.interrupts.counts[IRQ_NET] == 1
    counts = dict(bench.board.softirqs.rows())
    assert (counts["NET_TX"], counts["NET_RX"]) == (1, 1)
    assert b"hello" in bench.ram, "it went through RAM"


@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE, PAGE + 1, 65535, 63 * PAGE])
def test_frames_of_any_size_arrive_whole(size: int) -> None:
    bench, device, got = plugged()
    frame = bytes(n * 7 & 0xFF for n in range(size))
    device.send(frame)
    device.send(b"next")
    bench.idle()
    assert got == [frame, b"next"]


def test_more_frames_than_the_rings_hold_lose_nothing_and_keep_their_order() -> None:
    bench, device, got = plugged()
    frames = [struct.pack("<I", n) * (1 + n * 37 % 3000) for n in range(500)]
    for frame in frames:
        device.send(frame)
    assert device.backlog, "the ring is smaller than that"
    bench.idle()
    assert got == frames
    assert (device.sent, device.received) == (500, 500)


def test_frames_wait_on_the_wire_while_the_receiver_does_not_poll() -> None:
    bench, device, got = plugged()
    frames = [b"%d" % n * 20 for n in range(300)]
    for frame in frames:
        device.send(frame)
    for _ in range(2000):  # interrupts are taken, bottom halves are not run
        at = bench.board.next_event_ns(idle=True)
        if at is None:
            break
        bench.clock.now = at
        bench.board.advance()
        if bench.board.pending() is not None:
            bench.board.handle(bench.board.acknowledge())
    assert got == []
    assert device.sent < 100, "the sender is held back"
    bench.board.bottom_halves()
    bench.idle()
    assert got == frames


def test_what_arrives_is_sent_on_from_within_the_softirq() -> None:
    """A TCP acknowledgement is sent from the receive path."""
    bench, device, got = plugged()

    def bounce(frame: bytes) -> None:
        got.append(frame)
        if frame[0]:
            device.send(bytes([frame[0] - 1]) * 3)

    device.receive = bounce
    device.send(b"\x50ab")
    bench.idle()
    assert [frame[0] for frame in got] == list(range(0x50, -1, -1))


def test_a_burst_costs_fewer_interrupts_than_frames() -> None:
    bench, device, got = plugged()
    for n in range(200):
        device.send(bytes([n]))
    bench.clock.now += 10_000_000  # the CPU had interrupts off for long
    bench.idle()
    assert len(got) == 200
    assert bench.board.interrupts.counts[IRQ_NET] <= 200


@pytest.mark.parametrize("size", [0, 64 * PAGE])
def test_impossible_frames_are_the_callers_mistake(size: int) -> None:
    _bench, device, _got = plugged()
    with pytest.raises(ValueError, match="frame"):
        device.send(bytes(size))
