"""A table of descriptors: reserve, store, publish.

The table also keeps the list of what changed since the machine last looked (``changes``): the
native machine mirrors granted descriptors into its vehicle before the call returns.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EBADF, EINVAL, EMFILE, ENFILE, Errno
from ring3.abi.hints import TYPE_CHECKING, TypeVar
from ring3.abi.resource import RLIMIT_NOFILE

if TYPE_CHECKING:
    from types import TracebackType

    from ring3.ipc.locks import PosixOwner
    from ring3.vfs.file import File

F = TypeVar("F", bound="File")


class HostRoom:
    """Whether the kernel has host descriptors left. It keeps some for itself: a kernel that
    cannot open a file cannot even tell a guest so."""

    __slots__ = ("calls", "tight")
    EVERY = 32
    SPARE = 256

    def __init__(self) -> None:
        self.calls = 0
        self.tight = False

    def check(self) -> None:
        """Now and then look how far descriptors reach. ENFILE."""
        self.calls += 1
        if self.calls % self.EVERY and not self.tight:
            return
        import resource

        limit = resource.getrlimit(RLIMIT_NOFILE)[0]
        try:
            fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
        except OSError:
            fd = limit
        else:
            os.close(fd)
        self.tight = fd >= limit - min(self.SPARE, limit // 4)
        if self.tight:
            raise ENFILE("the kernel is out of host descriptors")


host_room = HostRoom()


class Reservation:
    """Numbers held for one call: given back at the end of the block unless published."""

    __slots__ = ("numbers", "table")

    def __init__(self, table: FdTable, numbers: tuple[int, ...]) -> None:
        self.table = table
        self.numbers = numbers

    def __enter__(self) -> tuple[int, ...]:
        return self.numbers

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.table.reserved.difference_update(self.numbers)


class FdTable:
    """descriptor number -> (open file description, close-on-exec)."""

    __slots__ = (
        "bound",
        "changes",
        "cloexec",
        "files",
        "first_free",
        "limit",
        "locks",
        "reserved",
        "routed",
        "users",
    )

    def __init__(self, limit: int = 1024) -> None:
        self.files: dict[int, File] = {}
        self.cloexec: set[int] = set()
        self.reserved: set[int] = set()
        self.limit = limit
        """RLIMIT_NOFILE: one more than the highest number that may be handed out."""
        self.users = 1
        """Tasks that share this table (CLONE_FILES)."""
        self.bound: set[int] = set()
        """Numbers that the machine has laid under the vehicles' own (the machine's affair)."""
        self.routed: set[int] = set()
        """Numbers whose I/O only the kernel can do (the machine's affair)."""
        self.changes: dict[int, File | None] = {}
        """Numbers whose file (or close-on-exec flag) changed; None: closed."""
        self.first_free = 0
        """No number below this one is free."""
        self.locks: PosixOwner | None = None
        """This table as the owner of POSIX record locks; None until it takes one."""

    def __contains__(self, fd: int) -> bool:
        return fd in self.files

    def get(self, fd: int, kind: type[F] | None = None, otherwise: type[Errno] = EBADF) -> F:
        """The file at *fd*; EBADF if there is none, *otherwise* if it is not a *kind*."""
        file = self.files.get(fd)
        if file is None:
            raise EBADF
        if kind is not None and not isinstance(file, kind):
            raise otherwise
        return file  # type: ignore[return-value]

    def reserve(self, count: int = 1, low: int = 0) -> Reservation:
        """The lowest *count* free numbers from *low* on, held until published. EMFILE."""
        found: list[int] = []
        fd = max(low, self.first_free)
        files, reserved = self.files, self.reserved
        while len(found) < count:
            if fd >= self.limit:
                raise EMFILE
            if fd not in files and fd not in reserved:
                found.append(fd)
            fd += 1
        host_room.check()
        if low <= self.first_free:
            self.first_free = found[0]
        self.reserved.update(found)
        return Reservation(self, tuple(found))

    def publish(self, files: dict[int, File], *, cloexec: bool = False) -> None:
        """Make reserved numbers visible. The table takes a reference on each file."""
        for fd, file in files.items():
            file.hold()
            self.reserved.discard(fd)
            self.files[fd] = file
            self.changes[fd] = file
            (self.cloexec.add if cloexec else self.cloexec.discard)(fd)

    def install(self, file: File, *, cloexec: bool = False, low: int = 0) -> int:
        """Reserve and publish in one step, for calls that have nothing to store."""
        with self.reserve(1, low) as (fd,):
            self.publish({fd: file}, cloexec=cloexec)
        return fd

    def replace(self, fd: int, file: File, *, cloexec: bool = False) -> None:
        """dup2: put *file* at *fd*, closing what was there. EBADF beyond the limit."""
        if not 0 <= fd < self.limit:
            raise EBADF
        if fd in self.reserved:
            from ring3.abi.errno import EBUSY

            raise EBUSY("the number is being handed out by another thread")
        file.hold()
        old = self.files.get(fd)
        self.files[fd] = file
        self.changes[fd] = file
        (self.cloexec.add if cloexec else self.cloexec.discard)(fd)
        if old is not None:
            self.let_go(old)

    def close(self, fd: int) -> None:
        """close(2). EBADF."""
        file = self.files.pop(fd, None)
        if file is None:
            raise EBADF
        self.cloexec.discard(fd)
        self.changes[fd] = None
        self.first_free = min(self.first_free, fd)
        self.let_go(file)

    def let_go(self, file: File) -> None:
        """A descriptor of *file* is closed: record locks on it end with any one of them."""
        if self.locks is not None:
            self.locks.closed(file)
        file.flush()
        file.drop()

    def set_cloexec(self, fd: int, on: bool) -> None:
        if fd not in self.files:
            raise EBADF
        (self.cloexec.add if on else self.cloexec.discard)(fd)
        self.changes[fd] = self.files[fd]

    def copy(self) -> FdTable:
        """The table fork(2) gives the child. The machine copies bindings by itself."""
        other = FdTable(self.limit)
        other.files = dict(self.files)
        other.cloexec = set(self.cloexec)
        other.first_free = self.first_free
        for file in other.files.values():
            file.hold()
        return other

    def close_on_exec(self) -> None:
        """What exec does; the machine's own close-on-exec flags do the same to bindings."""
        for fd in list(self.cloexec):
            self.close(fd)
            self.changes.pop(fd, None)

    def release(self) -> None:
        """One user less; the last one closes everything."""
        self.users -= 1
        if self.users:
            return
        files, self.files = self.files, {}
        self.cloexec.clear()
        for file in files.values():
            self.let_go(file)

    def set_limit(self, limit: int) -> None:
        if limit < 0:
            raise EINVAL
        self.limit = limit
