"""Without the extra's packages: what still works, and what is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ring3.cli.main import main
from ring3.explain.selection import Selection
from tests.unit.explain.scene import Scene


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in ("rich", "capstone", "elftools"):
            monkeypatch.delitem(sys.modules, name)
    for name in ("rich", "rich.console", "capstone", "elftools"):
        monkeypatch.setitem(sys.modules, name, None)


def saved(folder: Path) -> Path:
    scene = Scene(Selection("getpid"))
    scene.call("getpid")
    path = folder / "film.json"
    path.write_text(scene.film().to_json())
    scene.close()
    return path


@pytest.mark.usefixtures("bare")
def test_a_film_is_made_and_says_what_chapter_1_lacks(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert '"result"' in path.read_text()


@pytest.mark.usefixtures("bare")
def test_the_terminal_names_the_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path)
    assert main(["explain", "--show", str(path)]) == 125
    assert "pip install 'ring3[explain]'" in capsys.readouterr().err
    page = tmp_path / "page.html"
    assert main(["explain", "--show", str(path), "--html", str(page)]) == 0
    assert "getpid" in page.read_text()
    assert main(["explain", "--show", str(path), "--json"]) == 0
    assert capsys.readouterr().out == path.read_text()
