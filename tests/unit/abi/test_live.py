"""Layouts and numbers in use: raw calls to the host's kernel, decoded by our tables."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from ring3.abi import fcntl, signal, stat
from ring3.abi import socket as names
from ring3.abi.errno import from_os_error
from ring3.abi.layouts import layout
from ring3.abi.syscalls_x86_64 import NUMBERS

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the host is not x86-64")
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


def call(name: str, *args: Any) -> int:
    """Make a raw system call; a failure is our Errno."""
    result: int = LIBC.syscall(ctypes.c_long(NUMBERS[name]), *args)
    if result < 0:
        raise from_os_error(OSError(ctypes.get_errno(), name))
    return result


def filled(struct_name: str, call_name: str, *before: Any) -> dict[str, Any]:
    """What a call stores in the struct that is its last argument."""
    what = layout(struct_name, 64)
    room = ctypes.create_string_buffer(b"\xaa" * (what.size + 16), what.size + 16)
    call(call_name, *before, room)
    assert room.raw[what.size :] == b"\xaa" * 16, "the kernel wrote more than the struct"
    return what.unpack(room.raw)


def test_stat(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    os.utime(path, ns=(-1_500_000_000, 3_000_000_007))
    os.chmod(path, 0o641)
    ours, theirs = filled("stat", "stat", os.fsencode(path)), path.stat()
    for field in ("st_dev", "st_ino", "st_nlink", "st_mode", "st_uid", "st_gid", "st_size"):
        assert ours[field] == getattr(theirs, field), field
    assert (ours["st_atime"], ours["st_atime_nsec"]) == (-2, 500_000_000)
    assert (ours["st_mtime"], ours["st_mtime_nsec"]) == (3, 7)
    assert ours["st_mode"] == stat.S_IFREG | 0o641


def test_statx(tmp_path: Path) -> None:
    mask = stat.STATX_BASIC_STATS
    ours = filled("statx", "statx", fcntl.AT_FDCWD, os.fsencode(tmp_path), 0, mask)
    theirs = tmp_path.stat()
    assert ours["stx_ino"] == theirs.st_ino
    assert ours["stx_mode"] == theirs.st_mode
    assert ours["stx_mtime"]["tv_sec"] == int(theirs.st_mtime)
    assert (ours["stx_dev_major"], ours["stx_dev_minor"]) == (
        os.major(theirs.st_dev),
        os.minor(theirs.st_dev),
    )


def test_statfs() -> None:
    ours, theirs = filled("statfs", "statfs", b"/"), os.statvfs("/")
    assert (ours["f_bsize"], ours["f_blocks"]) == (theirs.f_bsize, theirs.f_blocks)
    assert ours["f_namelen"] == theirs.f_namemax


def test_uname_and_sysinfo() -> None:
    ours, theirs = filled("utsname", "uname"), os.uname()
    assert ours["release"].rstrip(b"\0").decode() == theirs.release
    assert ours["machine"].rstrip(b"\0").decode() == theirs.machine
    info = filled("sysinfo", "sysinfo")
    total = info["totalram"] * info["mem_unit"]
    assert total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert info["uptime"] == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=3)


def test_rusage_and_rlimit() -> None:
    ours, theirs = filled("rusage", "getrusage", 0), resource.getrusage(resource.RUSAGE_SELF)
    assert ours["ru_maxrss"] == pytest.approx(theirs.ru_maxrss, rel=0.1)
    assert ours["ru_minflt"] == pytest.approx(theirs.ru_minflt, rel=0.1)
    limit = filled("rlimit", "getrlimit", resource.RLIMIT_NOFILE)
    assert limit["rlim_cur"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_times_of_the_clock() -> None:
    now = filled("timespec", "clock_gettime", time.CLOCK_REALTIME)
    assert now["tv_sec"] == pytest.approx(time.time(), abs=2)


def test_rt_sigaction_in_the_kernels_form() -> None:
    what = layout("sigaction", 64)
    room = ctypes.create_string_buffer(what.size)
    call("rt_sigaction", signal.SIGINT, None, room, 8)
    ours = what.unpack(room.raw)
    assert ours["sa_flags"] & signal.SA_RESTORER  # Python handles SIGINT, through libc
    assert ours["sa_restorer"] > 4096
    with pytest.raises(Exception, match="EINVAL"):
        call("rt_sigaction", signal.SIGKILL, room, None, 8)
    with pytest.raises(Exception, match="EINVAL"):
        call("rt_sigaction", signal.NSIG, None, room, 8)


def test_getdents64(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "dir").mkdir()
    fd = os.open(tmp_path, os.O_RDONLY | fcntl.O_DIRECTORY)
    room = ctypes.create_string_buffer(4096)
    end, at, found = call("getdents64", fd, room, 4096), 0, {}
    os.close(fd)
    what = layout("linux_dirent64", 64)
    while at < end:
        entry = what.unpack(room.raw[at:].ljust(what.size, b"\0"))
        name = room.raw[at + what.offset("d_name") : at + entry["d_reclen"]].split(b"\0")[0]
        found[name] = entry["d_type"]
        at += entry["d_reclen"]
    assert found == {
        b".": stat.DT_DIR,
        b"..": stat.DT_DIR,
        b"a-file": stat.DT_REG,
        b"dir": stat.DT_DIR,
    }


def test_flock_and_ucred(tmp_path: Path) -> None:
    lock = layout("flock", 64)
    with open(tmp_path / "lock", "w+b") as file:
        room = ctypes.create_string_buffer(lock.pack(l_type=1, l_start=3, l_len=4), lock.size)
        call("fcntl", file.fileno(), fcntl.F_OFD_GETLK, room)
        assert lock.unpack(room.raw)["l_type"] == 2  # F_UNLCK: nobody holds one there
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        data = left.getsockopt(names.SOL_SOCKET, names.SO_PEERCRED, layout("ucred").size)
    assert layout("ucred").unpack(data) == {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
    }


def test_epoll_event_is_packed() -> None:
    read_end, write_end = os.pipe()
    epoll = call("epoll_create1", 0)
    what = layout("epoll_event", 64)
    event = what.pack(events=1, data=0x1122334455667788)
    call("epoll_ctl", epoll, 1, read_end, ctypes.create_string_buffer(event, what.size))
    os.write(write_end, b"x")
    room = ctypes.create_string_buffer(what.size)
    assert call("epoll_wait", epoll, room, 1, 1000) == 1
    assert what.unpack(room.raw) == {"events": 1, "data": 0x1122334455667788}
    for fd in (read_end, write_end, epoll):
        os.close(fd)


def test_internet_address_as_the_kernel_returns_it() -> None:
    with socket.socket(socket.AF_INET) as sock:
        sock.bind(("127.0.0.1", 0))
        what = layout("sockaddr_in", 64)
        room, length = ctypes.create_string_buffer(what.size), ctypes.c_int(what.size)
        call("getsockname", sock.fileno(), room, ctypes.byref(length))
        ours = what.unpack(room.raw)
        assert ours["sin_family"] == names.AF_INET
        assert struct.unpack(">H", ours["sin_port"])[0] == sock.getsockname()[1]
        assert socket.inet_ntoa(ours["sin_addr"]) == "127.0.0.1"
