"""Record locks and flock of several open file descriptions, against the host's."""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ring3.abi.errno import Errno
from ring3.abi.fcntl import F_OFD_GETLK, F_OFD_SETLK, F_RDLCK, F_UNLCK, F_WRLCK, O_RDWR
from ring3.fs.memfd import memfd_mount, open_memfd
from ring3.task.fdtable import FdTable
from tests.unit.fakes import Kitchen, call

OWNERS = 3
FLOCK = struct.Struct("<hh4xqqi4x")
SPOTS = st.integers(0, 24)
KINDS = st.sampled_from([F_RDLCK, F_WRLCK, F_UNLCK])
WHO = st.integers(0, OWNERS - 1)


class LockPair(RuleBasedStateMachine):
    @initialize()
    def make(self) -> None:
        self.k = Kitchen()
        task = self.k.task()
        task.fds.install(open_memfd(task, memfd_mount(), b"locked", sealing=False, noexec=False))
        self.place: Any = task.fds.get(0).place
        self.path = tempfile.NamedTemporaryFile(prefix="ring3-locks")
        self.host: list[int] = []
        self.tasks = [self.k.task(fds=FdTable()) for _ in range(OWNERS)]
        self.at = self.k.memory.room(64)
        for who in range(OWNERS):
            self.host.append(os.open(self.path.name, os.O_RDWR | os.O_CLOEXEC))
            self.open(who)

    def open(self, who: int) -> None:
        """Descriptor 0 of owner *who*: a description of its own of the one file."""
        file = self.place.inode.open(self.tasks[who], self.place, O_RDWR)
        file.attach(self.place)
        self.tasks[who].fds.install(file)

    def ours(self, who: int, name: str, *args: int) -> Any:
        try:
            return call(self.tasks[who], name, 0, *args)
        except Errno as error:
            return -error.number

    def theirs(self, action: Any) -> Any:
        try:
            return action() or 0
        except OSError as error:
            return -(error.errno or 0)

    @rule(who=WHO, kind=KINDS, start=SPOTS, length=st.integers(0, 12))
    def lock(self, who: int, kind: int, start: int, length: int) -> None:
        asked = FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
        self.k.memory.put(self.at, asked)
        mine = self.ours(who, "fcntl", F_OFD_SETLK, self.at)
        found = self.theirs(lambda: fcntl.fcntl(self.host[who], F_OFD_SETLK, asked) and 0)
        assert mine == found

    @rule(who=WHO, kind=st.sampled_from([F_RDLCK, F_WRLCK]), start=SPOTS, length=SPOTS)
    def test(self, who: int, kind: int, start: int, length: int) -> None:
        asked = FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
        self.k.memory.put(self.at, asked)
        assert self.ours(who, "fcntl", F_OFD_GETLK, self.at) == 0
        mine = FLOCK.unpack(self.k.memory.get(self.at, FLOCK.size))
        theirs = FLOCK.unpack(fcntl.fcntl(self.host[who], F_OFD_GETLK, asked))
        if theirs[0] == F_UNLCK or mine[0] == F_UNLCK:
            assert mine == theirs
        else:
            # Of several locks in the way, either kernel may name any.
            assert mine[4] == theirs[4] == -1

    @rule(who=WHO, how=st.sampled_from([fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN]))
    def flock(self, who: int, how: int) -> None:
        mine = self.ours(who, "flock", how | fcntl.LOCK_NB)
        assert mine == self.theirs(lambda: fcntl.flock(self.host[who], how | fcntl.LOCK_NB))

    @rule(who=WHO)
    def reopen(self, who: int) -> None:
        """A close ends the locks of a description."""
        os.close(self.host[who])
        self.host[who] = os.open(self.path.name, os.O_RDWR | os.O_CLOEXEC)
        call(self.tasks[who], "close", 0)
        self.open(who)

    def teardown(self) -> None:
        if hasattr(self, "k"):
            for fd in self.host:
                os.close(fd)
            self.path.close()
            for task in self.tasks:
                task.fds.release()
            assert self.place.inode.locks is None
            self.k.close()


TestLockPair = LockPair.TestCase
TestLockPair.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
