"""The cache of names: how it follows volatile trees, and that it does not grow for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ring3.abi.errno import EISDIR, ENOENT, ENOTEMPTY
from ring3.fs.host import HostFs
from ring3.vfs import dentry, ops
from ring3.vfs.path import path_of
from tests.unit.vfs.tree import Tree


def test_names_in_use_survive_the_shrinking_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dentry, "MOST_CACHED", 50)
    for i in range(200):
        (tmp_path / f"f{i}").write_text("")
    tree = Tree(HostFs(os.fsencode(tmp_path), writable=True))
    tree.mount.fs.most_cached = 50
    file = tree.open("/f7")
    for i in range(200):
        tree.stat(f"/f{i}")
    assert len(tree.mount.root.children) < 60
    ops.rename(tree, None, b"/f7", None, b"/moved")
    assert file.place is not None
    assert path_of(file.place, None) == b"/moved"
    file.drop()


def test_shrinking_is_not_tried_for_each_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dentry, "MOST_CACHED", 10)
    tree = Tree()
    tree.mount.fs.most_cached = 10
    tried = []
    real = dentry.shrink
    monkeypatch.setattr(dentry, "shrink", lambda root: tried.append(1) or real(root))
    held = [tree.open(f"/f{i}", os.O_CREAT | os.O_RDWR) for i in range(200)]
    assert 1 <= len(tried) < 20
    assert len(tree.mount.root.children) == 200  # all of them in use
    while held:
        held.pop().drop()
    for i in range(200):
        tree.stat(f"/f{i}")
    tree.write("/more", b"")
    assert dentry.shrink(tree.mount.root) < 5
    assert tree.stat("/f3").nlink == 1


def test_directory_listing_is_stable_while_entries_go(tmp_path: Path) -> None:
    tree = Tree()
    for i in range(100):
        tree.write(f"/f{i}", b"")
    directory = tree.open("/", os.O_RDONLY)
    seen = []
    entries = directory.listing()  # type: ignore[attr-defined]
    for name, _, _ in entries[2:]:
        seen.append(name)
        ops.unlink(tree, None, b"/" + name)
    assert len(set(seen)) == 100
    directory.seek(0, 0)
    assert [entry[0] for entry in directory.listing()] == [b".", b".."]  # type: ignore[attr-defined]
    directory.drop()


def test_a_removed_directory_reads_as_gone() -> None:
    tree = Tree()
    tree.mkdir("/d")
    directory = tree.open("/d")
    with pytest.raises(EISDIR):
        directory.read(1)
    ops.rmdir(tree, None, b"/d")
    with pytest.raises(ENOENT):
        directory.listing()  # type: ignore[attr-defined]
    directory.drop()


def test_making_in_a_removed_directory() -> None:
    tree = Tree()
    tree.mkdir("/d")
    tree.fs.cwd = tree.at("/d")
    ops.rmdir(tree, None, b"/d")
    for action in (
        lambda: tree.mkdir("x"),
        lambda: tree.open("x", os.O_CREAT | os.O_WRONLY),
        lambda: tree.symlink("y", "x"),
    ):
        with pytest.raises(ENOENT):
            action()


def test_rename_rules() -> None:
    tree = Tree()
    for path in ("/a", "/a/b", "/full", "/full/x"):
        tree.mkdir(path)
    with pytest.raises(ENOTEMPTY):
        ops.rename(tree, None, b"/a", None, b"/full")
    with pytest.raises(ENOTEMPTY):
        ops.rename(tree, None, b"/a/b", None, b"/a")
    ops.rename(tree, None, b"/a", None, b"/full", 2)
    assert tree.names("/a") == [b"x"]
    assert tree.names("/full") == [b"b"]
