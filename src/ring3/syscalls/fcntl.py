"""fcntl(2): flags and properties of descriptors and open files. Locks are in lock.py."""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_RESOURCE
from ring3.abi.errno import EBADF, EINVAL, EPERM, ESRCH
from ring3.abi.fcntl import (
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_DUPFD_QUERY,
    F_GET_RW_HINT,
    F_GET_SEALS,
    F_GETFD,
    F_GETFL,
    F_GETLEASE,
    F_GETLK,
    F_GETOWN,
    F_GETOWN_EX,
    F_GETPIPE_SZ,
    F_GETSIG,
    F_NOTIFY,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_OWNER_PGRP,
    F_OWNER_PID,
    F_OWNER_TID,
    F_SET_RW_HINT,
    F_SETFD,
    F_SETFL,
    F_SETLK,
    F_SETLKW,
    F_SETOWN,
    F_SETOWN_EX,
    F_SETPIPE_SZ,
    F_SETSIG,
    F_UNLCK,
    FD_CLOEXEC,
    I386,
    O_APPEND,
    O_ASYNC,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_PATH,
    RWH_WRITE_LIFE_EXTREME,
)
from ring3.abi.hints import TYPE_CHECKING, Annotated, Any, Final
from ring3.abi.signal import NSIG
from ring3.abi.types import Fd, Packed, Scalar, ULong
from ring3.fs.memfd import MemFdInode
from ring3.ipc.hostpipe import HostPipeEnd
from ring3.ipc.pipe import PipeEnd
from ring3.syscalls.dnotify import watch_directory
from ring3.syscalls.lock import get_lock, set_lock
from ring3.syscalls.sigio import need_owner, owner_of, set_async, set_owner
from ring3.syscalls.table import syscall
from ring3.task.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from ring3.vfs.file import File
    from ring3.vfs.inode import Inode

    Command = Callable[[Task, int, File, int], int]

FcntlCommand = Annotated[int, Scalar(32, signed=False, flags="fcntl", kind="enum")]
SETTABLE: Final = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
FOR_PATH_FILES: Final = (F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GETFD, F_SETFD, F_GETFL)
OWNER_EX: Final[Packed[tuple[int, int]]] = Packed("ii")
UNSIGNED_LONG_INT: Final = 0xFFFFFFFF
PARTIAL = "no leases or delegations: EINVAL"


@syscall(partial=PARTIAL)
def fcntl(t: Task, fd: Fd, cmd: FcntlCommand, arg: ULong) -> int:
    """Do *cmd* to descriptor *fd* or to what it has open."""
    return control(t, fd, cmd, arg)


@syscall(partial=PARTIAL)
def fcntl64(t: Task, fd: Fd, cmd: FcntlCommand, arg: ULong) -> int:
    """i386: ``fcntl`` that also knows locks with 64-bit offsets."""
    if I386["F_GETLK64"] <= cmd <= I386["F_SETLKW64"]:
        file = control_file(t, fd, cmd)
        if cmd == I386["F_GETLK64"]:
            return get_lock(t, file, F_GETLK, arg, wide=True)
        plain = F_SETLKW if cmd == I386["F_SETLKW64"] else F_SETLK
        return set_lock(t, fd, file, plain, arg, wide=True)
    return control(t, fd, cmd, arg)


def control(t: Task, fd: int, cmd: int, arg: int) -> int:
    file = control_file(t, fd, cmd)
    command = COMMANDS.get(cmd)
    if command is None:
        raise EINVAL(f"fcntl command {cmd}")
    return command(t, fd, file, arg)


def control_file(t: Task, fd: int, cmd: int) -> File:
    file: File = t.fds.get(fd)
    if file.flags & O_PATH and cmd not in FOR_PATH_FILES:
        raise EBADF("an O_PATH descriptor")
    return file


# --- descriptors ------------------------------------------------------------------------------
def dupfd(t: Task, file: File, low: int, cloexec: bool) -> int:
    low &= UNSIGNED_LONG_INT
    if low >= t.fds.limit:
        raise EINVAL("beyond RLIMIT_NOFILE")
    return t.fds.install(file, cloexec=cloexec, low=low)


def set_fd_flags(t: Task, fd: int, file: File, arg: int) -> int:
    t.fds.set_cloexec(fd, bool(arg & FD_CLOEXEC))
    return 0


def same_file(t: Task, fd: int, file: File, arg: int) -> int:
    """F_DUPFD_QUERY: 1 if descriptor *arg* is a duplicate of *fd*."""
    other: File = t.fds.get(arg & UNSIGNED_LONG_INT)
    return int(other is file)


# --- status flags -----------------------------------------------------------------------------
def set_status(t: Task, fd: int, file: File, arg: int) -> int:
    changed = (file.flags ^ arg) & SETTABLE
    if changed & arg & O_NOATIME:
        from ring3.vfs.access import owner_or_capable

        if not owner_or_capable(t.cred, file.inode):
            raise EPERM("O_NOATIME: not the owner")
    if (file.flags ^ arg) & O_ASYNC and file.wait_queues():
        set_async(t, fd, file, bool(arg & O_ASYNC))
    if changed:
        file.set_status(file.flags & ~SETTABLE | arg & SETTABLE)
    return 0


# --- signals ----------------------------------------------------------------------------------
def set_own(t: Task, fd: int, file: File, arg: int) -> int:
    who = ((arg & UNSIGNED_LONG_INT) ^ (1 << 31)) - (1 << 31)
    if who == -(1 << 31):
        raise EINVAL
    kind = F_OWNER_PGRP if who < 0 else F_OWNER_PID
    check_owner(t, kind, abs(who))
    set_owner(t, file, kind, abs(who))
    return 0


def set_own_ex(t: Task, fd: int, file: File, arg: int) -> int:
    kind, number = OWNER_EX.decode(t.memory.load(arg, OWNER_EX.size(64)), 64)
    if kind not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP):
        raise EINVAL("owner type")
    check_owner(t, kind, number)
    set_owner(t, file, kind, number)
    return 0


def check_owner(t: Task, kind: int, number: int) -> None:
    """ESRCH unless *number* is somebody (0: nobody)."""
    world = t.world
    known = (
        world.groups if kind == F_OWNER_PGRP
        else world.tasks if kind == F_OWNER_TID
        else world.processes
    )  # fmt: skip
    if number and number not in known:
        raise ESRCH


def get_own(t: Task, fd: int, file: File, arg: int) -> int:
    return file.owner


def get_own_ex(t: Task, fd: int, file: File, arg: int) -> int:
    owner = owner_of(file)
    kind, number = (owner.kind, owner.number) if owner else (F_OWNER_PID, 0)
    t.memory.store(arg, OWNER_EX.encode((kind, number), 64))
    return 0


def set_sig(t: Task, fd: int, file: File, arg: int) -> int:
    if arg >= NSIG:
        raise EINVAL("no such signal")
    need_owner(t, file).signo = arg
    return 0


def get_sig(t: Task, fd: int, file: File, arg: int) -> int:
    owner = owner_of(file)
    return owner.signo if owner else 0


# --- pipes, seals, hints ----------------------------------------------------------------------
def pipe_end(file: File) -> HostPipeEnd | PipeEnd:
    if not isinstance(file, HostPipeEnd | PipeEnd):
        raise EBADF("not a pipe")
    return file


def set_pipe_size(t: Task, fd: int, file: File, arg: int) -> int:
    privileged = t.cred.capable(CAP_SYS_RESOURCE)
    return pipe_end(file).set_capacity(arg & UNSIGNED_LONG_INT, privileged)


def get_pipe_size(t: Task, fd: int, file: File, arg: int) -> int:
    return pipe_end(file).capacity()


def sealable(file: File) -> MemFdInode:
    """The memfd that is open. EINVAL for any other file."""
    inode: Any = file.inode if file.kind == "regular" else None
    if not hasattr(inode, "add_seals"):
        raise EINVAL("not a memfd")
    return inode  # type: ignore[no-any-return]


def add_seals(t: Task, fd: int, file: File, arg: int) -> int:
    if not file.writable:
        raise EPERM("not open for writing")
    sealable(file).add_seals(arg & UNSIGNED_LONG_INT)
    return 0


def get_seals(t: Task, fd: int, file: File, arg: int) -> int:
    return sealable(file).get_seals()


_hints: MutableMapping[Inode, int] | None = None
"""F_SET_RW_HINT of inodes: advice that nobody here takes, kept to be told again."""


def set_hint(t: Task, fd: int, file: File, arg: int) -> int:
    global _hints
    from ring3.vfs.access import owner_or_capable

    inode = file.inode
    if not owner_or_capable(t.cred, inode):
        raise EPERM("not the owner")
    hint = int.from_bytes(t.memory.load(arg, 8), "little")
    if hint > RWH_WRITE_LIFE_EXTREME:
        raise EINVAL("write life hint")
    if _hints is None:
        from weakref import WeakKeyDictionary

        _hints = WeakKeyDictionary()
    _hints[inode] = hint
    return 0


def get_hint(t: Task, fd: int, file: File, arg: int) -> int:
    hint = _hints.get(file.inode, 0) if _hints is not None else 0
    t.memory.store(arg, hint.to_bytes(8, "little"))
    return 0


COMMANDS: dict[int, Command] = {
    F_DUPFD: lambda t, fd, file, arg: dupfd(t, file, arg, False),
    F_DUPFD_CLOEXEC: lambda t, fd, file, arg: dupfd(t, file, arg, True),
    F_DUPFD_QUERY: same_file,
    F_GETFD: lambda t, fd, file, arg: FD_CLOEXEC if fd in t.fds.cloexec else 0,
    F_SETFD: set_fd_flags,
    F_GETFL: lambda t, fd, file, arg: file.flags,
    F_SETFL: set_status,
    F_GETLK: lambda t, fd, file, arg: get_lock(t, file, F_GETLK, arg),
    F_SETLK: lambda t, fd, file, arg: set_lock(t, fd, file, F_SETLK, arg),
    F_SETLKW: lambda t, fd, file, arg: set_lock(t, fd, file, F_SETLKW, arg),
    F_OFD_GETLK: lambda t, fd, file, arg: get_lock(t, file, F_OFD_GETLK, arg, wide=True),
    F_OFD_SETLK: lambda t, fd, file, arg: set_lock(t, fd, file, F_OFD_SETLK, arg, wide=True),
    F_OFD_SETLKW: lambda t, fd, file, arg: set_lock(t, fd, file, F_OFD_SETLKW, arg, wide=True),
    F_SETOWN: set_own,
    F_GETOWN: get_own,
    F_SETOWN_EX: set_own_ex,
    F_GETOWN_EX: get_own_ex,
    F_SETSIG: set_sig,
    F_GETSIG: get_sig,
    F_GETLEASE: lambda t, fd, file, arg: F_UNLCK,
    F_NOTIFY: watch_directory,
    F_SETPIPE_SZ: set_pipe_size,
    F_GETPIPE_SZ: get_pipe_size,
    F_ADD_SEALS: add_seals,
    F_GET_SEALS: get_seals,
    F_SET_RW_HINT: set_hint,
    F_GET_RW_HINT: get_hint,
}
