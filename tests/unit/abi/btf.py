"""Read the running kernel's type information (BTF): its own structs and function prototypes.

Format: Documentation/bpf/btf.rst of the kernel.
"""

from __future__ import annotations

import struct
from pathlib import Path

BTF = Path("/sys/kernel/btf/vmlinux")
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF = range(1, 9)
VOLATILE, CONST, RESTRICT, FUNC, PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(
    9, 20
)
# Bytes that follow a type's header: fixed, and for each of its vlen elements.
TAIL = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8), PROTO: (0, 8),
        VAR: (4, 0), DATASEC: (0, 12), DECL_TAG: (4, 0), ENUM64: (0, 12)}  # fmt: skip
TRANSPARENT = (TYPEDEF, CONST, VOLATILE, RESTRICT, TYPE_TAG)


class Kernel:
    """Types of the running kernel, decoded as asked for."""

    def __init__(self) -> None:
        data = BTF.read_bytes()
        magic, _, _, header = struct.unpack_from("<HBBI", data)
        assert magic == 0xEB9F, "not little-endian BTF"
        types, length, names, _ = struct.unpack_from("<4I", data, 8)
        self.data = data
        self.strings = header + names
        self.at = [0]  # offset of each type; 0 is void
        self.named: dict[tuple[int, int], int] = {}  # (kind, name offset) to type
        position, end = header + types, header + types + length
        unpack = struct.Struct("<II").unpack_from
        while position < end:
            name, info = unpack(data, position)
            kind, vlen = info >> 24 & 31, info & 0xFFFF
            if name:
                self.named.setdefault((kind, name), len(self.at))
            self.at.append(position)
            fixed, each = TAIL.get(kind, (0, 0))
            position += 12 + fixed + each * vlen

    def text(self, offset: int) -> str:
        start = self.strings + offset
        return self.data[start : self.data.index(0, start)].decode()

    def header(self, number: int) -> tuple[str, int, int, int]:
        """Name, kind, number of elements, and size (or type referred to) of a type."""
        name, info, size = struct.unpack_from("<3I", self.data, self.at[number])
        return self.text(name), info >> 24 & 31, info & 0xFFFF, size

    def find(self, kind: int, name: str) -> int:
        """Number of the type of that kind and name; 0 if the kernel has none."""
        needle = b"\0" + name.encode() + b"\0"
        offset = self.data.find(needle, self.strings)
        return self.named.get((kind, offset + 1 - self.strings), 0) if offset >= 0 else 0

    def bare(self, number: int) -> int:
        """The type behind typedefs and qualifiers."""
        while number:
            _, kind, _, target = self.header(number)
            if kind not in TRANSPARENT:
                break
            number = target
        return number

    def members(self, number: int, base: int = 0) -> dict[str, int]:
        """Fields of a struct and their offsets in bytes; unnamed parts are spread out."""
        _, kind, count, _ = self.header(number)
        assert kind in (STRUCT, UNION)
        bits = struct.unpack_from("<I", self.data, self.at[number] + 4)[0] >> 31
        found: dict[str, int] = {}
        for i in range(count):
            row = struct.unpack_from("<3I", self.data, self.at[number] + 12 + 12 * i)
            at = base + (row[2] & 0xFFFFFF if bits else row[2]) // 8
            if name := self.text(row[0]):
                found[name] = at
            else:
                found |= self.members(self.bare(row[1]), at)
        return found

    def arguments(self, function: str) -> list[tuple[str, str]] | None:
        """(name, type as C) of the arguments of a function, or None if it is not there."""
        number = self.find(FUNC, function)
        if not number:
            return None
        proto = self.header(number)[3]
        count = self.header(proto)[2]
        rows = [
            struct.unpack_from("<2I", self.data, self.at[proto] + 12 + 8 * i) for i in range(count)
        ]
        return [(self.text(name), self.spell(kind)) for name, kind in rows]

    def spell(self, number: int) -> str:
        """C spelling of a type, without qualifiers."""
        if not number:
            return "void"
        name, kind, _, target = self.header(number)
        if kind == PTR:
            return f"{self.spell(target)} *".replace("* *", "**")
        if kind in (CONST, VOLATILE, RESTRICT, TYPE_TAG):
            return self.spell(target)
        word = {STRUCT: "struct ", UNION: "union ", ENUM: "enum ", FWD: "struct "}.get(kind, "")
        return word + name
