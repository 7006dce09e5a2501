"""Random arguments to every call of the file families: an errno or a result, never an oops, and
nothing of the host outside the grant is touched."""

from __future__ import annotations

import importlib
import os
import random
from pathlib import Path

import pytest

from ring3.abi.errno import Errno
from ring3.core.park import Park
from ring3.fs.host import HostFs
from ring3.fs.overlay import OverlayFs
from ring3.syscalls.table import CALLS
from ring3.vfs.mount import Mount
from tests.unit.fakes import Kitchen, binder
from tests.unit.vfs.tree import Tree

FAMILIES = "open stat dir link perm xattr size mount newmount inotify handle".split()
TEXTS = (
    b"", b"/", b".", b"..", b"/rw", b"/rw/f", b"/rw/../f", b"f", b"d", b"d/x", b"/d/e", b"link",
    b"/rw/new", b"new", b"../../../etc/passwd", b"out", b"/rw/out", b"x" * 255, b"x" * 256,
    b"/" * 4095, b"a/" * 2047, b"y" * 5000, b"user.a", b"security.capability", b"tmpfs", b"size=1m",
    b"\xff\xfe", b"f/", b"d/", b"/rw/d/../../d",
)  # fmt: skip
NUMBERS = (
    0, 1, 2, 3, 4, 5, 7, 8, 0o100, 0o644, 0o755, 0o1000, 0o4755, 0o100000, 4096, 0x7FFFFFFF,
    0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, -100 & 0xFFFFFFFFFFFFFFFF, 0x1000, 0x100, 0x8000000000000000,
    1 << 40, 0x20200000 >> 4, 0o20200002, 24, 32, 255, 65536, 65537,
)  # fmt: skip


def members() -> list[str]:
    found = []
    for family in FAMILIES:
        module = importlib.import_module(f"ring3.syscalls.{family}")
        found += [name for name, call in CALLS.items() if call.fn.__module__ == module.__name__]
    return sorted(found)


def picture(folder: Path) -> list[tuple[str, int, bytes]]:
    found = []
    for path in sorted(folder.rglob("*")):
        st = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found.append((str(path), st.st_mode, content))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("uid", [0, 1000])
def test_no_call_breaks(tmp_path: Path, seed: int, uid: int) -> None:
    from ring3.task.credentials import Credentials

    outside, lower, shared = tmp_path / "outside", tmp_path / "lower", tmp_path / "shared"
    for folder in (outside, lower / "d" / "e", lower / "rw", shared / "d"):
        folder.mkdir(parents=True)
    (outside / "secret").write_text("secret")
    (lower / "f").write_text("lower")
    (lower / "d" / "x").write_text("x")
    (lower / "link").symlink_to("f")
    (lower / "out").symlink_to("../outside/secret")
    (shared / "f").write_text("shared")
    (shared / "out").symlink_to(outside)
    before = picture(outside), picture(lower)
    tree = Tree(OverlayFs(HostFs(os.fsencode(lower))))
    tree.table.attach(Mount(HostFs(os.fsencode(shared), writable=True)), tree.at("/rw"))
    dice = random.Random(seed * 7919 + uid)
    kitchen = Kitchen()
    t = kitchen.task()
    t.cred = Credentials(uid, uid)
    t.fs = tree.fs
    kitchen.world.mounts = tree.table
    names = members()
    assert len(names) > 90
    where = {name: kitchen.memory.room(len(name) + 1, name + b"\0") for name in TEXTS}
    buffers = [kitchen.memory.room(8192, dice.randbytes(64)) for _ in range(3)]
    fenced = kitchen.memory.fenced(8, b"12345678")

    def argument() -> int:
        kind = dice.random()
        if kind < 0.45:
            return where[dice.choice(TEXTS)]
        if kind < 0.6:
            return dice.choice(buffers)
        if kind < 0.65:
            return dice.choice((fenced, 8, 1 << 47, (1 << 64) - 8))
        if kind < 0.9:
            return dice.choice(NUMBERS)
        return dice.randrange(-3, 40) & 0xFFFFFFFFFFFFFFFF

    results = {"ok": 0}
    for _ in range(4000):
        name = dice.choice(names)
        if name in ("sync", "syncfs"):
            continue  # they would wait for the host's disk
        t.memo = None
        args = [argument() for _ in range(6)]
        try:
            result = binder(t, name)(t, args)
            assert isinstance(result, int) and result >= 0, name
            results["ok"] += 1
        except (Errno, Park) as error:
            results[type(error).__name__] = results.get(type(error).__name__, 0) + 1
        if len(t.fds.files) > 200:
            for fd in list(t.fds.files):
                t.fds.close(fd)
    t.fds.release()
    assert results["ok"] > 80, results
    assert len(results) > 10, results
    assert (picture(outside), picture(lower)) == before
    assert not any(path.lstat().st_mode & 0o6000 and path.is_file() for path in shared.rglob("*"))
    os.chmod(shared, 0o755)
