"""POSIX message queues: mq_open(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2)."""

from __future__ import annotations

from ring3.abi.capability import CAP_FOWNER, CAP_SYS_RESOURCE
from ring3.abi.errno import (
    EACCES,
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EMFILE,
    EMSGSIZE,
    ENAMETOOLONG,
    ENOENT,
    ENOSYS,
    EPERM,
    Errno,
)
from ring3.abi.fcntl import O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY
from ring3.abi.hints import Annotated, Any
from ring3.abi.ipc import MQ_PRIO_MAX
from ring3.abi.misc import NAME_MAX
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_MSGQUEUE
from ring3.abi.signal import NSIG, SI_MESGQ, SIGEV_NONE, SIGEV_SIGNAL
from ring3.abi.types import (
    U32,
    Bytes,
    Fd,
    In,
    Mode,
    OpenFlags,
    Out,
    Packed,
    Path,
    Record,
    Size,
    Timespec,
    UInt,
)
from ring3.ipc.mqueue import (
    DEFAULT_MOST,
    DEFAULT_SIZE,
    HARD_MOST,
    HARD_SIZE,
    PLAIN_MOST,
    PLAIN_SIZE,
    Notice,
    Queue,
    QueueFile,
)
from ring3.syscalls.publish import install
from ring3.syscalls.records import Timespec64
from ring3.syscalls.table import RESULT, syscall
from ring3.syscalls.transfer import check_range
from ring3.task.task import Task

Sigevent = Annotated[
    "tuple[int, int, int]", Packed["tuple[int, int, int]"]("Qii48x", "Iii52x", kind="sigevent")
]
"""struct sigevent: value, signal, how."""
DEFAULT_LIMIT = 819_200


class MqAttr(Record):
    LAYOUT = "mq_attr"
    FIELDS = {
        "flags": "mq_flags",
        "maxmsg": "mq_maxmsg",
        "msgsize": "mq_msgsize",
        "curmsgs": "mq_curmsgs",
    }
    __slots__ = tuple(FIELDS)
    flags: int
    maxmsg: int
    msgsize: int
    curmsgs: int


# --- names ------------------------------------------------------------------------------------
@syscall
def mq_open(t: Task, name: In[Path], flags: OpenFlags, mode: Mode, attr: In[MqAttr]) -> int:
    """Open the queue called *name* (without the slash), making it if O_CREAT asks for that."""
    wanted = attr.load() if attr else None
    text = queue_name(name)
    if flags & O_ACCMODE == O_ACCMODE:
        raise EINVAL("access mode")
    queues = t.world.ipc.queues
    queue = queues.names.get(text)
    if queue is None:
        if not flags & O_CREAT:
            raise ENOENT
        queue = make_queue(t, mode, wanted)
        queues.enter(text, queue)
    elif flags & O_CREAT and flags & O_EXCL:
        raise EEXIST
    else:
        check_access(t, queue, flags)
    file = QueueFile(queue, text, flags & (O_ACCMODE | O_NONBLOCK))
    return install(t, file, True)  # always close-on-exec


def queue_name(name: In[bytes]) -> bytes:
    """ENOENT, EACCES (a slash in it), ENAMETOOLONG."""
    text = name.load()
    if not text:
        raise ENOENT
    if b"/" in text or text in (b".", b".."):
        raise EACCES("not a plain name")
    if len(text) > NAME_MAX:
        raise ENAMETOOLONG
    return text


def make_queue(t: Task, mode: int, wanted: MqAttr | None) -> Queue:
    """EINVAL for sizes beyond the limits, EMFILE beyond RLIMIT_MSGQUEUE."""
    most, size = (wanted.maxmsg, wanted.msgsize) if wanted else (DEFAULT_MOST, DEFAULT_SIZE)
    privileged = t.cred.capable(CAP_SYS_RESOURCE)
    limits = (HARD_MOST, HARD_SIZE) if privileged else (PLAIN_MOST, PLAIN_SIZE)
    if not 0 < most <= limits[0] or not 0 < size <= limits[1]:
        raise EINVAL("queue attributes")
    queue = Queue(mode & ~t.fs.umask & 0o777, t.cred.fsuid, t.cred.fsgid, most, size)
    limit = t.process.limits.get(RLIMIT_MSGQUEUE, (DEFAULT_LIMIT, RLIM_INFINITY))[0]
    if t.world.ipc.queues.charged_to(queue.uid) + queue.charge() > limit:
        raise EMFILE("RLIMIT_MSGQUEUE")
    return queue


def check_access(t: Task, queue: Queue, flags: int) -> None:
    """EACCES unless the caller may open *queue* so."""
    from ring3.abi.capability import CAP_DAC_OVERRIDE

    need = {O_RDONLY: 4, O_WRONLY: 2}.get(flags & O_ACCMODE, 6)
    granted = queue.mode
    if t.cred.fsuid == queue.uid:
        granted >>= 6
    elif queue.gid == t.cred.fsgid or queue.gid in t.cred.groups:
        granted >>= 3
    if need & ~granted and not t.cred.capable(CAP_DAC_OVERRIDE):
        raise EACCES


@syscall
def mq_unlink(t: Task, name: In[Path]) -> int:
    """Remove a queue's name. Who has it open keeps it."""
    text = queue_name(name)
    queue = t.world.ipc.queues.find(text)
    if t.cred.fsuid != queue.uid and not t.cred.capable(CAP_FOWNER):
        raise EPERM("not the owner")
    del t.world.ipc.queues.names[text]
    return 0


# --- messages ---------------------------------------------------------------------------------
def queue_at(t: Task, fd: int, *, write: bool | None = None) -> QueueFile:
    """The queue at *fd*, open for writing or reading as asked. EBADF."""
    file = t.fds.get(fd, QueueFile)
    if write is not None and not (file.writable if write else file.readable):
        raise EBADF("access mode")
    return file


def remember_deadline(t: Task, timeout: In[Any]) -> int | None:
    """The absolute time at *timeout*, on the monotonic clock. EFAULT, EINVAL."""
    if t.memo is None:
        clock = t.world.clock
        until = None
        if timeout:
            until = timeout.load().ns() - clock.realtime_ns() + clock.monotonic_ns()
        t.memo = (until,)
    until_ns: int | None = t.memo[0]
    return until_ns


@syscall(message="length")
def mq_timedsend(
    t: Task, fd: Fd, message: In[Bytes], length: Size, priority: UInt, timeout: In[Timespec]
) -> int:
    """Append a message, waiting for room until *timeout* (a time of day; NULL: for ever)."""
    return send(t, fd, message, length, priority, timeout)


@syscall(message="length")
def mq_timedsend_time64(
    t: Task, fd: Fd, message: In[Bytes], length: Size, priority: UInt, timeout: In[Timespec64]
) -> int:
    """i386: ``mq_timedsend`` with 64-bit seconds."""
    return send(t, fd, message, length, priority, timeout)


def send(t: Task, fd: int, message: In[bytes], length: int, priority: int, timeout: In[Any]) -> int:
    until = remember_deadline(t, timeout)
    if priority >= MQ_PRIO_MAX:
        raise EINVAL("priority")
    file = queue_at(t, fd, write=True)
    if length > file.queue.size:
        raise EMSGSIZE
    data = message.load_bytes(length)
    notice = file.send(data, priority, until, t.world.clock.monotonic_ns())
    if notice is not None and notice.signo:
        tell(t, notice)
    return 0


def tell(t: Task, notice: Notice) -> None:
    """Send the signal that a message came to the empty queue."""
    from ring3.task.signals import SigInfo, send_to_process

    pid, uid = t.process.pid, t.cred.uid
    info = SigInfo(notice.signo, SI_MESGQ, pid=pid, uid=uid, value=notice.value)
    try:
        send_to_process(notice.process, info)
    except Errno:
        pass  # the receiver's queue of signals is full: the notice is lost, the message is not


@syscall(message=RESULT)
def mq_timedreceive(
    t: Task,
    fd: Fd,
    message: Out[Bytes],
    length: Size,
    priority: Out[U32],
    timeout: In[Timespec],
) -> int:
    """Take the oldest of the most urgent messages, waiting until *timeout*."""
    return receive(t, fd, message, length, priority, timeout)


@syscall(message=RESULT)
def mq_timedreceive_time64(
    t: Task,
    fd: Fd,
    message: Out[Bytes],
    length: Size,
    priority: Out[U32],
    timeout: In[Timespec64],
) -> int:
    """i386: ``mq_timedreceive`` with 64-bit seconds."""
    return receive(t, fd, message, length, priority, timeout)


def receive(
    t: Task, fd: int, message: Out[bytes], length: int, priority: Out[int], timeout: In[Any]
) -> int:
    until = remember_deadline(t, timeout)
    file = queue_at(t, fd, write=False)
    if length < file.queue.size:
        raise EMSGSIZE
    check_range(t.memory, message.addr, length)
    data, urgency = file.receive(until, t.world.clock.monotonic_ns())
    if priority:
        priority.store(urgency)
    message.store_bytes(data)
    return len(data)


# --- notices, attributes ----------------------------------------------------------------------
class Departure:
    """Waits for a process's exit: its notices end with it."""

    __slots__ = ("notice", "queue")

    def __init__(self, queue: Queue, notice: Notice) -> None:
        self.queue = queue
        self.notice = notice

    def woken(self, queue: Any) -> None:
        queue.remove(self)
        if self.queue.notice is self.notice:
            self.queue.notice = None

    def finished(self, queue: Any, result: int) -> None:
        """An exit is only ever announced by a wake."""


@syscall(
    partial="no SIGEV_THREAD (ENOSYS); a notice ends with its process, not with its descriptor"
)
def mq_notify(t: Task, fd: Fd, event: In[Sigevent]) -> int:
    """Have a signal sent when a message comes to the empty queue; NULL takes that back."""
    value, signo, how = event.load() if event else (0, 0, SIGEV_NONE)
    if event:
        if how not in (SIGEV_NONE, SIGEV_SIGNAL):
            raise ENOSYS("SIGEV_THREAD of mq_notify") if how == 2 else EINVAL("sigev_notify")
        if how == SIGEV_SIGNAL and not 0 <= signo < NSIG:
            raise EINVAL("sigev_signo")
    queue = queue_at(t, fd).queue
    if not event:
        if queue.notice is not None and queue.notice.process is t.process:
            queue.notice = None
        return 0
    if queue.notice is not None:
        raise EBUSY("somebody is registered")
    notice = Notice(t.process, signo if how == SIGEV_SIGNAL else 0, value)
    queue.notice = notice
    t.process.exit_event.add(Departure(queue, notice))
    return 0


@syscall
def mq_getsetattr(t: Task, fd: Fd, new: In[MqAttr], old: Out[MqAttr]) -> int:
    """Store a queue's attributes at *old*; take O_NONBLOCK from *new*."""
    wanted = new.load() if new else None
    if wanted is not None and wanted.flags & ~O_NONBLOCK:
        raise EINVAL("only O_NONBLOCK can be changed")
    file = queue_at(t, fd)
    queue = file.queue
    before = MqAttr(file.flags & O_NONBLOCK, queue.most, queue.size, len(queue.messages))
    if wanted is not None:
        file.set_status(file.flags & ~O_NONBLOCK | wanted.flags)
    if old:
        old.store(before)
    return 0
