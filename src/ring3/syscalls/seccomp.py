"""seccomp(2): filters that a program sets on its own calls, and what their verdicts do.

On the native machine a filtered thread's calls are all routed to the kernel; a hostile guest
could take that routing back for the calls that its vehicle may do natively (data on granted
descriptors, its own memory), which is no more than it may do without a filter.
"""

from __future__ import annotations

from ring3.abi import prctl as p
from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EACCES, EINVAL, ENOMEM, EOPNOTSUPP, ESRCH
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.misc import (
    AUDIT_ARCH_I386,
    AUDIT_ARCH_X86_64,
    BPF_MAXINSNS,
    SECCOMP_FILTER_FLAG_LOG,
    SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_FILTER_FLAG_TSYNC,
    SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
    SECCOMP_GET_ACTION_AVAIL,
    SECCOMP_GET_NOTIF_SIZES,
    SECCOMP_MODE_FILTER,
    SECCOMP_MODE_STRICT,
    SECCOMP_RET_ACTION_FULL,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_DATA,
    SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS,
    SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_LOG,
    SECCOMP_RET_TRACE,
    SECCOMP_RET_TRAP,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_SET_MODE_STRICT,
)
from ring3.abi.signal import SIGKILL, SIGSYS, SYS_SECCOMP
from ring3.abi.types import Addr, In, Packed, UInt
from ring3.security.seccomp import CHAIN_MOST, DATA, Filter, strictest
from ring3.syscalls.signal import slowly
from ring3.syscalls.table import syscall
from ring3.task.jobs import terminate
from ring3.task.sending import force
from ring3.task.siginfo import SigInfo
from ring3.task.task import FILTERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.machine.base import Result
    from ring3.task.task import Task

WORD = (1 << 64) - 1
MAX_ERRNO = 4095
ENOSYS_NUMBER = 38
ARCHES = {"x86_64": AUDIT_ARCH_X86_64, "i386": AUDIT_ARCH_I386}
STRICT_CALLS = ("read", "write", "exit", "rt_sigreturn", "sigreturn")
KNOWN_FLAGS = (
    SECCOMP_FILTER_FLAG_TSYNC
    | SECCOMP_FILTER_FLAG_LOG
    | SECCOMP_FILTER_FLAG_SPEC_ALLOW
    | SECCOMP_FILTER_FLAG_TSYNC_ESRCH
)
ACTIONS = (
    SECCOMP_RET_KILL_PROCESS,
    SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_TRAP,
    SECCOMP_RET_ERRNO,
    SECCOMP_RET_TRACE,
    SECCOMP_RET_LOG,
    SECCOMP_RET_ALLOW,
)
PROGRAM = Packed["tuple[int, int]"]("H6xQ", "H2xI", kind="sock_fprog")


class Seccomp:
    """The mode of a thread and its filters, newest first. Immutable, so forks share it."""

    __slots__ = ("filters", "mode")

    def __init__(self, mode: int, filters: tuple[Filter, ...] = ()) -> None:
        self.mode = mode
        self.filters = filters

    @property
    def count(self) -> int:
        return len(self.filters)


# --- verdicts -----------------------------------------------------------------------------------
def judge(t: Task, nr: int, name: str, args: Sequence[int]) -> Result | None:
    """What the thread's filters make of a call: None to let it run, or its result without it.

    Deviates: the instruction pointer that filters see is 0.
    """
    state: Seccomp | None = t.seccomp
    if state is None:
        return None
    if state.mode == SECCOMP_MODE_STRICT:
        if name in STRICT_CALLS:
            return None
        return end(t, nr, SIGKILL, whole=False)
    word = WORD if t.memory.word == 64 else 0xFFFFFFFF
    data = DATA.pack(nr, ARCHES[t.abi], 0, *[arg & word for arg in args[:6]])
    action, author = strictest(state.filters, data)
    kind, value = action & SECCOMP_RET_ACTION_FULL, action & SECCOMP_RET_DATA
    if kind == SECCOMP_RET_ALLOW:
        return None
    if kind == SECCOMP_RET_LOG or (author is not None and author.log):
        t.world.log.say(f"seccomp: pid {t.process.pid} {name or nr}: action {kind:#x}")
    if kind == SECCOMP_RET_LOG:
        return None
    if kind == SECCOMP_RET_ERRNO:
        return -min(value, MAX_ERRNO)
    if kind == SECCOMP_RET_TRAP:
        info = SigInfo(SIGSYS, SYS_SECCOMP, syscall=nr, arch=ARCHES[t.abi])
        info.errno = value
        force(t, info)
        return nr  # the handler finds the registers as they were before the call
    if kind == SECCOMP_RET_TRACE:
        return -ENOSYS_NUMBER  # nobody traces
    return end(t, nr, SIGSYS, whole=kind != SECCOMP_RET_KILL_THREAD)


def end(t: Task, nr: int, signo: int, *, whole: bool) -> Result:
    """The verdict is death: of the process, or of the thread if there are others."""
    process = t.process
    t.world.log.say(f"seccomp: pid {process.pid} ({t.comm!r}) is killed for system call {nr}")
    if whole or len(process.threads) == 1:
        terminate(process, signo)
        return -ENOSYS_NUMBER
    from ring3.syscalls.exit import end_thread

    return end_thread(t, signo)


# --- setting filters ----------------------------------------------------------------------------
@syscall(partial="no user notification; filters see no instruction pointer")
def seccomp(t: Task, op: UInt, flags: UInt, args: Addr) -> Result:
    """Enter strict mode, add a filter, or ask what there is."""
    if op == SECCOMP_SET_MODE_STRICT:
        if flags or args:
            raise EINVAL("flags or args")
        return enter_strict(t)
    if op == SECCOMP_SET_MODE_FILTER:
        return add_filter(t, flags, args)
    if op == SECCOMP_GET_ACTION_AVAIL:
        if flags:
            raise EINVAL("flags")
        if int.from_bytes(t.memory.load(args, 4), "little") not in ACTIONS:
            raise EOPNOTSUPP("action")
        return 0
    if op == SECCOMP_GET_NOTIF_SIZES:
        if flags:
            raise EINVAL("flags")
        # seccomp_notif, seccomp_notif_resp, seccomp_data
        t.memory.store(args, b"".join(size.to_bytes(2, "little") for size in (80, 24, 64)))
        return 0
    raise EINVAL("operation")


def prctl_seccomp(t: Task, op: int, mode: int, args: int) -> Result:
    """PR_SET_SECCOMP and PR_GET_SECCOMP."""
    if op == p.PR_GET_SECCOMP:
        return t.seccomp.mode if t.seccomp is not None else 0
    if mode == SECCOMP_MODE_STRICT:
        return enter_strict(t)
    if mode == SECCOMP_MODE_FILTER:
        return add_filter(t, 0, args)
    raise EINVAL("mode")


def may_enter(t: Task, mode: int) -> None:
    """A mode cannot be left for another one. EINVAL."""
    if t.seccomp is not None and t.seccomp.mode != mode:
        raise EINVAL("already in another mode")


def enter_strict(t: Task) -> Result:
    may_enter(t, SECCOMP_MODE_STRICT)
    return filtered(t, t.seccomp or Seccomp(SECCOMP_MODE_STRICT))


def add_filter(t: Task, flags: int, at: int) -> Result:
    """Put one more filter before those there are. EINVAL, EFAULT, EACCES, ENOMEM, ESRCH."""
    if flags & SECCOMP_FILTER_FLAG_NEW_LISTENER:
        raise EINVAL("no user notification in this kernel")
    if flags & ~KNOWN_FLAGS:
        raise EINVAL("flags")
    program: In[tuple[int, int]] = In(t.memory, at, PROGRAM)
    count, where = program.load()
    if not 0 < count <= BPF_MAXINSNS:
        raise EINVAL("length of the filter")
    if not t.process.no_new_privs and not t.cred.capable(CAP_SYS_ADMIN):
        raise EACCES("no_new_privs is not set")
    if not where:
        raise EINVAL("no program")
    one = Filter(t.memory.load(where, 8 * count), bool(flags & SECCOMP_FILTER_FLAG_LOG))
    may_enter(t, SECCOMP_MODE_FILTER)
    old: tuple[Filter, ...] = t.seccomp.filters if t.seccomp is not None else ()
    if sum(len(f.code) + 4 for f in old) + count > CHAIN_MOST:
        raise ENOMEM("filters are too long together")
    threads = [t]
    if flags & SECCOMP_FILTER_FLAG_TSYNC:
        threads = list(t.process.threads.values())
        for other in threads:
            if other is not t and not descends(other, old):
                if flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH:
                    raise ESRCH("a thread has filters of its own")
                return other.tid
    state = Seccomp(SECCOMP_MODE_FILTER, (one, *old))
    for thread in threads:
        if thread is not t:
            thread.seccomp = state
            thread.attention |= FILTERED
            thread.vehicle.interrupt()  # so that its next call is routed
    return filtered(t, state)


def filtered(t: Task, state: Seccomp) -> Result:
    """From here on the thread's calls are judged. By way of the user context, where the machine
    sees that all of them have to come here now."""
    first = t.seccomp is None
    t.seccomp = state
    t.attention |= FILTERED
    return slowly(t, lambda context: None) if first else 0


def descends(other: Task, chain: tuple[Filter, ...]) -> bool:
    """Whether the filters of *other* are a tail of *chain* (TSYNC may replace them)."""
    state: Seccomp | None = other.seccomp
    if state is None:
        return True
    theirs = state.filters
    return state.mode == SECCOMP_MODE_FILTER and chain[len(chain) - len(theirs) :] == theirs
