"""Let ``python -m ring3`` do what the ``ring3`` command does."""

from __future__ import annotations

from ring3.cli.main import entry

if __name__ == "__main__":
    entry()
