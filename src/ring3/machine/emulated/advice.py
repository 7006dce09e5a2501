"""madvise(2) and its kin on an emulated space: calls on the caller's own memory.

Source: mm/madvise.c, mm/msync.c, mm/mincore.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM
from ring3.abi.fcntl import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MADV_HWPOISON,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_SOFT_OFFLINE,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
)
from ring3.abi.syscalls_i386 import NUMBERS as NUMBERS_32
from ring3.abi.syscalls_x86_64 import NUMBERS as NUMBERS_64
from ring3.machine.emulated import areas as a
from ring3.machine.emulated import locking
from ring3.machine.emulated.fault import EXHAUSTED
from ring3.machine.emulated.layout import PAGE, WORD
from ring3.machine.emulated.mapping import touch
from ring3.machine.emulated.paging import GUARD, KEPT, P
from ring3.machine.emulated.placement import capable, page_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.machine.emulated.areas import Vma
    from ring3.machine.emulated.space import EmulatedSpace

ADVICE_FLAGS = {
    MADV_NORMAL: (0, a.RANDOM | a.SEQUENTIAL),
    MADV_RANDOM: (a.RANDOM, a.SEQUENTIAL),
    MADV_SEQUENTIAL: (a.SEQUENTIAL, a.RANDOM),
    MADV_DONTFORK: (a.DONTFORK, 0),
    MADV_DOFORK: (0, a.DONTFORK),
    MADV_WIPEONFORK: (a.WIPEONFORK, 0),
    MADV_KEEPONFORK: (0, a.WIPEONFORK),
    MADV_DONTDUMP: (a.DONTDUMP, 0),
    MADV_DODUMP: (0, a.DONTDUMP),
    MADV_MERGEABLE: (a.MERGEABLE, 0),
    MADV_UNMERGEABLE: (0, a.MERGEABLE),
    MADV_HUGEPAGE: (a.HUGEPAGE, a.NOHUGEPAGE),
    MADV_NOHUGEPAGE: (a.NOHUGEPAGE, a.HUGEPAGE),
}
"""Advice that is only remembered: flags to set, flags to clear."""


def advise(space: EmulatedSpace, vehicle: Any, nr: int, args: Sequence[int]) -> int:
    """The calls of ``machine.base.AddressSpace.advise``, by their number in the caller's ABI."""
    task = getattr(vehicle, "task", None)
    wide = task is None or task.abi == "x86_64"
    name, count = (CALLS_64 if wide else CALLS_32).get(nr, ("", 0))
    if not name:
        raise ENOSYS(f"call {nr} is not about memory")
    return SERVE[name](space, vehicle, *args[:count])


def page_range(space: EmulatedSpace, addr: int, length: int) -> int:
    """The end of a range of whole pages. EINVAL."""
    size = page_up(length) & WORD
    if addr % PAGE or (length and not size) or addr + size > WORD:
        raise EINVAL("not a range of pages")
    return addr + size


# --- madvise --------------------------------------------------------------------------------------
def madvise(space: EmulatedSpace, vehicle: Any, addr: int, length: int, advice: int) -> int:
    advice &= 0xFFFFFFFF
    if advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE):
        if not capable(vehicle, CAP_SYS_ADMIN):
            raise EPERM("memory failures are for the administrator")
        raise EINVAL("no memory failures here")
    if advice not in ADVICE_FLAGS and advice not in ACTIONS and advice not in POPULATES:
        raise EINVAL("unknown advice")
    end = page_range(space, addr, length)
    if end == addr:
        return 0
    if advice in POPULATES:
        return populate(space, addr, end, advice == MADV_POPULATE_WRITE)
    missing, at = False, addr
    for area in space.vmas.within(addr, end):
        start, stop = max(area.start, addr), min(area.end, end)
        missing = missing or start > at
        if advice in ADVICE_FLAGS:
            set_flags(space, area, start, stop, advice)
        else:
            ACTIONS[advice](space, area, start, stop)
        at = stop
    if missing or at < end:
        raise ENOMEM("a part is not mapped")
    return 0


def set_flags(space: EmulatedSpace, area: Vma, start: int, end: int, advice: int) -> None:
    setting, clearing = ADVICE_FLAGS[advice]
    if setting & a.WIPEONFORK and (area.cache is not None or area.file is not None):
        raise EINVAL("only private anonymous memory is wiped")
    if area.flags & ~clearing | setting == area.flags:
        return
    for part in space.vmas.isolate(start, end):
        part.flags = part.flags & ~clearing | setting
    space.vmas.merge(start, end)


def dont_need(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    if area.flags & a.LOCKED:
        raise EINVAL("locked")
    discard(space, area, start, end)


def discard(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """Give the pages back, but for guards: the next access finds zeros or the file's content."""
    guards = [(va, e) for va, e in space.tables.entries(start, end) if e & GUARD]
    space.zap(start, end)
    for va, entry in guards:
        space.frames.hold(0)
        space.tables.put(va, entry)


def free(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """MADV_FREE allows to take the pages when memory is short: never done here."""
    if area.flags & a.LOCKED:
        raise EINVAL("locked")
    if area.cache is not None or area.file is not None:
        raise EINVAL("only private anonymous memory can be freed")


def cold(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """There is no swap and no order of pages."""
    if area.flags & a.LOCKED:
        raise EINVAL("locked")


def will_need(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """Pages are read when they are touched."""


def collapse(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    raise EINVAL("no huge pages")


def remove(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """MADV_REMOVE: punch a hole into what is mapped."""
    if area.flags & a.LOCKED or area.cache is None:
        raise EINVAL("not a shared mapping of a file")
    if not area.flags & a.SHARED or not area.may & a.WRITE:
        raise EACCES("not a writable shared mapping")
    first, offset = area.index(start), start - area.start + area.offset
    if area.file is not None:
        area.file.fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, end - start)
        return
    for index in area.cache.resident(first, area.index(end)):
        pa = area.cache.frames[index]
        space.physical.ram[pa : pa + PAGE] = bytes(PAGE)
        space.frames.changed(pa, PAGE)


def guard(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    """MADV_GUARD_INSTALL: every access to these pages is an error from now on."""
    if area.flags & a.LOCKED:
        raise EINVAL("locked")
    space.zap(start, end)
    for va in range(start, end, PAGE):
        space.tables.put(va, GUARD)
        space.frames.hold(0)


def unguard(space: EmulatedSpace, area: Vma, start: int, end: int) -> None:
    for va, entry in list(space.tables.entries(start, end)):
        if entry & GUARD:
            space.tables.put(va, 0)
            space.frames.release(0)


ACTIONS: dict[int, Callable[[EmulatedSpace, Vma, int, int], None]] = {
    MADV_DONTNEED: dont_need,
    MADV_DONTNEED_LOCKED: discard,
    MADV_FREE: free,
    MADV_REMOVE: remove,
    MADV_WILLNEED: will_need,
    MADV_COLD: cold,
    MADV_PAGEOUT: cold,
    MADV_COLLAPSE: collapse,
    MADV_GUARD_INSTALL: guard,
    MADV_GUARD_REMOVE: unguard,
}
POPULATES = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)


def populate(space: EmulatedSpace, start: int, end: int, write: bool) -> int:
    """MADV_POPULATE_*: as if every page was read or written. ENOMEM, EINVAL, EFAULT."""
    at = start
    for area in space.vmas.within(start, end):
        if area.start > at:
            break
        if not area.prot & (a.WRITE if write else a.ALL):
            raise EINVAL("the mapping does not allow it")
        at = min(area.end, end)
        failed = touch(space, max(area.start, start), at, write)
        if failed is not None:
            raise ENOMEM if failed == EXHAUSTED else EFAULT
    if at < end:
        raise ENOMEM("a part is not mapped")
    return 0


# --- msync and mincore ----------------------------------------------------------------------------
def msync(space: EmulatedSpace, vehicle: Any, addr: int, length: int, flags: int) -> int:
    """Write shared pages back to their files (MS_SYNC; MS_ASYNC only checks, as on Linux)."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or addr % PAGE:
        raise EINVAL("flags or address")
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise EINVAL("both kinds")
    end = (addr + page_up(length)) & WORD
    if end < addr:
        raise ENOMEM("the range wraps")
    missing, at = False, addr
    for area in space.vmas.within(addr, end) if end > addr else []:
        start, stop = max(area.start, addr), min(area.end, end)
        missing = missing or start > at
        if flags & MS_INVALIDATE and area.flags & a.LOCKED:
            raise EBUSY("locked")
        if flags & MS_SYNC and area.flags & a.SHARED and area.cache is not None:
            area.cache.write_back(area.index(start), area.index(stop))
        at = stop
    if missing or at < end:
        raise ENOMEM("a part is not mapped")
    return 0


def mincore(space: EmulatedSpace, vehicle: Any, addr: int, length: int, vec: int) -> int:
    """One byte per page: 1 if it is in RAM (for files, in the page cache)."""
    if addr % PAGE:
        raise EINVAL("address is not page-aligned")
    if addr > space.end or length > space.end - addr:
        raise ENOMEM("beyond user memory")
    end = addr + page_up(length)
    if vec + (end - addr) // PAGE > space.end:
        raise EFAULT("vec is no user memory")
    if not space.vmas.covers(addr, end):
        raise ENOMEM("a part is not mapped")
    found = bytearray()
    for area in space.vmas.within(addr, end):
        for va in range(max(area.start, addr), min(area.end, end), PAGE):
            inside = space.tables.get(va) & (P | KEPT) != 0
            if not inside and area.cache is not None:
                inside = area.index(va) in area.cache.frames
            found.append(inside)
    if found:
        space.memory.store(vec, bytes(found))
    return 0


SERVE: dict[str, Callable[..., int]] = {
    "madvise": madvise,
    "msync": msync,
    "mincore": mincore,
    "mlock": locking.mlock,
    "mlock2": locking.mlock2,
    "munlock": locking.munlock,
    "mlockall": locking.mlockall,
    "munlockall": locking.munlockall,
}
COUNTS = {"munlockall": 0, "mlockall": 1, "mlock": 2, "munlock": 2}
CALLS_64 = {NUMBERS_64[name]: (name, COUNTS.get(name, 3)) for name in SERVE}
CALLS_32 = {NUMBERS_32[name]: (name, COUNTS.get(name, 3)) for name in SERVE}
