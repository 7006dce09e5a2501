"""System V semaphores: semget(2), semop(2), semctl(2)."""

from __future__ import annotations

from ring3.abi.errno import E2BIG, EAGAIN, EIDRM, EINVAL, ERANGE
from ring3.abi.hints import Annotated, Any, Final
from ring3.abi.ipc import (
    GETALL,
    GETNCNT,
    GETPID,
    GETVAL,
    GETZCNT,
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SEM_INFO,
    SEM_STAT,
    SEM_STAT_ANY,
    SEM_UNDO,
    SEMAEM,
    SEMMAP,
    SEMMNI,
    SEMMNS,
    SEMMNU,
    SEMMSL,
    SEMOPM,
    SEMUME,
    SEMUSZ,
    SEMVMX,
    SETALL,
    SETVAL,
)
from ring3.abi.types import In, Int, Packed, RecordCodec, Scalar, Timespec, UInt, ULong
from ring3.core.park import RESTART_NEVER, Park
from ring3.ipc.ids import S_IRUGO, S_IWUGO
from ring3.ipc.sem import Semaphore, SemaphoreSet
from ring3.syscalls.records import Timespec64
from ring3.syscalls.sysv_records import SemidDs, Seminfo, perm_fields
from ring3.syscalls.sysv_shm import IpcKey, plain_command, seconds
from ring3.syscalls.table import syscall
from ring3.task.task import Task

IpcFlags = Annotated[int, Scalar(32, flags="ipc", kind="flags")]
SemCommand = Annotated[int, Scalar(32, flags="sem_ctl", kind="enum")]
SEMBUF = Packed["tuple[int, int, int]"]("Hhh", kind="sembuf")
Sembuf = Annotated["tuple[int, int, int]", SEMBUF]
DS: Final[RecordCodec[SemidDs]] = RecordCodec(SemidDs)
INFO: Final[RecordCodec[Seminfo]] = RecordCodec(Seminfo)
OF_ONE: Final = (GETVAL, GETPID, GETNCNT, GETZCNT)


@syscall
def semget(t: Task, key: IpcKey, count: Int, flags: IpcFlags) -> int:
    """Find or make a set of *count* semaphores; return its id."""
    if not 0 <= count <= SEMMSL:
        raise EINVAL("number of semaphores")

    def make() -> SemaphoreSet:
        if not count:
            raise EINVAL("a new set needs semaphores")
        return SemaphoreSet(key, flags, t.cred, count, seconds(t))

    def fits(found: SemaphoreSet) -> None:
        if len(found.sems) < count:
            raise EINVAL("the set has fewer semaphores")

    return t.world.ipc.semaphores.get(key, flags, t.cred, make, fits).id


# --- operations -------------------------------------------------------------------------------
@syscall(ops="count")
def semop(t: Task, ident: Int, ops: In[Sembuf], count: UInt) -> int:
    """Do all of *ops* at once, waiting until that is possible."""
    return operate(t, ident, ops, count, None)


@syscall(ops="count")
def semtimedop(t: Task, ident: Int, ops: In[Sembuf], count: UInt, timeout: In[Timespec]) -> int:
    """``semop``, waiting for *timeout* at most."""
    return operate(t, ident, ops, count, timeout)


@syscall(ops="count")
def semtimedop_time64(
    t: Task, ident: Int, ops: In[Sembuf], count: UInt, timeout: In[Timespec64]
) -> int:
    """i386: ``semtimedop`` with 64-bit seconds."""
    return operate(t, ident, ops, count, timeout)


def operate(t: Task, ident: int, ops: In[Any], count: int, timeout: In[Any] | None) -> int:
    clock = t.world.clock
    if t.memo is None:
        until = None
        if timeout:
            until = clock.monotonic_ns() + timeout.load().ns()
        if not count or ident < 0:
            raise EINVAL
        if count > SEMOPM:
            raise E2BIG
        # What was checked is what is done, should the call wait and run again.
        t.memo = (until, ops.load_array(count), False)
    until_ns, todo, waited = t.memo
    table = t.world.ipc.semaphores
    try:
        sems = table.find(ident)
    except EINVAL:
        if waited:
            raise EIDRM from None
        raise
    alters = any(amount for _number, amount, _flags in todo)
    sems.check(t.cred, S_IWUGO if alters else S_IRUGO)
    undoes = any(flags & SEM_UNDO for _number, _amount, flags in todo)
    undo = table.undo_of(t.process, sems) if undoes else None
    request = sems.semop(todo, t.process.pid, undo, seconds(t))
    if request is None:
        return 0
    if until_ns is not None and clock.monotonic_ns() >= until_ns:
        raise EAGAIN("timed out")
    t.memo = (until_ns, todo, True)
    raise Park(request, deadline_ns=until_ns, restart=RESTART_NEVER)


# --- control ----------------------------------------------------------------------------------
@syscall
def semctl(t: Task, ident: Int, number: Int, cmd: SemCommand, arg: ULong) -> int:
    """Look at a set or a semaphore, change or remove it."""
    cmd = plain_command(t, cmd)
    if ident < 0:
        raise EINVAL("negative id")
    if cmd in (IPC_INFO, SEM_INFO):
        return tell_limits(t, cmd, arg)
    table, mem = t.world.ipc.semaphores, t.memory
    if cmd in (IPC_STAT, SEM_STAT, SEM_STAT_ANY):
        sems = table.find(ident) if cmd == IPC_STAT else table.at(ident)
        if cmd != SEM_STAT_ANY:
            sems.check(t.cred, S_IRUGO)
        told = SemidDs(
            otime=sems.otime, ctime=sems.ctime, nsems=len(sems.sems), **perm_fields(sems)
        )
        mem.store(arg, DS.encode(told, mem.word))
        return 0 if cmd == IPC_STAT else sems.id
    if cmd == IPC_SET:
        wanted = DS.decode(mem.load(arg, DS.size(mem.word)), mem.word)
        sems = table.find(ident)
        sems.check_owner(t.cred)
        sems.uid, sems.gid, sems.mode = wanted.uid, wanted.gid, wanted.mode & 0o777
        sems.ctime = seconds(t)
        return 0
    if cmd == IPC_RMID:
        sems = table.find(ident)
        sems.check_owner(t.cred)
        table.remove(sems)
        return 0
    sems = table.find(ident)
    if cmd in (GETALL, SETALL):
        return get_or_set_all(t, sems, cmd, arg)
    if cmd == SETVAL:
        return set_value(t, sems, number, arg)
    if cmd in OF_ONE:
        return look_at(t, sems, number, cmd)
    raise EINVAL("unknown command")


def member(sems: SemaphoreSet, number: int) -> Semaphore:
    if not 0 <= number < len(sems.sems):
        raise EINVAL("semaphore number")
    return sems.sems[number]


def look_at(t: Task, sems: SemaphoreSet, number: int, cmd: int) -> int:
    sems.check(t.cred, S_IRUGO)
    sem = member(sems, number)
    if cmd == GETVAL:
        return sem.value
    if cmd == GETPID:
        return sem.pid
    return sems.waiting(number, for_zero=cmd == GETZCNT)


def get_or_set_all(t: Task, sems: SemaphoreSet, cmd: int, arg: int) -> int:
    count, mem = len(sems.sems), t.memory
    sems.check(t.cred, S_IRUGO if cmd == GETALL else S_IWUGO)
    if cmd == GETALL:
        mem.store(arg, b"".join(s.value.to_bytes(2, "little") for s in sems.sems))
        return 0
    raw = mem.load(arg, 2 * count)
    values = [int.from_bytes(raw[i : i + 2], "little") for i in range(0, 2 * count, 2)]
    if max(values) > SEMVMX:
        raise ERANGE
    for number, value in enumerate(values):
        change(t, sems, number, value)
    settle(t, sems)
    return 0


def set_value(t: Task, sems: SemaphoreSet, number: int, arg: int) -> int:
    value = ((arg & 0xFFFFFFFF) ^ (1 << 31)) - (1 << 31)
    if not 0 <= value <= SEMVMX:
        raise ERANGE
    sems.check(t.cred, S_IWUGO)
    member(sems, number)
    change(t, sems, number, value)
    settle(t, sems)
    return 0


def change(t: Task, sems: SemaphoreSet, number: int, value: int) -> None:
    sems.sems[number].value = value
    sems.sems[number].pid = t.process.pid
    sems.forget_undo(number)


def settle(t: Task, sems: SemaphoreSet) -> None:
    """Values were set: grant what became possible."""
    sems.ctime = seconds(t)
    sems.grant(sems.ctime)


def tell_limits(t: Task, cmd: int, arg: int) -> int:
    """IPC_INFO and SEM_INFO: the result is the highest index in use."""
    table = t.world.ipc.semaphores
    told = Seminfo(
        semmap=SEMMAP,
        semmni=SEMMNI,
        semmns=SEMMNS,
        semmnu=SEMMNU,
        semmsl=SEMMSL,
        semopm=SEMOPM,
        semume=SEMUME,
        semusz=SEMUSZ,
        semvmx=SEMVMX,
        semaem=SEMAEM,
    )
    if cmd == SEM_INFO:
        told.semusz = len(table.objects)
        told.semaem = sum(len(s.sems) for s in table.objects.values())
    t.memory.store(arg, INFO.encode(told, t.memory.word))
    return table.highest()
