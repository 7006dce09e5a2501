"""Random operations on tmpfs, overlay and hostfs give what a real directory gives: the same
results and errors one by one, and the same tree in the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from ring3.fs.host import HostFs
from ring3.fs.overlay import OverlayFs
from ring3.fs.tmpfs import TmpFs
from tests.property.vfs.pairs import DEPTH, Host, Ours, attempt
from tests.unit.vfs.tree import Tree

OPENDIR = os.O_DIRECTORY
NAMES = st.sampled_from(["low", "ldir", "a", "llink", "lhard", "b"])
INNER = st.builds("ldir/{}".format, st.sampled_from(["a", "b", "low", "c"]))
PARTS = st.sampled_from(["ldir", "a", "b", "low", ".", "..", "llink"])
ODD = st.one_of(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join),
    st.lists(PARTS, min_size=1, max_size=2).map(lambda parts: "/".join(parts) + "/"),
    st.sampled_from(["", "n" * 256]),
)
PATHS = st.one_of(NAMES, INNER, NAMES, ODD)
TARGETS = st.sampled_from(["a", "b", "./c", "ldir", "ldir/", "../b", "nowhere", "a/b", "llink"])
SLOTS = st.integers(0, 2)
SIZES = st.one_of(st.integers(0, 40), st.integers(4090, 9000), st.integers(60000, 70000))
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o777, 0o400, 0o1777])
FLAGS = st.builds(
    lambda access, more: access | sum(set(more)),
    st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR]),
    st.lists(
        st.sampled_from(
            [os.O_CREAT, os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, OPENDIR]
        ),
        max_size=3,
    ),
)
DATA = st.one_of(
    st.binary(min_size=1, max_size=30),
    st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), SIZES),
)
OPERATIONS = st.one_of(
    st.tuples(st.just("open"), SLOTS, PATHS, FLAGS, MODES),
    st.tuples(st.just("open"), SLOTS, NAMES, FLAGS, MODES),
    st.tuples(st.just("write"), SLOTS, DATA),
    st.tuples(st.just("read"), SLOTS, SIZES),
    st.tuples(st.just("seek"), SLOTS, st.integers(-5, 70000), st.sampled_from([0, 1, 2, 3, 4])),
    st.tuples(st.just("ftruncate"), SLOTS, SIZES),
    st.tuples(st.just("fstat"), SLOTS),
    st.tuples(st.just("close_slot"), SLOTS),
    st.tuples(st.just("mkdir"), PATHS, MODES),
    st.tuples(st.just("rmdir"), PATHS),
    st.tuples(st.just("unlink"), PATHS),
    st.tuples(st.just("rename"), PATHS, PATHS, st.sampled_from([False, False, True])),
    st.tuples(st.just("rename"), NAMES, NAMES, st.booleans()),
    st.tuples(st.just("link"), PATHS, PATHS, st.booleans()),
    st.tuples(st.just("symlink"), TARGETS, PATHS),
    st.tuples(st.just("readlink"), PATHS),
    st.tuples(st.just("mkfifo"), NAMES, MODES),
    st.tuples(st.just("stat"), PATHS, st.booleans()),
    st.tuples(st.just("chmod"), PATHS, MODES),
    st.tuples(st.just("truncate"), PATHS, SIZES),
    st.tuples(st.just("utime"), PATHS, st.integers(0, 2**32 * 10**9)),
    st.tuples(st.just("names"), PATHS),
)


def populate(top: str) -> None:
    """What both sides begin with: files, a directory, a link and a hard link."""
    base = os.path.join(top, DEPTH)
    os.makedirs(os.path.join(base, "ldir", "b"))
    with open(os.path.join(base, "low"), "wb") as file:
        file.write(b"from the lower tree" * 300)
    with open(os.path.join(base, "ldir", "a"), "wb") as file:
        file.write(b"inner")
    os.symlink("low", os.path.join(base, "llink"))
    os.link(os.path.join(base, "low"), os.path.join(base, "lhard"))
    for folder, _, files in os.walk(top):
        os.chmod(folder, 0o755)
        for name in files:
            if not os.path.islink(os.path.join(folder, name)):
                os.chmod(os.path.join(folder, name), 0o644)


def copy_in(tree: Tree, source: str) -> None:
    """Make in *tree* what ``populate`` makes."""
    base = "/jail/" + DEPTH
    at = ""
    for name in (base + "/ldir/b").split("/")[1:]:
        at += "/" + name
        tree.mkdir(at)
    tree.write(base + "/low", b"from the lower tree" * 300)
    tree.write(base + "/ldir/a", b"inner")
    tree.symlink("low", base + "/llink")
    from ring3.vfs import ops

    ops.link(tree, tree.at(base + "/low"), None, os.fsencode(base + "/lhard"))


class Game:
    """One example: two sides, fresh directories."""

    def __init__(self, kind: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="ring3-vfs-")
        os.umask(0)
        top = os.path.join(self.folder, "host")
        populate(top)
        self.kind = kind.removeprefix("own ")
        own = kind.startswith("own ")
        """With files of the kernel's own memory, no memfds (World.own_objects)."""
        if self.kind == "tmpfs":
            fs = TmpFs(mode=0o755)
            fs.own_content = own
            tree = Tree(fs)
            copy_in(tree, top)
            mine = "/jail"
        else:
            lower = os.path.join(self.folder, "lower")
            populate(os.path.join(lower, "jail"))
            grant = HostFs(os.fsencode(lower), writable=kind == "hostfs")
            tree = Tree(grant)
            if self.kind == "overlay":
                overlay = OverlayFs(grant)
                overlay.own_content = own
                tree = Tree(overlay)
            mine = "/jail"
            self.lower = lower
        self.host = Host(top)
        self.ours = Ours(tree, mine)
        self.before = self.snapshot()
        for side in (self.host, self.ours):
            side.open(0, "low", os.O_RDONLY, 0)
            side.open(1, "lhard", os.O_RDWR, 0)
            side.open(2, "ldir/a", os.O_RDWR | os.O_APPEND, 0)

    def snapshot(self) -> Any:
        if self.kind != "overlay":
            return None
        lower = Host(os.path.join(self.lower, "jail"))
        try:
            return lower.everything()
        finally:
            lower.close()

    def play(self, steps: list[tuple[Any, ...]]) -> None:
        for step in steps:
            name, *arguments = step
            if name == "open" and self.is_fifo(arguments[1]):
                continue  # opening one waits for a partner
            if name == "seek" and self.is_dir(arguments[0]):
                continue  # positions of directories are each filesystem's own
            wanted = attempt(lambda: getattr(self.host, name)(*arguments))  # noqa: B023
            got = attempt(lambda: getattr(self.ours, name)(*arguments))  # noqa: B023
            note(f"{step!r:.200} -> {wanted!r:.80}")
            assert got == wanted, step
        assert self.ours.everything() == self.host.everything()
        assert self.snapshot() == self.before, "the lower tree of an overlay was written"

    def is_fifo(self, path: str) -> bool:
        shown = attempt(lambda: self.host.stat(path, True))
        return isinstance(shown, tuple) and shown[0] & 0o170000 == 0o010000

    def is_dir(self, slot: int) -> bool:
        shown = attempt(lambda: self.host.fstat(slot))
        return isinstance(shown, tuple) and shown[0] & 0o170000 == 0o040000

    def close(self) -> None:
        self.host.close()
        self.ours.close()
        self.ours.tree.mount.fs.shutdown()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def run(kind: str, steps: list[tuple[Any, ...]]) -> None:
    game = Game(kind)
    try:
        game.play(steps)
    finally:
        game.close()


COMMON = settings(
    max_examples=int(os.environ.get("RING3_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tmpfs", "overlay", "hostfs", "own tmpfs", "own overlay"])
def test_like_a_real_directory(kind: str) -> None:
    @COMMON
    @given(st.lists(OPERATIONS, min_size=12, max_size=40))
    def play(steps: list[tuple[Any, ...]]) -> None:
        run(kind, steps)

    play()
