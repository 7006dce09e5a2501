"""Building a program's image: from a path to what the machine starts.

Everything that can fail happens here, before the machine is asked for anything.
"""

from __future__ import annotations

import os
import struct

from ring3.abi import elf as e
from ring3.abi.errno import E2BIG, EACCES, EIO, ELIBBAD, ELOOP, ENOEXEC
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.mount import MS_NOSUID
from ring3.abi.resource import RLIMIT_STACK
from ring3.abi.stat import S_ISGID, S_ISUID, S_IXGRP
from ring3.abi.types import PAGE_SIZE
from ring3.machine.base import Image, Segment
from ring3.task.credentials import Credentials, after_exec, is_secure_exec
from ring3.task.elf import Elf, is_i386, parse_script
from ring3.vfs.open import open_exec
from ring3.vfs.path import FOLLOW, Place, walk

if TYPE_CHECKING:
    from ring3.core.random import Random
    from ring3.task.task import Task
    from ring3.vfs.file import File

MAX_SCRIPTS: Final = 5
MAX_ARG_STRLEN: Final = 32 * PAGE_SIZE
ARG_MAX_FLOOR: Final = 128 * 1024
ARG_MAX_CEILING: Final = 6 * 1024 * 1024
STACK_DEFAULT: Final = 8 << 20
PIE_BASE: Final = 0x555555554000
INTERPRETER_BASE: Final = 0x7E0000000000
PIE_BASE_32: Final = 0x56555000
INTERPRETER_BASE_32: Final = 0xF0000000
RANDOM_BITS: Final = {"x86_64": (28, 24), "i386": (8, 8)}
"""By how many pages (as a power of two) a PIE and its interpreter are moved."""
HWCAP: Final = 0x178BFBFF
"""CPUID leaf 1 edx of every x86-64 CPU of the last fifteen years (AT_HWCAP)."""


class Program:
    """A program found and parsed, with its arguments as they will be passed."""

    __slots__ = (
        "argv", "cred", "elf", "envp", "exe", "filename", "files", "interpreter", "random",
        "secure", "signal_stack",
    )  # fmt: skip

    def __init__(
        self, filename: bytes, argv: list[bytes], envp: list[bytes], random: Random
    ) -> None:
        self.random = random
        self.filename = filename
        self.argv = argv
        self.envp = envp
        self.files: list[File] = []
        """Descriptions held until the program is loaded."""
        self.elf: Elf
        self.interpreter: Elf | None = None
        self.exe: Place
        self.cred: Credentials
        self.secure = False
        self.signal_stack = 0
        """Bytes of a signal frame at least (AT_MINSIGSTKSZ); 0: as the host has it."""

    def release(self) -> None:
        files, self.files = self.files, []
        for file in files:
            file.drop()


def load_program(
    t: Task, place: Place, filename: bytes, argv: list[bytes], envp: list[bytes]
) -> Program:
    """Find the ELF file behind *place*, following ``#!`` lines. The caller releases the result."""
    program = Program(filename, argv or [b""], envp, t.world.random)
    program.signal_stack = t.world.machine.signal_stack
    try:
        find_elf(t, program, place)
        check_size(t, program)
        program.cred = new_credentials(t, program.exe)
        program.secure = is_secure_exec(program.cred)
    except BaseException:
        program.release()
        raise
    return program


def open_program(t: Task, program: Program, place: Place) -> tuple[File, bytes]:
    file = open_exec(t, place)
    file.hold()
    program.files.append(file)
    return file, file.pread(PAGE_SIZE, 0)


def find_elf(t: Task, program: Program, place: Place) -> None:
    name = program.filename
    for _ in range(MAX_SCRIPTS + 1):
        file, head = open_program(t, program, place)
        if head[:2] != b"#!":
            break
        interpreter, argument = parse_script(head)
        program.argv = [
            interpreter,
            *([argument] if argument is not None else []),
            name,
            *program.argv[1:],
        ]
        name = interpreter
        place = walk(t, None, interpreter, FOLLOW)
    else:
        raise ELOOP("too many interpreters of interpreters")
    if is_i386(head) and "i386" not in t.world.machine.abis:
        t.world.log.once(
            "an i386 program was refused: the native machine runs 64-bit programs only"
            " (use --machine emulated)"
        )
        raise ENOEXEC("i386 program on the native machine")
    program.exe = place
    program.elf = Elf(file, head)
    if program.elf.interpreter is not None:
        if not program.elf.interpreter:
            raise EACCES("an empty name: the working directory")  # that is how Linux reads it
        at = walk(t, None, program.elf.interpreter, FOLLOW)
        file, head = open_program(t, program, at)
        program.interpreter = Elf(file, head, ELIBBAD, EIO)
        if program.interpreter.abi != program.elf.abi:
            raise ELIBBAD("an interpreter of the other word size")


def check_size(t: Task, program: Program) -> None:
    """E2BIG as execve(2) has it: each string, and all of them against the stack limit."""
    strings = [*program.argv, *program.envp, program.filename]
    if any(len(s) >= MAX_ARG_STRLEN for s in strings):
        raise E2BIG("an argument is longer than 128 KiB")
    stack = t.process.limits.get(RLIMIT_STACK, (STACK_DEFAULT, 0))[0]
    room = min(max(stack // 4, ARG_MAX_FLOOR), ARG_MAX_CEILING)
    if sum(len(s) + 1 for s in strings) + 8 * len(strings) > room:
        raise E2BIG("arguments and environment exceed a quarter of the stack limit")


def new_credentials(t: Task, exe: Place) -> Credentials:
    """Set-user-ID and set-group-ID bits, unless the mount or the task forbids them."""
    stat = exe.inode.stat()
    setuid = setgid = None
    if not exe.mount.flags & MS_NOSUID:
        if stat.mode & S_ISUID:
            setuid = stat.uid
        if stat.mode & S_ISGID and stat.mode & S_IXGRP:
            setgid = stat.gid
    return after_exec(t.cred, None, setuid, setgid, t.process.no_new_privs)


def segments_of(elf: Elf, base: int) -> list[Segment]:
    return [
        Segment(elf.file, h.offset, base + h.vaddr, h.filesz, h.memsz, h.prot)
        for h in elf.loads
        if h.memsz
    ]


def random_pages(source: Random, bits: int) -> int:
    return source.below(1 << bits) * PAGE_SIZE


def build_image(program: Program) -> Image:
    """Choose addresses (randomised as Linux does) and describe the start."""
    elf, interpreter = program.elf, program.interpreter
    narrow = elf.abi == "i386"
    pie, loader = (PIE_BASE_32, INTERPRETER_BASE_32) if narrow else (PIE_BASE, INTERPRETER_BASE)
    pie_bits, loader_bits = RANDOM_BITS[elf.abi]
    base = 0 if elf.kind == e.ET_EXEC else pie + random_pages(program.random, pie_bits) - elf.low
    segments = segments_of(elf, base)
    entry, interpreter_base = base + elf.entry, 0
    if elf.broken or (interpreter is not None and interpreter.broken):
        segments, start = [], 0  # there is nothing at 0: SIGSEGV
    elif interpreter is not None:
        if interpreter.kind == e.ET_DYN:
            moved = random_pages(program.random, loader_bits)
            interpreter_base = loader + moved - interpreter.low
        segments += segments_of(interpreter, interpreter_base)
        start = interpreter_base + interpreter.entry
    else:
        start = entry
    known = {
        e.AUX_PHDR: base + elf.phdr_address(),
        e.AUX_PHNUM: elf.phnum,
        e.AUX_BASE: interpreter_base,
        e.AUX_ENTRY: entry,
    }
    prot = 7 if elf.executable_stack else 3
    name = os.fsdecode(program.filename)
    builder = StackBuilder(program, known)
    return Image(elf.abi, segments, start, STACK_DEFAULT, prot, builder.build, name)


class StackBuilder:
    """Lays out argc, argv, envp, the auxiliary vector and the strings below the stack's top."""

    def __init__(self, program: Program, known: dict[int, int]) -> None:
        self.program = program
        self.known = known
        self.auxv = b""

    def build(self, top: int, vdso: int) -> tuple[int, bytes]:
        program, cred = self.program, self.program.cred
        strings, at = bytearray(), top

        def push(data: bytes) -> int:
            nonlocal at
            at -= len(data)
            strings[:0] = data
            return at

        push(bytes(8))
        filename = push(program.filename + b"\0")
        blob = b"".join(s + b"\0" for s in (*program.argv, *program.envp))
        first = push(blob)
        narrow = program.elf.abi == "i386"
        platform = push(b"i686\0" if narrow else b"x86_64\0")
        random_at = push(program.random.bytes(16))
        pointers = []
        for s in (*program.argv, *program.envp):
            pointers.append(first)
            first += len(s) + 1
        argc = len(program.argv)
        aux = []
        if vdso:
            # i386 programs of a machine without a vDSO image get the address to call alone.
            aux = [(e.AUX_SYSINFO if narrow else e.AUX_SYSINFO_EHDR, vdso)]
        aux += [
            (e.AUX_HWCAP, HWCAP),
            (e.AUX_PAGESZ, PAGE_SIZE),
            (e.AUX_CLKTCK, 100),
            (e.AUX_PHDR, self.known[e.AUX_PHDR]),
            (e.AUX_PHENT, 32 if narrow else 56),
            (e.AUX_PHNUM, self.known[e.AUX_PHNUM]),
            (e.AUX_BASE, self.known[e.AUX_BASE]),
            (e.AUX_FLAGS, 0),
            (e.AUX_ENTRY, self.known[e.AUX_ENTRY]),
            (e.AUX_UID, cred.uid),
            (e.AUX_EUID, cred.euid),
            (e.AUX_GID, cred.gid),
            (e.AUX_EGID, cred.egid),
            (e.AUX_SECURE, int(program.secure)),
            (e.AUX_RANDOM, random_at),
            (e.AUX_HWCAP2, 0),  # no MONITOR and MWAIT in ring 3, no FSGSBASE promised
            (e.AUX_EXECFN, filename),
            (e.AUX_PLATFORM, platform),
            (e.AUX_MINSIGSTKSZ, program.signal_stack or minimum_signal_stack()),
            (e.AUX_NULL, 0),
        ]
        word, mask = ("I", (1 << 32) - 1) if narrow else ("Q", (1 << 64) - 1)
        self.auxv = b"".join(struct.pack(f"<2{word}", key, value & mask) for key, value in aux)
        words = [argc, *pointers[:argc], 0, *pointers[argc:], 0]
        block = struct.pack(f"<{len(words)}{word}", *words) + self.auxv
        sp = (at - len(block)) & -16
        return sp, block.ljust(at - sp, b"\0") + bytes(strings)


def minimum_signal_stack() -> int:
    """AT_MINSIGSTKSZ: a signal frame with this CPU's extended state. From our own vector."""
    global _minsigstksz
    if _minsigstksz is None:
        _minsigstksz = 2048
        try:
            with open("/proc/self/auxv", "rb") as f:
                for key, value in struct.iter_unpack("<QQ", f.read()):
                    if key == e.AUX_MINSIGSTKSZ:
                        _minsigstksz = value
        except OSError:
            pass  # no /proc: the classic constant stands
    return _minsigstksz


_minsigstksz: int | None = None
