"""i386's ipc(2): all System V calls behind one number. Source: ipc/syscall.c."""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EINVAL, ENOSYS
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.ipc import (
    MSGCTL,
    MSGGET,
    MSGRCV,
    MSGSND,
    SEMCTL,
    SEMGET,
    SEMOP,
    SEMTIMEDOP,
    SHMAT,
    SHMCTL,
    SHMDT,
    SHMGET,
)
from ring3.abi.types import Addr, Blob, In, Int, Long, Out, RecordCodec, Timespec, UInt, ULong
from ring3.machine.base import Deferred, Result
from ring3.syscalls.sysv_msg import msgctl, msgget, msgrcv, msgsnd
from ring3.syscalls.sysv_sem import SEMBUF, operate, semctl, semget
from ring3.syscalls.sysv_shm import shmat, shmctl, shmdt, shmget
from ring3.syscalls.table import syscall
from ring3.task.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES = Blob()
WORD = 4


@syscall
def ipc(
    t: Task, call: UInt, first: Int, second: ULong, third: ULong, pointer: Addr, fifth: Long
) -> Result:
    """Do the System V call that *call* names; its upper half is a version."""
    mem, version, signed = t.memory, call >> 16, int_of(second)
    which = call & 0xFFFF
    if which in (SEMOP, SEMTIMEDOP):
        ops: In[tuple[int, int, int]] = In(mem, pointer, SEMBUF)
        limit: In[Timespec] = In(mem, fifth & 0xFFFFFFFF, RecordCodec(Timespec))
        return operate(t, first, ops, second, limit if which == SEMTIMEDOP else None)
    if which == SEMCTL:
        if not pointer:
            raise EINVAL("no argument")
        arg = int.from_bytes(mem.load(pointer, WORD), "little")
        return int(semctl(t, first, signed, int_of(third), arg))  # type: ignore[arg-type]
    if which == MSGRCV:
        return receive(t, version, first, second, int_of(third), pointer, fifth)
    if which == SHMAT:
        return attach(t, version, first, pointer, signed, third)
    simple: dict[int, Callable[[], Result]] = {
        SEMGET: lambda: semget(t, first, signed, int_of(third)),
        MSGSND: lambda: msgsnd(t, first, In(mem, pointer, BYTES), second, int_of(third)),
        MSGGET: lambda: msgget(t, first, signed),
        MSGCTL: lambda: msgctl(t, first, signed, pointer),
        SHMDT: lambda: shmdt(t, pointer),
        SHMGET: lambda: shmget(t, first, second, int_of(third)),
        SHMCTL: lambda: shmctl(t, first, signed, pointer),
    }
    action = simple.get(which)
    if action is None:
        raise ENOSYS(f"ipc call {which}")
    return action()


def int_of(word: int) -> int:
    return ((word & 0xFFFFFFFF) ^ (1 << 31)) - (1 << 31)


def receive(
    t: Task, version: int, ident: int, size: int, flags: int, pointer: int, kind: int
) -> Result:
    """msgrcv; version 0 has the buffer and the type in a struct (ipc_kludge)."""
    if version == 0:
        if not pointer:
            raise EINVAL
        raw = t.memory.load(pointer, 2 * WORD)
        pointer = int.from_bytes(raw[:WORD], "little")
        kind = int.from_bytes(raw[WORD:], "little", signed=True)
    return msgrcv(t, ident, Out(t.memory, pointer, BYTES), size, kind, flags)


def attach(t: Task, version: int, ident: int, addr: int, flags: int, where: int) -> Result:
    """shmat: the address is stored at *where*, the result is 0."""
    if version == 1:
        raise EINVAL("the iBCS2 form")

    def told(address: int) -> Result:
        if -4096 < address < 0:
            return address
        try:
            t.memory.store(where, address.to_bytes(WORD, "little"))
        except EFAULT as failed:
            return -failed.number
        return 0

    result = shmat(t, ident, addr, flags)
    if not isinstance(result, Deferred):
        outcome = told(result)
        if isinstance(outcome, int) and outcome < 0:
            raise EFAULT
        return outcome
    inner = result.then

    def then(address: int) -> Result | None:
        mapped = inner(address) if inner is not None else address
        return told(mapped) if isinstance(mapped, int) else mapped

    result.then = then
    return result
