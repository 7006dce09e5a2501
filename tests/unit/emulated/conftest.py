"""The board on which rules of the processor are tested, in both of the engine's ways to work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.emulated.cpu_board import CpuBoard


@pytest.fixture(params=["live", "plain"])
def board(request: pytest.FixtureRequest) -> Iterator[CpuBoard]:
    """live: the processor's own state and machine code hooks; plain: Unicorn's public API only."""
    from tests.unit.emulated.cpu_board import CpuBoard

    yield CpuBoard(plain=request.param == "plain")
