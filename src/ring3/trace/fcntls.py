"""fcntl(2): what its argument is depends on the command."""

from __future__ import annotations

from ring3.abi import fcntl as f
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.files import open_flags
from ring3.trace.kinds import enters, exits
from ring3.trace.names import names
from ring3.trace.signals import signal_name
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Frame

NOTHING = {
    f.F_GETFD, f.F_GETFL, f.F_GETOWN, f.F_GETSIG, f.F_GETLEASE, f.F_GETPIPE_SZ, f.F_GET_SEALS,
}  # fmt: skip
NEW_FD = {f.F_DUPFD, f.F_DUPFD_CLOEXEC}
HEX_RESULTS = {f.F_GETFD, f.F_GETFL, f.F_GETLEASE, f.F_GET_SEALS, f.F_GETSIG}
GET_LOCK = {f.F_GETLK, f.F_OFD_GETLK}
SET_LOCK = {f.F_SETLK, f.F_SETLKW, f.F_OFD_SETLK, f.F_OFD_SETLKW}
HINTS = {f.F_GET_RW_HINT, f.F_SET_RW_HINT, f.F_GET_FILE_RW_HINT, f.F_SET_FILE_RW_HINT}


def lock(x: Frame, v: int, whole: bool) -> str:
    """``{l_type=F_RDLCK, l_whence=SEEK_SET, l_start=0, l_len=1}``, with the owner if *whole*."""
    wide = x.word == 64 or x.plan.name == "fcntl64"
    form = layout("flock64" if wide and x.word == 32 else "flock", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    shown = (
        f"l_type={x.enum('lock_type', s['l_type'])}, l_whence={x.enum('whence', s['l_whence'])}, "
        f"l_start={s['l_start']}, l_len={s['l_len']}"
    )
    return "{" + shown + (f", l_pid={s['l_pid']}" if whole else "") + "}"


def owner(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    kind, who = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little", signed=True)
    return f"{{type={x.enum('owner_type', kind)}, pid={who}}}"


def hint(x: Frame, v: int) -> str:
    number = x.number(v, 8)
    return addr(v) if number is None else f"[{x.enum('rw_hint', number)}]"


INPUT: dict[int, Callable[[Frame, int], str]] = {
    f.F_SETFD: lambda x, v: x.flags("fd_flags", v & 0xFFFFFFFF),
    f.F_SETFL: lambda x, v: open_flags(x, v & 0xFFFFFFFF),
    f.F_SETOWN: lambda x, v: str(signed(v)),
    f.F_SETSIG: lambda x, v: signal_name(signed(v)),
    f.F_SETPIPE_SZ: lambda x, v: str(signed(v, x.word)),
    f.F_SETLEASE: lambda x, v: x.enum("lock_type", signed(v)),
    f.F_NOTIFY: lambda x, v: x.flags("dnotify", v & 0xFFFFFFFF),
    f.F_ADD_SEALS: lambda x, v: x.flags("seals", v & 0xFFFFFFFF),
    f.F_SETOWN_EX: owner,
    f.F_SET_RW_HINT: hint,
    f.F_SET_FILE_RW_HINT: hint,
    f.F_DUPFD: lambda x, v: str(v & 0xFFFFFFFF),
    f.F_DUPFD_CLOEXEC: lambda x, v: str(v & 0xFFFFFFFF),
}
for _command in SET_LOCK:
    INPUT[_command] = lambda x, v: lock(x, v, False)
OUTPUT: dict[int, Callable[[Frame, int], str]] = {
    f.F_GETOWN_EX: owner,
    f.F_GET_RW_HINT: hint,
    f.F_GET_FILE_RW_HINT: hint,
    f.F_GETOWNER_UIDS: lambda x, v: addr(v),
}
for _command in GET_LOCK:
    OUTPUT[_command] = lambda x, v: lock(x, v, True)


@enters("fcntl")
def fcntl_enter(x: Frame, a: Sequence[int]) -> str:
    command = a[1] & 0xFFFFFFFF
    head = f"{x.fd(a[0])}, {x.enum('fcntl_cmd', command)}"
    if command in NOTHING:
        return head
    if command in INPUT:
        return f"{head}, {INPUT[command](x, a[2])}"
    if command in OUTPUT:
        return f"{head}, "
    return f"{head}, {hexed(a[2])}"


@exits("fcntl")
def fcntl_exit(x: Frame, a: Sequence[int]) -> str:
    command = a[1] & 0xFFFFFFFF
    if command in OUTPUT:
        return addr(a[2]) if x.failed else OUTPUT[command](x, a[2])
    if x.failed or command not in HEX_RESULTS:
        return ""
    x.shown = hexed(x.result)
    if command == f.F_GETFL:
        x.aux = f"flags {open_flags(x, x.result)}"
    elif command == f.F_GETFD and x.result:
        x.aux = f"flags {x.flags('fd_flags', x.result)}"
    elif command == f.F_GETLEASE:
        x.aux = names("lock_type").by_value.get(x.result, hexed(x.result))
    elif command == f.F_GET_SEALS and x.result:
        x.aux = f"seals {x.flags('seals', x.result)}"
    elif command == f.F_GETSIG and x.result:
        x.shown = str(x.result)
        x.aux = signal_name(x.result)
    return ""
