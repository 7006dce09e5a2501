"""flock(2), and the record locks of fcntl(2)."""

from __future__ import annotations

from ring3.abi.errno import EBADF, EINVAL, EOVERFLOW
from ring3.abi.fcntl import (
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_RDLCK,
    F_SETLKW,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_NB,
    LOCK_SH,
    LOCK_UN,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from ring3.abi.hints import TYPE_CHECKING, Annotated, Final
from ring3.abi.types import Fd, Record, RecordCodec, Scalar
from ring3.ipc.locks import OFFSET_MAX, Owner, locks_of, ofd_owner, posix_owner
from ring3.syscalls.table import syscall
from ring3.syscalls.transfer import io_file
from ring3.task.task import Task

if TYPE_CHECKING:
    from ring3.vfs.file import File

FlockOperation = Annotated[int, Scalar(32, signed=False, flags="flock", kind="flags")]
KINDS: Final = {LOCK_SH: F_RDLCK, LOCK_EX: F_WRLCK, LOCK_UN: F_UNLCK}
OFD_COMMANDS: Final = (F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW)


class Flock(Record):
    """struct flock."""

    LAYOUT = "flock"
    FIELDS = {
        "type": "l_type",
        "whence": "l_whence",
        "start": "l_start",
        "len": "l_len",
        "pid": "l_pid",
    }
    __slots__ = tuple(FIELDS)
    type: int
    whence: int
    start: int
    len: int
    pid: int


class Flock64(Flock):
    """struct flock64: 64-bit offsets in both ABIs."""

    LAYOUT = "flock64"
    __slots__ = ()


NARROW: Final[RecordCodec[Flock]] = RecordCodec(Flock)
WIDE: Final[RecordCodec[Flock]] = RecordCodec(Flock64)


@syscall
def flock(t: Task, fd: Fd, operation: FlockOperation) -> int:
    """Lock a whole file for its open file description."""
    kind = KINDS.get(operation & ~LOCK_NB)
    if kind is None:
        raise EINVAL("LOCK_SH, LOCK_EX or LOCK_UN")
    file = io_file(t, fd)
    if kind != F_UNLCK and not (file.readable or file.writable):
        raise EBADF
    locks_of(file, t.world.clock).flock(file, kind, wait=not operation & LOCK_NB)
    return 0


def get_lock(t: Task, file: File, cmd: int, arg: int, *, wide: bool = False) -> int:
    """F_GETLK, F_OFD_GETLK: the lock at *arg* becomes the first one in its way, or F_UNLCK."""
    lock = load_flock(t, arg, wide)
    if lock.type not in (F_RDLCK, F_WRLCK):
        raise EINVAL("lock type")
    first, last = bounds(file, lock)
    owner = owner_for(t, file, cmd, lock)
    locks = locks_of(file, t.world.clock)
    found = locks.first_conflict(owner, first, last, lock.type)
    locks.retire()
    if found is None:
        lock.type = F_UNLCK
    else:
        lock.pid, (start, end, lock.type) = found
        lock.whence = SEEK_SET
        lock.start = start
        lock.len = 0 if end == OFFSET_MAX else end - start + 1
        if not wide and t.memory.word == 32 and max(lock.start, lock.len) >= 1 << 31:
            raise EOVERFLOW
    t.memory.store(arg, (WIDE if wide else NARROW).encode(lock, t.memory.word))
    return 0


def load_flock(t: Task, arg: int, wide: bool) -> Flock:
    codec, word = WIDE if wide else NARROW, t.memory.word
    return codec.decode(t.memory.load(arg, codec.size(word)), word)


def set_lock(t: Task, fd: int, file: File, cmd: int, arg: int, *, wide: bool = False) -> int:
    """F_SETLK, F_SETLKW and the F_OFD_ ones."""
    if t.memo is None:
        lock = load_flock(t, arg, wide)
        first, last = bounds(file, lock)
        if lock.type not in (F_RDLCK, F_WRLCK, F_UNLCK):
            raise EINVAL("lock type")
        owner = owner_for(t, file, cmd, lock)
        kind = lock.type
        # What was checked is what is set, should the call wait and run again.
        t.memo = (first, last, kind, lock.pid)
    else:
        first, last, kind, pid = t.memo
        owner = owner_for(t, file, cmd, Flock(pid=pid))
    if (kind == F_RDLCK and not file.readable) or (kind == F_WRLCK and not file.writable):
        raise EBADF("the access mode does not allow this lock")
    locks = locks_of(file, t.world.clock)
    locks.set(owner, first, last, kind, wait=cmd in (F_SETLKW, F_OFD_SETLKW))
    return 0


def owner_for(t: Task, file: File, cmd: int, lock: Flock) -> Owner:
    """Whose lock it is. EINVAL for an open file description lock with a pid."""
    if cmd not in OFD_COMMANDS:
        return posix_owner(t.fds, t.process.pid)
    if lock.pid:
        raise EINVAL("l_pid must be 0")
    return ofd_owner(file)


def bounds(file: File, lock: Flock) -> tuple[int, int]:
    """(first, last) byte that *lock* means. EINVAL, EOVERFLOW (flock_to_posix_lock)."""
    if lock.whence == SEEK_SET:
        base = 0
    elif lock.whence == SEEK_CUR:
        base = file.seek(0, SEEK_CUR) if file.seekable else 0
    elif lock.whence == SEEK_END:
        base = file.stat().size
    else:
        raise EINVAL("l_whence")
    start, length = base + lock.start, lock.len
    if start > OFFSET_MAX:
        raise EOVERFLOW
    if start < 0:
        raise EINVAL("before the start of the file")
    if length > 0:
        last = start + length - 1
        if last > OFFSET_MAX:
            raise EOVERFLOW
        return start, last
    if length < 0:
        if start + length < 0:
            raise EINVAL("before the start of the file")
        return start + length, start - 1
    return start, OFFSET_MAX
