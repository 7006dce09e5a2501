"""/proc/PID/net: what the network says about itself (net/procnet.py makes the texts)."""

from __future__ import annotations

from importlib import import_module

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.stat import S_IFREG
from ring3.views.nodes import Snapshot
from ring3.views.proc_pid import PidFolder, PidInode

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Entry, Inode, Walker
    from ring3.vfs.path import Place
    from ring3.views.proc_pid import Subject
    from ring3.views.procfs import ProcFs


def texts() -> dict[bytes, Any]:
    """File name -> function of the world that makes its text."""
    try:
        found: dict[bytes, Any] = import_module("ring3.net.procnet").FILES
    except ModuleNotFoundError:
        return {}
    return found


class NetDir(PidFolder):
    """The same for all processes: there is one network in a world."""

    __slots__ = ("entries",)

    def __init__(self, fs: ProcFs, mode: int, subject: Subject) -> None:
        super().__init__(fs, mode, subject)
        self.entries: dict[bytes, Inode] = {}

    def find(self, name: bytes) -> Inode | None:
        found = self.entries.get(name)
        if found is None and name in texts():
            found = self.entries[name] = NetText(self.fs, self.subject, texts()[name])
        return found

    def iterate(self) -> list[Entry]:
        found = []
        for name in texts():
            inode = self.find(name)
            assert inode is not None
            found.append((name, inode.ino, inode.mode))
        return found


class NetText(PidInode):
    __slots__ = ("make",)

    def __init__(self, fs: ProcFs, subject: Subject, make: Any) -> None:
        super().__init__(fs, S_IFREG | 0o444, subject)
        self.make = make
        self.uid = self.gid = 0

    def refresh(self) -> None:
        self.uid = self.gid = 0

    def open(self, who: Walker, place: Place, flags: int) -> File:
        world = self.subject.process.world

        def text(reader: Walker) -> bytes:
            made: bytes = self.make(world)
            return made

        return Snapshot(who, text, flags)
