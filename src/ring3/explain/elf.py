"""Names of addresses: the ELF files behind a guest's areas.

Files are read from the guest's tree (or the host's, where the machine tells host paths) and taken
only if the bytes in the guest's memory are theirs. Needs pyelftools; without it addresses stay
numbers.
"""

from __future__ import annotations

from bisect import bisect_right

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 64 << 20


class Symbol:
    __slots__ = ("address", "name", "size")

    def __init__(self, name: str, address: int, size: int) -> None:
        self.name = name
        self.address = address
        """In the process, not in the file."""
        self.size = size


class ElfFile:
    """One file, as far as explaining needs it. *data* is all of it. ValueError if it is no ELF."""

    def __init__(self, name: str, data: bytes) -> None:
        from io import BytesIO

        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        self.name = name
        self.data = data
        try:
            self.elf: Any = ELFFile(BytesIO(data))
            self.loads = [
                (s["p_offset"], s["p_vaddr"], s["p_filesz"])
                for s in self.elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ]
            self.stripped = self.elf.get_section_by_name(".symtab") is None
            self.names = self.read_symbols()
        except (ELFError, UnicodeDecodeError, KeyError) as bad:
            raise ValueError(f"{name}: {bad}") from None
        self.starts = [address for address, _, _ in self.names]

    def read_symbols(self) -> list[tuple[int, int, str]]:
        """(address in the file, size, name) of functions, sorted; one name per address."""
        best: dict[int, tuple[int, str]] = {}
        for section in (".symtab", ".dynsym"):
            symbols = self.elf.get_section_by_name(section)
            for symbol in symbols.iter_symbols() if symbols is not None else ():
                kind = symbol["st_info"]["type"]
                at = symbol["st_value"]
                if not at or symbol["st_shndx"] == "SHN_UNDEF":
                    continue
                if kind not in ("STT_FUNC", "STT_GNU_IFUNC", "STT_LOOS", "STT_NOTYPE"):
                    continue
                if not symbol.name or (kind == "STT_NOTYPE" and section == ".dynsym"):
                    continue
                new = (symbol["st_size"], symbol.name)
                if at not in best or plainness(new) < plainness(best[at]):
                    best[at] = new
        return sorted((at, size, name) for at, (size, name) in best.items())

    def address_of(self, offset: int) -> int | None:
        """The address in the file of file offset *offset*."""
        for start, vaddr, size in self.loads:
            if start <= offset < start + size:
                return int(vaddr + offset - start)
        return None

    def start_near(self, vaddr: int) -> int | None:
        """The beginning of the code at *vaddr*: a symbol, an unwind entry, the program's entry."""
        found = self.symbol_at(vaddr)
        if found is not None:
            return found[0]
        from ring3.explain.unwind import CannotUnwind, entry_start

        try:
            return entry_start(self, vaddr)
        except CannotUnwind:
            entry = int(self.elf["e_entry"])
            return entry if entry <= vaddr else None

    def symbol_at(self, vaddr: int) -> tuple[int, int, str] | None:
        i = bisect_right(self.starts, vaddr) - 1
        if i < 0:
            return None
        at, size, name = self.names[i]
        return (at, size, name) if vaddr < at + size or not size else None

    def section(self, name: str) -> tuple[int, bytes] | None:
        """(address, bytes) of a section."""
        found = self.elf.get_section_by_name(name)
        if found is None:
            return None
        at, size = found["sh_offset"], found["sh_size"]
        return found["sh_addr"], self.data[at : at + size]


def plainness(symbol: tuple[int, str]) -> tuple[bool, int, int]:
    """Among aliases the one with a size, few leading underscores, a short name."""
    size, name = symbol
    return not size, len(name) - len(name.lstrip("_")), len(name)


class Symbols:
    """Looks addresses of one process up."""

    def __init__(
        self, areas: list[dict[str, Any]], read_file: Callable[[str], bytes | None]
    ) -> None:
        self.areas = areas
        self.read_file = read_file
        self.files: dict[str, ElfFile | None] = {}
        self.missing = ""
        """Why nothing can be looked up."""

    def area(self, address: int) -> dict[str, Any] | None:
        for area in self.areas:
            if area["start"] <= address < area["end"]:
                return area
        return None

    def file_at(self, address: int) -> tuple[ElfFile, int] | None:
        """(file, what to add to its addresses) of the code at *address*."""
        area = self.area(address)
        if area is None or not area["name"].startswith("/"):
            return None
        file = self.load(area["name"])
        if file is None:
            return None
        vaddr = file.address_of(address - area["start"] + area["offset"])
        return None if vaddr is None else (file, address - vaddr)

    def load(self, name: str) -> ElfFile | None:
        if name not in self.files:
            self.files[name] = self.parse(name)
        return self.files[name]

    def parse(self, name: str) -> ElfFile | None:
        data = self.read_file(name.removesuffix(" (deleted)"))
        if data is None or len(data) > LARGEST or data[:4] != b"\x7fELF":
            return None
        try:
            return ElfFile(name, data)
        except ImportError:
            self.missing = "Symbol names need pyelftools: pip install 'ring3[explain]'."
        except ValueError:
            pass
        return None

    def symbol(self, address: int) -> Symbol | None:
        found = self.file_at(address)
        if found is None:
            return None
        file, base = found
        symbol = file.symbol_at(address - base)
        return None if symbol is None else Symbol(symbol[2], symbol[0] + base, symbol[1])

    def start(self, address: int) -> int:
        """Where decoding of the code at *address* can begin, or 0."""
        found = self.file_at(address)
        if found is None:
            return 0
        start = found[0].start_near(address - found[1])
        return 0 if start is None else start + found[1]

    def named(self, address: int) -> str:
        """``write+0x10``, or nothing."""
        symbol = self.symbol(address)
        if symbol is None:
            return ""
        ahead = address - symbol.address
        return f"{symbol.name}+{ahead:#x}" if ahead else symbol.name

    def file_name(self, address: int) -> str:
        area = self.area(address)
        return "" if area is None else area["name"]
