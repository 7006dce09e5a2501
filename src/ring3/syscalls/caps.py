"""Capability sets of threads: capget and capset.

Source: kernel/capability.c, security/commoncap.c.
"""

from __future__ import annotations

from ring3.abi.capability import (
    _LINUX_CAPABILITY_VERSION_1,
    _LINUX_CAPABILITY_VERSION_2,
    _LINUX_CAPABILITY_VERSION_3,
    CAP_SETPCAP,
)
from ring3.abi.errno import EFAULT, EINVAL, EPERM, ESRCH
from ring3.abi.hints import TYPE_CHECKING, Annotated
from ring3.abi.types import In, InOut, Out, Packed
from ring3.syscalls.table import syscall
from ring3.task.credentials import ALL_CAPS, Credentials

if TYPE_CHECKING:
    from ring3.task.task import Task

CapHeader = Annotated["tuple[int, int]", Packed["tuple[int, int]"]("Ii", kind="cap_header")]
CapData = Annotated["tuple[int, int, int]", Packed["tuple[int, int, int]"]("III", kind="cap_data")]
CAP_WORDS = {
    _LINUX_CAPABILITY_VERSION_1: 1,
    _LINUX_CAPABILITY_VERSION_2: 2,
    _LINUX_CAPABILITY_VERSION_3: 2,
}


def cap_words(header: InOut[tuple[int, int]], version: int, pid: int) -> int:
    """32-bit words per set in *version*; of an unknown one the header is told the best, EINVAL."""
    words = CAP_WORDS.get(version)
    if words is None:
        header.store((_LINUX_CAPABILITY_VERSION_3, pid))
        raise EINVAL("capability version")
    return words


@syscall
def capget(t: Task, header: InOut[CapHeader], data: Out[CapData]) -> int:
    """Store the effective, permitted and inheritable capabilities of a thread."""
    version, pid = header.load()
    try:
        words = cap_words(header, version, pid)
    except EINVAL:
        if not data:
            return 0  # a probe of the version
        raise
    if pid < 0:
        raise EINVAL("pid")
    target = t if pid in (0, t.tid) else t.world.tasks.get(pid)
    if target is None and pid not in t.world.processes:
        raise ESRCH
    cred = target.cred if target is not None else Credentials()  # init has no thread
    if data:
        sets = cred.effective, cred.permitted, cred.inheritable
        rows = [tuple(s >> 32 * i & 0xFFFFFFFF for s in sets) for i in range(words)]
        data.store_array(rows)  # type: ignore[arg-type]
    return 0


@syscall
def capset(t: Task, header: InOut[CapHeader], data: In[CapData]) -> int:
    """Change the calling thread's capability sets."""
    version, pid = header.load()
    words = cap_words(header, version, pid)
    if pid not in (0, t.tid):
        raise EPERM("capabilities of another thread")
    if not data:
        raise EFAULT
    effective = permitted = inheritable = 0
    for i, (e, p, h) in enumerate(data.load_array(words)):
        effective |= e << 32 * i
        permitted |= p << 32 * i
        inheritable |= h << 32 * i
    effective, permitted, inheritable = (
        caps & ALL_CAPS for caps in (effective, permitted, inheritable)
    )
    old = t.cred
    if not old.capable(CAP_SETPCAP) and inheritable & ~(old.inheritable | old.permitted):
        raise EPERM("inheritable beyond permitted")
    if inheritable & ~(old.inheritable | old.bounding):
        raise EPERM("inheritable beyond the bounding set")
    if permitted & ~old.permitted or effective & ~permitted:
        raise EPERM("capabilities can only be given up")
    t.cred = old.but(
        effective=effective,
        permitted=permitted,
        inheritable=inheritable,
        ambient=old.ambient & permitted & inheritable,
    )
    return 0
