"""Imports point down only, and rooms on one line do not import each other.

The order is the design's; ARCHITECTURE.md shows it as a picture. Imports inside functions and under
TYPE_CHECKING count like any other: a type from above couples as much as a call.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SRC / "ring3"

# Top first. A name is the longest matching module prefix below ring3.
LINES: list[set[str]] = [
    {"__main__"},
    {"cli", "pytest_plugin", "web"},
    {"api", "guest_path"},
    {"kernel", "kernel_setup", "view"},
    {"explain"},  # films a call by the gate, and decodes it by the tracer
    {"syscalls", "modules", "views", "trace", "inject", "replay", "policy"},
    {"task"},
    {"fs", "drivers"},
    {"ipc", "net"},  # their pipes and sockets are open files: docs/decisions/0003
    {"mm", "vfs", "security"},
    {"machine.native", "machine.emulated", "machine.fake"},
    {"machine", "machine.base"},
    {"core"},
    {"abi"},
]
RANK = {room: len(LINES) - index for index, line in enumerate(LINES) for room in line}
# The package itself re-exports the API, lazily; everyone may import its version from it.
ROOT_ROOM = "ring3"
# One room in several files.
ASSEMBLY = {"kernel", "kernel_setup", "view"}
API = {"api", "guest_path"}
# Only the assembly names a machine; that is what keeps the rest independent of which one runs.
MACHINES = {"machine.native", "machine.emulated", "machine.fake"}
MAY_NAME_MACHINES = {*ASSEMBLY, *MACHINES}
# Rooms that may use packages from outside the standard library (the extra `emulated`, pytest).
THIRD_PARTY_ALLOWED = {"machine.emulated", "explain", "pytest_plugin", "web"}


def room_of(module: str) -> str:
    """Give the room of a dotted module name below ring3 ('' is the package itself)."""
    parts = module.split(".")
    for length in (2, 1):
        name = ".".join(parts[:length])
        if name in RANK:
            return name
    return ROOT_ROOM if module in ("", "__init__") else parts[0]


def module_name(path: Path) -> str:
    """Turn a file below src/ring3 into its dotted name below ring3."""
    relative = path.relative_to(PACKAGE).with_suffix("")
    parts = [p for p in relative.parts if p != "__init__"]
    return ".".join(parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted module) for every import in *path*, wherever it stands."""
    package = ["ring3", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from ring3 import machine` names a room in its second half.
                yield node.lineno, f"{stem}.{alias.name}"


def files() -> list[Path]:
    """List the package's modules."""
    return sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


def complaint(path: Path, line: int, target: str) -> str | None:
    """Say what is wrong with one import of ours, or None."""
    here = room_of(module_name(path))
    there = room_of(target.removeprefix("ring3").lstrip("."))
    where = f"{path.relative_to(SRC)}:{line}: {here} imports {target}"
    if here == there or there == ROOT_ROOM or {here, there} <= ASSEMBLY or {here, there} <= API:
        return None
    if there not in RANK:
        # `from ring3 import __version__` and its like name no room.
        is_room = (PACKAGE / there).is_dir() or (PACKAGE / f"{there}.py").exists()
        return f"{where}: a room that LINES does not know" if is_room else None
    if here == ROOT_ROOM:
        return None
    if there in MACHINES and here not in MAY_NAME_MACHINES:
        return f"{where}: only kernel.py names a machine"
    if {here, there} == {"machine", "machine.base"}:
        return None
    if RANK[there] >= RANK.get(here, 0):
        what = "on the same line" if RANK[there] == RANK[here] else "above"
        return f"{where}: {there} stands {what}"
    return None


def ours(target: str) -> bool:
    return target == "ring3" or target.startswith("ring3.")


def test_there_is_a_package_to_walk() -> None:
    assert len(files()) > 10


def test_every_room_has_its_place() -> None:
    unknown = {room_of(module_name(p)) for p in files()} - set(RANK) - {ROOT_ROOM}
    assert not unknown, f"rooms that LINES does not know: {sorted(unknown)}"


def test_imports_point_down() -> None:
    wrong = [
        said
        for path in files()
        for line, target in imports(path)
        if ours(target) and (said := complaint(path, line, target))
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_kernel_needs_the_standard_library_only() -> None:
    foreign = [
        f"{path.relative_to(SRC)}:{line}: {target}"
        for path in files()
        if room_of(module_name(path)) not in THIRD_PARTY_ALLOWED
        for line, target in imports(path)
        if not ours(target) and target.split(".")[0] not in sys.stdlib_module_names
    ]
    assert not foreign, "\n".join(foreign)


def test_no_star_imports() -> None:
    stars = [f"{p}:{line}" for p in files() for line, name in imports(p) if name.endswith(".*")]
    assert not stars, "\n".join(stars)


@pytest.mark.parametrize(
    ("path", "target", "wrong"),
    [
        ("abi/errno.py", "ring3.core.park", True),
        ("core/park.py", "ring3.abi.errno", False),
        ("vfs/inode.py", "ring3.mm.space", True),
        ("task/exec.py", "ring3.machine.native.machine", True),
        ("task/exec.py", "ring3.machine.base", False),
        ("kernel.py", "ring3.machine.native.machine", False),
        ("trace/text.py", "ring3.syscalls.table", True),
        ("cli/main.py", "ring3.kernel", False),
        ("cli/main.py", "ring3.api", False),
        ("api.py", "ring3.cli.main", True),
        ("fs/host.py", "ring3.vfs.inode", False),
        ("net/socket.py", "ring3.vfs.file", False),
        ("net/socket.py", "ring3.ipc.pipe", True),
    ],
)
def test_the_rule_itself(path: str, target: str, wrong: bool) -> None:
    """The walker can fail: known-good and known-bad imports are told apart."""
    assert (complaint(PACKAGE / path, 1, target) is not None) is wrong
