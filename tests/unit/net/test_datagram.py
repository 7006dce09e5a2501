"""Datagrams of AF_UNIX and UDP: ring3 against the host."""

from __future__ import annotations

import socket as S
import struct
from typing import Any

import pytest

from tests.unit.net.worlds import Guest, World, run, same

IP_FAMILIES = [S.AF_INET, S.AF_INET6]
HOME = {S.AF_INET: "127.0.0.1", S.AF_INET6: "::1"}


def bound(w: World, family: int, name: str = "a") -> tuple[int, Any]:
    fd = w.socket(family, S.SOCK_DGRAM)
    address = f"\0ring3-{w.name}-{name}" if family == S.AF_UNIX else (HOME[family], 0)
    assert w.bind(fd, family, address) == 0
    return fd, w.sockname(fd)


def role(w: World, address: Any, **known: Any) -> Any:
    """The name *known* has for an address: ports and names differ between the worlds."""
    return next((name for name, value in known.items() if value == address), address)


@pytest.mark.parametrize("family", [S.AF_UNIX, *IP_FAMILIES])
def test_there_and_back(family: int) -> None:
    def scenario(w: World) -> Any:
        a, home_a = bound(w, family)
        b, home_b = bound(w, family, "b")
        seen = [w.sendto(a, b"one", family, home_b), w.sendto(a, b"", family, home_b), w.poll(b)]
        size, data, sender = w.recvfrom(b, 100)
        seen += [size, data, role(w, sender, a=home_a, b=home_b), w.recv(b, 5), w.recv(b, 5)]
        seen += [w.send(a, b"x"), w.connect(a, family, home_b), w.send(a, b"connected")]
        seen += [w.recv(b, 4, S.MSG_PEEK), w.recvfrom(b, 4, S.MSG_TRUNC)[:2], w.recv(b, 9)]
        seen += [role(w, w.peername(a), b=home_b), w.peername(b)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", [S.AF_UNIX, *IP_FAMILIES])
def test_nobody_there(family: int) -> None:
    def scenario(w: World) -> Any:
        a, _home = bound(w, family)
        b, home_b = bound(w, family, "b")
        w.connect(a, family, home_b)
        w.close(b)
        seen = [w.send(a, b"1"), w.poll(a)]
        seen += [w.send(a, b"2"), w.send(a, b"3"), w.recv(a, 1)]
        seen += [w.getint(a, S.SOL_SOCKET, S.SO_ERROR), w.recv(a, 1)]
        stranger = w.socket(family, S.SOCK_DGRAM)
        seen += [w.sendto(stranger, b"4", family, home_b), w.recv(stranger, 1)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", IP_FAMILIES)
def test_errors_for_who_asked(family: int) -> None:
    def scenario(w: World) -> Any:
        a, _home = bound(w, family)
        b, home_b = bound(w, family, "b")
        w.close(b)
        level, option = (S.IPPROTO_IP, 11) if family == S.AF_INET else (S.IPPROTO_IPV6, 25)
        w.setopt(a, level, option, 1)
        seen = [w.sendto(a, b"x", family, home_b)]
        return [*seen, w.recv(a, 1), w.recv(a, 1)]

    assert same(scenario) == [1, "ECONNREFUSED", "EAGAIN"]


@pytest.mark.parametrize("family", [S.AF_UNIX, *IP_FAMILIES])
def test_connected_hears_its_peer_alone(family: int) -> None:
    def scenario(w: World) -> Any:
        a, home_a = bound(w, family)
        b, home_b = bound(w, family, "b")
        c, _home_c = bound(w, family, "c")
        seen = [w.connect(a, family, home_b), w.sendto(c, b"from c", family, home_a)]
        seen += [w.recv(a, 10), w.sendto(b, b"from b", family, home_a), w.recv(a, 10)]
        seen += [w.syscall("connect", a, b"\0" * 16, 16)]
        seen += [w.sendto(c, b"again", family, home_a), w.recv(a, 10), w.peername(a)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", [S.AF_UNIX, *IP_FAMILIES])
@pytest.mark.parametrize("how", [0, 1, 2])
def test_shutdown(family: int, how: int) -> None:
    def scenario(w: World) -> Any:
        a, home_a = bound(w, family)
        b, home_b = bound(w, family, "b")
        w.connect(a, family, home_b)
        w.connect(b, family, home_a)
        seen = [w.syscall("shutdown", a, how), w.poll(a), w.recv(a, 1), w.send(a, b"x")]
        return [*seen, w.send(b, b"y"), w.recv(a, 1)]

    same(scenario)


@pytest.mark.parametrize("family", IP_FAMILIES)
def test_sizes(family: int) -> None:
    def scenario(w: World) -> Any:
        a, _home = bound(w, family)
        b, home_b = bound(w, family, "b")
        seen = []
        for size in (65507, 65508, 65527, 65528, 65536):
            got = w.sendto(a, bytes(size), family, home_b)
            data = w.recv(b, 70000)
            seen.append((size, got, len(data) if isinstance(data, bytes) else data))
        return seen

    same(scenario)


def test_udp_receive_buffer_overflows_quietly() -> None:
    def scenario(w: World) -> Any:
        a, _home = bound(w, S.AF_INET)
        b, home_b = bound(w, S.AF_INET, "b")
        sent = [w.sendto(a, bytes(1000), S.AF_INET, home_b) for _ in range(1000)]
        got = 0
        while isinstance(w.recv(b, 1000), bytes):
            got += 1
        return sent == [1000] * 1000, 50 < got < 1000

    same(scenario)


def test_unix_queue_fills() -> None:
    def scenario(w: World) -> Any:
        a, home = bound(w, S.AF_UNIX)
        b = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
        seen = [w.connect(b, S.AF_UNIX, home)]
        while isinstance(last := w.send(b, b"x"), int):
            pass
        seen += [last, w.poll(b), w.recv(a, 1), w.send(b, b"y")]
        seen += [w.sendto(b, bytes(300000), S.AF_UNIX, home)]
        return seen

    same(scenario)


def test_mixed_families() -> None:
    def scenario(w: World) -> Any:
        six = w.socket(S.AF_INET6, S.SOCK_DGRAM)
        w.bind(six, S.AF_INET6, ("::", 0))
        port = w.sockname(six)[1]
        four = w.socket(S.AF_INET, S.SOCK_DGRAM)
        seen = [w.sendto(four, b"hello", S.AF_INET, ("127.0.0.1", port))]
        _size, data, sender = w.recvfrom(six, 10)
        seen += [data, sender[0], w.sendto(six, b"back", S.AF_INET6, sender), w.recv(four, 10)]
        seen += [w.sockname(four)[0]]
        return seen

    same(scenario)


def test_packet_info() -> None:
    def scenario(w: World) -> Any:
        a, _home = bound(w, S.AF_INET)
        b = w.socket(S.AF_INET, S.SOCK_DGRAM)
        w.bind(b, S.AF_INET, ("0.0.0.0", 0))
        ip_pktinfo, ip_recvttl = 8, 12
        seen = [w.setopt(b, S.IPPROTO_IP, option, 1) for option in (ip_pktinfo, ip_recvttl)]
        w.sendto(a, b"x", S.AF_INET, ("127.0.0.9", w.sockname(b)[1]))
        data, controls, flags = w.recvmsg(b, 10, 100)
        # The interface's number is the host's own affair.
        controls = [(lv, t, c[4:] if t == ip_pktinfo else c) for lv, t, c in controls]
        return [*seen, data, sorted(controls), flags]

    same(scenario)


def test_timestamps() -> None:
    def scenario(w: World) -> Any:
        a, home = bound(w, S.AF_UNIX)
        w.setopt(a, S.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        w.sendto(a, b"x", S.AF_UNIX, home)
        _data, ((level, kind, content),), _flags = w.recvmsg(a, 10, 100)
        seconds, ns = struct.unpack("<qq", content)
        return level, kind, seconds > 1_500_000_000, 0 <= ns < 1_000_000_000

    same(scenario)


def test_a_filled_control_buffer_is_told() -> None:
    def scenario(w: World) -> Any:
        a, home = bound(w, S.AF_INET)
        w.setopt(a, S.IPPROTO_IP, 8, 1)
        w.sendto(a, b"x", S.AF_INET, home)
        w.sendto(a, b"y", S.AF_INET, home)
        _data, controls, flags = w.recvmsg(a, 10, 20)
        seen = [[(level, kind, len(content)) for level, kind, content in controls], int(flags)]
        return [*seen, w.recvmsg(a, 10, 4)]

    same(scenario)


def test_names_are_gone_with_their_socket() -> None:
    def scenario(w: World) -> Any:
        a, home = bound(w, S.AF_UNIX)
        other = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
        seen = [w.bind(other, S.AF_UNIX, home)]
        w.close(a)
        return [*seen, w.bind(other, S.AF_UNIX, home)]

    assert same(scenario) == ["EADDRINUSE", 0]


def test_autobind() -> None:
    def scenario(w: World) -> Any:
        a = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
        seen = [w.syscall("bind", a, b"\1\0", 2)]
        name = w.sockname(a)
        return [*seen, len(name), name[0], w.syscall("bind", a, b"\1\0", 2), w.sockname(a) == name]

    same(scenario)


def test_paths() -> None:
    """Names in the file tree; ring3's is a tmpfs of its own."""

    def scenario(w: Guest) -> Any:
        a = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
        b = w.socket(S.AF_UNIX, S.SOCK_DGRAM)
        seen = [w.bind(a, S.AF_UNIX, "/name"), w.bind(b, S.AF_UNIX, "/name")]
        seen += [w.bind(a, S.AF_UNIX, "/other"), w.sockname(a)]
        seen += [w.connect(b, S.AF_UNIX, "/none"), w.connect(b, S.AF_UNIX, "/")]
        seen += [w.connect(b, S.AF_UNIX, "/name"), w.peername(b), w.send(b, b"x")]
        seen += [w.recvfrom(a, 5)]
        w.close(a)
        seen += [w.connect(b, S.AF_UNIX, "/name"), w.bind(b, S.AF_UNIX, "/name")]
        return seen

    assert run(Guest(), scenario) == [
        0, "EADDRINUSE", "EINVAL", "/name", "ENOENT", "ECONNREFUSED",
        0, "/name", 1, (1, b"x", None), "ECONNREFUSED", "EADDRINUSE",
    ]  # fmt: skip
