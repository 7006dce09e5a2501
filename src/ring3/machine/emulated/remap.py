"""mremap(2) on an emulated space. Source: mm/mremap.c (6.17)."""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EINVAL, ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from ring3.machine.emulated.areas import DONTEXPAND, LOCKED, LOCKONFAULT, SHARED, Vma
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.mapping import is_charged, populate, wants_pages
from ring3.machine.emulated.paging import LEAF_SHIFT
from ring3.machine.emulated.placement import (
    check_commit,
    check_lock,
    check_room,
    find_free,
    hinted,
    page_up,
)

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace


def remap(
    space: EmulatedSpace, vehicle: Any, old: int, old_size: int, new_size: int, flags: int,
    new: int,
) -> int:  # fmt: skip
    """mremap(2): the mapping's address."""
    old_size, new_size = page_up(old_size), page_up(new_size)
    check_arguments(space, old, old_size, new_size, flags, new)
    if flags & MREMAP_FIXED and old_size == new_size:
        return move_all(space, vehicle, old, old_size, flags, new)
    area = space.vmas.find(old)
    if area is None:
        raise EFAULT("nothing is mapped there")
    check_area(space, vehicle, area, old, old_size, new_size, flags)
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        return remap_to(space, area, old, old_size, new_size, flags, new)
    if new_size < old_size:
        space.remove(old + new_size, old + old_size)
    elif new_size > old_size:
        return expand(space, area, old, old_size, new_size, flags)
    return old


def check_arguments(
    space: EmulatedSpace, old: int, old_size: int, new_size: int, flags: int, new: int
) -> None:
    if flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP):
        raise EINVAL("unknown flag")
    if old % PAGE:
        raise EINVAL("address is not page-aligned")
    if not 0 < new_size <= space.end:
        raise EINVAL("new size")
    if not flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        return
    if new > space.end - new_size or new % PAGE:
        raise EINVAL("new address")
    if not flags & MREMAP_MAYMOVE:
        raise EINVAL("a new address means a move")
    if flags & MREMAP_DONTUNMAP and old_size != new_size:
        raise EINVAL("MREMAP_DONTUNMAP does not resize")
    if old < new + new_size and new < old + old_size:
        raise EINVAL("old and new overlap")


def check_area(
    space: EmulatedSpace, vehicle: Any, area: Vma, old: int, old_size: int, new_size: int,
    flags: int,
) -> None:  # fmt: skip
    """check_prep_vma: EINVAL, EFAULT, EAGAIN, ENOMEM."""
    moves = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)
    if not moves and new_size <= old_size:
        return
    if not old_size and not area.flags & SHARED:
        raise EINVAL("only shared memory can be mapped twice")
    if flags & MREMAP_DONTUNMAP and area.flags & DONTEXPAND:
        raise EINVAL("a special mapping")
    if min(old_size, new_size) > area.end - old:
        raise EFAULT("more than one mapping")
    if new_size <= old_size:
        return
    if area.flags & DONTEXPAND:
        raise EFAULT("a special mapping")
    if area.flags & LOCKED:
        check_lock(space, vehicle, new_size - old_size)
    check_room(space, new_size - old_size, area.prot, area.flags)


def move_all(space: EmulatedSpace, vehicle: Any, old: int, size: int, flags: int, new: int) -> int:
    """A move to a fixed address without a change of size: several mappings at once."""
    inside = space.vmas.within(old, old + size)
    if not inside or inside[0].start > old:
        raise EFAULT("nothing is mapped there")
    for area in inside:
        start, end = max(area.start, old), min(area.end, old + size)
        check_area(space, vehicle, area, start, end - start, end - start, flags)
        remap_to(space, area, start, end - start, end - start, flags, new + start - old)
    return new


def remap_to(
    space: EmulatedSpace, area: Vma, old: int, old_size: int, new_size: int, flags: int, new: int
) -> int:
    if flags & MREMAP_FIXED:
        space.remove(new, new + new_size)
    else:
        new = hinted(space, new, new_size) or find_free(space, new_size)
    if new_size < old_size:
        space.remove(old + new_size, old + old_size)
        old_size = new_size
    if flags & MREMAP_DONTUNMAP:
        check_room(space, old_size, area.prot, area.flags)
    # Removing may have split the area.
    found = space.vmas.find(old)
    assert found is not None
    return move(space, found, old, old_size, new, new_size, flags)


def expand(
    space: EmulatedSpace, area: Vma, old: int, old_size: int, new_size: int, flags: int
) -> int:
    """Make a mapping longer, where it is if it can be. ENOMEM."""
    more = new_size - old_size
    if is_charged(area):
        check_commit(space, more)
    if old + old_size == area.end and area.end + more <= space.end:
        if not space.vmas.within(area.end, area.end + more):
            start, area.end = area.end, area.end + more
            space.account(more)
            space.vmas.merge(start, area.end)
            if wants_pages(area):
                populate(space, start, start + more)
            return old
    if not flags & MREMAP_MAYMOVE:
        raise ENOMEM("no room to grow in place")
    return move(space, area, old, old_size, find_free(space, new_size), new_size, flags)


def move(
    space: EmulatedSpace, area: Vma, old: int, old_size: int, new: int, new_size: int, flags: int
) -> int:
    """Put [old, old + old_size) of *area* to *new*, pages and all, with *new_size* bytes."""
    tables = space.tables
    for va, _ in list(tables.entries(old, old + old_size)):
        tables.leaf((va - old + new) >> LEAF_SHIFT)  # NoMemory, before anything changes
    pages = list(tables.entries(old, old + old_size))
    target = area.part(old, old + old_size)
    target.start, target.end = new, new + new_size
    if area.cache is None and area.file is None and not area.anon:
        target.offset = new
    locked = wants_pages(area)
    # Not merged before its pages are there: a neighbour could be the old area itself.
    space.vmas.insert(target)
    space.account(new_size)
    for va, entry in pages:
        tables.put(va, 0)
        tables.put(va - old + new, entry)
    if pages:
        tables.trim(old, old + old_size)
        space.flush_pages([va for va, _ in pages])
    if flags & MREMAP_DONTUNMAP:
        # Linux unlocks all of the old mapping, even where a part was moved.
        area.flags &= ~(LOCKED | LOCKONFAULT)
        if (area.start, area.end) == (old, old + old_size):
            area.anon = 0
    elif old_size:
        space.remove(old, old + old_size)
    space.vmas.merge(new, new + new_size)
    if locked and new_size > old_size:
        populate(space, new + old_size, new + new_size)
    return new
