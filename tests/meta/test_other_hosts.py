"""The kernel and the emulated machine on a host that is no Linux, as far as one can be played.

A process of its own takes away what only Linux's Python has, then imports every module and runs a
kernel's parts. What stays Linux's is named here, and nothing else may join it silently.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"

LINUX_ONLY = {
    "ring3.cli.probes",  # what doctor asks of a Linux host for the native machine
    "ring3.drivers.screen",  # the caller's terminal as keyboard and screen
    "ring3.net.hostend",  # sockets of the host, bound on the native machine
    "ring3.net.hosttcp",
}
"""Modules that may need what is taken away; the native machine's are not looked at."""

TAKE_AWAY = """
import os, select, sys
for name in (
    "memfd_create pidfd_open eventfd sendfile splice copy_file_range preadv pwritev RWF_NOWAIT"
    " posix_fallocate getxattr setxattr listxattr removexattr O_PATH O_TMPFILE O_NOATIME O_DIRECT"
    " O_SYNC O_DSYNC pipe2 getrandom GRND_NONBLOCK MFD_CLOEXEC MFD_ALLOW_SEALING EFD_CLOEXEC"
    " sched_getaffinity sched_setaffinity SPLICE_F_NONBLOCK fdatasync unshare setns getloadavg"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in list(vars(select)):
    if name == "epoll" or name.startswith("EPOLL"):
        delattr(select, name)

BLOCKED = ("fcntl", "resource", "termios", "pty", "tty", "ring3.machine.native")

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(BLOCKED) and name.split(".")[0] in ("ring3", *BLOCKED):
            raise ImportError("taken away: " + name)

sys.meta_path.insert(0, Block())
for name in ("fcntl", "resource", "termios"):
    sys.modules.pop(name, None)
"""


def play(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", TAKE_AWAY + code],
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_module_can_be_imported() -> None:
    names = []
    for path in sorted((SRC / "ring3").rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith("ring3.machine.native") and path.name != "__main__.py":
            names.append(name)
    done = play(
        f"""
import importlib
for name in {names!r}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        if "taken away" in str(error) or "ring3" in str(error):
            print(name)
    except AttributeError as error:
        print(name, error)
"""
    )
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} <= LINUX_ONLY, done.stdout


def test_a_world_works_without_linux() -> None:
    """Clock, reactor, pipes, files in memory, terminals, randomness."""
    done = play(
        """
from types import SimpleNamespace
from ring3.core.virtual_clock import VirtualClock
from ring3.core.random import SeededRandom
from ring3.task.world import World
from ring3.ipc.hostpipe import make_pipe
from ring3.ipc.eventfd import make_eventfd
from ring3.ipc.timerfd import make_timerfd
from ring3.drivers.ptytable import PtyTable
from ring3.fs.tmpfs import TmpFs

world = World(VirtualClock(0), SeededRandom(1), own_objects=True)
r, w = make_pipe(world, 0)
for end in (r, w):
    end.hold()
assert w.write(b"abc") == 3 and r.read(9) == b"abc"
counter = make_eventfd(world, 5, 0)
assert counter.read(8) == (5).to_bytes(8, "little")
timer = make_timerfd(world, 1, 0)
timer.settime(0, 10, 0)
world.clock.advance(10)
assert timer.read(8) == (1).to_bytes(8, "little")
fs = TmpFs()
fs.own_content = True
inode = fs.root.inode.create(b"f", 0o644, 0, 0)
file = inode.open(None, None, 2)
assert file.write(b"hello") == 5 and file.pread(9, 0) == b"hello"
who = SimpleNamespace(cred=SimpleNamespace(fsuid=0, capable=lambda cap: True), world=world)
world.ptys = PtyTable(world)
master = world.ptys.open_master(who, 2)
master.pair.locked = False
slave = master.pair.open(who, 2 | 0o400)
master.write(b"line\\n")
assert slave.read(99) == b"line\\n" and master.read(99) == b"line\\r\\n"
assert not world.reactor.poll(0)
world.reactor.close()
print("fine")
"""
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_a_program_runs_without_linux() -> None:
    """The emulated machine, on a kernel that has none of Linux's own calls."""
    pytest.importorskip("unicorn")
    done = play(
        """
from ring3.kernel import Kernel
with Kernel(machine="emulated", seed=1) as kernel:
    guest = kernel.spawn(["/bin/sh", "-c", "echo one | cat > /tmp/f; read x < /tmp/f; exit ${#x}"],
                         stdin=None, stdout=None, stderr=None)
    print(guest.wait(60) >> 8, kernel.log())
"""
    )
    assert (done.returncode, done.stdout.split()[:1]) == (0, ["3"]), done.stdout + done.stderr
