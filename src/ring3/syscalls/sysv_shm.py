"""System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2)."""

from __future__ import annotations

from ring3.abi.capability import CAP_IPC_LOCK
from ring3.abi.errno import EEXIST, EINVAL, ENOSYS, EPERM
from ring3.abi.hints import Annotated, Final
from ring3.abi.ipc import (
    IPC_64,
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SEM_STAT,
    SEM_STAT_ANY,
    SHM_EXEC,
    SHM_HUGETLB,
    SHM_INFO,
    SHM_LOCK,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
    SHM_STAT,
    SHM_STAT_ANY,
    SHM_UNLOCK,
    SHMMIN,
    SHMMNI,
    SHMSEG,
)
from ring3.abi.mman import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from ring3.abi.types import PAGE_SIZE, Addr, Int, Record, RecordCodec, Scalar, Size
from ring3.ipc.ids import S_IRUGO, S_IWUGO, S_IXUGO
from ring3.ipc.shm import SHM_LOCKED, Attachment, Segment, ShmFile
from ring3.machine.base import Deferred, Result
from ring3.syscalls.sysv_records import ShmidDs, ShmInfo, Shminfo, perm_fields
from ring3.syscalls.table import syscall
from ring3.task.task import Task

IpcKey = Annotated[int, Scalar(32, kind="ipc_key")]
ShmGetFlags = Annotated[int, Scalar(32, flags="shm_get", kind="flags")]
ShmAtFlags = Annotated[int, Scalar(32, flags="shm_at", kind="flags")]
ShmCommand = Annotated[int, Scalar(32, flags="shm_ctl", kind="enum")]
SHMMAX: Final = {64: (1 << 64) - 1 - (1 << 24), 32: (1 << 32) - 1 - (1 << 24)}
MOST_BYTES: Final = 1 << 46
"""More than any host can back; Linux finds ENOMEM there too."""
DS: Final[RecordCodec[ShmidDs]] = RecordCodec(ShmidDs)
SECOND_NS: Final = 1_000_000_000
OLD_STRUCTS: Final = (IPC_SET, IPC_STAT, IPC_INFO, SHM_STAT, SHM_STAT_ANY, SEM_STAT, SEM_STAT_ANY)


def plain_command(t: Task, cmd: int) -> int:
    """*cmd* of a ...ctl call without IPC_64. Without that flag, an i386 program means structs
    that went out of use before 2000: EINVAL."""
    if t.memory.word == 32 and not cmd & IPC_64 and cmd in OLD_STRUCTS:
        raise EINVAL("the structs of before IPC_64")
    return cmd & ~IPC_64


def seconds(t: Task) -> int:
    return t.world.clock.realtime_ns() // SECOND_NS


@syscall(partial="no SHM_HUGETLB")
def shmget(t: Task, key: IpcKey, size: Size, flags: ShmGetFlags) -> int:
    """Find or make a segment; return its id."""
    if flags & SHM_HUGETLB:
        raise ENOSYS("no huge pages")

    def make() -> Segment:
        if not SHMMIN <= size <= min(SHMMAX[t.memory.word], MOST_BYTES):
            raise EINVAL("segment size")
        own = not t.world.machine.can_bind
        return Segment(key, flags, t.cred, size, t.process.pid, seconds(t), own)

    def fits(found: Segment) -> None:
        if found.size < size:
            raise EINVAL("the segment is smaller")

    return t.world.ipc.shm.get(key, flags, t.cred, make, fits).id


@syscall(partial="munmap of an attached range leaves it counted until the process ends")
def shmat(t: Task, ident: Int, addr: Addr, flags: ShmAtFlags) -> Result:
    """Map a segment; return where."""
    if addr % PAGE_SIZE:
        if not flags & SHM_RND:
            raise EINVAL("address is not aligned")
        addr -= addr % PAGE_SIZE
    if not addr and flags & SHM_REMAP:
        raise EINVAL("SHM_REMAP needs an address")
    table = t.world.ipc.shm
    segment = table.find(ident)
    prot, wanted = PROT_READ, S_IRUGO
    if not flags & SHM_RDONLY:
        prot, wanted = prot | PROT_WRITE, wanted | S_IWUGO
    if flags & SHM_EXEC:
        prot, wanted = prot | PROT_EXEC, wanted | S_IXUGO
    segment.check(t.cred, wanted)
    how = MAP_SHARED
    if addr:
        how |= MAP_FIXED if flags & SHM_REMAP else MAP_FIXED_NOREPLACE
    try:
        mapped = t.space.map(t.vehicle, addr, segment.length, prot, how, ShmFile(segment), 0)
    except EEXIST:
        raise EINVAL("something is mapped there") from None

    def attached(where: int) -> int:
        if -4096 < where < 0:
            return -EINVAL.number if where == -EEXIST.number else where
        attachment = Attachment(table, segment, where, lambda: seconds(t))
        attachment.pin()
        t.process.mapped_files.append(attachment)
        segment.atime, segment.lpid = seconds(t), t.process.pid
        return where

    if isinstance(mapped, Deferred):
        mapped.then = attached
        return mapped
    return attached(mapped)


@syscall
def shmdt(t: Task, addr: Addr) -> Result:
    """Unmap the segment that was attached at *addr*."""
    for attachment in t.process.mapped_files:
        if isinstance(attachment, Attachment) and attachment.addr == addr:
            break
    else:
        raise EINVAL("nothing is attached there")
    t.process.mapped_files.remove(attachment)
    attachment.segment.lpid = t.process.pid
    attachment.unpin()
    return t.space.unmap(t.vehicle, addr, attachment.segment.length)


@syscall(partial="SHM_LOCK and SHM_UNLOCK only mark the segment")
def shmctl(t: Task, ident: Int, cmd: ShmCommand, buf: Addr) -> int:
    """Look at a segment, change or remove it."""
    table, mem = t.world.ipc.shm, t.memory
    cmd = plain_command(t, cmd)
    if cmd in (IPC_INFO, SHM_INFO):
        return tell_limits(t, cmd, buf)
    if cmd in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
        segment = table.find(ident) if cmd == IPC_STAT else table.at(ident)
        if cmd != SHM_STAT_ANY:
            segment.check(t.cred, S_IRUGO)
        mem.store(buf, DS.encode(describe(segment), mem.word))
        return 0 if cmd == IPC_STAT else segment.id
    if cmd == IPC_SET:
        wanted = DS.decode(mem.load(buf, DS.size(mem.word)), mem.word)
        segment = table.find(ident)
        segment.check_owner(t.cred)
        segment.uid, segment.gid = wanted.uid, wanted.gid
        segment.mode = segment.mode & ~0o777 | wanted.mode & 0o777
        segment.ctime = seconds(t)
        return 0
    if cmd == IPC_RMID:
        segment = table.find(ident)
        segment.check_owner(t.cred)
        table.mark_removed(segment)
        return 0
    if cmd in (SHM_LOCK, SHM_UNLOCK):
        segment = table.find(ident)
        if t.cred.euid not in (segment.uid, segment.cuid) and not t.cred.capable(CAP_IPC_LOCK):
            raise EPERM("neither owner nor creator")
        segment.mode = segment.mode | SHM_LOCKED if cmd == SHM_LOCK else segment.mode & ~SHM_LOCKED
        return 0
    raise EINVAL("unknown command")


def describe(segment: Segment) -> ShmidDs:
    return ShmidDs(
        segsz=segment.size,
        atime=segment.atime,
        dtime=segment.dtime,
        ctime=segment.ctime,
        cpid=segment.cpid,
        lpid=segment.lpid,
        nattch=segment.attached,
        **perm_fields(segment),
    )


def tell_limits(t: Task, cmd: int, buf: int) -> int:
    """IPC_INFO and SHM_INFO: the result is the highest index in use."""
    table, word = t.world.ipc.shm, t.memory.word
    told: Record
    if cmd == IPC_INFO:
        most = SHMMAX[word]
        told = Shminfo(shmmax=most, shmmin=SHMMIN, shmmni=SHMMNI, shmseg=SHMSEG, shmall=most)
    else:
        pages = table.pages()
        told = ShmInfo(used_ids=len(table.objects), shm_tot=pages, shm_rss=pages, shm_swp=0)
    t.memory.store(buf, RecordCodec(type(told)).encode(told, word))
    return table.highest()
