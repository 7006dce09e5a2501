"""ioctl(2): requests by name, and the arguments that terminals, sockets and files give."""

from __future__ import annotations

import struct

from ring3.abi import ioctl as io
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.kinds import enters, exits
from ring3.trace.names import constants
from ring3.trace.text import HEX_ALL, addr, hexed, quote, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Frame

REQUESTS: dict[int, str] = {}
PREFIXES = (
    "TIOC", "TC", "FIO", "FIBMAP", "FIGETBSZ", "FIFREEZE", "FITHAW", "FITRIM", "FICLONE",
    "FIDEDUPE", "FS_IOC_", "BLK", "SIOC", "VT_", "KD", "GIO_", "PIO_", "RND", "TUN",
    "NS_GET_", "PIDFD_GET_", "FBIO", "RTC_", "LOOP_", "HDIO_", "WDIOC_", "EVIOC", "UI_", "PAGEMAP_",
    "PROCMAP_QUERY", "FAT_IOCTL_",
)  # fmt: skip
NOT_REQUESTS = (
    "TIOCM_", "TIOCPKT_", "TIOCSER_", "TCOOFF", "TCOON", "TCIOFF", "TCION", "TCIFLUSH", "TCOFLUSH",
    "TCIOFLUSH", "TCSANOW", "TCSADRAIN", "TCSAFLUSH", "RTC_FEATURE", "RTC_PARAM_", "RTC_VL_DATA",
    "RTC_VL_BACKUP", "RTC_VL_ACC", "RTC_BSM", "LOOP_SET_STATUS_S", "LOOP_SET_STATUS_C",
    "LOOP_CONFIGURE_S", "VT_AUTO", "VT_PROCESS", "VT_ACKACQ", "VT_EVENT_", "VT_MAX_", "KD_FONT_",
    "KD_TEXT", "KD_GRAPHICS", "BLK_ZONE_", "TUN_", "PROCMAP_QUERY_", "SIOCDEVPRIVATE",
    "SIOCPROTOPRIVATE", "SIOCGSTAMP_OLD", "SIOCGSTAMPNS_OLD", "RTC_IRQF", "RTC_PF", "RTC_AF",
    "RTC_UF", "RTC_MAX_FREQ", "TCGETS2", "FIOGETOWN", "FIOSETOWN", "TIOCINQ", "SIOCINQ",
)  # fmt: skip
PREFERRED = ("TIOCGWINSZ", "TCGETS", "TCSETS", "FIONREAD", "TCGETS2", "TIOCOUTQ", "FIOSETOWN")


def load_requests() -> None:
    for name, value in constants("ioctl").items():
        if name.startswith(PREFIXES) and not name.startswith(NOT_REQUESTS):
            REQUESTS.setdefault(value & 0xFFFFFFFF, name)
    for name in ("TCGETS2", *PREFERRED):
        if (number := constants("ioctl").get(name)) is not None:
            REQUESTS[number & 0xFFFFFFFF] = name


def request_name(value: int) -> str:
    """The request's name, or how it is put together (``_IOC(...)``)."""
    if not REQUESTS:
        load_requests()
    known = REQUESTS.get(value)
    if known is not None:
        return known
    nr, kind, size, way = value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0x3FFF, value >> 30
    ways = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")
    return f"_IOC({ways[way]}, {hexed(kind)}, {hexed(nr)}, {hexed(size)})"


# --- arguments ------------------------------------------------------------------------------------
def integer(x: Frame, v: int) -> str:
    number = x.number(v, 4, True)
    return addr(v) if number is None else f"[{number}]"


def unsigned(x: Frame, v: int) -> str:
    number = x.number(v, 4)
    return addr(v) if number is None else f"[{number}]"


def winsize(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    names = ("ws_row", "ws_col", "ws_xpixel", "ws_ypixel")
    values = struct.unpack("<4H", data)
    return "{" + ", ".join(f"{n}={s}" for n, s in zip(names, values, strict=True)) + "}"


def termios(x: Frame, v: int) -> str:
    """Terminal settings: ``{B38400 opost isig icanon echo ...}`` unless -v."""
    two = x.args[1] in (io.TCGETS2, io.TCSETS2, io.TCSETSW2, io.TCSETSF2)
    form = layout("termios2" if two else "termios", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    cflag = s["c_cflag"]
    baud = cflag & io.CBAUD
    size = x.enum("termios_csize", cflag & io.CSIZE)
    control = cflag & ~(io.CBAUD | io.CSIZE)
    more = x.flags("termios_cflag", control)
    shown = [
        f"c_iflag={x.flags('termios_iflag', s['c_iflag'])}",
        f"c_oflag={oflags(x, s['c_oflag'])}",
        "c_cflag=" + "|".join([x.enum("termios_baud", baud), size, *([more] if control else [])]),
        f"c_lflag={x.flags('termios_lflag', s['c_lflag'])}",
    ]
    if x.abbrev:
        return "{" + ", ".join([*shown, "..."]) + "}"
    shown.append(f"c_line={line_name(s['c_line'])}")
    cc = bytes(s["c_cc"])
    shown += control_characters(cc)
    if two:
        shown += [f"c_ispeed={s['c_ispeed']}, c_ospeed={s['c_ospeed']}"]
    return "{" + ", ".join(shown) + "}"


def line_name(number: int) -> str:
    known = {v: n for n, v in constants("ioctl").items() if n.startswith("N_") and n != "N_NULL"}
    return known.get(number) or hexed(number)


def control_characters(cc: bytes) -> list[str]:
    names = "VINTR VQUIT VERASE VKILL VEOF VTIME VMIN VSWTC VSTART VSTOP VSUSP VEOL VREPRINT"
    every = (names + " VDISCARD VWERASE VLNEXT VEOL2").split()
    values = constants("ioctl")
    parts = [f"[{n}]={hexed(cc[values[n]])}" for n in every if values[n] < len(cc)]
    return [f"c_cc[{p[1:]}" for p in parts[:0]] + [f"c_cc={quote(cc, HEX_ALL)}"]


def oflags(x: Frame, value: int) -> str:
    """Output flags: delays stand as values of their own."""
    masks = (
        (io.NLDLY, "NL"), (io.CRDLY, "CR"), (io.TABDLY, "TAB"),
        (io.BSDLY, "BS"), (io.VTDLY, "VT"), (io.FFDLY, "FF"),
    )  # fmt: skip
    delays = []
    values = constants("ioctl")
    for mask, prefix in masks:
        digits = (f"{prefix}{i}" for i in range(4))
        delays.append(next(n for n in digits if values.get(n) == value & mask))
        value &= ~mask
    shown = x.flags("termios_oflag", value) if value else ""
    return "|".join(delays) + (f"|{shown}" if shown else "")


def flag_word(which: str) -> Callable[[Frame, int], str]:
    def show(x: Frame, v: int) -> str:
        number = x.number(v)
        return addr(v) if number is None else f"[{x.flags(which, number)}]"

    return show


def pid_word(x: Frame, v: int) -> str:
    return integer(x, v)


def value_of(which: str) -> Callable[[Frame, int], str]:
    return lambda x, v: x.enum(which, signed(v))


def plain(x: Frame, v: int) -> str:
    return str(signed(v))


def pointer(x: Frame, v: int) -> str:
    return addr(v)


def terminal_char(x: Frame, v: int) -> str:
    data = x.load(v, 1)
    return addr(v) if data is None else f"[{x.quote(data)}]"


def fd_value(x: Frame, v: int) -> str:
    return x.fd(v)


def ifreq(x: Frame, v: int) -> str:
    data = x.load(v, 16)
    if data is None:
        return addr(v)
    return f"{{ifr_name={x.quote(data.split(bytes(1), 1)[0])}}}"


NOTHING = {
    io.TIOCSTTY if hasattr(io, "TIOCSTTY") else -1, io.TIOCNOTTY, io.TIOCEXCL, io.TIOCNXCL,
    io.TIOCSBRK, io.TIOCCBRK, io.TIOCCONS, io.TIOCVHANGUP, io.FIOCLEX, io.FIONCLEX,
}  # fmt: skip
INPUT: dict[int, Callable[[Frame, int], str]] = {
    io.TCSETS: termios, io.TCSETSW: termios, io.TCSETSF: termios,
    io.TCSETS2: termios, io.TCSETSW2: termios, io.TCSETSF2: termios,
    io.TIOCSWINSZ: winsize, io.TIOCSPGRP: pid_word, io.FIONBIO: integer, io.FIOASYNC: integer,
    io.TIOCSCTTY: plain, io.TCSBRK: plain, io.TCSBRKP: plain,
    io.TCXONC: value_of("tcxonc"), io.TCFLSH: value_of("tcflsh"), io.TIOCSTI: terminal_char,
    io.TIOCMSET: flag_word("modem_bits"), io.TIOCMBIS: flag_word("modem_bits"),
    io.TIOCMBIC: flag_word("modem_bits"), io.TIOCSPTLCK: integer, io.TIOCPKT: integer,
    io.TIOCSETD: integer, io.FICLONE: fd_value, io.FS_IOC_SETFLAGS: unsigned,
}  # fmt: skip
OUTPUT: dict[int, Callable[[Frame, int], str]] = {
    io.TCGETS: termios, io.TCGETS2: termios, io.TIOCGWINSZ: winsize, io.TIOCGPGRP: pid_word,
    io.TIOCGSID: pid_word, io.FIONREAD: integer, io.TIOCOUTQ: integer, io.TIOCGPTN: unsigned,
    io.TIOCGPTLCK: integer, io.TIOCGETD: integer, io.TIOCMGET: flag_word("modem_bits"),
    io.TIOCGEXCL: integer, io.TIOCGPKT: integer, io.TIOCGDEV: unsigned, io.FIOQSIZE: pointer,
    io.SIOCATMARK: integer, io.SIOCGPGRP: integer,
}  # fmt: skip


@enters("ioctl")
def ioctl_enter(x: Frame, a: Sequence[int]) -> str:
    request = a[1] & 0xFFFFFFFF
    name = request_name(request)
    if x.style.consts:
        name = hexed(request) if x.style.consts == 1 else f"{hexed(request)} /* {name} */"
    head = f"{x.fd(a[0])}, {name}"
    if request in NOTHING:
        return head
    if request in INPUT:
        return f"{head}, {INPUT[request](x, a[2])}"
    return f"{head}, "


@exits("ioctl")
def ioctl_exit(x: Frame, a: Sequence[int]) -> str:
    request = a[1] & 0xFFFFFFFF
    if request in NOTHING or request in INPUT:
        return ""
    if request in OUTPUT:
        return addr(a[2]) if x.failed else OUTPUT[request](x, a[2])
    return hexed(a[2] & ((1 << x.word) - 1))
