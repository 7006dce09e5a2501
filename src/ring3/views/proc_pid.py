"""/proc/PID and /proc/PID/task/TID: the trees, and who may look at them.

Source: fs/proc/base.c; proc(5), ptrace(2) "Ptrace access mode checking".
"""

from __future__ import annotations

from ring3.abi.capability import CAP_SYS_PTRACE
from ring3.abi.errno import EACCES, ENOENT, EPERM, ESRCH
from ring3.abi.fcntl import O_ACCMODE, O_RDONLY
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT
from ring3.views.nodes import Setting, Snapshot, ViewInode, function
from ring3.views.proc_table import DIR, GUARDED, LINK, PROCESS, THREAD

if TYPE_CHECKING:
    from ring3.task.process import Process
    from ring3.task.task import Task
    from ring3.vfs.file import File
    from ring3.vfs.inode import Entry, Inode, Stat, Walker
    from ring3.vfs.path import Place
    from ring3.views.nodes import Spec
    from ring3.views.procfs import ProcFs


class Subject:
    """Whom a directory is about. *task* is None for a whole process."""

    __slots__ = ("process", "thread")

    def __init__(self, process: Process, thread: Task | None) -> None:
        self.process = process
        self.thread = thread

    @property
    def gone(self) -> bool:
        process = self.process
        if self.thread is not None:
            return self.thread.tid not in process.threads
        return process.world.processes.get(process.pid) is not process

    @property
    def task(self) -> Task | None:
        """The thread that answers: the one meant, the leader, or whichever still lives."""
        if self.thread is not None:
            return self.thread
        return main_task(self.process)

    def need_task(self) -> Task:
        """ESRCH for a zombie: it has no memory, files and directories any more."""
        task = self.task
        if task is None or self.process.state == "zombie":
            raise ESRCH("the process has ended")
        return task

    def check(self) -> None:
        if self.gone:
            raise ESRCH("the process has ended")


def main_task(process: Process) -> Task | None:
    leader = process.leader
    if leader is not None and leader.tid in process.threads:
        return leader
    for task in process.threads.values():
        return task
    return leader


def may_trace(who: Any, subject: Subject) -> bool:
    """Ptrace access check with file system ids (PTRACE_MODE_FSCREDS)."""
    task = subject.task
    if getattr(who, "process", None) is subject.process:
        return True
    if who.cred.capable(CAP_SYS_PTRACE):
        return True
    if task is None or not hasattr(task, "cred"):
        return False
    cred = task.cred
    same = (cred.uid, cred.euid, cred.suid) == (who.cred.fsuid,) * 3 and (
        cred.gid, cred.egid, cred.sgid,
    ) == (who.cred.fsgid,) * 3  # fmt: skip
    return same and subject.process.dumpable == 1 and not cred.permitted & ~who.cred.permitted


def need_trace(who: Walker, subject: Subject) -> None:
    if not may_trace(who, subject):
        raise EACCES("only who might trace the process may see this")


def owner_of(subject: Subject, world_readable: bool) -> tuple[int, int]:
    """Who owns a file about a process: its effective ids, root's for what is not dumpable."""
    task = subject.task
    if task is None or not hasattr(task, "cred"):
        return 0, 0
    if subject.process.dumpable != 1 and not world_readable:
        return 0, 0
    return task.cred.euid, task.cred.egid


class PidInode(ViewInode):
    """Base of what lies in a process's directory."""

    __slots__ = ("subject",)

    fs: ProcFs
    trust = 0.0

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, mode)
        self.subject = subject
        self.refresh()

    def refresh(self) -> None:
        self.uid, self.gid = owner_of(self.subject, self.mode & S_IFMT == S_IFDIR)


class PidFolder(PidInode):
    """A directory. Names that do not exist are ENOENT even for who wants to make them."""

    __slots__ = ()

    def find(self, name: bytes) -> Inode | None:
        """The entry *name*, None if there is none."""
        raise NotImplementedError

    def lookup(self, name: bytes) -> Inode | None:
        inode = self.find(name)
        if inode is None:
            raise ENOENT("no such file in /proc")
        return inode


class PidFile(PidInode):
    """*name*: "module.function" that makes the text from (subject, who)."""

    __slots__ = ("guarded", "name")

    def __init__(self, fs: ProcFs, mode: int, subject: Subject, name: str, guarded: bool) -> None:
        super().__init__(fs, mode, subject)
        self.name = name
        self.guarded = guarded

    def open(self, who: Walker, place: Place, flags: int) -> File:
        subject = self.subject
        subject.check()
        if self.guarded:
            need_trace(who, subject)
        make = function(self.name)

        def text(reader: Walker) -> bytes:
            subject.check()
            made: bytes = make(subject, reader)
            return made

        if flags & O_ACCMODE == O_RDONLY:
            return Snapshot(who, text, flags)
        if not self.mode & 0o222:
            raise EPERM("this file cannot be written")
        module, _, attribute = self.name.partition(".")
        take = function(f"{module}.set_{attribute}")

        def set(writer: Walker, data: bytes) -> None:
            subject.check()
            take(subject, writer, data)

        return Setting(who, text, set, flags)

    def truncate(self, size: int) -> None:
        """Shells open settings with O_TRUNC."""


class PidLink(PidInode):
    """A magic link: *name* is the function that finds where it leads from the subject."""

    __slots__ = ("name",)
    magic = True

    def __init__(self, fs: ProcFs, subject: Subject, name: str) -> None:
        super().__init__(fs, LINK, subject)
        self.name = name

    def place(self, who: Walker) -> Place:
        self.subject.check()
        need_trace(who, self.subject)
        found: Place = function(self.name)(self.subject)
        return found

    def jump(self, who: Walker) -> Place:
        return self.place(who)

    def readlink(self, who: Walker) -> bytes:
        from ring3.vfs.path import path_of

        return path_of(self.place(who), who.fs.root)


class PidDir(PidFolder):
    """The directory of a process or of a thread."""

    __slots__ = ("entries", "table")

    def __init__(self, fs: ProcFs, subject: Subject, table: dict[bytes, Spec]) -> None:
        self.table = table
        self.entries: dict[bytes, Inode] = {}
        super().__init__(fs, DIR, subject)
        self.nlink = 2 + sum(spec[0] & S_IFMT == S_IFDIR for spec in table.values())

    def find(self, name: bytes) -> Inode | None:
        if self.subject.gone:
            return None
        inode = self.entries.get(name)
        if inode is None:
            spec = self.table.get(name)
            if spec is None:
                return None
            inode = self.entries[name] = self.make(name, *spec)
        inode.refresh()
        return inode

    def make(self, name: bytes, mode: int, what: str) -> Inode:
        kind = mode & S_IFMT
        if kind == S_IFLNK:
            return PidLink(self.fs, self.subject, what)
        if kind == S_IFDIR or what[what.index(".") + 1].isupper():
            made: Inode = function(what)(self.fs, mode, self.subject)
            return made
        return PidFile(self.fs, mode, self.subject, what, name in GUARDED)

    def iterate(self) -> list[Entry]:
        found = []
        for name in self.table:
            inode = self.find(name)
            if inode is not None:
                found.append((name, inode.ino, inode.mode))
        return found

    @property
    def stands_for(self) -> Process | None:
        """pidfd_send_signal(2) takes a descriptor of /proc/PID, not of a thread's directory."""
        return self.subject.process if self.subject.thread is None else None


class TaskDir(PidFolder):
    """/proc/PID/task."""

    __slots__ = ()

    def find(self, name: bytes) -> Inode | None:
        if not name.isdigit() or name[:1] == b"0" or len(name) > 10:
            return None
        task = self.subject.process.threads.get(int(name))
        return None if task is None else thread_directory(self.fs, task)

    def iterate(self) -> list[Entry]:
        found = []
        for tid in list(self.subject.process.threads):
            inode = self.find(b"%d" % tid)
            if inode is not None:
                found.append((b"%d" % tid, inode.ino, inode.mode))
        return found

    def stat(self) -> Stat:
        st = super().stat()
        st.nlink = 2 + len(self.subject.process.threads)
        return st


MOST_KEPT = 256
"""Directories of ended processes that may be left over before they are swept out."""


def pid_directory(fs: ProcFs, pid: int) -> PidDir | None:
    """/proc/*pid*: also of a thread that is no leader, though no listing shows that."""
    process = fs.world.processes.get(pid)
    if process is None:
        task = fs.world.tasks.get(pid)
        if task is None:
            return None
        return kept(fs, (pid, "process"), task.process, task)
    return kept(fs, (pid, "process"), process, None)


def thread_directory(fs: ProcFs, task: Task) -> PidDir:
    return kept(fs, (task.tid, "thread"), task.process, task)


def kept(fs: ProcFs, key: tuple[int, str], process: Process, thread: Task | None) -> PidDir:
    """The directory of *process* (or *thread*), always the same one while it lives."""
    found: PidDir | None = fs.pids.get(key)
    if found is None or found.subject.process is not process or found.subject.thread is not thread:
        if len(fs.pids) > MOST_KEPT:
            fs.pids = {k: d for k, d in fs.pids.items() if not d.subject.gone}
        table = PROCESS if key[1] == "process" else THREAD
        found = fs.pids[key] = PidDir(fs, Subject(process, thread), table)
    found.refresh()
    return found
