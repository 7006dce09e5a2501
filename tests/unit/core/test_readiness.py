"""Edges made from levels: what stands in for epoll where a host has none."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from ring3.core import reactor as module
from ring3.core.park import WaitQueue
from ring3.core.reactor import HostQueue, Reactor


@pytest.fixture
def reactor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reactor]:
    """A reactor on a host without epoll."""
    monkeypatch.delattr(module.select, "epoll")
    made = Reactor()
    yield made
    made.close()


@pytest.fixture(params=["poll", "select"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "select":
        monkeypatch.delattr(select, "poll")
    return str(request.param)


class Waiter:
    def __init__(self) -> None:
        self.woken_by: list[WaitQueue] = []

    def woken(self, queue: WaitQueue) -> None:
        self.woken_by.append(queue)

    def finished(self, queue: WaitQueue, result: int) -> None:
        raise AssertionError


def turn(reactor: Reactor, timeout_s: float = 0.0) -> None:
    reactor.dispatch(reactor.poll(timeout_s))


def test_a_waiter_hears_of_what_comes(reactor: Reactor, way: str) -> None:
    r, w = os.pipe()
    queue, waiter = HostQueue(reactor, r), Waiter()
    queue.add(waiter)
    turn(reactor)
    assert not waiter.woken_by
    os.write(w, b"x")
    turn(reactor, 1)
    assert waiter.woken_by == [queue]
    turn(reactor)
    assert waiter.woken_by == [queue], "the same byte is no news"
    queue.close()
    os.close(r)
    os.close(w)


def test_what_was_there_before_is_not_missed(reactor: Reactor, way: str) -> None:
    r, w = os.pipe()
    os.write(w, b"x")
    queue, waiter = HostQueue(reactor, r), Waiter()
    queue.add(waiter)
    turn(reactor)
    assert waiter.woken_by
    queue.close()
    os.close(r)
    os.close(w)


def test_a_byte_between_reading_and_waiting_is_not_missed(reactor: Reactor, way: str) -> None:
    r, w = os.pipe()
    queue, waiter = HostQueue(reactor, r), Waiter()
    queue.add(waiter)
    os.write(w, b"x")
    turn(reactor, 1)
    queue.remove(waiter)
    assert os.read(r, 1) == b"x"
    os.write(w, b"y")  # nobody has polled meanwhile: to levels nothing has changed
    queue.add(waiter)
    for _ in range(3):
        turn(reactor, 0.05)
    assert len(waiter.woken_by) >= 2
    queue.close()
    os.close(r)
    os.close(w)


def test_a_standing_level_does_not_keep_us_busy(reactor: Reactor, way: str) -> None:
    r, w = os.pipe()
    queue, waiter = HostQueue(reactor, w), Waiter()  # always writable
    queue.add(waiter)
    turn(reactor)
    assert reactor.poll(0.03) == []
    queue.close()
    os.close(r)
    os.close(w)


def test_the_doorbell_ends_a_sleep(reactor: Reactor, way: str) -> None:
    assert not reactor.sleep(0.01)
    reactor.interrupt()
    assert reactor.sleep(5)
    turn(reactor)
    assert not reactor.sleep(0.01)


def test_regular_files_cannot_be_watched(reactor: Reactor, tmp_path: object) -> None:
    fd = os.open(f"{tmp_path}/file", os.O_CREAT | os.O_RDWR)
    queue, waiter = HostQueue(reactor, fd), Waiter()
    queue.add(waiter)
    assert waiter.woken_by == [queue]
    os.close(fd)
