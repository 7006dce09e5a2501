"""Generate `ring3.abi.layout_data`: where each field of the ABI's structs lies, on both ABIs.

The compiler lays the structs out (-m64, -m32); we read its debug information.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import macros
import sources
import structs

Field = tuple[str, int, str]
Bits = tuple[str, str, int, int]  # bit field: name, field that holds it, lowest bit, width
Layout = tuple[int, int, tuple[Field, ...]]

SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
SKIP = ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type")
DEBUG = ["-gdwarf-4", "-gno-column-info", "-fno-eliminate-unused-debug-types"]


def name_of(die: Any) -> str:
    attribute = die.attributes.get("DW_AT_name")
    return attribute.value.decode() if attribute else ""


def number(die: Any, attribute: str) -> int:
    found = die.attributes.get(attribute)
    return found.value if found else 0


def tidy(fields: list[Field]) -> list[Field]:
    """Leave out what the kernel's struct_group() says twice, and set signs that C gets wrong."""
    seen = set()
    found: list[Field] = []
    for name, offset, fmt in fields:
        key = name.rpartition(".")[2], offset, fmt
        if key in seen:
            continue
        seen.add(key)
        found.append((name, offset, fmt.lower() if name in structs.SIGNED_FIELDS else fmt))
    return found


class Unit:
    """All types of one compilation, at one word size."""

    def __init__(self, word: int) -> None:
        self.word = word
        flags = [f"-m{word}", *sources.uapi_flags()]
        headers = macros.usable(list(structs.HEADERS), flags)
        own = Path(__file__).with_name("kernel_structs.h").read_text()
        self.source = macros.prologue(headers) + own
        self.flags = flags
        self.types: dict[str, Any] = {}
        self.wanted: list[str] = []
        self.names: dict[str, str] = dict(structs.SAME)
        elf = macros.compile_object([*flags, *DEBUG], self.source)
        dwarf: Any = elf.get_dwarf_info()
        for cu in dwarf.iter_CUs():
            for die in cu.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_structure_type" and "DW_AT_byte_size" in die.attributes:
                    self.types[name_of(die)] = die
        for cu in dwarf.iter_CUs():
            for die in cu.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_typedef" and "DW_AT_type" in die.attributes:
                    target = die.get_DIE_from_attribute("DW_AT_type")
                    if target.tag == "DW_TAG_structure_type":
                        self.types.setdefault(name_of(die), target)
                        if "DW_AT_name" not in target.attributes:
                            self.names[f"@{target.offset}"] = name_of(die)

    def tag(self, die: Any) -> str:
        """C tag of a struct; a struct that has only a typedef goes by that."""
        return name_of(die) or self.names.get(f"@{die.offset}", "")

    def resolve(self, die: Any) -> tuple[Any, str]:
        """Type behind typedefs and qualifiers, and the format if a name on the way decides it."""
        while True:
            special = structs.SCALARS.get(name_of(die))
            if special:
                return die, special[self.word]
            if die.tag not in SKIP:
                return die, ""
            die = die.get_DIE_from_attribute("DW_AT_type")

    def scalar(self, die: Any) -> str:
        size = number(die, "DW_AT_byte_size")
        if die.tag in ("DW_TAG_pointer_type", "DW_TAG_enumeration_type"):
            return SIGNED[size or self.word // 8].upper()
        signed = number(die, "DW_AT_encoding") in (5, 6)  # DW_ATE_signed, DW_ATE_signed_char
        return SIGNED[size] if signed else SIGNED[size].upper()

    def array(self, die: Any) -> tuple[Any, str, int]:
        """Element type, its format if special, and the number of elements of an array."""
        count = 1
        for child in die.iter_children():
            bound = child.attributes.get("DW_AT_upper_bound")
            amount = child.attributes.get("DW_AT_count")
            count *= bound.value + 1 if bound else amount.value if amount else 0
        element, fmt = self.resolve(die.get_DIE_from_attribute("DW_AT_type"))
        if element.tag == "DW_TAG_array_type":
            element, fmt, inner = self.array(element)
            count *= inner
        return element, fmt, count

    def times(self, element: Any, fmt: str, count: int) -> str:
        """Format of *count* elements."""
        if fmt:
            if count == 1:
                return fmt
            assert fmt[-1] == "s", f"array of {fmt}"
            return f"{int(fmt[:-1]) * count}s"
        if element.tag == "DW_TAG_structure_type":
            return f"struct:{self.need(element)}*{count}"
        code = self.scalar(element)
        return f"{count}{'s' if code in 'bB' else code}"

    def need(self, die: Any) -> str:
        """Layout name of a struct met inside another; it is added to what is wanted."""
        tag = self.tag(die)
        name = self.names.get(tag, tag)
        if name not in self.wanted:
            self.wanted.append(name)
            self.types.setdefault(name, die)
        return name

    def members(self, die: Any, base: int, prefix: str, bits: list[Bits]) -> Iterator[Field]:
        """Fields of a struct or union; unnamed and union parts are spread out in place."""
        units: dict[int, str] = {}
        for child in die.iter_children():
            if child.tag != "DW_TAG_member":
                continue
            offset = base + number(child, "DW_AT_data_member_location")
            name = prefix + name_of(child)
            kind, fmt = self.resolve(child.get_DIE_from_attribute("DW_AT_type"))
            if "DW_AT_bit_size" in child.attributes:
                yield from self.bit_field(child, kind, base, name, units, bits)
            elif fmt:
                yield name, offset, fmt
            elif kind.tag == "DW_TAG_array_type":
                yield from self.array_field(kind, offset, name, bits)
            elif kind.tag == "DW_TAG_union_type" or (
                kind.tag == "DW_TAG_structure_type" and not self.tag(kind)
            ):
                inner = f"{name}." if name_of(child) else prefix
                yield from self.members(kind, offset, inner, bits)
            elif kind.tag == "DW_TAG_structure_type":
                yield name, offset, f"struct:{self.need(kind)}"
            else:
                yield name, offset, self.scalar(kind)

    def array_field(self, kind: Any, offset: int, name: str, bits: list[Bits]) -> Iterator[Field]:
        element, fmt, count = self.array(kind)
        spread = element.tag == "DW_TAG_union_type" or not (
            element.tag != "DW_TAG_structure_type" or self.tag(element)
        )
        if not spread or fmt:
            yield name, offset, self.times(element, fmt, count)
            return
        size = number(element, "DW_AT_byte_size")
        for i in range(count):
            yield from self.members(element, offset + i * size, f"{name}[{i}].", bits)

    def bit_field(
        self, child: Any, kind: Any, base: int, name: str, units: dict[int, str], bits: list[Bits]
    ) -> Iterator[Field]:
        """One field 'bitsN' for each storage unit; the parts of it go to *bits*."""
        size = number(kind, "DW_AT_byte_size")
        width = number(child, "DW_AT_bit_size")
        if "DW_AT_data_bit_offset" in child.attributes:
            first = number(child, "DW_AT_data_bit_offset")
            at, low = first // (size * 8) * size, first % (size * 8)
        else:  # DWARF 4 counts from the most significant bit of the storage unit
            at = number(child, "DW_AT_data_member_location")
            low = size * 8 - number(child, "DW_AT_bit_offset") - width
        if at not in units:
            units[at] = f"bits{base + at}"
            yield units[at], base + at, SIGNED[size].upper()
        bits.append((name, units[at], low, width))

    def layout(self, name: str, tag: str) -> tuple[list[Field], list[Bits]] | None:
        die = self.types.get(tag)
        if die is None:
            return None
        bits: list[Bits] = []
        fields = list(self.members(die, 0, "", bits))
        renamed = structs.RENAMED.get(name)
        if renamed:
            fields = [(renamed[path], at, fmt) for path, at, fmt in fields if path in renamed]
            assert len(fields) == len(renamed) or self.word == 32, (name, fields)
        return tidy(fields), bits

    def sizes(self, tags: dict[str, str]) -> dict[str, tuple[int, int]]:
        """Size and alignment of every struct, by the compiler's own operators."""
        ask = []
        for tag in tags.values():
            text = f"struct {tag}" if name_of(self.types[tag]) == tag else tag
            ask += [f"sizeof({text})", f"_Alignof({text})"]
        values = list(macros.evaluate(self.source, ask, self.flags).values())
        assert len(values) == len(ask), "some sizes are not constant"
        return dict(zip(tags, zip(values[::2], values[1::2], strict=True), strict=True))

    def read(self) -> tuple[dict[str, Layout], dict[str, list[Bits]]]:
        """Layouts of the wanted structs and of all that they contain."""
        tags: dict[str, str] = {}
        for entry in structs.STRUCTS:
            name, _, tag = entry.partition("=")
            tags[name] = tag or name
            self.names.setdefault(tags[name], name)
        found: dict[str, tuple[list[Field], list[Bits]]] = {}
        present: dict[str, str] = {}
        self.wanted = list(tags)
        for name in self.wanted:  # grows while structs inside structs are met
            tag = tags.get(name, name)
            if got := self.layout(name, tag):
                found[name], present[name] = got, tag
        sizes = self.sizes(present)
        layouts = {n: (*sizes[n], tuple(fields)) for n, (fields, _) in found.items()}
        return layouts, {n: bits for n, (_, bits) in found.items() if bits}


def render(parts: dict[int, tuple[dict[str, Layout], dict[str, list[Bits]]]]) -> str:
    names = list(dict.fromkeys(name for layouts, _ in parts.values() for name in layouts))
    rows = []
    for name in names:
        inner = "".join(f"{w}: {lay[name]!r}, " for w, (lay, _) in parts.items() if name in lay)
        rows.append(f'    "{name}": {{{inner.rstrip(", ")}}},')
    bits = []
    for name in names:
        have = {w: tuple(b[name]) for w, (_, b) in parts.items() if name in b}
        if have:
            bits.append(f'    "{name}": {have!r},')
    return f'''"""Struct layouts of Linux {sources.header_version()} for both ABIs: facts, as data.

Name: {{word size: (size, alignment, ((field, offset, format), ...))}}; see layouts.py.
Generated by tools/abi (see tools/README.md); do not edit.
"""

# ruff: noqa: E501
# fmt: off
LAYOUTS: dict[str, dict[int, tuple[int, int, tuple[tuple[str, int, str], ...]]]] = {{
{chr(10).join(rows)}
}}

# Bit fields: (name, field that holds it, lowest bit, width in bits).
BITFIELDS: dict[str, dict[int, tuple[tuple[str, str, int, int], ...]]] = {{
{chr(10).join(bits)}
}}
'''.replace("'", '"')


def generate(check: bool) -> bool:
    """Write layout_data.py; return whether it was already as generated."""
    parts = {word: Unit(word).read() for word in (64, 32)}
    have = {name for layouts, _ in parts.values() for name in layouts}
    missing = [entry for entry in structs.STRUCTS if entry.partition("=")[0] not in have]
    if missing:
        print("tools/abi: no such struct in any header:", *missing)
    return sources.write_generated(sources.ABI / "layout_data.py", render(parts), check)


if __name__ == "__main__":
    generate(check=False)
