"""The kernel's own pipe against the host's: any sequence of calls gives the same results."""

from __future__ import annotations

import fcntl
import os
import select
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ring3.abi.errno import Errno
from ring3.abi.fcntl import O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY
from ring3.core.park import Park
from ring3.ipc.pipe import Pipe, PipeEnd, PipeName

F_SETPIPE_SZ = 1031
SIZES = st.one_of(
    st.integers(0, 40), st.sampled_from([4095, 4096, 4097, 8191, 10000, 65536, 70000])
)


def host(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except OSError as error:
        return f"errno {error.errno}"


def ours(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except Errno as error:
        return f"errno {error.number}"
    except Park:
        return "errno 11"  # the host's ends do not block


class PipePair(RuleBasedStateMachine):
    packet = False

    @initialize(packet=st.booleans())
    def make(self, packet: bool) -> None:
        self.packet = packet
        mode = O_NONBLOCK | (O_DIRECT if packet else 0)
        self.r, self.w = os.pipe2(mode | os.O_CLOEXEC)
        self.open = {"r": True, "w": True}
        pipe, name = Pipe(), PipeName()
        self.reader = PipeEnd(pipe, O_RDONLY | O_NONBLOCK, name)
        self.writer = PipeEnd(pipe, O_WRONLY | mode, name)
        self.counter = 0

    @precondition(lambda self: self.open["w"])
    @rule(size=SIZES)
    def write(self, size: int) -> None:
        self.counter += 1
        data = bytes((self.counter + i) & 0xFF for i in range(size))
        assert ours(self.writer.write, data) == host(os.write, self.w, data)

    @precondition(lambda self: self.open["r"])
    @rule(size=SIZES)
    def read(self, size: int) -> None:
        assert ours(self.reader.read, size) == host(os.read, self.r, size)

    @rule(end=st.sampled_from("rw"))
    def close(self, end: str) -> None:
        if self.open[end]:
            self.open[end] = False
            os.close(self.r if end == "r" else self.w)
            (self.reader if end == "r" else self.writer).release()

    @precondition(lambda self: self.open["w"])
    @rule(size=st.sampled_from([1, 4096, 5000, 16384, 65536, 131072, 1 << 20]))
    def resize(self, size: int) -> None:
        assert ours(self.writer.set_capacity, size, True) == host(
            fcntl.fcntl, self.w, F_SETPIPE_SZ, size
        )

    @rule()
    def poll(self) -> None:
        for end, fd, file in (("r", self.r, self.reader), ("w", self.w, self.writer)):
            if self.open[end]:
                watcher = select.poll()
                watcher.register(fd, 0x3FFF)
                found = watcher.poll(0)
                assert file.poll() == (found[0][1] if found else 0)

    def teardown(self) -> None:
        for end in "rw":
            if getattr(self, "open", {}).get(end):
                self.close(end)


TestPipePair = PipePair.TestCase
TestPipePair.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
