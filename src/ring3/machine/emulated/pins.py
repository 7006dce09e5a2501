"""Frames of user memory held for a device (get_user_pages).

A transfer works on frames, not on addresses: they were looked up once, when the call began. If
another thread unmaps or remaps the buffer meanwhile, the frames stay allocated, nobody else gets
them, and the transfer ends where it was told to, which is where nobody looks any more.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, ENOMEM, Errno
from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.fault import EXHAUSTED
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.paging import FRAME, D, P, W

if TYPE_CHECKING:
    from ring3.machine.emulated.pagecache import PageCache
    from ring3.machine.emulated.physical import Physical
    from ring3.machine.emulated.space import EmulatedSpace


class Pinned:
    """A buffer as frames; ``release`` exactly once."""

    __slots__ = ("pages", "physical", "spans", "write")

    def __init__(self, physical: Physical, write: bool) -> None:
        self.physical = physical
        self.write = write
        """The device writes to it."""
        self.spans: list[tuple[int, int, int]] = []
        """(frame, offset in it, bytes) in the order of the buffer's addresses."""
        self.pages: list[tuple[PageCache, int] | None] = []
        """For each span the shared page it belongs to, if it does."""

    @property
    def size(self) -> int:
        return sum(length for _, _, length in self.spans)

    def store(self, at: int, data: bytes | memoryview) -> None:
        """Write *data* at offset *at* of the buffer, as a device does: by physical addresses."""
        ram, done = self.physical.ram, 0
        for pa, offset, length in self.spans:
            if at >= length:
                at -= length
                continue
            part = min(length - at, len(data) - done)
            if part <= 0:
                return
            where = pa + offset + at
            ram[where : where + part] = data[done : done + part]
            self.physical.frames.changed(where, part)
            done, at = done + part, 0

    def load(self, at: int, size: int) -> bytes:
        """Read *size* bytes at offset *at* of the buffer."""
        ram, found = self.physical.ram, bytearray()
        for pa, offset, length in self.spans:
            if at >= length:
                at -= length
                continue
            part = min(length - at, size - len(found))
            found += ram[pa + offset + at : pa + offset + at + part]
            at = 0
            if len(found) == size:
                break
        return bytes(found)

    def release(self) -> None:
        """The transfer is over. Shared pages of files that it wrote to are to be written back, and
        code translated from what it wrote over is stale."""
        spans, self.spans = self.spans, []
        for (pa, _, _), page in zip(spans, self.pages, strict=True):
            if self.write:
                self.physical.frames.changed(pa, PAGE)
            if self.write and page is not None:
                cache, index = page
                if cache.content is not None and cache.frames.get(index) == pa:
                    cache.dirty[index] = None
            self.physical.frames.unpin(pa)
        self.pages = []


def pin_user_pages(space: EmulatedSpace, addr: int, size: int, write: bool) -> Pinned:
    """Fault in [addr, addr + size), for *write* with copies of its own, and pin the frames.
    EFAULT (nothing stays pinned), ENOMEM."""
    pinned = Pinned(space.physical, write)
    try:
        while size > 0:
            part = min(size, PAGE - addr % PAGE)
            pin_page(space, pinned, addr, part)
            addr, size = addr + part, size - part
    except Errno:
        pinned.write = False
        pinned.release()
        raise
    return pinned


def pin_page(space: EmulatedSpace, pinned: Pinned, addr: int, length: int) -> None:
    wanted = P | W if pinned.write else P
    va = addr & -PAGE
    if not 0 <= addr < space.end:
        raise EFAULT
    if space.tables.get(va) & wanted != wanted:
        failed = space.fault(addr, pinned.write)
        if failed is not None:
            raise ENOMEM if failed == EXHAUSTED else EFAULT
    pa = space.tables.get(va) & FRAME
    if pinned.write:
        space.tables.put(va, space.tables.get(va) | D)
    space.frames.pin(pa)
    area = space.vmas.find(va)
    assert area is not None
    page = None
    if area.cache is not None and area.cache.frames.get(area.index(va)) == pa:
        page = (area.cache, area.index(va))
    pinned.spans.append((pa, addr % PAGE, length))
    pinned.pages.append(page)
