"""Files tell a machine that keeps pages of them: before reads, after writes, at new sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ring3.abi.errno import EBUSY, EPERM
from ring3.abi.fcntl import (
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
)
from ring3.fs.host import HostFs
from ring3.fs.memfd import memfd_mount, open_memfd
from ring3.fs.overlay import OverlayFs
from ring3.fs.tmpfs import TmpFs
from tests.unit.vfs.tree import Tree

TOLD = ("before_read", "after_write", "truncated")


class Mapping:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.mapped = False

    def before_read(self, offset: int, size: int) -> None:
        self.told.append(("before_read", offset, size))

    def after_write(self, offset: int, size: int) -> None:
        self.told.append(("after_write", offset, size))

    def truncated(self, size: int) -> None:
        self.told.append(("truncated", size))

    def shared_writable(self) -> bool:
        return self.mapped

    def gone(self) -> None:
        self.told.append(("gone",))

    def take(self) -> list[tuple[Any, ...]]:
        told, self.told = self.told, []
        return told


@pytest.fixture(params=["host", "own tmpfs", "own overlay"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """A tree with /f, which holds 8 bytes."""
    (tmp_path / "f").write_bytes(b"12345678")
    if request.param == "host":
        return Tree(HostFs(os.fsencode(tmp_path), writable=True))
    if request.param == "own overlay":
        overlay = OverlayFs(HostFs(os.fsencode(tmp_path)))
        overlay.own_content = True
        return Tree(overlay)
    fs = TmpFs(mode=0o755)
    fs.own_content = True
    made = Tree(fs)
    made.write("/f", b"12345678")
    return made


def mapped(tree: Tree) -> tuple[Any, Mapping]:
    file = tree.open("/f", os.O_RDWR)
    mapping = Mapping()
    file.inode.mapping = mapping
    return file, mapping


def test_reads_ask_for_what_was_stored(tree: Tree) -> None:
    file, mapping = mapped(tree)
    assert file.read(3) == b"123"
    assert file.read(2) == b"45"
    assert file.pread(4, 1) == b"2345"
    assert mapping.take() == [("before_read", 0, 3), ("before_read", 3, 2), ("before_read", 1, 4)]
    file.drop()


def test_writes_are_told_and_growth_too(tree: Tree) -> None:
    file, mapping = mapped(tree)
    assert file.pwrite(b"ab", 2) == 2
    assert mapping.take() == [("before_read", 2, 2), ("after_write", 2, 2)]
    file.seek(0, os.SEEK_END)
    assert file.write(b"xyz") == 3
    assert mapping.take() == [("before_read", 8, 3), ("truncated", 11), ("after_write", 8, 3)]
    file.drop()
    assert tree.read("/f") == b"12ab5678xyz"


def test_append_is_told_where_it_went(tree: Tree) -> None:
    file = tree.open("/f", os.O_WRONLY | os.O_APPEND)
    mapping = Mapping()
    file.inode.mapping = mapping  # type: ignore[assignment]
    assert file.pwrite(b"z", 0) == 1, "O_APPEND goes before the offset"
    assert mapping.take() == [("before_read", 8, 1), ("truncated", 9), ("after_write", 8, 1)]
    file.drop()


def test_new_sizes_and_holes_are_told(tree: Tree) -> None:
    file, mapping = mapped(tree)
    file.truncate(4)
    file.truncate(9000)
    sizes = [told[1] for told in mapping.take() if told[0] == "truncated"]
    assert sizes == [4, 9000]
    file.fallocate(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096)
    kinds = [told[0] for told in mapping.take()]
    assert kinds[0] == "before_read" and kinds[-1] == "after_write"
    assert file.pread(4, 0) == bytes(4)
    file.drop()


def test_what_the_machine_writes_back_is_content_and_tells_nobody(tree: Tree) -> None:
    file, mapping = mapped(tree)
    inode = file.inode
    before = inode.stamp()
    inode.write_at(2, b"XY")
    assert mapping.take() == []
    assert inode.read_at(0, 99) == b"12XY5678"
    assert inode.content_size() == 8
    assert inode.read_at(8, 5) == b""
    assert (before == inode.stamp()) == (before is None) or before != inode.stamp()
    file.drop()


def test_a_removed_file_gives_its_pages_up() -> None:
    fs = TmpFs(mode=0o755)
    fs.own_content = True
    tree = Tree(fs)
    tree.write("/f", b"x" * 5000)
    file, mapping = mapped(tree)
    from ring3.vfs import ops

    ops.unlink(tree, None, b"/f")
    file.inode.pin()
    file.drop()
    assert ("gone",) not in mapping.take() and fs.used
    file.inode.unpin()
    assert ("gone",) in mapping.take()
    assert fs.used == 0


def test_a_file_of_the_host_is_read_until_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"lower")
    overlay = OverlayFs(HostFs(os.fsencode(tmp_path)))
    overlay.own_content = True
    tree = Tree(overlay)
    reader = tree.open("/f")
    assert reader.read(2) == b"lo"
    writer = tree.open("/f", os.O_WRONLY)
    writer.pwrite(b"UPPER!", 0)
    assert reader.read(9) == b"PER!", "one file, whoever has it open"
    assert (tmp_path / "f").read_bytes() == b"lower"
    assert {c.path: c.kind for c in overlay.changes()} == {b"/f": "modified"}
    fds = len(os.listdir("/proc/self/fd"))
    reader.drop()
    writer.drop()
    assert len(os.listdir("/proc/self/fd")) <= fds


def test_seals_of_the_kernels_own_memfds() -> None:
    tree = Tree()
    file: Any = open_memfd(tree, memfd_mount(own=True), b"m", sealing=True, noexec=False)
    file.hold()
    inode = file.inode
    mapping = Mapping()
    inode.mapping = mapping
    file.write(b"12345678")
    mapping.mapped = True
    with pytest.raises(EBUSY):
        inode.add_seals(F_SEAL_WRITE)
    mapping.mapped = False
    inode.add_seals(F_SEAL_SHRINK | F_SEAL_GROW)
    for size in (4, 12):
        with pytest.raises(EPERM):
            file.truncate(size)
    with pytest.raises(EPERM):
        file.pwrite(b"x", 8)
    file.pwrite(b"x", 0)
    inode.add_seals(F_SEAL_WRITE | F_SEAL_SEAL)
    with pytest.raises(EPERM):
        file.pwrite(b"y", 0)
    with pytest.raises(EPERM):
        file.map_content(3, True)
    with pytest.raises(EPERM):
        inode.add_seals(F_SEAL_GROW)
    assert inode.get_seals() == F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL
    file.drop()
