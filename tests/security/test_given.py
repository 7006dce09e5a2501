"""What a caller gives as standard input keeps its owner, mode, times and attributes, whatever kind
of thing it is and whatever a guest that is root in its world does to it (given.c)."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
KINDS = ("read", "write", "null", "terminal", "fifo", "socket")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("given") / "given"
    flags = ["-O1", "-static", "-w", "-o", str(program)]
    subprocess.run([compiler, *flags, str(HERE / "given.c")], check=True, timeout=60)
    return program


@contextlib.contextmanager
def given(kind: str, folder: Path) -> Iterator[tuple[int, list[str | int]]]:
    """A descriptor of such a thing, and what to look at (paths, descriptors). The null device is
    one of our own where we may make it: a test that fails should not harm the host's."""
    file = folder / kind
    watched: list[str | int] = [str(file)]
    close: list[int] = []
    if kind in ("read", "write"):
        file.write_text("text")
        fd = os.open(file, os.O_RDONLY if kind == "read" else os.O_RDWR)
    elif kind == "null":
        try:
            os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            fd = os.open(file, os.O_RDWR)
        except PermissionError:  # an ordinary user, or a filesystem without devices
            watched = [os.devnull]
            fd = os.open(os.devnull, os.O_RDWR)
    elif kind == "terminal":
        master, fd = pty.openpty()
        watched = [os.ttyname(fd)]
        close = [master]
    elif kind == "fifo":
        os.mkfifo(file)
        fd = os.open(file, os.O_RDWR)
    else:
        one, other = socket.socketpair()
        fd, watched, close = one.detach(), [], [other.detach()]
    try:
        yield fd, [fd, *watched]
    finally:
        for number in [fd, *close]:
            os.close(number)


def look(thing: str | int) -> tuple[object, ...]:
    st = os.stat(thing)
    times = () if stat.S_ISSOCK(st.st_mode) else (st.st_mtime_ns,)
    # Linux itself stamps a terminal that is written to.
    if stat.S_ISCHR(st.st_mode):
        times = (st.st_mtime_ns > 10**18,)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listxattr(thing)
    return (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_nlink, *times, tuple(names))


@pytest.mark.parametrize("profile", ["fast", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_keeps_its_attributes(program: Path, kind: str, profile: str, tmp_path: Path) -> None:
    with given(kind, tmp_path) as (fd, watched):
        before = [look(thing) for thing in watched]
        done = subprocess.run(
            [sys.executable, "-m", "ring3", "run", "--kernel-log", "--profile", profile,
             "--uid", "0", "--ro", str(program), "--", str(program)],
            stdin=fd, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "uid 0\n"), done.stderr
        assert "oops" not in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert [look(thing) for thing in watched] == before
