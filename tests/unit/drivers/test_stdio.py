"""The caller's descriptors as standard streams."""

from __future__ import annotations

import os
import pty
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ring3.abi.errno import EAGAIN, EROFS
from ring3.abi.stat import S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK
from ring3.core.park import Park
from ring3.drivers.stdio import open_host, open_streams, same_description
from ring3.vfs.file import File
from tests.unit.views.conftest import Guest


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Descriptors to be closed at the end."""
    opened: list[int] = []
    yield opened
    for fd in opened:
        os.close(fd)


def give(guest: Guest, fd: int) -> File:
    file = open_host(guest.k.world, fd)
    guest.t.fds.install(file)
    return file


def kind(file: File) -> int:
    return file.stat().mode & S_IFMT


def test_a_regular_file_shares_its_offset(guest: Guest, fds: list[int], tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    fds.append(os.open(path, os.O_RDWR))
    file = give(guest, fds[0])
    assert file.read(4) == b"0123"
    assert os.lseek(fds[0], 0, os.SEEK_CUR) == 4
    os.lseek(fds[0], 8, os.SEEK_SET)
    assert file.read(9) == b"89"
    assert file.write(b"more") == 4
    assert path.read_bytes() == b"0123456789more"
    assert kind(file) == S_IFREG and file.stat().ino == path.stat().st_ino
    assert guest.link("/proc/self/fd/0") == os.fsencode(path)


def test_it_can_be_reopened_with_no_more_access(
    guest: Guest, fds: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"text")
    fds.append(os.open(path, os.O_RDONLY))
    give(guest, fds[0])
    assert guest.text("/proc/self/fd/0") == b"text"
    with pytest.raises(EROFS) as refused:
        guest.write("/proc/self/fd/0", b"overwritten")
    assert "reading only" in str(refused.value)
    assert path.read_bytes() == b"text"


def test_output_can_be_reopened_and_truncated(guest: Guest, fds: list[int], tmp_path: Path) -> None:
    path = tmp_path / "f"
    fds.append(os.open(path, os.O_WRONLY | os.O_CREAT))
    give(guest, fds[0]).write(b"first")
    guest.write("/dev/fd/0", b"2nd")
    assert path.read_bytes() == b"2nd"


def test_pipes_wait_and_never_block(guest: Guest, fds: list[int]) -> None:
    fds.extend(os.pipe())
    file = give(guest, fds[0])
    with pytest.raises(Park):
        file.read(1)
    os.write(fds[1], b"x")
    assert file.read(9) == b"x"
    assert kind(file) == S_IFIFO
    os.set_blocking(fds[0], False)
    with pytest.raises(EAGAIN):
        give(guest, fds[0]).read(1)


def test_sockets_are_streams(guest: Guest, fds: list[int]) -> None:
    a, b = socket.socketpair()
    with a, b:
        file = give(guest, a.fileno())
        b.send(b"in")
        assert file.read(9) == b"in"
        assert file.write(b"out") == 3 and b.recv(9) == b"out"
        assert kind(file) == S_IFSOCK
        assert file.target().startswith(b"socket:[")


def test_the_hosts_null_is_the_guests(guest: Guest, fds: list[int]) -> None:
    fds.append(os.open("/dev/null", os.O_RDWR))
    file = give(guest, fds[0])
    assert file.read(1) == b""
    assert kind(file) == S_IFCHR
    assert guest.link("/proc/self/fd/0") == b"/dev/null"
    assert file.stat().dev == guest.view.mkdir(b"/dev").inode.fs.dev


def test_one_description_is_one_file(guest: Guest, fds: list[int], tmp_path: Path) -> None:
    read, write = os.pipe()
    again = os.dup(write)
    other = os.open(f"/proc/self/fd/{write}", os.O_WRONLY)
    fds.extend((read, write, again, other))
    flags = os.get_blocking(write)
    streams = open_streams(guest.k.world, (read, write, again))
    assert streams[1] is streams[2] and streams[0] is not streams[1]
    assert same_description(write, again) and not same_description(write, other)
    assert os.get_blocking(write) == flags
    for file in streams[:2]:
        assert file is not None
        guest.t.fds.install(file)


def test_a_terminal_gets_a_number(guest: Guest, fds: list[int]) -> None:
    master, slave = pty.openpty()
    fds.extend((master, slave))
    file = give(guest, slave)
    assert guest.link("/proc/self/fd/0") == b"/dev/pts/0"
    assert guest.names("/dev/pts") == ["0", "ptmx"]
    st = file.stat()
    assert st.mode & S_IFMT == S_IFCHR and (os.major(st.rdev), os.minor(st.rdev)) == (136, 0)
    again: File = guest.t.fds.get(guest.open("/dev/pts/0", os.O_RDWR | os.O_NOCTTY))
    assert again.write(b"hello") == 5
    assert os.read(master, 9) == b"hello"
    console: File = guest.t.fds.get(guest.open("/dev/console", os.O_WRONLY | os.O_NOCTTY))
    assert console.write(b"!") == 1 and os.read(master, 9) == b"!"
