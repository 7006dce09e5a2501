"""System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2)."""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_RESOURCE
from ring3.abi.errno import EIDRM, EINVAL, EPERM
from ring3.abi.hints import Annotated, Final
from ring3.abi.ipc import (
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MSG_COPY,
    MSG_EXCEPT,
    MSG_INFO,
    MSG_STAT,
    MSG_STAT_ANY,
    MSGMAP,
    MSGMAX,
    MSGMNB,
    MSGMNI,
    MSGPOOL,
    MSGSEG,
    MSGSSZ,
    MSGTQL,
)
from ring3.abi.types import Addr, Bytes, In, Int, Long, Out, RecordCodec, Scalar, Size
from ring3.core.park import Park
from ring3.ipc.ids import S_IRUGO, S_IWUGO
from ring3.ipc.msg import Letter, MessageQueue
from ring3.syscalls.sysv_records import Msginfo, MsqidDs, perm_fields
from ring3.syscalls.sysv_sem import IpcFlags
from ring3.syscalls.sysv_shm import IpcKey, plain_command, seconds
from ring3.syscalls.table import syscall
from ring3.task.task import Task

MsgFlags = Annotated[int, Scalar(32, flags="msg", kind="flags")]
MsgCommand = Annotated[int, Scalar(32, flags="msg_ctl", kind="enum")]
DS: Final[RecordCodec[MsqidDs]] = RecordCodec(MsqidDs)
INFO: Final[RecordCodec[Msginfo]] = RecordCodec(Msginfo)


@syscall
def msgget(t: Task, key: IpcKey, flags: IpcFlags) -> int:
    """Find or make a queue; return its id."""

    def make() -> MessageQueue:
        return MessageQueue(key, flags, t.cred, seconds(t))

    return t.world.ipc.messages.get(key, flags, t.cred, make, lambda found: None).id


@syscall
def msgsnd(t: Task, ident: Int, message: In[Bytes], size: Size, flags: MsgFlags) -> int:
    """Append the message at *message*: a long with its type, then *size* bytes."""
    letter = t.memo or load_letter(t, ident, message.addr, size)
    queue = find(t, ident)
    queue.check(t.cred, S_IWUGO)
    try:
        queue.send(letter, flags, t.process.pid, seconds(t))
    except Park:
        t.memo = letter
        raise
    return 0


def load_letter(t: Task, ident: int, addr: int, size: int) -> Letter:
    width = t.memory.word // 8
    kind = int.from_bytes(t.memory.load(addr, width), "little", signed=True)
    if size > MSGMAX or ident < 0 or kind < 1:
        raise EINVAL
    return Letter(kind, t.memory.load(addr + width, size) if size else b"")


@syscall
def msgrcv(
    t: Task, ident: Int, message: Out[Bytes], size: Size, kind: Long, flags: MsgFlags
) -> int:
    """Take a message and store its type and content; return the content's length."""
    if ident < 0 or size >> (t.memory.word - 1):
        raise EINVAL
    if flags & MSG_COPY and (flags & MSG_EXCEPT or not flags & IPC_NOWAIT):
        raise EINVAL("MSG_COPY needs IPC_NOWAIT and goes by number")
    queue = find(t, ident)
    queue.check(t.cred, S_IRUGO)
    try:
        letter = queue.receive(size, kind, flags, t.process.pid, seconds(t))
    except Park:
        t.memo = True
        raise
    data = letter.data[:size]
    t.memory.store(message.addr, letter.kind.to_bytes(t.memory.word // 8, "little") + data)
    return len(data)


def find(t: Task, ident: int) -> MessageQueue:
    """The queue. EINVAL, EIDRM; who waited for it before is always told EIDRM."""
    try:
        return t.world.ipc.messages.find(ident)
    except EINVAL:
        if t.memo:
            raise EIDRM from None
        raise


@syscall
def msgctl(t: Task, ident: Int, cmd: MsgCommand, buf: Addr) -> int:
    """Look at a queue, change or remove it."""
    table, mem = t.world.ipc.messages, t.memory
    cmd = plain_command(t, cmd)
    if ident < 0 or cmd < 0:
        raise EINVAL
    if cmd in (IPC_INFO, MSG_INFO):
        return tell_limits(t, cmd, buf)
    if cmd in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
        queue = table.find(ident) if cmd == IPC_STAT else table.at(ident)
        if cmd != MSG_STAT_ANY:
            queue.check(t.cred, S_IRUGO)
        mem.store(buf, DS.encode(describe(queue), mem.word))
        return 0 if cmd == IPC_STAT else queue.id
    if cmd == IPC_SET:
        wanted = DS.decode(mem.load(buf, DS.size(mem.word)), mem.word)
        queue = table.find(ident)
        queue.check_owner(t.cred)
        if wanted.qbytes > MSGMNB and not t.cred.capable(CAP_SYS_RESOURCE):
            raise EPERM("msg_qbytes above /proc/sys/kernel/msgmnb")
        queue.room = wanted.qbytes
        queue.uid, queue.gid, queue.mode = wanted.uid, wanted.gid, wanted.mode & 0o777
        queue.ctime = seconds(t)
        queue.senders.wake()
        queue.receivers.wake()  # they may not be allowed to receive any more
        return 0
    if cmd == IPC_RMID:
        queue = table.find(ident)
        queue.check_owner(t.cred)
        table.remove(queue)
        return 0
    raise EINVAL("unknown command")


def describe(queue: MessageQueue) -> MsqidDs:
    return MsqidDs(
        stime=queue.stime,
        rtime=queue.rtime,
        ctime=queue.ctime,
        cbytes=queue.used,
        qnum=len(queue.letters),
        qbytes=queue.room,
        lspid=queue.lspid,
        lrpid=queue.lrpid,
        **perm_fields(queue),
    )


def tell_limits(t: Task, cmd: int, buf: int) -> int:
    """IPC_INFO and MSG_INFO: the result is the highest index in use."""
    table = t.world.ipc.messages
    told = Msginfo(
        msgpool=MSGPOOL,
        msgmap=MSGMAP,
        msgmax=MSGMAX,
        msgmnb=MSGMNB,
        msgmni=MSGMNI,
        msgssz=MSGSSZ,
        msgtql=MSGTQL,
        msgseg=MSGSEG,
    )
    if cmd == MSG_INFO:
        queues = table.objects.values()
        told.msgpool = len(queues)
        told.msgmap = sum(len(q.letters) for q in queues)
        told.msgtql = sum(q.used for q in queues)
    t.memory.store(buf, INFO.encode(told, t.memory.word))
    return table.highest()
