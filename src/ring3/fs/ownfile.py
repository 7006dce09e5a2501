"""A regular file in the kernel's own memory, with no host object behind it (``World.own_objects``).

The same as ``fs.memfile`` to everybody above. Size and times are exact at any time, for all I/O
comes by here; pages that a machine maps are its own copy, kept in step through ``mapping``.
"""

from __future__ import annotations

from ring3.abi.errno import EBUSY, EFBIG, EINVAL, EPERM
from ring3.abi.fcntl import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    O_TRUNC,
)
from ring3.abi.hints import TYPE_CHECKING
from ring3.fs.fileinode import MAX_SIZE, FileInode
from ring3.vfs.content import ContentFile
from ring3.vfs.pages import Pages

if TYPE_CHECKING:
    from ring3.fs.mirror import Mirror
    from ring3.fs.tmpfs import TmpFs
    from ring3.vfs.inode import Stat, Walker
    from ring3.vfs.path import Place

ALL_SEALS = (
    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
)
DAY_NS = 86_400_000_000_000


class OwnFile(FileInode):
    __slots__ = ("data",)

    fs: TmpFs

    def __init__(self, fs: TmpFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.data = Pages()

    def fill(self, st: Stat) -> None:
        st.size = self.size
        st.blocks = self.blocks

    # --- content, for machines (machine.base.FileContent) --------------------------------------
    def read_at(self, offset: int, size: int) -> bytes:
        return self.data.read(offset, size)

    def write_at(self, offset: int, data: bytes) -> None:
        self.data.write(offset, data)
        self.settle_size()
        self.stamp_change()

    def content_size(self) -> int:
        return self.size

    # --- content, for open files (vfs.content) -------------------------------------------------
    def write_content(self, offset: int, data: bytes) -> None:
        """Write, growing the file where need be, and tell who maps it."""
        end = offset + len(data)
        mapping = self.mapping
        if mapping is not None:
            mapping.before_read(offset, len(data))
        before = self.size
        self.data.write(offset, data)
        self.settle_size()
        self.stamp_change()
        if mapping is not None:
            if self.size != before:
                mapping.truncated(self.size)
            mapping.after_write(offset, end - offset)

    def zero_content(self, start: int, end: int, keep: bool) -> None:
        if not keep:
            end = max(start, min(end, self.data.extent()))
        if self.mapping is not None:
            self.mapping.before_read(start, end - start)
        self.data.zero(start, end, keep)
        self.settle_size()
        self.stamp_change()
        if self.mapping is not None:
            self.mapping.after_write(start, end - start)

    def allocate_content(self, start: int, end: int) -> None:
        self.data.allocate(start, end)
        self.settle_size()
        self.ctime_ns = self.fs.now_ns()

    def resize_content(self, size: int) -> None:
        if self.mapping is not None:
            keep = min(size, self.size)
            self.mapping.before_read(keep - keep % 4096, 4096)
        self.data.resize(size)
        self.settle_size()
        self.stamp_change()
        if self.mapping is not None:
            self.mapping.truncated(size)

    def check_size(self, size: int) -> None:
        """Refuse a change to *size* (seals)."""

    def check_map(self, writes: bool) -> None:
        """Refuse a shared mapping that *writes* (seals)."""

    def next_data(self, offset: int) -> int:
        return self.data.next_data(offset)

    def next_hole(self, offset: int) -> int:
        return self.data.next_hole(offset)

    def was_read(self) -> None:
        """The access time, as relatime has it."""
        atime = self.atime_ns
        if atime <= self.mtime_ns or atime <= self.ctime_ns or self.fs.now_ns() - atime >= DAY_NS:
            self.atime_ns = self.fs.now_ns()

    def settle_size(self) -> None:
        """Bring size and the filesystem's account up to date."""
        self.size = self.data.size
        blocks = self.data.blocks
        if blocks != self.blocks:
            self.fs.used += (blocks - self.blocks) * 512
            self.blocks = blocks

    def stamp_change(self) -> None:
        self.mtime_ns = self.ctime_ns = self.fs.now_ns()

    # --- as an inode ---------------------------------------------------------------------------
    def open(self, who: Walker, place: Place, flags: int) -> ContentFile:
        if flags & O_TRUNC:
            self.truncate(0)
            self.stamp_change()
        file = ContentFile(self, flags & ~O_TRUNC)
        self.files.append(file)
        return file

    def truncate(self, size: int) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise EFBIG
        self.check_size(size)
        self.resize_content(size)

    def missing(self, start: int, end: int) -> int:
        return self.data.missing(start, end)

    def settle(self) -> None:
        """Drop content that nobody can reach any more."""
        if self.files or self.pins or self.opens:
            return
        if self.mapping is not None and isinstance(self.mapping, host_mirror()):
            self.mapping.close()
        if not self.nlink:
            self.close()

    def close(self) -> None:
        """Give the memory back."""
        if self.mapping is not None:
            self.mapping.gone()
        self.data = Pages()
        self.settle_size()

    def mapping_fd(self, writes: bool) -> int:
        """A host descriptor to map (only the native machine asks, in tests of these files)."""
        mirror = self.mapping
        if mirror is None:
            mirror = self.mapping = host_mirror()(self)
        assert isinstance(mirror, host_mirror())
        mirror.writable |= writes
        return mirror.fd


def host_mirror() -> type[Mirror]:
    from ring3.fs.mirror import Mirror

    return Mirror


class OwnMemFd(OwnFile):
    """A memfd: no name, and possibly sealed."""

    __slots__ = ("seals",)

    def __init__(self, fs: TmpFs, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, fs.new_ino(), mode, uid, gid)
        self.nlink = 0
        self.seals = 0

    def get_seals(self) -> int:
        return self.seals

    def add_seals(self, seals: int) -> None:
        """EPERM if sealed against it, EBUSY for F_SEAL_WRITE while it is mapped for writing."""
        if seals & ~ALL_SEALS:
            raise EINVAL("unknown seal")
        if self.seals & F_SEAL_SEAL:
            raise EPERM("F_SEAL_SEAL")
        if seals & F_SEAL_WRITE and not self.seals & F_SEAL_WRITE:
            if self.mapping is not None and self.mapping.shared_writable():
                raise EBUSY("mapped for writing")
        if seals & F_SEAL_EXEC and self.mode & 0o111:
            # An executable one is sealed against everything that would change the program.
            seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
        self.seals |= seals

    def check_size(self, size: int) -> None:
        if size < self.size and self.seals & F_SEAL_SHRINK:
            raise EPERM("F_SEAL_SHRINK")
        if size > self.size and self.seals & F_SEAL_GROW:
            raise EPERM("F_SEAL_GROW")

    def check_map(self, writes: bool) -> None:
        if writes and self.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
            raise EPERM("F_SEAL_WRITE")

    def write_content(self, offset: int, data: bytes) -> None:
        self.check_writes()
        if offset + len(data) > self.size:
            self.check_size(offset + len(data))
        super().write_content(offset, data)

    def zero_content(self, start: int, end: int, keep: bool) -> None:
        self.check_writes()
        super().zero_content(start, end, keep)

    def check_writes(self) -> None:
        if self.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
            raise EPERM("F_SEAL_WRITE")

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        if mode is not None and (mode ^ self.mode) & 0o111 and self.seals & F_SEAL_EXEC:
            raise EPERM("F_SEAL_EXEC")
        super().setattr(mode=mode, uid=uid, gid=gid, atime_ns=atime_ns, mtime_ns=mtime_ns)
