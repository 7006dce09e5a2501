"""Page faults: what an access to user memory finds where the page tables do not say."""

from __future__ import annotations

from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.resource import RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_STACK
from ring3.machine.emulated.areas import (
    ALL,
    EXEC,
    GROWSDOWN,
    GUARD_GAP,
    LOCKED,
    SHARED,
    WRITE,
    Vma,
)
from ring3.machine.emulated.frames import SHIFT, NoMemory
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.pagecache import BeyondEnd, PageCache
from ring3.machine.emulated.paging import FRAME, GUARD, KEPT, LEAF_SHIFT, NX, A, D, P, U, W

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace

MAPERR: Final = (11, 1)
"""(signal number, si_code): SIGSEGV, SEGV_MAPERR: nothing is mapped there."""
ACCERR: Final = (11, 2)
"""SIGSEGV, SEGV_ACCERR: the area does not allow it."""
ADRERR: Final = (7, 2)
"""SIGBUS, BUS_ADRERR: the file has no such page (or reading it failed)."""
EXHAUSTED: Final = (9, 0)
"""SIGKILL: no memory is left; the machine has to kill somebody."""
AROUND: Final = 16
"""Pages of a file that one fault maps if they are in RAM, a power of 2 (fault_around_bytes)."""


class Guarded(Exception):
    """The page is a guard (MADV_GUARD_INSTALL)."""


def fault(space: EmulatedSpace, address: int, write: bool, execute: bool) -> tuple[int, int] | None:
    """Make one access possible. None: repeat it; else (signal, si_code) of the failure."""
    area = space.vmas.find(address)
    if area is None:
        area = grow_down(space, address)
        if area is None:
            return MAPERR
    if not area.prot & (WRITE if write else EXEC if execute else ALL):
        return ACCERR
    try:
        resolve(space, area, address & -PAGE, write, execute)
    except NoMemory:
        return EXHAUSTED
    except Guarded:
        return MAPERR
    except (BeyondEnd, Errno):
        return ADRERR
    if space.resident > space.peak_resident:
        space.peak_resident = space.resident
    return None


def resolve(space: EmulatedSpace, area: Vma, va: int, write: bool, execute: bool = False) -> None:
    """Make the page *va* of *area* present and, for *write*, its own. The area allows it.
    BeyondEnd, NoMemory, Guarded, an Errno of reading."""
    if write and not area.anon and not area.flags & SHARED:
        space.vmas.give_anon(area, space.physical.next_serial())
    entry = space.tables.get(va)
    if entry & P:
        present(space, area, va, entry, write, execute)
    elif not entry:
        if area.cache is None:
            missing_zeros(space, area, va, write)
        else:
            missing_page(space, area, area.cache, va, write)
    elif entry & GUARD:
        raise Guarded
    else:
        entry = entry & ~KEPT | P | U | A | NX
        space.tables.put(va, entry)
        present(space, area, va, entry, write, execute or bool(area.prot & EXEC))


# --- no entry -------------------------------------------------------------------------------------
def missing_zeros(space: EmulatedSpace, area: Vma, va: int, write: bool) -> None:
    """Anonymous memory: the page of zeros for a load, an own page for a store."""
    frames = space.frames
    space.tables.leaf(va >> LEAF_SHIFT)
    if write:
        entry = frames.alloc_zeroed() | P | U | A | D | W
        space.resident += 1
    else:
        entry = space.physical.zero | P | U | A
        frames.hold(space.physical.zero)
    if area.prot & EXEC:
        frames.code[(entry & FRAME) >> SHIFT] = 1
    else:
        entry |= NX
    space.tables.put(va, entry)


def missing_page(space: EmulatedSpace, area: Vma, cache: PageCache, va: int, write: bool) -> None:
    """A page of a file, or of shared memory."""
    frames, index = space.frames, area.index(va)
    space.tables.leaf(va >> LEAF_SHIFT)
    pa = cache.page(index)
    bits = P | U | A if area.prot & EXEC else P | U | A | NX
    if area.flags & SHARED:
        if area.prot & WRITE and (write or bits & NX == 0 or not frames.code[pa >> SHIFT]):
            if bits & NX and frames.code[pa >> SHIFT]:
                cache.forbid_execute(index)
            bits |= W | D if write else W
        frames.hold(pa)
    elif write:
        pa = space.physical.copy_frame(pa)
        bits |= W | D
    else:
        frames.hold(pa)
    if not bits & NX:
        if cache.writers:
            cache.forbid_write(index)
        frames.code[pa >> SHIFT] = 1
    space.tables.put(va, pa | bits)
    space.resident += 1
    if not write and not cache.writers:
        map_around(space, area, cache, va)


def map_around(space: EmulatedSpace, area: Vma, cache: PageCache, va: int) -> None:
    """Map the pages next to *va* that are in RAM as well, for loads: each saves a fault."""
    block = va & -(AROUND * PAGE)
    start, end = max(block, area.start), min(block + AROUND * PAGE, area.end)
    tables, frames = space.tables, space.frames
    at = (tables.leaves[va >> LEAF_SHIFT] >> 3) + (start >> SHIFT & 511)
    words, pages, refs, code = tables.words, cache.frames, frames.refs, frames.code
    executable = area.prot & EXEC
    bits = P | U | A if executable else P | U | A | NX
    for index in range(area.index(start), area.index(end)):
        pa = pages.get(index)
        if pa is not None and not words[at]:
            words[at] = pa | bits
            refs[pa >> SHIFT] += 1
            space.resident += 1
            if executable:
                code[pa >> SHIFT] = 1
        at += 1


# --- an entry that does not allow it --------------------------------------------------------------
def present(
    space: EmulatedSpace, area: Vma, va: int, entry: int, write: bool, execute: bool
) -> None:
    """The page is there: copy on write, or a right that was left out."""
    pa, frames = entry & FRAME, space.frames
    if write and not entry & W:
        if area.flags & SHARED:
            assert area.cache is not None
            if entry & NX and frames.code[pa >> SHIFT]:
                area.cache.forbid_execute(area.index(va))
            space.tables.put(va, entry | W | D | A)
        elif frames.refs[pa >> SHIFT] == 1:
            space.tables.put(va, entry | W | D | A)
        else:
            copy_on_write(space, va, entry)
    elif execute and entry & NX and area.prot & EXEC:
        allow_execute(space, area, va, entry)
    else:
        # Stale in the TLB, or somebody else has served it meanwhile.
        space.flush_page(va)


def copy_on_write(space: EmulatedSpace, va: int, entry: int) -> None:
    """Give the page a frame of its own."""
    pa, frames = entry & FRAME, space.frames
    made = space.physical.copy_frame(pa)
    if not entry & NX:
        frames.code[made >> SHIFT] = 1
    if pa == space.physical.zero:
        space.resident += 1
    space.change(va, entry & ~FRAME | made | W | D | A)
    frames.release(pa)


def allow_execute(space: EmulatedSpace, area: Vma, va: int, entry: int) -> None:
    """Take NX away. What was stored while it was set is not in translations made before."""
    frames, number = space.frames, (entry & FRAME) >> SHIFT
    cache = area.cache
    if cache is not None and cache.writers:
        index = area.index(va)
        if cache.frames.get(index) == entry & FRAME:
            cache.forbid_write(index)
            entry = space.tables.get(va)
    if frames.code[number]:
        frames.clean(number)
    frames.code[number] = 1
    space.tables.put(va, entry & ~NX)


# --- stacks ---------------------------------------------------------------------------------------
def grow_down(space: EmulatedSpace, address: int) -> Vma | None:
    """Let the stack above *address* grow down to it (expand_stack). None: nothing may."""
    vmas = space.vmas
    index = vmas.first(address)
    if index >= len(vmas.items):
        return None
    area, start = vmas.items[index], address & -PAGE
    if not area.flags & GROWSDOWN or start < space.min_address:
        return None
    if index:
        below = vmas.items[index - 1]
        near = start - below.end < GUARD_GAP
        if near and below.prot and not below.flags & GROWSDOWN:
            return None
    more = area.start - start
    if area.end - start > space.limit(RLIMIT_STACK):
        return None
    if space.mapped + more > space.limit(RLIMIT_AS):
        return None
    if area.flags & LOCKED and space.locked() + more > space.limit(RLIMIT_MEMLOCK):
        return None
    vmas.move_start(area, start)
    space.account(more)
    return area
