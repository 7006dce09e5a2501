"""Moving bytes between user memory and open files: what read(2) and all its kin share.

Buffers are lists of (address, length) spans. Transfers go in chunks, so that a huge one neither
takes much memory nor keeps the kernel from others: after ``SLICE`` bytes the call parks until the
others had their turn. ``t.memo`` then holds a ``Progress``: how many bytes are done, and the
buffers, since another thread of the guest may have changed the iovec array meanwhile. A call that
a signal interrupts after some bytes returns their number.
"""

from __future__ import annotations

from ring3.abi.errno import EBADF, EFAULT, EFBIG, EINVAL, EPIPE, ESPIPE, Errno
from ring3.abi.fcntl import O_APPEND, O_NONBLOCK, O_PATH, SEEK_CUR
from ring3.abi.hints import TYPE_CHECKING, Final, NoReturn
from ring3.abi.resource import RLIM_INFINITY, RLIMIT_FSIZE
from ring3.abi.signal import SIGPIPE, SIGXFSZ
from ring3.abi.types import PAGE_SIZE
from ring3.core.park import UNINTERRUPTIBLE, Park
from ring3.task.task import SIGNALS, Task
from ring3.vfs.spans import pieces, total

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.vfs.file import File
    from ring3.vfs.spans import Spans

CHUNK: Final = 1 << 20
"""Bytes loaded or stored at once."""
SLICE: Final = 32 << 20
"""Bytes after which others get their turn."""
STEPS: Final = 256
"""Pieces after which they do, too: a file that is sent to its own end goes by a few bytes."""
UNINTERRUPTED: Final = ("regular", "memfd")
USER_END: Final = 0x7FFFFFFFF000
"""TASK_SIZE_MAX: what access_ok compares with, whatever the caller's word size."""


# --- files ---------------------------------------------------------------------------------------
def io_file(t: Task, fd: int) -> File:
    """The file at *fd*, for calls that O_PATH descriptors do not take. EBADF."""
    file = t.fds.files.get(fd)
    if file is None or file.flags & O_PATH:
        raise EBADF
    if file.wants_caller:
        file.called_by(t)
    return file


def reader(t: Task, fd: int) -> File:
    """The file at *fd*, open for reading. EBADF."""
    file = io_file(t, fd)
    if not file.readable:
        raise EBADF("not open for reading")
    return file


def writer(t: Task, fd: int) -> File:
    """The file at *fd*, open for writing. EBADF."""
    file = io_file(t, fd)
    if not file.writable:
        raise EBADF("not open for writing")
    return file


def positioned(t: Task, fd: int, offset: int, *, write: bool) -> File:
    """The file at *fd* for I/O at *offset*. EINVAL, EBADF, ESPIPE, in Linux's order."""
    if offset < 0:
        raise EINVAL("negative offset")
    file = io_file(t, fd)
    if not (file.writable if write else file.readable):
        raise EBADF("wrong access mode") if file.seekable else ESPIPE
    return file


def check_range(mem: Memory, addr: int, size: int) -> None:
    """EFAULT for a buffer that cannot lie in user memory, whatever is mapped (access_ok)."""
    if addr + size > USER_END:
        raise EFAULT


# --- user memory ---------------------------------------------------------------------------------
def load_some(mem: Memory, addr: int, size: int) -> bytes:
    """The bytes at *addr* up to *size* or to where memory ends. EFAULT if not even one."""
    try:
        return mem.load(addr, size)
    except EFAULT:
        got = bytearray()
        while len(got) < size:
            step = min(size - len(got), PAGE_SIZE - (addr + len(got)) % PAGE_SIZE)
            try:
                got += mem.load(addr + len(got), step)
            except EFAULT:
                break
        if not got:
            raise
        return bytes(got)


def store_some(mem: Memory, addr: int, data: bytes) -> int:
    """Store *data* as far as memory goes; return how much that was (0: nothing)."""
    try:
        mem.store(addr, data)
        return len(data)
    except EFAULT:
        done = 0
        while done < len(data):
            step = min(len(data) - done, PAGE_SIZE - (addr + done) % PAGE_SIZE)
            try:
                mem.store(addr + done, data[done : done + step])
            except EFAULT:
                break
            done += step
        return done


def load_spans(mem: Memory, spans: Spans, start: int, size: int) -> bytes:
    """Bytes of a buffer, fewer than *size* where memory ends. EFAULT if not even one."""
    if len(spans) == 1:
        return load_some(mem, spans[0][0] + start, size) if size else b""
    out = bytearray()
    for addr, length in pieces(spans, start, size):
        try:
            got = load_some(mem, addr, length)
        except EFAULT:
            if not out:
                raise
            break
        out += got
        if len(got) < length:
            break
    return bytes(out)


def store_spans(mem: Memory, spans: Spans, start: int, data: bytes) -> int:
    """Store *data* into a buffer as far as memory goes; return how much that was."""
    done = 0
    for addr, length in pieces(spans, start, len(data)):
        stored = store_some(mem, addr, data[done : done + length])
        done += stored
        if stored < length:
            break
    return done


# --- waiting and signals -------------------------------------------------------------------------
def signal_pending(t: Task) -> bool:
    """Whether a park now would be the end of the call."""
    if t.interrupted:
        return True
    if not t.attention & SIGNALS:
        return False
    from ring3.task.signals import has_deliverable

    return has_deliverable(t)


def send_signal(t: Task, signo: int) -> None:
    """Send the caller *signo* for what it just did (SIGPIPE, SIGXFSZ)."""
    from ring3.task.signals import SigInfo, send_to_task

    send_to_task(t, SigInfo.user(signo, t))


def gives_way(t: Task, file: File) -> bool:
    """Whether a long read or write goes on after others had their turn: a signal ends it here, but
    not one of a regular file, which Linux does not interrupt."""
    return file.kind in UNINTERRUPTED or not signal_pending(t)


def give_way(t: Task, memo: object) -> NoReturn:
    """Let others run before the transfer goes on. Signals wait (a fatal one does not)."""
    t.memo = memo
    raise Park(deadline_ns=0, restart=UNINTERRUPTIBLE)


# --- transfers -----------------------------------------------------------------------------------
class Progress:
    """What a parked transfer remembers (``t.memo``): the call is executed again from its
    registers, but what it had read from the guest's memory is not read a second time."""

    __slots__ = ("done", "offset", "spans")

    def __init__(self, done: int, spans: Spans, offset: int | None) -> None:
        self.done = done
        self.spans = spans
        self.offset = offset


def read_spans(t: Task, file: File, spans: Spans, offset: int | None = None) -> int:
    """Fill *spans* from *file*, at its position or at *offset*; return the bytes read."""
    if file.takes_buffers:
        return file.transfer(t, spans, offset, False)
    done = start = steps = 0
    if t.memo is not None:
        done, spans, offset = t.memo.done, t.memo.spans, t.memo.offset
        start = done
    size, mem = total(spans), t.memory
    while True:
        want = min(size - done, CHUNK)
        try:
            data = file.read(want) if offset is None else file.pread(want, offset + done)
        except Park:
            if done:
                return done
            t.memo = Progress(done, spans, offset)
            raise
        except Errno:
            if done:
                return done
            raise
        stored = store_spans(mem, spans, done, data)
        if stored < len(data):
            if offset is None:
                file.unread(data[stored:])
            if not done + stored:
                raise EFAULT
            return done + stored
        done += stored
        if stored < want or done == size:
            return done
        steps += 1
        if done - start >= SLICE or steps >= STEPS:
            if not gives_way(t, file):
                return done
            give_way(t, Progress(done, spans, offset))


def write_spans(
    t: Task, file: File, spans: Spans, offset: int | None = None, *, quiet: bool = False
) -> int:
    """Write *spans* to *file*, at its position or at *offset*; return the bytes written.

    *quiet*: no SIGPIPE (RWF_NOSIGNAL).
    """
    if file.takes_buffers:
        return file.transfer(t, spans, offset, True)
    if file.swallows:
        return total(spans)
    done = start = steps = 0
    if t.memo is not None:
        done, spans, offset = t.memo.done, t.memo.spans, t.memo.offset
        start = done
    size, mem = total(spans), t.memory
    if size:
        size = min(size, done + size_limit(t, file, offset, done))
    while True:
        want = min(size - done, CHUNK)
        try:
            data = load_spans(mem, spans, done, want)
            count = file.write(data) if offset is None else file.pwrite(data, offset + done)
        except Park:
            if done and signal_pending(t):
                return done
            t.memo = Progress(done, spans, offset)
            raise
        except Errno as failed:
            if isinstance(failed, EPIPE) and not quiet:
                send_signal(t, SIGPIPE)
            if done:
                return done
            raise
        done += count
        if done >= size or len(data) < want:
            return done
        if count < len(data) and file.flags & O_NONBLOCK:
            return done
        steps += 1
        if done - start >= SLICE or steps >= STEPS:
            if not gives_way(t, file):
                return done
            give_way(t, Progress(done, spans, offset))


def size_limit(t: Task, file: File, offset: int | None, done: int) -> int:
    """How many more bytes RLIMIT_FSIZE lets a write have, of which *done* bytes are written.

    EFBIG with SIGXFSZ if there is no room for the first one.
    """
    limit = t.process.limits.get(RLIMIT_FSIZE, (RLIM_INFINITY, 0))[0]
    if limit >= 1 << 63 or file.kind not in ("regular", "memfd"):
        return 1 << 62
    if file.flags & O_APPEND:
        at = file.stat().size
    else:
        at = file.seek(0, SEEK_CUR) if offset is None else offset + done
    if at >= limit and not done:
        send_signal(t, SIGXFSZ)
        raise EFBIG("RLIMIT_FSIZE")
    return max(0, limit - at)
