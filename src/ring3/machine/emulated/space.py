"""The address space of an emulated process (machine.base.AddressSpace).

Areas say what is mapped, page tables what is there; page faults make the one follow the other.
Everything is done at once: results are plain numbers. The operations stand in modules of their
own, as functions of the space; this is what they have in common.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_STACK
from ring3.machine.emulated import fault as faults
from ring3.machine.emulated import mapping, program
from ring3.machine.emulated.areas import LOCKED, SHARED, AreaList, Vma
from ring3.machine.emulated.frames import SHIFT, ZEROS
from ring3.machine.emulated.layout import USER_END, USER_END_32
from ring3.machine.emulated.paging import FRAME, LEAF_SHIFT, D, PageTables
from ring3.machine.emulated.placement import MIN_ADDRESS
from ring3.machine.emulated.remote import SpaceMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.abi.types import Memory
    from ring3.machine.base import Area, Segment
    from ring3.machine.emulated.physical import Physical
    from ring3.machine.emulated.pins import Pinned

STACK_DEFAULT: Final = 8 << 20
FEW: Final = 4
"""Up to so many pages are flushed one by one."""


class EmulatedSpace:
    """One set of page tables and the areas they follow; shared by all who hold it (``share``)."""

    __slots__ = (
        "brk", "brk_start", "end", "frames", "future", "limits", "mapped", "memory", "min_address",
        "mmap_base", "peak_mapped", "peak_resident", "physical", "program", "resident", "searched",
        "stack_top", "tables", "users", "vmas", "word",
    )  # fmt: skip

    def __init__(self, physical: Physical, word: int = 64) -> None:
        self.physical = physical
        self.frames = physical.frames
        self.tables = PageTables(physical.board, physical.frames, physical.kernel_root)
        self.vmas = AreaList()
        self.word = word
        self.end = USER_END if word == 64 else USER_END_32
        self.memory: Memory = SpaceMemory(self)
        """How the kernel reaches user memory; the machine puts its copy routines here."""
        self.users = 1
        self.limits: dict[int, int] = {RLIMIT_STACK: STACK_DEFAULT}
        """RLIMIT_* -> soft limit; what is not in here is unlimited."""
        self.min_address = MIN_ADDRESS
        """Stacks do not grow below this."""
        self.mmap_base = self.end - (128 << 20)
        self.searched = (0, 0)
        """(size, address): there is no hole of *size* bytes above *address* (placement)."""
        self.stack_top = 0
        self.brk = self.brk_start = 0
        self.future = 0
        """Flags of all new areas (mlockall MCL_FUTURE)."""
        self.program: Any = None
        """The file of the first segment: the heap begins where its last segment ends."""
        self.mapped = self.peak_mapped = 0
        """Bytes of all areas (VmSize, VmPeak)."""
        self.resident = self.peak_resident = 0
        """Pages that have a frame, the page of zeros not counted (VmRSS, VmHWM)."""

    # --- limits and accounts -----------------------------------------------------------------
    def limit(self, which: int) -> int:
        return self.limits.get(which, RLIM_INFINITY)

    def set_limit(self, which: int, soft: int) -> None:
        """RLIMIT_* *which* of the process is *soft* now."""
        self.limits[which] = soft

    def account(self, more: int) -> None:
        """The areas became *more* bytes larger (or smaller)."""
        self.mapped += more
        if self.mapped > self.peak_mapped:
            self.peak_mapped = self.mapped

    def locked(self) -> int:
        """Bytes of the areas that are locked (VmLck)."""
        return sum(a.end - a.start for a in self.vmas.items if a.flags & LOCKED)

    def areas(self) -> list[Area]:
        """The lines of /proc/PID/maps."""
        from ring3.machine.emulated.accounts import areas

        return areas(self)

    def area_at(self, addr: int) -> Area | None:
        """The one of ``areas`` that *addr* lies in."""
        from ring3.machine.emulated.accounts import line_of

        vma = self.vmas.find(addr)
        return None if vma is None else line_of(self, vma)

    def statm(self) -> tuple[int, ...]:
        """The seven numbers of /proc/PID/statm, in pages."""
        from ring3.machine.emulated.accounts import statm

        size, resident, shared, text, data = statm(self)
        return size, resident, shared, text, 0, data, 0

    def status(self) -> dict[str, int]:
        """The Vm* and Rss* lines of /proc/PID/status, in kB."""
        from ring3.machine.emulated.accounts import status

        return status(self)

    def smaps(self, area: Any) -> dict[str, int]:
        """The numbers of /proc/PID/smaps for one of ``areas``, in kB."""
        from ring3.machine.emulated.accounts import smaps

        return smaps(self, area.vma)

    # --- the processor -----------------------------------------------------------------------
    def activate(self) -> None:
        """The processor uses these tables from now on."""
        physical = self.physical
        if physical.current is not self:
            physical.board.set_cr3(self.tables.root)
            physical.current = self

    def flush(self) -> None:
        """Rights were taken away, or pages: forget cached translations."""
        if self.physical.current is self:
            self.physical.board.flush_tlb()

    def flush_page(self, va: int) -> None:
        if self.physical.current is self:
            self.physical.board.flush_page(va)

    def flush_pages(self, pages: Sequence[int]) -> None:
        """These pages lost rights or frames."""
        if self.physical.current is not self or not pages:
            return
        if len(pages) > FEW:
            self.physical.board.flush_tlb()
        else:
            for va in pages:
                self.physical.board.flush_page(va)

    def change(self, va: int, entry: int) -> None:
        """Replace the entry of a page that has one."""
        self.tables.put(va, entry)
        if self.physical.current is self:
            self.physical.board.flush_page(va)

    def fault(
        self, address: int, write: bool, execute: bool = False, user: bool = True
    ) -> tuple[int, int] | None:
        """A page fault at *address*, by user code or by the kernel's copy routines. None: repeat
        the access; else (signal, si_code). (SIGKILL, 0): no memory is left for it."""
        if address >= self.end:
            return faults.MAPERR
        return faults.fault(self, address, write, execute)

    # --- sharing and copying -----------------------------------------------------------------
    def share(self) -> EmulatedSpace:
        """One more holder of this very space (CLONE_VM)."""
        self.users += 1
        return self

    def fork(self) -> EmulatedSpace:
        """A copy-on-write copy. NoMemory."""
        from ring3.machine.emulated.fork import fork

        return fork(self)

    def drop(self) -> None:
        """One holder less; the last one gives all memory back."""
        self.users -= 1
        if self.users:
            return
        self.physical.leave(self)
        self.zap(0, self.end)
        self.mapped = 0
        items, self.vmas = self.vmas.items, AreaList()
        for area in items:
            area.detach()
        self.tables.drop()

    # --- giving pages back -------------------------------------------------------------------
    def remove(self, start: int, end: int) -> None:
        """Unmap [start, end), whatever is there. ENOMEM: too many areas after the split."""
        areas = self.vmas.isolate(start, end)
        if not areas:
            return
        self.zap(start, end)
        for area in areas:
            self.vmas.remove(area)
            self.account(area.start - area.end)
        self.vacated(end)

    def vacated(self, end: int) -> None:
        """Something below *end* became free: the next search may find it."""
        if end > self.searched[1]:
            self.searched = (0, 0)

    def zap(self, start: int, end: int) -> None:
        """Give back the pages of [start, end); the areas stay."""
        for area in self.vmas.within(start, end):
            if area.flags & SHARED and area.cache is not None and area.cache.content is not None:
                self.note_dirty(area, max(start, area.start), min(end, area.end))
        tables, frames, zero = self.tables, self.frames, self.physical.zero >> SHIFT
        words, refs, ram = tables.words, frames.refs, tables.ram
        gone: list[int] = []
        for key, at, first, last in list(tables.spans(start, end)):
            base = key << LEAF_SHIFT
            for index, entry in enumerate(words[at + first : at + last].tolist(), first):
                if not entry:
                    continue
                gone.append(base + (index << SHIFT))
                number = (entry & FRAME) >> SHIFT
                refs[number] = left = refs[number] - 1
                if not left:
                    frames.unused(number)
                if number and number != zero:
                    self.resident -= 1
            low, size = (at + first) << 3, (last - first) << 3
            ram[low : low + size] = ZEROS[:size]
        if gone:
            tables.trim(start, end)
            self.flush_pages(gone)

    def note_dirty(self, area: Vma, start: int, end: int) -> None:
        """Entries of a shared area are about to go: remember what stores have changed."""
        assert area.cache is not None
        dirty = area.cache.dirty
        for va, entry in self.tables.entries(start, end):
            if entry & D:
                dirty[area.index(va)] = None

    # --- the calls (arguments as machine.base.AddressSpace has them) -------------------------
    def map(
        self, vehicle: Any, addr: int, length: int, prot: int, flags: int, file: Any, offset: int
    ) -> int:
        return mapping.map_memory(self, vehicle, addr, length, prot, flags, file, offset)

    def unmap(self, vehicle: Any, addr: int, length: int) -> int:
        return mapping.unmap_memory(self, addr, length)

    def protect(self, vehicle: Any, addr: int, length: int, prot: int) -> int:
        from ring3.machine.emulated.protect import protect

        return protect(self, vehicle, addr, length, prot)

    def remap(
        self, vehicle: Any, old: int, old_size: int, new_size: int, flags: int, new: int
    ) -> int:
        from ring3.machine.emulated.remap import remap

        return remap(self, vehicle, old, old_size, new_size, flags, new)

    def set_brk(self, vehicle: Any, addr: int) -> int:
        return mapping.set_brk(self, vehicle, addr)

    def advise(self, vehicle: Any, nr: int, args: Sequence[int]) -> int:
        from ring3.machine.emulated.advice import advise

        return advise(self, vehicle, nr, args)

    # --- what a machine's own parts ask ------------------------------------------------------
    def pin_user_pages(self, addr: int, size: int, write: bool) -> Pinned:
        """Hold the frames of a buffer for a device. EFAULT, ENOMEM."""
        from ring3.machine.emulated.pins import pin_user_pages

        return pin_user_pages(self, addr, size, write)

    def peek(self, addr: int, size: int) -> bytes:
        """What is mapped at *addr*, as far as it is, up to *size* bytes. Changes nothing."""
        from ring3.machine.emulated.remote import peek

        return peek(self, addr, size)

    # --- a program's start -------------------------------------------------------------------
    def map_segment(self, segment: Segment) -> None:
        """Map a segment of an executable, its .bss included. Errno as execve(2)."""
        program.map_segment(self, segment)

    def map_stack(self, top: int, prot: int, limit: int, gap: int = 0) -> None:
        """Make the main stack below *top*, and choose where mmap(2) begins to look."""
        program.map_stack(self, top, prot, limit, gap)

    def map_entry_page(self) -> int:
        """Map the page of ``Physical.set_entry_page``: its address, 0 if there is none."""
        return program.map_entry_page(self)

    def set_break(self, gap: int = 0) -> None:
        """The segments are mapped: the heap begins *gap* bytes behind the program."""
        program.set_break(self, gap)
