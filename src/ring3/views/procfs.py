"""/proc: the tree. What its files say is in the modules proc_*.py."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mount import PROC_SUPER_MAGIC
from ring3.abi.stat import S_IFLNK, S_IFREG
from ring3.views.nodes import ViewDir, ViewFs, ViewInode

if TYPE_CHECKING:
    from ring3.task.world import World
    from ring3.vfs.inode import Entry, Inode, Walker
    from ring3.views.nodes import Table
    from ring3.views.proc_pid import PidDir

R = S_IFREG | 0o444
R_ROOT = S_IFREG | 0o400
RW = S_IFREG | 0o644
LINK = S_IFLNK | 0o777

ROOT: Table = {
    b"buddyinfo": (R_ROOT, "proc_system.buddyinfo"),
    b"cgroups": (R, "proc_system.cgroups"),
    b"cmdline": (R, "proc_system.cmdline"),
    b"consoles": (R, "proc_system.consoles"),
    b"cpuinfo": (R, "proc_system.cpuinfo"),
    b"devices": (R, "proc_block.devices"),
    b"diskstats": (R, "proc_block.diskstats"),
    b"execdomains": (R, "proc_system.execdomains"),
    b"filesystems": (R, "proc_system.filesystems"),
    b"interrupts": (R, "proc_irq.interrupts"),
    b"loadavg": (R, "proc_system.loadavg"),
    b"locks": (R, "proc_system.locks"),
    b"meminfo": (R, "proc_system.meminfo"),
    b"misc": (R, "proc_system.empty"),
    b"modules": (R, "proc_system.modules"),
    b"mounts": (LINK, "self/mounts"),
    b"net": (LINK, "self/net"),
    b"partitions": (R, "proc_block.partitions"),
    b"pressure": {
        b"cpu": (RW, "proc_system.pressure_cpu"),
        b"io": (RW, "proc_system.pressure_io"),
        b"memory": (RW, "proc_system.pressure_memory"),
    },
    b"softirqs": (R, "proc_irq.softirqs"),
    b"stat": (R, "proc_system.stat"),
    b"swaps": (R, "proc_system.swaps"),
    b"sysvipc": {
        b"msg": (R, "proc_system.sysvipc_msg"),
        b"sem": (R, "proc_system.sysvipc_sem"),
        b"shm": (R, "proc_system.sysvipc_shm"),
    },
    b"tty": {b"drivers": (R, "proc_system.tty_drivers")},
    b"uptime": (R, "proc_system.uptime"),
    b"version": (R, "proc_system.version"),
    b"vmstat": (R, "proc_system.vmstat"),
    b"zoneinfo": (R, "proc_system.zoneinfo"),
}
ROOT_INO = 1
SELF_INO = 0xF000_0000


class ProcFs(ViewFs):
    """*world* is whose processes are shown."""

    name = "proc"
    magic = PROC_SUPER_MAGIC
    strict = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.pids: dict[tuple[int, str], PidDir] = {}
        """Directories of processes and threads by id: the same inode for as long as one lives."""
        self.set_root(ProcRoot(self))


class ProcRoot(ViewDir):
    """The static files, and a directory per process."""

    __slots__ = ()

    fs: ProcFs

    def __init__(self, fs: ProcFs) -> None:
        super().__init__(fs, ROOT)
        self.ino = ROOT_INO

    def find(self, name: bytes) -> Inode | None:
        if name.isdigit():
            return self.process(name)
        if name in (b"self", b"thread-self"):
            inode = self.entries.get(name)
            if inode is None:
                inode = self.entries[name] = SelfLink(self.fs, name == b"thread-self")
            return inode
        if name == b"sys" and name not in self.entries:
            from ring3.views.proc_sys import sysctl_tree

            self.entries[name] = sysctl_tree(self.fs)
        return self.entries.get(name) or super().find(name)

    def process(self, name: bytes) -> Inode | None:
        from ring3.views.proc_pid import pid_directory

        if name[:1] == b"0" or len(name) > 10:
            return None
        return pid_directory(self.fs, int(name))

    def iterate(self) -> list[Entry]:
        found = super().iterate()
        for name in (b"self", b"sys", b"thread-self"):
            inode = self.find(name)
            assert inode is not None
            found.append((name, inode.ino, inode.mode))
        for pid in sorted(self.fs.world.processes):
            inode = self.find(b"%d" % pid)
            if inode is not None:
                found.append((b"%d" % pid, inode.ino, inode.mode))
        return found

    def stat(self) -> Any:
        st = super().stat()
        st.nlink = 2 + len(self.fs.world.processes)
        return st


class SelfLink(ViewInode):
    """/proc/self and /proc/thread-self: what they say depends on who reads."""

    __slots__ = ("thread",)

    def __init__(self, fs: ProcFs, thread: bool) -> None:
        super().__init__(fs, LINK)
        self.thread = thread

    def readlink(self, who: Walker) -> bytes:
        from ring3.abi.errno import ENOENT

        tid = getattr(who, "tid", None)
        if tid is None:
            raise ENOENT("the kernel itself is no process")
        pid: int = who.process.pid  # type: ignore[attr-defined]
        return b"%d/task/%d" % (pid, tid) if self.thread else b"%d" % pid
