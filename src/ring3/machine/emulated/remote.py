"""User memory as Python reaches it, frame by frame: for other processes' memory, before a program
runs, and for who only looks.

The processor is not asked: the areas' rights are looked at instead, pages are faulted in as a copy
by the kernel would, and code that is overwritten is forgotten.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, Errno
from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.areas import SHARED, WRITE
from ring3.machine.emulated.fault import Guarded, resolve
from ring3.machine.emulated.frames import NoMemory
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.pagecache import BeyondEnd
from ring3.machine.emulated.paging import FRAME, KEPT, D, P, W, restricted

if TYPE_CHECKING:
    from ring3.machine.emulated.areas import Vma
    from ring3.machine.emulated.space import EmulatedSpace


class SpaceMemory:
    """A space's memory (abi.types.Memory)."""

    __slots__ = ("space", "word")

    def __init__(self, space: EmulatedSpace) -> None:
        self.space = space
        self.word = space.word

    def load(self, addr: int, size: int) -> bytes:
        found, ram = [], self.space.physical.ram
        while size > 0:
            part = min(size, PAGE - addr % PAGE)
            pa = frame_of(self.space, addr, False) + addr % PAGE
            found.append(ram[pa : pa + part].tobytes())
            addr, size = addr + part, size - part
        return b"".join(found)

    def store(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        ram, done, size = self.space.physical.ram, 0, len(data)
        while done < size:
            part = min(size - done, PAGE - addr % PAGE)
            pa = frame_of(self.space, addr, True) + addr % PAGE
            ram[pa : pa + part] = data[done : done + part]
            self.space.frames.changed(pa, part)
            addr, done = addr + part, done + part

    def load_string(self, addr: int, limit: int) -> bytes | None:
        found = b""
        while len(found) < limit:
            at = addr + len(found)
            piece = self.load(at, min(limit - len(found), PAGE - at % PAGE))
            end = piece.find(0)
            if end >= 0:
                return found + piece[:end]
            found += piece
        return None


def frame_of(space: EmulatedSpace, addr: int, write: bool) -> int:
    """The frame of the page of *addr*, faulted in for the access. EFAULT."""
    va = addr & -PAGE
    wanted = P | W if write else P
    if 0 <= addr < space.end:
        entry = space.tables.get(va)
        if entry & wanted != wanted:
            if space.fault(addr, write) is not None:
                raise EFAULT
            entry = space.tables.get(va)
        if write and not entry & D:
            space.tables.put(va, entry | D)
        return entry & FRAME
    raise EFAULT


# --- looking, whatever the rights -----------------------------------------------------------------
def peek(space: EmulatedSpace, addr: int, size: int) -> bytes:
    """Up to *size* bytes as a debugger sees them; less where nothing is mapped. No page is faulted
    in, no entry changed (a page of a file may be read into the page cache)."""
    found = bytearray()
    while len(found) < size:
        at = addr + len(found)
        area = space.vmas.find(at)
        page = None if area is None else look(space, area, at & -PAGE)
        if page is None:
            break
        found += page[at % PAGE : min(PAGE, at % PAGE + size - len(found))]
    return bytes(found)


def look(space: EmulatedSpace, area: Vma, va: int) -> bytes | None:
    """The page at *va*, or None if there is none to be had."""
    entry, ram = space.tables.get(va), space.physical.ram
    pa = entry & FRAME
    if not entry & (P | KEPT):
        if area.cache is None:
            return bytes(PAGE)
        try:
            pa = area.cache.page(area.index(va))
        except (BeyondEnd, Errno):
            return None
    return ram[pa : pa + PAGE].tobytes()


def poke(space: EmulatedSpace, addr: int, data: bytes) -> int:
    """Store as a debugger does: into private pages (copied first) whatever their rights, into
    shared ones only if they may be written. How many bytes went."""
    ram, done = space.physical.ram, 0
    while done < len(data):
        at = addr + done
        area = space.vmas.find(at)
        if area is None or not may_poke(area):
            break
        try:
            resolve(space, area, at & -PAGE, True)
        except (BeyondEnd, NoMemory, Guarded, Errno):
            break
        entry = space.tables.get(at & -PAGE)
        if not area.prot & WRITE:
            space.change(at & -PAGE, restricted(entry, area.prot))
        pa = (entry & FRAME) + at % PAGE
        part = min(len(data) - done, PAGE - at % PAGE)
        ram[pa : pa + part] = data[done : done + part]
        space.frames.changed(pa, part)
        done += part
    return done


def may_poke(area: Vma) -> bool:
    return bool(area.prot & WRITE) or not area.flags & SHARED
