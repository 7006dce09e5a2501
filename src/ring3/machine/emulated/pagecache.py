"""Pages of a file (or of a piece of shared memory), shared by every area that maps it.

A cache knows the areas that map it, so that it can find every page table entry of a page: to
collect what stores have changed (the D bit), to take pages away when the file gets shorter, and to
keep code honest. The engine notices stores that change translated code only if they are made
through an executable mapping; so a frame that is mapped executable somewhere is never mapped
writable and not executable at the same time. Whoever needs the one takes the other away
(``forbid_execute``, ``forbid_write``), and the next access brings it back by a page fault.
"""

from __future__ import annotations

from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.machine.emulated.areas import SHARED, WRITE
from ring3.machine.emulated.frames import SHIFT
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.paging import FRAME, NX, D, P, W

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.machine.base import FileContent
    from ring3.machine.emulated.areas import Vma
    from ring3.machine.emulated.physical import Physical

READ_AHEAD: Final = 16
"""Pages read at once, a power of 2."""


class BeyondEnd(Exception):
    """No such page: SIGBUS."""


class PageCache:
    """The pages of *content* that are in RAM (machine.base.FileMapping); content None: shared
    memory of *size* bytes that starts as zeros and lives as long as it is mapped."""

    __slots__ = (
        "areas", "content", "dirty", "frames", "hand", "number", "permanent", "physical", "size",
        "stamp", "writers",
    )  # fmt: skip

    def __init__(self, physical: Physical, content: FileContent | None, size: int = 0) -> None:
        self.physical = physical
        self.content = content
        self.size = size
        self.number = physical.next_serial()
        self.frames: dict[int, int] = {}
        """Page number -> frame, on which the cache has one reference."""
        self.areas: dict[Vma, None] = {}
        """The areas that map it, in the order in which they came."""
        self.dirty: dict[int, None] = {}
        """Pages changed by stores through entries that are gone."""
        self.writers = 0
        """How many of the areas are shared and may be written."""
        self.stamp: object = None
        """What ``content.stamp()`` was when a page was first kept."""
        self.permanent = False
        self.hand = 0
        """The page that reclaiming looks at next."""

    # --- areas -------------------------------------------------------------------------------
    def attach(self, area: Vma) -> None:
        if not self.areas:
            self.physical.idle.pop(self, None)
            if self.content is not None:
                self.physical.active[self] = None
            self.refresh()
        self.areas[area] = None
        if area.flags & SHARED and area.may & WRITE:
            self.writers += 1

    def detach(self, area: Vma) -> None:
        """The area's entries are gone already."""
        del self.areas[area]
        if area.flags & SHARED and area.may & WRITE:
            self.writers -= 1
        if self.areas or self.permanent:
            return
        self.physical.active.pop(self, None)
        if self.content is None:
            self.drop_all()
            return
        try:
            self.write_back(0, 1 << 63)
        except Errno:
            self.dirty.clear()  # as on Linux: who wanted to know would have called msync or fsync
        if self.frames:
            self.physical.keep(self)
        elif self.content.mapping is self:
            self.content.mapping = None

    def refresh(self) -> None:
        """The content is about to be mapped again: pages that somebody outside the kernel has
        made stale go."""
        if self.content is None:
            return
        stamp = self.content.stamp()
        if self.frames and stamp != self.stamp:
            self.drop_pages(0)
        self.stamp = stamp
        self.content.mapping = self

    # --- pages -------------------------------------------------------------------------------
    def page(self, index: int) -> int:
        """The frame of a page, read now if need be. BeyondEnd, NoMemory, an Errno of reading."""
        pa = self.frames.get(index)
        if pa is not None:
            return pa
        content = self.content
        if content is None:
            if index << SHIFT >= self.size:
                raise BeyondEnd
            pa = self.frames[index] = self.physical.frames.alloc_zeroed()
            return pa
        size = content.content_size()
        if index << SHIFT >= size:
            raise BeyondEnd
        self.read_in(content, index, (size + PAGE - 1) >> SHIFT)
        return self.frames[index]

    def read_in(self, content: FileContent, index: int, end: int) -> None:
        """Read page *index* and those behind it in its block, below page *end*."""
        last = min((index & -READ_AHEAD) + READ_AHEAD, end)
        data = content.read_at(index << SHIFT, (last - index) << SHIFT)
        physical = self.physical
        for at in range(index, last):
            if at in self.frames:
                continue
            if at > index and not physical.frames.has_free():
                return  # nothing is reclaimed for what nobody has asked for
            part = data[(at - index) << SHIFT : (at - index + 1) << SHIFT]
            pa = physical.frames.alloc()
            physical.ram[pa : pa + PAGE] = part if len(part) == PAGE else part.ljust(PAGE, b"\0")
            self.frames[at] = pa

    # --- page table entries of a page --------------------------------------------------------
    def entries(self, index: int) -> Iterator[tuple[Vma, int, int]]:
        """(area, va, entry) for each entry that shows the cache's own frame of page *index*."""
        frame, offset = self.frames[index], index << SHIFT
        for area in self.areas:
            va = area.start + offset - area.offset
            if area.start <= va < area.end:
                entry = area.space.tables.get(va)
                if entry and entry & FRAME == frame:
                    yield area, va, entry

    def forbid_execute(self, index: int) -> None:
        """A store through a mapping that is not executable is about to be allowed: nobody may
        execute the page before a fault tells us, and translations of it go."""
        for area, va, entry in self.entries(index):
            if entry & P and not entry & NX:
                area.space.change(va, entry | NX)
        self.physical.frames.clean(self.frames[index] >> SHIFT)

    def forbid_write(self, index: int) -> None:
        """The page is about to be executed: stores through other mappings must tell us first."""
        for area, va, entry in self.entries(index):
            if entry & W and entry & NX:
                self.note_dirty(index, entry)
                area.space.change(va, entry & ~(W | D))

    def note_dirty(self, index: int, entry: int) -> None:
        if entry & D:
            self.dirty[index] = None

    # --- writing back ------------------------------------------------------------------------
    def collect_dirty(self, first: int, last: int) -> list[int]:
        """The pages of [first, last) that stores have changed since they were last asked for, in
        order. Clears D: the next store sets it again."""
        found = {index for index in self.dirty if first <= index < last}
        for area in self.areas:
            if not area.flags & SHARED:
                continue
            low = max(area.start, area.start + (first << SHIFT) - area.offset)
            high = min(area.end, area.start + (last << SHIFT) - area.offset)
            if low >= high:
                continue
            space = area.space
            for va, entry in list(space.tables.entries(low, high)):
                if entry & D:
                    found.add(area.index(va))
                    space.change(va, entry & ~D)
        for index in found:
            self.dirty.pop(index, None)
        return sorted(found)

    def write_back(self, first: int, last: int) -> None:
        """Put what stores changed in the pages [first, last) into the content. ENOSPC, EIO."""
        content = self.content
        if content is None or (not self.writers and not self.dirty):
            return
        size = content.content_size()
        changed = self.collect_dirty(first, last)
        for done, index in enumerate(changed):
            pa, room = self.frames[index], min(PAGE, size - (index << SHIFT))
            if room <= 0:
                continue
            try:
                content.write_at(index << SHIFT, self.physical.ram[pa : pa + room].tobytes())
            except Errno:
                self.dirty.update(dict.fromkeys(changed[done:]))
                raise

    # --- machine.base.FileMapping ------------------------------------------------------------
    def before_read(self, offset: int, size: int) -> None:
        if self.writers or self.dirty:
            self.write_back(offset >> SHIFT, (offset + size + PAGE - 1) >> SHIFT)

    def after_write(self, offset: int, size: int) -> None:
        content, physical = self.content, self.physical
        if content is None or not self.frames:
            return
        for index in self.resident(offset >> SHIFT, (offset + size + PAGE - 1) >> SHIFT):
            pa = self.frames[index]
            data = content.read_at(index << SHIFT, PAGE)
            physical.ram[pa : pa + PAGE] = data if len(data) == PAGE else data.ljust(PAGE, b"\0")
            physical.frames.changed(pa, PAGE)

    def truncated(self, size: int) -> None:
        # What was stored behind the old end goes even if the file grows: tmpfs would keep it.
        self.drop_pages((size + PAGE - 1) >> SHIFT)
        tail, pa = size % PAGE, self.frames.get(size >> SHIFT)
        if tail and pa is not None:
            self.physical.ram[pa + tail : pa + PAGE] = bytes(PAGE - tail)
            self.physical.frames.changed(pa, PAGE)

    def shared_writable(self) -> bool:
        return self.writers > 0

    def gone(self) -> None:
        self.dirty.clear()
        self.physical.idle.pop(self, None)
        self.drop_all()

    # --- giving pages back -------------------------------------------------------------------
    def resident(self, first: int, last: int) -> list[int]:
        """The pages of [first, last) that are in RAM, in order."""
        if last - first < len(self.frames):
            return [index for index in range(first, last) if index in self.frames]
        return sorted(index for index in self.frames if first <= index < last)

    def drop_pages(self, first: int) -> None:
        """Forget the pages from *first* on, and whatever areas show there, private copies too."""
        for area in list(self.areas):
            low = max(area.start, area.start + (first << SHIFT) - area.offset)
            if low < area.end:
                area.space.zap(low, area.end)
        release = self.physical.frames.release
        for index in [index for index in self.frames if index >= first]:
            self.dirty.pop(index, None)
            release(self.frames.pop(index))

    def drop_all(self) -> None:
        """Forget all pages. Where nobody maps it, the content knows this cache no more."""
        self.drop_pages(0)
        content = self.content
        if content is not None and not self.areas and content.mapping is self:
            content.mapping = None


def cache_of(physical: Physical, content: FileContent) -> PageCache:
    """The one cache of *content*."""
    mapping: Any = content.mapping
    if mapping is None:
        mapping = PageCache(physical, content)
    found: PageCache = mapping
    return found
