"""Our own terminals against the host's: the same settings, keys and output on both, and what each
end then reads is compared."""

from __future__ import annotations

import fcntl
import os
import select
import time
from types import SimpleNamespace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ring3.abi import ioctl as io
from ring3.abi.errno import Errno
from ring3.abi.fcntl import O_NOCTTY, O_NONBLOCK, O_RDWR
from ring3.core.park import Park
from ring3.drivers.ownpty import OwnPair, new_pair
from ring3.drivers.ptytable import PtyTable
from tests.unit.fakes import Kitchen

KEYS = st.sampled_from(
    [b"a", b"B", b"3", b"_", b" ", b"\t", b"\n", b"\r", b"\x01", b"\x7f", b"\x15", b"\x17", b"\x16",
     b"\x12", b"\x04", b"\x13", b"\x11", b"\x00", b"\xff", "\u00e9".encode(), b"\x1b", b"\b"]
)  # fmt: skip
TYPED = st.lists(KEYS, max_size=8).map(b"".join)
IFLAGS = st.sets(
    st.sampled_from([io.ICRNL, io.INLCR, io.IGNCR, io.ISTRIP, io.IUTF8, io.IXON, io.IXANY,
                     io.IUCLC, io.PARMRK])
).map(sum)  # fmt: skip
OFLAGS = st.sets(
    st.sampled_from([io.OPOST, io.OPOST | io.ONLCR, io.OPOST | io.OCRNL, io.OPOST | io.ONOCR,
                     io.OPOST | io.ONLRET, io.OPOST | io.XTABS, io.OPOST | io.OLCUC])
).map(lambda flags: sum({bit for flag in flags for bit in (flag & 1, flag & ~1)}))  # fmt: skip
LFLAGS = st.sets(
    st.sampled_from([io.ICANON, io.ECHO, io.ECHOE, io.ECHOK, io.ECHONL, io.ECHOCTL, io.ECHOKE,
                     io.ECHOPRT, io.IEXTEN])
).map(sum)  # fmt: skip
SETTLED_S = 0.002
"""The host takes what was written on a thread of its own."""


class PtyPairs(RuleBasedStateMachine):
    @initialize()
    def make(self) -> None:
        self.k = Kitchen(can_bind=False)
        world = self.k.world
        world.ptys = PtyTable(world)
        who = SimpleNamespace(cred=SimpleNamespace(fsuid=0, capable=lambda cap: True), world=world)
        self.mine = new_pair(world.ptys, who, O_RDWR | O_NONBLOCK)  # type: ignore[arg-type]
        pair: OwnPair = self.mine.pair
        pair.locked = False
        self.my_slave = pair.open(who, O_RDWR | O_NOCTTY | O_NONBLOCK)  # type: ignore[arg-type]
        self.theirs, slave = os.openpty()
        self.their_slave = slave
        for fd in (self.theirs, slave):
            os.set_blocking(fd, False)

    def teardown(self) -> None:
        if hasattr(self, "theirs"):
            os.close(self.theirs)
            os.close(self.their_slave)
            self.k.close()

    @rule(iflag=IFLAGS, oflag=OFLAGS, lflag=LFLAGS, least=st.integers(0, 2))
    def configure(self, iflag: int, oflag: int, lflag: int, least: int) -> None:
        raw = bytearray(fcntl.ioctl(self.their_slave, io.TCGETS, bytes(36)))
        for at, value in ((0, iflag), (4, oflag), (12, lflag)):
            raw[at : at + 4] = value.to_bytes(4, "little")
        raw[17 + io.VMIN] = least
        fcntl.ioctl(self.their_slave, io.TCSETS, bytes(raw))
        self.mine.pair.configure(bytes(raw))
        assert self.mine.pair.line.termios.pack(36) == fcntl.ioctl(
            self.their_slave, io.TCGETS, bytes(36)
        )
        self.compare_output()

    @rule(data=TYPED)
    def type(self, data: bytes) -> None:
        if data:
            assert os.write(self.theirs, data) == self.mine.write(data)
        self.compare_output()

    @rule(data=TYPED)
    def print(self, data: bytes) -> None:
        if not data:
            return
        done, outcome = 0, None
        while outcome is None and done < len(data):
            step = attempt(self.my_slave.write, data[done:])
            done, outcome = (done + step, None) if isinstance(step, int) else (done, step)
        try:
            found: object = os.write(self.their_slave, data)
        except BlockingIOError:
            found = "EAGAIN"
        assert found == (done if done else outcome)
        self.compare_output()

    @rule(size=st.integers(1, 12))
    def read(self, size: int) -> None:
        time.sleep(SETTLED_S)
        try:
            found: object = os.read(self.their_slave, size)
        except BlockingIOError:
            found = "EAGAIN"
        assert attempt(self.my_slave.read, size) == found
        self.compare_output()

    @rule()
    def look(self) -> None:
        time.sleep(SETTLED_S)
        poller = select.poll()
        poller.register(self.their_slave, select.POLLIN)
        ready = bool(poller.poll(0))
        assert bool(self.my_slave.poll() & select.POLLIN) == ready
        there = int.from_bytes(fcntl.ioctl(self.their_slave, io.FIONREAD, bytes(4)), "little")
        assert self.mine.pair.line.count() == there

    def compare_output(self) -> None:
        found = b""
        deadline = time.monotonic() + 1
        mine = attempt(self.mine.read, 65536)
        wanted = mine if isinstance(mine, bytes) else b""
        while time.monotonic() < deadline:
            try:
                found += os.read(self.theirs, 65536)
            except BlockingIOError:
                if found == wanted:
                    break
                time.sleep(SETTLED_S)
        time.sleep(SETTLED_S / 4)
        try:
            found += os.read(self.theirs, 65536)
        except BlockingIOError:
            pass
        assert found == wanted


def attempt(action: object, argument: object) -> object:
    try:
        return action(argument)  # type: ignore[operator]
    except Park:
        return "parked"
    except Errno as failed:
        return failed.name if hasattr(failed, "name") else type(failed).__name__


TestPtyPairs = PtyPairs.TestCase
TestPtyPairs.settings = settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
