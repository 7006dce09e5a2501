"""prctl(2) and arch_prctl(2), per option."""

from __future__ import annotations

from ring3.abi import prctl as pr
from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.kinds import enters, exits
from ring3.trace.signals import signal_name
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Frame

# --- prctl ----------------------------------------------------------------------------------------

PLAIN = {
    pr.PR_SET_DUMPABLE: "pr_dumpable",
    pr.PR_SET_TSC: "pr_tsc",
    pr.PR_SET_SECCOMP: "seccomp_mode",
}
"""Options with one argument out of a set of names."""
NUMBER = (
    pr.PR_SET_KEEPCAPS,
    pr.PR_SET_TIMERSLACK,
    pr.PR_SET_CHILD_SUBREAPER,
)
FIVE = (pr.PR_SET_NO_NEW_PRIVS, pr.PR_SET_THP_DISABLE, pr.PR_SET_IO_FLUSHER)
"""Options that print all of their five arguments."""
NOTHING = (
    pr.PR_GET_DUMPABLE,
    pr.PR_GET_KEEPCAPS,
    pr.PR_GET_SECCOMP,
    pr.PR_GET_TIMERSLACK,
    pr.PR_GET_TIMING,
    pr.PR_TASK_PERF_EVENTS_DISABLE,
    pr.PR_TASK_PERF_EVENTS_ENABLE,
    pr.PR_GET_SECUREBITS,
)
ZEROS = (pr.PR_GET_NO_NEW_PRIVS, pr.PR_GET_THP_DISABLE, pr.PR_MCE_KILL_GET, pr.PR_GET_IO_FLUSHER)
STORED = (pr.PR_GET_TSC, pr.PR_GET_CHILD_SUBREAPER, pr.PR_GET_PDEATHSIG, pr.PR_GET_TID_ADDRESS)


@enters("prctl")
def prctl_enter(x: Frame, a: Sequence[int]) -> str:
    option = a[0] & 0xFFFFFFFF
    name = x.enum("prctl", option)
    if option in PLAIN:
        return f"{name}, {x.enum(PLAIN[option], a[1])}"
    if option in NUMBER:
        return f"{name}, {a[1]}"
    if option in FIVE:
        return f"{name}, {a[1]}, {hexed(a[2])}, {hexed(a[3])}, {hexed(a[4])}"
    if option in NOTHING:
        return name
    if option in ZEROS:
        return f"{name}, {', '.join(hexed(v) for v in a[1:5])}"
    if option in STORED or option == pr.PR_GET_NAME:
        return f"{name}, "
    special = SPECIAL.get(option)
    if special is not None:
        return f"{name}, {special(x, a)}"
    return f"{name}, {', '.join(hexed(v) for v in a[1:5])}"


@exits("prctl")
def prctl_exit(x: Frame, a: Sequence[int]) -> str:
    option = a[0] & 0xFFFFFFFF
    if option == pr.PR_GET_NAME:
        return addr(a[1]) if x.failed else x.text(a[1])
    if option in STORED:
        number = None if x.failed else x.number(a[1], 8 if option == pr.PR_GET_TID_ADDRESS else 4)
        if number is None:
            return addr(a[1])
        if option == pr.PR_GET_PDEATHSIG:
            return f"[{signal_name(number)}]"
        if option == pr.PR_GET_TSC:
            return f"[{x.enum('pr_tsc', number)}]"
        return f"[{addr(number) if option == pr.PR_GET_TID_ADDRESS else number}]"
    if not x.failed:
        prctl_aux(x, option)
    return ""


def prctl_aux(x: Frame, option: int) -> None:
    """The words behind a result that names something."""
    if option == pr.PR_GET_DUMPABLE:
        x.aux = x.enum("pr_dumpable", x.result)
    elif option == pr.PR_GET_SECCOMP and x.result:
        x.aux = x.enum("seccomp_mode", x.result)
    elif option == pr.PR_GET_SECUREBITS and x.result:
        x.aux = x.flags("secbits", x.result)


def ambient(x: Frame, a: Sequence[int]) -> str:
    what = x.enum("pr_cap_ambient", a[1])
    if a[1] == pr.PR_CAP_AMBIENT_CLEAR_ALL:
        return f"{what}, {', '.join(hexed(v) for v in a[2:5])}"
    return f"{what}, {x.enum('cap', a[2])}, {hexed(a[3])}, {hexed(a[4])}"


def set_mm(x: Frame, a: Sequence[int]) -> str:
    return f"{x.enum('pr_set_mm', a[1])}, {', '.join(hexed(v) for v in a[2:5])}"


def set_vma(x: Frame, a: Sequence[int]) -> str:
    name = x.text(a[4]) if a[1] == pr.PR_SET_VMA_ANON_NAME else hexed(a[4])
    return f"{x.enum('pr_vma', a[1])}, {addr(a[2])}, {a[3]}, {name}"


def dispatch(x: Frame, a: Sequence[int]) -> str:
    return f"{x.enum('pr_dispatch', a[1])}, {hexed(a[2])}, {hexed(a[3])}, {addr(a[4])}"


SPECIAL: dict[int, Callable[[Frame, Sequence[int]], str]] = {
    pr.PR_SET_NAME: lambda x, a: x.text(a[1]),
    pr.PR_SET_PDEATHSIG: lambda x, a: signal_name(signed(a[1])),
    pr.PR_CAPBSET_READ: lambda x, a: x.enum("cap", a[1]),
    pr.PR_CAPBSET_DROP: lambda x, a: x.enum("cap", a[1]),
    pr.PR_SET_SECUREBITS: lambda x, a: x.flags("secbits", a[1]),
    pr.PR_CAP_AMBIENT: ambient,
    pr.PR_SET_MM: set_mm,
    pr.PR_SET_VMA: set_vma,
    pr.PR_SET_SYSCALL_USER_DISPATCH: dispatch,
    pr.PR_SET_PTRACER: lambda x, a: (
        "PR_SET_PTRACER_ANY" if a[1] == pr.PR_SET_PTRACER_ANY else str(a[1])
    ),
}

GETS = (pr.ARCH_GET_FS, pr.ARCH_GET_GS)


@enters("arch_prctl")
def arch_prctl_enter(x: Frame, a: Sequence[int]) -> str:
    option = a[0] & 0xFFFFFFFF
    name = x.enum("arch_prctl", option)
    if option in GETS:
        return f"{name}, "
    if option == pr.ARCH_GET_CPUID:
        return name
    return f"{name}, {hexed(a[1])}"


@exits("arch_prctl")
def arch_prctl_exit(x: Frame, a: Sequence[int]) -> str:
    if a[0] & 0xFFFFFFFF not in GETS:
        return ""
    number = None if x.failed else x.number(a[1], 8)
    return addr(a[1]) if number is None else f"[{hexed(number)}]"
