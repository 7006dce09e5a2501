"""Files of a guest world from outside, in the shape of ``pathlib``."""

from __future__ import annotations

import os

from ring3.abi.errno import Errno
from ring3.abi.fcntl import O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY
from ring3.abi.hints import TYPE_CHECKING, TypeVar
from ring3.task.credentials import Credentials
from ring3.vfs import ops
from ring3.vfs.context import FsContext
from ring3.vfs.inode import Stat
from ring3.vfs.open import open_at
from ring3.vfs.path import FOLLOW, Place, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring3.kernel import Kernel

T = TypeVar("T")
CHUNK = 1 << 20


class Visitor:
    """Who walks: the guest's user, at the root of the guest's tree, with an open umask of 022."""

    def __init__(self, kernel: Kernel) -> None:
        root = Place(kernel.view.table.root, kernel.view.table.root.root)
        self.fs = FsContext(root, root, 0o022)
        self.cred = Credentials(kernel.uid, kernel.gid, kernel.groups)


class GuestPath:
    """An absolute path in the guest's tree. Errors are the OSErrors of ``pathlib``."""

    def __init__(self, kernel: Kernel, path: str | os.PathLike[str]) -> None:
        self.kernel = kernel
        self.name = os.path.join("/", os.fspath(path))

    def __truediv__(self, name: str | os.PathLike[str]) -> GuestPath:
        return GuestPath(self.kernel, os.path.join(self.name, os.fspath(name)))

    def __fspath__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"GuestPath({self.name!r})"

    def _do(self, work: Callable[[Visitor, bytes], T]) -> T:
        with self.kernel.lock:
            try:
                return work(Visitor(self.kernel), os.fsencode(self.name))
            except Errno as bad:
                raise OSError(bad.number, bad.reason or bad.text, self.name) from None

    def read_bytes(self) -> bytes:
        def work(who: Visitor, path: bytes) -> bytes:
            file = open_at(who, None, path, O_RDONLY)
            file.hold()
            parts = []
            while part := file.read(CHUNK):
                parts.append(part)
            file.drop()
            return b"".join(parts)

        return self._do(work)

    def write_bytes(self, data: bytes, mode: int = 0o666) -> int:
        def work(who: Visitor, path: bytes) -> int:
            file = open_at(who, None, path, O_WRONLY | O_CREAT | O_TRUNC, mode)
            file.hold()
            done = 0
            while done < len(data):
                done += file.write(data[done : done + CHUNK])
            file.drop()
            return done

        return self._do(work)

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_text(self, text: str, encoding: str = "utf-8") -> int:
        self.write_bytes(text.encode(encoding))
        return len(text)

    def stat(self) -> Stat:
        return self._do(lambda who, path: walk(who, None, path, FOLLOW).inode.stat())

    def exists(self) -> bool:
        try:
            self.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if parents:
            parent = GuestPath(self.kernel, os.path.dirname(self.name))
            if not parent.exists():
                parent.mkdir(parents=True, exist_ok=True)
        try:
            self._do(lambda who, path: ops.mkdir(who, None, path, mode))
        except FileExistsError:
            if not exist_ok:
                raise

    def unlink(self) -> None:
        self._do(lambda who, path: ops.unlink(who, None, path))

    def iterdir(self) -> Iterator[GuestPath]:
        def work(who: Visitor, path: bytes) -> list[str]:
            place = walk(who, None, path, FOLLOW)
            return [os.fsdecode(name) for name, _ino, _kind in place.inode.iterate()]

        return iter([self / name for name in self._do(work) if name not in (".", "..")])
