"""System V semaphores. Source: ipc/sem.c, semop(2).

A request that cannot be granted waits in its set's list; whoever changes a value grants what can
be granted, in order of arrival, and completes those calls on the spot: a value that was right for
a moment is never missed.
"""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EFBIG, EIDRM, ERANGE
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.ipc import IPC_NOWAIT, SEM_UNDO, SEMMNI, SEMVMX
from ring3.core.park import WaitQueue
from ring3.ipc.ids import IpcObject, IpcTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.core.park import Waiter
    from ring3.ipc.ids import IpcCred

    Op = tuple[int, int, int]
    """(semaphore number, operation, flags)."""


class Semaphore:
    __slots__ = ("pid", "value")

    def __init__(self) -> None:
        self.value = 0
        self.pid = 0
        """Who changed it last."""


class Request(WaitQueue):
    """One parked semop. Stands in the set's list exactly as long as a waiter stands in it."""

    __slots__ = ("blocker", "holder", "ops", "pid", "set")

    def __init__(self, of: SemaphoreSet, ops: Sequence[Op], pid: int, holder: Undo | None) -> None:
        super().__init__()
        self.set = of
        self.ops = ops
        self.pid = pid
        self.holder = holder
        self.blocker: Op = ops[0]
        """The operation it waits for."""

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        self.set.requests.append(self)

    def remove(self, waiter: Waiter) -> None:
        super().remove(waiter)
        self.leave()

    def finish(self, result: int, most: int | None = None) -> int:
        self.leave()
        return super().finish(result, most)

    def leave(self) -> None:
        if self in self.set.requests:
            self.set.requests.remove(self)


class SemaphoreSet(IpcObject):
    """One set."""

    def __init__(self, key: int, mode: int, cred: IpcCred, count: int, now: int) -> None:
        super().__init__(key, mode, cred)
        self.sems = [Semaphore() for _ in range(count)]
        self.requests: list[Request] = []
        self.undos: list[Undo] = []
        self.otime = 0
        """Time of the last semop, in seconds."""
        self.ctime = now

    def operate(self, ops: Sequence[Op], pid: int, undo: Undo | None) -> Op | None:
        """Do all of *ops*, or none of them: the operation that cannot be done now is returned.

        EFBIG for a semaphore number that does not exist; ERANGE, also for *undo*'s adjustments.
        """
        if any(number >= len(self.sems) for number, _op, _flags in ops):
            raise EFBIG
        values = {number: self.sems[number].value for number, _op, _flags in ops}
        adjust = dict(undo.adjust) if undo is not None else {}
        for op in ops:
            number, amount, flags = op
            if (amount == 0 and values[number]) or values[number] + amount < 0:
                return op
            values[number] += amount
            if values[number] > SEMVMX:
                raise ERANGE
            if flags & SEM_UNDO:
                adjust[number] = adjust.get(number, 0) - amount
                if not -SEMVMX - 1 <= adjust[number] <= SEMVMX:
                    raise ERANGE("undo value")
        for number, _amount, _flags in ops:
            self.sems[number].value = values[number]
            self.sems[number].pid = pid
        if undo is not None:
            undo.adjust = adjust
        return None

    def semop(self, ops: Sequence[Op], pid: int, undo: Undo | None, now: int) -> Request | None:
        """Do *ops* and grant what that makes possible; a request to wait in if they cannot be
        done. EAGAIN with IPC_NOWAIT; EFBIG, ERANGE."""
        stuck = self.operate(ops, pid, undo)
        if stuck is None:
            self.otime = now
            if any(amount for _number, amount, _flags in ops):
                self.grant(now)
            return None
        if stuck[2] & IPC_NOWAIT:
            raise EAGAIN("IPC_NOWAIT")
        request = Request(self, ops, pid, undo)
        request.blocker = stuck
        return request

    def grant(self, now: int) -> None:
        """Complete every waiting request that can be done, oldest first."""
        again = True
        while again:
            again = False
            for request in list(self.requests):
                try:
                    stuck = self.operate(request.ops, request.pid, request.holder)
                except ERANGE as failed:
                    request.finish(-failed.number)
                    continue
                if stuck is None:
                    self.otime = now
                    request.finish(0)
                    # What it did may let an older one go.
                    again = any(amount for _number, amount, _flags in request.ops)
                    if again:
                        break
                else:
                    request.blocker = stuck

    def waiting(self, number: int, *, for_zero: bool) -> int:
        """GETNCNT, GETZCNT: requests stuck at semaphore *number*."""
        return sum(
            1
            for request in self.requests
            if request.blocker[0] == number and (request.blocker[1] == 0) == for_zero
        )

    def forget_undo(self, number: int) -> None:
        """SETVAL and SETALL clear the adjustments of all processes."""
        for undo in self.undos:
            undo.adjust.pop(number, None)

    def gone(self) -> None:
        for request in list(self.requests):
            request.finish(-EIDRM.number)
        self.undos.clear()


class Undo:
    """What one process's exit gives back to one set (SEM_UNDO). Waits for that exit."""

    __slots__ = ("adjust", "pid", "set", "table")

    def __init__(self, table: SemaphoreTable, of: SemaphoreSet, pid: int) -> None:
        self.table = table
        self.set = of
        self.pid = pid
        self.adjust: dict[int, int] = {}
        of.undos.append(self)

    def woken(self, queue: WaitQueue) -> None:
        """The process is gone."""
        queue.remove(self)
        self.table.undos.pop((self.pid, self.set.id), None)
        if self.set.removed:
            return
        for number, amount in self.adjust.items():
            sem = self.set.sems[number]
            sem.value = min(max(sem.value + amount, 0), SEMVMX)
            sem.pid = self.pid
        if self in self.set.undos:
            self.set.undos.remove(self)
        self.set.grant(self.set.otime)

    def finished(self, queue: WaitQueue, result: int) -> None:
        """An exit is only ever announced by a wake."""


class SemaphoreTable(IpcTable[SemaphoreSet]):
    def __init__(self) -> None:
        super().__init__(SEMMNI)
        self.undos: dict[tuple[int, int], Undo] = {}
        """(process, set) -> what its exit undoes."""

    def undo_of(self, process: Any, of: SemaphoreSet) -> Undo:
        """The adjustments of *process* (``pid``, ``exit_event``) for set *of*."""
        undo = self.undos.get((process.pid, of.id))
        if undo is None:
            undo = self.undos[process.pid, of.id] = Undo(self, of, process.pid)
            process.exit_event.add(undo)
        return undo
