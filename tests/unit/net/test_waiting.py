"""Calls that wait, their time limits, interruptions, and who is woken."""

from __future__ import annotations

import os
import select
import socket as S
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ring3.core.park import RESTART_NEVER, RESTART_SYS
from ring3.task.task import Task
from tests.unit.fakes import PARKED, finish
from tests.unit.net.worlds import Guest, pack_address


class Waiting(Guest):
    """ring3 with blocking sockets and as many threads as a test wants."""

    def socket(self, family: int, kind: int, protocol: int = 0) -> Any:
        return self.syscall("socket", family, kind, protocol)

    def pair(self, kind: int) -> tuple[int, int]:
        room = bytearray(8)
        assert self.syscall("socketpair", S.AF_UNIX, kind, 0, room) == 0
        return struct.unpack("ii", room)  # type: ignore[return-value]

    def thread(self) -> Task:
        task = self.kitchen.task(self.task.process, self.task.fds)
        task.fs = self.task.fs
        return task

    def settle(self, task: Task) -> Any:
        """Turn until the waiting call of *task* is over, or nothing more happens to it."""
        for _ in range(5):
            self.kitchen.turn(0.02)
            got = finish(task) if task in self.kitchen.world.ready else PARKED
            if got != PARKED:
                return got
        return PARKED

    def buffer(self, size: int, content: bytes = b"") -> int:
        """Memory that calls between do not use: behind what they take."""
        memory = self.kitchen.memory
        at = memory.base + len(memory.bytes) - (1 << 19)
        memory.put(at, content.ljust(size, b"\0"))
        return at

    def begin(self, task: Task, name: str, *args: Any) -> Any:
        return self.start(name, *args, task=task)


@pytest.fixture(params=[False, True], ids=["host", "own"])
def w(request: pytest.FixtureRequest) -> Iterator[Waiting]:
    world = Waiting(own=request.param)
    yield world
    world.done()


def listener(w: Waiting, family: int = S.AF_INET, backlog: int = 5) -> tuple[int, bytes]:
    fd = w.socket(family, S.SOCK_STREAM)
    address = "\0waiting" if family == S.AF_UNIX else ("127.0.0.1", 0)
    assert w.bind(fd, family, address) == 0
    assert w.syscall("listen", fd, backlog) == 0
    return fd, pack_address(family, w.sockname(fd))


@pytest.mark.parametrize("family", [S.AF_INET, S.AF_UNIX])
def test_accept_waits_for_a_client(w: Waiting, family: int) -> None:
    fd, address = listener(w, family)
    waiter = w.thread()
    assert w.begin(waiter, "accept", fd, None, None) == PARKED
    client = w.socket(family, S.SOCK_STREAM)
    assert w.syscall("connect", client, address, len(address)) == 0
    assert w.settle(waiter) > client


@pytest.mark.parametrize("kind", [S.SOCK_STREAM, S.SOCK_SEQPACKET, S.SOCK_DGRAM])
def test_recv_waits_for_data(w: Waiting, kind: int) -> None:
    a, b = w.pair(kind)
    at = w.buffer(10)
    reader = w.thread()
    assert w.begin(reader, "recvfrom", b, at, 10, 0, None, None) == PARKED
    assert w.settle(reader) == PARKED
    w.send(a, b"now")
    assert w.settle(reader) == 3
    assert w.kitchen.memory.get(at, 3) == b"now"


def test_idle_sockets_do_not_spin(w: Waiting) -> None:
    """A waiting reader of a writable socket is not woken over and over."""
    _a, b = w.pair(S.SOCK_STREAM)
    reader = w.thread()
    assert w.begin(reader, "recvfrom", b, w.buffer(10), 10, 0, None, None) == PARKED
    runs = 0
    for _ in range(10):
        w.kitchen.turn(0.005)
        if reader in w.kitchen.world.ready:
            runs += 1
            assert finish(reader) == PARKED
    assert runs <= 1


def test_waitall_collects(w: Waiting) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    at = w.buffer(10)
    reader = w.thread()
    assert w.begin(reader, "recvfrom", b, at, 10, S.MSG_WAITALL, None, None) == PARKED
    for part in (b"123", b"456", b"7890+"):
        w.send(a, part)
        got = w.settle(reader)
    assert got == 10 and w.kitchen.memory.get(at, 10) == b"1234567890"
    assert w.recv(b, 5, S.MSG_DONTWAIT) == b"+"


def test_waitall_ends_with_the_stream(w: Waiting) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    reader = w.thread()
    assert w.begin(reader, "recvfrom", b, w.buffer(10), 10, S.MSG_WAITALL, None, None) == PARKED
    w.send(a, b"123")
    assert w.settle(reader) == PARKED
    w.close(a)
    assert w.settle(reader) == 3


def test_interrupted_with_data_in_hand(w: Waiting) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    reader = w.thread()
    assert w.begin(reader, "recvfrom", b, w.buffer(10), 10, S.MSG_WAITALL, None, None) == PARKED
    w.send(a, b"123")
    w.settle(reader)
    assert finish(reader, interrupted=True) == 3
    assert w.begin(reader, "recvfrom", b, w.buffer(10), 10, 0, None, None) == PARKED
    assert finish(reader, interrupted=True) == -RESTART_SYS


def test_receive_timeout(w: Waiting) -> None:
    _a, b = w.pair(S.SOCK_STREAM)
    assert w.setopt(b, S.SOL_SOCKET, S.SO_RCVTIMEO, struct.pack("<qq", 0, 30_000)) == 0
    reader = w.thread()
    at, started = w.buffer(10), time.monotonic()
    assert w.begin(reader, "recvfrom", b, at, 10, 0, None, None) == PARKED
    with pytest.raises(Exception, match="EAGAIN"):
        while w.settle(reader) == PARKED:
            assert time.monotonic() - started < 5
    assert time.monotonic() - started >= 0.03
    assert w.begin(reader, "recvfrom", b, at, 10, 0, None, None) == PARKED
    assert finish(reader, interrupted=True) == -RESTART_NEVER


def test_a_large_send_waits_for_the_reader(w: Waiting) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    size = 1 << 19
    at = w.buffer(0)
    w.kitchen.memory.put(at, bytes(range(256)) * (size // 256))
    writer = w.thread()
    assert w.begin(writer, "sendto", a, at, size, 0, None, 0) == PARKED
    got = b""
    for _ in range(200):
        part = w.recv(b, 100_000, S.MSG_DONTWAIT)
        if isinstance(part, bytes):
            got += part
        elif w.settle(writer) != PARKED:
            break
    while isinstance(part := w.recv(b, 100_000, S.MSG_DONTWAIT), bytes):
        got += part
    assert got == bytes(range(256)) * (size // 256)


def test_send_interrupted_half_way(w: Waiting) -> None:
    a, _b = w.pair(S.SOCK_STREAM)
    writer = w.thread()
    assert w.begin(writer, "sendto", a, w.buffer(0), 1 << 19, 0, None, 0) == PARKED
    sent = finish(writer, interrupted=True)
    assert 0 < sent < 1 << 19


def test_connect_waits_for_room(w: Waiting) -> None:
    fd, address = listener(w, S.AF_UNIX, backlog=0)
    first, second = (w.socket(S.AF_UNIX, S.SOCK_STREAM) for _ in range(2))
    assert w.syscall("connect", first, address, len(address)) == 0
    waiter = w.thread()
    assert (
        w.begin(waiter, "connect", second, w.buffer(len(address), address), len(address)) == PARKED
    )
    assert isinstance(w.accept(fd), tuple)
    assert w.settle(waiter) == 0


def test_tcp_connect_waits_for_room(w: Waiting) -> None:
    fd, address = listener(w, S.AF_INET, backlog=0)
    first, second = (w.socket(S.AF_INET, S.SOCK_STREAM) for _ in range(2))
    assert w.syscall("connect", first, address, len(address)) == 0
    waiter = w.thread()
    at = w.buffer(len(address), address)
    assert w.begin(waiter, "connect", second, at, len(address)) == PARKED
    assert w.poll(second) == 0
    assert isinstance(w.accept(fd), tuple)
    assert w.settle(waiter) == 0


def test_a_closed_listener_refuses_who_waits(w: Waiting) -> None:
    fd, address = listener(w, S.AF_INET, backlog=0)
    first, second = (w.socket(S.AF_INET, S.SOCK_STREAM) for _ in range(2))
    assert w.syscall("connect", first, address, len(address)) == 0
    waiter = w.thread()
    at = w.buffer(len(address), address)
    assert w.begin(waiter, "connect", second, at, len(address)) == PARKED
    w.close(fd)
    with pytest.raises(Exception, match="ECONNREFUSED"):
        w.settle(waiter)
    assert w.recv(first, 1) == "ECONNRESET"


def test_shutdown_wakes_accept(w: Waiting) -> None:
    fd, _address = listener(w)
    waiter = w.thread()
    assert w.begin(waiter, "accept", fd, None, None) == PARKED
    assert w.syscall("shutdown", fd, S.SHUT_RD) == 0
    with pytest.raises(Exception, match="EINVAL"):
        w.settle(waiter)


def test_unix_datagram_sender_waits(w: Waiting) -> None:
    w.network.max_datagrams = 2
    receiver = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
    assert w.bind(receiver, S.AF_UNIX, "\0full") == 0
    sender = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
    assert w.connect(sender, S.AF_UNIX, "\0full") == 0
    assert [w.send(sender, b"x") for _ in range(3)] == [1, 1, 1]
    writer = w.thread()
    assert w.begin(writer, "sendto", sender, w.buffer(1, b"y"), 1, 0, None, 0) == PARKED
    assert w.recv(receiver, 1) == b"x"
    assert w.settle(writer) == 1


def test_recvmmsg_waits_for_all(w: Waiting) -> None:
    a, b = w.pair(S.SOCK_DGRAM)
    memory = w.kitchen.memory
    area = w.buffer(4096)
    packed = b""
    for i in range(2):
        memory.put(area + 1024 + i * 16, struct.pack("<QQ", area + 2048 + i * 64, 64))
        packed += struct.pack("<QI4xQQQQI4xI4x", 0, 0, area + 1024 + i * 16, 1, 0, 0, 0, 0)
    memory.put(area, packed)
    reader = w.thread()
    assert w.begin(reader, "recvmmsg", b, area, 2, 0, None) == PARKED
    w.send(a, b"first")
    assert w.settle(reader) == PARKED
    w.send(a, b"the second")
    assert w.settle(reader) == 2
    assert memory.ints(area + 56, "I") == (5,) and memory.ints(area + 64 + 56, "I") == (10,)
    assert memory.get(area + 2048 + 64, 10) == b"the second"
    w.send(a, b"alone")
    assert w.begin(reader, "recvmmsg", b, area, 2, S.MSG_DONTWAIT, None) == 1
    w.send(a, b"alone")
    assert w.begin(reader, "recvmmsg", b, area, 2, 0x10000, None) == 1  # MSG_WAITFORONE


def test_the_host_descriptor_is_the_data_path() -> None:
    """What the native machine does: read and write on bind_fd mean the same as the calls."""
    w = Waiting()
    fd, address = listener(w)
    client = w.socket(S.AF_INET, S.SOCK_STREAM)
    before = w.task.fds.files[client].bind_fd
    assert before is not None
    with pytest.raises(OSError):
        os.write(before, b"not connected")
    assert w.syscall("connect", client, address, len(address)) == 0
    server, _peer = w.accept(fd)
    ours, theirs = (w.task.fds.files[n].bind_fd for n in (client, server))
    assert ours == before and theirs is not None
    os.write(ours, b"native")
    assert w.recv(server, 10) == b"native"
    w.send(server, b"kernel")
    assert os.read(ours, 10) == b"kernel"
    assert w.syscall("shutdown", server, S.SHUT_WR) == 0
    assert os.read(ours, 10) == b""
    w.close(server)
    assert select.select([ours], [], [], 1)[0]
    w.done()


def test_own_sockets_need_no_host() -> None:
    """On a machine that cannot bind no socket has a descriptor of the host."""
    before = set(os.listdir("/proc/self/fd"))
    w = Waiting(own=True)
    besides = set(os.listdir("/proc/self/fd")) - before
    for family in (S.AF_INET, S.AF_UNIX):
        fd, address = listener(w, family)
        client = w.socket(family, S.SOCK_STREAM)
        assert w.syscall("connect", client, address, len(address)) == 0
        w.accept(fd)
    for kind in (S.SOCK_STREAM, S.SOCK_SEQPACKET, S.SOCK_DGRAM):
        w.pair(kind)
    w.bind(w.socket(S.AF_INET, S.SOCK_DGRAM), S.AF_INET, ("127.0.0.1", 0))
    assert all(file.bind_fd is None for file in w.task.fds.files.values())
    assert set(os.listdir("/proc/self/fd")) - before == besides
    w.done()


@pytest.mark.parametrize("own", [False, True])
def test_nothing_is_left_of_closed_sockets(own: bool) -> None:
    before = set(os.listdir("/proc/self/fd"))
    w = Waiting(own=own)
    for family in (S.AF_INET, S.AF_UNIX):
        fd, address = listener(w, family)
        for _ in range(5):
            client = w.socket(family, S.SOCK_STREAM)
            w.syscall("connect", client, address, len(address))
            server, _peer = w.accept(fd)
            w.send(client, b"x")
            w.close(client)
            w.close(server)
        w.close(fd)
    w.pass_time()
    assert not w.network.ends.orphans and not w.network.sockets
    assert not any(table.bound for table in w.network.ports.values())
    w.done()
    assert set(os.listdir("/proc/self/fd")) == before


def test_memory_of_all_sockets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own buffers are the kernel's memory: sockets that nobody reads use it up."""
    from ring3.net import network

    w = Waiting(own=True)
    monkeypatch.setattr(network, "HELD_MOST", 100_000)
    first, second = w.pair(S.SOCK_STREAM), w.pair(S.SOCK_DGRAM)
    assert w.send(first[0], bytes(100_000)) == 100_000
    assert w.send(second[0], b"x") == "ENOBUFS" and w.send(first[0], b"x") == "ENOBUFS"
    assert len(w.recv(first[1], 200_000)) == 100_000
    assert w.send(second[0], b"x") == 1
    w.close(second[1])
    assert w.network.held == 0
    w.done()


def test_tiny_pieces_of_tcp_are_put_together() -> None:
    """A megabyte sent byte by byte does not become a million objects."""
    w = Waiting(own=True)
    fd, address = listener(w)
    client = w.socket(S.AF_INET, S.SOCK_STREAM)
    assert w.syscall("connect", client, address, len(address)) == 0
    server, _peer = w.accept(fd)
    for at in range(10_000):
        w.task.fds.files[client].write(bytes([at & 255]))
    end: Any = w.task.fds.files[server]
    assert len(end.end.queue) <= 3
    assert w.recv(server, 20_000) == bytes(at & 255 for at in range(10_000))
    assert w.network.held == 0
    w.done()
