"""The host's C compiler as a judge of facts: which of many static assertions does it refuse?"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools" / "abi"
PRELUDE = ["-isystem", str(TOOLS / "include"), "-include", str(TOOLS / "prelude.h")]
ERROR = re.compile(r"<stdin>:(\d+):\d+: (?:fatal )?error: (.*)")


def run(args: list[str], source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["gcc", "-x", "c", "-w", "-std=gnu11", "-fmax-errors=0", *args, "-"],
        input=source,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )


@functools.cache
def works(word: int) -> str:
    """Why the compiler cannot be asked about *word* bits; empty if it can."""
    if shutil.which("gcc") is None:
        return "no gcc on this host"
    done = run([f"-m{word}", "-c", "-o", "/dev/null"], "#include <stdlib.h>\nint main(void){}")
    if done.returncode:
        return f"gcc has no -m{word}: apt-get install gcc-multilib"
    if run(["-fsyntax-only"], "#include <linux/types.h>").returncode:
        return "no kernel headers: apt-get install linux-libc-dev"
    return ""


def need(word: int) -> None:
    """Skip the test if the compiler cannot be asked about *word* bits."""
    if reason := works(word):
        pytest.skip(reason)


def include(headers: list[str]) -> str:
    """Include those headers that the host has."""
    return "".join(f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n" for name in headers)


def refused(flags: list[str], head: str, lines: list[str]) -> dict[int, str]:
    """Numbers of *lines* (each one whole line of C) that do not compile after *head*, and why."""
    done = run([*flags, "-fsyntax-only"], head + "#line 1\n" + "\n".join(lines))
    found: dict[int, str] = {}
    for number, message in ERROR.findall(done.stderr):
        found.setdefault(int(number) - 1, message)
    if done.returncode and not found:
        raise AssertionError(f"the headers do not compile: {done.stderr[:1500]}")
    return found
