"""The terminals of a world that have a number. Loaded with every guest, so it imports little."""

from __future__ import annotations

import os

from ring3.abi.errno import ENOSPC, ENXIO
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.vfs.special import minor

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.path import Place

PTS_MAJOR = 136
MOST = 4096
"""Terminals of one world (kernel.pty.max)."""


class PtyTable:
    """The terminals that have a number: pairs, and consoles (drivers.console)."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.pairs: dict[int, Any] = {}
        """Number -> PtyPair or Console."""
        self.consoles: dict[int, Any] = {}
        """Host device number -> Console."""
        self.mount: Any = None
        """Where /dev/pts is shown: slaves that were not opened by name belong there."""

    def number(self) -> int:
        """The lowest number that is free. ENOSPC."""
        for index in range(MOST):
            if index not in self.pairs:
                return index
        raise ENOSPC(f"{MOST} terminals are the limit")

    def place(self, index: int) -> Place | None:
        """/dev/pts/*index*."""
        from ring3.vfs.path import Place

        if self.mount is None:
            return None
        dentry = self.mount.root.look(b"%d" % index, 0.0)
        return None if dentry is None else Place(self.mount, dentry)

    def open_master(self, who: Walker, flags: int) -> File:
        """/dev/ptmx: a new pair, a host's where that can be bound."""
        if self.world.own_objects:
            from ring3.drivers import ownpty

            return ownpty.new_pair(self, who, flags)
        from ring3.drivers.pty import new_pair

        return new_pair(self, who, flags)

    def open_slave(self, who: Walker, rdev: int, flags: int) -> File:
        """Open the terminal with device number *rdev*. EIO, ENXIO."""
        found = self.pairs.get(minor(rdev))
        if found is None:
            raise ENXIO("no such terminal")
        file: File = found.open(who, flags)
        return file

    def forget(self, pair: Any) -> None:
        """The master of *pair* was closed: its number is free, its name is gone."""
        index, now = pair.index, self.pairs.get(pair.index)
        if now is pair:
            del self.pairs[index]
        self.world.terminals.forget(pair.control)
        if self.mount is not None:
            dentry = self.mount.root.children.get(b"%d" % index)
            if dentry is not None:
                dentry.kill()

    def close(self) -> None:
        """The world ends: give the caller's terminals back as they were."""
        for console in self.consoles.values():
            if hasattr(console, "close"):
                console.close()


def ptys_of(world: Any) -> PtyTable:
    """The table of *world*, made if need be."""
    if world.ptys is None:
        world.ptys = PtyTable(world)
    table: PtyTable = world.ptys
    return table


def in_foreground(fd: int) -> bool:
    """Whether ring3 may read terminal *fd*: it is in its foreground, or it is not ring3's."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True
