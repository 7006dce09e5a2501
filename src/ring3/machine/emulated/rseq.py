"""Restartable sequences: a thread that lost the CPU inside one goes on at its abort handler.

Source: rseq(2), kernel/rseq.c (rseq_ip_fixup). The one CPU has number 0, which the area holds from
its registration on.
"""

from __future__ import annotations

import struct

from ring3.abi.errno import EFAULT
from ring3.abi.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from ring3.machine.emulated.thread import EmulatedVehicle

CRITICAL_SECTION_AT = 8
# struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip
SECTION = struct.Struct("<IIQQQ")


def restart_sequence(v: EmulatedVehicle) -> None:
    """Move *v*, about to return to user mode, out of a critical section. SIGSEGV for a bad one."""
    v.preempted = False
    if v.rseq is None:
        return
    area, _, signature = v.rseq
    memory = v.task.memory
    try:
        at = int.from_bytes(memory.load(area + CRITICAL_SECTION_AT, 8), "little")
        if not at:
            return
        version, _, start, length, abort = SECTION.unpack(memory.load(at, SECTION.size))
        memory.store(area + CRITICAL_SECTION_AT, bytes(8))
        if not start <= v.frame_field("rip") < start + length:
            return
        expected = memory.load(abort - 4, 4)
        if version or expected != signature.to_bytes(4, "little"):
            raise EFAULT("rseq: bad section")
    except EFAULT:
        from ring3.abi.signal import SI_KERNEL, SIGSEGV
        from ring3.machine.base import Fault

        context = v.context()
        go = v.machine.supervisor.fault(v.task, Fault(SIGSEGV, SI_KERNEL, 0), context)
        v.machine.end_of_trap(v, context, go)
        return
    v.set_frame_field("rip", abort)
    v.full_return = True
