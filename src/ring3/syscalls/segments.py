"""Segments and ports of x86: set_thread_area, get_thread_area (i386), ioperm, iopl.

Source: set_thread_area(2), ioperm(2), iopl(2), arch/x86/kernel/ioport.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_RAWIO
from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.types import Addr, Int, UInt, ULong
from ring3.syscalls.table import syscall
from ring3.task.task import Task

PORTS = 65536


@syscall
def set_thread_area(t: Task, area: Addr) -> int:
    """Set a descriptor of thread-local storage; *area* points to a struct user_desc."""
    return t.vehicle.set_thread_area(area)


@syscall
def get_thread_area(t: Task, area: Addr) -> int:
    return t.vehicle.get_thread_area(area)


@syscall
def ioperm(t: Task, first: ULong, count: ULong, allow: Int) -> int:
    """Let the thread use I/O ports, or take that back."""
    if first + count > PORTS or not count:
        raise EINVAL("no such ports")
    if allow and not t.cred.capable(CAP_SYS_RAWIO):
        raise EPERM("needs CAP_SYS_RAWIO")
    return t.vehicle.permit_ports(first, count, bool(allow))


@syscall
def iopl(t: Task, level: UInt) -> int:
    """Set the I/O privilege level: 3 lets the thread use every port."""
    if level > 3:
        raise EINVAL("no such level")
    if level and not t.cred.capable(CAP_SYS_RAWIO):
        raise EPERM("needs CAP_SYS_RAWIO")
    return t.vehicle.set_iopl(level)
