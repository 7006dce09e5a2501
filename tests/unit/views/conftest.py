"""A guest world with the default view, and a task in it; no machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ring3.kernel_setup import register_openers
from ring3.task.task import Task
from ring3.vfs import special
from ring3.vfs.context import FsContext
from ring3.vfs.directory import DirFile
from ring3.vfs.file import File
from ring3.vfs.open import open_at
from ring3.vfs.path import Place, walk
from ring3.view import View, default_view
from tests.unit.fakes import Kitchen


class Guest:
    """*t* stands in the root directory of *view*."""

    def __init__(self, view: View, k: Kitchen) -> None:
        self.view = view
        self.k = k
        self.t = self.settle(k.task())

    def settle(self, t: Task) -> Task:
        root = Place(self.view.table.root, self.view.table.root.root)
        t.fs = FsContext(root, root)
        return t

    def open(self, path: str | bytes, flags: int = os.O_RDONLY, t: Task | None = None) -> int:
        """A descriptor of *t* (the guest's task, by default)."""
        t = t or self.t
        file = open_at(t, None, os.fsencode(path), flags, 0o666)
        return t.fds.install(file)

    def text(self, path: str, t: Task | None = None) -> bytes:
        """All of a file."""
        t = t or self.t
        number = self.open(path, t=t)
        file: File = t.fds.get(number)
        found = b""
        while data := file.read(65536):
            found += data
        t.fds.close(number)
        return found

    def names(self, path: str) -> list[str]:
        number = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        file: DirFile = self.t.fds.get(number, DirFile)
        found = [name.decode() for name, _, _ in file.listing()]
        self.t.fds.close(number)
        return sorted(n for n in found if n not in (".", ".."))

    def write(self, path: str, data: bytes) -> None:
        number = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        file: File = self.t.fds.get(number)
        while data:
            data = data[file.write(data) :]
        self.t.fds.close(number)

    def link(self, path: str) -> bytes:
        return walk(self.t, None, os.fsencode(path), 0).inode.readlink(self.t)


@pytest.fixture
def kitchen() -> Iterator[Kitchen]:
    openers = dict(special.OPENERS)
    k = Kitchen()
    register_openers(k.world)
    yield k
    k.close()
    special.OPENERS.clear()
    special.OPENERS.update(openers)


class Maker:
    """Makes views; closes them at the end."""

    def __init__(self, k: Kitchen, cwd: Path) -> None:
        self.k = k
        self.cwd = cwd
        self.views: list[View] = []

    def __call__(
        self, root: str | None = None, rw: tuple[str, ...] = (), ro: tuple[str, ...] = ()
    ) -> Guest:
        view = default_view(self.k.world, root, rw, ro, str(self.cwd), os.getuid(), os.getgid())
        self.k.world.mounts = view.table
        self.views.append(view)
        return Guest(view, self.k)


@pytest.fixture
def make(kitchen: Kitchen, tmp_path: Path) -> Iterator[Maker]:
    """Views whose working directory is ``work`` in a fresh directory."""
    work = tmp_path / "work"
    work.mkdir()
    maker = Maker(kitchen, work)
    yield maker
    for view in maker.views:
        view.close()


@pytest.fixture
def guest(make: Maker) -> Guest:
    return make()
