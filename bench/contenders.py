"""Who is measured: each contender turns a command into the command that runs it its way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = (
    f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r});"
    " from ring3.cli.main import entry; entry()"
)
# A program in a kernel that lives already and has run one: what its calls cost, without the start.
LIVE = (
    f"import sys, time; sys.path.insert(0, {str(ROOT / 'src')!r}); import ring3\n"
    "with ring3.Kernel() as k:\n"
    "    k.run(['true'])\n"
    "    begin = time.perf_counter()\n"
    "    k.run(sys.argv[1:], stdout=ring3.DEVNULL, check=True)\n"
    "    print((time.perf_counter() - begin) * 1e9)\n"
)
PINNED = ["taskset", "-c", "0"]
RUNSC = ["runsc", "--ignore-cgroups", "--network=none", "--platform=ptrace", "do"]
BWRAP = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
PROBE_S = 60
# Each gets pipes, never /dev/null: runsc gives what its streams are to nobody:nogroup.


@dataclass(frozen=True)
class Contender:
    """One way to run a command. *wrap* gives the argv; *program* must be installed."""

    name: str
    program: str
    wrap: Callable[[list[str]], list[str]]
    timed: bool = False
    """The command prints the nanoseconds that its program took: without the contender's start."""

    def absent(self) -> str:
        """Say why it cannot run here, or '' if a first `true` works."""
        if not shutil.which(self.program):
            return f"{self.program} is not installed"
        try:
            done = subprocess.run(
                self.wrap(["true"]), input="", capture_output=True, text=True, timeout=PROBE_S
            )
        except subprocess.TimeoutExpired:
            return f"`{self.name} true` did not end within {PROBE_S} s"
        if done.returncode:
            said = " ".join(done.stderr.split())[-160:]
            return f"`true` ended with {done.returncode}: {said}"
        return ""


def ring3_argv(*words: str) -> list[str]:
    """Give the command of ring3 from this tree, without leaving PYTHONPATH to the guest."""
    return [sys.executable, "-c", LAUNCH, *words]


def prefixed(*prefix: str) -> Callable[[list[str]], list[str]]:
    """Make a wrapper that puts words before the command."""
    return lambda argv: [*prefix, *argv]


def ring3(profile: str, *, pinned: bool = False) -> Callable[[list[str]], list[str]]:
    """Make a wrapper that runs the command on ring3, the bench's own directory readable."""
    before = PINNED if pinned else []
    return lambda argv: [*before, *ring3_argv("run", "--profile", profile, "--", *argv)]


CONTENDERS = (
    Contender("native", "true", prefixed()),
    Contender("ring3", sys.executable, ring3("fast")),
    Contender("ring3 pinned", "taskset", ring3("fast", pinned=True)),
    Contender("ring3 full", sys.executable, ring3("full")),
    Contender("ring3 live", sys.executable, prefixed(sys.executable, "-c", LIVE), timed=True),
    Contender("strace -f", "strace", prefixed("strace", "-f", "-o", os.devnull)),
    Contender("strace pinned", "strace", prefixed(*PINNED, "strace", "-f", "-o", os.devnull)),
    Contender("PRoot", "proot", prefixed("proot")),
    Contender("PRoot pinned", "proot", prefixed(*PINNED, "proot")),
    Contender("bwrap", "bwrap", prefixed(*BWRAP)),
    Contender("runsc", "runsc", prefixed(*RUNSC)),
    Contender("runsc pinned", "runsc", prefixed(*PINNED, *RUNSC)),
)
