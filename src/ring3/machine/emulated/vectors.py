"""Exceptions: their vectors, which of them push an error code, and the bits of a page fault's."""

from __future__ import annotations

from ring3.abi.hints import Final

DE, DB, NMI, BP, OVERFLOW, BR, UD, NM, DFAULT = range(9)
TS, NP, STACK, GP, PAGE_FAULT = 10, 11, 12, 13, 14
MF, AC, XM = 16, 17, 19
HAS_ERROR: Final = frozenset((8, 10, 11, 12, 13, 14, 17, 21, 29, 30))
CONTRIBUTORY: Final = frozenset((DE, TS, NP, STACK, GP))
"""Vol. 3A, Table 6-4."""
PF_PRESENT, PF_WRITE, PF_USER, PF_FETCH = 1, 2, 4, 16
"""Error code of a page fault (Vol. 3A, 4.7)."""
