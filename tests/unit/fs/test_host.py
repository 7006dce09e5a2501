"""hostfs: what is granted is reachable, and nothing else, whatever links and races say."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from ring3.abi.errno import EACCES, ENOENT, EPERM, EROFS, ESTALE, Errno
from ring3.fs import host
from ring3.fs.host import HostFs
from ring3.vfs import attributes, ops
from ring3.vfs.path import walk
from tests.unit.vfs.tree import Tree

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """tmp/secret beside tmp/grant/{f,d/in}."""
    (tmp_path / "secret").write_text("not granted")
    grant = tmp_path / "grant"
    (grant / "d").mkdir(parents=True)
    (grant / "f").write_text("granted")
    (grant / "d" / "in").write_text("inner")
    return grant


def grant(folder: Path, writable: bool = False) -> Tree:
    return Tree(HostFs(os.fsencode(folder), writable))


class TestConfinement:
    @pytest.mark.parametrize("path", ["../secret", "/../secret", "d/../../secret", "../../../etc"])
    def test_dotdot(self, folder: Path, path: str) -> None:
        with pytest.raises(ENOENT):
            grant(folder).at(path)

    def test_links_lead_nowhere_outside(self, folder: Path) -> None:
        (folder / "absolute").symlink_to(folder.parent / "secret")
        (folder / "relative").symlink_to("../secret")
        (folder / "directory").symlink_to("/etc")
        tree = grant(folder, writable=True)
        for path in ("absolute", "relative", "directory/passwd"):
            with pytest.raises(ENOENT):
                tree.open(path)
        with pytest.raises(ENOENT):
            tree.open("absolute", os.O_CREAT | os.O_WRONLY)
        assert (folder.parent / "secret").read_text() == "not granted"

    def test_dangling_relative_link_creates_inside(self, folder: Path) -> None:
        (folder / "link").symlink_to("../new")
        tree = grant(folder, writable=True)
        tree.open("link", os.O_CREAT | os.O_WRONLY).drop()  # "/.." is "/": the grant itself
        assert (folder / "new").exists()
        assert not (folder.parent / "new").exists()

    def test_a_directory_swapped_for_a_link_is_not_followed(self, folder: Path) -> None:
        """The host swaps a directory whose descriptor is not held for a link to outside."""
        tree = grant(folder)
        held = tree.at("d")
        tree.mount.fs.close_directories()  # type: ignore[attr-defined]
        (folder / "d").rename(folder / "moved")
        (folder / "d").symlink_to(folder.parent)
        with pytest.raises(Errno):
            walk(tree, held, b"secret")
        with pytest.raises(Errno):
            tree.at("d/secret")

    def test_a_directory_swapped_for_another_is_noticed(self, folder: Path) -> None:
        tree = grant(folder)
        held = tree.at("d")
        tree.mount.fs.close_directories()  # type: ignore[attr-defined]
        (folder / "d").rename(folder.parent / "outside")
        (folder / "d").mkdir()
        with pytest.raises((ESTALE, ENOENT)):
            walk(tree, held, b"in")

    def test_a_file_swapped_for_a_link_is_not_opened(self, folder: Path) -> None:
        tree = grant(folder)
        place = tree.at("f")
        (folder / "f").unlink()
        (folder / "f").symlink_to("../secret")
        with pytest.raises(Errno):
            place.inode.open(tree, place, os.O_RDONLY)

    def test_the_hosts_kernel_interfaces_are_not_entered(self) -> None:
        tree = Tree(HostFs(b"/"))
        with pytest.raises(EACCES, match="a guest has its own"):
            tree.at("/proc/self")
        with pytest.raises(EACCES):
            tree.at("/sys/kernel")
        assert tree.at("/etc/passwd").inode.is_regular

    def test_a_single_file(self, folder: Path) -> None:
        tree = Tree()
        tree.write("/file", b"")
        from ring3.vfs.mount import Mount

        tree.table.attach(Mount(HostFs(os.fsencode(folder / "f"))), tree.at("/file"))
        assert tree.read("/file") == b"granted"
        with pytest.raises(EROFS):
            tree.open("/file", os.O_WRONLY)


class TestReadOnly:
    def test_nothing_can_be_changed(self, folder: Path) -> None:
        tree = grant(folder)
        with pytest.raises(EROFS, match="add --rw"):
            tree.open("f", os.O_WRONLY)
        with pytest.raises(EROFS):
            tree.mkdir("new")
        assert tree.read("f") == b"granted"

    def test_fifos_and_sockets_are_refused(self, folder: Path) -> None:
        os.mkfifo(folder / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(folder)
            listener.bind("socket")
            os.chdir(here)
            tree = grant(folder)
            for name in ("fifo", "socket"):
                with pytest.raises(EACCES, match="read-only"):
                    tree.open(name, os.O_RDONLY | os.O_NONBLOCK)
                assert tree.lstat(name).mode == os.lstat(folder / name).st_mode

    @ROOT
    def test_devices_are_never_opened(self, folder: Path) -> None:
        try:
            os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("no device nodes here")
        for writable in (False, True):
            with pytest.raises(EACCES, match="device nodes"):
                grant(folder, writable).open("null")


class TestWriting:
    def test_reaches_the_host(self, folder: Path) -> None:
        tree = grant(folder, writable=True)
        tree.fs.umask = 0o027
        tree.write("new", b"text", 0o666)
        tree.mkdir("dir", 0o777)
        tree.symlink("anywhere", "link")
        ops.link(tree, tree.at("new"), None, b"hard")
        ops.rename(tree, None, b"f", None, b"d/f")
        ops.unlink(tree, None, b"d/in")
        attributes.set_times(tree.cred, tree.at("new"), 5_000_000_000, 7_000_000_001)
        host_stat = os.stat(folder / "new")
        assert (folder / "hard").read_bytes() == b"text"
        assert (host_stat.st_mtime_ns, host_stat.st_nlink) == (7_000_000_001, 2)
        assert stat.S_IMODE(host_stat.st_mode) == 0o640  # whatever the test's own umask
        assert stat.S_IMODE(os.stat(folder / "dir").st_mode) == 0o750
        assert os.readlink(folder / "link") == "anywhere"
        assert sorted(os.listdir(folder / "d")) == ["f"]

    def test_setid_and_devices_do_not(self, folder: Path) -> None:
        tree = grant(folder, writable=True)
        with pytest.raises(EPERM):
            attributes.chmod(tree.cred, tree.at("f"), 0o4755)
        with pytest.raises(EPERM):
            tree.open("new", os.O_CREAT | os.O_WRONLY, 0o4755)
        with pytest.raises(EPERM):
            ops.mknod(tree, None, b"null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with pytest.raises(EPERM):
            tree.inode("f").setxattr(b"security.capability", b"x", 0)
        assert not os.stat(folder / "f").st_mode & 0o6000
        assert sorted(os.listdir(folder)) == ["d", "f"]

    def test_tmpfile_gets_a_name(self, folder: Path) -> None:
        tree = grant(folder, writable=True)
        try:
            file = tree.open("d", os.O_TMPFILE | os.O_RDWR)
        except Errno as error:
            pytest.skip(f"the host's filesystem has no O_TMPFILE: {error}")
        file.write(b"now you see me")
        assert file.place is not None and file.stat().nlink == 0
        ops.link(tree, file.place, None, b"named")
        file.drop()
        assert (folder / "named").read_bytes() == b"now you see me"


class TestFreshness:
    def test_host_changes_show_at_once(self, folder: Path) -> None:
        tree = grant(folder)
        assert tree.stat("d/in").size == 5
        (folder / "d" / "in").write_text("longer now")
        assert tree.stat("d/in").size == 10
        (folder / "d" / "late").write_text("")
        assert tree.at("d/late").inode.is_regular
        (folder / "d" / "in").unlink()
        with pytest.raises(ENOENT):
            tree.at("d/in")

    def test_a_directory_made_anew_on_the_host_is_found_at_once(self, folder: Path) -> None:
        tree = grant(folder, writable=True)
        tree.fs.cwd = tree.at("d")
        assert tree.read("/d/in") == b"inner"
        (folder / "d" / "in").unlink()
        (folder / "d").rmdir()
        (folder / "d").mkdir()
        (folder / "d" / "in").write_text("anew")
        assert tree.read("/d/in") == b"anew"
        (folder / "d" / "in").unlink()
        (folder / "d").rmdir()
        (folder / "d").mkdir()
        tree.write("/d/made", b"by the guest")
        assert (folder / "d" / "made").read_bytes() == b"by the guest"
        with pytest.raises(ENOENT):  # the guest still stands in the first one
            tree.at("in")
        with pytest.raises(ENOENT):
            tree.write("new", b"")

    def test_an_open_file_is_followed_beyond_its_name(self, folder: Path) -> None:
        tree = grant(folder, writable=True)
        file = tree.open("f", os.O_RDWR)
        ops.unlink(tree, None, b"f")
        file.write(b"GRANTED, and more")
        assert (file.stat().size, file.stat().nlink) == (17, 0)
        file.drop()

    def test_names_of_one_file_share_the_inode(self, folder: Path) -> None:
        os.link(folder / "f", folder / "g")
        tree = grant(folder)
        assert tree.inode("f") is tree.inode("g")
        assert tree.stat("f").nlink == 2


def test_directory_descriptors_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "OPEN_DIRS", 16)
    for i in range(60):
        (tmp_path / f"d{i}" / "e").mkdir(parents=True)
        (tmp_path / f"d{i}" / "e" / "f").write_text(str(i))
    tree = grant(tmp_path)
    fs = tree.mount.fs
    assert isinstance(fs, HostFs)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        for i in range(60):
            assert tree.read(f"d{i}/e/f") == str(i).encode()
    assert len(fs.open_dirs) <= 16
    assert len(os.listdir("/proc/self/fd")) <= before + 17
    fs.shutdown()
    assert not fs.open_dirs


@ROOT
def test_what_the_host_refuses_ring3_is_refused_with_a_reason(folder: Path) -> None:
    os.chmod(folder / "f", 0o600)
    os.chmod(folder.parent, 0o755)
    tree = grant(folder)
    os.seteuid(65534)
    try:
        with pytest.raises(EACCES, match="the host refuses"):
            tree.open("f")
    finally:
        os.seteuid(0)
