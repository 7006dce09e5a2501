"""Escape attempts by a hostile guest (escape.c), each with what is safe, in both profiles.

Outside stand a process, a secret file and the file given as standard input: none may change.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
NO_FILE = r"errno 2"
NO_CALL = r"errno 38"
NO_PROCESS = r"errno 3"
KILLED = r"killed \d+"
LIVES_ON = r"(ok -?\d+|errno \d+|killed \d+)"
"""The guest hurts itself only: whatever comes of it is its own affair."""
REFUSED = r"errno (1|9|13|18|22|30)"

EXPECTED = {
    "dotdot": NO_FILE, "by_symlink": NO_FILE, "by_proc_root": NO_FILE, "by_proc_1_root": NO_FILE,
    "by_proc_cwd": NO_FILE, "by_hard_link": NO_FILE, "by_chroot": NO_FILE,
    "by_handle": r"errno (1|22|38|95|116)", "by_exec": NO_FILE, "host_mem": NO_FILE,
    "descriptors": "ok 0", "race_path": "safe", "race_rename": "safe", "kill_host": NO_PROCESS,
    "kill_parent": NO_PROCESS, "ptrace_host": r"errno (3|38)", "write_host": r"errno (3|38)",
    "pidfd_host": NO_PROCESS, "limit_host": NO_PROCESS, "clock_host": r"errno 22",
    "window_open": NO_FILE, "window_openat": NO_FILE, "window_exec": NO_FILE,
    "window_kill": NO_PROCESS, "window_socket": r"(ok 0|errno \d+)",
    "window_ptrace": r"errno (3|38)", "window_clone": rf"({LIVES_ON})?",
    "window_pdeathsig": "called", "window_seccomp": r"errno (1|14|16|22)",
    "fixed_over_shim": "errno 12", "fixed_over_slots": "errno 12", "unmap_shim": LIVES_ON,
    "unmap_slots": LIVES_ON, "scribble_slots": LIVES_ON, "scribble_frames": LIVES_ON,
    "forged_boot": KILLED, "forged_done": KILLED, "forged_child": KILLED,
    "forged_signal": LIVES_ON, "forged_fault": KILLED, "forged_kick": LIVES_ON,
    "forged_wild": KILLED, "forged_outside": KILLED, "race_slot": r"(safe|killed \d+)",
    "race_vfork": r"(safe|killed \d+)", "int80": NO_CALL, "x32": NO_CALL, "x32_getpid": NO_CALL,
    "io_uring": NO_CALL, "userfault": r"errno (1|38)", "dispatch_off": NO_FILE,
    "undumpable": "ok 0", "stdio_chown": REFUSED, "stdio_chmod": REFUSED, "stdio_times": REFUSED,
    "stdio_truncate": REFUSED, "stdio_xattr": REFUSED, "stdio_proc_chmod": REFUSED,
    "stdio_proc_chown": REFUSED, "stdio_dev_chown": REFUSED, "stdio_reopen": REFUSED,
    "stdio_reopen_trunc": REFUSED, "stdio_link": REFUSED, "stdio_map": REFUSED,
    "stdio_fallocate": REFUSED,
}  # fmt: skip


class Attack(NamedTuple):
    answers: dict[str, str]
    log: str
    host_alive: bool
    secret: str
    given: tuple[str, os.stat_result, os.stat_result]


@pytest.fixture(scope="module", params=["fast", "full"])
def attack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Attack:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    base = tmp_path_factory.mktemp("escape")
    program, secret, given, work = (base / n for n in ("escape", "secret", "given", "work"))
    flags = ["-O1", "-static", "-pthread", "-o", str(program)]
    subprocess.run([compiler, *flags, str(HERE / "escape.c")], check=True, timeout=60)
    work.mkdir()
    secret.write_text("secret")
    secret.chmod(0o755)
    given.write_text("given")
    before = given.stat()
    with subprocess.Popen(["sleep", "300"]) as host:
        command = [
            sys.executable, "-m", "ring3", "run", "--kernel-log", "--profile", request.param,
            "--ro", str(program), "--rw", str(work), "--workdir", str(work), "--",
            str(program), str(host.pid), str(secret),
        ]  # fmt: skip
        with given.open() as stdin:
            done = subprocess.run(
                command, stdin=stdin, capture_output=True, text=True, timeout=120, check=False
            )
        alive = host.poll() is None
        host.send_signal(signal.SIGKILL)
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    words = (line.partition(" ") for line in done.stdout.splitlines())
    answers = {name: answer for name, _, answer in words}
    return Attack(answers, done.stderr, alive, secret.read_text(),
                  (given.read_text(), before, given.stat()))  # fmt: skip


@pytest.mark.parametrize("case", EXPECTED)
def test_attempt(attack: Attack, case: str) -> None:
    assert re.fullmatch(EXPECTED[case], attack.answers.get(case, "")), attack.log


def test_every_attempt_has_an_expectation(attack: Attack) -> None:
    assert set(attack.answers) - {"done"} <= set(EXPECTED)


def test_outside_is_untouched(attack: Attack) -> None:
    assert attack.host_alive
    assert attack.secret == "secret"
    text, before, after = attack.given
    assert text == "given"
    fields = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_nlink")
    assert [getattr(before, f) for f in fields] == [getattr(after, f) for f in fields]


def test_kernel_has_no_bug_to_report(attack: Attack) -> None:
    assert "oops" not in attack.log
    assert "Traceback" not in attack.log
