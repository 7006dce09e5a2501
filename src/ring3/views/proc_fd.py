"""/proc/PID/fd, fdinfo, ns, and the links cwd, root and exe."""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES, ENOENT, ESRCH, Errno
from ring3.abi.fcntl import O_CLOEXEC
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFLNK, S_IFREG
from ring3.vfs.path import Place, path_of, place_of
from ring3.views.nodes import Snapshot
from ring3.views.proc_pid import PidFolder, PidInode, may_trace, need_trace, owner_of

if TYPE_CHECKING:
    from ring3.task.fdtable import FdTable
    from ring3.vfs.file import File
    from ring3.vfs.inode import Entry, Inode, Stat, Walker
    from ring3.views.proc_pid import Subject
    from ring3.views.procfs import ProcFs

LINK_SIZE = 64


def root_of(subject: Subject) -> Place:
    """The root directory of a process. ESRCH for one that ended."""
    world = subject.process.world
    if subject.process is world.init and subject.task is None and world.mounts is not None:
        return Place(world.mounts.root, world.mounts.root.root)
    return subject.need_task().fs.root


def cwd(subject: Subject) -> Place:
    return subject.need_task().fs.cwd if has_files(subject) else root(subject)


def root(subject: Subject) -> Place:
    try:
        return root_of(subject)
    except ESRCH:
        return missing()


def exe(subject: Subject) -> Place:
    place = subject.process.exe
    if not isinstance(place, Place) or subject.process.state == "zombie":
        return missing()
    return place


def has_files(subject: Subject) -> bool:
    task = subject.task
    return subject.process.state != "zombie" and task is not None and hasattr(task, "fs")


def missing() -> Place:
    raise ENOENT("the process has ended, or never had one")


def table_of(subject: Subject) -> FdTable | None:
    """The descriptor table, None for who has none any more."""
    task = subject.task
    if subject.process.state == "zombie" or task is None:
        return None
    return getattr(task, "fds", None)


def target_of(file: File, who: Walker) -> bytes:
    """What /proc/PID/fd/N reads as."""
    place = file.place
    if place is None or place.mount.fs.nameless:
        return file.target()
    return path_of(place, who.fs.root)


class FdDir(PidFolder):
    """/proc/PID/fd. Processes may always look into their own, whatever ids they have now."""

    __slots__ = ("links",)

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, mode, subject)
        self.links: dict[int, FdLink] = {}

    def find(self, name: bytes) -> Inode | None:
        table, number = table_of(self.subject), fd_number(name)
        if table is None or number not in table:
            self.links.pop(number, None)
            return None
        link = self.links.get(number)
        if link is None:
            link = self.links[number] = FdLink(self.fs, self.subject, number)
        link.refresh()
        return link

    def iterate(self) -> list[Entry]:
        table = table_of(self.subject)
        found = []
        for number in sorted(table.files) if table is not None else ():
            inode = self.find(b"%d" % number)
            if inode is not None:
                found.append((b"%d" % number, inode.ino, inode.mode))
        return found

    def stat(self) -> Stat:
        st = super().stat()
        table = table_of(self.subject)
        st.size = len(table.files) if table is not None else 0
        return st


def fd_number(name: bytes) -> int:
    """A descriptor's number, -1 for what is none."""
    if not name.isdigit() or len(name) > 10 or (name[:1] == b"0" and name != b"0"):
        return -1
    return int(name)


class FdLink(PidInode):
    """One open descriptor. Its mode says how the file is open."""

    __slots__ = ("number",)
    magic = True

    def __init__(self, fs: ProcFs, subject: Subject, number: int) -> None:
        self.number = number
        super().__init__(fs, S_IFLNK | 0o500, subject)

    def file(self) -> File:
        table = table_of(self.subject)
        file = table.files.get(self.number) if table is not None else None
        if file is None:
            raise ENOENT("the descriptor was closed")
        return file

    def refresh(self) -> None:
        self.uid, self.gid = owner_of(self.subject, False)
        table = table_of(self.subject)
        file = table.files.get(self.number) if table is not None else None
        if file is not None:
            bits = 0o100 | 0o400 * file.readable | 0o200 * file.writable
            self.mode = S_IFLNK | bits

    def stat(self) -> Stat:
        st = super().stat()
        st.size = LINK_SIZE
        return st

    def readlink(self, who: Walker) -> bytes:
        need_trace(who, self.subject)
        return target_of(self.file(), who)

    def jump(self, who: Walker) -> Place:
        need_trace(who, self.subject)
        return place_of(self.file())


class FdInfoDir(PidFolder):
    """/proc/PID/fdinfo."""

    __slots__ = ("entries",)

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, mode, subject)
        self.entries: dict[int, FdInfo] = {}

    def find(self, name: bytes) -> Inode | None:
        table, number = table_of(self.subject), fd_number(name)
        if table is None or number not in table:
            self.entries.pop(number, None)
            return None
        found = self.entries.get(number)
        if found is None:
            found = self.entries[number] = FdInfo(self.fs, self.subject, number)
        return found

    def iterate(self) -> list[Entry]:
        table = table_of(self.subject)
        found = []
        for number in sorted(table.files) if table is not None else ():
            inode = self.find(b"%d" % number)
            if inode is not None:
                found.append((b"%d" % number, inode.ino, inode.mode))
        return found


class FdInfo(PidInode):
    __slots__ = ("number",)

    def __init__(self, fs: ProcFs, subject: Subject, number: int) -> None:
        self.number = number
        super().__init__(fs, S_IFREG | 0o444, subject)

    def open(self, who: Walker, place: Place, flags: int) -> File:
        if not may_trace(who, self.subject):
            raise EACCES("only who might trace the process may see this")
        return Snapshot(who, self.text, flags)

    def text(self, who: Walker) -> bytes:
        """Position, flags (octal), mount and inode, and what the kind of file has to add."""
        table = table_of(self.subject)
        file = table.files.get(self.number) if table is not None else None
        if file is None or table is None:
            raise ENOENT("the descriptor was closed")
        flags = file.flags | (O_CLOEXEC if self.number in table.cloexec else 0)
        place = place_of(file)
        head = b"pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n" % (
            position(file), flags, place.mount.id, file.stat().ino,
        )  # fmt: skip
        return head + file.info().encode()


def position(file: File) -> int:
    if not file.seekable:
        return 0
    at = getattr(file, "position", None)
    if isinstance(at, int):
        return at
    try:
        return file.seek(0, os.SEEK_CUR)
    except Errno:
        return 0


# --- namespaces --------------------------------------------------------------------------------
NAMESPACES = (
    (b"cgroup", b"cgroup", 4026531835),
    (b"ipc", b"ipc", 4026531839),
    (b"mnt", b"mnt", 4026531832),
    (b"net", b"net", 4026531833),
    (b"pid", b"pid", 4026531836),
    (b"pid_for_children", b"pid", 4026531836),
    (b"time", b"time", 4026531834),
    (b"time_for_children", b"time", 4026531834),
    (b"user", b"user", 4026531837),
    (b"uts", b"uts", 4026531838),
)
"""(name, kind, number of the first namespace of that kind), as Linux 6.12 numbers them."""


def namespace_number(subject: Subject, kind: bytes, first: int) -> int:
    """The number of the namespace that the process is in. Where processes can have one of their
    own (``process.namespaces``, by kind), it tells its number."""
    own = getattr(subject.process, "namespaces", None)
    space = own.get(kind.decode()) if isinstance(own, dict) else None
    return getattr(space, "ino", first) if space is not None else first


class NamespaceDir(PidFolder):
    """/proc/PID/ns."""

    __slots__ = ("entries",)

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, mode, subject)
        self.entries: dict[bytes, Inode] = {}

    def find(self, name: bytes) -> Inode | None:
        for each, kind, first in NAMESPACES:
            if each == name:
                found = self.entries.get(name)
                if found is None:
                    found = NamespaceLink(self.fs, self.subject, kind, first)
                    self.entries[name] = found
                return found
        return None

    def iterate(self) -> list[Entry]:
        found = []
        for name, _kind, _first in NAMESPACES:
            inode = self.find(name)
            assert inode is not None
            found.append((name, inode.ino, inode.mode))
        return found


class NamespaceLink(PidInode):
    """A namespace. Reading the link names it, opening it gives something to compare and hold."""

    __slots__ = ("first", "kind")
    magic = True

    def __init__(self, fs: ProcFs, subject: Subject, kind: bytes, first: int) -> None:
        super().__init__(fs, S_IFLNK | 0o777, subject)
        self.kind = kind
        self.first = first

    def readlink(self, who: Walker) -> bytes:
        need_trace(who, self.subject)
        number = namespace_number(self.subject, self.kind, self.first)
        return b"%s:[%d]" % (self.kind, number)

    def jump(self, who: Walker) -> Place:
        from ring3.views.nsfs import namespace_place

        need_trace(who, self.subject)
        number = namespace_number(self.subject, self.kind, self.first)
        return namespace_place(self.kind, number)
