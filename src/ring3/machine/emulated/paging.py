"""Four-level page tables in the board's RAM (Intel SDM volume 3, section 4.5).

The tables are the truth: the processor sets A and D in them. Python keeps only where the tables
are. An entry that is not 0 either maps a frame (P), or keeps one for an area that allows no access
(KEPT), or is a guard marker (GUARD); in all cases the frame it names is counted once, a marker
naming frame 0.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.layout import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring3.machine.emulated.frames import Board, Frames

P: Final = 1
W: Final = 2
U: Final = 4
A: Final = 0x20
D: Final = 0x40
KEPT: Final = 0x200
"""Software: not present, but the frame named here belongs to the page (PROT_NONE)."""
GUARD: Final = 0x400
"""Software: not present, and every access is an error (MADV_GUARD_INSTALL)."""
LARGE: Final = 0x80
"""In levels 2 and 3: the entry maps a large page (the kernel's direct map)."""
NX: Final = 1 << 63
FRAME: Final = 0x000FFFFFFFFFF000

LEAF_SHIFT: Final = 21
"""Address bits below those that choose the leaf table."""
EMPTY: Final = bytes(PAGE)
LEVELS: Final = ((4, 39), (3, 30), (2, 21), (1, 12))


def restricted(entry: int, prot: int) -> int:
    """*entry*, which holds a frame, without the rights that an area's *prot* (READ 1, WRITE 2,
    EXEC 4) does not give."""
    if not prot:
        return entry & (FRAME | D) | KEPT
    if not prot & 2:
        entry &= ~W
    return entry if prot & 4 else entry | NX


class PageTables:
    """The tables of one address space; its kernel half is that of the root at *kernel_root*."""

    __slots__ = ("frames", "leaves", "ram", "root", "upper", "words")

    def __init__(self, board: Board, frames: Frames, kernel_root: int) -> None:
        self.frames = frames
        self.ram = board.ram
        self.words = board.ram.cast("Q")
        self.root = frames.alloc_zeroed()
        half = PAGE // 2
        self.ram[self.root + half : self.root + PAGE] = self.ram[
            kernel_root + half : kernel_root + PAGE
        ]
        self.leaves: dict[int, int] = {}
        """va >> LEAF_SHIFT -> physical address of the leaf table."""
        self.upper: list[int] = []
        """The tables of levels 3 and 2 below the root."""

    # --- entries -----------------------------------------------------------------------------
    def get(self, va: int) -> int:
        """The leaf entry of a page, 0 where there is no table."""
        table = self.leaves.get(va >> LEAF_SHIFT)
        if table is None:
            return 0
        return self.words[(table >> 3) + (va >> 12 & 511)]

    def put(self, va: int, entry: int) -> None:
        """Set a leaf entry. Makes the tables it needs: raises NoMemory before any change."""
        table = self.leaves.get(va >> LEAF_SHIFT)
        if table is None:
            table = self.leaf(va >> LEAF_SHIFT)
        self.words[(table >> 3) + (va >> 12 & 511)] = entry

    def leaf(self, key: int) -> int:
        """The leaf table *key*, made if there is none."""
        table = self.leaves.get(key)
        if table is not None:
            return table
        above, words = self.root, self.words
        for shift in (18, 9):
            at = (above >> 3) + (key >> shift & 511)
            entry = words[at]
            if not entry:
                made = self.frames.alloc_zeroed()
                self.upper.append(made)
                entry = words[at] = made | P | W | U | A
            above = entry & FRAME
        table = self.frames.alloc_zeroed()
        words[(above >> 3) + (key & 511)] = table | P | W | U | A
        self.leaves[key] = table
        return table

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(key, index of the table's first word, first, last + 1) of each leaf table that has
        pages of [start, end), in address order; *first* and *last* are entries in the table."""
        low, high = start >> LEAF_SHIFT, (end - 1) >> LEAF_SHIFT
        leaves = self.leaves
        if high - low < len(leaves):
            keys = [key for key in range(low, high + 1) if key in leaves]
        else:
            keys = sorted(key for key in leaves if low <= key <= high)
        for key in keys:
            first = start >> 12 & 511 if key == low else 0
            last = ((end - 1) >> 12 & 511) + 1 if key == high else 512
            yield key, leaves[key] >> 3, first, last

    def entries(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(va, entry) of the entries in [start, end) that are not 0, in address order."""
        words = self.words
        for key, at, first, last in self.spans(start, end):
            base = key << LEAF_SHIFT
            for index, entry in enumerate(words[at + first : at + last].tolist(), first):
                if entry:
                    yield base + (index << 12), entry

    def walk(self, va: int) -> list[tuple[int, int, int, int]]:
        """The walk the processor makes for *va*: (level, table, index, entry) from level 4 down,
        up to the first entry that is not present."""
        steps = []
        table = self.root
        for level, shift in LEVELS:
            index = va >> shift & 511
            entry = self.words[(table >> 3) + index]
            steps.append((level, table, index, entry))
            if not entry & P or (entry & LARGE and level != 1):
                break
            table = entry & FRAME
        return steps

    # --- giving tables back ------------------------------------------------------------------
    def trim(self, start: int, end: int) -> None:
        """Free the leaf tables of [start, end) that hold nothing any more."""
        for key, at, _, _ in list(self.spans(start, end)):
            table = at << 3
            if self.ram[table : table + PAGE].tobytes() != EMPTY:
                continue
            _, above, index, _ = self.walk(key << LEAF_SHIFT)[2]
            self.words[(above >> 3) + index] = 0
            del self.leaves[key]
            self.frames.release(table)

    def drop(self) -> None:
        """Free all tables. The entries must have been given back."""
        release = self.frames.release
        for table in self.leaves.values():
            release(table)
        for table in self.upper:
            release(table)
        release(self.root)
        self.leaves, self.upper = {}, []
