"""Who may do what: modes, groups, capabilities, sticky and set-ID bits, read-only mounts."""

from __future__ import annotations

import os
import stat

import pytest

from ring3.abi.errno import EACCES, EEXIST, EISDIR, EPERM, EROFS
from ring3.abi.mount import MS_NOEXEC, MS_RDONLY
from ring3.vfs import attributes, ops
from ring3.vfs.access import PlainCred, may, real_cred
from ring3.vfs.open import open_exec
from tests.unit.vfs.tree import Tree


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.fs.umask = 0
    made.mkdir("/tmp", 0o777)
    attributes.chmod(made.cred, made.at("/tmp"), 0o1777)
    return made


@pytest.mark.parametrize(
    ("uid", "gid", "groups", "mode", "mask", "allowed"),
    [
        (10, 1, (), 0o400, 4, True),
        (10, 1, (), 0o077, 4, False),  # the owner's bits count, not others'
        (11, 20, (), 0o040, 4, True),
        (11, 1, (5, 20), 0o040, 4, True),
        (11, 1, (20,), 0o707, 4, False),  # the group's bits count, not others'
        (11, 1, (), 0o004, 4, True),
        (11, 1, (), 0o004, 6, False),
        (0, 0, (), 0o000, 6, True),
        (0, 0, (), 0o666, 1, False),  # no x bit at all: not even root
        (0, 0, (), 0o100, 1, True),
    ],
)
def test_may(
    tree: Tree, uid: int, gid: int, groups: tuple[int, ...], mode: int, mask: int, allowed: bool
) -> None:
    tree.write("/f", b"")
    attributes.chown(tree.cred, tree.at("/f"), 10, 20)
    attributes.chmod(tree.cred, tree.at("/f"), mode)
    assert may(PlainCred(uid, gid, groups), tree.inode("/f"), mask) is allowed


def test_real_credentials_have_roots_capabilities_only_for_real_root() -> None:
    setuid_program = PlainCred(1000, 1000, permitted=-1)
    assert not real_cred(setuid_program).capable(1)
    assert real_cred(PlainCred(0, 0)).capable(1)


def test_sticky_directory(tree: Tree) -> None:
    one, two = tree.as_user(1), tree.as_user(2)
    one.write("/tmp/f", b"")
    for action in (
        lambda: ops.unlink(two, None, b"/tmp/f"),
        lambda: ops.rename(two, None, b"/tmp/f", None, b"/tmp/g"),
    ):
        with pytest.raises(EPERM):
            action()
    two.write("/tmp/g", b"")
    with pytest.raises(EPERM):
        ops.rename(two, None, b"/tmp/g", None, b"/tmp/f")
    ops.unlink(one, None, b"/tmp/f")
    ops.unlink(tree, None, b"/tmp/g")


def test_setgid_directory_hands_down_its_group(tree: Tree) -> None:
    tree.mkdir("/tmp/d", 0o777)
    attributes.chown(tree.cred, tree.at("/tmp/d"), 0, 77)
    attributes.chmod(tree.cred, tree.at("/tmp/d"), 0o2777)
    user = tree.as_user(5)
    user.mkdir("/tmp/d/sub", 0o755)
    user.write("/tmp/d/f", b"")
    sub, f = tree.stat("/tmp/d/sub"), tree.stat("/tmp/d/f")
    assert (sub.gid, sub.mode & 0o7777) == (77, 0o2755)
    assert (f.gid, f.uid, f.mode & 0o7777) == (77, 5, 0o644)


class TestSetId:
    def test_chmod_by_one_outside_the_group_loses_setgid(self, tree: Tree) -> None:
        user = tree.as_user(5, gid=5)
        user.write("/tmp/f", b"")
        attributes.chown(tree.cred, tree.at("/tmp/f"), 5, 99)
        attributes.chmod(user.cred, user.at("/tmp/f"), 0o6755)
        assert tree.stat("/tmp/f").mode & 0o7777 == 0o4755

    def test_chown_takes_them_off_for_root_too(self, tree: Tree) -> None:
        tree.write("/f", b"", 0o755)
        attributes.chmod(tree.cred, tree.at("/f"), 0o6755)
        attributes.chown(tree.cred, tree.at("/f"), 1, 1)
        assert tree.stat("/f").mode & 0o7777 == 0o755

    def test_a_write_takes_them_off_and_is_not_bound(self, tree: Tree) -> None:
        user = tree.as_user(5)
        user.write("/tmp/f", b"")
        file = user.open("/tmp/f", os.O_WRONLY)
        assert file.bind_fd is not None
        attributes.chmod(user.cred, user.at("/tmp/f"), 0o4755)
        assert file.bind_fd is None
        file.write(b"x")
        file.drop()
        assert tree.stat("/tmp/f").mode & 0o7777 == 0o755

    def test_roots_writes_leave_them(self, tree: Tree) -> None:
        tree.write("/f", b"")
        attributes.chmod(tree.cred, tree.at("/f"), 0o4755)
        file = tree.open("/f", os.O_WRONLY)
        file.write(b"x")
        file.drop()
        assert tree.stat("/f").mode & 0o7777 == 0o4755


class TestReadOnly:
    @pytest.fixture
    def readonly(self, tree: Tree) -> Tree:
        tree.write("/f", b"old")
        tree.mkdir("/d")
        tree.mount.flags |= MS_RDONLY
        return tree

    def test_changes_are_refused(self, readonly: Tree) -> None:
        cred, f = readonly.cred, readonly.at("/f")
        for action in (
            lambda: readonly.open("/f", os.O_WRONLY),
            lambda: readonly.open("/f", os.O_RDONLY | os.O_TRUNC),
            lambda: readonly.open("/new", os.O_CREAT | os.O_WRONLY),
            lambda: readonly.mkdir("/new"),
            lambda: ops.unlink(readonly, None, b"/f"),
            lambda: ops.unlink(readonly, None, b"/absent"),
            lambda: ops.rmdir(readonly, None, b"/d"),
            lambda: ops.rename(readonly, None, b"/f", None, b"/g"),
            lambda: ops.link(readonly, f, None, b"/g"),
            lambda: readonly.symlink("x", "/g"),
            lambda: attributes.chmod(cred, f, 0o600),
            lambda: attributes.chown(cred, f, 1, 1),
            lambda: attributes.touch(cred, f),
            lambda: attributes.truncate(cred, f, 0),
        ):
            with pytest.raises(EROFS):
                action()
        assert readonly.read("/f") == b"old"

    def test_what_exists_is_said_first(self, readonly: Tree) -> None:
        with pytest.raises(EEXIST):
            readonly.mkdir("/d")
        readonly.open("/f", os.O_RDONLY | os.O_CREAT).drop()


def test_open_wants_what_it_uses(tree: Tree) -> None:
    tree.write("/f", b"x", 0o644)
    user = tree.as_user(9)
    user.open("/f").drop()
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, 3):
        with pytest.raises(EACCES):
            user.open("/f", flags)
    with pytest.raises(EPERM):
        user.open("/f", os.O_RDONLY | os.O_NOATIME)


def test_a_new_file_may_be_written_whatever_its_mode(tree: Tree) -> None:
    user = tree.as_user(9)
    file = user.open("/tmp/f", os.O_CREAT | os.O_WRONLY, 0o400)
    assert file.write(b"x") == 1
    file.drop()
    with pytest.raises(EACCES):
        user.open("/tmp/f", os.O_WRONLY)


def test_exec_wants_x_and_not_r(tree: Tree) -> None:
    tree.write("/p", b"#!", 0o711)
    user = tree.as_user(9)
    file = open_exec(user, user.at("/p"))
    file.hold()
    assert file.pread(2, 0) == b"#!"
    file.drop()
    with pytest.raises(EACCES):
        user.open("/p")
    attributes.chmod(tree.cred, tree.at("/p"), 0o644)
    with pytest.raises(EACCES):
        open_exec(tree, tree.at("/p"))
    attributes.chmod(tree.cred, tree.at("/p"), 0o755)
    tree.mount.flags |= MS_NOEXEC
    with pytest.raises(EACCES):
        open_exec(tree, tree.at("/p"))


def test_chown_and_chmod_are_the_owners(tree: Tree) -> None:
    user = tree.as_user(9, groups=(30,))
    user.write("/tmp/f", b"")
    attributes.chown(user.cred, user.at("/tmp/f"), 9, 30)
    for uid, gid in ((10, 0xFFFFFFFF), (0xFFFFFFFF, 31)):
        with pytest.raises(EPERM):
            attributes.chown(user.cred, user.at("/tmp/f"), uid, gid)
    other = tree.as_user(8)
    with pytest.raises(EPERM):
        attributes.chmod(other.cred, other.at("/tmp/f"), 0o777)
    with pytest.raises(EACCES):
        attributes.touch(other.cred, other.at("/tmp/f"))
    attributes.chmod(user.cred, user.at("/tmp/f"), 0o666)
    attributes.touch(other.cred, other.at("/tmp/f"))
    with pytest.raises(EPERM):
        attributes.set_times(other.cred, other.at("/tmp/f"), 1, 1)


def test_moving_a_directory_is_a_write_to_it(tree: Tree) -> None:
    tree.mkdir("/tmp/mine", 0o777)
    user = tree.as_user(9)
    user.mkdir("/tmp/mine/d", 0o555)
    user.mkdir("/tmp/mine/to", 0o777)
    with pytest.raises(EACCES):
        ops.rename(user, None, b"/tmp/mine/d", None, b"/tmp/mine/to/d")
    ops.rename(user, None, b"/tmp/mine/d", None, b"/tmp/mine/e")


def test_device_nodes_need_cap_mknod(tree: Tree) -> None:
    user = tree.as_user(9)
    with pytest.raises(EPERM):
        ops.mknod(user, None, b"/tmp/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    ops.mknod(user, None, b"/tmp/fifo", stat.S_IFIFO | 0o666, 0)
    ops.mknod(tree, None, b"/tmp/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert tree.stat("/tmp/null").rdev == os.makedev(1, 3)


def test_directories_open_for_reading_only(tree: Tree) -> None:
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT):
        with pytest.raises(EISDIR):
            tree.open("/tmp", flags)
