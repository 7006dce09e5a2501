"""System V and POSIX message queues, semaphores and shared memory."""

from __future__ import annotations

from ring3.abi import ipc
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.kinds import KINDS, enters, exits, kind, kind_of, shapes
from ring3.trace.text import addr, hexed, mode, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
shmget: ipc_key lu get_flags:shm_get
semget: ipc_key d get_flags:ipc_flags
msgget: ipc_key get_flags:ipc_flags
shmat: d addr flags:shm_at = x
shmctl: d ctl:shm_ctl >>shm_buf
msgctl: d ctl:msg_ctl >>msg_buf
semop: d sembufs:2 u
semtimedop: d sembufs:2 u timespec
msgsnd: d msgbuf:2 lu flags:msg_flags
mq_open: path open ~mq_mode ~mq_attr = fd
mq_timedsend: fd bytes:2 lu u timespec
mq_timedreceive: fd >bytes:ret lu >int:4u timespec
mq_notify: fd sigevent
mq_getsetattr: fd mq_attr_in >mq_attr_in
io_setup: u >ptr
io_destroy: addr
""")


@kind
def ipc_key(x: Frame, v: int) -> str:
    value = v & 0xFFFFFFFF
    return hexed(value) if value else "IPC_PRIVATE"


@kind_of
def get_flags(which: str) -> Decoder:
    """Flags and, in octal, permissions."""

    def show(x: Frame, v: int) -> str:
        value = v & 0xFFFFFFFF
        low = mode(value & 0o777)
        high = value & ~0o777
        size = high >> ipc.SHM_HUGE_SHIFT if which == "shm_get" else 0
        high &= ~(size << ipc.SHM_HUGE_SHIFT)
        words = [x.flags(which, high)] if high else []
        words += [f"{size}<<SHM_HUGE_SHIFT"] if size else []
        return "|".join([*words, low])

    return show


@kind_of
def ctl(which: str) -> Decoder:
    def show(x: Frame, v: int) -> str:
        value = v & 0xFFFFFFFF
        if value & ipc.IPC_64:
            return f"IPC_64|{x.enum(which, value & ~ipc.IPC_64)}"
        return x.enum(which, value)

    return show


def permissions(s: dict[str, int], whole: bool) -> str:
    shown = f"uid={s['uid']}, gid={s['gid']}, mode={mode(s['mode'])}"
    if whole:
        shown += f", key={s['key']}, cuid={s['cuid']}, cgid={s['cgid']}"
    return "{" + shown + "}"


@kind
def shm_buf(x: Frame, v: int) -> str:
    command = x.args[1] & ~ipc.IPC_64
    if command not in (ipc.IPC_STAT, ipc.IPC_SET, ipc.SHM_STAT, ipc.SHM_STAT_ANY):
        return addr(v)
    stat = command != ipc.IPC_SET
    form = layout("shmid_ds", x.word)
    data = None if x.failed and stat else x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    shown = f"shm_perm={permissions(s['shm_perm'], stat)}"
    if stat:
        names = "segsz cpid lpid nattch atime dtime ctime".split()
        shown += ", " + ", ".join(f"shm_{n}={s[f'shm_{n}']}" for n in names)
    return "{" + shown + "}"


@kind
def msg_buf(x: Frame, v: int) -> str:
    command = x.args[1] & ~ipc.IPC_64
    if command not in (ipc.IPC_STAT, ipc.IPC_SET, ipc.MSG_STAT):
        return addr(v)
    stat = command != ipc.IPC_SET
    form = layout("msqid_ds", x.word)
    data = None if x.failed and stat else x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    shown = f"msg_perm={permissions(s['msg_perm'], stat)}"
    if stat:
        names = "stime rtime ctime qnum qbytes lspid lrpid".split()
        shown += ", " + ", ".join(f"msg_{n}={s[f'msg_{n}']}" for n in names)
    return "{" + shown + (f", msg_qbytes={s['msg_qbytes']}" if not stat else "") + "}"


@kind_of
def sembufs(count_at: str) -> Decoder:
    at = int(count_at)

    def one(x: Frame, data: bytes) -> str:
        number = int.from_bytes(data[:2], "little")
        op = int.from_bytes(data[2:4], "little", signed=True)
        flags = x.flags("sem_flags", int.from_bytes(data[4:], "little"))
        return f"{{sem_num={number}, sem_op={op}, sem_flg={flags}}}"

    return lambda x, v: x.array(v, x.args[at] & 0xFFFFFFFF, 6, lambda data: one(x, data))


# --- semctl ---------------------------------------------------------------------------------------
@enters("semctl")
def semctl_enter(x: Frame, a: Sequence[int]) -> str:
    head = f"{signed(a[0])}, {signed(a[1])}, {KINDS['ctl:sem'](x, a[2])}"
    command = a[2] & ~ipc.IPC_64
    if command in (ipc.IPC_RMID, ipc.GETPID, ipc.GETVAL, ipc.GETNCNT, ipc.GETZCNT):
        return f"{head}, {SEM_UNUSED(x, a[3])}"
    if command == ipc.SETVAL:
        return f"{head}, {SEM_UNUSED(x, a[3])}"
    return f"{head}, "


def SEM_UNUSED(x: Frame, v: int) -> str:
    return addr(v)


@exits("semctl")
def semctl_exit(x: Frame, a: Sequence[int]) -> str:
    command = a[2] & ~ipc.IPC_64
    if command in (
        ipc.IPC_RMID, ipc.GETPID, ipc.GETVAL, ipc.GETNCNT, ipc.GETZCNT, ipc.SETVAL
    ):  # fmt: skip
        return ""
    if command not in (ipc.IPC_STAT, ipc.IPC_SET, ipc.SEM_STAT, ipc.SEM_STAT_ANY):
        return addr(a[3])
    stat = command != ipc.IPC_SET
    form = layout("semid_ds", x.word)
    data = None if x.failed and stat else x.load(a[3], form.size)
    if data is None:
        return addr(a[3])
    s = form.unpack(data)
    shown = f"sem_perm={permissions(s['sem_perm'], stat)}"
    if stat:
        shown += "".join(f", sem_{n}={s[f'sem_{n}']}" for n in ("otime", "ctime", "nsems"))
    return "{" + shown + "}"


KINDS["ctl:sem"] = ctl("sem_ctl")


# --- messages -------------------------------------------------------------------------------------
def message(x: Frame, at: int, size: int) -> str:
    kind_ = x.number(at, x.word // 8, True)
    if kind_ is None:
        return addr(at)
    return f"{{mtype={kind_}, mtext={x.buffer(at + x.word // 8, size)}}}"


@kind_of
def msgbuf(size_at: str) -> Decoder:
    at = int(size_at)
    return lambda x, v: message(x, v, x.args[at])


@enters("msgrcv")
def msgrcv_enter(x: Frame, a: Sequence[int]) -> str:
    return f"{signed(a[0])}, "


@exits("msgrcv")
def msgrcv_exit(x: Frame, a: Sequence[int]) -> str:
    got = addr(a[1]) if x.failed else message(x, a[1], a[2])
    return f"{got}, {a[2]}, {signed(a[3], x.word)}, {x.flags('msg_flags', a[4] & 0xFFFFFFFF)}"


# --- POSIX queues ---------------------------------------------------------------------------------
def attributes(x: Frame, v: int) -> str:
    form = layout("mq_attr", x.word)
    data = x.load(v, form.size)
    if data is None:
        return addr(v)
    s = form.unpack(data)
    rest = ", ".join(f"mq_{n}={s[f'mq_{n}']}" for n in ("maxmsg", "msgsize", "curmsgs"))
    return f"{{mq_flags={x.flags('open', s['mq_flags'])}, {rest}}}"


@kind
def mq_attr_in(x: Frame, v: int) -> str:
    return attributes(x, v)


def if_created(show: Callable[[Frame, int], str]) -> Decoder:
    from ring3.abi.fcntl import O_CREAT

    return lambda x, v: f", {show(x, v)}" if x.args[1] & O_CREAT else ""


KINDS["mq_mode"] = if_created(lambda x, v: mode(v & 0xFFFF))
KINDS["mq_attr"] = if_created(attributes)
