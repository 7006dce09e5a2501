"""Our epoll over host pipes and over our own, against the host's epoll on pipes in step."""

from __future__ import annotations

import os
import select
import struct
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ring3.abi.errno import Errno
from ring3.abi.fcntl import O_NONBLOCK
from tests.unit.fakes import Kitchen, call

PIPES = 3
FDS = st.integers(0, 2 * PIPES - 1)
EVENTS = st.sampled_from([select.EPOLLIN, select.EPOLLOUT, select.EPOLLIN | select.EPOLLOUT, 0])
MODES = st.sampled_from([0, select.EPOLLET, select.EPOLLONESHOT])
ADD, DEL, MOD = 1, 2, 3


class EpollPair(RuleBasedStateMachine):
    """The host's descriptors and the guest's get the same calls; both waits are compared."""

    @initialize(can_bind=st.booleans())
    def make(self, can_bind: bool) -> None:
        self.k = Kitchen(can_bind=can_bind)
        self.t = self.k.task()
        self.theirs: list[int] = []
        self.mine: list[int] = []
        self.scratch = self.k.memory.room(4096)
        for _ in range(PIPES):
            self.theirs += os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            assert call(self.t, "pipe2", self.scratch, O_NONBLOCK) == 0
            self.mine += self.k.memory.ints(self.scratch, "ii")
        self.epoll = select.epoll()
        self.ep = call(self.t, "epoll_create1", 0)
        self.closed: set[int] = set()

    def ours(self, name: str, *args: int) -> Any:
        try:
            return call(self.t, name, *args)
        except Errno as error:
            return -error.number

    def host(self, action: Any) -> Any:
        try:
            return action()
        except OSError as error:
            return -(error.errno or 0)

    @rule(fd=FDS, events=EVENTS, mode=MODES, op=st.sampled_from([ADD, ADD, MOD, DEL]))
    def ctl(self, fd: int, events: int, mode: int, op: int) -> None:
        if fd in self.closed:
            return
        theirs = self.theirs[fd]
        how: dict[int, Any] = {
            ADD: lambda: self.epoll.register(theirs, events | mode),
            MOD: lambda: self.epoll.modify(theirs, events | mode),
            DEL: lambda: self.epoll.unregister(theirs),
        }
        self.k.memory.put(self.scratch, struct.pack("<IQ", events | mode, fd))
        mine = self.ours("epoll_ctl", self.ep, op, self.mine[fd], self.scratch)
        assert mine == (self.host(how[op]) or 0)

    @rule(pipe=st.integers(0, PIPES - 1), size=st.sampled_from([1, 100, 4096, 65536]))
    def write(self, pipe: int, size: int) -> None:
        fd = 2 * pipe + 1
        if fd in self.closed or fd - 1 in self.closed:
            return
        done = self.ours("write", self.mine[fd], self.k.memory.base, size)
        assert done == self.host(lambda: os.write(self.theirs[fd], bytes(size)))

    @rule(pipe=st.integers(0, PIPES - 1), size=st.sampled_from([1, 4096, 1 << 17]))
    def read(self, pipe: int, size: int) -> None:
        fd = 2 * pipe
        if fd in self.closed:
            return
        done = self.ours("read", self.mine[fd], self.k.memory.base + (1 << 18), size)
        assert done == self.host(lambda: len(os.read(self.theirs[fd], size)))

    @rule(fd=FDS)
    def close(self, fd: int) -> None:
        if fd not in self.closed and len(self.closed) < 3:
            self.closed.add(fd)
            os.close(self.theirs[fd])
            assert call(self.t, "close", self.mine[fd]) == 0

    @rule(most=st.sampled_from([1, 8, 8]))
    def wait(self, most: int) -> None:
        at = self.scratch + 512
        count = call(self.t, "epoll_wait", self.ep, at, most, 0)
        mine = [struct.unpack("<IQ", self.k.memory.get(at + 12 * i, 12)) for i in range(count)]
        found = self.epoll.poll(0, most)
        theirs = [(events, self.theirs.index(fd)) for fd, events in found]
        if most == 1:
            # Which one comes first is told by the order of the ready list.
            assert len(mine) == len(theirs)
        assert sorted((fd, events) for events, fd in mine) == sorted(
            (fd, events) for events, fd in theirs
        )

    def teardown(self) -> None:
        if not hasattr(self, "k"):
            return
        self.epoll.close()
        for fd in set(range(2 * PIPES)) - self.closed:
            os.close(self.theirs[fd])
        self.k.close()


TestEpollPair = EpollPair.TestCase
TestEpollPair.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
