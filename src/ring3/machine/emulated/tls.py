"""Thread-local storage of i386 programs: set_thread_area(2)'s descriptors in the GDT.

Source: arch/x86/kernel/tls.c, arch/x86/include/asm/desc.h (fill_ldt).
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EFAULT, EINVAL, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.machine.emulated.layout import TLS_FIRST

if TYPE_CHECKING:
    from ring3.machine.emulated.thread import EmulatedVehicle

# struct user_desc: entry_number, base_addr, limit, flags
USER_DESC = struct.Struct("<IIII")
SEG_32BIT, CONTENTS, READ_ONLY, IN_PAGES, NOT_PRESENT, USEABLE = 1, 6, 8, 16, 32, 64
ANY = 0xFFFFFFFF
ENTRIES = 3


def descriptor(base: int, limit: int, flags: int) -> int:
    """The GDT entry of a user_desc; 0 for an empty one (LDT_empty, LDT_zero)."""
    empty = READ_ONLY | NOT_PRESENT
    if (not base and not limit and flags & 0x7F == empty) or not (base or limit or flags & 0x7F):
        return 0
    kind = (0 if flags & READ_ONLY else 2) | (flags & CONTENTS) << 1 | 0x11
    access = kind | 3 << 5 | (0 if flags & NOT_PRESENT else 1) << 7
    upper = (limit >> 16 & 15) | (flags & USEABLE and 1) << 4
    upper |= (flags & SEG_32BIT) << 6 | (1 if flags & IN_PAGES else 0) << 7
    return (
        limit & 0xFFFF | (base & 0xFFFFFF) << 16 | access << 40 | upper << 48
        | (base >> 24 & 0xFF) << 56
    )  # fmt: skip


def user_desc(entry: int, value: int) -> bytes:
    """The struct user_desc of a GDT entry (get_thread_area)."""
    if not value:
        return USER_DESC.pack(entry, 0, 0, READ_ONLY | NOT_PRESENT)
    base = value >> 16 & 0xFFFFFF | (value >> 56 & 0xFF) << 24
    limit = value & 0xFFFF | (value >> 48 & 15) << 16
    access, upper = value >> 40 & 0xFF, value >> 48 & 0xFF
    flags = upper >> 6 & 1 | (access >> 2 & 3) << 1 | (0 if access & 2 else READ_ONLY)
    flags |= (IN_PAGES if upper & 0x80 else 0) | (0 if access & 0x80 else NOT_PRESENT)
    flags |= USEABLE if upper & 0x10 else 0
    return USER_DESC.pack(entry, base, limit, flags)


def set_area(v: EmulatedVehicle, at: int) -> int:
    """set_thread_area(2): store a descriptor, and its entry number where the caller left it open.
    EFAULT, EINVAL, ESRCH."""
    memory = v.task.memory
    entry, base, limit, flags = USER_DESC.unpack(memory.load(at, USER_DESC.size))
    value = descriptor(base, limit, flags)
    if flags & CONTENTS == 4 and value:
        raise EINVAL("an expand-down segment")
    chosen = entry
    if entry == ANY:
        free = [i for i in range(ENTRIES) if not v.tls[i]]
        if not free:
            raise ESRCH("all entries are in use")
        chosen = TLS_FIRST + free[0]
        memory.store(at, chosen.to_bytes(4, "little"))
    if not TLS_FIRST <= chosen < TLS_FIRST + ENTRIES:
        raise EINVAL("entry number")
    v.tls[chosen - TLS_FIRST] = value
    v.machine.load_user_segments(v)
    return 0


def get_area(v: EmulatedVehicle, at: int) -> int:
    entry = int.from_bytes(v.task.memory.load(at, 4), "little")
    if not TLS_FIRST <= entry < TLS_FIRST + ENTRIES:
        raise EINVAL("entry number")
    v.task.memory.store(at, user_desc(entry, v.tls[entry - TLS_FIRST]))
    return 0


def load_descriptor(v: EmulatedVehicle, at: int) -> None:
    """CLONE_SETTLS of an i386 thread: *at* is a user_desc in the caller's memory. EFAULT, EINVAL.
    The child's GS has the parent's selector: its hidden part is loaded from the new entry when
    the child returns to user mode."""
    entry, base, limit, flags = USER_DESC.unpack(v.task.memory.load(at, USER_DESC.size))
    if not TLS_FIRST <= entry < TLS_FIRST + ENTRIES:
        raise EINVAL("entry number")
    v.tls[entry - TLS_FIRST] = descriptor(base, limit, flags)
    v.image = v.machine.hw.with_reloaded_segments(v.image, v.tls)


__all__ = ["EFAULT", "get_area", "load_descriptor", "set_area"]
