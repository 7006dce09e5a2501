"""What all address spaces share: RAM, its frames, the zero page, file pages kept for later."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.frames import SHIFT, Board, Frames
from ring3.machine.emulated.layout import FIRST_FRAME, PAGE

if TYPE_CHECKING:
    from ring3.machine.emulated.pagecache import PageCache
    from ring3.machine.emulated.space import EmulatedSpace

IDLE_FILES: Final = 256
"""How many files that nobody maps keep their pages, for the next program that maps them."""


class Physical:
    """The board's memory. One per machine."""

    __slots__ = (
        "active", "board", "current", "entry_page", "frames", "idle", "kernel_root", "ram",
        "serial", "zero",
    )  # fmt: skip

    def __init__(self, board: Board, kernel_root: int, first: int = FIRST_FRAME) -> None:
        self.board = board
        self.ram = board.ram
        self.kernel_root = kernel_root
        """Page tables whose kernel half every space has."""
        self.frames = Frames(board, first)
        self.frames.reclaim = self.reclaim
        self.zero = self.frames.alloc_zeroed()
        """A page of zeros, mapped read-only where anonymous memory was only read. Our reference
        keeps its count above 1, so that a store always takes another frame."""
        self.current: EmulatedSpace | None = None
        """The space whose tables the processor uses."""
        self.idle: dict[PageCache, None] = {}
        """Caches with pages that no area maps, the longest unused first."""
        self.active: dict[PageCache, None] = {}
        """Caches of files that some area maps, in the order in which that began."""
        self.entry_page: PageCache | None = None
        """The page of ring-3 code that i386 programs call to enter the kernel."""
        self.serial = 0
        """Numbers page caches; unlike id() it is the same in equal runs."""

    def next_serial(self) -> int:
        self.serial += 1
        return self.serial

    def copy_frame(self, source: int) -> int:
        """A new frame with what *source* holds. Raises NoMemory."""
        if source == self.zero:
            return self.frames.alloc_zeroed()
        # The source must not be reclaimed on the way.
        self.frames.hold(source)
        try:
            made = self.frames.alloc()
        finally:
            self.frames.release(source)
        self.ram[made : made + PAGE] = self.ram[source : source + PAGE]
        return made

    def leave(self, space: EmulatedSpace) -> None:
        """The tables of *space* are about to go: the processor must not use them any more."""
        if self.current is space:
            self.board.set_cr3(self.kernel_root)
            self.current = None

    # --- pages kept for later ----------------------------------------------------------------
    def keep(self, cache: PageCache) -> None:
        """The last area of *cache* went: its pages stay until they are wanted elsewhere."""
        self.idle[cache] = None
        while len(self.idle) > IDLE_FILES:
            self.forget_oldest()

    def forget_oldest(self) -> None:
        cache = next(iter(self.idle))
        del self.idle[cache]
        cache.drop_all()

    def forget_files(self) -> None:
        """Give up all pages of files that nobody maps."""
        while self.idle:
            self.forget_oldest()

    def reclaim(self) -> bool:
        """Give up pages that can be read again: of files that nobody maps first."""
        while self.idle:
            before = len(self.frames.free)
            self.forget_oldest()
            if len(self.frames.free) > before:
                return True
        from ring3.machine.emulated.reclaim import reclaim_mapped

        return reclaim_mapped(self)

    def limit(self, size: int) -> None:
        """Do with *size* bytes of RAM, if there are so many: the rest is never handed out."""
        frames = self.frames
        frames.end = min(frames.end, max(size & -PAGE, frames.next))

    # --- accounts ----------------------------------------------------------------------------
    def meminfo(self) -> dict[str, int]:
        """Bytes: total, free, and cached (pages of files that nobody maps: free on demand)."""
        frames = self.frames
        cached = sum(len(cache.frames) for cache in self.idle)
        return {
            "total": frames.total << SHIFT,
            "free": (frames.total - frames.used) << SHIFT,
            "cached": cached << SHIFT,
        }

    def set_entry_page(self, code: bytes) -> None:
        """What ``EmulatedSpace.map_entry_page`` maps, at most a page."""
        from ring3.machine.emulated.pagecache import PageCache

        cache = PageCache(self, None, PAGE)
        pa = cache.page(0)
        self.ram[pa : pa + len(code)] = code
        cache.permanent = True
        self.entry_page = cache
