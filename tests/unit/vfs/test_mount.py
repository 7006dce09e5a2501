"""Mount tables: bind, move, unmount, pivot, copies, and what /proc shows of them."""

from __future__ import annotations

import pytest

from ring3.abi.errno import EBUSY, EINVAL, ELOOP, ENOTDIR, EXDEV
from ring3.abi.mount import MS_NODEV, MS_NOSUID, MS_RDONLY
from ring3.fs.tmpfs import TmpFs
from ring3.vfs import ops
from ring3.vfs.mount import Mount, escape
from tests.unit.vfs.tree import Tree


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    for path in ("/a", "/b", "/a/sub"):
        made.mkdir(path)
    made.write("/f", b"")
    return made


def test_bind_shows_the_same_files(tree: Tree) -> None:
    tree.table.bind(tree.at("/a"), tree.at("/b"), recursive=False)
    tree.write("/b/sub/new", b"x")
    assert tree.read("/a/sub/new") == b"x"
    assert tree.stat("/a/sub").ino == tree.stat("/b/sub").ino
    with pytest.raises(EXDEV):  # two mounts, though one filesystem
        ops.rename(tree, None, b"/a/sub/new", None, b"/b/new")


def test_recursive_bind_takes_mounts_along(tree: Tree) -> None:
    tree.table.attach(Mount(TmpFs()), tree.at("/a/sub"))
    tree.write("/a/sub/deep", b"")
    tree.mkdir("/c")
    tree.table.bind(tree.at("/a"), tree.at("/b"), recursive=False)
    tree.table.bind(tree.at("/a"), tree.at("/c"), recursive=True)
    assert tree.names("/b/sub") == []
    assert tree.names("/c/sub") == [b"deep"]


def test_file_on_file_and_directory_on_directory(tree: Tree) -> None:
    with pytest.raises(ENOTDIR):
        tree.table.bind(tree.at("/f"), tree.at("/a"), recursive=False)
    with pytest.raises(ENOTDIR):
        tree.table.attach(Mount(TmpFs()), tree.at("/f"))
    tree.write("/g", b"g")
    tree.table.bind(tree.at("/g"), tree.at("/f"), recursive=False)
    assert tree.read("/f") == b"g"


def test_a_mount_point_cannot_be_removed_or_renamed(tree: Tree) -> None:
    tree.table.attach(Mount(TmpFs()), tree.at("/b"))
    with pytest.raises(EBUSY):
        ops.rmdir(tree, None, b"/b")
    with pytest.raises(EBUSY):
        ops.rename(tree, None, b"/b", None, b"/c")


def test_unmount_waits_for_open_files_unless_lazy(tree: Tree) -> None:
    mount = Mount(TmpFs())
    tree.table.attach(mount, tree.at("/b"))
    tree.write("/b/f", b"kept")
    file = tree.open("/b/f")
    with pytest.raises(EBUSY):
        tree.table.remove(mount)
    tree.table.remove(mount, lazy=True)
    assert tree.names("/b") == []
    assert file.read(10) == b"kept"
    file.drop()
    with pytest.raises(EINVAL):
        tree.table.remove(tree.mount)


def test_move(tree: Tree) -> None:
    mount = Mount(TmpFs())
    tree.table.attach(mount, tree.at("/b"))
    tree.mkdir("/b/in")
    with pytest.raises(ELOOP):
        tree.table.move(mount, tree.at("/b/in"))
    tree.table.move(mount, tree.at("/a/sub"))
    assert tree.names("/a/sub") == [b"in"]
    assert tree.names("/b") == []


def test_copy_is_independent(tree: Tree) -> None:
    tree.table.attach(Mount(TmpFs()), tree.at("/b"))
    copied, made = tree.table.copy()
    assert len(copied) == 2
    assert made[tree.mount] is copied.root
    copied.remove(next(m for m in copied if m.parent is not None))
    assert len(tree.table) == 2


def test_as_proc_shows_them(tree: Tree) -> None:
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV
    tree.mkdir("/with space")
    tree.table.attach(Mount(TmpFs(limit=1 << 20), None, flags, b"my tmp"), tree.at("/with space"))
    tree.table.bind(tree.at("/a/sub"), tree.at("/b"), recursive=False)
    lines = tree.table.mounts(tree.fs.root).splitlines()
    assert lines[0].startswith(b"none / tmpfs rw")
    where = rb"/with\040space"
    assert lines[1] == rb"my\040tmp " + where + b" tmpfs ro,nosuid,nodev,size=1024k 0 0"
    info = tree.table.mountinfo(tree.fs.root).splitlines()
    assert b" /a/sub /b rw - tmpfs none rw" in info[2]
    assert info[1].split()[1] == str(tree.mount.id).encode()
    inside = tree.table.mounts(tree.at("/with space"))
    assert inside.splitlines() == [lines[1].replace(where, b"/")]


def test_escape() -> None:
    assert escape(b"a b\tc\nd\\") == rb"a\040b\011c\012d\134"
    assert escape(b"plain") == b"plain"
