"""memfd_create(2). memfd_secret(2) stays ENOSYS, as on a kernel that has it switched off."""

from __future__ import annotations

from ring3.abi.errno import EINVAL, ENOSYS
from ring3.abi.hints import Annotated
from ring3.abi.mman import (
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_HUGETLB,
    MFD_NOEXEC_SEAL,
)
from ring3.abi.types import CStr, In, Scalar
from ring3.fs.memfd import memfd_mount, open_memfd
from ring3.syscalls.publish import install
from ring3.syscalls.table import syscall
from ring3.task.task import Task

NAME_MAX = 249
MemfdFlags = Annotated[int, Scalar(32, signed=False, flags="memfd", kind="flags")]
MemfdName = Annotated[bytes, CStr(NAME_MAX + 1)]
KNOWN = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC


@syscall(partial="no MFD_HUGETLB (ENOSYS)")
def memfd_create(t: Task, name: In[MemfdName], flags: MemfdFlags) -> int:
    """Make a file in memory that has no name."""
    if flags & MFD_HUGETLB:
        raise ENOSYS("no huge pages")
    if flags & ~KNOWN or (flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL):
        raise EINVAL("unknown or contradictory flags")
    text = t.memory.load_string(name.addr, NAME_MAX + 1)
    if text is None:
        raise EINVAL("name too long")
    world = t.world
    if world.memfds is None:
        own = world.own_objects
        world.memfds = memfd_mount(world.clock.realtime_ns if own else None, own)
    noexec = bool(flags & MFD_NOEXEC_SEAL)
    sealing = bool(flags & MFD_ALLOW_SEALING) or noexec
    file = open_memfd(t, world.memfds, text, sealing=sealing, noexec=noexec)
    return install(t, file, bool(flags & MFD_CLOEXEC))
