"""ring3: a Linux kernel that itself runs in ring 3 and serves unmodified Linux programs."""

from __future__ import annotations

__version__ = "0.1.0"
