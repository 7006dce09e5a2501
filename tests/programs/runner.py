"""Run a case on the host and on ring3, each in an equal scratch directory, and compare.

Both runs get the same path for their scratch directory (made afresh in between) and the same clean
environment, so that nothing but the kernel differs.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.programs.case import Case

SRC = Path(__file__).resolve().parents[2] / "src"
PROFILES = ("fast", "full")
RING3_SLOWER = float(os.environ.get("RING3_SLOWER", "6"))
# ring3 from the source tree without PYTHONPATH, which the guest would inherit.
LAUNCH = f"import sys; sys.path.insert(0, {str(SRC)!r}); from ring3.cli.main import entry; entry()"
EPOCH = 1_600_000_000  # every prepared file's time stamp
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Outcome:
    """What a run left: exit status as a shell gives it (128+n for signal n), or TIMED_OUT."""

    status: int | str
    stdout: str
    stderr: str
    seconds: float


def scratch_base() -> Path:
    """Name the directory for scratch directories; of this process, so that workers don't meet."""
    return Path(tempfile.gettempdir()) / f"ring3-programs-{os.getpid()}"


def environment(scratch: Path) -> dict[str, str]:
    """Make the clean environment both sides get."""
    return {
        "PATH": PATH,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "PS1": "R3> ",  # what tables/terminals.py waits for
        "USER": "tester",
        "LOGNAME": "tester",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
    }


@contextlib.contextmanager
def scratch_directory(case: Case) -> Iterator[Path]:
    """Make the case's scratch directory with its files, give its path, remove it."""
    name = "".join(c if c.isalnum() else "-" for c in case.name)[:40]
    base = scratch_base()
    path = base / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for relative, content in case.files.items():
        file = path / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        if file.read_bytes()[:2] == b"#!":
            file.chmod(0o755)
    for entry in [*path.rglob("*"), path]:
        os.utime(entry, (EPOCH, EPOCH))
    try:
        yield path
    finally:
        # A program may have taken its own rights away, as chmod 0 does.
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], stderr=subprocess.DEVNULL, timeout=60)
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            base.rmdir()


def missing(case: Case) -> list[str]:
    """List the programs that the case needs and the host does not have."""
    return [p for p in case.programs if not shutil.which(p, path=PATH)]


def ring3_argv(case: Case, profile: str, scratch: Path) -> list[str]:
    """Give the command that runs the case on ring3."""
    where = ["--machine", profile] if profile == "emulated" else ["--profile", profile]
    options = [
        "--no-denials",
        *where,
        "--rw",
        str(scratch),
        "--workdir",
        str(scratch),
    ]
    return [sys.executable, "-c", LAUNCH, "run", *options, "--", *case.argv]


def end_group(process: subprocess.Popen[bytes] | int) -> None:
    """Kill a process that leads its own group, and the group."""
    pid = process if isinstance(process, int) else process.pid
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def as_status(returncode: int) -> int:
    """Turn subprocess's return code into a shell's: -9 and 137 both say SIGKILL."""
    return 128 - returncode if returncode < 0 else returncode


def run_plain(argv: list[str], case: Case, cwd: Path, timeout_s: float) -> Outcome:
    """Run *argv* with pipes for its output, bounded in time."""
    given = case.stdin.encode() if isinstance(case.stdin, str) else case.stdin or b""
    started = time.monotonic()
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment(cwd),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        status: int | str
        try:
            out, err = process.communicate(given, timeout=timeout_s)
            status = as_status(process.returncode)
        except subprocess.TimeoutExpired:
            end_group(process)
            out, err = process.communicate(timeout=30)
            status = TIMED_OUT
        finally:
            end_group(process)  # what the program left in its group
    seconds = time.monotonic() - started
    return Outcome(status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), seconds)


class Terminal:
    """The outer end of a pty: what came so far, and how far a script of steps has looked at it."""

    def __init__(self, master: int, deadline: float) -> None:
        self.master = master
        self.deadline = deadline
        self.seen = bytearray()
        self.looked = 0

    def more(self) -> bool:
        """Read once; False at the end, TimeoutError after the deadline."""
        while time.monotonic() < self.deadline:
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: the last descriptor of the other side is closed
                return False
            self.seen += data
            return bool(data)
        raise TimeoutError("terminal")

    def wait_for(self, wanted: str) -> bool:
        """Read until *wanted* comes after what was waited for before; False at the end."""
        needle = wanted.encode()
        while (found := self.seen.find(needle, self.looked)) < 0:
            if not self.more():
                return False
        self.looked = found + len(needle)
        return True


def wait_until(pid: int, deadline: float) -> int:
    """Reap *pid*, giving its exit code as subprocess does; TimeoutError after *deadline*."""
    while time.monotonic() < deadline:
        reaped, wait_status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            return os.waitstatus_to_exitcode(wait_status)
        time.sleep(0.02)
    raise TimeoutError("exit")


def run_terminal(argv: list[str], case: Case, cwd: Path, timeout_s: float) -> Outcome:
    """Run *argv* as the session leader of a new pty, typing the case's steps."""
    started = time.monotonic()
    deadline = started + timeout_s
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        try:
            os.execvpe(argv[0], argv, environment(cwd))
        finally:
            os._exit(127)
    terminal = Terminal(master, deadline)
    status: int | str = TIMED_OUT
    try:
        for wanted, typed in case.terminal or ():
            if not terminal.wait_for(wanted):
                break
            os.write(master, typed.encode())
        while terminal.more():
            pass
        status = as_status(wait_until(pid, deadline))
    except TimeoutError:
        end_group(pid)
        os.waitpid(pid, 0)
    finally:
        os.close(master)
    text = terminal.seen.decode("utf-8", "replace")
    return Outcome(status, text, "", time.monotonic() - started)


def run_on(where: str, case: Case) -> Outcome:
    """Run the case on 'host' or, by the profile's name, on ring3."""
    with scratch_directory(case) as scratch:
        if where == "host":
            argv, timeout_s = list(case.argv), case.timeout_s
        else:
            argv, timeout_s = ring3_argv(case, where, scratch), case.timeout_s * RING3_SLOWER
        run = run_terminal if case.terminal is not None else run_plain
        outcome = run(argv, case, scratch, timeout_s)
    if case.normalise is None:
        return outcome
    change = case.normalise
    return Outcome(outcome.status, change(outcome.stdout), change(outcome.stderr), outcome.seconds)


def difference(case: Case, host: Outcome, other: Outcome, limit: int = 20) -> str:
    """Say how *other* differs from the host's run; '' if it does not."""
    parts: list[str] = []
    if host.status != other.status:
        parts.append(f"exit status: host {host.status}, ring3 {other.status}")
    streams = [("stdout", host.stdout, other.stdout)]
    if case.stderr:
        streams.append(("stderr", host.stderr, other.stderr))
    for stream, theirs, ours in streams:
        if theirs != ours:
            lines = difflib.unified_diff(
                theirs.splitlines(),
                ours.splitlines(),
                f"host {stream}",
                f"ring3 {stream}",
                "",
                "",
                1,
            )
            parts.append("\n".join(line[:200] for line in list(lines)[: limit + 3]))
    if parts and not case.stderr and other.stderr:
        parts.append("ring3 stderr: " + "\n  ".join(other.stderr.splitlines()[-8:]))
    return "\n".join(p for p in parts if p)
