"""The same operation on a real directory and on a ring3 tree, with comparable results."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from ring3.abi.errno import Errno
from ring3.fs.hostinode import HostInode
from ring3.syscalls.open import check_flags
from ring3.vfs import attributes, ops
from ring3.vfs.hostcall import rename_exchange
from ring3.vfs.path import walk
from tests.unit.vfs.tree import Tree

DEPTH = "one/two/three/four"
"""Where the game is played, so that ".." stays inside."""


def attempt(action: Callable[[], Any]) -> Any:
    """The result, or the name of the error."""
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except Errno as error:
        return type(error).__name__


class Host:
    """A directory of the real kernel. Paths are relative to ``top/DEPTH``."""

    def __init__(self, top: str) -> None:
        self.top = top
        self.base = os.open(os.path.join(top, DEPTH), os.O_RDONLY | os.O_DIRECTORY)
        self.open_files: dict[int, int] = {}

    def close(self) -> None:
        for fd in self.open_files.values():
            os.close(fd)
        os.close(self.base)

    def open(self, slot: int, path: str, flags: int, mode: int) -> str:
        if slot in self.open_files:
            os.close(self.open_files.pop(slot))
        self.open_files[slot] = os.open(path, flags, mode, dir_fd=self.base)
        return "ok"

    def close_slot(self, slot: int) -> str:
        fd = self.open_files.pop(slot, None)
        if fd is not None:
            os.close(fd)
        return "ok"

    def on(self, slot: int) -> int:
        return self.open_files.get(slot, 9999)

    def write(self, slot: int, data: bytes) -> int:
        return os.write(self.on(slot), data)

    def read(self, slot: int, size: int) -> bytes:
        return os.read(self.on(slot), size)

    def seek(self, slot: int, offset: int, whence: int) -> int:
        return os.lseek(self.on(slot), offset, whence)

    def ftruncate(self, slot: int, size: int) -> str:
        os.ftruncate(self.on(slot), size)
        return "ok"

    def fstat(self, slot: int) -> tuple[Any, ...]:
        return shape(os.fstat(self.on(slot)))

    def mkdir(self, path: str, mode: int) -> str:
        os.mkdir(path, mode, dir_fd=self.base)
        return "ok"

    def rmdir(self, path: str) -> str:
        os.rmdir(path, dir_fd=self.base)
        return "ok"

    def unlink(self, path: str) -> str:
        os.unlink(path, dir_fd=self.base)
        return "ok"

    def rename(self, old: str, new: str, exchange: bool) -> str:
        if exchange:
            rename_exchange(self.base, os.fsencode(old), self.base, os.fsencode(new))
        else:
            os.rename(old, new, src_dir_fd=self.base, dst_dir_fd=self.base)
        return "ok"

    def link(self, old: str, new: str, follow: bool) -> str:
        os.link(old, new, src_dir_fd=self.base, dst_dir_fd=self.base, follow_symlinks=follow)
        return "ok"

    def symlink(self, target: str, path: str) -> str:
        os.symlink(target, path, dir_fd=self.base)
        return "ok"

    def readlink(self, path: str) -> str:
        return os.readlink(path, dir_fd=self.base)

    def mkfifo(self, path: str, mode: int) -> str:
        os.mkfifo(path, mode, dir_fd=self.base)
        return "ok"

    def stat(self, path: str, follow: bool) -> tuple[Any, ...]:
        return shape(os.stat(path, dir_fd=self.base, follow_symlinks=follow))

    def chmod(self, path: str, mode: int) -> str:
        # By descriptor: os.chmod with dir_fd would do, but not through dangling links alike.
        os.chmod(path, mode, dir_fd=self.base)
        return "ok"

    def truncate(self, path: str, size: int) -> str:
        here = os.getcwd()
        os.fchdir(self.base)
        try:
            os.truncate(path, size)
        finally:
            os.chdir(here)
        return "ok"

    def utime(self, path: str, ns: int) -> tuple[int, int]:
        os.utime(path, ns=(ns, ns + 1), dir_fd=self.base)
        st = os.stat(path, dir_fd=self.base)
        return st.st_atime_ns, st.st_mtime_ns

    def names(self, path: str) -> list[str]:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.base)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def everything(self) -> dict[str, Any]:
        """Path -> what is there, below ``top``."""
        found: dict[str, Any] = {}
        for folder, _, files in os.walk(self.top):
            inside = os.path.relpath(folder, self.top)
            found[inside] = shape(os.lstat(folder))
            for name in files:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                content: Any = None
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as file:
                        content = file.read()
                elif stat.S_ISLNK(st.st_mode):
                    content = os.readlink(path)
                found[os.path.normpath(os.path.join(inside, name))] = (*shape(st), content)
        for folder, folders, _ in os.walk(self.top):
            for name in folders:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    inside = os.path.normpath(os.path.relpath(path, self.top))
                    found[inside] = (*shape(os.lstat(path)), os.readlink(path))
        return found


def shape(st: Any) -> tuple[Any, ...]:
    """What of a stat result must be equal: (mode, links, size of what has one)."""
    sized = stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode)
    return st.st_mode, st.st_nlink, st.st_size if sized else 0


class Ours:
    """A ring3 tree, with the methods of ``Host``."""

    def __init__(self, tree: Tree, top: str) -> None:
        self.tree = tree
        self.top = top
        self.base = tree.at(os.path.join(top, DEPTH))
        tree.fs.cwd = self.base
        tree.fs.umask = 0
        self.open_files: dict[int, Any] = {}

    def close(self) -> None:
        for file in self.open_files.values():
            file.drop()

    def open(self, slot: int, path: str, flags: int, mode: int) -> str:
        if slot in self.open_files:
            self.open_files.pop(slot).drop()
        self.open_files[slot] = self.tree.open(path, check_flags(flags), mode)
        return "ok"

    def close_slot(self, slot: int) -> str:
        file = self.open_files.pop(slot, None)
        if file is not None:
            file.drop()
        return "ok"

    def on(self, slot: int) -> Any:
        if slot not in self.open_files:
            raise OSError(errno.EBADF, "closed")
        return self.open_files[slot]

    def write(self, slot: int, data: bytes) -> int:
        file = self.on(slot)
        file.need_writable()
        return file.write(data)  # type: ignore[no-any-return]

    def read(self, slot: int, size: int) -> bytes:
        file = self.on(slot)
        file.need_readable()
        return file.read(size)  # type: ignore[no-any-return]

    def seek(self, slot: int, offset: int, whence: int) -> int:
        return self.on(slot).seek(offset, whence)  # type: ignore[no-any-return]

    def ftruncate(self, slot: int, size: int) -> str:
        self.on(slot).truncate(size)
        return "ok"

    def fstat(self, slot: int) -> tuple[Any, ...]:
        return our_shape(self.on(slot).stat())

    def mkdir(self, path: str, mode: int) -> str:
        self.tree.mkdir(path, mode)
        return "ok"

    def rmdir(self, path: str) -> str:
        ops.rmdir(self.tree, None, os.fsencode(path))
        return "ok"

    def unlink(self, path: str) -> str:
        ops.unlink(self.tree, None, os.fsencode(path))
        return "ok"

    def rename(self, old: str, new: str, exchange: bool) -> str:
        flags = 2 if exchange else 0
        ops.rename(self.tree, None, os.fsencode(old), None, os.fsencode(new), flags)
        return "ok"

    def link(self, old: str, new: str, follow: bool) -> str:
        place = walk(self.tree, None, os.fsencode(old), int(follow))
        ops.link(self.tree, place, None, os.fsencode(new))
        return "ok"

    def symlink(self, target: str, path: str) -> str:
        self.tree.symlink(target, path)
        return "ok"

    def readlink(self, path: str) -> str:
        return os.fsdecode(self.tree.at(path, 0).inode.readlink(self.tree))

    def mkfifo(self, path: str, mode: int) -> str:
        ops.mknod(self.tree, None, os.fsencode(path), stat.S_IFIFO | mode, 0)
        return "ok"

    def stat(self, path: str, follow: bool) -> tuple[Any, ...]:
        return our_shape(self.tree.at(path, int(follow)).inode.stat())

    def chmod(self, path: str, mode: int) -> str:
        attributes.chmod(self.tree.cred, self.tree.at(path), mode)
        return "ok"

    def truncate(self, path: str, size: int) -> str:
        attributes.truncate(self.tree.cred, self.tree.at(path), size)
        return "ok"

    def utime(self, path: str, ns: int) -> tuple[int, int]:
        attributes.set_times(self.tree.cred, self.tree.at(path), ns, ns + 1)
        st = self.tree.stat(path)
        return st.atime_ns, st.mtime_ns

    def names(self, path: str) -> list[str]:
        file = self.tree.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.fsdecode(entry[0]) for entry in file.listing()[2:])  # type: ignore[attr-defined]
        finally:
            file.drop()

    def everything(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        todo = [(".", self.tree.at(self.top).inode)]
        while todo:
            inside, inode = todo.pop()
            inode.refresh()
            shown = our_shape(inode.stat())
            if not inode.is_dir:
                shown = (*shown, self.content(inode, inside))
            found[inside] = shown
            if inode.is_dir:
                for name, ino, mode in inode.iterate():
                    child = inode.lookup(name)
                    assert child is not None, name
                    assert (child.stat().ino, stat.S_IFMT(child.mode)) == (ino, stat.S_IFMT(mode))
                    todo.append((os.path.normpath(os.path.join(inside, os.fsdecode(name))), child))
        return found

    def content(self, inode: Any, inside: str) -> Any:
        if inode.is_symlink:
            return os.fsdecode(inode.readlink(self.tree))
        if inode.is_regular:
            return self.tree.read(os.path.join(self.top, inside))
        return None


def our_shape(st: Any) -> tuple[Any, ...]:
    sized = stat.S_ISREG(st.mode) or stat.S_ISLNK(st.mode)
    return st.mode, st.nlink, st.size if sized else 0


__all__ = ["DEPTH", "Host", "HostInode", "Ours", "attempt"]
