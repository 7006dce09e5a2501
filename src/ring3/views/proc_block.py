"""/proc/devices, partitions and diskstats: what devices there are, and what disks have done.

The host's disks are none of the guest's; a machine may have one of its own (``World.disks``).
Source of the formats: fs/proc/devices.c, block/genhd.c.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.vfs.special import major, minor

if TYPE_CHECKING:
    from ring3.task.world import World
    from ring3.vfs.inode import Walker

DEVICES = (
    b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
    b"128 ptm\n136 pts\n\nBlock devices:\n"
)


def devices(world: World, who: Walker) -> bytes:
    drivers = {major(number) for number in world.disks}
    return DEVICES + b"".join(b"%3d virtblk\n" % number for number in sorted(drivers))


def partitions(world: World, who: Walker) -> bytes:
    """Whole drives: nobody looks for partition tables. Sizes in KiB."""
    lines = [b"major minor  #blocks  name\n\n"]
    for number, device in sorted(world.disks.items()):
        name = device.name.encode()
        lines.append(
            b"%4d  %7d %10d %s\n" % (major(number), minor(number), device.size >> 10, name)
        )
    return b"".join(lines)


def diskstats(world: World, who: Walker) -> bytes:
    lines = []
    for number, device in sorted(world.disks.items()):
        numbers = " ".join(map(str, device.disk.statistics()))
        lines.append(f"{major(number):4d} {minor(number):7d} {device.name} {numbers}\n")
    return "".join(lines).encode()
