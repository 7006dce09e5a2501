"""sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2): data that stays in the kernel.

Data is read and written in pieces; what could not be written is given back to where it came from.
"""

from __future__ import annotations

from ring3.abi.errno import (
    EAGAIN,
    EBADF,
    EINVAL,
    EISDIR,
    EOVERFLOW,
    EPIPE,
    ESPIPE,
    Errno,
)
from ring3.abi.fcntl import O_APPEND, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any, Final
from ring3.abi.misc import SPLICE_F_GIFT, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK
from ring3.abi.poll import POLLERR, POLLOUT
from ring3.abi.signal import SIGPIPE
from ring3.abi.types import (
    I64,
    MAX_RW_COUNT,
    Fd,
    In,
    InOut,
    Iovec,
    LongWord,
    Scalar,
    Size,
    UInt,
    ULong,
)
from ring3.core.park import Park
from ring3.ipc.hostpipe import HostPipeEnd, host_splice, host_tee
from ring3.ipc.pipe import PipeEnd
from ring3.syscalls.rw import vector_read, vector_write
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import (
    SLICE,
    STEPS,
    give_way,
    io_file,
    reader,
    send_signal,
    signal_pending,
    size_limit,
    writer,
)
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.vfs.file import File

SPLICE_F_ALL: Final = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT
PIECE: Final = 256 << 10
PIPE_PIECE: Final = 64 << 10
SpliceFlags = Annotated[int, Scalar(32, signed=False, flags="splice", kind="flags")]
OFFSET_MAX: Final = (1 << 63) - 1
MAX_NON_LFS: Final = (1 << 31) - 1
"""Largest offset of a 32-bit off_t."""


class Side:
    """One file of a transfer: at its own position, or at an offset that is told back."""

    __slots__ = ("at", "file", "pointer")

    def __init__(self, file: File, pointer: InOut[int], at: int | None) -> None:
        self.file = file
        self.pointer = pointer
        self.at = at

    def read(self, size: int) -> bytes:
        return self.file.read(size) if self.at is None else self.file.pread(size, self.at)

    def write(self, data: bytes) -> int:
        return self.file.write(data) if self.at is None else self.file.pwrite(data, self.at)

    def unread(self, data: bytes) -> None:
        if self.at is None and data:
            self.file.unread(data)

    def moved(self, count: int) -> None:
        if self.at is not None:
            self.at += count

    def tell(self) -> None:
        if self.at is not None:
            self.pointer.store(self.at)


def is_pipe(file: File) -> bool:
    return isinstance(file, HostPipeEnd | PipeEnd)


# --- sendfile, copy_file_range ----------------------------------------------------------------
@syscall
def sendfile(t: Task, out: Fd, source: Fd, offset: InOut[LongWord], count: Size) -> int:
    """Write up to *count* bytes of *source* to *out*. On i386 an offset has 31 bits: EOVERFLOW."""
    return send(t, out, source, offset, count, MAX_NON_LFS if t.memory.word == 32 else OFFSET_MAX)


@syscall
def sendfile64(t: Task, out: Fd, source: Fd, offset: InOut[I64], count: Size) -> int:
    """i386: ``sendfile`` with a 64-bit offset."""
    return send(t, out, source, offset, count)


def send(
    t: Task, out_fd: int, source_fd: int, offset: InOut[Any], count: int, most: int = OFFSET_MAX
) -> int:
    """*most*: the largest offset that can be told back (do_sendfile)."""
    at = offset.load() if offset else None
    source = reader(t, source_fd)
    if at is not None and not source.seekable:
        raise ESPIPE
    if at is not None and at < 0:
        raise EINVAL("negative offset")
    out = writer(t, out_fd)
    if out.flags & O_APPEND or not (source.seekable or is_pipe(out)):
        raise EINVAL("cannot be sent")
    count = min(count, MAX_RW_COUNT)
    if at is not None and at + count > most:
        if at >= most:
            raise EOVERFLOW("offset")
        count = most - at
    left, right = Side(source, offset, at), Side(out, offset, None)
    if is_pipe(out):
        return splice_once(t, left, right, count) if count else 0
    return copy(t, left, right, count)


@syscall
def copy_file_range(
    t: Task,
    source: Fd,
    source_at: InOut[I64],
    out: Fd,
    out_at: InOut[I64],
    count: Size,
    flags: UInt,
) -> int:
    """Copy *count* bytes between two regular files."""
    if flags:
        raise EINVAL("unknown flag")
    file_in, file_out = io_file(t, source), io_file(t, out)
    start = source_at.load() if source_at else None
    to = out_at.load() if out_at else None
    check_copy(file_in, file_out)
    where_in = file_in.seek(0, 1) if start is None else start
    where_out = file_out.seek(0, 1) if to is None else to
    check_overlap(file_in, file_out, where_in, where_out, count)
    left = max(0, file_in.stat().size - where_in) + (t.memo or 0)
    size = min(count, left, MAX_RW_COUNT)
    return copy(t, Side(file_in, source_at, start), Side(file_out, out_at, to), size)


def check_copy(file_in: File, file_out: File) -> None:
    """EBADF, EISDIR, EINVAL: what copy_file_range does not take."""
    if "dir" in (file_in.kind, file_out.kind):
        raise EISDIR
    if file_in.kind != "regular" or file_out.kind != "regular":
        raise EINVAL("not a regular file")
    if not file_in.readable or not file_out.writable or file_out.flags & O_APPEND:
        raise EBADF("access mode, or O_APPEND")


def check_overlap(file_in: File, file_out: File, start: int, to: int, count: int) -> None:
    if start < 0 or to < 0:
        raise EINVAL("negative offset")
    if start + count > OFFSET_MAX or to + count > OFFSET_MAX:
        raise EOVERFLOW
    if file_in.inode is file_out.inode and start < to + count and to < start + count:
        raise EINVAL("the ranges overlap")


def copy(t: Task, source: Side, out: Side, count: int) -> int:
    """Move up to *count* bytes; return how many. Offsets are told once they moved."""
    done = start = t.memo or 0
    steps = 0
    if count:
        count = min(count, done + size_limit(t, out.file, out.at, done))
    source.moved(done)
    out.moved(done)
    while done < count:
        try:
            step = move(t, source, out, min(count - done, PIECE))
        except Park:
            if done and signal_pending(t):
                break
            t.memo = done
            raise
        except Errno:
            if not done:
                raise
            break
        if not step:
            break
        done += step
        steps += 1
        if done < count and (done - start >= SLICE or steps >= STEPS):
            if signal_pending(t):
                break
            give_way(t, done)
    source.tell()
    out.tell()
    return done


def move(t: Task, source: Side, out: Side, size: int) -> int:
    """One piece: 0 at the source's end. What cannot be written stays where it was."""
    data = source.read(size)
    if not data:
        return 0
    try:
        count = out.write(data)
    except EPIPE:
        source.unread(data)
        send_signal(t, SIGPIPE)
        raise
    except (Park, Errno):
        source.unread(data)
        raise
    source.unread(data[count:])
    source.moved(count)
    out.moved(count)
    return count


# --- splice, tee, vmsplice --------------------------------------------------------------------
@syscall
def splice(
    t: Task,
    source: Fd,
    source_at: InOut[I64],
    out: Fd,
    out_at: InOut[I64],
    count: Size,
    flags: SpliceFlags,
) -> int:
    """Move data between a pipe and another file: as much as goes without waiting twice."""
    if not count:
        return 0
    if flags & ~SPLICE_F_ALL:
        raise EINVAL("unknown flag")
    file_in, file_out = reader(t, source), writer(t, out)
    from_pipe, to_pipe = is_pipe(file_in), is_pipe(file_out)
    if (from_pipe and source_at) or (to_pipe and out_at):
        raise ESPIPE
    if not from_pipe and not to_pipe:
        raise EINVAL("neither is a pipe")
    if same_pipe(file_in, file_out):
        raise EINVAL("both are the same pipe")
    if (source_at and not file_in.seekable) or (out_at and not file_out.seekable):
        raise EINVAL("no offsets here")
    if not to_pipe and file_out.flags & O_APPEND:
        raise EINVAL("O_APPEND")
    left = Side(file_in, source_at, source_at.load() if source_at else None)
    right = Side(file_out, out_at, out_at.load() if out_at else None)
    return waiting_or_not(t, flags, lambda: splice_once(t, left, right, min(count, MAX_RW_COUNT)))


def splice_once(t: Task, source: Side, out: Side, count: int) -> int:
    """Move what is there. Parks (with nothing moved) while there is nothing, or no room."""
    pipe_in, pipe_out = source.file, out.file
    if isinstance(pipe_in, HostPipeEnd) and isinstance(pipe_out, HostPipeEnd):
        return piped(t, lambda: host_splice(pipe_in, pipe_out, count))
    if is_pipe(pipe_out) and not pipe_out.poll() & (POLLOUT | POLLERR):
        if pipe_out.flags & O_NONBLOCK:
            raise EAGAIN
        raise Park(*pipe_out.wait_queues())
    done = 0
    while done < count:
        try:
            step = move(t, source, out, min(count - done, PIPE_PIECE))
        except (Park, Errno):
            if not done:
                raise
            break
        done += step
        if not step or is_pipe(pipe_out):
            break
    source.tell()
    out.tell()
    return done


@syscall
def tee(t: Task, source: Fd, out: Fd, count: Size, flags: SpliceFlags) -> int:
    """Copy what is in one pipe to another without taking it."""
    if flags & ~SPLICE_F_ALL:
        raise EINVAL("unknown flag")
    if not count:
        return 0
    pipe_in, pipe_out = reader(t, source), writer(t, out)
    if not is_pipe(pipe_in) or not is_pipe(pipe_out) or same_pipe(pipe_in, pipe_out):
        raise EINVAL("two different pipes")
    return waiting_or_not(t, flags, lambda: tee_once(t, pipe_in, pipe_out, count))


def tee_once(t: Task, source: File, out: File, count: int) -> int:
    if isinstance(source, HostPipeEnd) and isinstance(out, HostPipeEnd):
        return piped(t, lambda: host_tee(source, out, count))
    data = source.read(min(count, PIPE_PIECE))
    source.unread(data)
    return piped(t, lambda: out.write(data)) if data else 0


def same_pipe(one: File, other: File) -> bool:
    if isinstance(one, HostPipeEnd | PipeEnd) and isinstance(other, HostPipeEnd | PipeEnd):
        return one.name is other.name
    return False


def piped(t: Task, action: Any) -> int:
    """Run *action*, with SIGPIPE where it meets a pipe without readers."""
    try:
        return int(action())
    except EPIPE:
        send_signal(t, SIGPIPE)
        raise


def waiting_or_not(t: Task, flags: int, action: Any) -> int:
    """Run *action*; a park after some bytes ends it (vmsplice waits for room only once), and
    SPLICE_F_NONBLOCK turns one before into EAGAIN."""
    try:
        return int(action())
    except Park:
        if t.memo is not None and t.memo.done:
            return int(t.memo.done)
        if flags & SPLICE_F_NONBLOCK:
            raise EAGAIN from None
        raise


@syscall(vec="count")
def vmsplice(t: Task, fd: Fd, vec: In[Iovec], count: ULong, flags: SpliceFlags) -> int:
    """Write user memory to a pipe, or read a pipe into it. The memory is copied."""
    if flags & ~SPLICE_F_ALL:
        raise EINVAL("unknown flag")
    file = io_file(t, fd)
    if not is_pipe(file):
        raise EBADF("not a pipe")
    if file.writable:
        return waiting_or_not(t, flags, lambda: vector_write(t, file, vec, count, None))
    return waiting_or_not(t, flags, lambda: vector_read(t, file, vec, count, None))
