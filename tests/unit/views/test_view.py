"""The default view: what of the host is there, where writes go, what stays out of sight."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ring3.abi.errno import EACCES, ENOENT, EROFS, Errno
from ring3.fs.hostdir import HostDir
from ring3.vfs import ops
from ring3.vfs.path import walk
from ring3.view import resolve
from ring3.views.guarded import GuardedFs
from tests.unit.views.conftest import Guest, Maker


def changes(guest: Guest) -> list[tuple[str, str]]:
    return [(c.kind, c.path.decode()) for c in guest.view.changes()]


def test_the_hosts_system_is_there_and_nothing_else(make: Maker, tmp_path: Path) -> None:
    (tmp_path / "beside").write_text("not granted")
    guest = make()
    names = guest.names("/")
    assert {"usr", "etc", "bin", "tmp", "home", "root", "proc", "sys", "dev"} <= set(names)
    for name in ("bin", "lib", "usr"):  # links look as on the host
        assert walk(guest.t, None, f"/{name}".encode(), 0).inode.is_symlink == os.path.islink(
            f"/{name}"
        )
    assert guest.text("/etc/passwd") == Path("/etc/passwd").read_bytes()
    with pytest.raises(ENOENT) as refused:
        guest.text(str(tmp_path / "beside"))
    assert f"--ro {tmp_path}/beside" in str(refused.value)


def test_tmp_and_home_are_empty_and_take_files(make: Maker) -> None:
    guest = make(ro=())
    assert guest.names("/root") == []
    guest.write("/root/new", b"x")
    assert guest.text("/root/new") == b"x"
    assert walk(guest.t, None, b"/tmp").inode.mode & 0o7777 == 0o1777
    assert walk(guest.t, None, b"/root").inode.mode & 0o7777 == 0o700


def test_writes_stay_in_the_private_layer(make: Maker) -> None:
    (make.cwd / "file").write_text("old")
    (make.cwd / "goes").write_text("old")
    guest = make()
    guest.write(f"{make.cwd}/file", b"new")
    guest.write(f"{make.cwd}/added", b"more")
    ops.unlink(guest.t, None, f"{make.cwd}/goes".encode())
    assert guest.text(f"{make.cwd}/file") == b"new"
    assert sorted(os.listdir(make.cwd)) == ["file", "goes"]
    assert (make.cwd / "file").read_text() == "old"
    assert sorted(changes(guest)) == [
        ("added", f"{make.cwd}/added"),
        ("deleted", f"{make.cwd}/goes"),
        ("modified", f"{make.cwd}/file"),
    ]


def test_a_fresh_view_has_no_changes(make: Maker) -> None:
    assert changes(make()) == []
    assert changes(make(root=str(make.cwd))) == []


def test_rw_writes_through_and_is_no_change(make: Maker, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    guest = make(rw=(str(out),))
    guest.write(f"{out}/result", b"kept")
    assert (out / "result").read_bytes() == b"kept"
    assert changes(guest) == []


def test_rw_inside_the_working_directory(make: Maker) -> None:
    (make.cwd / "build").mkdir()
    guest = make(rw=("build",))  # relative to the working directory
    guest.write(f"{make.cwd}/build/a", b"1")
    guest.write(f"{make.cwd}/b", b"2")
    assert [p.name for p in sorted(make.cwd.rglob("*"))] == ["build", "a"]


def test_ro_adds_and_still_takes_private_writes(make: Maker, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "f").write_text("here")
    guest = make(ro=(str(extra),))
    assert guest.text(f"{extra}/f") == b"here"
    guest.write(f"{extra}/f", b"changed")
    assert (extra / "f").read_text() == "here"
    assert changes(guest) == [("modified", f"{extra}/f")]


def test_single_files_can_be_granted(make: Maker, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    guest = make(ro=(str(tmp_path / "one"),), rw=(str(tmp_path / "two"),))
    assert guest.text(f"{tmp_path}/one") == b"1"
    guest.write(f"{tmp_path}/two", b"22")
    assert (tmp_path / "two").read_text() == "22"


def test_grants_through_links(make: Maker, tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "sub").mkdir(parents=True)
    (real / "sub" / "f").write_text("x")
    (tmp_path / "link").symlink_to("real")
    guest = make(ro=(str(tmp_path / "link" / "sub"),))
    assert guest.text(f"{tmp_path}/link/sub/f") == b"x"
    assert guest.link(f"{tmp_path}/link") == b"real"
    links, found = resolve(os.fsencode(tmp_path / "link" / "sub"))
    assert found == os.fsencode(real / "sub")
    assert links[-1] == (os.fsencode(tmp_path / "link"), b"real")


def test_missing_grants_are_told(make: Maker, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make(ro=(str(tmp_path / "none"),))
    with pytest.raises(FileNotFoundError):
        make(rw=(str(tmp_path / "none"),))


def test_root_replaces_everything_and_is_not_written(make: Maker, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "issue").write_text("other")
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "f").write_text("s")
    guest = make(root=str(root), ro=(str(tmp_path / "shown"),))
    assert guest.names("/etc") == ["issue"]
    assert "usr" not in guest.names("/")
    guest.write("/etc/issue", b"mine")
    assert guest.text(f"{tmp_path}/shown/f") == b"s"
    guest.write(f"{tmp_path}/shown/f", b"t")
    assert (root / "etc" / "issue").read_text() == "other"
    assert sorted(os.listdir(root)) == ["etc"]
    assert sorted(changes(guest)) == [
        ("modified", "/etc/issue"),
        ("modified", f"{tmp_path}/shown/f"),
    ]


def test_the_hosts_kernel_interfaces_are_never_granted(make: Maker) -> None:
    guest = make(ro=("/proc/1", "/dev/mem", "/sys/kernel") if os.path.exists("/dev/mem") else ())
    assert walk(guest.t, None, b"/proc").mount.fs.name == "proc"
    with pytest.raises(ENOENT):
        walk(guest.t, None, b"/dev/mem")


def test_own_filesystems_are_mounted_with_linux_flags(make: Maker) -> None:
    guest = make()
    lines = guest.view.table.mounts(guest.t.fs.root).decode().splitlines()
    found = {line.split()[1]: line.split()[2:4] for line in lines}
    assert found["/proc"] == ["proc", "rw,nosuid,nodev,noexec,relatime"]
    assert found["/dev/pts"][0] == "devpts"
    assert found["/dev/shm"][0] == "tmpfs"
    assert found["/"][0] == "overlay"


# --- secrets ----------------------------------------------------------------------------------
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostDir:
    """A guarded tree that takes *tmp_path*/etc for /etc."""
    monkeypatch.setattr(
        "ring3.views.guarded.path_of",
        lambda inode: b"/etc/" + inode.name,
    )
    etc = tmp_path / "etc"
    (etc / "private").mkdir(parents=True)
    (etc / "private" / "key").write_text("k")
    (etc / "open").write_text("o")
    (etc / "shadow").write_text("s")
    (etc / "shadow").chmod(0o640)
    (etc / "private").chmod(0o710)
    fs = GuardedFs(os.fsencode(etc))
    root = fs.root.inode
    assert isinstance(root, HostDir)
    return root


def test_secret_files_are_seen_but_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = guarded(tmp_path, monkeypatch)
    secret = root.lookup(b"shadow")
    assert secret is not None and secret.stat().size == 1
    with pytest.raises(EACCES) as refused:
        secret.host_open(os.O_RDONLY)
    assert "--ro" in str(refused.value)
    plain = root.lookup(b"open")
    assert plain is not None
    os.close(plain.host_open(os.O_RDONLY))


def test_secret_directories_are_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = guarded(tmp_path, monkeypatch).lookup(b"private")
    assert inner is not None
    with pytest.raises(EACCES):
        inner.lookup(b"key")
    with pytest.raises(EACCES):
        inner.iterate()


@pytest.mark.skipif(os.geteuid() != 0, reason="the host itself keeps others from /etc/shadow")
def test_shadow_stays_closed_to_root(make: Maker) -> None:
    guest = make()
    with pytest.raises(EACCES):
        guest.text("/etc/shadow")
    with pytest.raises(Errno):
        guest.open("/etc/shadow", os.O_RDWR)
    assert make(ro=("/etc/shadow",)).text("/etc/shadow") == Path("/etc/shadow").read_bytes()


def test_readonly_device_mounts(guest: Guest) -> None:
    with pytest.raises((EACCES, EROFS, Errno)):
        guest.open("/sys/kernel/mm/transparent_hugepage/enabled", os.O_WRONLY)
