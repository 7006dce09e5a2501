"""Program files: ELF headers and ``#!`` lines, as execve(2) reads them.

Source: fs/binfmt_elf.c, fs/binfmt_script.c. Only the ELF header and the program headers are read;
everything in them is hostile input.
"""

from __future__ import annotations

import struct

from ring3.abi.elf import (
    BINPRM_BUF_SIZE,
    EM_386,
    EM_X86_64,
    ET_DYN,
    ET_EXEC,
    PT_GNU_STACK,
    PT_INTERP,
    PT_LOAD,
)
from ring3.abi.errno import EINVAL, EIO, ELIBBAD, ENOEXEC
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.types import PAGE_SIZE, PATH_MAX

if TYPE_CHECKING:
    from ring3.vfs.file import File

MAGIC: Final = b"\x7fELF"
HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER: Final = struct.Struct("<IIQQQQQQ")
HEADER_32: Final = struct.Struct("<16sHHIIIIIHHHHHH")
PROGRAM_HEADER_32: Final = struct.Struct("<8I")
IN_ORDER_OF_64: Final = (0, 6, 1, 2, 3, 4, 5, 7)
"""Where the fields of a 64-bit program header stand in a 32-bit one."""
OFFSET_END: Final = 1 << 63
USER_END: Final = 1 << 47
USER_END_32: Final = 1 << 32


class ProgramHeader:
    __slots__ = ("align", "filesz", "flags", "kind", "memsz", "offset", "vaddr")

    def __init__(self, fields: tuple[int, ...]) -> None:
        self.kind, self.flags, self.offset, self.vaddr = fields[:4]
        self.filesz, self.memsz, self.align = fields[5:8]

    @property
    def prot(self) -> int:
        """PROT_* of the segment: ELF counts R, W, X the other way round."""
        return (self.flags & 4) >> 2 | self.flags & 2 | (self.flags & 1) << 2


class Elf:
    """What exec needs of an ELF file."""

    __slots__ = (
        "abi",
        "broken",
        "entry",
        "executable_stack",
        "file",
        "interpreter",
        "kind",
        "loads",
        "phnum",
        "phoff",
    )

    def __init__(
        self,
        file: File,
        head: bytes,
        wrong: type[Exception] = ENOEXEC,
        short: type[Exception] = ENOEXEC,
    ) -> None:
        """Parse *file*, whose first bytes are *head*. Raises *wrong* for what cannot run, *short*
        for what is too small to be a program."""
        self.file = file
        if len(head) < HEADER.size:
            raise short("shorter than an ELF header")
        if head[:4] != MAGIC:
            raise wrong("not an ELF file")
        self.abi = "i386" if is_i386(head) else "x86_64"
        narrow = self.abi == "i386"
        fields = (HEADER_32 if narrow else HEADER).unpack_from(head)
        self.kind, machine, self.entry, self.phoff = fields[1], fields[2], fields[4], fields[5]
        size, self.phnum = fields[9], fields[10]
        if self.kind not in (ET_EXEC, ET_DYN) or machine not in (EM_X86_64, EM_386):
            raise wrong("not an x86-64 or i386 program")
        entry = PROGRAM_HEADER_32 if narrow else PROGRAM_HEADER
        if size != entry.size or not 1 <= self.phnum <= 65536 // size:
            raise wrong("program headers out of shape")
        if self.phoff >= OFFSET_END - size * self.phnum:
            raise wrong("program headers beyond any file")
        table = file.pread(size * self.phnum, self.phoff)
        if len(table) != size * self.phnum:
            raise wrong("program headers beyond the end of the file")
        rows = entry.iter_unpack(table)
        if narrow:
            rows = (tuple(row[i] for i in IN_ORDER_OF_64) for row in rows)
        headers = [ProgramHeader(row) for row in rows]
        self.loads = [h for h in headers if h.kind == PT_LOAD]
        self.executable_stack = any(h.kind == PT_GNU_STACK and h.flags & 1 for h in headers)
        self.interpreter = self.read_interpreter(headers, wrong)
        self.broken = self.what_cannot_be_mapped()
        """Why the image cannot be mapped, or "". Linux finds out when the old program is gone, so
        this is no error of execve: the process dies of SIGSEGV."""

    def read_interpreter(
        self, headers: list[ProgramHeader], wrong: type[Exception]
    ) -> bytes | None:
        for header in headers:
            if header.kind != PT_INTERP:
                continue
            if not 2 <= header.filesz <= PATH_MAX:
                raise wrong("interpreter name of impossible length")
            if header.offset >= OFFSET_END - PATH_MAX:
                raise EINVAL("interpreter name beyond any file")
            name = self.file.pread(header.filesz, header.offset)
            if len(name) != header.filesz:
                raise EIO("interpreter name beyond the end of the file")
            if name[-1:] != b"\0":
                raise wrong("interpreter name without end")
            return name[: name.index(b"\0")]
        return None

    def what_cannot_be_mapped(self) -> str:
        limit = USER_END if self.abi == "x86_64" else USER_END_32
        for h in self.loads:
            if h.filesz > h.memsz or h.memsz > limit or h.vaddr > limit - h.memsz:
                return "segment out of range"
            if h.offset >= OFFSET_END or (h.vaddr - h.offset) % PAGE_SIZE:
                return "segment not aligned to its file offset"
        return ""

    @property
    def low(self) -> int:
        return min((h.vaddr for h in self.loads), default=0) & -PAGE_SIZE

    @property
    def high(self) -> int:
        end = 0
        for h in self.loads:
            end = max(end, h.vaddr + h.memsz)
        return (end + PAGE_SIZE - 1) & -PAGE_SIZE

    def phdr_address(self) -> int:
        """Where the program headers lie in memory, before relocation (AT_PHDR)."""
        for h in self.loads:
            if h.offset <= self.phoff < h.offset + h.filesz:
                return int(h.vaddr + self.phoff - h.offset)
        return 0


def is_i386(head: bytes) -> bool:
    return head[:4] == MAGIC and head[18:20] == EM_386.to_bytes(2, "little")


def parse_script(head: bytes) -> tuple[bytes, bytes | None]:
    """(interpreter, its one argument or None) of a ``#!`` line. ENOEXEC."""
    line, newline, _ = head[2:BINPRM_BUF_SIZE].partition(b"\n")
    if not newline and len(head) >= BINPRM_BUF_SIZE:
        # A longer line is cut, unless the interpreter's name itself would be.
        if not any(c in b" \t" for c in line.lstrip(b" \t")):
            raise ENOEXEC("interpreter name too long")
    line = line.split(b"\0", 1)[0].strip(b" \t")
    if not line:
        raise ENOEXEC("no interpreter")
    for i, c in enumerate(line):
        if c in b" \t":
            return line[:i], line[i:].strip(b" \t") or None
    return line, None


__all__ = ["ELIBBAD", "Elf", "ProgramHeader", "is_i386", "parse_script"]
