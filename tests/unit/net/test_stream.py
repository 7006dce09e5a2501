"""Connections in AF_UNIX and over loopback: ring3 against the host."""

from __future__ import annotations

import socket as S
from typing import Any

import pytest

from tests.unit.net.worlds import Guest, World, run, same

FAMILIES = [S.AF_INET, S.AF_INET6, S.AF_UNIX]
IDS = ["inet", "inet6", "unix"]


def somewhere(w: World, family: int) -> Any:
    """An address to bind a server of *family* to."""
    if family == S.AF_UNIX:
        return b"\0ring3-test-" + w.name.encode()
    return ("127.0.0.1" if family == S.AF_INET else "::1", 0)


def served(w: World, family: int, backlog: int = 5) -> tuple[int, Any]:
    fd = w.socket(family, S.SOCK_STREAM)
    assert w.bind(fd, family, somewhere(w, family)) == 0
    assert w.syscall("listen", fd, backlog) == 0
    return fd, w.sockname(fd)


def joined(w: World, family: int) -> tuple[int, int, int]:
    """(listener, client, server's end) of a fresh connection."""
    listener, address = served(w, family)
    client = w.socket(family, S.SOCK_STREAM)
    assert w.connect(client, family, address) in (0, "EINPROGRESS")
    server, _peer = w.accept(listener)
    return listener, client, server


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_talk(family: int) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        seen = [w.poll(client), w.poll(server)]
        seen += [w.recv(server, 10), w.send(client, b"hello"), w.poll(server)]
        seen += [w.recv(server, 3, S.MSG_PEEK), w.recv(server, 3), w.recv(server, 10)]
        seen += [w.send(server, b"answer"), w.recvfrom(client, 100)[:2]]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_names(family: int) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        if family == S.AF_UNIX:
            return [w.sockname(client), w.peername(server)]
        names = [w.sockname(client), w.peername(server), w.peername(client), w.sockname(server)]
        assert names[0] == names[1] and names[2] == names[3]
        return [name[0] for name in names]

    same(scenario)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_unconnected(family: int) -> None:
    def scenario(w: World) -> Any:
        fd = w.socket(family, S.SOCK_STREAM)
        seen = [w.poll(fd), w.recv(fd, 5), w.send(fd, b"x"), w.peername(fd)]
        seen += [w.syscall("shutdown", fd, how) for how in (0, 1, 2, 3)]
        seen += [w.accept(fd), w.getint(fd, S.SOL_SOCKET, S.SO_ERROR)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_listening(family: int) -> None:
    def scenario(w: World) -> Any:
        fd, address = served(w, family)
        seen = [w.poll(fd), w.accept(fd), w.recv(fd, 5), w.send(fd, b"x"), w.peername(fd)]
        seen += [w.connect(fd, family, address), w.getint(fd, S.SOL_SOCKET, S.SO_ACCEPTCONN)]
        seen += [w.syscall("listen", fd, 1), w.bind(fd, family, address)]
        client = w.socket(family, S.SOCK_STREAM)
        w.connect(client, family, address)
        seen += [w.poll(fd), w.syscall("shutdown", fd, 1), w.syscall("shutdown", fd, 0)]
        got = w.accept(fd)  # AF_UNIX still gives what had come
        seen += [got if isinstance(got, str) else "a connection", w.accept(fd)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_peer_closes(family: int) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        w.send(server, b"last words")
        w.close(server)
        seen = [w.poll(client), w.recv(client, 4), w.poll(client), w.recv(client, 100)]
        seen += [w.recv(client, 100), w.poll(client)]
        first = w.send(client, b"anybody?")
        w.pass_time()
        seen += [first, w.send(client, b"no"), w.recv(client, 1)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_peer_closes_with_data_unread(family: int) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        w.send(client, b"unread")
        w.close(server)
        error = w.recv(client, 10)
        return [error, w.recv(client, 10), w.send(client, b"x")]

    same(scenario)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("family", [S.AF_INET, S.AF_INET6])
def test_linger_zero_resets(family: int, own: bool) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        w.send(server, b"before")
        w.setopt(server, S.SOL_SOCKET, S.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        w.close(server)
        return [w.recv(client, 10), w.recv(client, 10), w.recv(client, 10)]

    got = run(Guest(own=own), scenario)
    # Linux may throw away what was not read when the reset comes; ring3 keeps it.
    assert got == [b"before", "ECONNRESET", b""]


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
@pytest.mark.parametrize("how", [0, 1, 2])
def test_shutdown(family: int, how: int) -> None:
    def scenario(w: World) -> Any:
        _listener, client, server = joined(w, family)
        w.send(client, b"early")
        seen = [w.syscall("shutdown", client, how)]
        seen += [w.poll(client), w.poll(server), w.recv(server, 10), w.recv(client, 10)]
        if how != 0:
            seen += [w.send(client, b"late"), w.recv(server, 10), w.poll(server)]
        seen += [w.syscall("shutdown", server, 1), w.recv(client, 10), w.poll(client)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", [S.AF_INET, S.AF_INET6, S.AF_UNIX], ids=IDS)
def test_refused(family: int) -> None:
    def scenario(w: World) -> Any:
        fd, address = served(w, family)
        w.close(fd)
        client = w.socket(family, S.SOCK_STREAM)
        seen = [w.connect(client, family, address), w.poll(client)]
        seen += [w.getint(client, S.SOL_SOCKET, S.SO_ERROR), w.poll(client)]
        seen += [w.getint(client, S.SOL_SOCKET, S.SO_ERROR)]
        return seen

    same(scenario)


@pytest.mark.parametrize("family", [S.AF_INET, S.AF_INET6])
def test_connect_in_steps(family: int) -> None:
    """A connect(2) that does not wait: under way, then done, then too late."""

    def scenario(w: World) -> Any:
        _listener, address = served(w, family)
        client = w.socket(family, S.SOCK_STREAM)
        seen = [w.connect(client, family, address), w.poll(client)]
        seen += [w.getint(client, S.SOL_SOCKET, S.SO_ERROR)]
        seen += [w.connect(client, family, address), w.connect(client, family, address)]
        return seen

    same(scenario)


def test_unix_backlog() -> None:
    def scenario(w: World) -> Any:
        listener, address = served(w, S.AF_UNIX, backlog=1)
        clients = [w.socket(S.AF_UNIX, S.SOCK_STREAM) for _ in range(4)]
        seen: list[Any] = [w.connect(fd, S.AF_UNIX, address) for fd in clients]
        seen.append(isinstance(w.accept(listener), tuple))
        seen += [w.connect(fd, S.AF_UNIX, address) for fd in clients]
        return seen

    same(scenario)


def test_seqpacket() -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(S.SOCK_SEQPACKET)
        seen = [w.send(a, b"one"), w.send(a, b"three"), w.send(a, b"")]
        seen += [w.recv(b, 2), w.recvfrom(b, 3, S.MSG_TRUNC)[:2], w.recv(b, 10)]
        w.close(b)
        seen += [w.recv(a, 1), w.send(a, b"x"), w.poll(a)]
        return seen

    same(scenario)


@pytest.mark.parametrize("kind", [S.SOCK_STREAM, S.SOCK_DGRAM, S.SOCK_SEQPACKET])
def test_pair(kind: int) -> None:
    def scenario(w: World) -> Any:
        a, b = w.pair(kind)
        seen = [w.sockname(a), w.peername(b), w.send(a, b"abc"), w.send(a, b"de")]
        seen += [w.recvmsg(b, 2, 0), w.recvmsg(b, 10, 0), w.recvmsg(b, 10, 0)]
        seen += [w.getint(a, S.SOL_SOCKET, o) for o in (S.SO_TYPE, S.SO_DOMAIN, S.SO_PROTOCOL)]
        w.close(a)
        seen += [w.poll(b), w.recv(b, 1), w.send(b, b"x"), w.peername(b)]
        return seen

    same(scenario)


def test_dual_stack() -> None:
    def scenario(w: World) -> Any:
        listener = w.socket(S.AF_INET6, S.SOCK_STREAM)
        w.bind(listener, S.AF_INET6, ("::", 0))
        w.syscall("listen", listener, 5)
        port = w.sockname(listener)[1]
        client = w.socket(S.AF_INET, S.SOCK_STREAM)
        seen = [w.connect(client, S.AF_INET, ("127.0.0.1", port))]
        _server, peer = w.accept(listener)
        seen.append(peer[0])
        again = w.socket(S.AF_INET, S.SOCK_STREAM)
        seen.append(w.bind(again, S.AF_INET, ("127.0.0.1", port)))
        only = w.socket(S.AF_INET6, S.SOCK_STREAM)
        seen += [w.setopt(only, S.IPPROTO_IPV6, S.IPV6_V6ONLY, 1)]
        seen += [w.bind(only, S.AF_INET6, ("::", 0))]
        free = w.sockname(only)[1]
        seen += [w.bind(again, S.AF_INET, ("0.0.0.0", free))]
        return seen

    same(scenario)


def test_binding_rules() -> None:
    def scenario(w: World) -> Any:
        seen = []
        for reuse in (0, 1):
            first = w.socket(S.AF_INET, S.SOCK_STREAM)
            second = w.socket(S.AF_INET, S.SOCK_STREAM)
            for fd in (first, second):
                w.setopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, reuse)
            seen.append(w.bind(first, S.AF_INET, ("127.0.0.1", 0)))
            port = w.sockname(first)[1]
            seen.append(w.bind(second, S.AF_INET, ("0.0.0.0", port)))
            seen.append(w.bind(second, S.AF_INET, ("127.0.0.2", port)))
            seen.append(w.bind(second, S.AF_INET, ("127.0.0.3", 0)))
            seen += [w.syscall("listen", first, 1), w.syscall("listen", second, 1)]
            third = w.socket(S.AF_INET, S.SOCK_STREAM)
            w.setopt(third, S.SOL_SOCKET, S.SO_REUSEADDR, reuse)
            seen.append(w.bind(third, S.AF_INET, ("127.0.0.1", port)))
        return seen

    same(scenario)


def test_nothing_beyond_loopback() -> None:
    def scenario(w: World) -> Any:
        seen = []
        for kind in (S.SOCK_STREAM, S.SOCK_DGRAM):
            fd = w.socket(S.AF_INET, kind)
            seen += [w.connect(fd, S.AF_INET, ("192.0.2.1", 80))]
            seen += [w.bind(fd, S.AF_INET, ("192.0.2.1", 0)), w.sockname(fd)]
        return seen

    got = run(Guest(), scenario)
    assert got == ["ENETUNREACH", "EADDRNOTAVAIL", ("0.0.0.0", 0)] * 2


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_odd_addresses(family: int) -> None:
    def scenario(w: World) -> Any:
        seen = []
        for raw in (b"", b"\x01", b"\2\0", b"\1\0", b"\x0a\0", b"\2\0\0\x50", b"\2\0" + bytes(14)):
            fd = w.socket(family, S.SOCK_STREAM)
            other = w.socket(family, S.SOCK_STREAM)
            seen.append((raw, w.bind(fd, family, (raw,)), w.connect(other, family, (raw,))))
            w.close(fd)
            w.close(other)
        return seen

    same(scenario)
