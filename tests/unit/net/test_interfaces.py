"""The loopback interface as programs see it: ioctls, netlink, /proc/net."""

from __future__ import annotations

import fcntl
import os
import socket as S
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from ring3.abi.errno import ENODEV, ENOTTY, EPERM
from ring3.abi.ioctl import (
    FIONREAD,
    SIOCGIFADDR,
    SIOCGIFCONF,
    SIOCGIFFLAGS,
    SIOCGIFHWADDR,
    SIOCGIFINDEX,
    SIOCGIFMTU,
    SIOCGIFNAME,
    SIOCGIFNETMASK,
    SIOCSIFADDR,
)
from ring3.net import procnet
from tests.unit.net.worlds import Guest, Host

ROUTE, DUMP, REQUEST = 0, 0x300, 1
GETLINK, NEWLINK, GETADDR, NEWADDR, GETROUTE, DONE, ERROR = 18, 16, 22, 20, 26, 3, 2


@pytest.fixture
def w() -> Iterator[Guest]:
    world = Guest()
    yield world
    world.done()


def has_loopback() -> bool:
    return "lo" in os.listdir("/sys/class/net")


def ioctl(w: Guest, fd: int, request: int, data: bytes) -> bytes:
    memory = w.kitchen.memory
    memory.next = memory.base
    at = memory.room(len(data), data)
    assert w.task.fds.files[fd].ioctl(memory, request, at) == 0
    return memory.get(at, len(data))


@pytest.mark.skipif(not has_loopback(), reason="the host has no lo to compare with")
@pytest.mark.parametrize(
    "request_", [SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFMTU, SIOCGIFFLAGS, SIOCGIFHWADDR]
)
def test_like_the_hosts_lo(w: Guest, request_: int) -> None:
    ours = ioctl(w, w.socket(S.AF_INET, S.SOCK_DGRAM), request_, b"lo".ljust(40, b"\0"))
    with S.socket(S.AF_INET, S.SOCK_DGRAM) as host:
        assert ours == fcntl.ioctl(host.fileno(), request_, b"lo".ljust(40, b"\0"))


def test_names_and_numbers(w: Guest) -> None:
    fd = w.socket(S.AF_UNIX, S.SOCK_STREAM)
    data = ioctl(w, fd, SIOCGIFINDEX, b"lo".ljust(40, b"\0"))
    assert struct.unpack_from("i", data, 16) == (1,)
    assert ioctl(w, fd, SIOCGIFNAME, data)[:3] == b"lo\0"
    with pytest.raises(ENODEV):
        ioctl(w, fd, SIOCGIFINDEX, b"eth0".ljust(40, b"\0"))
    with pytest.raises(EPERM):
        ioctl(w, fd, SIOCSIFADDR, b"lo".ljust(40, b"\0"))
    with pytest.raises(ENOTTY):
        ioctl(w, fd, 0x5401, bytes(60))


def test_configuration(w: Guest) -> None:
    fd = w.socket(S.AF_INET, S.SOCK_DGRAM)
    memory = w.kitchen.memory
    buffer = memory.base + 4096
    for room, length in ((100, 40), (40, 40), (39, 0), (0, 0)):
        got = ioctl(w, fd, SIOCGIFCONF, struct.pack("<i4xQ", room, buffer))
        assert struct.unpack_from("i", got) == (length,)
    assert ioctl(w, fd, SIOCGIFCONF, struct.pack("<i4xQ", 0, 0))[:4] == b"\x28\0\0\0"
    assert memory.get(buffer, 3) == b"lo\0"
    assert memory.get(buffer + 20, 4) == b"\x7f\0\0\1"


def test_queue_sizes(w: Guest) -> None:
    a, b = w.pair(S.SOCK_STREAM)
    w.send(a, b"12345")
    assert ioctl(w, b, FIONREAD, bytes(4)) == b"\5\0\0\0"
    w.recv(b, 3)
    assert ioctl(w, b, FIONREAD, bytes(4)) == b"\2\0\0\0"


# --- netlink ----------------------------------------------------------------------------------
def ask(w: Any, kind: int, flags: int, body: bytes) -> list[tuple[int, int, bytes]]:
    """(type, flags, body) of each message of the answer."""
    fd = w.socket(S.AF_NETLINK, S.SOCK_RAW, ROUTE)
    assert isinstance(fd, int), fd
    name = struct.pack("<HxxII", S.AF_NETLINK, 0, 0)
    assert w.syscall("bind", fd, name, len(name)) == 0
    text = struct.pack("<IHHII", 16 + len(body), kind, flags | REQUEST, 7, 0) + body
    assert w.syscall("sendto", fd, text, len(text), 0, name, len(name)) == len(text)
    found = []
    while isinstance(data := w.recv(fd, 65536), bytes):
        while data:
            length, kind, flags, serial, _pid = struct.unpack_from("<IHHII", data)
            assert serial == 7
            found.append((kind, flags, data[16:length]))
            data = data[(length + 3) & ~3 :]
    w.close(fd)
    return found


def attributes(body: bytes, header: int) -> dict[int, bytes]:
    found, at = {}, header
    while at < len(body):
        length, kind = struct.unpack_from("<HH", body, at)
        found[kind & 0x3FFF] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def loopback(answer: list[tuple[int, int, bytes]], kind: int, index_at: int) -> list[bytes]:
    return [
        body
        for found, _flags, body in answer
        if found == kind and struct.unpack_from("<I", body, index_at)[0] == 1
    ]


def test_links_and_addresses_like_the_hosts(w: Guest) -> None:
    host = Host()
    (ours,) = loopback(ask(w, GETLINK, DUMP, b"\0" * 16), NEWLINK, 4)
    theirs = loopback(ask(host, GETLINK, DUMP, b"\0" * 16), NEWLINK, 4)
    if theirs:
        mine, other = attributes(ours, 16), attributes(theirs[0], 16)
        for kind in (1, 2, 3, 4, 6, 13):  # addresses, name, MTU, queue discipline, queue length
            assert mine[kind] == other[kind], kind
        assert ours[:8] == theirs[0][:8]
    for family in (S.AF_INET, S.AF_INET6, 0):
        request = bytes([family]) + bytes(7)
        found = loopback(ask(w, GETADDR, DUMP, request), NEWADDR, 4)
        expected = loopback(ask(host, GETADDR, DUMP, request), NEWADDR, 4)
        if expected:
            assert [b[:8] for b in found] == [b[:8] for b in expected]
            for mine_, other_ in zip(found, expected, strict=True):
                assert attributes(mine_, 8)[1] == attributes(other_, 8)[1]
    host.done()


def test_answers_end(w: Guest) -> None:
    for kind, body in ((GETLINK, bytes(16)), (GETADDR, bytes(8)), (GETROUTE, bytes(12))):
        answer = ask(w, kind, DUMP, body)
        assert answer[-1][0] == DONE and answer[-1][1] & 2
    assert [kind for kind, _f, _b in ask(w, GETLINK, 0, bytes(4) + b"\1" + bytes(11))] == [NEWLINK]
    ((kind, _flags, body),) = ask(w, GETLINK, 0, bytes(4) + b"\x09" + bytes(11))
    assert kind == ERROR and struct.unpack_from("<i", body)[0] == -ENODEV.number
    ((kind, _flags, body),) = ask(w, NEWLINK, 0, bytes(16))
    assert kind == ERROR and struct.unpack_from("<i", body)[0] == -EPERM.number


def test_port_ids(w: Guest) -> None:
    first = w.socket(S.AF_NETLINK, S.SOCK_RAW, ROUTE)
    second = w.socket(S.AF_NETLINK, S.SOCK_DGRAM, ROUTE)
    name = struct.pack("<HxxII", S.AF_NETLINK, 0, 0)
    ids = []
    for fd in (first, second):
        assert w.syscall("bind", fd, name, len(name)) == 0
        raw, length = bytearray(12), bytearray(struct.pack("i", 12))
        assert w.syscall("getsockname", fd, raw, length) == 0
        ids.append(struct.unpack("<HxxII", raw)[1])
    assert ids[0] == w.task.process.pid and ids[1] not in (0, ids[0])
    taken = struct.pack("<HxxII", S.AF_NETLINK, ids[0], 0)
    third = w.socket(S.AF_NETLINK, S.SOCK_RAW, ROUTE)
    assert w.syscall("bind", third, taken, len(taken)) == "EADDRINUSE"
    assert w.socket(S.AF_NETLINK, S.SOCK_STREAM, ROUTE) == "ESOCKTNOSUPPORT"
    assert w.socket(S.AF_NETLINK, S.SOCK_RAW, 31) == "EPROTONOSUPPORT"


# --- /proc/net --------------------------------------------------------------------------------
def test_every_file_has_a_text_without_and_with_sockets(w: Guest) -> None:
    world = w.kitchen.world
    empty = {name: make(world) for name, make in procnet.FILES.items()}
    for family in (S.AF_INET, S.AF_INET6):
        home = "127.0.0.1" if family == S.AF_INET else "::1"
        listener = w.socket(family, S.SOCK_STREAM)
        w.bind(listener, family, (home, 0))
        w.syscall("listen", listener, 5)
        client = w.socket(family, S.SOCK_STREAM)
        w.connect(client, family, w.sockname(listener))
        w.bind(w.socket(family, S.SOCK_DGRAM), family, (home, 0))
    w.pair(S.SOCK_STREAM)
    w.bind(w.socket(S.AF_UNIX, S.SOCK_DGRAM), S.AF_UNIX, "\0some name")
    full = {name: make(world) for name, make in procnet.FILES.items()}
    grown = {name: full[name].count(b"\n") - empty[name].count(b"\n") for name in full}
    assert {name: n for name, n in grown.items() if n} == {
        b"tcp": 3, b"tcp6": 3, b"udp": 1, b"udp6": 1, b"unix": 3,
    }  # fmt: skip
    assert b"@some name" in full[b"unix"]
    for name in (b"tcp", b"tcp6", b"udp", b"udp6", b"unix", b"dev"):
        with open(b"/proc/net/" + name, "rb") as host:
            head = host.readline()
        assert full[name].splitlines(keepends=True)[0] == head, name


def test_an_address_as_the_kernel_prints_it(w: Guest) -> None:
    fd = w.socket(S.AF_INET, S.SOCK_STREAM)
    w.bind(fd, S.AF_INET, ("127.1.2.3", 0x1234))
    w.syscall("listen", fd, 1)
    line = procnet.FILES[b"tcp"](w.kitchen.world).splitlines()[1]
    assert line.startswith(b"   0: 0302017F:1234 00000000:0000 0A ") and len(line) == 149
