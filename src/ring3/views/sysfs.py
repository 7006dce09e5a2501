"""/sys as far as C libraries, language runtimes and lscpu read it: processors, memory nodes, huge
pages, and the loopback interface. Disks are the machine's own (``sys_block``); there are no buses
and no firmware.

Directories of hardware mirror the host's: the names that may be asked for are listed here, and
nothing else of the host's /sys can be reached.
"""

from __future__ import annotations

import os

from ring3.abi.fcntl import O_ACCMODE, O_RDONLY
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import SYSFS_MAGIC
from ring3.abi.stat import S_IFDIR, S_IFMT, S_IFREG
from ring3.views.host import system_text
from ring3.views.nodes import Snapshot, ViewDir, ViewFs, ViewInode, ViewLink

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ring3.task.world import World
    from ring3.vfs.file import File
    from ring3.vfs.inode import Entry, Inode, Walker
    from ring3.vfs.path import Place

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
HUGE = "/sys/kernel/mm/transparent_hugepage"
CPU_LISTS = frozenset(b"online possible present offline isolated kernel_max".split())
CPU_PARTS = frozenset(b"topology cache online".split())
TOPOLOGY = frozenset(
    b"cluster_cpus cluster_cpus_list cluster_id core_cpus core_cpus_list core_id core_siblings"
    b" core_siblings_list die_cpus die_cpus_list die_id package_cpus package_cpus_list"
    b" physical_package_id thread_siblings thread_siblings_list".split()
)
CACHE = frozenset(
    b"coherency_line_size id level number_of_sets physical_line_partition shared_cpu_list"
    b" shared_cpu_map size type ways_of_associativity".split()
)
NODE_LISTS = frozenset(b"online possible has_cpu has_memory has_normal_memory".split())
NODE_PARTS = frozenset(b"cpulist cpumap distance meminfo numastat".split())
HUGE_FILES = frozenset(b"enabled defrag shmem_enabled hpage_pmd_size use_zero_page".split())
VULNERABILITIES = frozenset(
    b"gather_data_sampling itlb_multihit l1tf mds meltdown mmio_stale_data"
    b" reg_file_data_sampling retbleed spec_rstack_overflow spec_store_bypass spectre_v1"
    b" spectre_v2 srbds tsx_async_abort ghostwrite indirect_target_selection old_microcode tsa"
    b" vmscape".split()
)


def numbered(name: bytes, prefix: bytes) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdigit() and len(name) < 12


def cpu_name(name: bytes) -> bool:
    return name in CPU_LISTS or numbered(name, b"cpu") or name in (b"vulnerabilities", b"smt")


def allowed(path: str, name: bytes) -> bool:
    """Whether *name* in mirrored host directory *path* is shown."""
    inner = os.path.basename(path).encode()
    if path == CPU:
        return cpu_name(name)
    if path == NODE:
        return name in NODE_LISTS or numbered(name, b"node")
    if path == HUGE:
        return name in HUGE_FILES
    if numbered(inner, b"cpu"):
        return name in CPU_PARTS
    if numbered(inner, b"node"):
        return name in NODE_PARTS
    if numbered(inner, b"index"):
        return name in CACHE
    shown = {b"topology": TOPOLOGY, b"vulnerabilities": VULNERABILITIES}
    if inner == b"cache":
        return numbered(name, b"index")
    if inner == b"smt":
        return name in (b"active", b"control")
    return name in shown.get(inner, ())


class Mirror(ViewInode):
    """A directory of hardware, read from the host at *path*."""

    __slots__ = ("entries", "path")

    def __init__(self, fs: ViewFs, path: str) -> None:
        super().__init__(fs, S_IFDIR | 0o755)
        self.path = path
        self.entries: dict[bytes, Inode] = {}

    def lookup(self, name: bytes) -> Inode | None:
        found = self.entries.get(name)
        if found is not None or not allowed(self.path, name):
            return found
        path = f"{self.path}/{name.decode()}"
        mode = self.mode_of(path)
        if mode & S_IFMT == S_IFDIR:
            found = Mirror(self.fs, path)
        elif mode & S_IFMT == S_IFREG:
            found = SysText(self.fs, mode & 0o444, path)
        else:
            return None
        self.entries[name] = found
        return found

    def mode_of(self, path: str) -> int:
        """The mode of file *path* of the hardware's tree, 0 if there is none."""
        machine: Any = self.fs.world.machine
        if hasattr(machine, "system_names"):
            if machine.system_names(path):
                return S_IFDIR | 0o755
            return S_IFREG | 0o444 if machine.system_file(path) else 0
        try:
            return os.lstat(path).st_mode
        except OSError:
            return 0

    def names(self) -> list[str]:
        machine: Any = self.fs.world.machine
        if hasattr(machine, "system_names"):
            found: list[str] = machine.system_names(self.path)
            return found
        try:
            return sorted(os.listdir(self.path))
        except OSError:
            return []

    def iterate(self) -> list[Entry]:
        names = [name.encode() for name in self.names()]
        found = []
        for name in names:
            inode = self.lookup(name)
            if inode is not None:
                found.append((name, inode.ino, inode.mode))
        return found


class SysText(ViewInode):
    """*content*: the text, what makes it, or the host's file that has it."""

    __slots__ = ("content",)

    def __init__(self, fs: ViewFs, mode: int, content: bytes | str | Callable[[], bytes]) -> None:
        super().__init__(fs, S_IFREG | mode)
        self.content = content

    def open(self, who: Walker, place: Place, flags: int) -> File:
        if flags & O_ACCMODE != O_RDONLY:
            from ring3.abi.errno import EACCES

            raise EACCES("the hardware is the host's")
        return Snapshot(who, self.text, flags)

    def text(self, who: Walker) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        if not isinstance(self.content, str):
            return self.content()
        return system_text(self.fs.world, self.content)


LO: dict[bytes, Any] = {
    b"addr_assign_type": b"0\n",
    b"addr_len": b"6\n",
    b"address": b"00:00:00:00:00:00\n",
    b"broadcast": b"00:00:00:00:00:00\n",
    b"carrier": b"1\n",
    b"dev_id": b"0x0\n",
    b"dormant": b"0\n",
    b"flags": b"0x9\n",
    b"ifalias": b"\n",
    b"ifindex": b"1\n",
    b"iflink": b"1\n",
    b"link_mode": b"0\n",
    b"mtu": b"65536\n",
    b"operstate": b"unknown\n",
    b"tx_queue_len": b"1000\n",
    b"type": b"772\n",
    b"uevent": b"INTERFACE=lo\nIFINDEX=1\n",
}
TREE: dict[bytes, Any] = {
    b"block": "disks:../",
    b"bus": {},
    b"class": {b"block": "disks:../../", b"net": {b"lo": "->../../devices/virtual/net/lo"}},
    b"dev": {b"block": "numbers:../../", b"char": {}},
    b"devices": {
        b"system": {b"cpu": CPU, b"node": NODE},
        b"virtual": {b"block": "disks:", b"net": {b"lo": LO}},
    },
    b"firmware": {},
    b"fs": {b"cgroup": {}},
    b"kernel": {b"mm": {b"hugepages": {}, b"transparent_hugepage": HUGE}},
    b"module": {},
    b"power": {},
}


class SysDir(ViewDir):
    __slots__ = ()

    def __init__(self, fs: ViewFs, table: dict[bytes, Any]) -> None:
        super().__init__(fs, table, 0o755)

    def make(self, spec: Any) -> Inode:
        if isinstance(spec, dict):
            return SysDir(self.fs, spec)
        if isinstance(spec, bytes) or callable(spec):
            return SysText(self.fs, 0o444, spec)
        if spec.startswith(("disks:", "numbers:")):
            from ring3.views.sys_block import DiskDir

            kind, _, up = spec.partition(":")
            return DiskDir(self.fs, up, kind == "numbers")
        if spec.startswith("->"):
            return ViewLink(self.fs, spec[2:].encode())
        return Mirror(self.fs, spec)


class SysFs(ViewFs):
    name = "sysfs"
    magic = SYSFS_MAGIC
    blksize = 4096
    file_size = 4096

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.set_root(SysDir(self, TREE))
