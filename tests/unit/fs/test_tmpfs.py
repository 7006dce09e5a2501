"""tmpfs: content survives packing, limits hold to the byte, and nothing is left behind."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from ring3.abi.errno import EINVAL, ENODATA, ENOENT, ENOSPC
from ring3.fs import tmpfs
from ring3.fs.memfile import PACK_MOST, MemFile
from ring3.fs.tmpfs import TmpFs, parse_size
from ring3.vfs import attributes, ops
from ring3.vfs.inode import host_clock
from tests.unit.vfs.tree import Tree

PAGE = 4096


def tree_of(fs: TmpFs) -> tuple[Tree, TmpFs]:
    return Tree(fs), fs


def mem(tree: Tree, path: str) -> MemFile:
    inode = tree.inode(path)
    assert isinstance(inode, MemFile)
    return inode


def test_small_files_are_packed_when_closed_and_large_ones_stay() -> None:
    tree, _fs = tree_of(TmpFs())
    tree.write("/small", b"s" * PACK_MOST)
    tree.write("/large", b"l" * (PACK_MOST + 1))
    assert mem(tree, "/small").fd == -1
    assert mem(tree, "/large").fd >= 0
    assert tree.read("/small") == b"s" * PACK_MOST
    assert tree.read("/large") == b"l" * (PACK_MOST + 1)
    assert mem(tree, "/small").fd == -1


def test_packing_keeps_times_holes_and_size() -> None:
    tree, _fs = tree_of(TmpFs())
    file = tree.open("/sparse", os.O_CREAT | os.O_RDWR)
    file.pwrite(b"end", 40000)
    file.truncate(50000)
    before = file.stat()
    file.drop()
    attributes.set_times(tree.cred, tree.at("/sparse"), 11, 22)
    assert mem(tree, "/sparse").fd == -1
    again = tree.open("/sparse")
    after = again.stat()
    assert (after.size, after.blocks) == (before.size, before.blocks) == (50000, 8)
    assert (after.atime_ns, after.mtime_ns) == (11, 22)
    assert after.ctime_ns >= before.ctime_ns
    assert again.seek(0, os.SEEK_DATA) == 40000 // PAGE * PAGE
    assert again.seek(40000, os.SEEK_HOLE) == 40000 // PAGE * PAGE + PAGE
    assert again.pread(3, 40000) == b"end"
    again.drop()


def test_a_mapping_keeps_the_memfd() -> None:
    tree, _fs = tree_of(TmpFs())
    file = tree.open("/f", os.O_CREAT | os.O_RDWR)
    file.write(b"mapped")
    inode = mem(tree, "/f")
    inode.pin()
    file.drop()
    assert inode.fd >= 0
    inode.unpin()
    assert inode.fd == -1
    assert tree.read("/f") == b"mapped"


def test_each_open_has_its_own_offset_and_access_mode() -> None:
    tree, _fs = tree_of(TmpFs())
    tree.write("/f", b"0123456789")
    one, two = tree.open("/f"), tree.open("/f", os.O_RDWR | os.O_APPEND)
    assert one.read(4) == b"0123"
    assert two.read(2) == b"01"
    two.write(b"!")
    assert one.pread(20, 0) == b"0123456789!"
    assert one.bind_fd is not None and two.bind_fd is not None
    with pytest.raises(OSError):  # the host itself keeps a reader from writing
        os.write(one.bind_fd, b"x")
    one.drop()
    two.drop()


def test_what_a_bound_descriptor_wrote_is_seen() -> None:
    tree, _fs = tree_of(TmpFs())
    file = tree.open("/f", os.O_CREAT | os.O_RDWR)
    assert file.bind_fd is not None
    os.write(file.bind_fd, b"natively")
    assert tree.stat("/f").size == 8
    file.drop()
    assert tree.read("/f") == b"natively"


class TestLimit:
    def test_writes_stop_at_the_last_page(self) -> None:
        tree, fs = tree_of(TmpFs(limit=10 * PAGE))
        file = tree.open("/f", os.O_CREAT | os.O_RDWR)
        assert file.bind_fd is None  # a bound descriptor would know no limit
        assert file.write(b"x" * (20 * PAGE)) == 10 * PAGE
        with pytest.raises(ENOSPC, match="full"):
            file.write(b"x")
        assert file.pwrite(b"y" * 100, 5) == 100  # pages that are there may be written again
        assert fs.statfs().bfree == 0
        file.truncate(PAGE)
        assert fs.statfs().bfree == 9
        file.drop()
        ops.unlink(tree, None, b"/f")
        assert fs.statfs().bfree == 10

    def test_holes_take_nothing(self) -> None:
        tree, fs = tree_of(TmpFs(limit=4 * PAGE))
        file = tree.open("/f", os.O_CREAT | os.O_RDWR)
        assert file.pwrite(b"x", 1 << 30) == 1
        assert fs.statfs().bfree == 3
        assert file.pwrite(b"x" * (4 * PAGE), 0) == 3 * PAGE
        with pytest.raises(ENOSPC):
            file.fallocate(0, 0, 5 * PAGE)
        file.drop()

    def test_closed_files_count(self) -> None:
        tree, _fs = tree_of(TmpFs(limit=10 * PAGE))
        for i in range(10):
            tree.write(f"/f{i}", b"x")
        with pytest.raises(ENOSPC):
            tree.write("/more", b"x")
        ops.unlink(tree, None, b"/f0")
        tree.write("/more", b"x")

    def test_inodes(self) -> None:
        tree, _fs = tree_of(TmpFs(inode_limit=3))
        tree.write("/a", b"")
        tree.mkdir("/b")
        with pytest.raises(ENOSPC):
            tree.write("/c", b"")
        ops.unlink(tree, None, b"/a")
        tree.write("/c", b"")


class TestLargeClosedFiles:
    def test_the_oldest_move_to_the_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tmpfs, "MOST_IDLE", 3)
        tree, fs = tree_of(TmpFs())
        size = PACK_MOST * 2
        for i in range(8):
            tree.write(f"/f{i}", bytes([i]) * size)
        assert len(fs.idle) == 3
        descriptors = [mem(tree, f"/f{i}").fd for i in range(8)]
        assert [fd >= 0 for fd in descriptors] == [False] * 5 + [True] * 3
        for i in range(8):
            assert tree.read(f"/f{i}") == bytes([i]) * size

    def test_what_leaves_the_store_gives_its_memory_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tmpfs, "MOST_IDLE", 0)
        tree, fs = tree_of(TmpFs())
        for i in range(4):
            tree.write(f"/f{i}", b"x" * (1 << 20))
        full = os.fstat(fs.store.fd).st_blocks
        assert full * 512 >= 4 << 20
        ops.unlink(tree, None, b"/f0")
        tree.open("/f1").drop()  # goes out, and back in at another place
        assert os.fstat(fs.store.fd).st_blocks <= full * 3 // 4
        assert tree.read("/f1") == b"x" * (1 << 20)

    def test_holes_stay_holes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tmpfs, "MOST_IDLE", 0)
        tree, _fs = tree_of(TmpFs())
        file = tree.open("/f", os.O_CREAT | os.O_RDWR)
        file.pwrite(b"a" * PAGE, 0)
        file.pwrite(b"z" * PAGE, 100 * PAGE)
        file.drop()
        assert mem(tree, "/f").stored
        assert tree.stat("/f").blocks == 16
        assert tree.read("/f") == b"a" * PAGE + bytes(99 * PAGE) + b"z" * PAGE


def test_no_descriptor_is_left() -> None:
    gc.collect()  # what other tests left
    host_clock()
    before = set(os.listdir("/proc/self/fd"))
    tree, fs = tree_of(TmpFs())
    for i in range(20):
        file = tree.open(f"/f{i}", os.O_CREAT | os.O_RDWR)
        file.write(b"x" * 100000)
        if i % 2:
            ops.unlink(tree, None, f"/f{i}".encode())
        file.drop()
    fs.shutdown()
    assert set(os.listdir("/proc/self/fd")) == before


def test_unlinked_content_lives_as_long_as_it_is_open() -> None:
    tree, fs = tree_of(TmpFs())
    tree.write("/f", b"ghost")
    file = tree.open("/f", os.O_RDWR)
    ops.unlink(tree, None, b"/f")
    assert (file.read(9), file.stat().nlink) == (b"ghost", 0)
    with pytest.raises(ENOENT):
        ops.link(tree, file.place, None, b"/back")  # type: ignore[arg-type]
    file.drop()
    assert (fs.used, fs.inodes) == (0, 1)


def test_o_tmpfile_gets_a_name_unless_it_was_exclusive() -> None:
    tree, _fs = tree_of(TmpFs())
    file = tree.open("/", os.O_TMPFILE | os.O_RDWR)
    file.write(b"late")
    assert file.place is not None
    ops.link(tree, file.place, None, b"/named")
    file.drop()
    assert tree.read("/named") == b"late"
    file = tree.open("/", os.O_TMPFILE | os.O_RDWR | os.O_EXCL)
    assert file.place is not None
    with pytest.raises(ENOENT):
        ops.link(tree, file.place, None, b"/never")
    file.drop()


def test_xattrs() -> None:
    tree, _fs = tree_of(TmpFs())
    tree.write("/f", b"")
    inode = tree.inode("/f")
    inode.setxattr(b"user.a", b"1", 0)
    inode.setxattr(b"user.b", b"", 1)
    assert inode.listxattr() == [b"user.a", b"user.b"]
    assert inode.getxattr(b"user.a") == b"1"
    inode.removexattr(b"user.a")
    for action in (
        lambda: inode.getxattr(b"user.a"),
        lambda: inode.removexattr(b"user.a"),
        lambda: inode.setxattr(b"user.a", b"", 2),
    ):
        with pytest.raises(ENODATA):
            action()


def test_options() -> None:
    fs = TmpFs.from_options(b"size=1m,nr_inodes=1k,mode=750,uid=3,gid=4")
    assert (fs.limit, fs.inode_limit) == (1 << 20, 1024)
    root = fs.root.inode
    assert (root.mode & 0o7777, root.uid, root.gid) == (0o750, 3, 4)
    assert fs.options() == ",size=1024k,nr_inodes=1024,mode=750,uid=3,gid=4"
    for bad in (b"size=many", b"nonsense", b"mode=9", b"size="):
        with pytest.raises(EINVAL):
            fs.remount(bad)
    assert parse_size(b"50%", percent_of=200) == 100


def test_a_smaller_size_than_in_use_is_refused(tmp_path: Path) -> None:
    tree, fs = tree_of(TmpFs(limit=100 * PAGE))
    tree.write("/f", b"x" * (50 * PAGE))
    with pytest.raises(EINVAL):
        fs.remount(b"size=4k")
    fs.remount(b"size=%d" % (60 * PAGE))
    assert fs.statfs().bfree == 10
