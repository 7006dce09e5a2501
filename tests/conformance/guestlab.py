"""Build the C guests, run them on the host and on ring3, compare line by line.

The host's Linux is the oracle: nothing here knows what a guest should print.
Used by ``run.py`` (the developers' command) and ``test_conformance.py``.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUESTS = HERE.parent / "guest"
SOURCE = HERE.parent.parent / "src"
EXPECTED_FILE = HERE / "expected_failures.toml"

PROFILES = ("fast", "full")
CFLAGS = ("-O1", "-Wall", "-pthread", *os.environ.get("GUEST_CFLAGS", "").split())
LIBS = ("-lrt", "-lutil")
NOBODY = 65534
#: What both runs get, whatever the developer's shell has set.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Where:
    """One way to run a guest: on the host, or on ring3 with these choices."""

    profile: str = ""  # empty: the host itself
    machine: str = "native"
    uid: int | None = None  # None: as the caller

    @property
    def user(self) -> str:
        """Return whose rules the guest meets: ``root`` or ``user``."""
        return "root" if (os.geteuid() if self.uid is None else self.uid) == 0 else "user"

    @property
    def label(self) -> str:
        """Return a short name for tables and test ids."""
        return f"{self.machine}-{self.profile}" if self.profile else "host"


@dataclass(frozen=True)
class Outcome:
    """What one run of a guest printed and how it ended."""

    lines: dict[str, str]
    status: str
    errors: str = ""


@dataclass
class Verdict:
    """A comparison of two outcomes, known deviations taken out."""

    differing: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    known: list[str] = field(default_factory=list)  # listed, and it did deviate
    stale: list[str] = field(default_factory=list)  # listed, yet it passes
    total: int = 0

    @property
    def good(self) -> bool:
        """Return whether nothing deviates but what the list says."""
        return not self.differing and not self.stale


@dataclass(frozen=True)
class Deviation:
    """An entry of ``expected_failures.toml``; empty selectors match all."""

    guest: str
    line: str
    reason: str
    profile: str = ""
    machine: str = ""
    abi: str = ""
    user: str = ""

    def fits(self, guest: str, where: Where, abi: str) -> bool:
        """Return whether the entry speaks of this run."""
        return (
            self.guest == guest
            and self.profile in ("", where.profile)
            and self.machine in ("", where.machine)
            and self.abi in ("", abi)
            and self.user in ("", where.user)
        )


def load_expected(path: Path = EXPECTED_FILE) -> list[Deviation]:
    """Read the known deviations; a missing field or unknown key raises."""
    with path.open("rb") as file:
        entries = tomllib.load(file).get("deviation", [])
    known = [Deviation(**entry) for entry in entries]
    for entry in known:
        if not entry.reason.strip():
            raise ValueError(f"{path.name}: {entry.guest}.{entry.line} has no reason")
        if not (GUESTS / f"{entry.guest}.c").exists():
            raise ValueError(f"{path.name}: no guest is called {entry.guest}")
    return known


def guest_names() -> list[str]:
    """Return the names of all guests, sorted."""
    return sorted(path.stem for path in GUESTS.glob("*.c"))


class BuildError(Exception):
    """A guest that does not compile, with the compiler's words."""


class Builder:
    """Compiles each guest once into a cache directory."""

    def __init__(self, cache: Path, abi: str = "64", static: bool = False) -> None:
        self.cache = cache
        self.abi = abi
        self.flags = [*CFLAGS, f"-m{abi}", *(["-static"] if static else [])]
        headers = b"".join(path.read_bytes() for path in sorted(GUESTS.glob("*.h")))
        self._headers = hashlib.sha256(headers + " ".join(self.flags).encode()).digest()

    def build(self, guest: str) -> Path:
        """Return the guest's executable; raises BuildError."""
        source = GUESTS / f"{guest}.c"
        digest = hashlib.sha256(self._headers + source.read_bytes()).hexdigest()[:16]
        target = self.cache / f"{guest}-{digest}"
        if not target.exists():
            scratch = self.cache / f".{guest}-{digest}-{os.getpid()}"
            done = subprocess.run(
                ["gcc", *self.flags, "-o", scratch, source, *LIBS],
                timeout=120,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise BuildError(f"{guest}.c does not compile:\n{done.stderr}")
            scratch.rename(target)  # atomic: other runners may build the same
        return target


def ring3_command(where: Where, scratch: Path) -> list[str]:
    """Return the command line that runs a program found in *scratch* on ring3."""
    command = [sys.executable, "-m", "ring3", "run", "--profile", where.profile]
    if where.machine != "native":
        command += ["--machine", where.machine]
    return [*command, "--rw", str(scratch), "--workdir", str(scratch), "--"]


def parse(text: str) -> dict[str, str]:
    """Turn a guest's output into {behaviour: what it said}; stray lines are kept."""
    lines: dict[str, str] = {}
    for line in text.rstrip("\n").split("\n") if text else []:
        line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
        name, colon, said = line.partition(":")
        if not colon or not name.replace("_", "").isalnum():
            name, said = line, ""
        while name in lines:
            name += "+"
        lines[name] = said.strip()
    return lines


def run_guest(exe: Path, where: Where, arguments: list[str], timeout: float) -> Outcome:
    """Run *exe* in a fresh scratch directory; a run that hangs is killed and says so."""
    with tempfile.TemporaryDirectory(
        prefix="guest-", dir=exe.parent, ignore_cleanup_errors=True
    ) as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        program = scratch / "guest"
        # Inside the one tree that ring3 certainly shows.  A link: a copy that another
        # thread's fork happens to hold open for writing could not be executed.
        program.hardlink_to(exe)
        if where.uid is not None:
            os.chown(scratch, where.uid, where.uid)
        argv = [str(program), *arguments]
        env = dict(ENVIRONMENT)
        if where.profile:
            argv = ring3_command(where, scratch) + argv
            env["PYTHONPATH"] = str(SOURCE)
            if "RING3_OWN_OBJECTS" in os.environ:  # see World.own_objects
                env["RING3_OWN_OBJECTS"] = os.environ["RING3_OWN_OBJECTS"]
        return _run(argv, scratch, env, where.uid, timeout)


_live: set[subprocess.Popen[bytes]] = set()


@atexit.register
def kill_all() -> None:
    """End every run of this process that still goes on; sessions of their own outlive us."""
    for process in list(_live):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _run(
    argv: list[str], cwd: Path, env: dict[str, str], uid: int | None, timeout: float
) -> Outcome:
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )
    _live.add(process)
    try:
        out, err = process.communicate(timeout=timeout)
        status = _status(process.returncode)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a group of our own making
        try:
            out, err = process.communicate(timeout=5)
        except subprocess.TimeoutExpired as late:  # a stray child holds the pipe
            out, err = late.output or b"", late.stderr or b""
        status = f"timeout after {timeout:g} s"
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    _live.discard(process)  # not on an exception: atexit ends it then
    return Outcome(parse(out.decode(errors="replace")), status, err.decode(errors="replace"))


def _status(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit {returncode}"


def compare(oracle: Outcome, seen: Outcome, known: dict[str, str]) -> Verdict:
    """Compare line by line; *known* maps the names of listed lines to reasons."""
    verdict = Verdict(total=len(oracle.lines))
    for name in [*oracle.lines, *(n for n in seen.lines if n not in oracle.lines)]:
        wanted, got = oracle.lines.get(name), seen.lines.get(name)
        if wanted != got and name in known:
            verdict.known.append(name)
        elif wanted != got:
            verdict.differing.append((name, wanted, got))
        elif name in known:
            verdict.stale.append(name)
    verdict.stale += [name for name in known if name not in oracle.lines]
    if oracle.status != seen.status:
        verdict.differing.append(("exit status", oracle.status, seen.status))
    return verdict


def known_lines(expected: list[Deviation], guest: str, where: Where, abi: str) -> dict[str, str]:
    """Return {line: reason} of what may deviate in this run."""
    return {entry.line: entry.reason for entry in expected if entry.fits(guest, where, abi)}


def describe(verdict: Verdict, left: str = "host", right: str = "ring3") -> str:
    """Return a readable diff: one paragraph per line that deviates."""
    width = max(len(left), len(right))
    text: list[str] = []
    missing = [name for name, _, got in verdict.differing if got is None]
    if missing:  # a run that died early: name them on one line
        text.append(f"  {right} never printed: {' '.join(missing)}")
    for name, wanted, got in verdict.differing:
        if got is None:
            continue
        text.append(f"  {name}")
        text.append(f"    {left:{width}} {'(no line)' if wanted is None else wanted}")
        text.append(f"    {right:{width}} {_mark(wanted, got)}")
    text += [f"  {name}: listed in {EXPECTED_FILE.name}, but it passes" for name in verdict.stale]
    return "\n".join(text)


def _mark(wanted: str | None, got: str) -> str:
    """Point at the words of *got* that *wanted* does not have there."""
    if wanted is None:
        return got
    old = wanted.split(" ")
    words = got.split(" ")
    same = [i < len(old) and old[i] == word for i, word in enumerate(words)]
    if not any(same):
        return got
    return " ".join(word if fine else f">{word}<" for word, fine in zip(words, same, strict=True))
