"""socketcall(2): i386's one door to all socket calls."""

from __future__ import annotations

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.types import I386, X86_64, In, Int, Word
from ring3.syscalls.table import declared, syscall
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.machine.base import Result
    from ring3.syscalls.table import Binder

INNER: Final = (
    ("socket", 3),
    ("bind", 3),
    ("connect", 3),
    ("listen", 2),
    ("accept", 3),
    ("getsockname", 3),
    ("getpeername", 3),
    ("socketpair", 4),
    ("sendto", 4),  # send
    ("recvfrom", 4),  # recv
    ("sendto", 6),
    ("recvfrom", 6),
    ("shutdown", 2),
    ("setsockopt", 5),
    ("getsockopt", 5),
    ("sendmsg", 3),
    ("recvmsg", 3),
    ("accept4", 4),
    ("recvmmsg", 5),
    ("sendmmsg", 4),
)
"""The call that number 1 and up stand for, and how many arguments it takes from memory."""

binders: dict[tuple[str, int], Binder] = {}


@syscall
def socketcall(t: Task, call: Int, args: In[Word]) -> Result:
    """Make the socket call numbered *call* with arguments that lie in memory."""
    if not 1 <= call <= len(INNER):
        raise EINVAL("socket call")
    name, count = INNER[call - 1]
    values = args.load_array(count) + [0] * (6 - count)
    word = t.memory.word
    binder = binders.get((name, word))
    if binder is None:
        inner = declared(name)
        assert inner is not None
        binder = binders[name, word] = inner.bind(I386 if word == 32 else X86_64)
    return binder(t, values)
