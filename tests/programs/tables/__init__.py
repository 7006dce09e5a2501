"""The cases, one module per family of programs; each module has a CASES list."""

from __future__ import annotations

from tests.programs.case import Case
from tests.programs.tables import (
    archives,
    builds,
    coreutils,
    databases,
    git,
    languages,
    python,
    shells,
    terminals,
    text,
)

CASES: list[Case] = [
    case
    for module in (
        coreutils,
        shells,
        terminals,
        text,
        archives,
        languages,
        python,
        builds,
        git,
        databases,
    )
    for case in module.CASES
]
