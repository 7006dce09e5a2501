"""The generated pages of docs/reference are what their generator writes now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("gen", ROOT / "tools" / "gen_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["syscalls.md", "command-line.md"])
def test_the_page_is_current(page: str) -> None:
    kept = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert kept == generator().PAGES[page](), f"run `make docs`: {page} is out of date"
