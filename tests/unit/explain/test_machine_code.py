"""Instructions, symbols and frames: the tiny programs, libc's own unwind tables, call sites."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from ring3.explain.elf import ElfFile, Symbols
from ring3.explain.snapshot import follows_call
from ring3.explain.tiny import BASE, HEADERS, WAYS, program
from ring3.explain.unwind import CannotUnwind, entry_start, rules_at

LISTINGS = {
    "syscall64": "mov r12d, 3|mov eax, 0x27|syscall|dec r12d|jne 0x40007e|xor edi, edi"
    "|mov eax, 0xe7|syscall",
    "int80_64": "mov r12d, 3|mov eax, 0x27|int 0x80|dec r12d|jne 0x40007e|xor edi, edi"
    "|mov eax, 0xe7|syscall",
    "gate64": "mov r12d, 3|mov eax, 0x27|lcall [0x400099]|dec r12d|jne 0x40007e|xor edi, edi"
    "|mov eax, 0xe7|syscall",
    "sysenter32": "mov ecx, dword ptr [esp]|lea edx, [esp + ecx*4 + 8]|mov eax, dword ptr [edx]"
    "|add edx, 4|test eax, eax|jne 0x804805b|mov eax, dword ptr [edx]|mov ebx, dword ptr [edx + 4]"
    "|add edx, 8|cmp eax, 0x20|jne 0x8048064|push ebx|xor ebx, ebx|xor ecx, ecx|xor edx, edx"
    "|push 3|mov eax, 0x27|call dword ptr [esp + 4]|dec dword ptr [esp]|jne 0x804807d|xor ebx, ebx"
    "|mov eax, 0xfc|int 0x80",
    "int80_32": "push 3|mov eax, 0x27|int 0x80|dec dword ptr [esp]|jne 0x8048059|xor ebx, ebx"
    "|mov eax, 0xfc|int 0x80",
    "gate32": "push 3|mov eax, 0x27|lcall 0x83, 0|dec dword ptr [esp]|jne 0x8048059|xor ebx, ebx"
    "|mov eax, 0xfc|int 0x80",
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.key)
def test_the_tiny_programs_are_what_their_comments_say(way: object) -> None:
    capstone = pytest.importorskip("capstone")
    elffile = pytest.importorskip("elftools.elf.elffile")
    assert way in WAYS
    bits, key = way.bits, way.key  # type: ignore[attr-defined]
    data = program(way, 39, 3)  # type: ignore[arg-type]
    elf = elffile.ELFFile(io.BytesIO(data))
    assert elf.elfclass == bits and elf["e_machine"] == ("EM_X86_64" if bits == 64 else "EM_386")
    assert elf["e_entry"] == BASE[bits] + HEADERS[bits]
    (segment,) = elf.iter_segments()
    assert segment["p_filesz"] == segment["p_memsz"] == len(data)
    mode = capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32
    code = data[HEADERS[bits] : -10 if key == "gate64" else None]
    listed = capstone.Cs(capstone.CS_ARCH_X86, mode).disasm(code, elf["e_entry"])
    assert "|".join(f"{i.mnemonic} {i.op_str}".strip() for i in listed) == LISTINGS[key]
    if key == "gate64":
        assert data[-10:] == bytes(8) + b"\x83\0"


def libc() -> ElfFile:
    pytest.importorskip("elftools")
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if os.path.basename(path).startswith("libc.so"):
            return ElfFile(path, Path("/" + path).read_bytes())
    pytest.skip("this Python has no libc.so")


def test_unwind_tables_know_where_functions_begin_and_what_they_save() -> None:
    file = libc()
    named = {name: at for at, size, name in file.names if size > 32}
    known = 0
    for name in ("getenv", "qsort", "fopen", "printf", "strtol"):
        at = next((named[n] for n in (name, f"_IO_{name}") if n in named), None)
        if at is None:
            continue
        known += 1
        assert entry_start(file, at + 4) == at
        rules = rules_at(file, at, 8)  # at the first instruction only the return address is pushed
        assert rules.cfa == (7, 8) and rules.saved == {16: -8}
    assert known
    with pytest.raises(CannotUnwind):
        rules_at(file, 0, 8)


def test_symbols_by_address() -> None:
    file = libc()
    at, _, name = next(row for row in file.names if row[1] > 32)
    area = {"start": 0x7F0000000000, "end": 0x7F0001000000, "prot": "r-x", "offset": 0,
            "name": "/lib/x"}  # fmt: skip
    symbols = Symbols([area], lambda _: file.data)
    offset = next(o + at - v for o, v, s in file.loads if v <= at < v + s)
    assert symbols.named(0x7F0000000000 + offset) == name
    assert symbols.named(0x7F0000000000 + offset + 5) == f"{name}+0x5"
    assert symbols.named(0x1234) == ""


def test_a_file_that_is_no_elf_has_no_symbols() -> None:
    area = {"start": 0x1000, "end": 0x2000, "prot": "r-x", "offset": 0, "name": "/x"}
    for data in (None, b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 100):
        assert Symbols([area], lambda _, d=data: d).named(0x1100) == ""  # type: ignore[misc]


@pytest.mark.parametrize(
    ("code", "yes"),
    [
        ("90 90 e8 01 02 03 04", True),
        ("90 90 90 90 90 ff d0", True),
        ("90 90 90 90 ff 50 08", True),
        ("90 ff 15 01 02 03 04", True),
        ("90 90 90 90 90 90 90", False),
        ("90 90 90 90 90 ff e0", False),
    ],
)
def test_what_stands_before_a_return_address(code: str, yes: bool) -> None:
    assert follows_call(bytes.fromhex(code)) is yes
