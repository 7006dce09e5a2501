"""Attributes of files and filesystems, and times of files."""

from __future__ import annotations

import time

from ring3.abi import stat as so
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.internal import UTIME_NOW, UTIME_OMIT
from ring3.abi.layouts import layout
from ring3.abi.mount import ST_VALID
from ring3.abi.stat import S_IFBLK, S_IFCHR, S_IFMT, S_ISGID, S_ISUID, S_ISVTX
from ring3.trace.kinds import kind, kind_of
from ring3.trace.names import names
from ring3.trace.text import RAW, addr, dev, hexed, mode, signed

if TYPE_CHECKING:
    from struct import Struct
    from typing import Any

    from ring3.trace.frame import Decoder, Frame


# --- attributes -----------------------------------------------------------------------------------
MODES: dict[tuple[int, int], str] = {}


def symbolic_mode(x: Frame, value: int) -> str:
    """``S_IFREG|S_ISUID|0755``."""
    key = (value, x.style.consts)
    text = MODES.get(key)
    if text is None:
        text = MODES[key] = make_mode(value, x.style.consts)
    return text


def make_mode(value: int, style: int) -> str:
    if style == RAW:
        return mode(value)
    kind_name = names("file_type").by_value.get(value & S_IFMT)
    shown = [kind_name] if kind_name else []
    bits = [("S_ISUID", S_ISUID), ("S_ISGID", S_ISGID), ("S_ISVTX", S_ISVTX)]
    shown += [name for name, bit in bits if value & bit]
    if not kind_name and value & S_IFMT:
        return mode(value)
    known = S_ISUID | S_ISGID | S_ISVTX | S_IFMT
    shown.append(mode(value & ~known))
    text = "|".join(shown)
    return text if not style else f"{mode(value)} /* {text} */"


@kind
def file_mode(x: Frame, v: int) -> str:
    return symbolic_mode(x, v & 0xFFFF)


@kind_of
def node_dev(mode_at: str) -> Decoder:
    at = int(mode_at)

    def show(x: Frame, v: int) -> str:
        return f", {dev(v & 0xFFFFFFFF)}" if x.args[at] & S_IFMT in (S_IFCHR, S_IFBLK) else ""

    return show


def moment(sec: int, nsec: int) -> str:
    """The comment behind a point in time, as strace's sprinttime makes it."""
    if sec == 0 and nsec == 0:
        return ""
    try:
        local = time.localtime(sec)
    except (OverflowError, OSError, ValueError):
        return ""
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", local)
    if nsec:
        shown += f".{nsec:09d}"
    return f"{shown}{time.strftime('%z', local)}"


SHORT_FORMS: dict[tuple[str, int], tuple[Struct, int, int, int]] = {}


def short_form(name: str, word: int) -> tuple[Struct, int, int, int]:
    """How to read just what an abbreviated struct stat shows: (packer of mode, rdev and size in
    order of offset, and which of its values each of them is)."""
    made = SHORT_FORMS.get((name, word))
    if made is None:
        fields = ("st_mode", "st_rdev", "st_size")
        form = layout(name, word)
        order = sorted(fields, key=form.offset)
        mode_at, rdev_at, size_at = (order.index(f) for f in fields)
        made = SHORT_FORMS[name, word] = (form.select(*order), mode_at, rdev_at, size_at)
    return made


@kind
def stat(x: Frame, v: int) -> str:
    return stat_as(x, v, "stat")


@kind
def stat64(x: Frame, v: int) -> str:
    return stat_as(x, v, "stat64")


def stat_as(x: Frame, v: int, struct: str) -> str:
    packer, mode_at, rdev_at, size_at = SHORT_FORMS.get((struct, x.word)) or short_form(
        struct, x.word
    )
    data = x.load(v, packer.size)
    if data is None:
        return addr(v)
    short = packer.unpack(data)
    bits = short[mode_at]
    device = bits & S_IFMT in (S_IFCHR, S_IFBLK)
    size = f"st_rdev={dev(short[rdev_at])}" if device else f"st_size={short[size_at]}"
    if x.abbrev:
        shown = MODES.get((bits, x.style.consts)) or symbolic_mode(x, bits)
        return f"{{st_mode={shown}, {size}, ...}}"
    s = layout(struct, x.word).unpack(data)
    shown = (
        f"st_dev={dev(s['st_dev'])}, st_ino={s['st_ino']}, "
        f"st_mode={symbolic_mode(x, s['st_mode'])}, st_nlink={s['st_nlink']}, "
        f"st_uid={s['st_uid']}, st_gid={s['st_gid']}, st_blksize={s['st_blksize']}, "
        f"st_blocks={s['st_blocks']}, {size}"
    )
    for which in ("atime", "mtime", "ctime"):
        sec, nsec = signed(s[f"st_{which}"], x.word), s[f"st_{which}_nsec"]
        shown += f", st_{which}={sec}{comment(moment(sec, nsec))}, st_{which}_nsec={nsec}"
    return "{" + shown + "}"


def comment(text: str) -> str:
    return f" /* {text} */" if text else ""


@kind
def statx_flags(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    sync = names("at_statx_type").items[0][1]
    shown = names("at_statx_sync").enum(value & sync)
    rest = value & ~sync
    return x.styled(value, f"{shown}|{names('at_statx').flags(rest)}" if rest else shown)


@kind
def statx(x: Frame, v: int) -> str:
    form = layout("statx")
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    mask = s["stx_mask"]
    parts = [f"stx_mask={x.flags('statx_mask', mask)}"]
    full = not x.abbrev
    if full:
        parts.append(f"stx_blksize={s['stx_blksize']}")
    parts.append(f"stx_attributes={x.flags('statx_attr', s['stx_attributes'])}")
    if full:
        parts += [f"stx_{n}={s[f'stx_{n}']}" for n in ("nlink", "uid", "gid") if mask & HAVE[n]]
    if mask & HAVE["mode"]:
        parts.append(f"stx_mode={symbolic_mode(x, s['stx_mode'])}")
    if full and mask & HAVE["ino"]:
        parts.append(f"stx_ino={s['stx_ino']}")
    if mask & HAVE["size"]:
        parts.append(f"stx_size={s['stx_size']}")
    return "{" + ", ".join([*parts, *(statx_rest(x, s, mask) if full else ["..."])]) + "}"


HAVE = {
    "mode": so.STATX_TYPE | so.STATX_MODE,
    "nlink": so.STATX_NLINK,
    "uid": so.STATX_UID,
    "gid": so.STATX_GID,
    "ino": so.STATX_INO,
    "size": so.STATX_SIZE,
    "blocks": so.STATX_BLOCKS,
    "atime": so.STATX_ATIME,
    "btime": so.STATX_BTIME,
    "ctime": so.STATX_CTIME,
    "mtime": so.STATX_MTIME,
    "mnt_id": so.STATX_MNT_ID,
}
"""Field of struct statx -> the bits of stx_mask that say it is there."""


def statx_rest(x: Frame, s: dict[str, Any], mask: int) -> list[str]:
    """The fields that only -v shows."""
    parts = [f"stx_blocks={s['stx_blocks']}"] if mask & HAVE["blocks"] else []
    parts.append(f"stx_attributes_mask={x.flags('statx_attr', s['stx_attributes_mask'])}")
    for which in ("atime", "btime", "ctime", "mtime"):
        if mask & HAVE[which]:
            t = s[f"stx_{which}"]
            said = comment(moment(t["tv_sec"], t["tv_nsec"]))
            parts.append(f"stx_{which}={{tv_sec={t['tv_sec']}, tv_nsec={t['tv_nsec']}}}{said}")
    for which in ("rdev", "dev"):
        parts.append(f"stx_{which}_major={s[f'stx_{which}_major']}")
        parts.append(f"stx_{which}_minor={s[f'stx_{which}_minor']}")
    return [*parts, f"stx_mnt_id={hexed(s['stx_mnt_id'])}"]


@kind
def statfs(x: Frame, v: int) -> str:
    return statfs_as(x, v, "statfs")


def statfs_as(x: Frame, v: int, struct: str) -> str:
    form = layout(struct, x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    low, high = (value & 0xFFFFFFFF for value in s["f_fsid"])
    shown = ", ".join(
        [
            f"f_type={x.enum('fs_magic', s['f_type'] & ((1 << x.word) - 1))}",
            *(
                f"{n}={s[n]}"
                for n in ("f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")
            ),
            f"f_fsid={{val=[{hexed(low)}, {hexed(high)}]}}",
            f"f_namelen={s['f_namelen']}, f_frsize={s['f_frsize']}",
            *([f"f_flags={x.flags('statfs', s['f_flags'])}"] if s["f_flags"] & ST_VALID else []),
        ]
    )
    return "{" + shown + "}"


# --- times ----------------------------------------------------------------------------------------
@kind
def utimbuf(x: Frame, v: int) -> str:
    form = layout("utimbuf", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    t = form.unpack(data)
    return "{" + ", ".join(f"{n}={s}{comment(moment(s, 0))}" for n, s in t.items()) + "}"


def two_times(x: Frame, v: int, struct: str, fraction: str, special: bool) -> str:
    """``[{...} /* date */, {...}]``."""
    if not v:
        return "NULL"
    form = layout(struct, x.word)
    data = x.load(v, 2 * form.size)
    if data is None:
        return addr(v)
    shown = []
    for part in (data[: form.size], data[form.size :]):
        t = form.unpack(part)
        sec, low = t["tv_sec"], t[f"tv_{fraction}"]
        if special and low in (UTIME_NOW, UTIME_OMIT):
            shown.append("UTIME_NOW" if low == UTIME_NOW else "UTIME_OMIT")
            continue
        nsec = low if fraction == "nsec" else low * 1000
        said = moment(sec, nsec) if 0 <= nsec < 1_000_000_000 else ""
        if said and fraction == "usec" and low:
            said = said.replace(f".{nsec:09d}", f".{low:06d}")
        shown.append(f"{{tv_sec={sec}, tv_{fraction}={low}}}{comment(said)}")
    return f"[{', '.join(shown)}]"


@kind
def timevals(x: Frame, v: int) -> str:
    return two_times(x, v, "timeval", "usec", False)


@kind
def utimespecs(x: Frame, v: int) -> str:
    return two_times(x, v, "timespec", "nsec", True)
