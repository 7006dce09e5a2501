"""Where a new mapping goes, and whether there may be one.

Source: mm/mmap.c (get_unmapped_area, may_expand_vm), arch/x86/kernel/sys_x86_64.c.
"""

from __future__ import annotations

from bisect import bisect_left

from ring3.abi.capability import CAP_IPC_LOCK, CAP_SYS_RAWIO
from ring3.abi.errno import EAGAIN, EEXIST, EINVAL, ENOMEM, EPERM
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.mman import MAP_32BIT, MAP_FIXED, MAP_FIXED_NOREPLACE
from ring3.abi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from ring3.machine.emulated.areas import GROWSDOWN, GUARD_GAP, LOCKED, SHARED, WRITE
from ring3.machine.emulated.layout import PAGE

if TYPE_CHECKING:
    from ring3.machine.emulated.areas import Vma
    from ring3.machine.emulated.space import EmulatedSpace

LOW_START, LOW_END = 0x40000000, 0x80000000
"""Where MAP_32BIT looks."""
MIN_ADDRESS: Final = 0x10000
"""vm.mmap_min_addr."""


def page_up(size: int) -> int:
    return (size + PAGE - 1) & -PAGE


def capable(vehicle: Any, capability: int) -> bool:
    """Whether the caller has *capability* (there may be no caller, in tests and at start)."""
    task = getattr(vehicle, "task", None)
    return task is not None and task.cred.capable(capability)


def low_edge(area: Vma) -> int:
    """The lowest address that has to stay free for *area* (vm_start_gap)."""
    if area.flags & GROWSDOWN:
        return max(area.start - GUARD_GAP, 0)
    return area.start


# --- addresses ------------------------------------------------------------------------------------
def choose(space: EmulatedSpace, vehicle: Any, addr: int, length: int, flags: int) -> int:
    """The address of a new mapping of *length* bytes (whole pages), by the rules of mmap(2).
    ENOMEM, EINVAL, EPERM, EEXIST."""
    if length > space.end:
        raise ENOMEM("longer than the address space")
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if addr > space.end - length:
            raise ENOMEM("beyond user memory")
        if addr % PAGE:
            raise EINVAL("address is not page-aligned")
    else:
        addr = hinted(space, addr, length) or find_free(space, length, flags)
    if addr < MIN_ADDRESS and not capable(vehicle, CAP_SYS_RAWIO):
        raise EPERM("below vm.mmap_min_addr")
    if flags & MAP_FIXED_NOREPLACE and space.vmas.within(addr, addr + length):
        raise EEXIST("something is mapped there")
    return addr


def hinted(space: EmulatedSpace, addr: int, length: int) -> int:
    """The hint as an address, if it is free; else 0."""
    addr &= -PAGE
    if not addr:
        return 0
    addr = max(addr, MIN_ADDRESS)
    if addr > space.end - length:
        return 0
    above = space.vmas.above(addr)
    return addr if above is None or addr + length <= low_edge(above) else 0


def find_free(space: EmulatedSpace, length: int, flags: int = 0) -> int:
    """A free range: the highest below mmap_base, else the lowest above. ENOMEM."""
    if flags & MAP_32BIT and space.word == 64:
        return lowest(space, length, LOW_START, LOW_END)
    at = highest(space, length, MIN_ADDRESS, space.mmap_base)
    return at or lowest(space, length, space.mmap_base, space.end)


def highest(space: EmulatedSpace, length: int, low: int, high: int) -> int:
    """The highest hole of *length* bytes in [low, high), or 0.

    ``space.searched`` (size, address) remembers that no hole of *size* bytes lies above *address*,
    so that a program that maps piece after piece does not look through all of them each time.
    """
    size, below = space.searched
    if length >= size and low < below < high:
        high = below
    items, top = space.vmas.items, high
    index = bisect_left(space.vmas.starts, top) - 1
    while True:
        bottom = max(items[index].end, low) if index >= 0 else low
        if top - bottom >= length:
            if not size or length <= size:
                space.searched = (length, top)
            return top - length
        if index < 0 or bottom == low:
            return 0
        top = min(top, low_edge(items[index]))
        index -= 1


def lowest(space: EmulatedSpace, length: int, low: int, high: int) -> int:
    """The lowest hole of *length* bytes in [low, high). ENOMEM."""
    items = space.vmas.items
    index = space.vmas.first(low)
    while low + length <= high:
        if index >= len(items) or low + length <= low_edge(items[index]):
            return low
        low = max(low, items[index].end)
        index += 1
    raise ENOMEM("no hole is large enough")


# --- limits ---------------------------------------------------------------------------------------
def is_data(prot: int, flags: int) -> bool:
    """Private writable memory that is no stack: what RLIMIT_DATA counts."""
    return bool(prot & WRITE) and not flags & (SHARED | GROWSDOWN)


def check_room(space: EmulatedSpace, more: int, prot: int, flags: int) -> None:
    """May the space grow by *more* bytes of such memory? ENOMEM (may_expand_vm)."""
    if space.mapped + more > space.limit(RLIMIT_AS):
        raise ENOMEM("RLIMIT_AS")
    limit = space.limit(RLIMIT_DATA)
    if limit < space.end and is_data(prot, flags) and data_bytes(space) + more > limit:
        raise ENOMEM("RLIMIT_DATA")


def data_bytes(space: EmulatedSpace) -> int:
    return sum(a.end - a.start for a in space.vmas.items if is_data(a.prot, a.flags))


def check_commit(space: EmulatedSpace, size: int) -> None:
    """The heuristic overcommit: one mapping alone must not exceed RAM. ENOMEM."""
    if size > space.frames.total * PAGE:
        raise ENOMEM("more than the machine's memory")


def check_lock(space: EmulatedSpace, vehicle: Any, more: int) -> None:
    """May *more* bytes be locked by a mapping that is made locked? EAGAIN (mlock_future_ok)."""
    if space.locked() + more > space.limit(RLIMIT_MEMLOCK) and not capable(vehicle, CAP_IPC_LOCK):
        raise EAGAIN("RLIMIT_MEMLOCK")


def may_lock(space: EmulatedSpace, vehicle: Any) -> bool:
    """can_do_mlock."""
    return space.limit(RLIMIT_MEMLOCK) > 0 or capable(vehicle, CAP_IPC_LOCK)


__all__ = [
    "LOCKED", "MIN_ADDRESS", "capable", "check_commit", "check_lock", "check_room", "choose",
    "find_free", "may_lock", "page_up",
]  # fmt: skip
