"""What a guest changed in its private layer: listing it, and saving it on the host."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ring3.fs.overlay import Change

LETTERS = {"added": "A", "modified": "C", "deleted": "D"}
DELETED = ".ring3-deleted"
"""File below --keep's directory that lists what the guest deleted."""


def print_changes(changes: Iterable[Change]) -> None:
    """One line each, as ``docker diff``: A added, C changed, D deleted."""
    sys.stdout.flush()
    for change in changes:
        line = f"{LETTERS[change.kind]} {os.fsdecode(change.path)}\n"
        sys.stdout.buffer.write(os.fsencode(line))
    sys.stdout.flush()


def keep(changes: Sequence[Change], folder: str) -> None:
    """Write what was added or modified below *folder*, at the guest's paths.

    Set-ID bits, device nodes, FIFOs and sockets stay behind: they would outlive the guest's world.
    """
    os.makedirs(folder, exist_ok=True)
    deleted = []
    modes: list[tuple[bytes, int]] = []
    for change in changes:
        if change.inode is None:
            deleted.append(change.path)
            continue
        target = os.path.join(os.fsencode(folder), change.path.lstrip(b"/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        save(change.inode, target, modes)
    # Directories last: a read-only one has to be filled first.
    for target, mode in reversed(modes):
        os.chmod(target, mode)
    if deleted:
        with open(os.path.join(folder, DELETED), "wb") as listing:
            listing.writelines(path + b"\n" for path in deleted)


def save(inode: Any, target: bytes, modes: list[tuple[bytes, int]]) -> None:
    """Write one file, directory or link."""
    kind = inode.mode & S_IFMT
    stat = inode.stat()
    if kind == S_IFDIR:
        os.makedirs(target, exist_ok=True)
        modes.append((target, stat.mode & 0o777))
        return
    if os.path.lexists(target):
        os.unlink(target)
    if kind == S_IFLNK:
        os.symlink(inode.readlink(None), target)
    elif kind == S_IFREG:
        copy_content(inode.content(), target, stat.mode & 0o777)
        os.utime(target, ns=(stat.atime_ns, stat.mtime_ns))


def copy_content(source: int, target: bytes, mode: int) -> None:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        offset = 0
        while data := os.pread(source, 1 << 20, offset):
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            offset += len(data)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
