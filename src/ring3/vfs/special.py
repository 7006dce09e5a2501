"""Openers of what is no regular file and no directory: FIFOs, devices, sockets.

The rooms that implement those may not be imported from here, nor may this room know them:
kernel.py enters their openers at boot.
"""

from __future__ import annotations

from ring3.abi.errno import ENXIO
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFBLK, S_IFCHR, S_IFMT, S_IFSOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.path import Place

    Opener = Callable[[Walker, Place, int], File]
    """(who opens, what, open flags) -> a new open file description. May park."""

OPENERS: dict[int | tuple[int, int] | tuple[int, int, int], Opener] = {}
"""By S_IFIFO; by (S_IFCHR or S_IFBLK, major); by (S_IFCHR or S_IFBLK, major, minor)."""


def register(opener: Opener, kind: int, major: int | None = None, minor: int | None = None) -> None:
    """Have *opener* open inodes of type *kind* (S_IF*), for devices those of that number."""
    if major is None:
        OPENERS[kind] = opener
    elif minor is None:
        OPENERS[kind, major] = opener
    else:
        OPENERS[kind, major, minor] = opener


def major(dev: int) -> int:
    return (dev >> 8 & 0xFFF) | (dev >> 32 & ~0xFFF)


def minor(dev: int) -> int:
    return (dev & 0xFF) | (dev >> 12 & ~0xFF)


def makedev(high: int, low: int) -> int:
    """A device number as stat(2) shows it."""
    return (high & 0xFFF) << 8 | (low & 0xFF) | (low & ~0xFF) << 12 | (high & ~0xFFF) << 32


def open_special(who: Walker, place: Place, flags: int) -> File:
    """Open a FIFO or device. ENXIO where nothing serves it."""
    inode = place.dentry.inode
    kind = inode.mode & S_IFMT
    inode.check_special()
    if kind == S_IFSOCK:
        raise ENXIO("a socket is connected to, not opened")
    opener = None
    if kind in (S_IFCHR, S_IFBLK):
        high = major(inode.rdev)
        opener = OPENERS.get((kind, high, minor(inode.rdev))) or OPENERS.get((kind, high))
    else:
        opener = OPENERS.get(kind)
    if opener is None:
        raise ENXIO(f"nothing serves inode type {kind:o}, device {inode.rdev:#x}")
    return opener(who, place, flags)
