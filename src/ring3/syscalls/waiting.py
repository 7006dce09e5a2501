"""What calls that wait for readiness share: deadlines, swapped signal masks, remaining time.

``t.memo`` holds the absolute deadline from the first run on: FOREVER, AT_ONCE, or nanoseconds of
the monotonic clock.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EINVAL, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.misc import STICKY_TIMEOUTS
from ring3.core.park import RESTART_NOHAND, Park, WaitQueue
from ring3.syscalls.transfer import signal_pending
from ring3.task import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring3.abi.types import In, InOut
    from ring3.task.task import Task

FOREVER: Final = -1
AT_ONCE: Final = 0
SIGSET_SIZE: Final = 8
MILLISECOND_NS: Final = 1_000_000


END_OF_TIME_NS = ((1 << 63) - 1) * 1_000_000_000
"""Linux's TIME64_MAX, where deadlines stop."""


def deadline(t: Task, wait_ns: int | None) -> int:
    """The memo of a call that waits for *wait_ns* (None: for ever)."""
    if wait_ns is None:
        return FOREVER
    return min(t.world.clock.monotonic_ns() + wait_ns, END_OF_TIME_NS) if wait_ns else AT_ONCE


def wait(t: Task, until: int, queues: Iterable[WaitQueue], restart: int = RESTART_NOHAND) -> None:
    """Park until *until*; return if that time has come."""
    if until == FOREVER:
        raise Park(*queues, restart=restart)
    if until == AT_ONCE or t.world.clock.monotonic_ns() >= until:
        return
    raise Park(*queues, deadline_ns=until, restart=restart)


def swap_mask(t: Task, mask: In[int], size: int) -> None:
    """Block *mask* instead (NULL: leave all as it is). EINVAL, EFAULT."""
    if mask:
        if size != SIGSET_SIZE:
            raise EINVAL("signal set size")
        signals.swap_mask(t, mask.load())


def run(t: Task, body: Callable[[], int], timeout: InOut[Any] | None = None) -> int:
    """Run *body*; at the call's end give the old mask back and store the time that is left.

    When a signal ends the call, the mask comes back later, once handlers were entered.
    """
    try:
        result = body()
    except Park:
        if timeout and signal_pending(t):
            store_left(t, timeout)
        raise
    except Errno:
        signals.restore_mask(t)
        if timeout:
            store_left(t, timeout)
        raise
    signals.restore_mask(t)
    if timeout:
        store_left(t, timeout)
    return result


def store_left(t: Task, timeout: InOut[Any]) -> None:
    """Tell how much time was left, as only Linux does. Read-only memory is no error."""
    until = t.memo
    if until in (None, FOREVER, AT_ONCE) or t.process.personality & STICKY_TIMEOUTS:
        return
    left = max(0, until - t.world.clock.monotonic_ns())
    try:
        timeout.store(timeout.codec.cls.of(left))
    except EFAULT:
        pass
