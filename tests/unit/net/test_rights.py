"""SCM_RIGHTS and SCM_CREDENTIALS: ring3 against the host, and what only ring3 can get wrong."""

from __future__ import annotations

import os
import socket as S
import struct
from typing import Any

import pytest

from tests.unit.net.worlds import Guest, World, same

KINDS = [S.SOCK_STREAM, S.SOCK_SEQPACKET, S.SOCK_DGRAM]


def rights(*fds: int) -> tuple[int, int, bytes]:
    return S.SOL_SOCKET, S.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds)


def files(controls: Any) -> list[int]:
    found: list[int] = []
    for level, kind, content in controls:
        assert (level, kind) == (S.SOL_SOCKET, S.SCM_RIGHTS)
        found += struct.unpack(f"{len(content) // 4}i", content)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_travels(kind: int) -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(kind)
        inner, outer = w.pair(S.SOCK_STREAM)
        seen = [w.sendmsg(a, [b"take ", b"this"], [rights(inner, inner)])]
        w.close(inner)
        w.send(outer, b"through")
        data, controls, flags = w.recvmsg(b, 100, 100)
        first, second = files(controls)
        seen += [data, int(flags), w.recv(second, 3), w.recv(first, 10)]
        w.close(first)
        seen += [w.recv(outer, 1)]
        w.close(second)
        seen += [w.recv(outer, 1)]
        return seen

    same(scenario)


def test_place_in_the_stream() -> None:
    """Files come with the bytes they were sent with, and end the receive."""

    def scenario(w: World) -> Any:
        a, b = w.pair(S.SOCK_STREAM)
        x, _y = w.pair(S.SOCK_STREAM)
        w.send(a, b"before ")
        w.sendmsg(a, [b"with "], [rights(x)])
        w.send(a, b"after ")
        w.sendmsg(a, [b"again"], [rights(x, x)])
        seen = []
        for size in (3, 100, 100, 2, 100):
            got = w.recvmsg(b, size, 100)
            seen.append(got if isinstance(got, str) else (got[0], len(files(got[1]))))
        return seen

    same(scenario)


def test_dropped_by_plain_reads() -> None:
    """A receive without room for control messages closes the files."""

    def scenario(w: World) -> Any:
        a, b = w.pair(S.SOCK_STREAM)
        x, y = w.pair(S.SOCK_STREAM)
        w.sendmsg(a, [b"1234"], [rights(x)])
        w.close(x)
        return [w.recv(y, 1), w.recv(b, 2), w.recv(y, 1), w.recvmsg(b, 10, 100)]

    same(scenario)


def test_no_room() -> None:
    def scenario(w: World) -> Any:
        seen = []
        for room in (0, 8, 16, 20, 24, 28, 32):
            a, b = w.pair(S.SOCK_DGRAM)
            x, y = w.pair(S.SOCK_STREAM)
            w.sendmsg(a, [b"z"], [rights(x, x, x)])
            w.close(x)
            data, controls, flags = w.recvmsg(b, 10, room)
            seen.append((room, data, len(files(controls)), int(flags), w.recv(y, 1)))
        return seen

    same(scenario)


def test_peeking_gives_copies() -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(S.SOCK_STREAM)
        x, y = w.pair(S.SOCK_STREAM)
        w.sendmsg(a, [b"z"], [rights(x)])
        w.close(x)
        first = files(w.recvmsg(b, 10, 100, S.MSG_PEEK)[1])
        second = files(w.recvmsg(b, 10, 100)[1])
        seen: list[Any] = [len(first), len(second)]
        for fd in first + second:
            seen.append(w.recv(y, 1))
            w.close(fd)
        return [*seen, w.recv(y, 1)]

    same(scenario)


def test_lost_with_the_receiver() -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(S.SOCK_STREAM)
        x, y = w.pair(S.SOCK_STREAM)
        w.sendmsg(a, [b"z"], [rights(x)])
        w.close(x)
        seen = [w.recv(y, 1)]
        w.close(b)
        return [*seen, w.recv(y, 1)]

    assert same(scenario) == ["EAGAIN", b""]


def test_bad_control_messages() -> None:
    def scenario(w: World) -> Any:
        a, _b = w.pair(S.SOCK_STREAM)
        seen = [w.sendmsg(a, [b"z"], [rights(99999)]), w.sendmsg(a, [b"z"], [rights()])]
        seen += [w.sendmsg(a, [b"z"], [rights(*[a] * 254)]), w.sendmsg(a, [b"z"], [(1, 77, b"")])]
        seen += [w.sendmsg(a, [b"z"], [(77, 1, b"ignored")])]
        seen += [w.sendmsg(a, [b"z"], [(1, S.SCM_CREDENTIALS, bytes(8))])]
        seen += [w.sendmsg(a, [b""], [rights(a)])]
        return seen

    same(scenario)


def test_a_native_read_drops_files_too() -> None:
    """In the fast profile read(2) goes past the kernel, which then cleans up late."""
    w = Guest()
    a, b = w.pair(S.SOCK_STREAM)
    x, y = w.pair(S.SOCK_STREAM)
    lost, _other = w.pair(S.SOCK_STREAM)
    w.sendmsg(a, [b"1"], [rights(lost)])
    w.sendmsg(a, [b"2"], [rights(x)])
    bound = w.task.fds.files[b].bind_fd
    assert bound is not None and os.read(bound, 1) == b"1"
    data, controls, _flags = w.recvmsg(b, 10, 100)
    assert data == b"2" and len(files(controls)) == 1
    ends: Any = w.network.ends
    assert not ends.cargo and w.network.in_flight[0] == 0
    assert w.task.fds.files[lost].refs == 1
    assert w.recv(y, 1) == "EAGAIN"
    w.done()


@pytest.mark.parametrize("kind", KINDS)
def test_credentials(kind: int) -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(kind)
        w.setopt(b, S.SOL_SOCKET, S.SO_PASSCRED, 1)
        w.send(a, b"plain")
        data, controls, _flags = w.recvmsg(b, 10, 100)
        seen = [data, [(level, k, len(c)) for level, k, c in controls]]
        w.sendmsg(a, [b"both"], [rights(a)])
        data, controls, flags = w.recvmsg(b, 10, 100)
        seen += [data, [k for _level, k, _c in controls], int(flags)]
        return seen

    same(scenario)


@pytest.mark.parametrize("own", [False, True])
def test_who_sent_it(own: bool) -> None:
    """Pids and uids are the guest's own."""
    w = Guest(own=own)
    a, b = w.pair(S.SOCK_STREAM)
    w.setopt(b, S.SOL_SOCKET, S.SO_PASSCRED, 1)
    other = w.kitchen.task(fds=w.task.fds)
    other.fs = w.task.fs
    other.cred = other.cred.but(euid=1000, effective=0)
    w.send(a, b"x")
    first = struct.unpack("3i", w.recvmsg(b, 10, 100)[1][0][2])
    w.start("sendto", a, b"y", 1, 0, None, 0, task=other)
    second = struct.unpack("3i", w.recvmsg(b, 10, 100)[1][0][2])
    assert first == (w.task.process.pid, 0, 0)
    assert second == (other.process.pid, 1000, 0)
    assert struct.unpack("3i", w.getopt(a, S.SOL_SOCKET, S.SO_PEERCRED, 12)) == first
    w.done()


@pytest.mark.parametrize("own", [False, True])
def test_forged_credentials(own: bool) -> None:
    w = Guest(own=own)
    a, _b = w.pair(S.SOCK_STREAM)
    root = w.task.cred
    w.task.cred = root.but(euid=1000, effective=0)
    pid = w.task.process.pid

    def claim(*who: int) -> Any:
        return w.sendmsg(a, [b"x"], [(1, S.SCM_CREDENTIALS, struct.pack("3i", *who))])

    assert claim(pid, 1000, 0) == 1
    assert claim(pid, 0, 0) == 1  # the real uid is still 0
    assert claim(pid, 1, 0) == "EPERM"
    assert claim(pid + 1, 1000, 0) == "EPERM"
    w.task.cred = root
    assert claim(99999, 5, 5) == "ESRCH"
    w.done()
