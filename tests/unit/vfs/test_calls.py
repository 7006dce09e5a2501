"""System calls of the file families that the conformance guests do not reach: mounts in all ways,
file handles, i386 forms."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest

from ring3.abi import fcntl as F
from ring3.abi import mount as M
from ring3.abi.errno import (
    E2BIG,
    EBUSY,
    EINVAL,
    ENODEV,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    EROFS,
    ESTALE,
)
from ring3.fs.tmpfs import TmpFs
from ring3.task.credentials import Credentials
from ring3.vfs import ops
from ring3.vfs.path import walk
from tests.unit.fakes import Kitchen, call
from tests.unit.vfs.tree import Tree

AT_FDCWD = F.AT_FDCWD


class Lab:
    """A task over a tmpfs root; strings become pointers."""

    def __init__(self, word: int = 64) -> None:
        self.kitchen = Kitchen(word=word)
        self.t = self.kitchen.task()
        self.tree = Tree(TmpFs(mode=0o755))
        self.t.fs = self.tree.fs
        self.kitchen.world.mounts = self.tree.table
        self.memory = self.kitchen.memory

    def call(self, name: str, *args: Any) -> Any:
        words = [
            self.memory.room(len(a) + 1, a.encode() + b"\0") if isinstance(a, str) else a
            for a in args
        ]
        return call(self.t, name, *words)


@pytest.fixture
def lab() -> Lab:
    made = Lab()
    for path in ("/a", "/b", "/a/sub"):
        made.tree.mkdir(path)
    made.tree.write("/a/f", b"content")
    return made


class TestMount:
    def test_tmpfs_with_options(self, lab: Lab) -> None:
        assert lab.call("mount", "src", "/b", "tmpfs", M.MS_NOSUID, "size=64k,mode=700") == 0
        assert lab.tree.stat("/b").mode & 0o7777 == 0o700
        lines = lab.tree.table.mounts(lab.tree.fs.root).decode().splitlines()
        assert lines[1] == "src /b tmpfs rw,nosuid,relatime,size=64k,mode=700 0 0"
        for bad, error in (("size=x", EINVAL), ("what=1", EINVAL)):
            with pytest.raises(error):
                lab.call("mount", "src", "/b", "tmpfs", 0, bad)
        with pytest.raises(ENODEV):
            lab.call("mount", "src", "/b", "ext4", 0, 0)

    def test_needs_the_capability(self, lab: Lab) -> None:
        lab.t.cred = Credentials(1000, 1000)
        with pytest.raises(EPERM):
            lab.call("mount", "src", "/b", "tmpfs", 0, 0)
        with pytest.raises(EPERM):
            lab.call("umount2", "/b", 0)
        with pytest.raises(EPERM):
            lab.call("fsopen", "tmpfs", 0)

    def test_bind_and_remount_read_only(self, lab: Lab) -> None:
        lab.call("mount", "/a", "/b", 0, M.MS_BIND, 0)
        assert lab.tree.read("/b/f") == b"content"
        lab.call("mount", 0, "/b", 0, M.MS_REMOUNT | M.MS_BIND | M.MS_RDONLY, 0)
        with pytest.raises(EROFS):
            lab.tree.write("/b/new", b"")
        lab.tree.write("/a/new", b"")
        lab.call("mount", 0, "/", 0, M.MS_REMOUNT | M.MS_RDONLY, 0)
        with pytest.raises(EROFS):
            lab.tree.write("/a/new", b"")

    def test_a_filesystem_with_writers_stays_writable(self, lab: Lab) -> None:
        file = lab.tree.open("/a/f", os.O_WRONLY)
        with pytest.raises(EBUSY):
            lab.call("mount", 0, "/", 0, M.MS_REMOUNT | M.MS_RDONLY, 0)
        file.drop()
        lab.call("mount", 0, "/", 0, M.MS_REMOUNT | M.MS_RDONLY, 0)

    def test_umount_is_busy_while_somebody_stands_there(self, lab: Lab) -> None:
        lab.call("mount", "x", "/b", "tmpfs", 0, 0)
        lab.call("chdir", "/b")
        with pytest.raises(EBUSY):
            lab.call("umount2", "/b", 0)
        lab.call("umount2", "/b", M.MNT_DETACH)
        with pytest.raises(EINVAL):
            lab.call("umount2", "/b", 0)
        with pytest.raises(EINVAL):
            lab.call("umount2", "/a", 0x100)

    def test_propagation_is_private_and_says_so(self, lab: Lab) -> None:
        assert lab.call("mount", "none", "/", 0, M.MS_REC | M.MS_PRIVATE, 0) == 0
        with pytest.raises(EINVAL, match="propagate"):
            lab.call("mount", "none", "/", 0, M.MS_SHARED, 0)

    def test_pivot_root(self, lab: Lab) -> None:
        lab.call("mount", "new", "/b", "tmpfs", 0, 0)
        lab.tree.mkdir("/b/old")
        lab.tree.write("/b/here", b"")
        with pytest.raises(EBUSY):
            lab.call("pivot_root", "/a", "/b/old")
        with pytest.raises(EINVAL):
            lab.call("pivot_root", "/b/old", "/b")
        lab.call("pivot_root", "/b", "/b/old")
        assert walk(lab.t, None, b"/here").inode.is_regular
        assert walk(lab.t, None, b"/old/a/f").inode.is_regular
        lab.call("umount2", "/old", M.MNT_DETACH)
        assert len(lab.tree.table) == 1

    def test_pivot_root_onto_itself(self, lab: Lab) -> None:
        """What container runtimes do: chdir(new); pivot_root(".", "."); umount2(".")."""
        lab.call("mount", "new", "/b", "tmpfs", 0, 0)
        lab.tree.write("/b/here", b"")
        lab.call("chdir", "/b")
        lab.call("pivot_root", ".", ".")
        lab.call("umount2", ".", M.MNT_DETACH)
        assert walk(lab.t, None, b"/here").inode.is_regular
        assert len(lab.tree.table) == 1


class TestNewMount:
    def make(self, lab: Lab) -> int:
        context = lab.call("fsopen", "tmpfs", 0)
        lab.call("fsconfig", context, M.FSCONFIG_SET_STRING, "size", "1m", 0)
        lab.call("fsconfig", context, M.FSCONFIG_SET_STRING, "source", "mine", 0)
        with pytest.raises(EINVAL):
            lab.call("fsmount", context, 0, 0)
        lab.call("fsconfig", context, M.FSCONFIG_CMD_CREATE, 0, 0, 0)
        return lab.call("fsmount", context, 0, M.MOUNT_ATTR_NODEV)  # type: ignore[no-any-return]

    def test_made_in_steps(self, lab: Lab) -> None:
        mount = self.make(lab)
        made = lab.call("openat", mount, "f", os.O_CREAT | os.O_WRONLY, 0o600)
        assert made > mount  # it can be used before it is attached
        empty = M.MOVE_MOUNT_F_EMPTY_PATH
        lab.call("move_mount", mount, "", AT_FDCWD, "/b", empty)
        assert lab.tree.names("/b") == [b"f"]
        line = lab.tree.table.mounts(lab.tree.fs.root).decode().splitlines()[1]
        assert line == "mine /b tmpfs rw,nodev,relatime,size=1024k 0 0"
        lab.call("move_mount", AT_FDCWD, "/b", AT_FDCWD, "/a/sub", 0)
        assert lab.tree.names("/b") == []
        assert lab.tree.names("/a/sub") == [b"f"]

    def test_an_unused_mount_goes_with_its_descriptor(self, lab: Lab) -> None:
        mount = self.make(lab)
        lab.call("openat", mount, "f", os.O_CREAT | os.O_WRONLY, 0o600)
        fs = lab.t.fds.get(mount).place.mount.fs  # type: ignore[union-attr,var-annotated]
        lab.t.fds.release()
        assert fs.mounts == 0 and not fs.live

    def test_open_tree_clone(self, lab: Lab) -> None:
        tree = lab.call("open_tree", AT_FDCWD, "/a", M.OPEN_TREE_CLONE)
        lab.call("move_mount", tree, "", AT_FDCWD, "/b", M.MOVE_MOUNT_F_EMPTY_PATH)
        assert lab.tree.read("/b/f") == b"content"

    def test_mount_setattr(self, lab: Lab) -> None:
        lab.call("mount", "/a", "/b", 0, M.MS_BIND, 0)
        attr = struct.pack("<QQQQ", M.MOUNT_ATTR_RDONLY, 0, 0, 0)
        at = lab.memory.room(32, attr)
        lab.call("mount_setattr", AT_FDCWD, "/b", 0, at, 32)
        with pytest.raises(EROFS):
            lab.tree.write("/b/new", b"")
        back = lab.memory.room(32, struct.pack("<QQQQ", 0, M.MOUNT_ATTR_RDONLY, 0, 0))
        lab.call("mount_setattr", AT_FDCWD, "/b", 0, back, 32)
        lab.tree.write("/b/new", b"")


class TestHandles:
    def test_round_trip(self, lab: Lab) -> None:
        handle, mount_id = lab.memory.room(64, struct.pack("<I", 64)), lab.memory.room(8)
        lab.call("name_to_handle_at", AT_FDCWD, "/a/f", handle, mount_id, 0)
        assert lab.memory.ints(mount_id, "I")[0] == lab.tree.mount.id
        base = lab.call("openat", AT_FDCWD, "/", os.O_RDONLY, 0)
        ops.rename(lab.t, None, b"/a/f", None, b"/moved")
        fd = lab.call("open_by_handle_at", base, handle, os.O_RDONLY)
        assert lab.t.fds.get(fd).read(20) == b"content"  # type: ignore[var-annotated]
        lab.call("close", fd)
        ops.unlink(lab.t, None, b"/moved")
        with pytest.raises(ESTALE):
            lab.call("open_by_handle_at", base, handle, os.O_RDONLY)
        lab.t.cred = Credentials(1000, 1000)
        with pytest.raises(EPERM):
            lab.call("open_by_handle_at", base, handle, os.O_RDONLY)

    def test_too_little_room_says_how_much(self, lab: Lab) -> None:
        handle, mount_id = lab.memory.room(64, bytes(4)), lab.memory.room(8)
        with pytest.raises(EOVERFLOW):
            lab.call("name_to_handle_at", AT_FDCWD, "/a", handle, mount_id, 0)
        assert lab.memory.ints(handle, "I")[0] == 16

    def test_views_have_none(self, lab: Lab) -> None:
        class View(TmpFs):
            name = "procish"

        lab.tree.table.attach(type(lab.tree.mount)(View()), lab.tree.at("/b"))
        with pytest.raises(EOPNOTSUPP):
            lab.call("name_to_handle_at", AT_FDCWD, "/b", lab.memory.room(64), 0, 0)


class TestListings:
    def entries(self, lab: Lab, name: str, head: str, room: int) -> list[tuple[bytes, int]]:
        """(name, type) of the root's entries, read *room* bytes at a time."""
        fd = lab.call("openat", AT_FDCWD, "/", 0, 0)
        buf = lab.memory.room(room)
        found = []
        form = struct.Struct("<" + head)
        while count := lab.call(name, fd, buf, room):
            data = lab.memory.get(buf, count)
            while data:
                fields = form.unpack_from(data)
                size = fields[2]
                assert size % (lab.memory.word // 8) == 0
                text = data[form.size : size].partition(b"\0")[0]
                kind = fields[3] if len(fields) > 3 else data[size - 1]
                found.append((text, kind))
                data = data[size:]
        return found

    @pytest.mark.parametrize(
        ("call_name", "head", "word"),
        [("getdents64", "QqHB", 64), ("getdents", "QQH", 64), ("getdents", "IIH", 32),
         ("getdents64", "QqHB", 32)],
    )  # fmt: skip
    @pytest.mark.parametrize("room", [48, 4096])
    def test_all_forms(self, call_name: str, head: str, word: int, room: int) -> None:
        lab = Lab(word)
        for path in ("/d", "/exactly8", "/ninechars"):
            lab.tree.mkdir(path)
        lab.tree.write("/f", b"")
        lab.tree.symlink("f", "/l")
        assert self.entries(lab, call_name, head, room) == [
            (b".", 4), (b"..", 4), (b"d", 4), (b"exactly8", 4), (b"ninechars", 4), (b"f", 8),
            (b"l", 10),
        ]  # fmt: skip

    def test_no_room_for_one(self, lab: Lab) -> None:
        fd = lab.call("openat", AT_FDCWD, "/", 0, 0)
        with pytest.raises(EINVAL):
            lab.call("getdents64", fd, lab.memory.room(16), 16)

    def test_seeking_to_a_cookie(self, lab: Lab) -> None:
        fd = lab.call("openat", AT_FDCWD, "/", 0, 0)
        buf = lab.memory.room(4096)
        lab.call("getdents64", fd, buf, 4096)
        _, second, _ = lab.memory.ints(buf, "QqH")
        directory = lab.t.fds.get(fd)  # type: ignore[var-annotated]
        directory.seek(second, 0)
        lab.call("getdents64", fd, buf, 4096)
        assert lab.memory.get(buf + 19, 3) == b"..\0"

    def test_the_oldest_form_gives_one_at_a_time(self) -> None:
        lab = Lab(32)
        lab.tree.mkdir("/only")
        fd = lab.call("open", "/", 0, 0)
        buf = lab.memory.room(64)
        names = []
        while lab.call("readdir", fd, buf, 1):
            length = lab.memory.ints(buf, "IIH")[2]
            names.append(lab.memory.get(buf + 10, length))
        assert names == [b".", b"..", b"only"]


class TestOpenat2:
    def how(self, lab: Lab, *fields: int) -> int:
        return lab.memory.room(64, struct.pack(f"<{len(fields)}Q", *fields))

    @pytest.mark.parametrize(
        ("fields", "size", "error"),
        [
            ((0, 0, 0), 16, EINVAL),
            ((0, 0, 0, 0), 32, None),
            ((0, 0, 0, 1), 32, E2BIG),
            ((0, 0, 0), 5000, E2BIG),
            ((1 << 40, 0, 0), 24, EINVAL),
            ((0, 0, 1 << 20), 24, EINVAL),
            ((0, 0o644, 0), 24, EINVAL),
            ((F.O_CREAT, 0o10644, 0), 24, EINVAL),
            ((0, 0, F.RESOLVE_BENEATH | F.RESOLVE_IN_ROOT), 24, EINVAL),
            ((F.O_PATH | F.O_RDWR, 0, 0), 24, EINVAL),
            ((F.O_PATH | F.O_NOFOLLOW, 0, 0), 24, None),
        ],
    )
    def test_arguments(
        self, lab: Lab, fields: tuple[int, ...], size: int, error: type[Exception] | None
    ) -> None:
        how = self.how(lab, *fields)
        if error is None:
            assert lab.call("openat2", AT_FDCWD, "/a/f", how, size) >= 0
        else:
            with pytest.raises(error):
                lab.call("openat2", AT_FDCWD, "/a/f", how, size)


def test_i386_cannot_open_large_files_without_saying_so() -> None:
    lab = Lab(32)
    file = lab.tree.open("/big", os.O_CREAT | os.O_WRONLY)
    file.truncate(1 << 31)
    file.drop()
    with pytest.raises(EOVERFLOW):
        lab.call("open", "/big", 0, 0)
    assert lab.call("open", "/big", F.O_LARGEFILE, 0) >= 0
    assert lab.tree.inode("/big").opens == 1  # the refused one left nothing
