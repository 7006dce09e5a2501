"""A file in the kernel's own memory against a host memfd: reads, writes, sizes, holes, and stores
through a mapping that the file follows by machine.base.FileMapping."""

from __future__ import annotations

import mmap
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ring3.abi.errno import Errno
from ring3.abi.fcntl import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
from ring3.fs.ownfile import OwnFile
from ring3.fs.tmpfs import TmpFs
from ring3.vfs import hostcall
from ring3.vfs.content import ContentFile

PAGE = 4096
OFFSETS = st.one_of(
    st.integers(0, 5 * PAGE), st.sampled_from([0, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
)
DATA = st.one_of(
    st.binary(min_size=1, max_size=40), st.sampled_from([b"x" * PAGE, b"y" * (2 * PAGE + 7)])
)


class Frames:
    """A FileMapping as a machine would have it: pages of its own, dirty ones among them."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self.pages: dict[int, bytearray] = {}
        self.dirty: set[int] = set()

    def page(self, number: int) -> bytearray:
        if number not in self.pages:
            data = self.content.read_at(number * PAGE, PAGE)
            self.pages[number] = bytearray(data.ljust(PAGE, b"\0"))
        return self.pages[number]

    def before_read(self, offset: int, size: int) -> None:
        for number in sorted(self.dirty):
            if number * PAGE < offset + size and offset < (number + 1) * PAGE:
                self.dirty.discard(number)
                end = min((number + 1) * PAGE, self.content.content_size())
                if end > number * PAGE:
                    data = bytes(self.pages[number][: end - number * PAGE])
                    self.content.write_at(number * PAGE, data)

    def after_write(self, offset: int, size: int) -> None:
        for number in range(offset // PAGE, -(-(offset + size) // PAGE)):
            assert number not in self.dirty, "asked for before it is overwritten"
            self.pages.pop(number, None)

    def truncated(self, size: int) -> None:
        for number in [n for n in self.pages if n * PAGE >= size]:
            del self.pages[number]
            self.dirty.discard(number)
        last = self.pages.get(size // PAGE)
        if last is not None:
            last[size % PAGE :] = bytes(PAGE - size % PAGE)

    def shared_writable(self) -> bool:
        return bool(self.pages)

    def gone(self) -> None:
        self.content.mapping = None


class OwnFileMachine(RuleBasedStateMachine):
    @initialize()
    def make(self) -> None:
        self.fs = TmpFs()
        self.inode = OwnFile(self.fs, 5, 0o644, 0, 0)
        self.mine = ContentFile(self.inode, os.O_RDWR)
        self.fd = os.memfd_create("theirs", os.MFD_CLOEXEC)
        self.frames: Frames | None = None

    def teardown(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)

    @rule()
    def map(self) -> None:
        if self.frames is None:
            self.frames = Frames(self.inode)
            self.inode.mapping = self.frames  # type: ignore[assignment]

    @rule(offset=OFFSETS, data=st.binary(min_size=1, max_size=40))
    def store(self, offset: int, data: bytes) -> None:
        size = os.fstat(self.fd).st_size
        offset = min(offset, size - 1)
        data = data[: min(size - offset, PAGE - offset % PAGE)] if size else b""
        if self.frames is None or not data:
            return
        page = self.frames.page(offset // PAGE)
        page[offset % PAGE : offset % PAGE + len(data)] = data
        self.frames.dirty.add(offset // PAGE)
        with mmap.mmap(self.fd, 0) as window:
            window[offset : offset + len(data)] = data

    @rule(offset=OFFSETS, data=DATA)
    def write(self, offset: int, data: bytes) -> None:
        assert self.mine.pwrite(data, offset) == os.pwrite(self.fd, data, offset)

    @rule(offset=OFFSETS, size=st.integers(0, 3 * PAGE))
    def read(self, offset: int, size: int) -> None:
        assert self.mine.pread(size, offset) == os.pread(self.fd, size, offset)

    @rule(offset=OFFSETS)
    def load(self, offset: int) -> None:
        """What a program sees through its mapping."""
        if self.frames is None or offset >= os.fstat(self.fd).st_size:
            return
        with mmap.mmap(self.fd, 0) as window:
            assert self.frames.page(offset // PAGE)[offset % PAGE] == window[offset]

    @rule(size=OFFSETS)
    def truncate(self, size: int) -> None:
        self.mine.truncate(size)
        os.ftruncate(self.fd, size)

    @rule(offset=OFFSETS, length=st.integers(1, 3 * PAGE), keep=st.booleans())
    def allocate(self, offset: int, length: int, keep: bool) -> None:
        mode = FALLOC_FL_KEEP_SIZE if keep else 0
        self.mine.fallocate(mode, offset, length)
        hostcall.fallocate(self.fd, mode, offset, length)

    @rule(offset=OFFSETS, length=st.integers(1, 3 * PAGE))
    def punch(self, offset: int, length: int) -> None:
        mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
        self.mine.fallocate(mode, offset, length)
        hostcall.fallocate(self.fd, mode, offset, length)

    @rule(offset=OFFSETS, whence=st.sampled_from([0, 1, 2, 3, 4]))
    def seek(self, offset: int, whence: int) -> None:
        if whence in (3, 4) and self.frames is not None:
            return  # which pages are holes depends on what was loaded through the mapping
        try:
            found: Any = self.mine.seek(offset, whence)
        except Errno as failed:
            found = failed.number
        try:
            wanted: Any = os.lseek(self.fd, offset, whence)
        except OSError as failed:
            wanted = failed.errno
        assert found == wanted

    @rule(data=DATA)
    def write_here(self, data: bytes) -> None:
        assert self.mine.write(data) == os.write(self.fd, data)

    @rule()
    def compare(self) -> None:
        st = os.fstat(self.fd)
        assert self.mine.stat().size == st.st_size
        assert self.mine.pread(1 << 20, 0) == os.pread(self.fd, 1 << 20, 0)
        if self.frames is None:
            assert self.mine.stat().blocks == st.st_blocks
            assert self.fs.used == st.st_blocks * 512


TestOwnFile = OwnFileMachine.TestCase
TestOwnFile.settings = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
