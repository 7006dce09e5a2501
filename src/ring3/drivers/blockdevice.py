"""The drives a world has: /dev/vda and its node; what its mappings see."""

from __future__ import annotations

from ring3.abi.errno import EIO, ENXIO
from ring3.abi.hints import TYPE_CHECKING, Any, Final
from ring3.abi.stat import S_IFBLK
from ring3.core.park import UNINTERRUPTIBLE, Park, WaitQueue
from ring3.drivers.blockio import SECTOR, Piece
from ring3.vfs.special import makedev, register

if TYPE_CHECKING:
    import os

    from ring3.machine.base import FileMapping
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.path import Place

VIRTBLK_MAJOR: Final = 254
"""Where Linux's dynamic numbers begin (from above)."""


class BlockDevice:
    """A drive of the machine, by the name it has in /dev. Also its content, for mappings
    (machine.base.FileContent). *frames* gives page frames to bounce through; *ram* is theirs."""

    def __init__(self, name: str, disk: Any, frames: Any, ram: memoryview, number: int) -> None:
        self.name = name
        self.disk = disk
        self.frames = frames
        self.ram = ram
        self.rdev = number
        self.size: int = disk.sectors * SECTOR
        self.mapping: FileMapping | None = None
        self.mending = False
        """A write that goes through the kernel's frames is under way: it may have read the rest
        of its sectors already, so no other one may start."""
        self.mended = WaitQueue()
        self.changes = 0

    def submit(
        self, operation: int, sector: int, regions: list[tuple[int, int]], piece: Piece
    ) -> None:
        self.disk.submit(self.disk.request(operation, sector, regions, piece.done))

    def lock_sectors(self) -> None:
        """Parks while another bounced write is under way."""
        if self.mending:
            raise Park(self.mended, restart=UNINTERRUPTIBLE)
        self.mending = True

    def unlock_sectors(self) -> None:
        self.mending = False
        self.mended.wake()

    def changed(self, offset: int, size: int) -> None:
        """The drive has new bytes: mapped pages are to show them."""
        self.changes += 1
        if self.mapping is not None:
            self.mapping.after_write(offset, size)

    def written_back(self, offset: int, size: int) -> None:
        """Stores through mappings are on the drive before it is read."""
        if self.mapping is not None:
            self.mapping.before_read(offset, size)

    # --- programmed I/O (machine.base.FileContent) -----------------------------------------------
    def read_at(self, offset: int, size: int) -> bytes:
        try:
            data: bytes = self.disk.backing.read_at(offset, min(size, max(0, self.size - offset)))
        except OSError as failed:
            raise EIO(str(failed)) from None
        return data

    def write_at(self, offset: int, data: bytes) -> None:
        if not self.disk.writable:
            raise EIO("the disk is write protected")
        try:
            self.disk.backing.write_at(offset, data)
        except OSError as failed:
            raise EIO(str(failed)) from None

    def content_size(self) -> int:
        return self.size

    def stamp(self) -> object:
        return self.changes


# --- attaching -----------------------------------------------------------------------------------
def attach_disk(
    world: Any,
    source: str | os.PathLike[str] | bytes | bytearray,
    writable: bool,
    owner: tuple[int, int] = (0, 0),
    name: str = "vda",
) -> BlockDevice:
    """Plug a drive into the world's machine and make its node in /dev, *owner*'s (uid, gid).

    *source* is an image's path on the host, or its bytes. OSError for a path that cannot be
    opened; ValueError for a machine without a place for a drive (native; one that has its drive).
    The machine offers ``attach_disk(source, writable, name)``: (drive, page frames, RAM).
    """
    machine = world.machine
    plug = getattr(machine, "attach_disk", None)
    if plug is None:
        raise ValueError(f"the {machine.name} machine has no place for a disk")
    disk, frames, ram = plug(source, writable, name)
    number = makedev(VIRTBLK_MAJOR, 0)
    from ring3.drivers.block import BlockFile

    device = world.disks[number] = BlockDevice(name, disk, frames, ram, number)

    def open_block(who: Walker, place: Place, flags: int) -> File:
        found = getattr(who, "world", world).disks.get(place.inode.rdev)
        if found is None:
            raise ENXIO("no such drive")
        return BlockFile(found, flags)

    register(open_block, S_IFBLK, VIRTBLK_MAJOR)
    if world.mounts is not None:
        make_node(world, name, number, owner)
    return device


def make_node(world: Any, name: str, number: int, owner: tuple[int, int]) -> None:
    """The drive's node in the world's /dev."""
    from ring3.drivers.stdio import Boot
    from ring3.vfs import ops

    boot = Boot(world.mounts)
    place = ops.mknod(boot, None, b"/dev/" + name.encode(), S_IFBLK | 0o660, number)
    place.inode.uid, place.inode.gid = owner
