"""exit(2), exit_group(2)."""

from __future__ import annotations

from ring3.abi.errno import EFAULT
from ring3.abi.types import Int
from ring3.machine.base import Result
from ring3.syscalls.table import syscall
from ring3.task.lifecycle import exit_thread
from ring3.task.task import Task


@syscall(name="exit")
def exit_(t: Task, status: Int) -> Result:
    """End this thread; the last one ends the process with *status*."""
    return end_thread(t, (status & 0xFF) << 8)


def end_thread(t: Task, wait_status: int) -> Result:
    """End this thread alone; the last one ends the process with *wait_status* (wait(2))."""
    process = t.process
    alone = len(process.threads) == 1
    if alone:
        process.state = "dying"
        process.exit_status = wait_status
    wakes = give_up_locks(t, clear_tid(t))
    vehicle = t.vehicle
    if not alone:
        exit_thread(t, wait_status)
    return vehicle.exit_thread(wait_status >> 8, wakes)


def clear_tid(t: Task) -> int:
    """set_tid_address(2)'s promise: zero the word; its address if somebody has to be woken."""
    if not t.clear_child_tid or not shares_memory(t):
        return 0
    try:
        t.memory.store(t.clear_child_tid, bytes(4))
    except EFAULT:
        return 0
    return t.clear_child_tid


def shares_memory(t: Task) -> bool:
    """Whether anybody is left who could look at the word (mm_users of mm_release())."""
    if len(t.process.threads) > 1:
        return True
    space = getattr(t, "space", None)
    return space is not None and any(
        other.space is space and not other.exiting
        for other in t.world.tasks.values()
        if other is not t and hasattr(other, "space")
    )


def give_up_locks(t: Task, cleared: int = 0) -> list[int]:
    """Mark the robust locks of a thread that ends. The words (*cleared* too, unless 0) on which
    somebody may wait in the host; other waiters are woken here."""
    wakes = [cleared] if cleared else []
    if t.robust_list:
        from ring3.task.pifutex import robust_exit

        wakes += robust_exit(t)
    if wakes and not t.world.machine.can_bind:
        from ring3.task.futex import key_of, wake

        for addr in wakes:
            wake(t.world, key_of(t, addr, False), 1)
        return []
    return wakes


@syscall
def exit_group(t: Task, status: Int) -> Result:
    """End all threads of the process with *status*."""
    process = t.process
    process.state = "dying"
    process.exit_status = (status & 0xFF) << 8
    for other in process.threads.values():
        if other is not t:
            other.unpark()
    wakes = give_up_locks(t)
    for other in process.threads.values():
        if other is not t:
            wakes += give_up_locks(other)
    return t.vehicle.exit_group(status, wakes)
