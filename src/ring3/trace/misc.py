"""Calls that belong to no larger family: futex, prctl, names of the system, seccomp, random."""

from __future__ import annotations

from ring3.abi import futex as fx
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.kinds import KINDS, enters, kind, kind_of, shapes
from ring3.trace.names import constants, names
from ring3.trace.text import HEX_ALL, addr, hexed, quote, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
uname: >utsname
sysinfo: >sysinfo
sethostname setdomainname: host_name u
getrandom: >hex_bytes:ret lu flags:getrandom
reboot: uenum:reboot_magic1 uenum:reboot_magic2 uenum:reboot ~restart_text
syslog: syslog_action ~>>syslog_rest
init_module: addr lu str
finit_module: fd str flags:module_init
delete_module: str flags:delete_module
seccomp: uenum:seccomp_op seccomp_flags seccomp_arg
ptrace: ptrace_request ~ptrace_rest
futex_waitv: waiters:1 u x timespec64 clock
set_thread_area get_thread_area: addr
modify_ldt: d addr lu
ioperm: lx lx d
create_module: lx lx
epoll_ctl_old epoll_wait_old: lx lx lx lx
lookup_dcookie: lx lx lx
get_kernel_syms _sysctl: lx
query_module getpmsg putpmsg afs_syscall vserver: lx lx lx lx lx
nfsservctl tuxcall security sysfs: lx lx lx
iopl: d
landlock_create_ruleset: ruleset:1 lu flags:landlock_create = fd
landlock_add_rule: fd uenum:landlock_rule landlock_rule x
landlock_restrict_self: fd x
add_key: str str bytes:3 lu key_id
request_key: str str str key_id
keyctl: enum:keyctl lx lx lx lx
io_uring_setup: u addr = fd
io_uring_enter: fd u u x addr lu
io_uring_register: fd u addr u
bpf: x addr u
perf_event_open: addr pid d fd lx = fd
""")


# --- futex ----------------------------------------------------------------------------------------
def futex_op(x: Frame, op: int) -> str:
    """``FUTEX_WAIT_PRIVATE|FUTEX_CLOCK_REALTIME``"""
    command = op & ~(fx.FUTEX_PRIVATE_FLAG | fx.FUTEX_CLOCK_REALTIME)
    if command not in names("futex_op").by_value:
        return names("futex_op").enum(op)
    known = names("futex_op").enum(command)
    if op & fx.FUTEX_PRIVATE_FLAG:
        known += "_PRIVATE" if known.startswith("FUTEX") else "|FUTEX_PRIVATE_FLAG"
    if op & fx.FUTEX_CLOCK_REALTIME:
        known += "|FUTEX_CLOCK_REALTIME"
    return x.styled(op, known)


def wake_op(value: int) -> str:
    """FUTEX_WAKE_OP's packed operation."""
    op, cmp = value >> 28 & 0xF, value >> 24 & 0xF
    arg, cmparg = value >> 12 & 0xFFF, value & 0xFFF
    known = constants("futex")
    ops = {v: n for n, v in known.items() if n.startswith("FUTEX_OP_") and "CMP" not in n}
    cmps = {v: n for n, v in known.items() if n.startswith("FUTEX_OP_CMP_")}
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if op & 8 else ""
    ops.pop(8, None)
    return (
        f"{shift}{ops.get(op & 7, hexed(op & 7))}<<28|{hexed(arg)}<<12|"
        f"{cmps.get(cmp, hexed(cmp))}<<24|{hexed(cmparg)}"
    )


@enters("futex")
def futex_enter(x: Frame, a: Sequence[int]) -> str:
    op, val = a[1] & 0xFFFFFFFF, a[2] & 0xFFFFFFFF
    command = op & ~(fx.FUTEX_PRIVATE_FLAG | fx.FUTEX_CLOCK_REALTIME)
    head = f"{addr(a[0])}, {futex_op(x, op)}"
    val2, val3 = a[3] & 0xFFFFFFFF, a[5] & 0xFFFFFFFF
    if command == fx.FUTEX_WAIT:
        return f"{head}, {val}, {KINDS['timespec'](x, a[3])}"
    if command == fx.FUTEX_WAIT_BITSET:
        return f"{head}, {val}, {KINDS['timespec'](x, a[3])}, {bitset(val3)}"
    if command == fx.FUTEX_WAKE_BITSET:
        return f"{head}, {val}, {bitset(val3)}"
    if command in (fx.FUTEX_WAKE, fx.FUTEX_FD):
        return f"{head}, {val}"
    if command == fx.FUTEX_REQUEUE:
        return f"{head}, {val}, {val2}, {addr(a[4])}"
    if command in (fx.FUTEX_CMP_REQUEUE, fx.FUTEX_CMP_REQUEUE_PI):
        return f"{head}, {val}, {val2}, {addr(a[4])}, {val3}"
    if command == fx.FUTEX_WAKE_OP:
        return f"{head}, {val}, {val2}, {addr(a[4])}, {wake_op(val3)}"
    if command in (fx.FUTEX_LOCK_PI, fx.FUTEX_LOCK_PI2):
        return f"{head}, {KINDS['timespec'](x, a[3])}"
    if command in (fx.FUTEX_UNLOCK_PI, fx.FUTEX_TRYLOCK_PI):
        return head
    if command == fx.FUTEX_WAIT_REQUEUE_PI:
        return f"{head}, {val}, {KINDS['timespec'](x, a[3])}, {addr(a[4])}"
    return f"{head}, {val}, {addr(a[3])}, {addr(a[4])}, {hexed(val3)}"


def bitset(value: int) -> str:
    return "FUTEX_BITSET_MATCH_ANY" if value == fx.FUTEX_BITSET_MATCH_ANY else hexed(value)


UTS_LEN = 64
"""Most bytes of a host name."""


# --- the system -----------------------------------------------------------------------------------
@kind
def utsname(x: Frame, v: int) -> str:
    form = layout("utsname")
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = {n: t.split(b"\0", 1)[0] for n, t in form.unpack(data).items()}
    if x.abbrev:
        return f"{{sysname={x.quote(s['sysname'])}, nodename={x.quote(s['nodename'])}, ...}}"
    return "{" + ", ".join(f"{n}={x.quote(t)}" for n, t in s.items()) + "}"


@kind
def sysinfo(x: Frame, v: int) -> str:
    form = layout("sysinfo", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    parts = [f"uptime={s['uptime']}", f"loads=[{', '.join(str(n) for n in s['loads'])}]"]
    fields = "totalram freeram sharedram bufferram totalswap freeswap procs totalhigh freehigh"
    parts += [f"{n}={s[n]}" for n in (*fields.split(), "mem_unit")]
    return "{" + ", ".join(parts) + "}"


@kind_of
def hex_bytes(size: str) -> Decoder:
    """Bytes that are no text: always in hexadecimal."""

    def show(x: Frame, v: int) -> str:
        count = x.result
        most = min(count, x.style.strlen)
        data = x.load(v, most) if most or not v else b""
        if data is None:
            return addr(v)
        return quote(data, HEX_ALL) + ("..." if count > most else "")

    return show


@kind
def syslog_action(x: Frame, v: int) -> str:
    number = signed(v)
    known = names("syslog").by_value.get(number, "SYSLOG_ACTION_???")
    return f"{number} /* {known} */"


@kind
def syslog_rest(x: Frame, v: int) -> str:
    """Buffer and size, for the actions that use them."""
    action = names("syslog").by_value.get(signed(x.args[0]), "").removeprefix("SYSLOG_ACTION_")
    size = signed(x.args[2])
    if action in ("READ", "READ_ALL", "READ_CLEAR"):
        return f", {addr(v) if x.failed else x.buffer(v, x.result)}, {size}"
    return "" if action and action != "CONSOLE_LEVEL" else f", {addr(v)}, {size}"


@kind
def host_name(x: Frame, v: int) -> str:
    size = x.args[1] & 0xFFFFFFFF
    return x.buffer(v, size) if size <= UTS_LEN else addr(v)


@kind
def ptrace_request(x: Frame, v: int) -> str:
    return x.enum("ptrace", v & ((1 << x.word) - 1))


@kind
def ptrace_rest(x: Frame, v: int) -> str:
    """Process, address and data as far as the request has any."""
    from ring3.abi.misc import PTRACE_SETOPTIONS, PTRACE_TRACEME

    request = x.args[0]
    if request == PTRACE_TRACEME:
        return ""
    data = hexed(x.args[3]) if request == PTRACE_SETOPTIONS else addr(x.args[3])
    return f", {KINDS['pid'](x, v)}, {addr(x.args[2])}, {data}"


@kind
def restart_text(x: Frame, v: int) -> str:
    from ring3.abi.misc import LINUX_REBOOT_CMD_RESTART2

    return f", {x.text(v)}" if x.args[2] == LINUX_REBOOT_CMD_RESTART2 else ""


@kind
def key_id(x: Frame, v: int) -> str:
    number = signed(v)
    return names("key_spec").by_value.get(number) or str(number)


def audit_arch(value: int) -> str:
    known = {v: n for n, v in constants("misc").items() if n.startswith("AUDIT_ARCH_")}
    return known.get(value & 0xFFFFFFFF) or hexed(value)


def call_name(nr: int, arch: int) -> str:
    """``__NR_getpid``"""
    from ring3.abi.misc import AUDIT_ARCH_I386
    from ring3.abi.signatures import NUMBERS

    table = NUMBERS["i386" if arch == AUDIT_ARCH_I386 else "x86_64"]
    return next((f"__NR_{name}" for name, number in table.items() if number == nr), str(nr))


# --- landlock and futex vectors ----------------------------------------------------------------
@kind_of
def ruleset(size_at: str) -> Decoder:
    """``{handled_access_fs=LANDLOCK_ACCESS_FS_EXECUTE|...}``"""
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        size = x.args[at]
        data = x.load(v, min(size, 16)) if size >= 8 else None
        if data is None:
            return addr(v)
        shown = [f"handled_access_fs={x.flags('landlock_fs', int.from_bytes(data[:8], 'little'))}"]
        if len(data) == 16:
            net = int.from_bytes(data[8:], "little")
            shown.append(f"handled_access_net={x.flags('landlock_net', net)}")
        return "{" + ", ".join(shown) + "}"

    return show


@kind
def landlock_rule(x: Frame, v: int) -> str:
    from ring3.abi.misc import LANDLOCK_RULE_PATH_BENEATH

    data = x.load(v, 12) if x.args[1] == LANDLOCK_RULE_PATH_BENEATH else None
    if data is None:
        return addr(v)
    access = x.flags("landlock_fs", int.from_bytes(data[:8], "little"))
    return f"{{allowed_access={access}, parent_fd={x.fd(int.from_bytes(data[8:], 'little'))}}}"


@kind_of
def waiters(count_at: str) -> Decoder:
    """futex_waitv's array."""
    at = int(count_at)

    def one(x: Frame, data: bytes) -> str:
        val, where = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8))
        flags = x.flags("futex_waitv", int.from_bytes(data[16:20], "little"))
        rest = int.from_bytes(data[20:], "little")
        odd = f", __reserved={hexed(rest)}" if rest else ""
        return f"{{val={hexed(val)}, uaddr={addr(where)}, flags={flags}{odd}}}"

    return lambda x, v: x.array(v, x.args[at] & 0xFFFFFFFF, 24, lambda data: one(x, data))


# --- seccomp --------------------------------------------------------------------------------------
@kind
def seccomp_flags(x: Frame, v: int) -> str:
    from ring3.abi.misc import SECCOMP_SET_MODE_FILTER

    if x.args[0] != SECCOMP_SET_MODE_FILTER:
        return hexed(v & 0xFFFFFFFF)
    return x.flags("seccomp_flags", v & 0xFFFFFFFF)


@kind
def seccomp_arg(x: Frame, v: int) -> str:
    from ring3.abi import misc

    if x.args[0] == misc.SECCOMP_SET_MODE_FILTER:
        return filter_program(x, v)
    if x.args[0] == misc.SECCOMP_GET_ACTION_AVAIL:
        number = x.number(v)
        return addr(v) if number is None else f"[{x.enum('seccomp_action', number)}]"
    return addr(v)


def filter_program(x: Frame, v: int) -> str:
    form = layout("sock_fprog", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    return f"{{len={s['len']}, filter={addr(s['filter'])}}}"
