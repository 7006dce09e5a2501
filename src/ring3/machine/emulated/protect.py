"""mprotect(2) on an emulated space. Source: mm/mprotect.c."""

from __future__ import annotations

from ring3.abi.errno import EACCES, EINVAL, ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import PROT_GROWSDOWN, PROT_GROWSUP, PROT_SEM
from ring3.machine.emulated.areas import (
    ACCOUNT,
    ALL,
    EXEC,
    GROWSDOWN,
    NORESERVE,
    SHARED,
    WRITE,
    Vma,
)
from ring3.machine.emulated.frames import SHIFT
from ring3.machine.emulated.layout import PAGE, WORD
from ring3.machine.emulated.mapping import populate, wants_pages
from ring3.machine.emulated.paging import FRAME, GUARD, KEPT, NX, A, D, P, U, W, restricted
from ring3.machine.emulated.placement import check_commit, check_room, is_data, page_up

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace


def protect(space: EmulatedSpace, vehicle: Any, addr: int, length: int, prot: int) -> int:
    """mprotect(2). Like Linux, changes what comes before the page that fails."""
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~grows
    if grows == PROT_GROWSDOWN | PROT_GROWSUP:
        raise EINVAL("both directions")
    if addr % PAGE:
        raise EINVAL("address is not page-aligned")
    if not length:
        return 0
    end = (addr + page_up(length)) & WORD
    if end <= addr:
        raise ENOMEM("the range wraps")
    if prot & ~(ALL | PROT_SEM):
        raise EINVAL("unknown protection")
    first = space.vmas.above(addr)
    if first is None:
        raise ENOMEM("nothing is mapped there")
    if grows == PROT_GROWSDOWN:
        if first.start >= end:
            raise ENOMEM("nothing is mapped there")
        addr = first.start
        if not first.flags & GROWSDOWN:
            raise EINVAL("the area does not grow down")
    elif first.start > addr:
        raise ENOMEM("nothing is mapped there")
    elif grows:
        raise EINVAL("nothing grows up")
    change_range(space, addr, end, prot & ALL)
    return 0


def change_range(space: EmulatedSpace, start: int, end: int, prot: int) -> None:
    """Give [start, end) new rights, area by area, up to the first that refuses. ENOMEM, EACCES."""
    at = start
    for area in space.vmas.within(start, end):
        if area.start > at:
            break
        stop = min(area.end, end)  # read before the area is split
        if prot != area.prot:
            change_area(space, area, at, stop, prot)
            space.vmas.merge(at, stop)
        at = stop
    if at < end:
        raise ENOMEM("a part is not mapped")


def change_area(space: EmulatedSpace, area: Vma, start: int, end: int, prot: int) -> None:
    if prot & ~area.may:
        raise EACCES("the file does not allow it")
    flags = new_flags(space, area, end - start, prot)
    for part in space.vmas.isolate(start, end):
        locked = wants_pages(part) and not part.prot & WRITE and not part.flags & SHARED
        part.prot, part.flags = prot, flags
        change_entries(space, part)
        if locked and prot & WRITE:
            populate(space, start, end)  # a locked page is not to fault, not even for its copy


def new_flags(space: EmulatedSpace, area: Vma, size: int, prot: int) -> int:
    """Flags of *size* bytes of *area* once they have the rights *prot*. ENOMEM."""
    flags = area.flags
    if not prot & WRITE:
        untouched = area.cache is None and not area.anon
        return flags & ~ACCOUNT if untouched else flags
    if area.prot & WRITE:
        return flags
    if is_data(prot, flags):
        check_room_as_data(space, size, prot, flags)
    if flags & (SHARED | NORESERVE | ACCOUNT):
        return flags
    check_commit(space, size)
    return flags | ACCOUNT


def check_room_as_data(space: EmulatedSpace, size: int, prot: int, flags: int) -> None:
    """The pages are mapped already, but count as data now. ENOMEM."""
    space.mapped -= size
    try:
        check_room(space, size, prot, flags)
    finally:
        space.mapped += size


def change_entries(space: EmulatedSpace, area: Vma) -> None:
    """Make the entries of *area* follow its new ``prot``."""
    tables, stale = space.tables, []
    for va, entry in tables.entries(area.start, area.end):
        if entry & GUARD:
            continue
        new = permitted(space, area, entry)
        if new == entry:
            continue
        tables.put(va, new)
        # Rights that were given need no flush: the processor walks again before it faults.
        if entry & (P | W | U) & ~new or new & ~entry & NX:
            stale.append(va)
    space.flush_pages(stale)


def permitted(space: EmulatedSpace, area: Vma, entry: int) -> int:
    """*entry* with the rights of *area*, as far as they need no look at other mappings."""
    prot = area.prot
    if not prot:
        return restricted(entry, 0)
    old = entry & ~KEPT | P | U | A | NX if entry & KEPT else entry
    new = restricted(old, prot)
    frames, number = space.frames, (entry & FRAME) >> SHIFT
    shared = area.flags & SHARED
    if not shared:
        if prot & WRITE and frames.refs[number] == 1:
            new |= W | D
    elif new & W and (new ^ entry) & NX:
        # One side of the rule of pagecache.py changes: the next store asks.
        new &= ~W
    if prot & EXEC and new & NX and not (area.cache is not None and area.cache.writers):
        if frames.code[number]:
            frames.clean(number)
        frames.code[number] = 1
        new &= ~NX
    return new
