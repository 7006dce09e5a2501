"""What a guest changed in its private layer: listing it, and saving it on the host."""

from __future__ import annotations

import os
import sys

from ring3.abi.hints import TYPE_CHECKING, Any
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
    No symbolic link on the way is followed, whoever made it: the guest chose the names.
    """
    os.makedirs(folder, exist_ok=True)
    top = os.open(folder, DIRECTORY)
    deleted = []
    folders: list[tuple[bytes, int]] = []
    try:
        for change in changes:
            if change.inode is None:
                deleted.append(change.path + b"\n")
            else:
                save(top, change.path, change.inode, folders)
        # Directories last: a read-only one has to be filled first.
        for path, mode in reversed(folders):
            fd = open_below(top, path)
            os.fchmod(fd, mode)
            os.close(fd)
        if deleted:
            copy_in(top, DELETED, b"".join(deleted))
    finally:
        os.close(top)


DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_below(top: int, path: bytes) -> int:
    """A descriptor of the directory *path* below *top*, made where it is missing."""
    at = os.dup(top)
    try:
        for name in path.split(b"/"):
            if not name:
                continue
            try:
                os.mkdir(name, 0o755, dir_fd=at)
            except FileExistsError:
                pass
            below = os.open(name, DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
    except OSError:
        os.close(at)
        raise
    return at


def save(top: int, path: bytes, inode: Any, folders: list[tuple[bytes, int]]) -> None:
    """Write one file, directory or link."""
    kind = inode.mode & S_IFMT
    stat = inode.stat()
    try:
        if kind == S_IFDIR:
            os.close(open_below(top, path))
            folders.append((path, stat.mode & 0o777))
            return
        parent = open_below(top, os.path.dirname(path))
    except NotADirectoryError:
        say_skipped(path)
        return
    name = os.path.basename(path)
    try:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        if kind == S_IFLNK:
            os.symlink(inode.readlink(None), name, dir_fd=parent)
        elif kind == S_IFREG:
            fd = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
            try:
                copy_content(inode, fd)
                os.fchmod(fd, stat.mode & 0o777)
                os.utime(fd, ns=(stat.atime_ns, stat.mtime_ns))
            finally:
                os.close(fd)
    except IsADirectoryError:
        say_skipped(path)
    finally:
        os.close(parent)


NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def say_skipped(path: bytes) -> None:
    print(f"ring3: --keep: {os.fsdecode(path)}: something else is in the way", file=sys.stderr)


def copy_in(top: int, name: str, data: bytes) -> None:
    try:
        os.unlink(name, dir_fd=top)
    except FileNotFoundError:
        pass
    with os.fdopen(os.open(name, NEW_FILE, 0o644, dir_fd=top), "wb") as file:
        file.write(data)


def copy_content(inode: Any, target: int) -> None:
    if inode.mapping is not None:
        inode.mapping.before_read(0, inode.content_size())
    offset = 0
    while data := inode.read_at(offset, 1 << 20):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        offset += len(data)
