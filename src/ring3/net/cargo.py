"""What sockets pass on: who somebody is, messages, and what travels beside their bytes."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ring3.net.network import Network
    from ring3.vfs.file import File

NO_ID: Final = 0xFFFFFFFF


class Ucred:
    """Who made a socket or sent a message: effective ids, as SO_PEERCRED tells them."""

    __slots__ = ("gid", "groups", "pid", "uid")

    def __init__(
        self, pid: int, uid: int = NO_ID, gid: int = NO_ID, groups: tuple[int, ...] = ()
    ) -> None:
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.groups = groups

    def same(self, other: Ucred | None) -> bool:
        return other is not None and (self.pid, self.uid, self.gid) == (
            other.pid,
            other.uid,
            other.gid,
        )


class Cargo:
    """What travels beside the bytes of a message: open files, and who sent it.

    The files are held from the moment a cargo is made until it is taken or dropped.
    """

    __slots__ = ("cred", "facts", "files", "net", "owner")

    def __init__(
        self, net: Network, files: tuple[File, ...] = (), cred: Ucred | None = None
    ) -> None:
        self.net = net
        self.files = files
        self.cred = cred
        self.owner = cred
        """Whose files under way these are."""
        self.facts: dict[tuple[int, int], int] = {}
        """Of internet datagrams: (level, control message) -> value, for this message alone."""
        for file in files:
            file.hold()
        if files:
            net.count_files(cred, len(files))

    def copy(self) -> Cargo:
        """Another one with references of its own (MSG_PEEK)."""
        made = Cargo(self.net, self.files, self.owner)
        made.cred = self.cred
        return made

    def take(self) -> tuple[File, ...]:
        """The files with their references, which are the caller's from now on."""
        files, self.files = self.files, ()
        if files:
            self.net.count_files(self.owner, -len(files))
        return files

    def drop(self) -> None:
        for file in self.take():
            file.drop()


class Message:
    """What one receive gave."""

    __slots__ = ("address", "cargo", "controls", "data", "ended", "flags", "length", "stamp_ns")

    def __init__(self, data: bytes, address: bytes = b"", flags: int = 0) -> None:
        self.data = data
        self.length = len(data)
        """Bytes the message had, which may be more than fitted."""
        self.address = address
        """The sender's sockaddr, b"" if the socket tells none."""
        self.flags = flags
        """MSG_TRUNC, MSG_EOR, MSG_OOB."""
        self.ended = False
        """No message: the end of them, where that is known."""
        self.cargo: Cargo | None = None
        self.controls: list[tuple[int, int, bytes]] = []
        """Further control messages: (level, type, content)."""
        self.stamp_ns = 0
        """When it came, wall clock; 0 for streams."""

    def drop(self) -> None:
        """Nobody wants what came beside the data."""
        if self.cargo is not None:
            self.cargo.drop()
            self.cargo = None
