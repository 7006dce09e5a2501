"""SIGKILL from the host to vehicles, at any moment: every guest task whose host process is gone
ends, its relatives hear of it, nothing is left behind and the kernel serves on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ring3.kernel import GuestProcess, Kernel
from tests.torture.killer import children

HERE = Path(__file__).resolve().parent
SECONDS = 6
SHELL = "for i in 1 2 3 4 5 6 7 8 9; do echo $i | cat | wc -l; (true); /bin/true; done"
# Threads that vfork: the child shares its parent's memory until it executes a program.
PYTHON = """
import subprocess, threading
for _ in range(20):
    threads = [threading.Thread(target=subprocess.run, args=(["/bin/true"],)) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
PROGRAMS = [["/bin/sh", "-c", SHELL], ["/usr/bin/python3", "-c", PYTHON]]


def start(kernel: Kernel, argv: list[str]) -> GuestProcess:
    return kernel.spawn(argv, env={}, stdin=None, stdout=None, stderr=None)


def zygote_of(kernel: Kernel) -> int:
    machine = kernel.machine
    number: int = machine.zygote.tid
    return number


@pytest.mark.parametrize("profile", ["fast", "full"])
def test_vehicles_killed_at_random_moments(profile: str) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    programs = [argv for argv in PROGRAMS if os.path.exists(argv[0])]
    with Kernel(profile=profile) as kernel:
        start(kernel, ["/bin/true"]).wait(20)
        zygote = zygote_of(kernel)
        numbers = [os.getpid(), zygote, SECONDS, seed]
        command = [sys.executable, str(HERE / "killer.py"), *map(str, numbers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killer:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                for guest in [start(kernel, argv) for argv in programs * 2]:
                    guest.wait(20)
            assert killer.stdout is not None
            assert int(killer.stdout.read()) > 50
        last = start(kernel, ["/bin/true"])
        assert last.wait(20) == 0, kernel.log()
        end = time.monotonic() + 5
        while left(kernel, zygote) and time.monotonic() < end:
            time.sleep(0.05)
        assert left(kernel, zygote) == []
        assert "oops" not in kernel.log() and "Traceback" not in kernel.log(), kernel.log()
    assert children(os.getpid()) == []


def left(kernel: Kernel, zygote: int) -> list[str]:
    """The guest's processes but init, and the host's but the zygote."""
    with kernel.lock:
        guests = [f"guest {pid}: {p.state}" for pid, p in kernel.world.processes.items() if pid > 1]
    return guests + [f"host {pid}" for pid in children(os.getpid()) if pid != zygote]


def test_zygote_killed() -> None:
    """What runs goes on, what is to start ends by SIGKILL at once, and nobody waits for ever."""
    with Kernel() as kernel:
        running = start(kernel, ["/bin/sh", "-c", "sleep 1; (exit 4); exit $?"])
        time.sleep(0.3)
        os.kill(zygote_of(kernel), signal.SIGKILL)
        time.sleep(0.1)
        assert start(kernel, ["/bin/true"]).wait(10) == signal.SIGKILL
        assert running.wait(10) == 4 << 8
        assert "the zygote was killed" in kernel.log()
    assert children(os.getpid()) == []
