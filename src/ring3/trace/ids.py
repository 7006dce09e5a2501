"""Identities, limits and capabilities of processes."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.misc import NGROUPS_MAX
from ring3.trace.kinds import kind, kind_of
from ring3.trace.names import names
from ring3.trace.text import addr, hexed, signed

if TYPE_CHECKING:
    from ring3.trace.frame import Decoder, Frame


# --- identities and limits ------------------------------------------------------------------------
@kind_of
def id_list(count_at: str) -> Decoder:
    def show(x: Frame, v: int) -> str:
        count = x.result if count_at == "ret" else signed(x.args[int(count_at)])
        if count_at == "ret" and count and not x.args[0]:
            return addr(v)
        if not count:
            return "[]" if v else "NULL"
        if not 0 <= count <= NGROUPS_MAX:
            return addr(v)
        return x.array(v, count, 4, lambda one: str(int.from_bytes(one, "little")))

    return show


def limit(value: int, infinity: int, name: str) -> str:
    if value == infinity:
        return name
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


def limits(x: Frame, v: int, half: int, name: str) -> str:
    data = x.load(v, 2 * half)
    if data is None:
        return addr(v)
    infinity = (1 << 8 * half) - 1
    soft, hard = (int.from_bytes(data[i : i + half], "little") for i in (0, half))
    return f"{{rlim_cur={limit(soft, infinity, name)}, rlim_max={limit(hard, infinity, name)}}}"


@kind
def rlimit(x: Frame, v: int) -> str:
    return limits(x, v, x.word // 8, "RLIM64_INFINITY" if x.word == 64 else "RLIM_INFINITY")


@kind
def rlimit64(x: Frame, v: int) -> str:
    return limits(x, v, 8, "RLIM64_INFINITY")


@kind
def ptr(x: Frame, v: int) -> str:
    number = x.number(v, x.word // 8)
    return addr(v) if number is None else f"[{addr(number)}]"


@kind
def personality(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    if value == 0xFFFFFFFF:
        return "0xffffffff"
    return personality_text(x, value)


def personality_text(x: Frame, value: int) -> str:
    shown = names("personality").enum(value & 0xFF)
    rest = value & ~0xFF
    return x.styled(value, f"{shown}|{names('personality_flags').flags(rest)}" if rest else shown)


@kind
def cap_header(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    version = x.enum("cap_version", int.from_bytes(data[:4], "little"))
    return f"{{version={version}, pid={int.from_bytes(data[4:], 'little', signed=True)}}}"


def cap_names(x: Frame, mask: int) -> str:
    """``1<<CAP_CHOWN|1<<CAP_KILL``"""
    by_value = names("cap").by_value
    shown = [f"1<<{by_value[n]}" for n in range(64) if mask >> n & 1 and n in by_value]
    rest = mask & ~sum(1 << n for n in by_value)
    if rest or not shown:
        shown.append(hexed(rest))
    return "|".join(shown)


@kind
def cap_data(x: Frame, v: int) -> str:
    from ring3.abi.capability import _LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3

    version = x.number(x.args[0])
    if version is None:
        return addr(v)
    count = 2 if version in (_LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3) else 1
    data = x.load(v, 12 * count)
    if data is None:
        return addr(v)
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, 12 * count, 4)]
    parts = []
    for i, name in enumerate(("effective", "permitted", "inheritable")):
        mask = words[i] | (words[i + 3] << 32 if count == 2 else 0)
        parts.append(f"{name}={cap_names(x, mask)}")
    return "{" + ", ".join(parts) + "}"
