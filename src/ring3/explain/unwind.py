"""Who called whom: unwinding by the call frame information of .eh_frame.

Compilers write, for every instruction, where the caller's stack pointer and saved registers are
(Linux Standard Base 5.0, "Exception Frames"; DWARF 5, section 6.4). The search table of
.eh_frame_hdr finds a function's entry; only that is interpreted. Where it ends (no table, an
expression, an unknown register) the chain ends too, and says so.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.explain.elf import ElfFile, Symbols

DEEPEST = 24
SP = {"x86_64": 7, "i386": 4}
RA = {"x86_64": 16, "i386": 8}
NUMBERS = {
    "x86_64": {"rbx": 3, "rbp": 6, "rsp": 7, "r12": 12, "r13": 13, "r14": 14, "r15": 15},
    "i386": {"rbx": 3, "rsp": 4, "rbp": 5, "rsi": 6, "rdi": 7},
}
"""DWARF's numbers of the registers that calls preserve."""


class CannotUnwind(Exception):
    """The text says why the chain ends here."""


class Reader:
    """A cursor over a section."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, size: int, signed: bool = False) -> int:
        if self.at + size > len(self.data):
            raise CannotUnwind("the unwind tables are cut off")
        value = int.from_bytes(self.data[self.at : self.at + size], "little", signed=signed)
        self.at += size
        return value

    def leb(self, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        return value - (1 << shift) if signed and value >> (shift - 1) & 1 else value

    def encoded(self, encoding: int, base: int, word: int) -> int:
        """A pointer in one of the DW_EH_PE encodings; *base* is the section's address."""
        here = base + self.at
        form = encoding & 0x0F
        if form == 0x01:
            value = self.leb()
        elif form == 0x09:
            value = self.leb(signed=True)
        else:
            size = {0: word, 2: 2, 3: 4, 4: 8, 0xA: 2, 0xB: 4, 0xC: 8}[form]
            value = self.take(size, signed=form >= 8)
        return value + here if encoding & 0x70 == 0x10 else value


class Rules:
    """Where things are at one instruction: the CFA, and what is saved at which offset of it."""

    def __init__(self) -> None:
        self.cfa: tuple[int, int] | None = None
        self.saved: dict[int, int] = {}

    def copy(self) -> Rules:
        other = Rules()
        other.cfa, other.saved = self.cfa, dict(self.saved)
        return other


def rules_at(file: ElfFile, pc: int, word: int) -> Rules:
    """The rules for address *pc* of the file. Raises CannotUnwind."""
    header, frames = file.section(".eh_frame_hdr"), file.section(".eh_frame")
    if header is None or frames is None:
        raise CannotUnwind(f"{file.name} has no unwind tables")
    _, at = find_entry(header[0], header[1], pc)
    base, data = frames
    reader = Reader(data, at - base)
    length = reader.take(4)
    end = reader.at + length
    here = reader.at
    cie = read_cie(data, base, here - reader.take(4), word)
    start = reader.encoded(cie["encoding"], base, word)
    size = reader.encoded(cie["encoding"] & 0x0F, base, word)
    if not start <= pc < start + size:
        raise CannotUnwind("no unwind entry covers this address")
    if cie["augmented"]:
        skip = reader.leb()
        reader.at += skip
    rules = run(Rules(), data[: cie["end"]], cie["code"], cie, start, 1 << 64, None)
    return run(rules.copy(), data[:end], reader.at, cie, start, pc, rules)


def entry_start(file: ElfFile, pc: int) -> int:
    """The beginning of the function that holds *pc*. Raises CannotUnwind."""
    header = file.section(".eh_frame_hdr")
    if header is None:
        raise CannotUnwind(f"{file.name} has no unwind tables")
    return find_entry(header[0], header[1], pc)[0]


def find_entry(base: int, data: bytes, pc: int) -> tuple[int, int]:
    """Binary search in .eh_frame_hdr: (function's beginning, address of its entry), for the entry
    that may cover *pc*."""
    if data[0] != 1 or data[2] & 0x0F != 3 or data[3] != 0x3B:
        raise CannotUnwind("an unwind search table of unknown form")
    reader = Reader(data, 4)
    reader.encoded(data[1], base, 8)
    count = reader.take(4)
    table, low, high = reader.at, 0, count
    while low < high:
        middle = (low + high) // 2
        if base + Reader(data, table + 8 * middle).take(4, True) <= pc:
            low = middle + 1
        else:
            high = middle
    if not low:
        raise CannotUnwind("no unwind entry covers this address")
    found = Reader(data, table + 8 * (low - 1))
    return base + found.take(4, True), base + found.take(4, True)


def read_cie(data: bytes, base: int, at: int, word: int) -> dict[str, Any]:
    """What entries have in common."""
    reader = Reader(data, at)
    length = reader.take(4)
    end = reader.at + length
    reader.take(4)
    version = reader.take(1)
    stop = data.index(0, reader.at)
    augmentation = data[reader.at : stop]
    reader.at = stop + 1
    code_align, data_align = reader.leb(), reader.leb(signed=True)
    if version == 1:
        reader.take(1)
    else:
        reader.leb()
    encoding = 0
    if augmentation[:1] == b"z":
        after = reader.leb() + reader.at
        for letter in augmentation[1:]:
            if letter == ord("R"):
                encoding = reader.take(1)
            elif letter == ord("L"):
                reader.take(1)
            elif letter == ord("P"):
                reader.encoded(reader.take(1), base, word)
        reader.at = after
    return {
        "encoding": encoding, "augmented": augmentation[:1] == b"z", "code": reader.at, "end": end,
        "code_align": code_align, "data_align": data_align,
    }  # fmt: skip


def run(
    rules: Rules,
    data: bytes,
    at: int,
    cie: dict[str, Any],
    loc: int,
    pc: int,
    initial: Rules | None,
) -> Rules:
    """Interpret call frame instructions until they are about addresses above *pc*."""
    reader, kept = Reader(data, at), []
    while reader.at < len(data):
        op = reader.take(1)
        high, low = op & 0xC0, op & 0x3F
        if high == 0x40 or op in (2, 3, 4):  # advance_loc and its three longer forms
            delta = low if high else reader.take({2: 1, 3: 2, 4: 4}[op])
            loc += delta * cie["code_align"]
            if loc > pc:
                break
        elif high == 0x80:  # offset
            rules.saved[low] = reader.leb() * cie["data_align"]
        elif high == 0xC0 or op == 6:  # restore
            register = low if high else reader.leb()
            rules.saved.pop(register, None)
            if initial is not None and register in initial.saved:
                rules.saved[register] = initial.saved[register]
        elif op == 0x0C:
            rules.cfa = (reader.leb(), reader.leb())
        elif op == 0x0D and rules.cfa:
            rules.cfa = (reader.leb(), rules.cfa[1])
        elif op == 0x0E and rules.cfa:
            rules.cfa = (rules.cfa[0], reader.leb())
        elif op == 0x0A:
            kept.append(rules.copy())
        elif op == 0x0B and kept:
            rules = kept.pop()
        elif op == 0x05:
            rules.saved[reader.leb()] = reader.leb() * cie["data_align"]
        elif op in (0x07, 0x08):
            rules.saved.pop(reader.leb(), None)
        elif op == 0x2E:
            reader.leb()
        elif op == 0x0F:
            reader.at += reader.leb()
            rules.cfa = None
        elif op == 0x10 or op == 0x16:
            reader.leb()
            reader.at += reader.leb()
        elif op:
            raise CannotUnwind(f"unwind instruction {op:#x} is not known here")
    return rules


class Stack:
    """The bytes of the stack that were kept."""

    def __init__(self, at: int, data: bytes, word: int) -> None:
        self.at = at
        self.data = data
        self.word = word

    def load(self, address: int) -> int:
        offset = address - self.at
        if not 0 <= offset <= len(self.data) - self.word:
            raise CannotUnwind("the caller's frame lies beyond the stack that was kept")
        return int.from_bytes(self.data[offset : offset + self.word], "little")


OUTERMOST = "the outermost frame"


def unwind(
    symbols: Symbols, abi: str, registers: dict[str, int], stack: bytes
) -> tuple[list[int], str, int]:
    """(return addresses from the inside out, why the chain ends there, the stack pointer there)."""
    word = 8 if abi == "x86_64" else 4
    known = {n: registers[name] for name, n in NUMBERS[abi].items() if name in registers}
    memory = Stack(registers.get("rsp", 0), stack, word)
    pc, found = registers.get("rip", 0), list[int]()
    try:
        while len(found) < DEEPEST:
            place = symbols.file_at(pc)
            if place is None:
                raise CannotUnwind(symbols.missing or "no file is known for this address")
            file, base = place
            # The return address stands behind the call, which may be the function's last.
            rules = rules_at(file, pc - base - 1, word)
            if rules.cfa is None or rules.cfa[0] not in known:
                raise CannotUnwind("the frame is found by a register that the machine hides")
            cfa = known[rules.cfa[0]] + rules.cfa[1]
            if RA[abi] not in rules.saved:
                raise CannotUnwind(OUTERMOST)
            pc = memory.load(cfa + rules.saved[RA[abi]])
            saved = {r: cfa + off for r, off in rules.saved.items() if r != RA[abi]}
            known.update({r: memory.load(at) for r, at in saved.items()})
            known[SP[abi]] = cfa
            if not pc:
                raise CannotUnwind(OUTERMOST)
            found.append(pc)
    except CannotUnwind as end:
        return found, str(end), known.get(SP[abi], 0)
    return found, "deeper frames are left out", known.get(SP[abi], 0)
