"""Calls about the thread's own CPU state, done by the machine: arch_prctl, membarrier, rseq.

Source: arch/x86/kernel/process_64.c.
"""

from __future__ import annotations

from ring3.abi import prctl as p
from ring3.abi.errno import EFAULT, EINVAL, ENODEV, EPERM
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


# --- arch_prctl ---------------------------------------------------------------------------------
SEGMENT_BASES = (p.ARCH_SET_FS, p.ARCH_SET_GS, p.ARCH_GET_FS, p.ARCH_GET_GS)
XSTATE_QUERIES = (
    p.ARCH_GET_XCOMP_SUPP,
    p.ARCH_GET_XCOMP_PERM,
    p.ARCH_GET_XCOMP_GUEST_PERM,
)
TASK_SIZE = (1 << 47) - 4096


@syscall(partial="segment bases, CPUID and queries of extended state")
def arch_prctl(t: Task, op: Int, addr: Addr) -> Result:
    """Set or get the base of FS or GS, and what concerns the CPU alone."""
    if op in SEGMENT_BASES:
        if op in (p.ARCH_SET_FS, p.ARCH_SET_GS):
            if addr >= TASK_SIZE:
                raise EPERM("not a user address")
        elif not addr:
            raise EFAULT
        return t.vehicle.host_call(t.nr, (op, addr))
    if op in XSTATE_QUERIES:
        return t.vehicle.host_call(t.nr, (op, addr))
    if op == p.ARCH_GET_CPUID:
        return 1
    if op == p.ARCH_SET_CPUID:
        if not addr:
            raise ENODEV("CPUID faulting")
        return 0
    raise EINVAL(f"arch_prctl {op:#x}")
