"""read(2), write(2) and their kin."""

from __future__ import annotations

from ring3.abi.errno import EAGAIN, EFAULT, EINVAL, EOPNOTSUPP, EOVERFLOW
from ring3.abi.fcntl import (
    O_APPEND,
    RWF_APPEND,
    RWF_ATOMIC,
    RWF_DONTCACHE,
    RWF_DSYNC,
    RWF_NOAPPEND,
    RWF_NOSIGNAL,
    RWF_NOWAIT,
    RWF_SUPPORTED,
    RWF_SYNC,
    SEEK_END,
    SEEK_MAX,
)
from ring3.abi.types import (
    I64,
    MAX_RW_COUNT,
    Bytes,
    Fd,
    In,
    Int,
    Iovec,
    Long,
    Offset,
    OffsetLow,
    Out,
    Size,
    UInt,
    ULong,
    iovecs,
)
from ring3.core.park import Park
from ring3.syscalls.table import RESULT, syscall
from ring3.syscalls.transfer import (
    CHUNK,
    check_range,
    io_file,
    positioned,
    read_spans,
    reader,
    store_some,
    write_spans,
    writer,
)
from ring3.task.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ring3.vfs.file import File


# --- one buffer ----------------------------------------------------------------------------------
@syscall(buf=RESULT)
def read(t: Task, fd: Fd, buf: Out[Bytes], count: Size) -> int:
    """Read up to *count* bytes at the file position."""
    file = reader(t, fd)
    if count > CHUNK or file.takes_buffers:
        check_range(t.memory, buf.addr, count)
        return read_spans(t, file, [(buf.addr, min(count, MAX_RW_COUNT))])
    data = file.read(count)
    if data:
        try:
            t.memory.store(buf.addr, data)
        except EFAULT:
            stored = store_some(t.memory, buf.addr, data)
            file.unread(data[stored:])
            if not stored:
                raise
            return stored
    return len(data)


@syscall(buf="count")
def write(t: Task, fd: Fd, buf: In[Bytes], count: Size) -> int:
    """Write *count* bytes at the file position (or at the end, with O_APPEND)."""
    file = writer(t, fd)
    check_range(t.memory, buf.addr, count)
    return write_spans(t, file, [(buf.addr, min(count, MAX_RW_COUNT))])


@syscall(buf=RESULT)
def pread64(t: Task, fd: Fd, buf: Out[Bytes], count: Size, offset: Offset) -> int:
    """Read at *offset*, leaving the file position alone."""
    file = positioned(t, fd, offset, write=False)
    check_range(t.memory, buf.addr, count)
    return read_spans(t, file, [(buf.addr, min(count, MAX_RW_COUNT))], offset)


@syscall(buf="count")
def pwrite64(t: Task, fd: Fd, buf: In[Bytes], count: Size, offset: Offset) -> int:
    """Write at *offset*, leaving the file position alone."""
    file = positioned(t, fd, offset, write=True)
    check_range(t.memory, buf.addr, count)
    return write_spans(t, file, [(buf.addr, min(count, MAX_RW_COUNT))], offset)


# --- several buffers -----------------------------------------------------------------------------
@syscall(vec="count")
def readv(t: Task, fd: Fd, vec: In[Iovec], count: ULong) -> int:
    """Read into several buffers, one after the other."""
    return vector_read(t, reader(t, fd), vec, count, None)


@syscall(vec="count")
def writev(t: Task, fd: Fd, vec: In[Iovec], count: ULong) -> int:
    """Write several buffers as one."""
    return vector_write(t, writer(t, fd), vec, count, None)


@syscall(vec="count")
def preadv(t: Task, fd: Fd, vec: In[Iovec], count: ULong, offset: OffsetLow) -> int:
    """``readv`` at *offset*, leaving the file position alone."""
    return vector_read(t, positioned(t, fd, offset, write=False), vec, count, offset)


@syscall(vec="count")
def pwritev(t: Task, fd: Fd, vec: In[Iovec], count: ULong, offset: OffsetLow) -> int:
    """``writev`` at *offset*, leaving the file position alone."""
    return vector_write(t, positioned(t, fd, offset, write=True), vec, count, offset)


@syscall(
    vec="count",
    partial="RWF_HIPRI changes nothing; RWF_DONTCACHE and RWF_ATOMIC give EOPNOTSUPP",
)
def preadv2(t: Task, fd: Fd, vec: In[Iovec], count: ULong, offset: OffsetLow, flags: Int) -> int:
    """``preadv``; *offset* -1 stands for the file position."""
    at = None if offset == -1 else offset
    file = reader(t, fd) if at is None else positioned(t, fd, offset, write=False)
    check_flags(flags)
    try:
        return vector_read(t, file, vec, count, at)
    except Park:
        if flags & RWF_NOWAIT and not t.memo.done:
            raise EAGAIN from None
        raise


@syscall(
    vec="count",
    partial="RWF_HIPRI changes nothing; RWF_DONTCACHE and RWF_ATOMIC give EOPNOTSUPP",
)
def pwritev2(t: Task, fd: Fd, vec: In[Iovec], count: ULong, offset: OffsetLow, flags: Int) -> int:
    """``pwritev``; *offset* -1 stands for the file position, RWF_APPEND for the end."""
    at = None if offset == -1 else offset
    file = writer(t, fd) if at is None else positioned(t, fd, offset, write=True)
    check_flags(flags)
    if flags & RWF_NOAPPEND and file.flags & O_APPEND:
        raise EOPNOTSUPP("RWF_NOAPPEND: the host description appends by itself")
    if flags & RWF_APPEND and file.seekable and t.memo is None:
        at = to_end(file, at)
    try:
        done = vector_write(t, file, vec, count, at, quiet=bool(flags & RWF_NOSIGNAL))
    except Park:
        if flags & RWF_NOWAIT:
            if t.memo.done:
                return int(t.memo.done)
            raise EAGAIN from None
        raise
    if done and flags & (RWF_DSYNC | RWF_SYNC):
        file.sync(not flags & RWF_SYNC)
    return done


def to_end(file: File, at: int | None) -> int | None:
    """Where RWF_APPEND writes: the position moves there, unless an offset was given."""
    if at is None:
        file.seek(0, SEEK_END)
        return None
    return file.stat().size


def check_flags(flags: int) -> None:
    """EOPNOTSUPP for RWF_* that cannot be honoured, EINVAL for what excludes each other."""
    if flags & ~RWF_SUPPORTED or flags & (RWF_ATOMIC | RWF_DONTCACHE):
        raise EOPNOTSUPP("RWF flag")
    if flags & RWF_APPEND and flags & RWF_NOAPPEND:
        raise EINVAL("RWF_APPEND with RWF_NOAPPEND")


def vector_read(t: Task, file: File, vec: In[Iovec], count: int, offset: int | None) -> int:
    spans = buffers(t, vec, count)
    return read_spans(t, file, spans, offset) if spans else 0


def vector_write(
    t: Task, file: File, vec: In[Iovec], count: int, offset: int | None, *, quiet: bool = False
) -> int:
    spans = buffers(t, vec, count)
    return write_spans(t, file, spans, offset, quiet=quiet) if spans else 0


def buffers(t: Task, vec: In[Iovec], count: int) -> list[tuple[int, int]]:
    """The non-empty spans of an iovec array. EINVAL, EFAULT."""
    if t.memo is not None:
        found: list[tuple[int, int]] = t.memo.spans
        return found
    spans = iovecs(vec, count)
    for addr, length in spans:
        check_range(t.memory, addr, length)
    return [span for span in spans if span[1]]


# --- position ------------------------------------------------------------------------------------
@syscall
def lseek(t: Task, fd: Fd, offset: Long, whence: UInt) -> int:
    """Move the file position; return it."""
    file = io_file(t, fd)
    if whence > SEEK_MAX:
        raise EINVAL("unknown whence")
    at = file.seek(offset, whence)
    if at >> (t.memory.word - 1):
        raise EOVERFLOW
    return at


@syscall
def _llseek(t: Task, fd: Fd, high: ULong, low: ULong, result: Out[I64], whence: UInt) -> int:
    """i386: ``lseek`` with a 64-bit offset in two registers."""
    file = io_file(t, fd)
    if whence > SEEK_MAX:
        raise EINVAL("unknown whence")
    offset = (high << 32 | low) & 0xFFFFFFFFFFFFFFFF
    result.store(file.seek((offset ^ (1 << 63)) - (1 << 63), whence))
    return 0
