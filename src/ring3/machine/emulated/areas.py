"""The areas of an address space: what is mapped where, and how (Linux's vm_area_struct)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ring3.abi.errno import ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ring3.machine.emulated.pagecache import PageCache
    from ring3.machine.emulated.space import EmulatedSpace

READ: Final = 1
WRITE: Final = 2
EXEC: Final = 4
ALL: Final = 7

# Flags of an area. Two areas merge only if all of them are the same.
SHARED: Final = 1
GROWSDOWN: Final = 2
LOCKED: Final = 4
LOCKONFAULT: Final = 8
DONTFORK: Final = 0x10
WIPEONFORK: Final = 0x20
NORESERVE: Final = 0x40
DONTDUMP: Final = 0x80
RANDOM: Final = 0x100
SEQUENTIAL: Final = 0x200
HUGEPAGE: Final = 0x400
NOHUGEPAGE: Final = 0x800
MERGEABLE: Final = 0x1000
DONTEXPAND: Final = 0x2000
"""mremap(2) must not make it larger (the entry page)."""
ACCOUNT: Final = 0x4000
"""It counts as memory that may be needed, because it is, or was, private and writable."""

MAX_AREAS: Final = 65530
"""vm.max_map_count."""
GUARD_GAP: Final = 256 << 12
"""Bytes that stay free below a growing stack (stack_guard_gap)."""


class Vma:
    """[start, end), page-aligned, mapped in one way."""

    __slots__ = (
        "anon", "cache", "end", "file", "flags", "may", "name", "offset", "prot", "space", "start",
    )  # fmt: skip

    def __init__(
        self, space: EmulatedSpace, start: int, end: int, prot: int, flags: int = 0,
        may: int = ALL, cache: PageCache | None = None, offset: int = 0, file: Any = None,
        name: bytes = b"",
    ) -> None:  # fmt: skip
        self.space = space
        self.start = start
        self.end = end
        self.prot = prot
        self.flags = flags
        self.may = may
        """What mprotect may make of ``prot``."""
        self.cache = cache
        """Where its pages come from; None: zeros, private."""
        self.offset = offset
        """Of *start* in the cache, in bytes. Anonymous memory: the address it was first mapped at,
        so that only what belongs together merges."""
        self.file = file
        """The open file description, held while the area exists."""
        self.name = name
        """What maps shows for memory without a file, "[vdso]"."""
        self.anon = 0
        """0 until it gets a page of its own; then a number that areas share which were one, or lay
        side by side: only those merge (Linux's anon_vma)."""

    def __repr__(self) -> str:
        kind = "s" if self.flags & SHARED else "p"
        return f"<Vma {self.start:#x}-{self.end:#x} {self.prot}{kind} {self.flags:#x}>"

    def index(self, va: int) -> int:
        """Which page of the cache *va* shows."""
        return (va - self.start + self.offset) >> 12

    def follows(self, low: Vma) -> bool:
        """Whether this area and *low* below it are to be one."""
        return (
            low.prot == self.prot
            and self.continues(low)
            and (low.anon == self.anon or not low.anon or not self.anon)
        )

    def continues(self, low: Vma) -> bool:
        """Whether this area begins where *low* ends, in memory and in what it shows, and differs
        from it in its rights at most."""
        return (
            low.end == self.start
            and low.flags == self.flags
            and low.may == self.may
            and low.cache is self.cache
            and low.file is self.file
            and low.offset + (low.end - low.start) == self.offset
            and low.name == self.name
            and not self.flags & DONTEXPAND
        )

    def attach(self) -> None:
        """The area begins to exist: its file and cache are in use."""
        if self.file is not None:
            self.file.hold()
        if self.cache is not None:
            self.cache.attach(self)

    def detach(self) -> None:
        """The area is gone, and its pages with it."""
        if self.cache is not None:
            self.cache.detach(self)
        if self.file is not None:
            self.file.drop()

    def part(self, start: int, end: int, space: EmulatedSpace | None = None) -> Vma:
        """An area like this one over [start, end), not attached."""
        area = Vma(
            space or self.space, start, end, self.prot, self.flags, self.may, self.cache,
            self.offset + start - self.start, self.file, self.name,
        )  # fmt: skip
        area.anon = self.anon
        return area


class AreaList:
    """The areas of a space in address order; they never overlap."""

    __slots__ = ("items", "starts")

    def __init__(self) -> None:
        self.items: list[Vma] = []
        self.starts: list[int] = []

    # --- looking -----------------------------------------------------------------------------
    def find(self, va: int) -> Vma | None:
        """The area that *va* lies in."""
        index = bisect_right(self.starts, va) - 1
        if index >= 0 and va < (area := self.items[index]).end:
            return area
        return None

    def first(self, va: int) -> int:
        """The place in ``items`` of the first area that ends above *va*."""
        index = bisect_right(self.starts, va) - 1
        if index >= 0 and va < self.items[index].end:
            return index
        return index + 1

    def above(self, va: int) -> Vma | None:
        """The first area that ends above *va* (find_vma)."""
        index = self.first(va)
        return self.items[index] if index < len(self.items) else None

    def within(self, start: int, end: int) -> list[Vma]:
        """The areas that have something of [start, end)."""
        if start >= end:
            return []
        return self.items[self.first(start) : bisect_left(self.starts, end)]

    def covers(self, start: int, end: int) -> bool:
        """Whether every page of [start, end) is mapped."""
        for area in self.within(start, end):
            if area.start > start:
                return False
            start = area.end
        return start >= end

    # --- changing ----------------------------------------------------------------------------
    def insert(self, area: Vma) -> None:
        """Enter and attach an area where nothing is mapped."""
        index = bisect_left(self.starts, area.start)
        self.items.insert(index, area)
        self.starts.insert(index, area.start)
        area.attach()

    def remove(self, area: Vma) -> None:
        """Take an area out and detach it."""
        index = bisect_left(self.starts, area.start)
        del self.items[index]
        del self.starts[index]
        area.detach()

    def move_start(self, area: Vma, start: int) -> None:
        """The area begins at *start* now: its lower end grew or was cut. ``offset`` follows."""
        self.starts[bisect_left(self.starts, area.start)] = start
        area.offset += start - area.start
        area.start = start

    def split(self, at: int) -> None:
        """Make *at* a border between areas, if it lies inside one. ENOMEM: too many areas."""
        area = self.find(at)
        if area is None or area.start == at:
            return
        if len(self.items) >= MAX_AREAS:
            raise ENOMEM("too many memory areas")
        high = area.part(at, area.end)
        area.end = at
        self.insert(high)

    def isolate(self, start: int, end: int) -> list[Vma]:
        """The areas of [start, end), split so that they lie within. ENOMEM."""
        self.split(start)
        self.split(end)
        return self.within(start, end)

    def give_anon(self, area: Vma, fresh: int) -> None:
        """*area* gets its first own page: it takes the number of a neighbour that differs in
        ``prot`` at most, else *fresh* (find_mergeable_anon_vma)."""
        index = bisect_left(self.starts, area.start)
        near = self.items[index + 1 : index + 2] + self.items[max(index - 1, 0) : index]
        for other in near:
            low, high = (other, area) if other.start < area.start else (area, other)
            if other.anon and high.continues(low):
                area.anon = other.anon
                return
        area.anon = fresh

    def merge(self, start: int, end: int) -> None:
        """Join areas that continue each other at borders within [start, end], ends included."""
        items, starts = self.items, self.starts
        index = max(self.first(start) - 1, 0)
        while index + 1 < len(items) and items[index].end <= end:
            low, high = items[index], items[index + 1]
            if not high.follows(low):
                index += 1
                continue
            low.end = high.end
            low.anon = low.anon or high.anon
            del items[index + 1]
            del starts[index + 1]
            high.detach()
