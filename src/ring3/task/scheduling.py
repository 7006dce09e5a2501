"""Scheduling parameters of a thread. The host schedules; these are remembered and inherited."""

from __future__ import annotations

import os

from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.sched import SCHED_NORMAL

if TYPE_CHECKING:
    from ring3.task.task import Task
    from ring3.task.world import World

DEFAULT_SLACK_NS: Final = 50_000


class Sched:
    """Immutable: a change makes a new object, so a new thread may share its parent's."""

    __slots__ = ("affinity", "ioprio", "policy", "priority", "reset_on_fork", "slack_ns")

    def __init__(self) -> None:
        self.policy = SCHED_NORMAL
        self.priority = 0
        """1..99 of SCHED_FIFO and SCHED_RR, 0 of the others."""
        self.reset_on_fork = False
        self.affinity = 0
        """Bit n: may run on CPU n. 0: on all."""
        self.ioprio = 0
        self.slack_ns = DEFAULT_SLACK_NS

    def but(self, **changes: Any) -> Sched:
        other = Sched()
        for name in Sched.__slots__:
            setattr(other, name, changes.get(name, getattr(self, name)))
        return other


DEFAULT: Final = Sched()


def sched_of(task: Task) -> Sched:
    """The parameters of *task*."""
    return task.sched or DEFAULT


def inherited(task: Task) -> Sched:
    """The parameters of a new thread or process that *task* makes."""
    mine = sched_of(task)
    if mine.reset_on_fork:
        return mine.but(policy=SCHED_NORMAL, priority=0, reset_on_fork=False)
    return mine


def cpus(world: World) -> int:
    """The CPUs that guests may use, as a set: those the kernel process may use itself, or those of
    a machine that has its own (``cpu_set``)."""
    mask: int = getattr(world.machine, "cpu_set", 0)
    if mask:
        return mask
    for cpu in os.sched_getaffinity(0):
        mask |= 1 << cpu
    return mask
