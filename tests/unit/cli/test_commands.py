"""The commands as a user meets them, without a guest: help, mistakes, tables."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ring3 import __version__
from ring3.abi.errno import ENOENT
from ring3.cli import changes
from ring3.cli.guest import MOST_REFUSALS, GuestOptions, leave, report, user_id
from ring3.cli.main import COMMANDS, OWN_ERROR, main
from ring3.cli.trace import NATIVE_CALLS, TraceCommand
from ring3.task import refusals


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == (0, f"ring3 {__version__}\n", "")
    status, out, _ = said(capsys, "--help")
    assert status == 0
    assert all(f"\n  {name}" in out for name in COMMANDS)
    status, out, err = said(capsys)
    assert (status, out) == (OWN_ERROR, "")
    assert "usage:" in err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: ring3 {name} ")
    assert said(capsys, "help", name)[1] == out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "no command 'rnu' (did you mean run?)"),
        (["run"], "no command given"),
        (["run", "--rww", "x", "true"], "unknown option --rww (did you mean --rw?)"),
        (["run", "--mem", "lots", "true"], "--mem: 'lots' is no size"),
        (["run", "--root", "/nonexistent", "true"], "/nonexistent is no directory"),
        (["run", "--root", "oci:debian", "true"], "not supported"),
        (["run", "--uid", "nosuchuser", "true"], "no user 'nosuchuser'"),
        (["trace", "-e", "trace=nosuch", "true"], "there is no system call 'nosuch'"),
        (["trace", "-e", "inject=all", "true"], "'inject' is not supported"),
        (["trace", "-p", "1", "true"], "is not supported"),
        (["trace", "-S", "beauty", "true"], "there is no order 'beauty'"),
        (["trace", "-c", "-ff", "-o", "x", "true"], "cannot be combined"),
        (["syscalls", "nosuch"], "there is no system call nosuch"),
        (["doctor", "who"], "no argument expected: who"),
    ],
)
def test_mistakes_are_ring3s_own_errors(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = said(capsys, *words)
    assert (status, out) == (OWN_ERROR, "")
    assert err.startswith("ring3: ")
    assert told in err


# --- syscalls -------------------------------------------------------------------------------------
def test_syscalls_lists_every_call_of_both_abis(capsys: pytest.CaptureFixture[str]) -> None:
    from ring3.abi.signatures import NUMBERS

    _, out, _ = said(capsys, "syscalls", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert set(rows) == set(NUMBERS["x86_64"]) | set(NUMBERS["i386"])
    assert rows["read"]["numbers"] == {"x86_64": 0, "i386": 3}
    assert rows["read"]["status"] == "full"
    assert all(row["note"] for row in rows.values() if row["status"] == "partial")


def test_syscalls_filters(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "syscalls", "--abi", "i386", "--json")
    assert all("i386" in row["numbers"] for row in json.loads(out))
    _, out, _ = said(capsys, "syscalls", "--status", "none", "--category", "comm", "--json")
    rows = json.loads(out)
    assert {row["status"] for row in rows} <= {"none"}
    assert {row["category"] for row in rows} <= {"communication"}
    _, out, _ = said(capsys, "syscalls", "read", "close")
    assert [line.split()[2] for line in out.splitlines()[1:3]] == ["read", "close"]


# --- options --------------------------------------------------------------------------------------
def test_options_of_a_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSED", "on")
    monkeypatch.setenv("REMOVED", "x")
    options = GuestOptions()
    for text in ("A=1", "B=", "PASSED"):
        options.set_env(text)
    options.env["REMOVED"] = None
    found = options.environment()
    assert (found["A"], found["B"], found["PASSED"]) == ("1", "", "on")
    assert "REMOVED" not in found
    options.clear_env = True
    assert options.environment() == {"A": "1", "B": "", "PASSED": "on"}
    options.set_user("1000:1001")
    assert (options.uid, options.gid) == (1000, 1001)
    assert user_id("root") == (0, 0)


def test_options_of_a_trace() -> None:
    command = TraceCommand()
    words = "-ff -o out -tt -T -yy -xx -qq -s 100 -e signal=!chld -z --rw . ls -l".split()
    assert command.parser().parse(words) == ["ls", "-l"]
    command.settle()
    trace = command.trace
    assert (command.separately, trace.follow, command.output) == (True, True, "out")
    assert (trace.style.strlen, trace.style.fds, trace.style.hexes) == (100, 2, 2)
    assert (trace.quiet_attach, trace.quiet_exit) == (True, True)
    assert trace.statuses == {"successful"}
    assert trace.signals is not None
    assert 17 not in trace.signals
    assert command.guest.rw == ["."]
    assert command.guest.profile == "full"


def test_a_trace_of_calls_that_always_trap_runs_fast() -> None:
    command = TraceCommand()
    command.parser().parse(["-e", "openat,execve", "ls"])
    command.settle()
    assert command.guest.profile == "fast"


def test_what_may_run_natively_is_what_the_machines_filter_allows() -> None:
    from ring3.machine.native import filter as machine

    allowed = {*machine.OWN_MEMORY, *machine.DATA, *machine.HARMLESS, "mmap"}
    assert allowed <= NATIVE_CALLS, "a trace of these needs the full profile"


# --- the end of a run -----------------------------------------------------------------------------
def test_exit_statuses() -> None:
    assert leave(3 << 8) == 3
    assert leave(0) == 0
    pid = os.fork()
    if pid == 0:
        leave(15)
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -15


class Kernel:
    """As much of a kernel as the report asks of it."""

    def __init__(self, told: list[str]) -> None:
        self.world = type("World", (), {"refusals": told})()


def test_refusals_name_the_smallest_grant_once() -> None:
    found = refusals.Refusals()
    found.search = ["/usr/bin", "/opt/tools/bin"]
    names = {1: "openat", 2: "newfstatat"}
    found.name_of = lambda t, nr: names[nr]

    def fail(nr: int, reason: str) -> None:
        found.note(None, nr, ENOENT(reason))  # type: ignore[arg-type]

    fail(1, "outside the grants: add --ro /root/.ssh/id_rsa")
    fail(2, "outside the grants: add --ro /root/.ssh/id_rsa")
    fail(1, "/etc/shadow is a secret of the host: add --ro /etc/shadow to show it")
    fail(2, "outside the grants: add --ro /opt/tools")
    fail(1, "no such thing")
    assert [str(each) for each in found] == [
        "refused: openat /root/.ssh/id_rsa: outside the grants"
        " (smallest grant: --ro /root/.ssh/id_rsa)",
        "refused: openat /etc/shadow is a secret of the host (smallest grant: --ro /etc/shadow)",
    ]


def test_refusals_are_reported_up_to_a_limit(capfd: pytest.CaptureFixture[str]) -> None:
    options = GuestOptions()
    many = [f"refused: openat /x/{i}: outside the grants" for i in range(20)]
    report(Kernel(many), options)  # type: ignore[arg-type]
    assert capfd.readouterr().err == "", "standard error is no terminal"
    options.denials = True
    report(Kernel(many), options)  # type: ignore[arg-type]
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "ring3: refused: openat /x/0: outside the grants"
    assert lines[-1] == f"ring3: and {20 - MOST_REFUSALS} refusals more"
    assert len(lines) == MOST_REFUSALS + 1


def test_changes_are_listed_and_kept(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from ring3.fs.overlay import Change, OverlayFs
    from ring3.fs.tmpfs import TmpFs

    fs = OverlayFs(TmpFs())
    folder = fs.new_dir(0o40700, 0, 0)
    file = fs.new_file(0o104755, 0, 0)
    os.pwrite(file.content(), b"hello", 0)
    found = [
        Change("added", b"/d", folder),
        Change("added", b"/d/f", file),
        Change("deleted", b"/gone", None),
    ]
    changes.print_changes(found)
    assert capsysbinary.readouterr().out == b"A /d\nA /d/f\nD /gone\n"
    changes.keep(found, str(tmp_path / "kept"))
    kept = tmp_path / "kept" / "d" / "f"
    assert kept.read_bytes() == b"hello"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "kept" / "d").stat().st_mode) == 0o700
    assert (tmp_path / "kept" / changes.DELETED).read_text() == "/gone\n"


def test_what_keep_writes_cannot_be_led_astray(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link that the guest made does not send later files elsewhere."""
    from ring3.fs.meminode import MemSymlink
    from ring3.fs.overlay import Change, OverlayFs
    from ring3.fs.tmpfs import TmpFs

    fs = OverlayFs(TmpFs())
    outside = tmp_path / "outside"
    outside.mkdir()
    link = MemSymlink(fs, fs.new_ino(), os.fsencode(outside), 0, 0)
    file = fs.new_file(0o100644, 0, 0)
    found = [Change("added", b"/a", link), Change("added", b"/a/f", file)]
    changes.keep(found, str(tmp_path / "k"))
    assert not list(outside.iterdir())
    assert (tmp_path / "k" / "a").is_symlink()
    assert "/a/f: something else is in the way" in capsys.readouterr().err
