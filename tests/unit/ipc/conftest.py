"""Fixtures: a kernel on a machine that binds host objects, and on one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.fakes import Kitchen


@pytest.fixture(params=[True, False], ids=["host", "own"])
def k(request: pytest.FixtureRequest) -> Iterator[Kitchen]:
    kitchen = Kitchen(can_bind=request.param)
    yield kitchen
    kitchen.close()


@pytest.fixture
def plain() -> Iterator[Kitchen]:
    """For what does not depend on the machine."""
    kitchen = Kitchen()
    yield kitchen
    kitchen.close()
