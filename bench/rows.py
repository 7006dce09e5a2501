"""What is measured: loops that time themselves, and whole programs timed from outside."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import LAUNCH, PINNED, ROOT, Contender, ring3_argv

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
LOOPS = BUILD / "loops"
BOUND_S = 180
IMPORTS = (
    "import json, re, asyncio, email.message, http.client, unittest, decimal, argparse, logging"
)
HEADERS = "".join(f"#include <{h}.h>\n" for h in ("stdio", "stdlib", "string", "unistd"))
HELLO = HEADERS + 'int main(void) { return puts("hi") < 0; }\n'
# What the guest gets from one ring3.Kernel kept alive: milliseconds for each further `true`.
LIVE = (
    LAUNCH.split("from ring3.cli")[0]
    + "import time, ring3\n"
    + "with ring3.Kernel() as k:\n"
    + "    k.run(['true'])\n"
    + "    n, begin = 30, time.perf_counter()\n"
    + "    for _ in range(n): k.run(['true'])\n"
    + "    print((time.perf_counter() - begin) / n * 1e9)\n"
)


class Failed(Exception):
    """A contender did not get through a row; the text says how."""


@dataclass(frozen=True)
class Row:
    """One line of the table: *measure* runs it for a contender and gives nanoseconds.

    *only* restricts the row to some contenders by name; *rounds* is how often it is repeated at
    most (dear rows less often).
    """

    name: str
    measure: Callable[[Contender], float]
    rounds: int = 9
    only: tuple[str, ...] = ()
    whole: bool = False
    """A program timed from outside."""


def bounded(argv: list[str], cwd: Path = BUILD) -> tuple[str, float]:
    """Run *argv*; give its output and the seconds it took; Failed if it did not exit with 0."""
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            input="",  # a pipe, and not /dev/null: runsc would give it to nobody
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"took longer than {BOUND_S} s") from late
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise Failed(f"exit {done.returncode}: {' '.join(done.stderr.split())[-120:]}")
    return done.stdout, seconds


def loop(name: str, label: str) -> Row:
    """Make a row of one loop of programs/loops.c, which prints its own nanoseconds a turn."""

    def measure(contender: Contender) -> float:
        out, _ = bounded(contender.wrap([str(LOOPS), name, "150"]))
        return float(out)

    return Row(label, measure)


def whole(label: str, argv: list[str], rounds: int = 5) -> Row:
    """Make a row of a whole program, start of the contender included."""

    def measure(contender: Contender) -> float:
        out, seconds = bounded(contender.wrap(argv))
        return float(out) if contender.timed else seconds * 1e9

    return Row(label, measure, rounds, whole=True)


def own(label: str, argv: list[str], only: str, *, prints: bool = False, rounds: int = 9) -> Row:
    """Make a row that one contender has for itself; *prints*: it prints its own nanoseconds."""

    def measure(_: Contender) -> float:
        out, seconds = bounded(argv)
        return float(out.split()[-1]) if prints else seconds * 1e9

    return Row(label, measure, rounds, (only,))


def shell(text: str) -> list[str]:
    """Give the argv of a line of sh."""
    return ["sh", "-c", text]


TAR = ["tar", "-cf", "t.tar", "-C", "/usr", "include"]  # a big tree: some 9,000 files
LOOP_ROWS = (
    loop("getppid", "getppid"),
    loop("read", "read 1 byte, granted"),
    loop("write", "write 1 byte, granted"),
    loop("read64k", "read 64 KiB, granted"),
    loop("pipe", "pipe write + read"),
    loop("stat", "stat"),
    loop("open", "open + fstat + close"),
    loop("mmap", "mmap + touch + munmap"),
    loop("fork", "fork + exit + wait"),
    loop("exec", "fork + exec + wait"),
    loop("spawn", "posix_spawn + wait"),
    loop("thread", "thread create + join"),
    loop("pingpong", "condition ping-pong"),
    loop("signal", "signal to itself"),
)
PROGRAM_ROWS = (
    whole("true, from the command line", ["true"], rounds=9),
    own("plain Python's own start", [sys.executable, "-c", "pass"], "native"),
    own("true, in a live kernel", [sys.executable, "-c", LIVE], "ring3", prints=True, rounds=5),
    whole("sh -c with 20 commands", shell("for i in 1 2 3 4 5; do " + "/bin/true; " * 4 + "done")),
    whole("python3 imports", ["/usr/bin/python3", "-I", "-c", IMPORTS]),
    whole("grep -r", shell("grep -rc include /usr/include/linux > /dev/null")),
    whole("find", shell("find /usr/share/doc -type f > /dev/null")),
    whole("tar", shell("tar -cf - -C /usr/include linux | cat > /dev/null")),
    whole("gcc", shell(f"gcc -O1 -c -o /tmp/bench-$$.o {BUILD / 'hello.c'} && rm /tmp/bench-$$.o")),
    whole("git status", ["git", "-c", "safe.directory=*", "-C", "repo", "status", "-s"]),
    own(
        "trace -f -o FILE tar",
        ring3_argv("trace", "-f", "-o", "trace", *TAR),
        "ring3",
        rounds=5,
    ),
    own(
        "strace -f -o FILE tar",
        ["strace", "-f", "-o", "trace", *TAR],
        "strace -f",
        rounds=5,
    ),
    own(
        "strace -f -o FILE tar, pinned",
        [*PINNED, "strace", "-f", "-o", "trace", *TAR],
        "strace pinned",
        rounds=5,
    ),
)  # fmt: skip
ROWS = (*LOOP_ROWS, *PROGRAM_ROWS)


def prepare() -> None:
    """Compile the loops and make the files that rows use."""
    # As an installation has it, whatever PYTHONDONTWRITEBYTECODE says here.
    compileall.compile_dir(ROOT / "src", quiet=1)
    BUILD.mkdir(exist_ok=True)
    source = HERE / "programs" / "loops.c"
    if not LOOPS.exists() or LOOPS.stat().st_mtime < source.stat().st_mtime:
        command = ["cc", "-O2", "-static", "-pthread", "-o", str(LOOPS), str(source)]
        subprocess.run(command, check=True, timeout=120)
    (BUILD / "hello.c").write_text(HELLO)
    repo = BUILD / "repo"
    if not repo.exists():
        for n in range(300):
            file = repo / f"d{n % 20}" / f"f{n}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{n}\n" * 20)
        git = ["git", "-C", str(repo), "-c", "user.name=b", "-c", "user.email=b@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *words], check=True, timeout=60)
