"""/dev/null and its kin, against the host's."""

from __future__ import annotations

import os

import pytest

from ring3.abi.errno import EINVAL, ENODEV, ENOSPC, ENOTTY, ENXIO, EPERM, Errno
from ring3.abi.mman import PROT_READ
from ring3.abi.poll import POLLIN, POLLOUT
from ring3.vfs import ops
from ring3.vfs.file import File
from ring3.vfs.special import makedev
from tests.unit.views.conftest import Guest


def device(guest: Guest, name: str) -> File:
    return guest.t.fds.get(guest.open(f"/dev/{name}", os.O_RDWR))


@pytest.mark.parametrize("name", ["null", "zero", "full", "random", "urandom"])
def test_as_on_the_host(guest: Guest, name: str) -> None:
    file = device(guest, name)
    host = os.open(f"/dev/{name}", os.O_RDWR)
    try:
        assert len(file.read(100)) == len(os.read(host, 100))
        assert file.seek(1000, os.SEEK_SET) == os.lseek(host, 1000, os.SEEK_SET)
        assert file.poll() & (POLLIN | POLLOUT) == POLLIN | POLLOUT
        st, ours = os.fstat(host), file.stat()
        assert (st.st_rdev, st.st_mode & 0o170000) == (ours.rdev, ours.mode & 0o170000)
        assert ours.mode & 0o777 == 0o666
    finally:
        os.close(host)


def test_what_each_gives(guest: Guest) -> None:
    assert device(guest, "null").read(5) == b""
    assert device(guest, "null").write(b"gone") == 4
    assert device(guest, "zero").read(5) == bytes(5)
    assert device(guest, "urandom").read(32) != device(guest, "urandom").read(32)
    with pytest.raises(ENOSPC):
        device(guest, "full").write(b"x")


def test_only_zero_can_be_mapped(guest: Guest) -> None:
    assert device(guest, "zero").map_fd(PROT_READ, False) >= 0
    for name in ("null", "full", "urandom"):
        with pytest.raises(ENODEV):
            device(guest, name).map_fd(PROT_READ, False)


def test_requests(guest: Guest) -> None:
    memory = guest.k.memory
    at = memory.room(8)
    assert device(guest, "random").ioctl(memory, 0x80045200, at) == 0  # RNDGETENTCNT
    assert memory.ints(at, "i") == (256,)
    with pytest.raises(EPERM):
        device(guest, "random").ioctl(memory, 0x5206, 0)  # RNDCLEARPOOL
    with pytest.raises(EINVAL):
        device(guest, "random").ioctl(memory, 0x5401, at)
    with pytest.raises(ENOTTY):
        device(guest, "null").ioctl(memory, 0x5401, at)
    with pytest.raises(EINVAL):
        device(guest, "null").sync(False)


def test_a_node_of_any_number_opens_only_what_is_served(guest: Guest) -> None:
    ops.mknod(guest.t, None, b"/dev/mem", 0o020600, makedev(1, 1))
    with pytest.raises(ENXIO):
        guest.open("/dev/mem")
    ops.mknod(guest.t, None, b"/dev/again", 0o020666, makedev(1, 3))
    assert guest.text("/dev/again") == b""
    ops.mknod(guest.t, None, b"/dev/sda", 0o060600, makedev(8, 0))
    with pytest.raises(Errno):
        guest.open("/dev/sda")
