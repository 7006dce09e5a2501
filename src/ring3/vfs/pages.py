"""The content of a file in the kernel's own memory: pages by number, holes where there is none."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096
ZEROS = bytes(PAGE)


class Pages:
    """Bytes 0 to ``size``, of which only the pages in ``pages`` take memory. A page's bytes beyond
    ``size`` are always zero."""

    __slots__ = ("blank", "pages", "size")

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.blank: set[int] = set()
        """Pages that were only allocated: SEEK_DATA takes them for holes, as tmpfs does."""
        self.size = 0

    @property
    def blocks(self) -> int:
        """Memory in use, in units of 512 bytes."""
        return len(self.pages) * (PAGE // 512)

    def read(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        first, skip = divmod(offset, PAGE)
        if skip + size <= PAGE:
            page = self.pages.get(first)
            return ZEROS[:size] if page is None else bytes(page[skip : skip + size])
        last = (offset + size - 1) // PAGE
        get = self.pages.get
        data = b"".join([get(number, ZEROS) for number in range(first, last + 1)])
        return data[skip : skip + size]

    def write(self, offset: int, data: bytes) -> None:
        """Write *data*, growing the content where it goes beyond its end."""
        at, length = 0, len(data)
        pages = self.pages
        while at < length:
            number, skip = divmod(offset + at, PAGE)
            self.blank.discard(number)
            part = data[at : at + PAGE - skip]
            if len(part) == PAGE:
                pages[number] = bytearray(part)
            else:
                page = pages.get(number)
                if page is None:
                    page = pages[number] = bytearray(PAGE)
                page[skip : skip + len(part)] = part
            at += len(part)
        if length:
            self.size = max(self.size, offset + length)

    def resize(self, size: int) -> None:
        if size < self.size:
            keep = -(-size // PAGE)
            if len(self.pages) > 2 * (-(-self.size // PAGE) - keep):
                gone: Iterator[int] | list[int] = iter(range(keep, -(-self.size // PAGE)))
            else:
                gone = [number for number in self.pages if number >= keep]
            for number in gone:
                self.pages.pop(number, None)
            self.blank = {number for number in self.blank if number < keep}
            last = self.pages.get(size // PAGE)
            if size % PAGE and last is not None:
                last[size % PAGE :] = bytes(PAGE - size % PAGE)
        self.size = size

    def zero(self, start: int, end: int, keep: bool = False) -> None:
        """Zeros in [start, end): whole pages become holes, or with *keep* take memory."""
        while start < end:
            number, skip = divmod(start, PAGE)
            stop = min(end, (number + 1) * PAGE)
            page = self.pages.get(number)
            if page is not None:
                if stop - start == PAGE and not keep:
                    del self.pages[number]
                    self.blank.discard(number)
                else:
                    page[skip : skip + stop - start] = bytes(stop - start)
            elif keep:
                self.pages[number] = bytearray(PAGE)
            start = stop

    def extent(self) -> int:
        """Where the last page in memory ends (pages beyond ``size`` are possible)."""
        return (max(self.pages) + 1) * PAGE if self.pages else 0

    def allocate(self, start: int, end: int) -> None:
        """Memory for every page of a range, of zeros where it was a hole."""
        for number in range(start // PAGE, -(-end // PAGE)):
            if number not in self.pages:
                self.pages[number] = bytearray(PAGE)
                self.blank.add(number)
            else:
                self.blank.discard(number)  # SGP_FALLOC of a page fallocated before fills it

    def missing(self, start: int, end: int) -> int:
        """Pages of a range that have no memory yet."""
        first, last = start // PAGE, -(-end // PAGE)
        if last - first < len(self.pages):
            return sum(number not in self.pages for number in range(first, last))
        return last - first - sum(first <= number < last for number in self.pages)

    def next_data(self, offset: int) -> int:
        """Where data is, from *offset* on; ``size`` if only a hole is left."""
        number = offset // PAGE
        if number in self.pages and number not in self.blank:
            return offset
        later = [n for n in self.pages if n > number and n not in self.blank]
        return min(min(later) * PAGE, self.size) if later else self.size

    def next_hole(self, offset: int) -> int:
        """Where a hole is, from *offset* on; the end counts as one."""
        number = offset // PAGE
        pages, blank = self.pages, self.blank
        if number not in pages or number in blank:
            return offset
        while number in pages and number not in blank:
            number += 1
        return min(number * PAGE, self.size)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(start, end) of all data, in order."""
        start = -1
        before = -2
        for number in sorted(self.pages):
            if number != before + 1:
                if start >= 0:
                    yield start * PAGE, min((before + 1) * PAGE, self.size)
                start = number
            before = number
        if start >= 0:
            yield start * PAGE, min((before + 1) * PAGE, self.size)
