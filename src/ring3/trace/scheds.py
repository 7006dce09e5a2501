"""Scheduling: policies, CPU sets, priorities."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.abi.sched import (
    SCHED_ATTR_SIZE_VER0,
)
from ring3.trace.kinds import kind, kind_of
from ring3.trace.names import names
from ring3.trace.text import addr, hexed

if TYPE_CHECKING:
    from ring3.trace.frame import Decoder, Frame


# --- scheduling -----------------------------------------------------------------------------------
@kind
def policy(x: Frame, v: int) -> str:
    return x.enum("sched_policy", v & 0xFFFFFFFF)


@kind
def sched_param(x: Frame, v: int) -> str:
    number = x.number(v, 4, True)
    return addr(v) if number is None else f"[{number}]"


CPU_BYTES = 1 << 13


@kind_of
def cpus(size_at: str) -> Decoder:
    """``[0 1]``: the members of a CPU set."""

    def show(x: Frame, v: int) -> str:
        size = x.result if size_at == "ret" else x.args[int(size_at)] & 0xFFFFFFFF
        if not size and v:
            return "[]"
        data = x.load(v, size) if size <= CPU_BYTES else None
        if data is None:
            return addr(v)
        whole = int.from_bytes(data, "little")
        return f"[{' '.join(str(n) for n in range(size * 8) if whole >> n & 1)}]"

    return show


@kind
def sched_attr(x: Frame, v: int) -> str:
    form = layout("sched_attr")
    size = x.number(v)
    if size is None:
        return addr(v)
    if x.plan.name == "sched_getattr" and size < SCHED_ATTR_SIZE_VER0:
        return f"{{size={size}}}"
    data = x.load(v, min(size, form.size) if size else form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data.ljust(form.size, b"\0"))
    parts = [
        f"size={s['size']}",
        f"sched_policy={x.enum('sched_policy', s['sched_policy'])}",
        f"sched_flags={x.flags('sched_flags', s['sched_flags'])}",
    ]
    fields = ("nice", "priority", "runtime", "deadline", "period")
    parts += [f"sched_{n}={s[f'sched_{n}']}" for n in fields]
    if size >= 56:
        parts += [f"sched_util_{n}={hexed(s[f'sched_util_{n}'])}" for n in ("min", "max")]
    return "{" + ", ".join(parts) + "}"


@kind
def kcmp_rest(x: Frame, v: int) -> str:
    """The two indexes, for what has any."""
    from ring3.abi.misc import KCMP_EPOLL_TFD, KCMP_FILE

    which, one, two = x.args[2:5]
    if which == KCMP_FILE:
        return f", {x.fd(one)}, {x.fd(two)}"
    if which == KCMP_EPOLL_TFD:
        return f", {x.fd(one)}, {addr(two)}"
    known = which & 0xFFFFFFFF in names("kcmp").by_value
    return "" if known else f", {hexed(one)}, {hexed(two)}"


@kind
def ioprio(x: Frame, v: int) -> str:
    from ring3.abi.resource import IOPRIO_CLASS_SHIFT

    value = v & 0xFFFFFFFF
    name = x.enum("ioprio_class", value >> IOPRIO_CLASS_SHIFT)
    return f"IOPRIO_PRIO_VALUE({name}, {value & ((1 << IOPRIO_CLASS_SHIFT) - 1)})"
