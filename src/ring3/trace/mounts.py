"""Arguments of mounting, swapping and fanotify."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.trace.kinds import kind
from ring3.trace.names import names
from ring3.trace.text import addr

if TYPE_CHECKING:
    from ring3.trace.frame import Frame


# --- mounts ---------------------------------------------------------------------------------------
@kind
def mount_flags(x: Frame, v: int) -> str:
    from ring3.abi.mount import MS_MGC_MSK, MS_MGC_VAL

    if v & MS_MGC_MSK == MS_MGC_VAL:
        rest = v & ~MS_MGC_MSK
        return "MS_MGC_VAL" + (f"|{x.flags('mount', rest)}" if rest else "")
    return x.flags("mount", v)


def rebinds(x: Frame) -> bool:
    """Whether mount(2) changes what is mounted already: it ignores type and data then."""
    from ring3.abi.mount import MS_BIND, MS_MOVE, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE

    every = MS_BIND | MS_MOVE | MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE
    return bool(x.args[3] & every)


@kind
def fs_value(x: Frame, v: int) -> str:
    """fsconfig's value: a string, a path, bytes, or nothing."""
    from ring3.abi.mount import (
        FSCONFIG_SET_BINARY,
        FSCONFIG_SET_PATH,
        FSCONFIG_SET_PATH_EMPTY,
        FSCONFIG_SET_STRING,
    )

    command = x.args[1]
    if command == FSCONFIG_SET_STRING:
        return x.text(v)
    if command in (FSCONFIG_SET_PATH, FSCONFIG_SET_PATH_EMPTY):
        return x.path(v)
    return x.buffer(v, x.args[4]) if command == FSCONFIG_SET_BINARY else addr(v)


@kind
def mount_type(x: Frame, v: int) -> str:
    from ring3.abi.mount import MS_REMOUNT

    return addr(v) if rebinds(x) or x.args[3] & MS_REMOUNT else x.text(v)


@kind
def mount_data(x: Frame, v: int) -> str:
    return addr(v) if rebinds(x) else x.text(v)


@kind
def swap_flags(x: Frame, v: int) -> str:
    from ring3.abi.mount import SWAP_FLAG_PRIO_MASK

    value = v & 0xFFFFFFFF
    priority = value & SWAP_FLAG_PRIO_MASK
    shown = x.flags("swap", value & ~SWAP_FLAG_PRIO_MASK) if value & ~SWAP_FLAG_PRIO_MASK else ""
    if priority or not shown:
        shown += ("|" if shown else "") + str(priority)
    return shown


@kind
def fanotify_init(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    low = value & 0xC
    shown = names("fanotify_class").enum(low)
    rest = value & ~0xC
    return x.styled(value, f"{shown}|{names('fanotify_init').flags(rest)}" if rest else shown)
