"""Random arguments and wild pointers to every socket call: only errnos and parks come out."""

from __future__ import annotations

import random
import struct

import pytest

from ring3.abi.errno import Errno
from ring3.core.park import Park
from ring3.syscalls.table import CALLS
from tests.unit.fakes import binder
from tests.unit.net.worlds import Guest

NAMES = (
    "socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername sendto"
    " recvfrom sendmsg recvmsg sendmmsg recvmmsg setsockopt getsockopt"
).split()
ODD = [0, 1, 2, 3, 4, 8, 10, 16, 17, 28, 110, 128, 129, 255, 4095, 65536, 1 << 31, (1 << 64) - 1]


class Fuzzer:
    def __init__(self, seed: int) -> None:
        self.world = Guest()
        self.random = random.Random(seed)
        self.memory = self.world.kitchen.memory
        self.area = self.memory.room(1 << 16)
        self.bad = self.memory.fenced(64)

    def pointer(self) -> int:
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice([0, 8, self.bad + 60, (1 << 64) - 4, 1 << 47])
        at = self.area + self.random.randrange(1 << 15) // 8 * 8
        self.fill(at)
        return at

    def fill(self, at: int) -> None:
        """Something that looks like what the calls read: addresses, headers, control messages."""
        r = self.random
        family = r.choice([0, 1, 2, 10, 16, 77])
        inside = self.area + r.randrange(1 << 14) // 8 * 8
        shapes = [
            struct.pack("<H", family) + r.randbytes(26),
            struct.pack("<H", 1) + r.choice([b"\0name", b"/path", b"\0" * 6, r.randbytes(90)]),
            struct.pack("<H", 2) + struct.pack(">H4s8x", r.choice([0, 1, 40000]), b"\x7f\0\0\1"),
            struct.pack("<QI4xQQ", inside, r.choice(ODD[:12]), inside, r.choice([0, 1, 3, 1025]))
            + struct.pack("<QQI4x", inside, r.choice([0, 16, 20, 24, 64, 1 << 20]), 0),
            struct.pack("<QQ", inside, r.choice([0, 5, 100, 70000])) * 3,
            struct.pack("<Qiii", r.choice([16, 20, 24, 0, 99]), 1, r.choice([1, 2, 3]),
                        r.randrange(-1, 30)),
            struct.pack("<i", r.choice([-1, 0, 1, 16, 128])),
            r.randbytes(40),
        ]  # fmt: skip
        self.memory.put(at, r.choice(shapes))

    def argument(self) -> int:
        r = self.random
        return r.choice([r.randrange(-1, 40), r.choice(ODD), self.pointer(), r.getrandbits(64)])

    def step(self) -> None:
        name = self.random.choice(NAMES)
        first = self.random.randrange(0, 30)
        if name in ("socket", "socketpair"):
            first = self.random.choice([1, 1, 2, 10, 16, 17, 50])
        args = [first] + [self.argument() for _ in range(5)]
        if name in ("socket", "socketpair"):
            args[1] = self.random.choice([1, 2, 3, 5, 0x801, 0x802, 0x80001])
            args[2] = self.random.choice([0, 0, 0, 6, 17, 136, 300])
        task = self.world.task
        task.memo = None
        task.interrupted = False
        task.args = [a & 0xFFFFFFFFFFFFFFFF for a in args]
        try:
            binder(task, name)(task, task.args)
        except (Errno, Park):
            pass
        if len(task.fds.files) > 25:
            task.fds.close(self.random.choice(list(task.fds.files)))
        self.world.kitchen.turn()


@pytest.mark.parametrize("seed", range(4))
def test_only_errnos_come_out(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    assert all(name in CALLS for name in NAMES)
    for _ in range(2500):
        fuzzer.step()
    fuzzer.world.done()
