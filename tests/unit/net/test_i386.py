"""The socket calls of i386: socketcall(2), and structs of 32-bit pointers."""

from __future__ import annotations

import socket as S
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.net.worlds import Guest


class Guest32(Guest):
    def __init__(self) -> None:
        import ring3.syscalls.socketcall

        assert ring3.syscalls.socketcall
        super().__init__(word=32)

    def inner(self, call: int, *args: int) -> Any:
        memory = self.kitchen.memory
        at = memory.room(24, struct.pack(f"<{len(args)}I", *(a & 0xFFFFFFFF for a in args)))
        return self.numbers("socketcall", call, at)


@pytest.fixture
def w() -> Iterator[Guest32]:
    world = Guest32()
    yield world
    world.done()


def test_socketcall(w: Guest32) -> None:
    memory = w.kitchen.memory
    fds = memory.room(8)
    assert w.inner(8, S.AF_UNIX, S.SOCK_STREAM, 0, fds) == 0
    a, b = memory.ints(fds, "ii")
    text = memory.room(8, b"compat")
    assert w.inner(9, a, text, 6, 0) == 6
    room = memory.room(8)
    assert w.inner(10, b, room, 8, 0) == 6 and memory.get(room, 6) == b"compat"
    assert w.inner(13, a, 1) == 0
    assert w.inner(0) == w.inner(21) == "EINVAL"
    assert w.numbers("socketcall", 1, 0) == "EFAULT"


def test_messages_with_files(w: Guest32) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    memory = w.kitchen.memory
    text = memory.room(4, b"data")
    vector = memory.room(8, struct.pack("<II", text, 4))
    control = memory.room(16, struct.pack("<IiiI", 16, S.SOL_SOCKET, S.SCM_RIGHTS, a))
    header = memory.room(28, struct.pack("<IiIIIII", 0, 0, vector, 1, control, 16, 0))
    assert w.numbers("sendmsg", a, header, 0) == 4
    memory.put(control, bytes(16))
    assert w.numbers("recvmsg", b, header, 0) == 4
    assert memory.ints(header, "IiIIIII")[5:] == (16, 0)
    length, level, kind, fd = memory.ints(control, "IiiI")
    assert (length, level, kind) == (16, S.SOL_SOCKET, S.SCM_RIGHTS)
    assert w.task.fds.files[fd] is w.task.fds.files[a]


def test_timeouts_are_of_two_sizes(w: Guest32) -> None:
    fd = w.socket(S.AF_UNIX, S.SOCK_STREAM)
    assert w.setopt(fd, S.SOL_SOCKET, 20, struct.pack("<ii", 1, 500_000)) == 0
    assert w.getopt(fd, S.SOL_SOCKET, 20, 16) == struct.pack("<ii", 1, 500_000)
    assert w.getopt(fd, S.SOL_SOCKET, 66, 16) == struct.pack("<qq", 1, 500_000)
