"""mlock(2) and its kin on an emulated space: nothing is ever swapped out, so to lock a page is to
have it there. Source: mm/mlock.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_IPC_LOCK
from ring3.abi.errno import EAGAIN, EINVAL, ENOMEM, EPERM
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from ring3.abi.resource import RLIMIT_MEMLOCK
from ring3.machine.emulated.areas import LOCKED, LOCKONFAULT
from ring3.machine.emulated.fault import EXHAUSTED
from ring3.machine.emulated.layout import PAGE, WORD
from ring3.machine.emulated.mapping import populate
from ring3.machine.emulated.placement import capable, may_lock, page_up

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace

BOTH = LOCKED | LOCKONFAULT


def mlock(space: EmulatedSpace, vehicle: Any, addr: int, length: int) -> int:
    return lock(space, vehicle, addr, length, LOCKED)


def mlock2(space: EmulatedSpace, vehicle: Any, addr: int, length: int, flags: int) -> int:
    flags &= 0xFFFFFFFF
    if flags & ~MLOCK_ONFAULT:
        raise EINVAL("unknown flag")
    return lock(space, vehicle, addr, length, BOTH if flags else LOCKED)


def lock(space: EmulatedSpace, vehicle: Any, addr: int, length: int, flags: int) -> int:
    if not may_lock(space, vehicle):
        raise EPERM("RLIMIT_MEMLOCK is 0")
    start, end = whole_pages(addr, length)
    inside = space.vmas.within(start, end)
    already = sum(min(x.end, end) - max(x.start, start) for x in inside if x.flags & LOCKED)
    wanted = space.locked() + (end - start) - already
    if wanted > space.limit(RLIMIT_MEMLOCK) and not capable(vehicle, CAP_IPC_LOCK):
        raise ENOMEM("RLIMIT_MEMLOCK")
    mark(space, start, end, flags)
    if flags == LOCKED:
        failed = populate(space, start, end)
        if failed is not None:
            raise EAGAIN if failed == EXHAUSTED else ENOMEM
    return 0


def munlock(space: EmulatedSpace, vehicle: Any, addr: int, length: int) -> int:
    mark(space, *whole_pages(addr, length), 0)
    return 0


def whole_pages(addr: int, length: int) -> tuple[int, int]:
    """The pages that have something of [addr, addr + length). EINVAL."""
    start = addr & -PAGE
    end = (start + page_up(length + addr % PAGE)) & WORD
    if end < start:
        raise EINVAL("the range wraps")
    return start, end


def mark(space: EmulatedSpace, start: int, end: int, flags: int) -> None:
    """Set the lock flags of [start, end), up to the first hole. ENOMEM."""
    at = start
    for area in space.vmas.within(start, end) if start < end else []:
        if area.start > at:
            break
        stop = min(area.end, end)  # read before the area is split
        if area.flags & BOTH != flags:
            for part in space.vmas.isolate(at, stop):
                part.flags = part.flags & ~BOTH | flags
            space.vmas.merge(at, stop)
        at = stop
    if at < end:
        raise ENOMEM("a part is not mapped")


def mlockall(space: EmulatedSpace, vehicle: Any, flags: int) -> int:
    flags &= 0xFFFFFFFF
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise EINVAL("flags")
    if not may_lock(space, vehicle):
        raise EPERM("RLIMIT_MEMLOCK is 0")
    limit = space.limit(RLIMIT_MEMLOCK)
    if flags & MCL_CURRENT and space.mapped > limit and not capable(vehicle, CAP_IPC_LOCK):
        raise ENOMEM("RLIMIT_MEMLOCK")
    kind = BOTH if flags & MCL_ONFAULT else LOCKED
    space.future = kind if flags & MCL_FUTURE else 0
    if not flags & MCL_CURRENT:
        return 0
    for area in list(space.vmas.items):
        area.flags = area.flags & ~BOTH | kind
    space.vmas.merge(0, space.end)
    if kind == LOCKED:
        for area in list(space.vmas.items):
            populate(space, area.start, area.end)
    return 0


def munlockall(space: EmulatedSpace, vehicle: Any) -> int:
    space.future = 0
    for area in list(space.vmas.items):
        area.flags &= ~BOTH
    space.vmas.merge(0, space.end)
    return 0
