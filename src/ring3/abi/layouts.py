"""Layouts of the structs that cross the system call boundary, for both word sizes.

`layout("stat", 64)` knows where each field of a C struct lies. Formats are those of the `struct`
module, little-endian; a nested struct is `struct:NAME`, an array of them `struct:NAME*3`.
Network-order fields (ports, IP addresses) and byte arrays are bytes, so nothing swaps silently.
A union's members stand side by side at one offset. Bit fields lie in a field `bitsN`.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

Field = tuple[str, int, str]

_CACHE: dict[tuple[str, int], Layout] = {}


def layout(name: str, word: int = 64) -> Layout:
    """Return the layout of struct *name* at *word* bits; LookupError if that ABI has none."""
    found = _CACHE.get((name, word))
    if found is None:
        found = _CACHE[name, word] = Layout(name, word)
    return found


class Layout:
    """One struct at one word size.

    fields: (name, offset in bytes, format) as declared. leaves: the same with nested structs
    spread out, named by dotted paths such as `it_value.tv_sec` and `info[1].len`.
    """

    __slots__ = ("_leaves", "_plan", "align", "fields", "name", "size", "word")

    def __init__(self, name: str, word: int) -> None:
        from ring3.abi.layout_data import LAYOUTS  # large, so loaded with the first layout

        try:
            self.size, self.align, self.fields = LAYOUTS[name][word]
        except KeyError:
            raise LookupError(f"no struct {name} at {word} bits") from None
        self.name = name
        self.word = word
        self._leaves: tuple[Field, ...] | None = None
        self._plan: dict[str, tuple[int, Part]] | None = None

    @property
    def plan(self) -> dict[str, tuple[int, Part]]:
        """Field name to (offset, how to pack it), made at first use."""
        if self._plan is None:
            self._plan = {n: (at, part(fmt, self.word)) for n, at, fmt in self.fields}
        return self._plan

    @property
    def leaves(self) -> tuple[Field, ...]:
        """Every scalar, string or array field, nested ones included, in order of declaration."""
        if self._leaves is None:
            found: list[Field] = []
            for name, at, fmt in self.fields:
                if not fmt.startswith("struct:"):
                    found.append((name, at, fmt))
                    continue
                inner, count = nested(fmt, self.word)
                for i in range(1 if count is None else count):
                    path = name if count is None else f"{name}[{i}]"
                    base = at + i * inner.size
                    found += [(f"{path}.{n}", base + off, f) for n, off, f in inner.leaves]
            self._leaves = tuple(found)
        return self._leaves

    def offset(self, path: str) -> int:
        """Offset in bytes of a field, nested ones by dotted path."""
        for name, at, _ in (*self.fields, *self.leaves):
            if name == path:
                return at
        raise LookupError(f"struct {self.name} has no field {path}")

    def pack(self, **values: Any) -> bytes:
        """Encode *values*; fields not given are zero. Nested structs are dicts (or bytes)."""
        data = bytearray(self.size)
        plan = self.plan
        for name, value in values.items():
            if name not in plan:
                raise LookupError(f"struct {self.name} has no field {name}")
            at, how = plan[name]
            encoded = how.pack(value)
            data[at : at + len(encoded)] = encoded
        return bytes(data)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Decode the first `size` bytes of *data*; ValueError if there are fewer."""
        if len(data) < self.size:
            raise ValueError(f"struct {self.name} has {self.size} bytes, not {len(data)}")
        return {name: how.unpack(data, at) for name, (at, how) in self.plan.items()}

    def select(self, *paths: str) -> struct.Struct:
        """Make one `struct.Struct` of the whole size that holds just the leaves *paths*.

        Its values come in order of offset, which must be the order given; the rest is padding.
        """
        formats = {name: (at, fmt) for name, at, fmt in self.leaves}
        text, end = "<", 0
        for path in paths:
            if path not in formats:
                raise LookupError(f"struct {self.name} has no field {path}")
            at, fmt = formats[path]
            if at < end:
                raise ValueError(f"{path} of struct {self.name} is not after the one before it")
            text += "x" * (at - end) + fmt
            end = at + struct.calcsize("<" + fmt)
        return struct.Struct(text + "x" * (self.size - end))

    def flat(self) -> struct.Struct:
        """Make one `struct.Struct` of all leaves; ValueError where a union lets them overlap."""
        return self.select(*[name for name, _, _ in self.leaves])

    def bits(self) -> dict[str, tuple[str, int, int]]:
        """Bit fields: name to (field that holds it, lowest bit, width in bits)."""
        from ring3.abi.layout_data import BITFIELDS

        rows = BITFIELDS.get(self.name, {}).get(self.word, ())
        return {name: (field, low, width) for name, field, low, width in rows}

    def __repr__(self) -> str:
        return f"<struct {self.name}: {self.size} bytes at {self.word} bits>"


class Part:
    """How one field is packed: a `struct` format, a nested layout or an array of one."""

    __slots__ = ("count", "fmt", "inner")

    def __init__(self, fmt: struct.Struct | None, inner: Layout | None, count: int | None) -> None:
        self.fmt = fmt
        self.inner = inner
        self.count = count  # None: a single value

    def pack(self, value: Any) -> bytes:
        if self.fmt is not None:
            return self.fmt.pack(value) if self.count is None else self.fmt.pack(*value)
        assert self.inner is not None
        if self.count is None:
            return bytes(value) if isinstance(value, bytes) else self.inner.pack(**value)
        if len(value) > self.count:
            raise ValueError(f"{len(value)} of at most {self.count} {self.inner!r}")
        return b"".join(self.inner.pack(**each) for each in value)

    def unpack(self, data: bytes, at: int) -> Any:
        if self.fmt is not None:
            values = self.fmt.unpack_from(data, at)
            return values[0] if self.count is None else values
        assert self.inner is not None
        size = self.inner.size
        if self.count is None:
            return self.inner.unpack(data[at : at + size])
        return tuple(
            self.inner.unpack(data[at + i * size : at + (i + 1) * size]) for i in range(self.count)
        )


def nested(fmt: str, word: int) -> tuple[Layout, int | None]:
    """Layout and count (None: not an array) of a format `struct:NAME` or `struct:NAME*3`."""
    name, star, count = fmt.removeprefix("struct:").partition("*")
    return layout(name, word), int(count) if star else None


def part(fmt: str, word: int) -> Part:
    """Compile the format of one field."""
    if fmt.startswith("struct:"):
        inner, count = nested(fmt, word)
        return Part(None, inner, count)
    single = len(fmt) == 1 or fmt[-1] == "s"
    return Part(struct.Struct("<" + fmt), None, None if single else int(fmt[:-1]))
