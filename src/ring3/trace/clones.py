"""execve(2), clone(2) and clone3(2)."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_INTO_CGROUP,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
    CSIGNAL,
)
from ring3.trace.kinds import enters, exits, kind
from ring3.trace.names import names
from ring3.trace.signals import signal_name
from ring3.trace.text import addr, hexed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Frame


# --- exec -----------------------------------------------------------------------------------------
def strings(x: Frame, v: int) -> tuple[list[str], str] | None:
    """(the strings of a NULL-terminated array as far as -s, what follows them)."""
    word = x.word // 8
    shown: list[str] = []
    at = v
    while True:
        pointer = x.number(at, word)
        if pointer is None:
            return (shown, f", ... /* {addr(at)} */") if shown else None
        if not pointer:
            return shown, ""
        if x.abbrev and len(shown) >= x.style.strlen:
            return shown, ", ..."
        shown.append(x.text(pointer))
        at += word


@kind
def argv(x: Frame, v: int) -> str:
    found = strings(x, v) if v else None
    return addr(v) if found is None else f"[{', '.join(found[0])}{found[1]}]"


@kind
def envp(x: Frame, v: int) -> str:
    if not x.abbrev:
        return argv(x, v)
    if not v:
        return "NULL"
    word, count = x.word // 8, 0
    while (pointer := x.number(v + count * word, word)) is not None:
        if not pointer:
            return f"{addr(v)} /* {count} var{'' if count == 1 else 's'} */"
        count += 1
    said = f" /* {count} vars, unterminated */" if count else ""
    return addr(v) + said


# --- clone ----------------------------------------------------------------------------------------
def clone_flags(x: Frame, value: int) -> str:
    flags, sig = value & ~CSIGNAL, value & CSIGNAL
    shown = [names("clone").flags(flags)] if flags else []
    if sig or not flags:
        shown.append(signal_name(sig))
    return x.styled(value, "|".join(shown))


@enters("clone")
def clone_enter(x: Frame, a: Sequence[int]) -> str:
    # Order of the registers: flags, stack, parent_tid, then child_tid and tls (i386: swapped).
    return f"child_stack={addr(a[1])}, flags={clone_flags(x, a[0])}"


@exits("clone")
def clone_exit(x: Frame, a: Sequence[int]) -> str:
    flags = a[0]
    child, tls = (a[3], a[4]) if x.word == 64 else (a[4], a[3])
    shown = ""
    if flags & (CLONE_PARENT_SETTID | CLONE_PIDFD):
        number = None if x.failed else x.number(a[2])
        known = addr(a[2]) if number is None else f"[{number}]"
        shown += f", parent_tid={known}"
    if flags & CLONE_SETTLS:
        shown += f", tls={addr(tls)}"
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        shown += f", child_tidptr={addr(child)}"
    return shown


@enters("clone3")
def clone3_enter(x: Frame, a: Sequence[int]) -> str:
    form = layout("clone_args")
    size = a[1]
    x.saved = None
    data = x.load(a[0], min(size, form.size)) if size >= 64 else None
    if data is None:
        return f"{addr(a[0])}, {size}"
    s = form.unpack(data.ljust(form.size, b"\0"))
    flags = s["flags"]
    x.saved = s
    parts = [f"flags={x.flags('clone3', flags)}"]
    if flags & CLONE_PIDFD:
        parts.append(f"pidfd={addr(s['pidfd'])}")
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        parts.append(f"child_tid={addr(s['child_tid'])}")
    if flags & CLONE_PARENT_SETTID:
        parts.append(f"parent_tid={addr(s['parent_tid'])}")
    parts.append(f"exit_signal={signal_name(s['exit_signal'])}")
    parts.append(f"stack={addr(s['stack'])}, stack_size={hexed(s['stack_size'])}")
    if flags & CLONE_SETTLS:
        parts.append(f"tls={addr(s['tls'])}")
    if s["set_tid"] or s["set_tid_size"]:
        tids = x.array(
            s["set_tid"], s["set_tid_size"], 4, lambda one: str(int.from_bytes(one, "little"))
        )
        parts.append(f"set_tid={tids}, set_tid_size={s['set_tid_size']}")
    if flags & CLONE_INTO_CGROUP:
        parts.append(f"cgroup={s['cgroup']}")
    return "{" + ", ".join(parts) + "}"


@exits("clone3")
def clone3_exit(x: Frame, a: Sequence[int]) -> str:
    s = x.saved
    if s is None:
        return ""
    after = []
    if not x.failed:
        if s["flags"] & CLONE_PIDFD and (number := x.number(s["pidfd"])) is not None:
            after.append(f"pidfd=[{x.fd(number)}]")
        if s["flags"] & CLONE_PARENT_SETTID and (n := x.number(s["parent_tid"])) is not None:
            after.append(f"parent_tid=[{n}]")
    told = f" => {{{', '.join(after)}}}" if after else ""
    return f"{told}, {a[1]}"
