"""Calls on memory."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mman import (
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_TYPE,
    MEMBARRIER_CMD_FLAG_CPU,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from ring3.trace.kinds import exits, kind, kind_of, shapes
from ring3.trace.names import names
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
mmap: addr lu lflags:prot map_flags fd lx = x
mmap2: addr lu lflags:prot map_flags fd pages = x
mprotect: addr lu lflags:prot
pkey_mprotect: addr lu lflags:prot d
mremap: addr lu lu lflags:mremap ~new_addr = x
brk: addr = x
process_madvise: fd iov_out:2 lu enum:madvise x
mincore: addr lu >>mincore_vec:1
mlock2: addr lu flags:mlock2
remap_file_pages: addr lu lflags:prot lu map_flags
pkey_alloc: lx lflags:pkey_rights
pkey_free: d
membarrier: enum:membarrier flags:membarrier_flags ~cpu_id
process_vm_readv: pid >>iov_in:2 lu iov_remote:4 lu lu
process_vm_writev: pid iov_out:2 lu iov_remote:4 lu lu
mbind: addr lu mpol_mode nodemask:4 lu flags:mbind
set_mempolicy: mpol_mode nodemask:2 lu
get_mempolicy: >mpol_result >nodemask:2 lu addr lflags:mpol_flags
process_mrelease: fd x
userfaultfd: flags:userfaultfd = fd
set_mempolicy_home_node: addr lu lu lx
mseal: addr lu lx
map_shadow_stack: addr lu x = x
""")


@kind
def map_flags(x: Frame, v: int) -> str:
    """The type, the flags, the binary logarithm of a huge page's size."""
    value = v & 0xFFFFFFFF
    shown = names("map_type").enum(value & MAP_TYPE)
    rest = value & ~MAP_TYPE
    size = rest >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    rest &= ~(MAP_HUGE_MASK << MAP_HUGE_SHIFT)
    if rest:
        shown += "|" + names("map").flags(rest)
    if size:
        shown += f"|{size}<<MAP_HUGE_SHIFT"
    return x.styled(value, shown)


@exits("membarrier")
def membarrier_exit(x: Frame, a: Sequence[int]) -> str:
    if not x.failed and x.result:
        x.shown, x.aux = hexed(x.result), x.flags("membarrier", x.result)
    return ""


@kind
def pages(x: Frame, v: int) -> str:
    """mmap2's offset, in bytes."""
    return hexed((v & 0xFFFFFFFF) * 4096)


@kind
def new_addr(x: Frame, v: int) -> str:
    both = MREMAP_MAYMOVE | MREMAP_FIXED
    return f", {addr(v)}" if x.args[3] & both == both else ""


@kind_of
def mincore_vec(length_at: str) -> Decoder:
    at = int(length_at)

    def show(x: Frame, v: int) -> str:
        count = (x.args[at] + 4095) // 4096
        if x.failed and count:
            return addr(v)
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
def cpu_id(x: Frame, v: int) -> str:
    return f", {signed(v)}" if x.args[1] == MEMBARRIER_CMD_FLAG_CPU else ""


@kind_of
def nodemask(count_at: str) -> Decoder:
    """``[0x00000000000001]``: a set of memory nodes of so many bits."""
    at = int(count_at)

    def show(x: Frame, v: int) -> str:
        word = x.word // 8
        count = (x.args[at] + x.word - 1) // x.word
        form = f"#0{2 * word}x"
        return x.array(v, count, word, lambda one: format(int.from_bytes(one, "little"), form))

    return show


@kind
def mpol_mode(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    flags = value & 0xE000
    shown = names("mpol_mode").enum(value & ~0xE000)
    if flags:
        shown += "|" + names("mpol_mode_flags").flags(flags)
    return x.styled(value, shown)


@kind
def mpol_result(x: Frame, v: int) -> str:
    number = x.number(v)
    return addr(v) if number is None else f"[{x.enum('mpol_mode', number)}]"
