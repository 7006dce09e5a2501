"""mmap, munmap and brk on an emulated space.

Source: mm/mmap.c (do_mmap, mmap_region, do_brk_flags).
"""

from __future__ import annotations

from ring3.abi.errno import EINVAL, ENOMEM, EOPNOTSUPP, EPERM, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.mman import (
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_SYNC,
    MAP_TYPE,
)
from ring3.abi.mount import MS_NOEXEC
from ring3.abi.resource import RLIMIT_DATA
from ring3.machine.emulated.areas import (
    ACCOUNT,
    ALL,
    EXEC,
    GROWSDOWN,
    LOCKED,
    LOCKONFAULT,
    MAX_AREAS,
    NORESERVE,
    READ,
    SHARED,
    WRITE,
    Vma,
)
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.pagecache import PageCache, cache_of
from ring3.machine.emulated.placement import (
    check_commit,
    check_lock,
    check_room,
    choose,
    low_edge,
    may_lock,
    page_up,
)

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace

SHARED_ZEROS: Final = b"/dev/zero (deleted)"
"""The name of shared anonymous memory in /proc/PID/maps."""


def map_memory(
    space: EmulatedSpace, vehicle: Any, addr: int, length: int, prot: int, flags: int, file: Any,
    offset: int,
) -> int:  # fmt: skip
    """mmap(2): the address. *file* None: anonymous."""
    if not length:
        raise EINVAL("nothing to map")
    length = page_up(length)
    if length > space.end:
        raise ENOMEM("longer than the address space")
    if len(space.vmas.items) > MAX_AREAS:
        raise ENOMEM("too many memory areas")
    if flags & MAP_HUGETLB:
        raise ENOMEM("no huge pages are reserved")
    addr = choose(space, vehicle, addr, length, flags)
    if flags & MAP_LOCKED and not may_lock(space, vehicle):
        raise EPERM("RLIMIT_MEMLOCK is 0")
    area = describe(space, addr, length, prot, flags, file, offset)
    if area.flags & LOCKED:
        check_lock(space, vehicle, length)
    inside = space.vmas.within(addr, addr + length)
    replaced = sum(min(a.end, area.end) - max(a.start, addr) for a in inside)
    check_room(space, length - replaced, prot, area.flags)
    if is_charged(area):
        check_commit(space, length)
    if inside:
        space.remove(addr, addr + length)
    enter(space, area)
    if (flags & MAP_POPULATE and not flags & MAP_NONBLOCK) or wants_pages(area):
        populate(space, addr, addr + length)
    return addr


def describe(
    space: EmulatedSpace, addr: int, length: int, prot: int, flags: int, file: Any, offset: int
) -> Vma:
    """The area that mmap is to make. EINVAL, EOPNOTSUPP, and what the file refuses."""
    shared = flags & MAP_TYPE in (MAP_SHARED, MAP_SHARED_VALIDATE)
    prot &= ALL
    kind = space.future | (SHARED if shared else 0)
    kind |= NORESERVE if flags & MAP_NORESERVE else 0
    kind |= LOCKED if flags & MAP_LOCKED else 0
    cache, may, name = None, ALL, b""
    if file is not None:
        content = file.map_content(prot, shared)
        if flags & MAP_TYPE == MAP_SHARED_VALIDATE and flags & MAP_SYNC:
            raise EOPNOTSUPP("MAP_SYNC is for persistent memory")
        may = permitted(file, shared)
        if content is not None:
            cache = cache_of(space.physical, content)
    if flags & MAP_GROWSDOWN:
        if shared or file is not None:
            raise EINVAL("only private anonymous memory grows down")
        kind |= GROWSDOWN
    if cache is None and shared:
        cache, name = PageCache(space.physical, None, length), SHARED_ZEROS
        file, offset = None, 0
    elif file is None:
        offset = addr
    if prot & WRITE and not kind & (SHARED | NORESERVE):
        kind |= ACCOUNT
    return Vma(space, addr, addr + length, prot, kind, may, cache, offset, file, name)


def permitted(file: Any, shared: bool) -> int:
    """What mprotect may make of a mapping of *file*."""
    may = ALL
    if shared and not file.writable:
        may &= ~WRITE
    if file.place is not None and file.place.mount.flags & MS_NOEXEC:
        may &= ~EXEC
    return may


def is_charged(area: Vma) -> bool:
    """Whether all of it may be needed at once: private and writable, or shared without a file."""
    if area.flags & SHARED:
        return area.file is None and not area.flags & NORESERVE
    return bool(area.flags & ACCOUNT)


def enter(space: EmulatedSpace, area: Vma) -> None:
    """Put a new area where nothing is mapped."""
    start, end = area.start, area.end
    space.vmas.insert(area)
    space.account(end - start)
    space.vmas.merge(start, end)


# --- pages ahead of use ---------------------------------------------------------------------------
def wants_pages(area: Vma) -> bool:
    """Whether the area is locked in memory from the start."""
    return bool(area.flags & LOCKED) and not area.flags & LOCKONFAULT


def populate(space: EmulatedSpace, start: int, end: int) -> tuple[int, int] | None:
    """Fault in [start, end), private copies included, up to the first page that cannot be had;
    its (signal, si_code) (mm_populate)."""
    for area in space.vmas.within(start, end):
        if not area.prot:
            return 11, 2
        write = bool(area.prot & WRITE) and not area.flags & SHARED
        failed = touch(space, max(start, area.start), min(end, area.end), write)
        if failed is not None:
            return failed
    return None


def touch(space: EmulatedSpace, start: int, end: int, write: bool) -> tuple[int, int] | None:
    """Access every page of [start, end); what the first failing access gives."""
    from ring3.machine.emulated.paging import P, W

    get, wanted = space.tables.get, P | W if write else P
    for va in range(start, end, PAGE):
        if get(va) & wanted == wanted:
            continue
        failed = space.fault(va, write)
        if failed is not None:
            return failed
    return None


# --- munmap and brk -------------------------------------------------------------------------------
def unmap_memory(space: EmulatedSpace, addr: int, length: int) -> int:
    """munmap(2)."""
    if addr % PAGE or not length or addr > space.end or length > space.end - addr:
        raise EINVAL("not a range of user pages")
    space.remove(addr, addr + page_up(length))
    return 0


def set_brk(space: EmulatedSpace, vehicle: Any, addr: int) -> int:
    """brk(2): the end of the heap, moved to *addr* if that is possible."""
    if addr < space.brk_start or addr - space.brk_start > space.limit(RLIMIT_DATA):
        return space.brk
    old, new = page_up(space.brk), page_up(addr)
    try:
        if new < old:
            space.remove(new, old)
        elif new > old:
            grow_heap(space, vehicle, old, new)
    except Errno:
        return space.brk
    space.brk = addr
    return addr


def grow_heap(space: EmulatedSpace, vehicle: Any, old: int, new: int) -> None:
    """Map [old, new) at the end of the heap. ENOMEM, EAGAIN."""
    above = space.vmas.above(old)
    if new > space.end or (above is not None and new + PAGE > low_edge(above)):
        raise ENOMEM("something is mapped behind the heap")
    area = Vma(space, old, new, READ | WRITE, space.future | ACCOUNT, offset=old)
    if area.flags & LOCKED:
        check_lock(space, vehicle, new - old)
    check_room(space, new - old, area.prot, area.flags)
    check_commit(space, new - old)
    enter(space, area)
    if wants_pages(area):
        populate(space, old, new)
