"""Calls about the thread's own CPU state, done by the machine: membarrier and rseq."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.types import Addr, Int, UInt
from ring3.syscalls.table import syscall

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.task.task import Task


@syscall
def membarrier(t: Task, cmd: Int, flags: UInt, cpu: Int) -> Result:
    """Memory barriers on the CPUs that run this process: the host knows which."""
    return t.vehicle.host_call(t.nr, (cmd, flags, cpu & 0xFFFFFFFF))


@syscall
def rseq(t: Task, area: Addr, size: UInt, flags: Int, signature: UInt) -> Result:
    """Register the restartable-sequences area: the host keeps it up to date."""
    return t.vehicle.host_call(t.nr, (area, size, flags & 0xFFFFFFFF, signature))
