"""A program's first mappings: segments, stack, heap, and the i386 entry page.

Source: fs/binfmt_elf.c (elf_load, set_brk), fs/exec.c (setup_arg_pages), arch/x86/mm/mmap.c.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EINVAL, ENOMEM
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.mman import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE
from ring3.abi.resource import RLIMIT_STACK
from ring3.machine.emulated.areas import (
    ACCOUNT,
    ALL,
    DONTEXPAND,
    EXEC,
    GROWSDOWN,
    GUARD_GAP,
    READ,
    WRITE,
    Vma,
)
from ring3.machine.emulated.layout import PAGE
from ring3.machine.emulated.mapping import enter, map_memory
from ring3.machine.emulated.placement import find_free, page_up

if TYPE_CHECKING:
    from ring3.machine.base import Segment
    from ring3.machine.emulated.space import EmulatedSpace

STACK_FIRST: Final = 132 << 10
"""Size of the stack's area at the start; it grows."""
GAP_LEAST: Final = 128 << 20
"""The least that is left for the stack to grow into."""


def map_segment(space: EmulatedSpace, s: Segment) -> None:
    """Map one PT_LOAD segment where it says. What lies behind the file's part reads as zeros; the
    part of .bss in the file's last page is cleared now, if the segment is writable."""
    if s.filesz > s.memsz:
        raise EINVAL("segment larger in the file than in memory")
    start, end = s.vaddr & -PAGE, page_up(s.vaddr + s.memsz)
    if s.vaddr < 0 or end > space.end or end <= start:
        raise ENOMEM("segment beyond user memory")
    skew, file_end = s.vaddr - start, s.vaddr + s.filesz
    middle = page_up(file_end) if s.filesz else start
    fixed = MAP_PRIVATE | MAP_FIXED
    if s.filesz:
        map_memory(space, None, start, s.filesz + skew, s.prot, fixed, s.file, s.offset - skew)
        if s.memsz > s.filesz and middle > file_end and s.prot & WRITE:
            clear(space, file_end, middle - file_end)
    if end > middle:
        map_memory(space, None, middle, end - middle, s.prot, fixed | MAP_ANONYMOUS, None, 0)
    if space.program is None:
        space.program = s.file
    if s.file is space.program:
        space.brk_start = max(space.brk_start, end)


def clear(space: EmulatedSpace, addr: int, size: int) -> None:
    """Zero bytes of one page of a new program. EFAULT: the file is too short for its headers."""
    from ring3.machine.emulated.remote import SpaceMemory

    try:
        SpaceMemory(space).store(addr, bytes(size))
    except EFAULT:
        raise EFAULT("the file ends before its segment does") from None


def map_stack(space: EmulatedSpace, top: int, prot: int, limit: int, gap: int) -> None:
    """Make the main stack below *top* (page-aligned): it grows down to *limit* bytes. Other
    mappings go below the room it may take, *gap* bytes (randomisation) further down."""
    space.limits[RLIMIT_STACK] = limit
    space.stack_top = top
    start = top - max(min(STACK_FIRST, limit & -PAGE), PAGE)
    enter(space, Vma(space, start, top, prot & ALL, GROWSDOWN | ACCOUNT, offset=start))
    room = min(max(min(limit, space.end) + GUARD_GAP, GAP_LEAST), space.end // 6 * 5)
    space.mmap_base = (top - room - gap) & -PAGE


def set_break(space: EmulatedSpace, gap: int) -> None:
    """The heap begins, empty, *gap* bytes behind the end of the program."""
    space.brk = space.brk_start = page_up(space.brk_start + gap)
    space.program = None


def map_entry_page(space: EmulatedSpace) -> int:
    cache = space.physical.entry_page
    if cache is None:
        return 0
    at = find_free(space, PAGE)
    enter(
        space,
        Vma(space, at, at + PAGE, READ | EXEC, DONTEXPAND, READ | EXEC, cache, 0, None, b"[vdso]"),
    )
    return at
