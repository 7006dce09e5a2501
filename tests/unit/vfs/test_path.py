"""Path walks: links, mounts, "..", trailing slashes, openat2's rules, and the way back."""

from __future__ import annotations

import os

import pytest

from ring3.abi.errno import (
    EACCES,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    EXDEV,
)
from ring3.abi.fcntl import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from ring3.abi.mount import MS_NOSYMFOLLOW
from ring3.fs.tmpfs import TmpFs
from ring3.vfs import attributes, ops
from ring3.vfs.mount import Mount
from ring3.vfs.path import EMPTY, FOLLOW, Place, path_of, walk
from tests.unit.vfs.tree import Tree


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    for path in ("/d", "/d/e", "/mnt", "/locked"):
        made.mkdir(path)
    made.write("/d/f", b"content")
    made.symlink("d/f", "/to-f")
    made.symlink("/d", "/to-d")
    made.symlink("loop", "/loop")
    made.symlink("nowhere", "/dangling")
    return made


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", ENOENT),
        ("/nothing", ENOENT),
        ("/nothing/below", ENOENT),
        ("/d/f/below", ENOTDIR),
        ("/d/f/", ENOTDIR),
        ("/d/f/.", ENOTDIR),
        ("/d/f/..", ENOTDIR),
        ("/to-f/", ENOTDIR),
        ("/dangling", ENOENT),
        ("/loop", ELOOP),
        ("/loop/x", ELOOP),
        ("/" + "n" * 256, ENAMETOOLONG),
    ],
)
def test_errors(tree: Tree, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        tree.at(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "/"),
        ("//d///e//", "/d/e"),
        ("/d/./e/../f", "/d/f"),
        ("/../../d", "/d"),
        ("/to-f", "/d/f"),
        ("/to-d/e", "/d/e"),
        ("/to-d/", "/d"),
        ("d", "/d"),
    ],
)
def test_finds(tree: Tree, path: str, found: str) -> None:
    assert path_of(tree.at(path), tree.fs.root) == found.encode()


def test_last_link_is_followed_on_request_and_before_a_slash(tree: Tree) -> None:
    assert tree.at("/to-d", 0).inode.is_symlink
    assert tree.at("/to-d", FOLLOW).inode.is_dir
    assert tree.at("/to-d/", 0).inode.is_dir


def test_forty_links_and_no_more(tree: Tree) -> None:
    tree.write("/end", b"")
    tree.symlink("end", "/l0")
    for i in range(1, 41):
        tree.symlink(f"l{i - 1}", f"/l{i}")
    assert tree.at("/l39").inode.is_regular  # 40 links
    with pytest.raises(ELOOP):
        tree.at("/l40")


def test_each_directory_must_be_searchable(tree: Tree) -> None:
    tree.mkdir("/locked/in")
    attributes.chmod(tree.cred, tree.at("/locked"), 0o600)
    user = tree.as_user(1000)
    with pytest.raises(EACCES):
        user.at("/locked/in")
    with pytest.raises(EACCES):
        user.at("/locked/.")
    assert user.at("/locked").inode.is_dir
    assert tree.at("/locked/in").inode.is_dir  # CAP_DAC_READ_SEARCH


def test_mounts_are_entered_and_left(tree: Tree) -> None:
    over = Mount(TmpFs())
    tree.table.attach(over, tree.at("/mnt"))
    tree.mkdir("/mnt/inside")
    place = tree.at("/mnt/inside")
    assert place.mount is over
    assert tree.at("/mnt/inside/../..") == tree.at("/")
    assert path_of(place, tree.fs.root) == b"/mnt/inside"
    tree.table.remove(over)
    with pytest.raises(ENOENT):
        tree.at("/mnt/inside")


def test_a_mount_on_a_mount_covers_it(tree: Tree) -> None:
    first, second = Mount(TmpFs()), Mount(TmpFs())
    tree.table.attach(first, tree.at("/mnt"))
    tree.write("/mnt/a", b"")
    tree.table.attach(second, tree.at("/mnt"))
    assert tree.at("/mnt").mount is second
    assert tree.names("/mnt") == []
    assert tree.at("/mnt/..") == tree.at("/")
    tree.table.remove(second)
    assert tree.names("/mnt") == [b"a"]


def test_chroot_ends_dotdot_and_absolute_links(tree: Tree) -> None:
    tree.symlink("/e", "/d/absolute")
    inner = tree.as_user(0)
    inner.fs.root = inner.fs.cwd = tree.at("/d")
    assert inner.at("/../..") == tree.at("/d")
    assert inner.at("/absolute") == tree.at("/d/e")
    assert path_of(inner.at("/e"), inner.fs.root) == b"/e"


def test_empty_path_is_the_base_only_when_asked_for(tree: Tree) -> None:
    base = tree.at("/d/f")
    assert walk(tree, base, b"", EMPTY) == base
    with pytest.raises(ENOENT):
        walk(tree, base, b"")
    with pytest.raises(ENOTDIR):
        walk(tree, base, b"x")


class TestOpenat2:
    def test_beneath(self, tree: Tree) -> None:
        base = tree.at("/d")
        tree.symlink("../d/f", "/d/out-and-in")
        tree.symlink("/d/f", "/d/absolute")
        assert walk(tree, base, b"e/../f", FOLLOW, RESOLVE_BENEATH) == tree.at("/d/f")
        for path in (b"..", b"../d/f", b"/d/f", b"out-and-in", b"absolute", b"e/../.."):
            with pytest.raises(EXDEV):
                walk(tree, base, path, FOLLOW, RESOLVE_BENEATH)

    def test_in_root(self, tree: Tree) -> None:
        base = tree.at("/d")
        tree.symlink("/f", "/d/absolute")
        for path in (b"/f", b"../../f", b"absolute", b"/../e/../f"):
            assert walk(tree, base, path, FOLLOW, RESOLVE_IN_ROOT) == tree.at("/d/f")

    def test_no_symlinks(self, tree: Tree) -> None:
        for path in (b"/to-f", b"/to-d/e"):
            with pytest.raises(ELOOP):
                walk(tree, None, path, FOLLOW, RESOLVE_NO_SYMLINKS)
        assert walk(tree, None, b"/to-f", 0, RESOLVE_NO_SYMLINKS).inode.is_symlink

    def test_no_xdev(self, tree: Tree) -> None:
        tree.table.attach(Mount(TmpFs()), tree.at("/mnt"))
        tree.mkdir("/mnt/sub")
        with pytest.raises(EXDEV):
            walk(tree, None, b"/mnt/sub", FOLLOW, RESOLVE_NO_XDEV)
        with pytest.raises(EXDEV):
            walk(tree, tree.at("/mnt"), b"..", FOLLOW, RESOLVE_NO_XDEV)
        assert walk(tree, None, b"/d/e", FOLLOW, RESOLVE_NO_XDEV) == tree.at("/d/e")


def test_nosymfollow_mount(tree: Tree) -> None:
    tree.mount.flags |= MS_NOSYMFOLLOW
    with pytest.raises(ELOOP):
        tree.at("/to-f")
    assert tree.at("/to-f", 0).inode.readlink(tree) == b"d/f"


class TestPathOf:
    def test_removed(self, tree: Tree) -> None:
        place = tree.at("/d/f")
        ops.unlink(tree, None, b"/d/f")
        assert path_of(place, tree.fs.root) == b"/d/f (deleted)"

    def test_follows_a_rename_of_any_directory_above(self, tree: Tree) -> None:
        place = tree.at("/d/f")
        ops.rename(tree, None, b"/d", None, b"/mnt/moved")
        assert path_of(place, tree.fs.root) == b"/mnt/moved/f"

    def test_replaced(self, tree: Tree) -> None:
        old = tree.at("/d/f")
        tree.write("/new", b"")
        new = tree.at("/new")
        ops.rename(tree, None, b"/new", None, b"/d/f")
        assert path_of(old, tree.fs.root) == b"/d/f (deleted)"
        assert path_of(new, tree.fs.root) == b"/d/f"

    def test_outside_the_root(self, tree: Tree) -> None:
        assert path_of(tree.at("/mnt"), tree.at("/d")) == b"/mnt"


def test_place_equality(tree: Tree) -> None:
    assert tree.at("/d") == tree.at("/to-d")
    assert len({tree.at("/d"), tree.at("/to-d"), tree.at("/d/e")}) == 2
    assert Place(tree.mount, tree.mount.root) == tree.fs.root
    assert tree.at("/d") != tree.at("/d/e")


def test_open_through_links_creates_the_target(tree: Tree) -> None:
    tree.open("/dangling", os.O_CREAT | os.O_WRONLY).drop()
    assert tree.at("/nowhere").inode.is_regular
    assert tree.at("/dangling", 0).inode.is_symlink
