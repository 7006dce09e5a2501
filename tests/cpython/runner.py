"""Run modules of CPython's own tests on the host and on ring3; give per-test verdicts.

A module that crashes or hangs is started again without the tests it got through, so that one bad
test costs one verdict.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = "/usr/bin/python3.11"
TESTSUITE = Path("/usr/lib/python3.11/test/test_os.py")
PASSING = HERE / "passing.txt"
EXCLUSIONS = HERE / "exclusions.toml"
CACHE = HERE / "build"
RESTARTS = 12
LAUNCH = (
    f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r});"
    " from ring3.cli.main import entry; entry()"
)

# Run by `make test`, cheapest first; LONG ones only with RING3_TEST_ALL=1 or by name.
MODULES = (
    "test_stat test_pipes test_file test_glob test_poll test_epoll test_select test_fcntl "
    "test_mmap test_resource test_wait3 test_wait4 test_fork1 test_popen test_pty test_queue "
    "test_thread test_tempfile test_shutil test_pathlib test_posix test_os test_time "
    "test_selectors test_eintr test_signal test_largefile test_genericpath test_posixpath "
    "test_fileio test_dbm_dumb test_zipfile test_tarfile test_mailbox test_subprocess "
    "test_threading test_socket test_asyncio.test_unix_events test_asyncio.test_subprocess "
    "test_asyncio.test_events"
).split()
LONG = (
    "test_io "
    "test_multiprocessing_fork test_multiprocessing_spawn test_concurrent_futures test_asyncore "
    "test_httpservers"
).split()


@dataclass
class Verdicts:
    """What one module gave: test id -> ok, skip, fail, error, crash or hang; and why."""

    by_id: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    complete: bool = False

    def passed(self) -> set[str]:
        """Name the tests that passed."""
        return {test for test, verdict in self.by_id.items() if verdict == "ok"}


def installed() -> bool:
    """Tell whether Debian's test suite is here."""
    return TESTSUITE.exists() and Path(PYTHON).exists()


def excluded(test: str) -> str:
    """Give the reason for which *test* need not pass ('' if it must)."""
    for entry in tomllib.loads(EXCLUSIONS.read_text(encoding="utf-8")).get("exclude", []):
        if any(fnmatchcase(test, pattern) for pattern in entry["tests"]):
            return str(entry["reason"])
    return ""


def listed() -> dict[str, set[str]]:
    """Read passing.txt: module -> ids of tests that must pass (as far as the host passes them)."""
    modules: dict[str, set[str]] = {}
    for line in PASSING.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            module, test = line.split(" ", 1)
            modules.setdefault(module, set()).add(test)
    return modules


def recorded_counts() -> dict[str, tuple[int, int]]:
    """Read passing.txt's `# count MODULE HOST RING3` lines."""
    counts: dict[str, tuple[int, int]] = {}
    for line in PASSING.read_text(encoding="utf-8").splitlines():
        if line.startswith("# count "):
            _, _, module, host, ring3 = line.split()
            counts[module] = (int(host), int(ring3))
    return counts


def environment(scratch: Path) -> dict[str, str]:
    """Make the environment of both sides."""
    own = {name: os.environ[name] for name in ("RING3_OWN_OBJECTS",) if name in os.environ}
    return own | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "1",
    }


def argv(where: str, scratch: Path, arguments: list[str]) -> list[str]:
    """Give the command: Python itself on 'host', ring3 with a profile or 'emulated' otherwise."""
    guest = [PYTHON, str(scratch / "collect.py"), *arguments]
    if where == "host":
        return guest
    how = ["--machine", where] if where == "emulated" else ["--profile", where]
    options = [*how, "--rw", str(scratch), "--workdir", str(scratch)]
    return [sys.executable, "-c", LAUNCH, "run", *options, "--", *guest]


def read_events(output: Path, verdicts: Verdicts) -> str:
    """Fold the lines of *output* into *verdicts*; give the test that is still running, or ''."""
    running = ""
    if not output.exists():
        return running
    for line in output.read_text(encoding="utf-8", errors="replace").splitlines():
        kind, _, rest = line.partition(" ")
        test, _, why = rest.partition("\t")
        if kind == "start":
            running = test
        elif kind == "end":
            verdicts.complete = True
            running = ""
        elif kind in ("ok", "skip", "fail", "error"):
            if verdicts.by_id.get(test) not in ("fail", "error"):
                verdicts.by_id[test] = kind
                verdicts.why[test] = why
            running = "" if test == running else running
    return running


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait(timeout=60)


def watch(process: subprocess.Popen[bytes], output: Path, quiet_s: float, until: float) -> bool:
    """Wait for the process; False, having killed it, if it wrote nothing for *quiet_s*."""
    size, changed = -1, time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        current = output.stat().st_size if output.exists() else 0
        if current != size:
            size, changed = current, now
        if now - changed > quiet_s or now > until:
            end_group(process)
            return False
        time.sleep(0.05)
    return True


def attempt(where: str, scratch: Path, arguments: list[str], quiet_s: float, until: float) -> str:
    """Run collect.py once; give 'hang', or what the process said last if it died, or ''."""
    log = scratch / "log"
    shutil.rmtree(scratch / "tmp", ignore_errors=True)
    (scratch / "tmp").mkdir()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            argv(where, scratch, arguments),
            cwd=scratch / "tmp",
            env=environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            finished = watch(process, Path(arguments[1]), quiet_s, until)
        finally:
            end_group(process)
    if not finished:
        return "hang"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return (
        f"status {process.returncode}: {' '.join(lines[-2:])[:300]}" if process.returncode else ""
    )


def run_module(
    where: str,
    module: str,
    *,
    only: set[str] | None = None,
    quiet_s: float = 60,
    bound_s: float = 900,
) -> Verdicts:
    """Run *module* on 'host' or ring3 with a profile, restarting after crashes and hangs."""
    verdicts, started = Verdicts(), time.monotonic()
    until = started + bound_s
    with tempfile.TemporaryDirectory(prefix="ring3-cpython-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        shutil.copy(HERE / "collect.py", scratch)
        skip_file, only_file = scratch / "skip", scratch / "only"
        only_file.write_text("\n".join(sorted(only or ())), encoding="utf-8")
        for round_ in range(RESTARTS):
            output = scratch / f"events-{round_}"
            skip_file.write_text("\n".join(sorted(verdicts.by_id)), encoding="utf-8")
            arguments = [module, str(output), str(skip_file), str(only_file) if only else ""]
            said = attempt(where, scratch, arguments, quiet_s, until)
            before = len(verdicts.by_id)
            running = read_events(output, verdicts)
            if verdicts.complete or time.monotonic() > until:
                break
            if running:
                verdicts.by_id[running] = "hang" if said == "hang" else "crash"
                verdicts.why[running] = said
            elif len(verdicts.by_id) == before:
                verdicts.by_id[f"{module}"] = "crash"
                verdicts.why[f"{module}"] = said or "ended without running a test"
                break
    verdicts.seconds = time.monotonic() - started
    return verdicts


def host_verdicts(module: str, fresh: bool = False) -> Verdicts:
    """Run the module on the host, or read what an earlier run of this checkout kept."""
    import json

    kept = CACHE / f"{module}.host.json"
    if kept.exists() and not fresh:
        data = json.loads(kept.read_text(encoding="utf-8"))
        return Verdicts(data["by_id"], data["why"], data["seconds"], data["complete"])
    verdicts = run_module("host", module)
    CACHE.mkdir(exist_ok=True)
    kept.write_text(json.dumps(vars(verdicts)), encoding="utf-8")
    return verdicts
