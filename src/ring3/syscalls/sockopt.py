"""getsockopt(2) and setsockopt(2). What the options are is in ``net.options``."""

from __future__ import annotations

from ring3.abi.errno import EINVAL, ENODATA, EOPNOTSUPP, ERANGE
from ring3.abi.socket import AF_UNIX, IPPROTO_IP, SO_PEERGROUPS, SO_PEERPIDFD, SOL_SOCKET
from ring3.abi.types import Bytes, Fd, In, InOut, Int, Out, SockLen
from ring3.net.options import Value, get_option, set_option
from ring3.net.socket import Socket
from ring3.syscalls.publish import install
from ring3.syscalls.sockets import socket_at
from ring3.syscalls.table import syscall
from ring3.task.task import Task


class TaskAsker:
    """The caller, as options want to know it."""

    __slots__ = ("task", "word")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.word = task.memory.word

    def capable(self, cap: int) -> bool:
        return self.task.cred.capable(cap)


@syscall(value="length")
def setsockopt(t: Task, fd: Fd, level: Int, name: Int, value: In[Bytes], length: Int) -> int:
    """Set an option of a socket."""
    sock = socket_at(t, fd)
    if length < 0:
        raise EINVAL("negative length")
    set_option(sock, level, name, Value(value.load_bytes, length), TaskAsker(t))
    return 0


@syscall(value="length")
def getsockopt(
    t: Task, fd: Fd, level: Int, name: Int, value: Out[Bytes], length: InOut[SockLen]
) -> int:
    """Tell an option of a socket, as much of it as fits."""
    sock = socket_at(t, fd)
    room = length.load()
    if room < 0:
        raise EINVAL("negative length")
    if (level, name) == (SOL_SOCKET, SO_PEERPIDFD):
        return peer_pidfd(t, sock, value, room, length)
    data = get_option(sock, level, name, TaskAsker(t))
    if (level, name) == (SOL_SOCKET, SO_PEERGROUPS) and room < len(data):
        length.store(len(data))
        raise ERANGE
    if level == IPPROTO_IP and 0 < room < 4 and len(data) == 4 and not any(data[1:]):
        room = 1  # what fits in a byte is told in one
    data = data[:room]
    # Linux stores these in either order, depending on the level.
    length.store(len(data))
    value.store_bytes(data)
    return 0


def peer_pidfd(t: Task, sock: Socket, value: Out[Bytes], room: int, length: InOut[SockLen]) -> int:
    """SO_PEERPIDFD: a descriptor of the process at the other end."""
    from ring3.task.pidfd import PidFd

    cred = sock.peer_cred
    if sock.domain != AF_UNIX or cred is None:
        raise ENODATA
    process = t.world.processes.get(cred.pid)
    if process is None:
        raise ENODATA("the peer's process was reaped")
    if room < 4:
        raise EOPNOTSUPP("no room for a descriptor")
    fd = install(t, PidFd(process), cloexec=True)
    length.store(4)
    value.store_bytes(fd.to_bytes(4, "little"))
    return 0
