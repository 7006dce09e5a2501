"""Calls on memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring3.abi.mman import MAP_HUGE_MASK, MAP_HUGE_SHIFT, MAP_TYPE, MREMAP_DONTUNMAP, MREMAP_FIXED
from ring3.trace.kinds import kind, kind_of, shapes
from ring3.trace.text import addr, hexed

if TYPE_CHECKING:
    from ring3.trace.frame import Decoder, Frame

shapes("""
mmap: addr lu lflags:prot map_flags fd lx = x
mmap2: addr lu lflags:prot map_flags fd pages = x
munmap: addr lu
mprotect: addr lu lflags:prot
pkey_mprotect: addr lu lflags:prot d
mremap: addr lu lu lflags:mremap ~new_addr = x
brk: addr = x
madvise: addr lu enum:madvise
process_madvise: fd iov_out:2 lu enum:madvise x
msync: addr lu flags:msync
mincore: addr lu >mincore_vec:1
mlock munlock: addr lu
mlock2: addr lu flags:mlock2
mlockall: flags:mlockall
munlockall:
remap_file_pages: addr lu lflags:prot lu map_flags
pkey_alloc: lx lflags:pkey_rights
pkey_free: d
membarrier: enum:membarrier flags:membarrier_flags
process_vm_readv: pid >iov_in:2 lu iov_remote:4 lu lx
process_vm_writev: pid iov_out:2 lu iov_remote:4 lu lx
mbind: addr lu mpol_mode addr lu flags:mbind
set_mempolicy: mpol_mode addr lu
get_mempolicy: >mpol_result addr lu addr lflags:mpol_flags
process_mrelease: fd x
userfaultfd: flags:open = fd
mseal: addr lu lx
map_shadow_stack: addr lu x = x
""")


@kind
def map_flags(x: Frame, v: int) -> str:
    """The type, the flags, the binary logarithm of a huge page's size."""
    value = v & 0xFFFFFFFF
    if x.style.consts == 1:
        return hexed(value)
    shown = x.enum("map_type", value & MAP_TYPE)
    rest = value & ~MAP_TYPE
    size = rest >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    rest &= ~(MAP_HUGE_MASK << MAP_HUGE_SHIFT)
    if rest:
        shown += "|" + x.flags("map", rest)
    if size:
        shown += f"|{size}<<MAP_HUGE_SHIFT"
    return shown


@kind
def pages(x: Frame, v: int) -> str:
    """mmap2's offset, in bytes."""
    return hexed((v & 0xFFFFFFFF) * 4096)


@kind
def new_addr(x: Frame, v: int) -> str:
    return f", {addr(v)}" if x.args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP) else ""


@kind_of
def mincore_vec(length_at: str) -> Decoder:
    at = int(length_at)

    def show(x: Frame, v: int) -> str:
        count = (x.args[at] + 4095) // 4096
        return x.array(v, count, 1, lambda one: str(one[0] & 1))

    return show


@kind_of
def iov_remote(count_at: str) -> Decoder:
    """Addresses and lengths in another process."""
    at = int(count_at)

    def show(x: Frame, v: int) -> str:
        word = x.word // 8

        def one(data: bytes) -> str:
            base = int.from_bytes(data[:word], "little")
            return f"{{iov_base={addr(base)}, iov_len={int.from_bytes(data[word:], 'little')}}}"

        return x.array(v, x.args[at], 2 * word, one)

    return show


@kind
def mpol_mode(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    flags = value & 0xE000
    shown = x.enum("mpol_mode", value & ~0xE000)
    return f"{shown}|{x.flags('mpol_mode_flags', flags)}" if flags else shown


@kind
def mpol_result(x: Frame, v: int) -> str:
    number = x.number(v)
    return addr(v) if number is None else f"[{x.enum('mpol_mode', number)}]"
