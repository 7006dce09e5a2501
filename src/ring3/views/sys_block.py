"""Where /sys shows the machine's disks: /sys/devices/virtual/block, and the links that lead there.

Source: Documentation/ABI/stable/sysfs-block, block/genhd.c.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.vfs.special import major, minor
from ring3.views.nodes import ViewDir, ViewLink
from ring3.views.sysfs import SysDir

if TYPE_CHECKING:
    from ring3.vfs.inode import Entry, Inode
    from ring3.views.nodes import ViewFs

SECTOR = 512


class DiskDir(ViewDir):
    """One entry for each disk, made when it is looked up: disks are plugged in after boot.

    *up*: the way to /sys/devices for links, "" where the disks' own directories are. *numbered*:
    entries are called after the device number."""

    __slots__ = ("numbered", "up")

    def __init__(self, fs: ViewFs, up: str, numbered: bool) -> None:
        super().__init__(fs, {}, 0o755)
        self.up = up
        self.numbered = numbered

    def names(self) -> dict[bytes, Any]:
        disks = self.fs.world.disks
        if self.numbered:
            return {b"%d:%d" % (major(n), minor(n)): disk for n, disk in sorted(disks.items())}
        return {disk.name.encode(): disk for _, disk in sorted(disks.items())}

    def find(self, name: bytes) -> Inode | None:
        found = self.entries.get(name)
        disk = self.names().get(name)
        if found is None and disk is not None:
            if self.up:
                target = f"{self.up}devices/virtual/block/{disk.name}"
                found = ViewLink(self.fs, target.encode())
            else:
                found = disk_directory(self.fs, disk)
            self.entries[name] = found
        return found

    def iterate(self) -> list[Entry]:
        found = []
        for name in self.names():
            inode = self.find(name)
            if inode is not None:
                found.append((name, inode.ino, inode.mode))
        return found


def disk_directory(fs: ViewFs, device: Any) -> SysDir:
    number = device.rdev
    high, low = major(number), minor(number)
    table: dict[bytes, Any] = {
        b"alignment_offset": b"0\n",
        b"capability": b"0\n",
        b"dev": b"%d:%d\n" % (high, low),
        b"ext_range": b"1\n",
        b"hidden": b"0\n",
        b"holders": {},
        b"queue": {
            b"hw_sector_size": b"512\n",
            b"logical_block_size": b"512\n",
            b"max_sectors_kb": b"1024\n",
            b"minimum_io_size": b"512\n",
            b"optimal_io_size": b"0\n",
            b"physical_block_size": b"512\n",
            b"read_ahead_kb": b"0\n",
            b"rotational": b"0\n",
            b"scheduler": b"[none] \n",
        },
        b"range": b"1\n",
        b"removable": b"0\n",
        b"ro": b"%d\n" % (not device.disk.writable),
        b"size": b"%d\n" % (device.size // SECTOR),
        b"slaves": {},
        b"subsystem": "->../../../../class/block",
        b"uevent": b"MAJOR=%d\nMINOR=%d\nDEVNAME=%s\nDEVTYPE=disk\n"
        % (high, low, device.name.encode()),
    }
    table[b"stat"] = lambda: statistics(device)
    return SysDir(fs, table)


def statistics(device: Any) -> bytes:
    numbers = device.disk.statistics()
    return " ".join(f"{number:8d}" for number in numbers).encode() + b"\n"
