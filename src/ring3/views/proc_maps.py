"""/proc/PID/maps, smaps and mem: the areas are the machine's, their names the guest's.

The machine names areas by what it has mapped (on the native machine: host paths, memfds). A name
is found by the inode of what the process mapped, then by the grant a host path lies in; what has
neither shows no name.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EACCES, EFAULT, EINVAL, EIO, Errno
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar
from ring3.abi.stat import S_IFREG
from ring3.fs.host import HostFs
from ring3.vfs.file import File
from ring3.vfs.path import Place, path_of
from ring3.vfs.special import major, minor
from ring3.views.host import host_file
from ring3.views.nodes import SEEK_CUR, SEEK_SET
from ring3.views.proc_pid import PidInode, may_trace

if TYPE_CHECKING:
    from ring3.machine.base import Area
    from ring3.task.task import Task
    from ring3.vfs.inode import Walker
    from ring3.views.proc_pid import Subject
    from ring3.views.procfs import ProcFs

NAME_COLUMN = 73
PAGE = 4096
WORD = (1 << 64) - 1
ROLLUP = (
    b"Rss Pss Pss_Dirty Pss_Anon Pss_File Pss_Shmem Shared_Clean Shared_Dirty Private_Clean"
    b" Private_Dirty Referenced Anonymous KSM LazyFree AnonHugePages ShmemPmdMapped FilePmdMapped"
    b" Shared_Hugetlb Private_Hugetlb Swap SwapPss Locked"
).split()


class Named:
    """What an area shows: device and inode number as the guest sees them, and a name."""

    __slots__ = ("dev", "ino", "name")

    def __init__(self, dev: int = 0, ino: int = 0, name: bytes = b"") -> None:
        self.dev = dev
        self.ino = ino
        self.name = name


def host_identity(inode: Any) -> tuple[int, int] | None:
    """(host device, host inode number) of what a mapping of *inode* maps; None if it has none."""
    if getattr(inode, "below", False):
        inode = inode.lower
    fd = getattr(inode, "fd", -1)
    if isinstance(fd, int) and fd >= 0 and not inode.is_dir:
        st = os.fstat(fd)
        return st.st_dev, st.st_ino
    host = getattr(inode, "st", None)
    return (host.st_dev, host.st_ino) if host is not None else None


def known_places(task: Task) -> dict[tuple[int, int], Place]:
    """The files that the process has mapped, by their host identity."""
    process = task.process
    found = {}
    places: list[Any] = list(process.map_places.values())
    if isinstance(process.exe, Place):
        places.append(process.exe)
    for place in places:
        identity = host_identity(place.inode)
        if identity is not None:
            found[identity] = place
    return found


def grants(task: Task) -> list[tuple[bytes, bytes]]:
    """(host path, guest path) of every granted host tree, longest first."""
    table = task.fs.root.mount.table
    found = []
    for mount in table or ():
        lower: Any = getattr(mount.fs, "lower", mount.fs)
        at = path_of(Place(mount, mount.root), task.fs.root)
        if isinstance(lower, HostFs):
            found.append((lower.path, at))
        for grant in getattr(lower, "grants", ()):
            found.append((grant.path, at.rstrip(b"/") + grant.path))
    return sorted(found, key=lambda pair: len(pair[0]), reverse=True)


def guest_path(path: bytes, granted: list[tuple[bytes, bytes]]) -> bytes:
    """The guest's name of a host path, b"" where it lies outside every grant."""
    for host, guest in granted:
        if path == host:
            return guest
        prefix = host.rstrip(b"/") + b"/"
        if path.startswith(prefix):
            return guest.rstrip(b"/") + b"/" + path[len(prefix) :]
    return b""


def host_dev(area: Area) -> int:
    """The device number of an area's "major:minor" (hexadecimal)."""
    high, _, low = area.device.partition(b":")
    return os.makedev(int(high, 16), int(low, 16)) if low else 0


def mapped_place(area: Area, places: dict[tuple[int, int], Place]) -> Place | None:
    """Where the mapped file was opened: a machine with files of its own knows, else the host's
    identity of it tells."""
    file: File | None = getattr(area, "file", None)
    if file is not None:
        return None if file.place is None or file.place.mount.fs.nameless else file.place
    return places.get((host_dev(area), area.inode)) if area.inode else None


def name_areas(task: Task, who: Walker) -> list[tuple[Area, Named]]:
    """Every area of the task's memory with the name the guest knows."""
    places = known_places(task)
    granted = grants(task)
    stack = getattr(task.space, "stack_top", 0) - 1
    named = []
    for area in task.space.areas():
        found = Named()
        place = mapped_place(area, places)
        if place is not None:
            st = place.inode.stat()
            found = Named(st.dev, st.ino, path_of(place, who.fs.root))
        elif area.name[:1] == b"/":
            found = Named(host_dev(area), area.inode, plain_name(area.name, granted))
            if not found.name:
                found.dev = found.ino = 0
        elif area.name[:1] == b"[" and (area.name != b"[stack]" or stack < 0):
            found.name = area.name
        if area.start <= stack < area.end:
            found.name = b"[stack]"
        named.append((area, found))
    return named


def plain_name(name: bytes, granted: list[tuple[bytes, bytes]]) -> bytes:
    """The name of an area by what the host calls it."""
    if name.startswith(b"/memfd:SYSV"):
        return b"/" + name[len(b"/memfd:") :]
    if name.startswith(b"/SYSV"):
        return name
    if name.startswith((b"/memfd:ring3", b"/memfd:proc")):
        return b""
    if name.startswith((b"/memfd:", b"/dev/zero")):
        return name
    gone = name.endswith(b" (deleted)")
    found = guest_path(name.removesuffix(b" (deleted)"), granted)
    return found + b" (deleted)" if found and gone else found


def line(area: Area, named: Named) -> bytes:
    """One line of maps."""
    text = b"%08x-%08x %s%s %08x %02x:%02x %d " % (
        area.start, area.end, area.prot.encode(), b"s" if area.shared else b"p", area.offset,
        major(named.dev), minor(named.dev), named.ino,
    )  # fmt: skip
    return text.ljust(NAME_COLUMN) + named.name.replace(b"\n", b"\\012") if named.name else text


def subject_areas(subject: Subject, who: Walker) -> list[tuple[Area, Named]]:
    task = subject.task
    if task is None or subject.process.state == "zombie" or not hasattr(task, "space"):
        return []
    return name_areas(task, who)


def maps(subject: Subject, who: Walker) -> bytes:
    return b"".join(line(*pair) + b"\n" for pair in subject_areas(subject, who))


# --- smaps -------------------------------------------------------------------------------------
def host_blocks(task: Task | None) -> dict[bytes, list[bytes]]:
    """The host's smaps: the lines below each area's first, by its "start-end"."""
    blocks: dict[bytes, list[bytes]] = {}
    current: list[bytes] = []
    for text in host_file(task, "smaps").splitlines(keepends=True):
        first = text.split(None, 1)[0]
        if b"-" in first and not first.endswith(b":"):
            current = blocks[first] = []
        else:
            current.append(text)
    return blocks


VM_FLAGS = (("r", b"rd"), ("w", b"wr"), ("x", b"ex"))


def own_block(numbers: dict[str, int], area: Area) -> list[bytes]:
    """The lines below an area's first, of a machine with pages of its own."""
    lines = [b"%-16s%8d kB\n" % (name.encode() + b":", kb) for name, kb in numbers.items()]
    flags = b"".join(b"%s " % flag for letter, flag in VM_FLAGS if letter in area.prot)
    return [*lines, b"THPeligible:           0\n", b"VmFlags: " + flags + b"\n"]


def smaps(subject: Subject, who: Walker) -> bytes:
    own = getattr(getattr(subject.task, "space", None), "smaps", None)
    blocks = host_blocks(subject.task)
    lines = []
    for area, named in subject_areas(subject, who):
        lines.append(line(area, named) + b"\n")
        if own is not None:
            lines += own_block(own(area), area)
            continue
        lines += blocks.get(b"%08x-%08x" % (area.start, area.end)) or [
            b"Size:           %8d kB\n" % ((area.end - area.start) // 1024)
        ]
    return b"".join(lines)


def smaps_rollup(subject: Subject, who: Walker) -> bytes:
    """The sums of smaps over all areas."""
    pairs = subject_areas(subject, who)
    if not pairs:
        return b""
    blocks = host_blocks(subject.task)
    sums = dict.fromkeys(ROLLUP, 0)
    own = getattr(getattr(subject.task, "space", None), "smaps", None)
    for area, _named in pairs:
        if own is not None:
            for key, kb in own(area).items():
                if key.encode() in sums:
                    sums[key.encode()] += kb
            continue
        for text in blocks.get(b"%08x-%08x" % (area.start, area.end), ()):
            name, _, value = text.partition(b":")
            if name in sums:
                sums[name] += int(value.split()[0])
    span = b"%08x-%08x ---p 00000000 00:00 0 " % (pairs[0][0].start, pairs[-1][0].end)
    head = span.ljust(NAME_COLUMN) + b"[rollup]\n"
    return head + b"".join(b"%-16s%8d kB\n" % (n + b":", total) for n, total in sums.items())


# --- mem ---------------------------------------------------------------------------------------
class MemInode(PidInode):
    """/proc/PID/mem."""

    __slots__ = ()

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, S_IFREG | mode & 0o777, subject)

    def open(self, who: Walker, place: Place, flags: int) -> File:
        self.subject.check()
        if not may_trace(who, self.subject):
            raise EACCES("only who might trace the process may see this")
        return MemoryFile(self.subject, flags)

    def truncate(self, size: int) -> None:
        """Opened with O_TRUNC."""


class MemoryFile(File):
    """The memory of a process, by address. Deviates: page protections hold for this file too."""

    __slots__ = ("position", "subject")
    kind: ClassVar[str] = "regular"
    seekable: ClassVar[bool] = True

    def __init__(self, subject: Subject, flags: int) -> None:
        super().__init__(flags)
        self.subject = subject
        self.position = 0

    def read(self, size: int) -> bytes:
        data = self.pread(size, self.position)
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def write(self, data: bytes) -> int:
        done = self.pwrite(data, self.position)
        self.position += done
        return done

    def memory(self) -> Any:
        task = self.subject.task
        return None if task is None or self.subject.gone else getattr(task, "memory", None)

    def pread(self, size: int, offset: int) -> bytes:
        memory, found = self.memory(), bytearray()
        if memory is None:
            return b""
        while len(found) < size:
            at = offset + len(found)
            step = min(size - len(found), PAGE - at % PAGE)
            try:
                found += memory.load(at, step)
            except Errno:
                break
        if size and not found:
            raise EIO
        return bytes(found)

    def pwrite(self, data: bytes, offset: int) -> int:
        memory, done = self.memory(), 0
        if memory is None:
            return 0
        while done < len(data):
            at = offset + done
            step = min(len(data) - done, PAGE - at % PAGE)
            try:
                memory.store(at, data[done : done + step])
            except EFAULT:
                break
            done += step
        if data and not done:
            raise EIO
        return done

    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.position
        elif whence != SEEK_SET:
            raise EINVAL
        self.position = offset & WORD
        return offset
