"""Strings, numbers and flags as strace 6.1 writes them (expectations copied from its output)."""

from __future__ import annotations

import pytest

from ring3.trace import text
from ring3.trace.names import names
from ring3.trace.namesets import SETS
from ring3.trace.text import ABBREV, RAW, VERBOSE


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", '""'),
        (b"plain /path", '"plain /path"'),
        (b'a "b" \\ c', r'"a \"b\" \\ c"'),
        (b"\t\n\v\f\r", r'"\t\n\v\f\r"'),
        (b"\x7fELF\x02\x01\x01", r'"\177ELF\2\1\1"'),
        (b"\x0012", r'"\00012"'),
        (b"\x019\x0a7", r'"\19\n7"'),
        (b"\x00\x00", r'"\0\0"'),
        ("é".encode(), r'"\303\251"'),
        (b"\x1b[0m~", r'"\33[0m~"'),
    ],
)
def test_quote(data: bytes, shown: str) -> None:
    assert text.quote(data) == shown


@pytest.mark.parametrize(
    ("hexes", "data", "shown"),
    [
        (text.HEX_NON_ASCII, b"abc\n", r'"abc\n"'),
        (text.HEX_NON_ASCII, b"a\x80", r'"\x61\x80"'),
        (text.HEX_NON_ASCII, b"a\x07", r'"\x61\x07"'),
        (text.HEX_ALL, b"ab", r'"\x61\x62"'),
        (text.HEX_NON_ASCII_CHARS, b"a\x80\n", r'"a\x80\n"'),
    ],
)
def test_quote_in_hexadecimal(hexes: int, data: bytes, shown: str) -> None:
    assert text.quote(data, hexes) == shown


def test_numbers() -> None:
    assert text.addr(0) == "NULL"
    assert text.addr(0x7F00) == "0x7f00"
    assert text.hexed(0) == "0"
    assert text.signed(0xFFFFFFFF) == -1
    assert text.signed(1 << 63, 64) == -(1 << 63)
    assert [text.mode(m) for m in (0, 0o22, 0o644, 0o4755)] == ["000", "022", "0644", "04755"]
    assert text.dev(0x103) == "makedev(0x1, 0x3)"
    assert text.dev(0xFE00) == "makedev(0xfe, 0)"


@pytest.mark.parametrize(
    ("which", "value", "style", "shown"),
    [
        ("prot", 3, ABBREV, "PROT_READ|PROT_WRITE"),
        ("prot", 0, ABBREV, "PROT_NONE"),
        ("prot", 3, RAW, "0x3"),
        ("prot", 3, VERBOSE, "0x3 /* PROT_READ|PROT_WRITE */"),
        ("prot", 0x103, ABBREV, "PROT_READ|PROT_WRITE|0x100"),
        ("at", 0x100000, ABBREV, "0x100000 /* AT_??? */"),
        ("at", 0, ABBREV, "0"),
        ("wait4", 3, ABBREV, "WNOHANG|WSTOPPED"),
        ("access", 0, ABBREV, "F_OK"),
    ],
)
def test_flags(which: str, value: int, style: int, shown: str) -> None:
    assert names(which).flags(value, style) == shown


@pytest.mark.parametrize(
    ("which", "value", "shown"),
    [
        ("whence", 2, "SEEK_END"),
        ("whence", 9, "0x9 /* SEEK_??? */"),
        ("whence", -1, "0xffffffff /* SEEK_??? */"),
        ("sched_policy", 0, "SCHED_OTHER"),
    ],
)
def test_enumerations(which: str, value: int, shown: str) -> None:
    assert names(which).enum(value) == shown


@pytest.mark.parametrize("which", sorted(SETS))
def test_every_set_of_names_can_be_made(which: str) -> None:
    """A word that abi has no constant for raises KeyError."""
    assert names(which).by_value
