"""Tiny programs that make one system call again and again by a chosen way into the kernel.

Each is an ELF file of some 150 bytes, put together from the instructions below: comparing the ways
in needs no compiler. tests/unit/explain disassembles them and holds the text against the bytes.
"""

from __future__ import annotations

import struct

from ring3.abi.hints import Final

BASE: Final = {64: 0x400000, 32: 0x8048000}
HEADERS: Final = {64: 64 + 56, 32: 52 + 32}
MACHINE: Final = {64: 62, 32: 3}
GATE_SELECTOR: Final = 0x83
EXIT_GROUP: Final = {64: 231, 32: 252}
GATE_CODE: Final = 33
"""Bytes of code before the call gate's far pointer."""


class Way:
    """A way into the kernel from code of *bits*."""

    __slots__ = ("abi", "bits", "key", "name")

    def __init__(self, key: str, name: str, bits: int, abi: str) -> None:
        self.key = key
        self.name = name
        self.bits = bits
        self.abi = abi
        """Whose numbers and registers the kernel goes by."""

    @property
    def title(self) -> str:
        return f"{self.name} from {self.bits}-bit code"


WAYS: Final = (
    Way("syscall64", "SYSCALL", 64, "x86_64"),
    Way("int80_64", "INT 0x80", 64, "i386"),
    Way("gate64", "call gate", 64, "x86_64"),
    Way("sysenter32", "SYSENTER", 32, "i386"),
    Way("int80_32", "INT 0x80", 32, "i386"),
    Way("gate32", "call gate", 32, "i386"),
)


def program(way: Way, nr: int, times: int) -> bytes:
    """The ELF file that makes call *nr* *times* times and exits with 0. All argument registers are
    0, as a new program finds them."""
    start = BASE[way.bits] + HEADERS[way.bits]
    code = code64(way, nr, times, start) if way.bits == 64 else code32(way, nr, times)
    return elf(way.bits, code)


def word(value: int) -> bytes:
    return struct.pack("<I", value)


def code64(way: Way, nr: int, times: int, start: int) -> bytes:
    head = b"\x41\xbc" + word(times)  # mov r12d, times
    if way.key == "syscall64":
        enter = b"\x0f\x05"  # syscall
    elif way.key == "int80_64":
        enter = b"\xcd\x80"  # int 0x80
    else:
        # A far call in 64-bit code goes through memory, here the words behind the code.
        enter = b"\x48\xff\x1c\x25" + word(start + GATE_CODE)  # call far qword ptr [pointer]
    body = b"\xb8" + word(nr) + enter  # mov eax, nr
    body += b"\x41\xff\xcc"  # dec r12d
    loop = body + b"\x75" + struct.pack("b", -(len(body) + 2))  # jnz body
    leave = b"\x31\xff" + b"\xb8" + word(EXIT_GROUP[64]) + b"\x0f\x05"  # exit_group(0)
    code = head + loop + leave
    if way.key == "gate64":
        assert len(code) == GATE_CODE
        code += struct.pack("<QH", 0, GATE_SELECTOR)  # 64-bit offset (ignored), selector
    return code


FIND_SYSINFO: Final = bytes.fromhex(
    "8b0c24"  # mov ecx, [esp]            argc
    "8d548c08"  # lea edx, [esp+ecx*4+8]  envp
    "8b02"  # mov eax, [edx]
    "83c204"  # add edx, 4
    "85c0"  # test eax, eax
    "75f7"  # jnz                          to the end of envp
    "8b02"  # mov eax, [edx]              the auxiliary vector
    "8b5a04"  # mov ebx, [edx+4]
    "83c208"  # add edx, 8
    "83f820"  # cmp eax, AT_SYSINFO
    "75f3"  # jne
    "53"  # push ebx
    "31db31c931d2"  # xor ebx, ebx; ecx; edx
)


def code32(way: Way, nr: int, times: int) -> bytes:
    head = b"\x68" + word(times)  # push times: the counter, as every register is an argument
    if way.key == "sysenter32":
        head = FIND_SYSINFO + head
        enter = b"\xff\x54\x24\x04"  # call [esp+4]: __kernel_vsyscall, which does SYSENTER
    elif way.key == "int80_32":
        enter = b"\xcd\x80"  # int 0x80
    else:
        enter = b"\x9a" + word(0) + struct.pack("<H", GATE_SELECTOR)  # call far 0x83:0
    body = b"\xb8" + word(nr) + enter  # mov eax, nr
    body += b"\xff\x0c\x24"  # dec dword ptr [esp]
    loop = body + b"\x75" + struct.pack("b", -(len(body) + 2))  # jnz body
    leave = b"\x31\xdb" + b"\xb8" + word(EXIT_GROUP[32]) + b"\xcd\x80"  # exit_group(0)
    return head + loop + leave


def elf(bits: int, code: bytes) -> bytes:
    """An executable of one segment, read and execute (System V gABI, "ELF Header")."""
    base, size = BASE[bits], HEADERS[bits] + len(code)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    entry = base + HEADERS[bits]
    if bits == 64:
        header = struct.pack(
            "<HHIQQQIHHHHHH", 2, MACHINE[64], 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0
        )
        segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    else:
        header = struct.pack(
            "<HHIIIIIHHHHHH", 2, MACHINE[32], 1, entry, 52, 0, 0, 52, 32, 1, 40, 0, 0
        )
        segment = struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 0x1000)
    return ident + header + segment + code
