"""Every option there may be, on every kind of socket, read and set: ring3 against the host."""

from __future__ import annotations

import os
import socket as S
from typing import Any

import pytest

from tests.unit.net.worlds import Guest, Host, World

KINDS = {
    "tcp": (S.AF_INET, S.SOCK_STREAM),
    "udp": (S.AF_INET, S.SOCK_DGRAM),
    "tcp6": (S.AF_INET6, S.SOCK_STREAM),
    "udp6": (S.AF_INET6, S.SOCK_DGRAM),
    "unix stream": (S.AF_UNIX, S.SOCK_STREAM),
    "unix datagram": (S.AF_UNIX, S.SOCK_DGRAM),
    "seqpacket": (S.AF_UNIX, S.SOCK_SEQPACKET),
}
LEVELS = {"SOL_SOCKET": 1, "IP": 0, "IPV6": 41, "TCP": 6, "UDP": 17, "unknown": 200}
VALUES = [0, 1, 2, -1, 300]

# Options that ring3 refuses (ENOPROTOOPT, EOPNOTSUPP), or has differently, and why.
NOT_SERVED = {
    "SOL_SOCKET": {
        26: "socket filters are not served", 27: "no filters", 37: "no timestamping",
        50: "no BPF", 51: "no BPF", 52: "no BPF", 53: "", 54: "", 57: "a cookie is a number",
        60: "no completion notices", 61: "no departure times", 64: "one stamp at a time",
        63: "one stamp at a time", 65: "no timestamping", 68: "no BPF", 70: "no busy polling",
        71: "no namespaces of the network yet", 73: "no reserved memory", 74: "no packets",
        80: "no device memory", 82: "no packets", 84: "newer than what most hosts have",
        42: "queues of the kernel are peeked at from their start", 47: "u64",
    },
    "IP": {
        4: "no packets", 5: "no packets", 9: "no packets", 16: "", 17: "", 27: "", 28: "",
        32: "no multicast", 35: "no multicast", 36: "no multicast", 37: "", 38: "", 39: "",
        40: "", 41: "", 42: "", 43: "", 44: "", 45: "", 46: "", 47: "", 48: "", 50: "one interface",
        52: "", 64: "netfilter", 65: "netfilter", 66: "", 67: "", 80: "netfilter", 83: "",
    },
    "IPV6": {
        1: "", 2: "old API", 3: "old API", 4: "old API", 5: "old API", 6: "old API",
        7: "", 8: "old API", 17: "no multicast", 18: "no multicast", 20: "no multicast",
        21: "no multicast", 22: "", 24: "", 27: "anycast", 28: "anycast", 30: "", 32: "flow labels",
        34: "", 35: "", 42: "", 43: "", 44: "", 45: "", 46: "", 47: "", 48: "", 49: "", 50: "",
        54: "", 55: "", 57: "", 59: "", 61: "", 64: "netfilter", 65: "netfilter", 68: "", 69: "",
        72: "source address selection", 76: "one interface", 80: "netfilter",
    },
    "TCP": {
        10: "no windows", 11: "TCP_INFO has a test of its own", 13: "the host may have others",
        14: "MD5", 17: "", 19: "repair", 20: "repair", 21: "repair", 22: "repair",
        24: "timestamps", 26: "congestion state", 28: "", 29: "repair", 32: "MD5", 33: "", 35: "",
        36: "no TCP_CM_INQ", 38: "MD5", 39: "AO", 40: "AO", 41: "AO", 42: "", 43: "newer",
        44: "newer", 45: "newer", 46: "newer", 30: "",
    },
    "UDP": {10: "", 11: "", 100: "", 101: "", 102: "", 103: "no segmentation"},
    "unknown": {},
}  # fmt: skip


def probe(w: World, family: int, kind: int, level: int, name: int) -> list[Any]:
    """The option as it is, and after setting it to each of VALUES on a socket of its own."""
    fd = w.socket(family, kind)
    seen = [w.getopt(fd, level, name, 300)]
    for value in VALUES:
        other = w.socket(family, kind)
        got = w.setopt(other, level, name, value)
        seen.append(got if got else w.getopt(other, level, name, 300))
        w.close(other)
    w.close(fd)
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_like_the_host(level: str, kind: str) -> None:
    host, guest = Host(), Guest()
    root = os.geteuid() == 0
    guest.network.max_buffer = int(open("/proc/sys/net/core/wmem_max").read())
    wrong = []
    for name in range(90):
        if name in NOT_SERVED[level] or (not root and (level, name) in (("SOL_SOCKET", 36),)):
            continue
        family, sort = KINDS[kind]
        expected = probe(host, family, sort, LEVELS[level], name)
        got = probe(guest, family, sort, LEVELS[level], name)
        if got != expected:
            wrong.append(f"{level} {name}\n   ring3 {got}\n   host  {expected}")
    host.done()
    guest.done()
    assert not wrong, "\n".join(wrong)


def test_short_and_odd_lengths() -> None:
    def scenario(w: World) -> Any:
        fd = w.socket(S.AF_INET, S.SOCK_STREAM)
        seen = []
        for level, name in ((1, S.SO_KEEPALIVE), (0, 1), (6, 1), (1, S.SO_LINGER)):
            for size in range(9):
                seen.append((level, name, size, w.setopt(fd, level, name, b"\1" * size)))
                seen.append(w.getopt(fd, level, name, size))
        return seen

    host, guest = Host(), Guest()
    assert scenario(guest) == scenario(host)
    host.done()
    guest.done()


def test_timeouts() -> None:
    import struct

    def scenario(w: World) -> Any:
        fd = w.socket(S.AF_UNIX, S.SOCK_STREAM)
        seen = []
        for pair in ((0, 0), (1, 500_000), (0, 1_000_000), (-1, 0), (0, -1), (3, 4)):
            for name in (20, 21, 66, 67):
                seen.append(w.setopt(fd, 1, name, struct.pack("<qq", *pair)))
                seen.append(w.getopt(fd, 1, name, 16))
        return seen

    host, guest = Host(), Guest()
    ours, theirs = scenario(guest), scenario(host)
    # The host rounds to its clock tick.
    assert [x for x in ours if not isinstance(x, bytes)] == [
        x for x in theirs if not isinstance(x, bytes)
    ]
    for mine, other in zip(ours, theirs, strict=True):
        if isinstance(mine, bytes):
            a, b = struct.unpack("<qq", mine), struct.unpack("<qq", other)
            assert abs((a[0] - b[0]) * 1_000_000 + a[1] - b[1]) < 20_000
    host.done()
    guest.done()


def test_tcp_info() -> None:
    guest = Guest()
    fd = guest.socket(S.AF_INET, S.SOCK_STREAM)
    info = guest.getopt(fd, 6, 11, 300)
    assert info[0] == 7 and len(info) == 232
    guest.bind(fd, S.AF_INET, ("127.0.0.1", 0))
    guest.syscall("listen", fd, 1)
    assert guest.getopt(fd, 6, 11, 1) == b"\x0a"
    guest.done()
