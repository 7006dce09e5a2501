"""How strace writes strings, numbers, flags and named values.

Sources: strace(1) of version 6.1 and its output, which the tests compare with.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ABBREV = 0
"""-X abbrev: names only."""
RAW = 1
"""-X raw: numbers only."""
VERBOSE = 2
"""-X verbose: the number, with the names in a comment."""

HEX_NEVER, HEX_NON_ASCII, HEX_ALL, HEX_NON_ASCII_CHARS = range(4)
"""Options -x, -xx and --strings-in-hex=non-ascii-chars."""

PRINTABLE = bytes(range(0x20, 0x7F))
SHORT = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
CLEAN = bytes(c for c in PRINTABLE if c not in SHORT)
OCTAL_DIGITS = b"01234567"
ESCAPES = str.maketrans({chr(code): text for code, text in SHORT.items()})
OCTAL = {c: SHORT.get(c) or f"\\{c:o}" for c in range(256) if c not in CLEAN}
CLASSES = bytes(
    0 if c in SHORT else 2 if c in OCTAL_DIGITS else 0 if c in CLEAN else 1 for c in range(256)
)
"""1: octal escapes; 2: octal digits, before which an escape needs all of its three digits."""
WHITE_AND_CLEAN = PRINTABLE + b"\t\n\v\f\r"
HEX_TABLE = {code: f"\\x{code:02x}" for code in range(256)}


def quote(data: bytes, hexes: int = HEX_NEVER) -> str:
    """*data* between double quotes with strace's escapes."""
    if hexes:
        return quote_hex(data, hexes)
    if not data.translate(None, CLEAN):
        return f'"{data.decode("latin-1")}"'
    if not data.translate(None, WHITE_AND_CLEAN):
        return f'"{data.decode("latin-1").translate(ESCAPES)}"'
    return f'"{octal(data)}"'


def octal(data: bytes) -> str:
    """Escape what is not printable in the shortest octal form that cannot be misread."""
    if b"\1\2" not in data.translate(CLASSES):
        return data.decode("latin-1").translate(OCTAL)
    last = len(data) - 1
    out = []
    for i, code in enumerate(data):
        digit_follows = i < last and data[i + 1] in OCTAL_DIGITS
        known = code in CLEAN or code in SHORT or not digit_follows
        out.append(OCTAL.get(code, chr(code)) if known else f"\\{code:03o}")
    return "".join(out)


def quote_hex(data: bytes, hexes: int) -> str:
    """The forms of -x and -xx."""
    text = data.decode("latin-1")
    if hexes == HEX_NON_ASCII_CHARS:
        mixed = {c: t for c, t in HEX_TABLE.items() if c not in PRINTABLE}
        return f'"{text.translate(mixed | SHORT)}"'
    if hexes == HEX_NON_ASCII and not data.translate(None, WHITE_AND_CLEAN):
        return quote(data)
    return f'"{text.translate(HEX_TABLE)}"'


def addr(value: int) -> str:
    """A pointer."""
    return f"{value:#x}" if value else "NULL"


def hexed(value: int) -> str:
    """What C's ``%#x`` makes of *value*: zero has no prefix."""
    return f"{value:#x}" if value else "0"


def signed(value: int, bits: int = 32) -> int:
    """The low *bits* of *value* as a signed number."""
    half = 1 << (bits - 1)
    return ((value & ((half << 1) - 1)) ^ half) - half


def mode(value: int) -> str:
    """``%#03o``: at least three digits, the leading zero among them."""
    text = f"0{value:o}" if value else "0"
    return text.rjust(3, "0")


def dev(value: int) -> str:
    """A device number as user space packs it (64 bits wide)."""
    major = (value >> 8 & 0xFFF) | (value >> 32 & ~0xFFF)
    minor = (value & 0xFF) | (value >> 12 & ~0xFF)
    return f"makedev({hexed(major & 0xFFFFFFFF)}, {hexed(minor & 0xFFFFFFFF)})"


MOST_KEPT = 4096
"""Texts that a cache keeps: a guest may pass any number."""


class Names:
    """A set of constants: flags that may be combined, or an enumeration.

    Answers are cached: programs use few combinations.
    """

    __slots__ = ("by_value", "cache", "items", "unknown", "zero")

    def __init__(self, items: Iterable[tuple[str, int]], unknown: str) -> None:
        items = list(items)
        self.items = [
            (name, value & 0xFFFFFFFF if value < 0 else value) for name, value in items if value
        ]
        self.by_value: dict[int, str] = {}
        self.zero = ""
        for name, value in items:
            self.by_value.setdefault(value, name)
            if value == 0 and not self.zero:
                self.zero = name
        self.unknown = unknown
        self.cache: dict[tuple[int, int], str] = {}

    def flags(self, value: int, style: int = ABBREV) -> str:
        """``A|B|0x800``; ``0x800 /* X_??? */`` where nothing is known."""
        key = (value, style)
        text = self.cache.get(key)
        if text is None:
            if len(self.cache) >= MOST_KEPT:
                self.cache.clear()
            text = self.cache[key] = self._flags(value, style)
        return text

    def split(self, value: int) -> tuple[list[str], int]:
        """The names in *value*, and the bits that have none."""
        found = []
        for name, bits in self.items:
            if value & bits == bits:
                found.append(name)
                value &= ~bits
                if not value:
                    break
        return found, value

    def _flags(self, value: int, style: int) -> str:
        if style == RAW:
            return hexed(value)
        if value == 0:
            if not self.zero:
                return "0"
            return self.zero if style == ABBREV else f"0 /* {self.zero} */"
        found, rest = self.split(value)
        if not found:
            return f"{value:#x} /* {self.unknown} */" if self.unknown else f"{value:#x}"
        if rest:
            found.append(f"{rest:#x}")
        text = "|".join(found)
        return text if style == ABBREV else f"{value:#x} /* {text} */"

    def enum(self, value: int, style: int = ABBREV) -> str:
        """One name; ``0x7 /* X_??? */`` where it is unknown."""
        name = self.by_value.get(value)
        number = hexed(value & 0xFFFFFFFF if value < 0 else value)
        if style == RAW:
            return number
        if name is None:
            return f"{number} /* {self.unknown} */" if self.unknown else number
        return name if style == ABBREV else f"{number} /* {name} */"
