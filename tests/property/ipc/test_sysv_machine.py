"""System V semaphores and message queues, POSIX queues: our results against the host's."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ring3.abi.errno import Errno
from ring3.abi.fcntl import O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR
from ring3.abi.ipc import (
    GETALL,
    GETNCNT,
    GETPID,
    GETVAL,
    GETZCNT,
    IPC_CREAT,
    IPC_EXCL,
    IPC_NOWAIT,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_STAT,
    MSG_COPY,
    MSG_EXCEPT,
    MSG_NOERROR,
    SETALL,
    SETVAL,
)
from tests.property.ipc.host import raw
from tests.unit.fakes import Kitchen, call

SETTINGS = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
AMOUNTS = st.one_of(st.integers(-3, 3), st.sampled_from([32766, 32767, -32768]))
OPS = st.lists(st.tuples(st.integers(0, 4), AMOUNTS), min_size=1, max_size=4)


class Pair(RuleBasedStateMachine):
    """Gives each call to both kernels, with a buffer in each one's memory."""

    @initialize()
    def boot(self) -> None:
        self.k = Kitchen()
        self.t = self.k.task()
        self.at = self.k.memory.room(16384)
        self.buffer = ctypes.create_string_buffer(16384)
        self.objects()

    def objects(self) -> None:
        raise NotImplementedError

    def ours(self, name: str, *args: int) -> int:
        try:
            return int(call(self.t, name, *args))
        except Errno as error:
            return -error.number

    def fill(self, data: bytes) -> None:
        data = data.ljust(8192, b"\0")
        self.k.memory.put(self.at, data)
        ctypes.memmove(self.buffer, data, 8192)

    def mine(self, size: int) -> bytes:
        return self.k.memory.get(self.at, size)

    def theirs(self, size: int) -> bytes:
        return self.buffer.raw[:size]


class SemaphorePair(Pair):
    def objects(self) -> None:
        self.ids = (
            self.ours("semget", IPC_PRIVATE, 4, 0o600),
            raw("semget", IPC_PRIVATE, 4, 0o600),
        )
        assert self.ids[1] >= 0

    @rule(ops=OPS)
    def semop(self, ops: list[tuple[int, int]]) -> None:
        self.fill(b"".join(struct.pack("<Hhh", n, a, IPC_NOWAIT) for n, a in ops))
        mine = self.ours("semop", self.ids[0], self.at, len(ops))
        assert mine == raw("semop", self.ids[1], self.buffer, len(ops))

    @rule(number=st.integers(-1, 5), cmd=st.sampled_from([GETVAL, GETNCNT, GETZCNT]))
    def look(self, number: int, cmd: int) -> None:
        mine = self.ours("semctl", self.ids[0], number, cmd, 0)
        assert mine == raw("semctl", self.ids[1], number, cmd, 0)

    @rule(number=st.integers(0, 4))
    def last_pid(self, number: int) -> None:
        mine = self.ours("semctl", self.ids[0], number, GETPID, 0)
        theirs = raw("semctl", self.ids[1], number, GETPID, 0)
        assert (mine == self.t.process.pid) == (theirs == os.getpid())

    @rule(number=st.integers(-1, 5), value=st.sampled_from([0, 1, 32767, 32768, -1]))
    def set_value(self, number: int, value: int) -> None:
        mine = self.ours("semctl", self.ids[0], number, SETVAL, value)
        assert mine == raw("semctl", self.ids[1], number, SETVAL, value)

    @rule(values=st.lists(st.sampled_from([0, 1, 2, 40000]), min_size=4, max_size=4))
    def set_all(self, values: list[int]) -> None:
        self.fill(struct.pack("<4H", *values))
        mine = self.ours("semctl", self.ids[0], 0, SETALL, self.at)
        assert mine == raw("semctl", self.ids[1], 0, SETALL, self.buffer)

    @rule()
    def get_all(self) -> None:
        assert self.ours("semctl", self.ids[0], 0, GETALL, self.at) == 0
        assert raw("semctl", self.ids[1], 0, GETALL, self.buffer) == 0
        assert self.mine(8) == self.theirs(8)

    def teardown(self) -> None:
        if hasattr(self, "ids"):
            assert raw("semctl", self.ids[1], 0, IPC_RMID, 0) == 0
            assert self.ours("semctl", self.ids[0], 0, IPC_RMID, 0) == 0
            assert self.ours("semctl", self.ids[0], 0, GETVAL, 0) == -22


class MessagePair(Pair):
    def objects(self) -> None:
        self.ids = (self.ours("msgget", IPC_PRIVATE, 0o600), raw("msgget", IPC_PRIVATE, 0o600))
        assert self.ids[1] >= 0

    @rule(kind=st.integers(-1, 5), size=st.sampled_from([0, 1, 10, 3000, 8192, 8193]))
    def send(self, kind: int, size: int) -> None:
        body = bytes((kind * 7 + i) & 0xFF for i in range(min(size, 8184)))
        self.fill(struct.pack("<q", kind) + body)
        mine = self.ours("msgsnd", self.ids[0], self.at, size, IPC_NOWAIT)
        theirs = raw("msgsnd", self.ids[1], self.buffer, size, IPC_NOWAIT)
        assert mine == theirs

    @rule(
        kind=st.integers(-4, 5),
        size=st.sampled_from([0, 1, 10, 8100]),
        flags=st.sampled_from([0, MSG_NOERROR, MSG_EXCEPT, MSG_COPY, MSG_COPY | MSG_EXCEPT]),
    )
    def receive(self, kind: int, size: int, flags: int) -> None:
        self.fill(b"")
        how = flags | IPC_NOWAIT
        mine = self.ours("msgrcv", self.ids[0], self.at, size, kind, how)
        theirs = raw("msgrcv", self.ids[1], self.buffer, size, kind, how)
        if flags & MSG_COPY and theirs == -38:
            return  # the host was built without CONFIG_CHECKPOINT_RESTORE
        assert mine == theirs
        if mine >= 0:
            assert self.mine(8 + mine) == self.theirs(8 + mine)

    @rule()
    def counts(self) -> None:
        assert self.ours("msgctl", self.ids[0], IPC_STAT, self.at) == 0
        assert raw("msgctl", self.ids[1], IPC_STAT, self.buffer) == 0
        # msg_cbytes, msg_qnum, msg_qbytes
        assert self.mine(96)[72:96] == self.theirs(96)[72:96]

    def teardown(self) -> None:
        if hasattr(self, "ids"):
            assert raw("msgctl", self.ids[1], IPC_RMID, 0) == 0


class QueuePair(Pair):
    def objects(self) -> None:
        name = b"ring3-%d\0" % os.getpid()
        self.fill(struct.pack("<8q", 0, 4, 100, 0, 0, 0, 0, 0))
        text = self.k.memory.room(64, name)
        flags = O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK
        self.fds = (
            self.ours("mq_open", text, flags, 0o600, self.at),
            raw("mq_open", name, flags, 0o600, self.buffer),
        )
        raw("mq_unlink", name)
        assert self.fds[1] >= 0

    @rule(size=st.sampled_from([0, 1, 100, 101]), priority=st.sampled_from([0, 1, 2, 32767, 32768]))
    def send(self, size: int, priority: int) -> None:
        self.fill(bytes((priority + i) & 0xFF for i in range(size)))
        mine = self.ours("mq_timedsend", self.fds[0], self.at, size, priority, 0)
        assert mine == raw("mq_timedsend", self.fds[1], self.buffer, size, priority, 0)

    @rule(size=st.sampled_from([99, 100, 4096]))
    def receive(self, size: int) -> None:
        self.fill(b"")
        tail = ctypes.create_string_buffer(4)
        at = self.k.memory.room(4)
        mine = self.ours("mq_timedreceive", self.fds[0], self.at, size, at, 0)
        theirs = raw("mq_timedreceive", self.fds[1], self.buffer, size, tail, 0)
        assert mine == theirs
        assert self.mine(4096) == self.theirs(4096)
        if mine >= 0:
            assert self.k.memory.get(at, 4) == tail.raw

    @rule()
    def attributes(self) -> None:
        assert self.ours("mq_getsetattr", self.fds[0], 0, self.at) == 0
        assert raw("mq_getsetattr", self.fds[1], 0, self.buffer) == 0
        assert self.mine(32) == self.theirs(32)

    def teardown(self) -> None:
        if hasattr(self, "fds"):
            os.close(self.fds[1])
            self.k.close()


def skip_without(name: str, *args: Any) -> Any:
    """Marks a machine whose calls the host does not have."""
    return pytest.mark.skipif(raw(name, *args) == -38, reason=f"the host has no {name}")


TestSemaphores = skip_without("semget", 0, 0, 0)(SemaphorePair.TestCase)
TestSemaphores.settings = SETTINGS
TestMessages = skip_without("msgctl", -1, 0, 0)(MessagePair.TestCase)
TestMessages.settings = SETTINGS
TestQueues = skip_without("mq_unlink", b"\0")(QueuePair.TestCase)
TestQueues.settings = SETTINGS


def test_exclusive_creation_agrees() -> None:
    """Keys: both kernels tell a new one, an existing one and IPC_EXCL apart."""
    k = Kitchen()
    t = k.task()
    key = 0x52330000 | os.getpid() & 0xFFFF
    for name, args in (("semget", (2,)), ("msgget", ())):
        for flags in (0, IPC_CREAT | 0o600, 0, IPC_CREAT | IPC_EXCL | 0o600):
            try:
                mine = min(0, call(t, name, key, *args, flags))
            except Errno as error:
                mine = -error.number
            assert mine == min(0, raw(name, key, *args, flags)), (name, flags)
        ident = raw(name, key, *args, 0)
        remove = ("semctl", ident, 0) if name == "semget" else ("msgctl", ident)
        assert raw(*remove, IPC_RMID, 0) == 0
