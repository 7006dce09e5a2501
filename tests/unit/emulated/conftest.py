"""The board on which rules of the processor are tested, in both of the engine's ways to work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.emulated.cpu_board import CpuBoard


def _refuse() -> None:
    raise OSError("no executable pages on this host")


@pytest.fixture(params=["live", "callbacks", "plain"])
def board(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[CpuBoard]:
    """The engine's three ways to work.

    live: the processor's own state, hooks in machine code; callbacks: no machine code; plain:
    Unicorn's public API only.
    """
    from tests.unit.emulated.cpu_board import CpuBoard

    if request.param == "callbacks":
        monkeypatch.setattr("ring3.machine.emulated.hooks.MachineCode", _refuse)
    yield CpuBoard(plain=request.param == "plain")
