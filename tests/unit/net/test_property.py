"""Random walks over datagram sockets: ring3's queues against the host's."""

from __future__ import annotations

import socket as S
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ring3.net.wire import Wire
from tests.unit.net.worlds import Guest, Host, World

WHO = st.integers(0, 2)
SIZE = st.integers(0, 20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sendto"), WHO, WHO, SIZE),
        st.tuples(st.just("send"), WHO, SIZE),
        st.tuples(st.just("recv"), WHO, SIZE, st.sampled_from([0, S.MSG_PEEK, S.MSG_TRUNC])),
        st.tuples(st.just("connect"), WHO, WHO),
        st.tuples(st.just("disconnect"), WHO),
        st.tuples(st.just("shutdown"), WHO, st.integers(0, 2)),
        st.tuples(st.just("poll"), WHO),
        st.tuples(st.just("error"), WHO),
        st.tuples(st.just("close"), WHO),
    ),
    max_size=30,
)


class Walk:
    """Three bound sockets of one family in one world."""

    def __init__(self, w: World, family: int) -> None:
        self.w = w
        self.family = family
        self.fds: list[int | None] = []
        self.mute: set[int] = set()
        self.names = []
        for i in range(3):
            fd = w.socket(family, S.SOCK_DGRAM)
            name: Any = f"\0walk-{w.name}-{i}"
            if family != S.AF_UNIX:
                name = ("127.0.0.1" if family == S.AF_INET else "::1", 0)
            assert w.bind(fd, family, name) == 0
            self.fds.append(fd)
            self.names.append(w.sockname(fd))

    def step(self, what: str, who: int, *rest: int) -> Any:
        w, fd = self.w, self.fds[who]
        if fd is None:
            return "closed"
        if what in ("sendto", "send"):
            data = bytes(range(rest[-1]))
            if what == "send":
                got = w.send(fd, data)
            else:
                got = w.sendto(fd, data, self.family, self.names[rest[0]])
            # Which of several errors an AF_UNIX socket that is shut down gives differs between
            # versions of Linux.
            return "fails" if who in self.mute and isinstance(got, str) else got
        if what == "recv":
            got = w.recvfrom(fd, rest[0], rest[1])
            if isinstance(got, str):
                return got
            size, data, sender = got
            if isinstance(sender, tuple) and sender not in self.names:
                sender = sender[0]  # the port was given back by a disconnect, and another taken
            return size, data, sender if sender not in self.names else self.names.index(sender)
        if what == "connect":
            return w.connect(fd, self.family, self.names[rest[0]])
        if what == "disconnect":
            return w.syscall("connect", fd, bytes(16), 16)
        if what == "shutdown":
            if rest[0] and self.family == S.AF_UNIX:
                self.mute.add(who)
            return w.syscall("shutdown", fd, rest[0])
        if what == "poll":
            return w.poll(fd)
        if what == "error":
            return w.getint(fd, S.SOL_SOCKET, S.SO_ERROR)
        w.close(fd)
        self.fds[who] = None
        return "closes"


@pytest.mark.parametrize("family", [S.AF_UNIX, S.AF_INET, S.AF_INET6])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_datagrams(family: int, steps: list[tuple[Any, ...]]) -> None:
    host, guest = Host(), Guest(own=True)
    under_way: deque[bytes] = deque()  # frames cross the loopback interface between the steps
    wire = Wire(under_way.append)
    guest.network.carry = wire.carry
    try:
        theirs, ours = Walk(host, family), Walk(guest, family)
        for i, step in enumerate(steps):
            expected, got = theirs.step(*step), ours.step(*step)
            while under_way:
                wire.receive(under_way.popleft())
            assert got == expected, f"step {i} {step}: ring3 {got}, host {expected}"
    finally:
        host.done()
        guest.done()
