"""ring3: a Linux kernel that itself runs in ring 3 and serves unmodified Linux programs."""

from __future__ import annotations

__version__ = "0.1.0"

_API = frozenset(
    "CalledProcessError CompletedProcess DEVNULL Kernel PIPE Popen STDOUT TimeoutExpired arun"
    " run".split()
)


def __getattr__(name: str) -> object:
    """The Python interface, imported when it is first used: the command line does without."""
    if name in _API:
        from ring3 import api

        return getattr(api, name)
    raise AttributeError(f"module 'ring3' has no attribute {name!r}")
