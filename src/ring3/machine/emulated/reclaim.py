"""Taking pages of mapped files away when RAM is used up: the next access reads them again.

Called from inside an allocation, in the middle of whatever needed the frame. A page that somebody
is working on has a reference beyond the cache's and its entries', and is left alone.
"""

from __future__ import annotations

from ring3.abi.errno import Errno
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.frames import SHIFT

if TYPE_CHECKING:
    from ring3.machine.emulated.pagecache import PageCache
    from ring3.machine.emulated.physical import Physical

BATCH: Final = 64
"""Pages taken at once."""
KEPT_SHARE: Final = 4
MOST_KEPT: Final = 4096
"""A sixteenth (two to the fourth) of RAM, at most 16 MB, stays with mapped files: with less, the
programs that run would do nothing but read their own text again. Better that one of them goes."""


def reclaim_mapped(physical: Physical) -> bool:
    """Take up to BATCH pages from the files that are mapped, each file in its turn. False: there
    is none to be had."""
    kept = min(physical.frames.total >> KEPT_SHARE, MOST_KEPT)
    if sum(len(cache.frames) for cache in physical.active) <= kept:
        return False
    taken = 0
    for cache in list(physical.active):
        # To the end of the line: the next call begins with another file.
        del physical.active[cache]
        physical.active[cache] = None
        try:
            cache.write_back(0, 1 << 63)
        except Errno:
            continue  # what cannot be written stays
        taken += take(cache, BATCH - taken)
        if taken >= BATCH:
            break
    return taken > 0


def take(cache: PageCache, wanted: int) -> int:
    """Take up to *wanted* clean pages, going on where the last call ended."""
    pages = sorted(cache.frames)
    pages = [i for i in pages if i >= cache.hand] + [i for i in pages if i < cache.hand]
    taken = 0
    for index in pages:
        if taken >= wanted:
            break
        cache.hand = index + 1
        taken += take_page(cache, index)
    return taken


def take_page(cache: PageCache, index: int) -> bool:
    """Unmap one page everywhere and free it, unless somebody needs it where it is."""
    frames, pa = cache.physical.frames, cache.frames[index]
    entries = list(cache.entries(index))
    if frames.refs[pa >> SHIFT] != 1 + len(entries) or pa >> SHIFT in frames.pins:
        return False
    for area, va, _ in entries:
        area.space.change(va, 0)
        area.space.resident -= 1
        frames.release(pa)
    del cache.frames[index]
    frames.release(pa)
    return True
