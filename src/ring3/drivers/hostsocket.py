"""A socket of the caller's as a standard stream."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.stat import S_IFSOCK
from ring3.ipc.hostfile import HostStream
from ring3.vfs.anon import anonymous_stat

if TYPE_CHECKING:
    from ring3.vfs.inode import Stat


class HostSocket(HostStream):
    """A stream to read and write. Socket calls on it give ENOTSOCK."""

    __slots__ = ("ino",)
    kind: ClassVar[str] = "socket"

    def __init__(self, reactor: Any, fd: int, flags: int, ino: int) -> None:
        super().__init__(reactor, fd, flags)
        self.ino = ino

    def target(self) -> bytes:
        return b"socket:[%d]" % self.ino

    def stat(self) -> Stat:
        return anonymous_stat(S_IFSOCK | 0o777, self.ino)
