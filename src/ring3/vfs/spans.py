"""A buffer in pieces of user memory, as an iovec array names it."""

from __future__ import annotations

Spans = list[tuple[int, int]]
"""(address, length) of each piece, in the order of the buffer's bytes."""


def total(spans: Spans) -> int:
    return sum(length for _addr, length in spans)


def pieces(spans: Spans, start: int, size: int) -> Spans:
    """The spans that hold bytes *start* to *start* + *size* of a buffer."""
    found = []
    for addr, length in spans:
        if start >= length:
            start -= length
            continue
        part = min(length - start, size)
        if part:
            found.append((addr + start, part))
        size -= part
        start = 0
        if not size:
            break
    return found
