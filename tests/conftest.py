"""What every suite shares: the source tree is the ring3 under test, and nothing has a real home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SRC = str(ROOT / "src")

for entry in (str(ROOT), SRC):  # ROOT: suites import their own tables as tests.ROOM.MODULE
    if entry not in sys.path:
        sys.path.insert(0, entry)
# The same examples each run: a failure is somebody's change, not the day's luck. More, and others,
# come with RING3_EXAMPLES (tests/property/README.md).
settings.register_profile("ring3", derandomize=not os.environ.get("RING3_EXAMPLES"))
settings.load_profile("ring3")
# Programs that tests start find the same ring3.
os.environ["PYTHONPATH"] = SRC
# No test, and no guest of a test, is to meet the caller's own dot files.
os.environ["HOME"] = "/nonexistent"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked long, by name, unless RING3_TEST_ALL=1 asks for everything."""
    if os.environ.get("RING3_TEST_ALL") == "1":
        return
    skip = pytest.mark.skip(reason="long; RING3_TEST_ALL=1 runs it")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
