"""Overlay files without host objects: the lower file's content until it is written, then ours."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.fs.face import Face
from ring3.fs.ownfile import OwnFile
from ring3.vfs.pages import PAGE, ZEROS

if TYPE_CHECKING:
    from ring3.fs.facedir import FaceDir
    from ring3.fs.overlay import OverlayFs
    from ring3.vfs.content import ContentFile
    from ring3.vfs.inode import Inode, Stat, Walker
    from ring3.vfs.path import Place

PIECE = 1 << 20


class OwnFaceFile(OwnFile, Face):
    """*below*: the content is still the lower file's. *held*: the lower file is pinned."""

    __slots__ = ("below", "held")

    fs: OverlayFs

    def __init__(self, fs: OverlayFs, ino: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.below = False
        self.held = False

    def cover(self, lower: Inode, parent: FaceDir | None, name: bytes) -> None:
        super().cover(lower, parent, name)
        self.below = True

    def refresh(self) -> None:
        if self.below:
            assert self.lower is not None
            self.lower.refresh()
            if not self.owned:
                self.follow()
            else:
                self.size = self.lower.content_size()

    def stat(self) -> Stat:
        return Face.stat(self)

    def fill(self, st: Stat) -> None:
        if self.below and self.lower is not None:
            lower = self.lower.stat()
            st.size, st.blocks = lower.size, lower.blocks
        else:
            super().fill(st)

    # --- the lower file --------------------------------------------------------------------------
    def hold(self) -> None:
        """Keep the lower file's content reachable. EACCES, ESTALE."""
        if self.below and not self.held:
            assert self.lower is not None
            self.lower.pin()
            self.held = True

    def let_go(self) -> None:
        if self.held:
            assert self.lower is not None
            self.held = False
            self.lower.unpin()

    def take_over(self) -> None:
        """Copy up: the content is about to change."""
        if not self.below:
            return
        self.own()
        lower = self.lower
        assert lower is not None
        self.hold()
        size = lower.content_size()
        at = 0
        while at < size:
            data = lower.read_at(at, min(PIECE, size - at))
            if not data:
                break
            self.copy_in(at, data)
            at += len(data)
        self.data.resize(size)
        self.below = False
        self.let_go()
        self.settle_size()

    def copy_in(self, at: int, data: bytes) -> None:
        """*data* without its pages of zeros: they stay holes."""
        for start in range(0, len(data), PAGE):
            part = data[start : start + PAGE]
            if part != ZEROS[: len(part)]:
                self.data.write(at + start, part)

    # --- content -----------------------------------------------------------------------------
    def read_at(self, offset: int, size: int) -> bytes:
        if self.below:
            assert self.lower is not None
            return self.lower.read_at(offset, size)
        return self.data.read(offset, size)

    def content_size(self) -> int:
        if self.below:
            assert self.lower is not None
            return self.lower.content_size()
        return self.size

    def stamp(self) -> object:
        return self.lower.stamp() if self.below and self.lower is not None else None

    def write_at(self, offset: int, data: bytes) -> None:
        self.take_over()
        super().write_at(offset, data)

    def write_content(self, offset: int, data: bytes) -> None:
        self.take_over()
        super().write_content(offset, data)

    def zero_content(self, start: int, end: int, keep: bool) -> None:
        self.take_over()
        super().zero_content(start, end, keep)

    def allocate_content(self, start: int, end: int) -> None:
        self.take_over()
        super().allocate_content(start, end)

    def next_data(self, offset: int) -> int:
        return offset if self.below else super().next_data(offset)

    def next_hole(self, offset: int) -> int:
        return self.content_size() if self.below else super().next_hole(offset)

    def was_read(self) -> None:
        if not self.below:
            super().was_read()

    def missing(self, start: int, end: int) -> int:
        self.take_over()
        return super().missing(start, end)

    # --- as an inode -------------------------------------------------------------------------
    def open(self, who: Walker, place: Place, flags: int) -> ContentFile:
        if flags & 3:
            self.take_over()
        self.hold()
        return super().open(who, place, flags)

    def resize_content(self, size: int) -> None:
        if self.below and size == 0:
            self.own()
            self.below = False  # truncated to nothing: there is nothing to copy
            self.let_go()
        self.take_over()
        super().resize_content(size)

    def pin(self) -> None:
        self.hold()
        super().pin()

    def settle(self) -> None:
        super().settle()
        if not (self.files or self.pins or self.opens):
            self.let_go()

    def close(self) -> None:
        self.below = False
        self.let_go()
        super().close()

    def mapping_fd(self, writes: bool) -> int:
        if self.below:
            fd = getattr(self.lower, "read_fd", -1)
            if fd >= 0:
                return int(fd)
        return super().mapping_fd(writes)
