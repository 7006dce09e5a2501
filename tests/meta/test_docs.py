"""What the documents name exists: links, make targets, commands, rooms, records, the version."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ring3

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "ring3"
# Only files of the checkout: not what a build, a virtual environment or a test left.
PRUNED = {".git", ".venv", "build", "dist", "node_modules", ".pytest_cache", ".mypy_cache"}


def documents() -> list[Path]:
    """List all Markdown files of the project."""
    found = []
    for top, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in PRUNED and not f.endswith(".egg-info")]
        found += [Path(top, n) for n in names if n.endswith(".md")]
    return sorted(found)


def code_blocks(path: Path) -> str:
    """Give the text of all fenced blocks of one document."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]


@pytest.mark.parametrize("path", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    dead = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not dead, dead


def make_targets() -> set[str]:
    """Name the targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def test_make_targets_that_documents_name_exist() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in documents())
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", text))
    assert {"run", "test", "check"} <= named
    assert named <= make_targets(), named - make_targets()


def test_the_two_commands_come_first() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index("$ make run") < readme.index("$ make test")
    assert readme.startswith("# ring3\n")


def ring3_help(*words: str) -> str:
    """Run the command line and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ring3", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_commands_that_the_readme_shows_exist() -> None:
    blocks = "\n".join(code_blocks(p) for p in FRONT)
    commands = set(re.findall(r"^\$ ring3 ([a-z]+)", blocks, re.MULTILINE))
    assert {"run", "trace"} <= commands
    told = ring3_help("--help")
    missing = [c for c in commands if not re.search(rf"^\s+{c}\b", told, re.MULTILINE)]
    assert not missing, f"`ring3 --help` does not tell of {missing}"


def test_the_readme_has_its_session() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    session = readme.split("<!-- session: begin", 1)[1].split("<!-- session: end", 1)[0]
    assert "$ " in session and "exited with 0" in session


def rooms() -> list[Path]:
    """List the rooms: packages of ring3 with code in them, and the folders beside the package."""
    inside = [p.parent for p in PACKAGE.glob("*/__init__.py")]
    beside = [ROOT / n for n in ("shim", "tools", "bench", "docs")]
    suites = [p for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"]
    full = [p for p in inside if any(f.name != "__init__.py" for f in p.glob("*.py"))]
    return sorted(full + beside + suites)


@pytest.mark.parametrize("room", rooms(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_room_opens_with_a_readme(room: Path) -> None:
    assert (room / "README.md").exists()


def test_the_map_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    inside = [p for p in rooms() if p.parent == PACKAGE]
    missing = [p.name for p in inside if not re.search(rf"\b{p.name}\b", text)]
    assert not missing, missing


def test_decisions_are_numbered_once() -> None:
    names = [p.name for p in (ROOT / "docs" / "decisions").glob("*.md") if p.name != "README.md"]
    numbers = [n[:4] for n in names]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", n) for n in names), names
    assert len(set(numbers)) == len(numbers), sorted(numbers)


def test_the_changelog_knows_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {ring3.__version__}" in text


def test_source_distribution_takes_all_folders_along() -> None:
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    for folder in ("shim", "tools", "tests", "docs", "bench", ".ci"):
        assert f"graft {folder}" in manifest
