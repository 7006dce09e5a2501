"""A file tree without a kernel: a walker over one mounted filesystem, for tests of vfs and fs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ring3.fs.tmpfs import TmpFs
from ring3.vfs import ops
from ring3.vfs.access import PlainCred
from ring3.vfs.context import FsContext
from ring3.vfs.mount import Filesystem, Mount, MountTable
from ring3.vfs.open import open_at
from ring3.vfs.path import FOLLOW, Place, walk

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Inode, Stat


class Tree:
    """Who walks, and shorthands that take paths as str or bytes."""

    def __init__(self, fs: Filesystem | None = None, uid: int = 0, gid: int = 0) -> None:
        self.mount = Mount(fs or TmpFs(mode=0o755))
        self.table = MountTable(self.mount)
        root = Place(self.mount, self.mount.root)
        self.fs = FsContext(root, root)
        self.cred = PlainCred(uid, gid)

    def as_user(self, uid: int, gid: int | None = None, groups: tuple[int, ...] = ()) -> Tree:
        """The same tree walked by somebody else."""
        other = object.__new__(Tree)
        other.mount, other.table = self.mount, self.table
        other.fs = self.fs.copy()
        other.cred = PlainCred(uid, uid if gid is None else gid, groups)
        return other

    def at(self, path: str | bytes, flags: int = FOLLOW, resolve: int = 0) -> Place:
        return walk(self, None, os.fsencode(path), flags, resolve)

    def inode(self, path: str | bytes) -> Inode:
        return self.at(path).inode

    def stat(self, path: str | bytes) -> Stat:
        return self.at(path).inode.stat()

    def lstat(self, path: str | bytes) -> Stat:
        return self.at(path, 0).inode.stat()

    def open(self, path: str | bytes, flags: int = os.O_RDONLY, mode: int = 0o644) -> File:
        file = open_at(self, None, os.fsencode(path), flags, mode)
        file.hold()
        return file

    def read(self, path: str | bytes) -> bytes:
        file = self.open(path)
        data = file.pread(1 << 24, 0)
        file.drop()
        return data

    def write(self, path: str | bytes, data: bytes, mode: int = 0o644) -> None:
        file = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        assert file.write(data) == len(data)
        file.drop()

    def mkdir(self, path: str | bytes, mode: int = 0o755) -> Place:
        return ops.mkdir(self, None, os.fsencode(path), mode)

    def symlink(self, target: str, path: str) -> None:
        ops.symlink(self, os.fsencode(target), None, os.fsencode(path))

    def names(self, path: str | bytes = "/") -> list[bytes]:
        return sorted(name for name, _, _ in self.at(path).inode.iterate())
