"""overlay: the lower tree is never written, and the guest cannot tell."""

from __future__ import annotations

import gc
import os
import stat
from pathlib import Path

import pytest

from ring3.abi.errno import ENOENT, ENOTEMPTY
from ring3.fs.host import HostFs
from ring3.fs.overlay import FIRST_OWN_INO, OverlayFs
from ring3.fs.skeleton import SkeletonFs
from ring3.fs.tmpfs import TmpFs
from ring3.vfs import attributes, ops
from ring3.vfs import file as files
from ring3.vfs.file import File
from ring3.vfs.inode import host_clock
from tests.unit.vfs.tree import Tree


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "f").write_text("lower")
    (tmp_path / "d" / "x").write_text("x")
    (tmp_path / "d" / "e" / "y").write_text("y")
    (tmp_path / "link").symlink_to("f")
    os.link(tmp_path / "f", tmp_path / "hard")
    os.chmod(tmp_path / "f", 0o640)
    return tmp_path


@pytest.fixture
def tree(lower: Path) -> Tree:
    return Tree(OverlayFs(HostFs(os.fsencode(lower))))


def changes(tree: Tree) -> list[tuple[str, str]]:
    fs = tree.mount.fs
    assert isinstance(fs, OverlayFs)
    return [(change.kind, change.path.decode()) for change in fs.changes()]


def host_tree(folder: Path) -> list[tuple[str, int, int, bytes]]:
    found = []
    for path in sorted(folder.rglob("*")):
        st = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(st.st_mode) else b""
        found.append((str(path), st.st_mode, st.st_mtime_ns, content))
    return found


def test_looking_changes_nothing(tree: Tree, lower: Path) -> None:
    before = host_tree(lower)
    assert tree.read("/link") == b"lower"
    assert tree.names("/d") == [b"e", b"x"]
    st = tree.stat("/f")
    host = os.stat(lower / "f")
    assert (st.ino, st.mode, st.nlink, st.mtime_ns) == (
        host.st_ino, host.st_mode, 2, host.st_mtime_ns,
    )  # fmt: skip
    assert st.dev == tree.mount.fs.dev != host.st_dev
    assert changes(tree) == []
    assert host_tree(lower) == before


def test_a_write_copies_up_and_keeps_the_identity(tree: Tree, lower: Path) -> None:
    before, st = host_tree(lower), tree.stat("/f")
    file = tree.open("/f", os.O_RDWR)
    file.write(b"LOW")
    file.drop()
    after = tree.stat("/f")
    assert tree.read("/hard") == tree.read("/f") == b"LOWer"
    assert (after.dev, after.ino, after.nlink, after.mode) == (st.dev, st.ino, 2, st.mode)
    assert changes(tree) == [("modified", "/f")]
    assert host_tree(lower) == before


def test_readers_that_were_open_see_what_is_written_later(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[File] = []
    monkeypatch.setattr(files, "rebound", told.append)
    reader = tree.open("/f")
    number = reader.bind_fd
    assert reader.read(2) == b"lo"
    writer = tree.open("/f", os.O_WRONLY | os.O_APPEND)
    writer.write(b", and more")
    assert reader.bind_fd == number
    assert told == [reader]
    assert reader.read(50) == b"wer, and more"
    reader.drop()
    writer.drop()


def test_metadata_changes_copy_no_data(tree: Tree, lower: Path) -> None:
    attributes.chmod(tree.cred, tree.at("/f"), 0o600)
    attributes.chown(tree.cred, tree.at("/f"), 7, 8)
    inode = tree.inode("/f")
    assert inode.below  # type: ignore[attr-defined]
    st = tree.stat("/f")
    assert (st.mode & 0o7777, st.uid, st.gid, st.size) == (0o600, 7, 8, 5)
    assert tree.read("/f") == b"lower"
    assert stat.S_IMODE(os.stat(lower / "f").st_mode) == 0o640


def test_truncating_to_nothing_copies_nothing(tree: Tree, lower: Path) -> None:
    reader = tree.open("/f")
    tree.write("/f", b"new")
    assert reader.read(9) == b"new"
    reader.drop()
    assert (lower / "f").read_text() == "lower"


class TestRemoval:
    def test_whiteouts(self, tree: Tree) -> None:
        ops.unlink(tree, None, b"/link")
        with pytest.raises(ENOENT):
            tree.at("/link", 0)
        assert b"link" not in tree.names()
        tree.write("/link", b"a file now")
        assert tree.lstat("/link").mode == stat.S_IFREG | 0o644
        ops.unlink(tree, None, b"/link")
        assert b"link" not in tree.names()
        assert changes(tree) == [("deleted", "/link")]

    def test_a_directory_made_anew_is_empty(self, tree: Tree) -> None:
        with pytest.raises(ENOTEMPTY):
            ops.rmdir(tree, None, b"/d")
        for path in (b"/d/e/y", b"/d/x"):
            ops.unlink(tree, None, path)
        ops.rmdir(tree, None, b"/d/e")
        ops.rmdir(tree, None, b"/d")
        tree.mkdir("/d")
        assert tree.names("/d") == []
        assert changes(tree) == [("deleted", "/d"), ("added", "/d")]

    def test_one_name_of_several(self, tree: Tree) -> None:
        ops.unlink(tree, None, b"/f")
        assert tree.stat("/hard").nlink == 1
        assert tree.read("/hard") == b"lower"
        ops.unlink(tree, None, b"/hard")
        assert changes(tree) == [("deleted", "/f"), ("deleted", "/hard")]


class TestRename:
    def test_of_a_lower_directory_takes_all_along(self, tree: Tree, lower: Path) -> None:
        before, ino = host_tree(lower), tree.stat("/d/e/y").ino
        ops.rename(tree, None, b"/d", None, b"/moved")
        assert tree.read("/moved/e/y") == b"y"
        assert tree.stat("/moved/e/y").ino == ino
        tree.write("/moved/e/new", b"n")
        assert tree.names("/moved/e") == [b"new", b"y"]
        assert changes(tree) == [
            ("deleted", "/d"),
            ("added", "/moved"),
            ("added", "/moved/e"),
            ("added", "/moved/e/new"),
            ("added", "/moved/e/y"),
            ("added", "/moved/x"),
        ]
        assert host_tree(lower) == before

    def test_there_and_back_is_no_change(self, tree: Tree) -> None:
        ops.rename(tree, None, b"/d", None, b"/moved")
        ops.rename(tree, None, b"/moved", None, b"/d")
        assert tree.names("/d") == [b"e", b"x"]
        assert changes(tree) == []

    def test_over_a_lower_file(self, tree: Tree) -> None:
        tree.write("/new", b"replacement")
        ops.rename(tree, None, b"/new", None, b"/f")
        assert tree.read("/f") == b"replacement"
        assert tree.read("/link") == b"replacement"
        assert tree.read("/hard") == b"lower"
        assert ("modified", "/f") in changes(tree)

    def test_exchange(self, tree: Tree) -> None:
        ops.rename(tree, None, b"/f", None, b"/d", 2)
        assert tree.inode("/f").is_dir
        assert tree.read("/d") == b"lower"
        assert tree.names("/f") == [b"e", b"x"]


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_any_filesystem_may_be_below(kind: str, lower: Path) -> None:
    """A memory filesystem, or another overlay, as the lower layer stays as it is."""
    below = Tree(TmpFs(mode=0o755) if kind == "tmpfs" else OverlayFs(HostFs(os.fsencode(lower))))
    below.mkdir("/dir")
    below.write("/dir/small", b"small")
    below.write("/large", b"l" * 200000)
    tree = Tree(OverlayFs(below.mount.fs))
    reader = tree.open("/large")
    tree.write("/dir/new", b"new")
    for path, data in (("/dir/small", b"SMALL"), ("/large", b"LARGE")):
        file = tree.open(path, os.O_RDWR)
        file.write(data)
        file.drop()
    assert reader.read(6) == b"LARGEl"
    reader.drop()
    assert tree.read("/dir/small") == b"SMALL"
    assert below.read("/dir/small") == b"small"
    assert below.read("/large") == b"l" * 200000
    assert below.names("/dir") == [b"small"]
    assert changes(tree) == [
        ("added", "/dir/new"),
        ("modified", "/dir/small"),
        ("modified", "/large"),
    ]


def test_inode_numbers_in_listings_are_those_of_stat(tree: Tree) -> None:
    tree.write("/own", b"")
    attributes.chmod(tree.cred, tree.at("/d"), 0o700)
    for name, ino, _ in tree.at("/").inode.iterate():
        assert tree.lstat(b"/" + name).ino == ino
    assert tree.stat("/own").ino > FIRST_OWN_INO


def test_a_host_file_that_changes_shows_until_the_guest_changed_it(tree: Tree, lower: Path) -> None:
    (lower / "f").write_text("edited on the host")
    assert tree.read("/f") == b"edited on the host"
    tree.write("/f", b"mine")
    (lower / "f").unlink()
    (lower / "f").write_text("again")
    assert tree.read("/f") == b"mine"


def test_a_number_that_the_host_gives_to_another_file(tree: Tree, lower: Path) -> None:
    """Seen from here, a rename on the host and a new file with an old number look the same: what
    the guest changed stays with the name it was changed by."""
    tree.write("/d/x", b"changed by the guest")
    (lower / "d" / "x").rename(lower / "d" / "z")
    assert tree.read("/d/z") == b"x"
    assert tree.read("/d/x") == b"changed by the guest"
    attributes.chmod(tree.cred, tree.at("/d/e"), 0o700)
    tree.mount.fs.lower.close_directories()  # type: ignore[attr-defined]
    (lower / "d" / "e").rename(lower / "d" / "other")
    assert tree.stat("/d/other").mode & 0o7777 == 0o755
    assert tree.stat("/d/e").mode & 0o7777 == 0o700
    assert tree.names("/d/other") == [b"y"]


def test_what_the_guest_made_outlives_the_hosts_directory(tree: Tree, lower: Path) -> None:
    tree.write("/d/e/mine", b"kept")
    for path in (lower / "d" / "e" / "y", lower / "d" / "x"):
        path.unlink()
    (lower / "d" / "e").rmdir()
    (lower / "d").rmdir()
    assert tree.read("/d/e/mine") == b"kept"
    assert tree.names("/d/e") == [b"mine"]
    assert tree.names("/d") == [b"e"]
    tree.write("/d/more", b"m")
    assert tree.stat("/d").nlink == 3
    with pytest.raises(ENOENT):
        tree.at("/d/x")


def test_sparse_files_stay_sparse(tmp_path: Path) -> None:
    with open(tmp_path / "big", "wb") as big:
        big.truncate(1 << 30)
        big.seek(1 << 29)
        big.write(b"here")
    tree = Tree(OverlayFs(HostFs(os.fsencode(tmp_path))))
    file = tree.open("/big", os.O_RDWR)
    assert file.pread(4, 1 << 29) == b"here"
    st = file.stat()
    assert (st.size, st.blocks * 512 <= 1 << 20) == (1 << 30, True)
    file.drop()


def test_skeleton_shows_grants_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a" / "granted").mkdir(parents=True)
    (tmp_path / "a" / "granted" / "f").write_text("seen")
    (tmp_path / "a" / "secret").write_text("unseen")
    (tmp_path / "a" / "link").symlink_to("granted")
    lower = SkeletonFs()
    base = os.fsencode(tmp_path)
    assert lower.grant(base + b"/a/granted")
    assert lower.grant(base + b"/a/link")
    assert not lower.grant(base + b"/a/none")
    tree = Tree(OverlayFs(lower))
    assert tree.read(base + b"/a/link/f") == b"seen"
    assert tree.names(base + b"/a") == [b"granted", b"link"]
    with pytest.raises(ENOENT, match="add --ro"):
        tree.at(base + b"/a/secret")
    with pytest.raises(ENOENT) as none:
        tree.at(base + b"/a/nothing")
    assert none.value.reason == ""
    tree.write(base + b"/a/secret", b"my own")
    assert (tmp_path / "a" / "secret").read_text() == "unseen"
    assert changes(tree) == [("added", str(tmp_path / "a" / "secret"))]


def test_no_descriptor_is_left(lower: Path) -> None:
    gc.collect()  # what other tests left
    host_clock()
    before = set(os.listdir("/proc/self/fd"))
    fs = OverlayFs(HostFs(os.fsencode(lower)))
    tree = Tree(fs)
    tree.write("/f", b"x" * 200000)
    tree.open("/d/x").drop()
    fs.shutdown()
    fs.lower.shutdown()
    del tree, fs
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before
