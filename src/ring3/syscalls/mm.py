"""Memory: mmap, munmap, mprotect, mremap, brk, madvise, msync, mincore, mlock and kin.

What the calls do to the caller's own map is the machine's; the kernel decides which file may be
mapped how, and keeps the content of mapped files alive.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EACCES, EBADF, EINVAL, ENODEV, EOVERFLOW
from ring3.abi.hints import Annotated
from ring3.abi.mman import (
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_TYPE,
)
from ring3.abi.types import PAGE_SIZE, Addr, Bytes, Fd, Int, Out, Scalar, Size, ULong
from ring3.machine.base import Result
from ring3.syscalls.table import syscall
from ring3.task.task import Task
from ring3.vfs.file import File

Prot = Annotated[int, Scalar(0, signed=False, flags="prot", kind="flags")]
MapFlags = Annotated[int, Scalar(0, signed=False, flags="map", kind="flags")]
RemapFlags = Annotated[int, Scalar(0, signed=False, flags="mremap", kind="flags")]
Advice = Annotated[int, Scalar(32, flags="madvise", kind="enum")]
SyncFlags = Annotated[int, Scalar(32, flags="msync", kind="flags")]
OLD_ARGUMENTS = struct.Struct("<4IiI")
"""struct mmap_arg_struct32."""
LockFlags = Annotated[int, Scalar(32, flags="mlockall", kind="flags")]


@syscall
def mmap(
    t: Task, addr: Addr, length: Size, prot: Prot, flags: MapFlags, fd: Fd, offset: ULong
) -> Result:
    """Map a file or memory into the caller's address space.

    On i386 this is the oldest form: the first argument points to a struct of all six.
    """
    if t.memory.word == 32:
        packed = t.memory.load(addr, OLD_ARGUMENTS.size)
        addr, length, prot, flags, fd, offset = OLD_ARGUMENTS.unpack(packed)
    if offset % PAGE_SIZE:
        raise EINVAL("offset is not page-aligned")
    return map_memory(t, addr, length, prot, flags, fd, offset)


@syscall
def mmap2(
    t: Task, addr: Addr, length: Size, prot: Prot, flags: MapFlags, fd: Fd, pages: ULong
) -> Result:
    """``mmap`` with its offset in pages of 4 KiB (i386)."""
    return map_memory(t, addr, length, prot, flags, fd, pages * PAGE_SIZE)


def map_memory(
    t: Task, addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> Result:
    if flags & MAP_ANONYMOUS:
        if flags & MAP_TYPE not in (MAP_PRIVATE, MAP_SHARED):
            raise EINVAL("neither private nor shared")
        return t.space.map(t.vehicle, addr, length, prot, flags, None, offset)
    file: File = t.fds.get(fd)
    if not length:
        raise EINVAL("nothing to map")
    kind = flags & MAP_TYPE
    if kind not in (MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE):
        raise EINVAL("neither private nor shared")
    if flags & MAP_HUGETLB:
        raise EINVAL("no huge pages of files")
    if offset + length >= 1 << 63:
        raise EOVERFLOW
    if file.kind == "path":
        raise EBADF("opened with O_PATH")
    if not file.readable:
        raise EACCES("mmap needs a file open for reading")
    file.map_content(prot, kind != MAP_PRIVATE)  # refuses what cannot be mapped
    inode = getattr(file, "inode", None)
    if inode is None:
        raise ENODEV
    inode.pin()
    t.process.mapped_files.append(inode)
    if file.place is not None:
        t.process.map_places[inode] = file.place
    return t.space.map(t.vehicle, addr, length, prot, flags, file, offset)


@syscall
def munmap(t: Task, addr: Addr, length: Size) -> Result:
    return t.space.unmap(t.vehicle, addr, length)


@syscall
def mprotect(t: Task, addr: Addr, length: Size, prot: Prot) -> Result:
    return t.space.protect(t.vehicle, addr, length, prot)


@syscall
def mremap(
    t: Task, old: Addr, old_size: Size, new_size: Size, flags: RemapFlags, new: Addr
) -> Result:
    return t.space.remap(t.vehicle, old, old_size, new_size, flags, new)


@syscall
def brk(t: Task, addr: Addr) -> Result:
    return t.space.set_brk(t.vehicle, addr)


def own_memory(t: Task) -> Result:
    """A call on the caller's own memory that the machine carries out as it is."""
    return t.space.advise(t.vehicle, t.nr, t.args)


@syscall
def madvise(t: Task, addr: Addr, length: Size, advice: Advice) -> Result:
    return own_memory(t)


@syscall
def msync(t: Task, addr: Addr, length: Size, flags: SyncFlags) -> Result:
    return own_memory(t)


@syscall(vec="length")
def mincore(t: Task, addr: Addr, length: Size, vec: Out[Bytes]) -> Result:
    return own_memory(t)


@syscall
def mlock(t: Task, addr: Addr, length: Size) -> Result:
    return own_memory(t)


@syscall
def mlock2(t: Task, addr: Addr, length: Size, flags: Int) -> Result:
    return own_memory(t)


@syscall
def munlock(t: Task, addr: Addr, length: Size) -> Result:
    return own_memory(t)


@syscall
def mlockall(t: Task, flags: LockFlags) -> Result:
    return own_memory(t)


@syscall
def munlockall(t: Task) -> Result:
    return own_memory(t)
