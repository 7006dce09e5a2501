"""Let ``python -m ring3`` do what the ``ring3`` command does."""

from __future__ import annotations

import sys

from ring3.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
