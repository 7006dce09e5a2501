"""ring3 explain with real guests: the film of a call, on both machines; and bad choices."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ring3

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "explain"
REFERENCE = ROOT / "docs" / "reference" / "explain.md"
CHAPTERS = set(range(1, 9))
EMULATED = pytest.param(
    "emulated",
    marks=pytest.mark.skipif(importlib.util.find_spec("unicorn") is None, reason="needs unicorn"),
)
BOTH = pytest.mark.parametrize("machine", ["native", EMULATED])
HAS_TOOLS = all(importlib.util.find_spec(n) for n in ("capstone", "elftools"))


def built(folder: Path, name: str) -> Path:
    """An example guest, compiled into *folder*."""
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    subprocess.run(
        ["make", "-s", "-f", str(EXAMPLES / "Makefile"), f"VPATH={EXAMPLES}", name],
        cwd=folder,
        check=True,
        timeout=60,
    )
    return folder / name


def film(folder: Path, *words: str) -> dict[str, Any]:
    done = ring3("explain", "--json", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def steps(made: dict[str, Any], chapter: int, kind: str) -> list[dict[str, Any]]:
    return [s for s in made["steps"] if s["chapter"] == chapter and s["kind"] == kind]


def data(made: dict[str, Any], chapter: int, kind: str) -> dict[str, Any]:
    (step,) = steps(made, chapter, kind)
    found: dict[str, Any] = step["data"]
    return found


def documented(made: dict[str, Any]) -> None:
    """Every kind of step and every key of its data stands in the reference."""
    rows = dict(
        re.findall(r"^\| \d[^|]*\| `(\w+)` \| ([^|]*)", REFERENCE.read_text(), re.MULTILINE)
    )
    for step in made["steps"]:
        assert step["kind"] in rows, step["kind"]
        named = set(re.findall(r"`(\w+)`", rows[step["kind"]]))
        missing = set(step["data"]) - named
        assert not missing, (step["kind"], missing)


@BOTH
def test_a_write_in_eight_chapters(tmp_path: Path, machine: str) -> None:
    made = film(tmp_path, "--machine", machine, "echo", "hello")
    documented(made)
    assert {s["chapter"] for s in made["steps"]} == CHAPTERS
    assert made["header"]["machine"] == machine
    assert made["header"]["line"].endswith('"hello\\n", 6) = 6')
    arguments = data(made, 2, "registers")["arguments"]
    assert [(a["register"], a["name"], a["meaning"]) for a in arguments][1:] == [
        ("rsi", "buf", '"hello\\n"'),
        ("rdx", "count", "6"),
    ]
    copied = data(made, 6, "copy_in")
    assert bytes.fromhex(copied["data"]) == b"hello\n"
    assert data(made, 8, "result")["result"] == 6
    if HAS_TOOLS:
        assert "write" in data(made, 1, "code")["symbol"]
        assert next(i for i in data(made, 1, "code")["code"] if i["trap"])["text"] == "syscall"


@pytest.mark.skipif(importlib.util.find_spec("unicorn") is None, reason="needs unicorn")
def test_the_emulated_cpu_shows_entry_walk_and_return(tmp_path: Path) -> None:
    made = film(tmp_path, "--machine", "emulated", "echo", "hello")
    entry = data(made, 3, "entry")
    assert entry["kind"] == "syscall"
    assert (entry["before"]["cpl"], entry["after"]["cpl"]) == (3, 0)
    # SDM Vol. 2B, SYSCALL: RCX = address of the next instruction, R11 = RFLAGS (without RF).
    assert entry["after"]["rcx"] == entry["before"]["rip"] + 2
    assert entry["after"]["r11"] == entry["before"]["rflags"] & ~0x10000
    (walk,) = [h for h in data(made, 6, "copy_in")["hardware"] if h["name"] == "walk"]
    levels = walk["details"]["steps"]
    assert [level for level, *_ in levels] == [4, 3, 2, 1]
    assert all(entry & 1 and entry & 4 for *_, entry in levels)  # present, user
    for (_, _, _, above), (_, table, _, _) in pairwise(levels):
        assert above & 0x000FFFFFFFFFF000 == table
    back = data(made, 8, "return")
    assert (back["kind"], back["after"]["cpl"]) == ("sysret", 3)
    assert back["after"]["rip"] == entry["before"]["rip"] + 2


def test_the_native_machine_says_what_it_hides(tmp_path: Path) -> None:
    made = film(tmp_path, "--machine", "native", "echo", "x")
    host = data(made, 3, "host")
    assert host["how"] in ("notification", "sigsys") and host["hides"]
    assert not steps(made, 3, "entry")


@BOTH
def test_faults_worth_seeing(tmp_path: Path, machine: str) -> None:
    def of(name: str, *words: str) -> dict[str, Any]:
        built(tmp_path, name)
        made = film(tmp_path, "--machine", machine, *words, f"./{name}")
        documented(made)
        return made

    made = of("unknown", "--nr", "9999")
    assert data(made, 8, "result")["errno"] == "ENOSYS" and steps(made, 5, "enosys")
    made = of("badpipe", "--call", "pipe2")
    bad = data(made, 8, "copy_out")
    assert bad["fault"] and bad["pages"][0]["told"] == "area is r--"
    if machine == "emulated":
        fault = next(h for h in bad["hardware"] if h["name"] == "fault")
        assert fault["details"]["action"] == "signal" and fault["details"]["cpl"] == 0
    made = of("kernelptr")
    assert data(made, 6, "refused")["argument"] == "buf"
    made = of("stalemode", "--call", "open")
    assert data(made, 2, "registers")["arguments"][2]["meaning"] == "03001"
    made = of("shortbuf", "--call", "getsockname")
    assert [s["data"]["size"] for s in steps(made, 8, "copy_out")] == [4, 8]
    made = of("toctou", "--call", "read", "--nth", "2")
    kinds = [s["kind"] for s in made["steps"] if s["chapter"] == 7]
    order = [k for k in kinds if k in ("handler", "park", "wake")]
    assert order == ["handler", "park", "wake", "handler"]
    assert data(made, 8, "result")["errno"] == "EFAULT"


@pytest.mark.skipif(importlib.util.find_spec("unicorn") is None, reason="needs unicorn")
def test_an_interrupt_in_the_middle_of_a_call(tmp_path: Path) -> None:
    built(tmp_path, "interrupt")
    made = film(tmp_path, "--machine", "emulated", "--call", "read", "--nth", "2", "./interrupt")
    documented(made)
    irq = steps(made, 7, "interrupt")[0]["data"]
    assert irq["nested"] and irq["before"]["cpl"] == irq["after"]["cpl"] == 0
    # The frame lies below what the call had on the same kernel stack.
    assert irq["before"]["rsp"] - 64 <= irq["after"]["rsp"] < irq["before"]["rsp"]
    assert irq["before"]["rflags"] & 1 << 18  # inside the copy's STAC..CLAC window


@pytest.mark.skipif(importlib.util.find_spec("unicorn") is None, reason="needs unicorn")
def test_the_ways_in_side_by_side(tmp_path: Path) -> None:
    made = film(tmp_path, "--compare-entries", "getpid")
    documented(made)
    ways = data(made, 1, "programs")["ways"]
    assert len(ways) == 6 and not [way for way in ways if way["why"]]
    entries = [s["data"] for s in steps(made, 3, "entry")]
    assert [e["kind"] for e in entries] == [
        "syscall", "int", "call_gate", "sysenter", "int", "call_gate",
    ]  # fmt: skip
    assert [len(e["writes"]) for e in entries] == [0, 5, 4, 0, 5, 4]
    returns = [s["data"]["kind"] for s in steps(made, 8, "return")]
    assert returns == ["sysret", "iret", "retf", "sysexit", "iret", "retf"]
    rows = data(made, 3, "cost")["rows"]
    assert all(row["us"] > 0 and row["blocks"] > 0 for row in rows)
    if HAS_TOOLS:
        assert all(40 < row["instructions"] < 70 for row in rows)


def test_the_views_of_one_film(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    done = ring3("explain", "--json", "echo", "hi", cwd=tmp_path)
    (tmp_path / "film.json").write_text(done.stdout)
    assert "hi\n" in done.stderr  # what the program prints
    shown = ring3("explain", "--show", "film.json", "--html", "film.html", cwd=tmp_path)
    assert shown.returncode == 0 and shown.stdout == ""
    assert "ring3 explain" in (tmp_path / "film.html").read_text()
    shown = ring3("explain", "--show", "film.json", cwd=tmp_path)
    rows = shown.stdout.splitlines()
    assert max(map(len, rows)) <= 100
    assert [row[0] for row in rows if re.match(r"[1-8]  .* ──", row)] == list("12345678")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--call", "opneat", "true"], 125, "no system call 'opneat' (did you mean openat?)"),
        (["--call", "reboot", "true"], 125, "there is no 1st reboot(): it was never made"),
        (["--call", "brk", "--nth", "99", "true"], 125, "of them were made"),
        (["--nth", "0", "true"], 125, "1 is the first"),
        (["--nr", "x", "true"], 125, "is no number"),
        (["--call", "read", "--nr", "0", "true"], 125, "cannot be combined"),
        (["nosuchprogram"], 127, "command not found"),
        ([], 125, "no command given"),
        (["--show", "nosuchfile"], 125, "nosuchfile: No such file"),
        (["--show", "/dev/null"], 125, "no JSON"),
        (["--html", "/nosuchdir/x", "true"], 125, "/nosuchdir/x: No such file"),
        (["--compare-entries", "gtpid"], 125, "did you mean getpid?"),
        (["--compare-entries", "fork"], 125, "cannot be called in a loop"),
    ],
)
def test_bad_choices_are_told(tmp_path: Path, words: list[str], status: int, told: str) -> None:
    done = ring3("explain", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_call_never_made_lists_those_that_were(tmp_path: Path) -> None:
    done = ring3("explain", "--call", "reboot", "true", cwd=tmp_path)
    assert re.search(r"the program made \d+ calls:", done.stderr)
    assert "mmap×" in done.stderr and "exit_group" in done.stderr
    lines = done.stderr.splitlines()
    assert all(len(line) <= 110 for line in lines)
