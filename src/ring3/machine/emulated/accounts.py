"""What /proc shows of an emulated space: maps, smaps, statm, status."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.machine.base import Area
from ring3.machine.emulated.areas import (
    EXEC,
    GROWSDOWN,
    LOCKED,
    READ,
    SHARED,
    WRITE,
    Vma,
)
from ring3.machine.emulated.frames import SHIFT
from ring3.machine.emulated.layout import PAGE, VSYSCALL
from ring3.machine.emulated.paging import FRAME, KEPT, A, D, P
from ring3.machine.emulated.placement import is_data

if TYPE_CHECKING:
    from ring3.machine.emulated.space import EmulatedSpace


class SpaceArea(Area):
    """An area with what this machine knows of it beyond a line of maps."""

    __slots__ = ("file", "vma")

    file: Any
    """The open file description that was mapped, or None."""
    vma: Vma | None


def areas(space: EmulatedSpace) -> list[Area]:
    """The areas in address order. ``inode`` numbers the memory behind a shared or file area: it is
    the same wherever that is mapped."""
    found: list[Area] = [line_of(space, vma) for vma in space.vmas.items]
    if space.word == 64:
        last = SpaceArea(VSYSCALL, VSYSCALL + PAGE, "--x", False, 0, 0, b"[vsyscall]")
        last.file, last.vma = None, None
        found.append(last)
    return found


def line_of(space: EmulatedSpace, vma: Vma) -> SpaceArea:
    backed = vma.cache is not None or vma.file is not None
    area = SpaceArea(
        vma.start,
        vma.end,
        letters(vma.prot),
        bool(vma.flags & SHARED),
        vma.offset if backed else 0,
        vma.cache.number if vma.cache is not None and not vma.name.startswith(b"[") else 0,
        vma.name or name_of(space, vma),
    )
    area.file, area.vma = vma.file, vma
    area.content = vma.cache
    return area


def letters(prot: int) -> str:
    return (
        ("r" if prot & READ else "-")
        + ("w" if prot & WRITE else "-")
        + ("x" if prot & EXEC else "-")
    )


def name_of(space: EmulatedSpace, vma: Vma) -> bytes:
    """The name of memory by what it is for, or of a file by how it says it is called."""
    if vma.file is not None:
        place = vma.file.place
        return bytes(vma.file.target()) if place is None or place.mount.fs.nameless else b""
    if vma.cache is not None:
        return b""
    if vma.start <= space.brk and vma.end >= space.brk_start and space.brk > space.brk_start:
        return b"[heap]"
    if vma.start <= space.stack_top - 1 < vma.end:
        return b"[stack]"
    return b""


class Usage:
    """The numbers of smaps for one area (or of all areas together), in pages but for ``pss``."""

    FIELDS = (
        "rss", "pss", "pss_dirty", "pss_anon", "pss_file", "pss_shmem", "shared_clean",
        "shared_dirty", "private_clean", "private_dirty", "referenced", "anonymous", "locked",
    )  # fmt: skip
    __slots__ = FIELDS
    rss: int
    pss: int
    pss_dirty: int
    pss_anon: int
    pss_file: int
    pss_shmem: int
    """Proportional shares, in bytes."""
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    referenced: int
    anonymous: int
    locked: int

    def __init__(self) -> None:
        for name in self.FIELDS:
            setattr(self, name, 0)


def usage(space: EmulatedSpace, vma: Vma) -> Usage:
    """Go through the entries of one area."""
    found, frames, zero = Usage(), space.frames, space.physical.zero
    cache = vma.cache
    for va, entry in space.tables.entries(vma.start, vma.end):
        pa = entry & FRAME
        if not entry & (P | KEPT) or pa == zero:
            continue
        own = cache is not None and cache.frames.get(vma.index(va)) == pa
        # A cache's own reference is no mapping.
        mappings = max(frames.refs[pa >> SHIFT] - own, 1)
        share = PAGE // mappings
        dirty = bool(entry & D) or (own and cache is not None and vma.index(va) in cache.dirty)
        found.rss += 1
        found.pss += share
        found.pss_dirty += share if dirty else 0
        found.referenced += bool(entry & A)
        kind = "anon"
        if own and cache is not None:
            kind = "file" if cache.content is not None else "shmem"
        else:
            found.anonymous += 1
        setattr(found, "pss_" + kind, getattr(found, "pss_" + kind) + share)
        field = ("shared_" if mappings > 1 else "private_") + ("dirty" if dirty else "clean")
        setattr(found, field, getattr(found, field) + 1)
    if vma.flags & LOCKED:
        found.locked = found.rss
    return found


def smaps(space: EmulatedSpace, vma: Vma | None) -> dict[str, int]:
    """The lines of smaps by name, in kB (fs/proc/task_mmu.c, __show_smap)."""
    if vma is None:
        return {"Size": PAGE >> 10, "Rss": 0}
    n = usage(space, vma)
    size = (vma.end - vma.start) >> 10
    page = PAGE >> 10
    return {
        "Size": size,
        "KernelPageSize": page,
        "MMUPageSize": page,
        "Rss": n.rss * page,
        "Pss": n.pss >> 10,
        "Pss_Dirty": n.pss_dirty >> 10,
        "Shared_Clean": n.shared_clean * page,
        "Shared_Dirty": n.shared_dirty * page,
        "Private_Clean": n.private_clean * page,
        "Private_Dirty": n.private_dirty * page,
        "Referenced": n.referenced * page,
        "Anonymous": n.anonymous * page,
        "AnonHugePages": 0,
        "Swap": 0,
        "SwapPss": 0,
        "Locked": n.locked * page,
    }


def statm(space: EmulatedSpace) -> tuple[int, int, int, int, int]:
    """Pages: size, resident, of these shared (file or shared memory), text, data and stack."""
    shared = text = data = 0
    for vma in space.vmas.items:
        pages = (vma.end - vma.start) >> SHIFT
        if vma.prot & EXEC and not vma.prot & WRITE and vma.file is not None:
            text += pages
        if is_data(vma.prot, vma.flags) or vma.flags & GROWSDOWN:
            data += pages
        if vma.cache is not None:
            numbers = usage(space, vma)
            shared += numbers.rss - numbers.anonymous
    return space.mapped >> SHIFT, space.resident, shared, text, data


def status(space: EmulatedSpace) -> dict[str, int]:
    """The Vm* and Rss* lines of /proc/PID/status, in kB."""
    size, resident, shared, text, data = statm(space)
    stack = sum(v.end - v.start for v in space.vmas.items if v.flags & GROWSDOWN)
    shmem = sum(
        usage(space, v).rss
        for v in space.vmas.items
        if v.cache is not None and v.cache.content is None
    )
    tables = 1 + len(space.tables.upper) + len(space.tables.leaves)
    pages = {
        "VmPeak": space.peak_mapped >> SHIFT,
        "VmSize": size,
        "VmLck": space.locked() >> SHIFT,
        "VmPin": 0,
        "VmHWM": max(space.peak_resident, resident),
        "VmRSS": resident,
        "RssAnon": resident - shared,
        "RssFile": shared - shmem,
        "RssShmem": shmem,
        "VmData": data - (stack >> SHIFT),
        "VmStk": stack >> SHIFT,
        "VmExe": text,
        "VmLib": 0,
        "VmPTE": tables,
        "VmSwap": 0,
    }
    return {name: count * 4 for name, count in pages.items()}


__all__ = ["SpaceArea", "Usage", "areas", "smaps", "statm", "status", "usage"]
