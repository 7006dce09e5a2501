"""/dev/vda: the machine's disk as a block device.

Source: Linux's block/fops.c and block/ioctl.c, with a virtio disk's answers; the order of errors
was compared with a loop device of Linux 6.18. Reads and writes by the calls that have a user
buffer go by DMA and interrupt (``blockio``); those without one (splice, sendfile, a page of a
mapping) are done at once by the kernel itself, as programmed I/O.
"""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.capability import CAP_SYS_ADMIN
from ring3.abi.errno import EACCES, EINVAL, ENODEV, ENOSPC, ENOTTY, EPERM, Errno
from ring3.abi.fcntl import O_DIRECT
from ring3.abi.hints import TYPE_CHECKING, Any, ClassVar, Final
from ring3.abi.mman import PROT_WRITE
from ring3.abi.poll import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from ring3.core.park import Park
from ring3.drivers.blockio import (
    BOUNCED_PIECE,
    DIRECT_PIECE,
    SECTOR,
    BouncedPiece,
    DirectPiece,
    FlushPiece,
    Piece,
    Transfer,
    load_some,
)
from ring3.vfs.file import File
from ring3.vfs.spans import pieces

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.drivers.blockdevice import BlockDevice
    from ring3.machine.base import FileContent
    from ring3.vfs.spans import Spans

BLOCK_SIZE: Final = 4096
SEEK_SET, SEEK_CUR, SEEK_END = range(3)
GETSIZE64_32, BSZGET_32 = 0x80041272, 0x80041270
"""The numbers that i386 programs have for BLKGETSIZE64 and BLKBSZGET."""
INTS: Final = {
    io.BLKSSZGET: SECTOR,
    io.BLKPBSZGET: SECTOR,
    io.BLKBSZGET: BLOCK_SIZE,
    BSZGET_32: BLOCK_SIZE,
    io.BLKIOMIN: SECTOR,
    io.BLKIOOPT: 0,
    io.BLKALIGNOFF: 0,
    io.BLKDISCARDZEROES: 0,
}
"""Requests with a constant int as answer."""
SHORTS: Final = {io.BLKROTATIONAL: 0, io.BLKSECTGET: DIRECT_PIECE // SECTOR}


class BlockFile(File):
    """One open description of the device."""

    __slots__ = ("caller", "device", "position")
    kind: ClassVar[str] = "block"
    seekable: ClassVar[bool] = True
    wants_caller: ClassVar[bool] = True
    takes_buffers: ClassVar[bool] = True

    def __init__(self, device: BlockDevice, flags: int) -> None:
        super().__init__(flags)
        self.device = device
        self.position = 0
        self.caller: Any = None

    def called_by(self, task: Any) -> None:
        self.caller = task

    # --- calls with user buffers -----------------------------------------------------------------
    def transfer(self, t: Any, spans: Spans, offset: int | None, write: bool) -> int:
        """Read into, or write from, the caller's *spans*; the bytes moved. Parks until the drive
        is done, keeping a ``Transfer`` in ``t.memo``."""
        memo = t.memo if t.memo is not None else self.plan(spans, offset, write)
        try:
            while memo.done < memo.size:
                if memo.piece is None:
                    memo.piece = self.piece(t, memo)
                piece = memo.piece
                piece.wait()
                memo.piece = None
                got = piece.deliver(t.memory, memo.spans, memo.done)
                memo.done += got
                if got < piece.wanted:
                    break
        except Park:
            t.memo = memo
            raise
        except Errno:
            if not memo.done:
                raise
        if memo.offset is None:
            self.position = memo.at + memo.done
        done: int = memo.done
        return done

    def plan(self, spans: Spans, offset: int | None, write: bool) -> Transfer:
        """Check a call in blkdev_write_iter's order: read-only, nothing to do, end of the device,
        alignment."""
        device = self.device
        at = self.position if offset is None else offset
        size = sum(length for _addr, length in spans)
        if write and not device.disk.writable:
            raise EPERM("the disk is write protected")
        left = max(0, device.size - at)
        if write and size and not left:
            raise ENOSPC
        if self.flags & O_DIRECT and size and left and (at | size) % SECTOR:
            raise EINVAL("O_DIRECT moves whole sectors")
        return Transfer(spans, offset, at, min(size, left), write)

    def piece(self, t: Any, memo: Transfer) -> Piece:
        """Start the next piece. EFAULT; parks while a write of others blocks it."""
        device, at = self.device, memo.at + memo.done
        left = memo.size - memo.done
        if self.flags & O_DIRECT and not (at | left) % SECTOR:
            device.written_back(at, min(left, DIRECT_PIECE))
            direct = DirectPiece(device, t.space, memo.write)
            direct.start(pieces(memo.spans, memo.done, min(left, DIRECT_PIECE)), at)
            return direct
        size = min(left, BOUNCED_PIECE - at % SECTOR)
        device.written_back(at, size)
        bounced = BouncedPiece(device, at, size, memo.write)
        if memo.write:
            bounced.start(load_some(t.memory, pieces(memo.spans, memo.done, size)))
        else:
            bounced.start()
        return bounced

    # --- calls without: programmed I/O -----------------------------------------------------------
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

    def pread(self, size: int, offset: int) -> bytes:
        self.device.written_back(offset, size)
        return self.device.read_at(offset, size)

    def pwrite(self, data: bytes, offset: int) -> int:
        device = self.device
        size = self.plan([(0, len(data))], offset, True).size
        if size:
            device.lock_sectors()
            try:
                device.written_back(offset, size)
                device.write_at(offset, data[:size])
            finally:
                device.unlock_sectors()
            device.changed(offset, size)
        return size

    # --- the rest --------------------------------------------------------------------------------
    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.position
        elif whence == SEEK_END:
            offset += self.device.size
        elif whence != SEEK_SET:
            raise EINVAL("whence")
        if not 0 <= offset <= self.device.size:
            raise EINVAL("beyond the device")
        self.position = offset
        return offset

    def poll(self) -> int:
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

    def sync(self, data_only: bool) -> None:
        """Parks until the drive has nothing left to write."""
        t = self.caller
        if t is None:
            self.device.disk.backing.flush()
            return
        if t.memo is None:
            self.device.written_back(0, self.device.size)
            t.memo = FlushPiece(self.device)
            t.memo.start()
        t.memo.wait()

    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        size = self.device.size
        answer: int | None = None
        width = 4
        if request in INTS:
            answer = INTS[request]
        elif request in SHORTS:
            answer, width = SHORTS[request], 2
        elif request == io.BLKROGET:
            answer = int(not self.device.disk.writable)
        elif request in (io.BLKGETSIZE64, GETSIZE64_32):
            answer, width = size, 8
        elif request in (io.BLKGETSIZE, io.BLKRAGET, io.BLKFRAGET):
            answer = size // SECTOR if request == io.BLKGETSIZE else 0
            width = memory.word // 8
        if answer is not None:
            memory.store(arg, answer.to_bytes(width, "little"))
            return 0
        if request in (io.BLKFLSBUF, io.BLKROSET, io.BLKRASET, io.BLKRRPART):
            if not self.caller.cred.capable(CAP_SYS_ADMIN):
                raise EACCES("CAP_SYS_ADMIN")
            if request != io.BLKFLSBUF:
                raise EINVAL("the drive has no partitions, no read-ahead, and a fixed mode")
            self.sync(False)
            return 0
        raise ENOTTY

    def map_fd(self, prot: int, shared: bool) -> int:
        raise ENODEV("the disk is in no file of the host's that a vehicle could map")

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        if not self.readable or (shared and prot & PROT_WRITE and not self.writable):
            raise EACCES
        return self.device
