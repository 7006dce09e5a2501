"""fork(2): a copy-on-write copy of an address space.

A leaf table is copied whole: W is cleared in its 512 entries by one AND of big integers, and the
result stands in both tables. Only tables with pages of shared, unforked or wiped areas, or with
pinned frames, are gone through entry by entry.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.areas import DONTFORK, LOCKED, LOCKONFAULT, SHARED, WIPEONFORK
from ring3.machine.emulated.frames import SHIFT, NoMemory
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.paging import FRAME, LEAF_SHIFT, D, W

if TYPE_CHECKING:
    from ring3.machine.emulated.areas import Vma
    from ring3.machine.emulated.space import EmulatedSpace

READ_ONLY = int.from_bytes(((1 << 64) - 1 - W).to_bytes(8, "little") * 512, "little")
"""512 entries with every bit but W."""


def fork(old: EmulatedSpace) -> EmulatedSpace:
    """A copy of *old* for a child process. NoMemory."""
    new = type(old)(old.physical, old.word)
    try:
        copy_areas(old, new)
        special = tables_of(old, [a for a in old.vmas.items if a.flags & (SHARED | WIPEONFORK)])
        special |= tables_of(old, [a for a in old.vmas.items if a.flags & DONTFORK])
        if old.frames.pins:
            special = dict.fromkeys(old.tables.leaves)
        for key in list(old.tables.leaves):
            if key in special:
                copy_entries(old, new, key)
            else:
                copy_table(old, new, key)
    except NoMemory:
        new.drop()
        raise
    finally:
        old.flush()
    new.peak_resident, new.peak_mapped = new.resident, new.mapped
    return new


def copy_areas(old: EmulatedSpace, new: EmulatedSpace) -> None:
    new.limits = dict(old.limits)
    new.min_address, new.mmap_base, new.stack_top = old.min_address, old.mmap_base, old.stack_top
    new.brk, new.brk_start = old.brk, old.brk_start
    for area in old.vmas.items:
        if area.flags & DONTFORK:
            continue
        copy = area.part(area.start, area.end, new)
        copy.anon = new.physical.next_serial() if copy.anon else 0
        copy.flags &= ~(LOCKED | LOCKONFAULT)  # locks are not inherited
        new.vmas.insert(copy)
        new.account(copy.end - copy.start)


def tables_of(space: EmulatedSpace, areas: list[Vma]) -> dict[int, None]:
    """The leaf tables that have pages of *areas*."""
    return {key: None for a in areas for key, _, _, _ in space.tables.spans(a.start, a.end)}


def copy_table(old: EmulatedSpace, new: EmulatedSpace, key: int) -> None:
    """Share every page of a leaf table, read-only on both sides."""
    ram, table = old.tables.ram, old.tables.leaves[key]
    target = new.tables.leaf(key)
    entries = int.from_bytes(ram[table : table + PAGE], "little") & READ_ONLY
    data = entries.to_bytes(PAGE, "little")
    ram[table : table + PAGE] = data
    ram[target : target + PAGE] = data
    refs, zero, shared = old.frames.refs, old.physical.zero, 0
    for entry in filter(None, memoryview(data).cast("Q").tolist()):
        pa = entry & FRAME
        refs[pa >> SHIFT] += 1
        if pa != zero and pa:
            shared += 1
    new.resident += shared


def copy_entries(old: EmulatedSpace, new: EmulatedSpace, key: int) -> None:
    """Copy a leaf table area by area."""
    low, high = key << LEAF_SHIFT, (key + 1) << LEAF_SHIFT
    new.tables.leaf(key)
    for area in old.vmas.within(low, high):
        if area.flags & (DONTFORK | WIPEONFORK):
            continue
        start, end = max(low, area.start), min(high, area.end)
        for va, _ in list(old.tables.entries(start, end)):
            # Copying a pinned page may have reclaimed this one.
            if entry := old.tables.get(va):
                copy_entry(old, new, area, va, entry)


def copy_entry(old: EmulatedSpace, new: EmulatedSpace, area: Vma, va: int, entry: int) -> None:
    frames, pa = old.frames, entry & FRAME
    if area.flags & SHARED:
        # What the parent stored is the parent's entry's to tell.
        entry &= ~D
    elif frames.pins and pa >> SHIFT in frames.pins:
        # A device works on this frame for the parent: it must stay the parent's own.
        made = old.physical.copy_frame(pa)
        new.tables.put(va, entry & ~FRAME | made)
        new.resident += 1
        return
    elif entry & W:
        entry &= ~W
        old.tables.put(va, entry)
    new.tables.put(va, entry)
    frames.hold(pa)
    if pa and pa != old.physical.zero:
        new.resident += 1
