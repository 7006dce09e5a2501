"""What not every host's Python has, with what stands in for it.

The native machine needs Linux and names its calls directly. The kernel and the emulated machine run
elsewhere too: what they want of the host comes from here where a name could be missing.
"""

from __future__ import annotations

import os
import sys

from ring3.abi.hints import Any, Final

LINUX: Final = sys.platform == "linux"


def flag(name: str, otherwise: int = 0) -> int:
    """An open(2) flag of the host, or *otherwise* where it has none."""
    value: int = getattr(os, name, otherwise)
    return value


O_CLOEXEC: Final = flag("O_CLOEXEC")
O_DIRECTORY: Final = flag("O_DIRECTORY")
O_NOATIME: Final = flag("O_NOATIME")
O_NOCTTY: Final = flag("O_NOCTTY")
O_NOFOLLOW: Final = flag("O_NOFOLLOW")
O_NONBLOCK: Final = flag("O_NONBLOCK")
O_PATH: Final = flag("O_PATH")
"""0 elsewhere: directories and files are then opened for reading, and what cannot be read cannot
be entered or looked at through a descriptor."""


class Missing:
    """A module the host does not have: any use says so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, attribute: str) -> Any:
        raise OSError(38, f"this host has no {self.name}.{attribute}")


fcntl: Any
try:
    import fcntl
except ImportError:
    fcntl = Missing("fcntl")


def memory_size() -> int:
    """Bytes of RAM of the host; 4 GiB where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def caller() -> tuple[int, int, tuple[int, ...]]:
    """User, group and further groups of whoever runs this process; (0, 0, ()) where the host has
    no such numbers."""
    if not hasattr(os, "getuid"):
        return 0, 0, ()
    return os.getuid(), os.getgid(), tuple(os.getgroups())


def effective_user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0
