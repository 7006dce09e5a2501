"""Transfers between a disk and user memory: what of a read or write of /dev/vda is under way.

A transfer goes in pieces. A *direct* piece (O_DIRECT) has the drive's DMA work on the caller's own
page frames, which are pinned until the drive is done: what other threads do to the mappings in the
meantime changes neither where the bytes go nor who gets the frames next. A *bounced* one goes
through frames of the kernel, so it may start and end inside a sector; the bytes are copied to or
from user memory by the thread whose call it is.

The wait is uninterruptible (Linux's state D). A thread that dies in it leaves its piece behind,
which ends with the drive's interrupt like any other.
"""

from __future__ import annotations

from ring3.abi.errno import EFAULT, EIO
from ring3.abi.hints import TYPE_CHECKING, Any, Final, Protocol
from ring3.core.park import UNINTERRUPTIBLE, Park, WaitQueue
from ring3.vfs.spans import pieces

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.drivers.blockdevice import BlockDevice
    from ring3.vfs.spans import Spans

    class Pinned(Protocol):
        """A buffer as page frames that stay where they are (machine.emulated.pins)."""

        spans: list[tuple[int, int, int]]
        """(frame, offset in it, bytes) in the order of the buffer's addresses."""

        def release(self) -> None: ...

    class PinningSpace(Protocol):
        """An address space whose pages a device can work on."""

        def pin_user_pages(self, addr: int, size: int, write: bool) -> Pinned:
            """Bring the pages of a buffer in and pin them; *write*: the device will store there.
            EFAULT, with nothing pinned."""


PAGE: Final = 4096
SECTOR: Final = 512
DIRECT_PIECE: Final = 1 << 20
BOUNCED_PIECE: Final = 128 << 10
"""Most bytes of one piece."""
READ, WRITE, FLUSH = range(3)
"""The drive's operations (machine/emulated/devices/disk.py)."""


class Transfer:
    """A call in progress (``t.memo``)."""

    __slots__ = ("at", "done", "offset", "piece", "size", "spans", "write")

    def __init__(self, spans: Spans, offset: int | None, at: int, size: int, write: bool) -> None:
        self.spans = spans
        self.offset = offset
        self.at = at
        """Where on the device it began."""
        self.size = size
        """Bytes to move, cut off at the end of the device."""
        self.done = 0
        self.write = write
        self.piece: Piece | None = None


class Piece:
    """One request to the drive, and who waits for it."""

    __slots__ = ("device", "error", "finished", "queue", "size", "wanted")

    def __init__(self, device: BlockDevice) -> None:
        self.device = device
        self.queue = WaitQueue()
        self.size = self.wanted = 0
        """Bytes that the caller gets or gives; how many it would if all its buffer were there."""
        self.finished = False
        self.error = ""

    def done(self, request: Any) -> None:
        """Bottom half: the drive has finished with it."""
        self.error = request.error
        self.settle()
        self.finished = True
        self.queue.wake()

    def settle(self) -> None:
        """Give back what the drive needed."""

    def wait(self) -> None:
        """Park until the drive is done; then EIO if it failed."""
        if not self.finished:
            raise Park(self.queue, restart=UNINTERRUPTIBLE)
        if self.error:
            raise EIO(self.error)

    def deliver(self, memory: Memory, spans: Spans, done: int) -> int:
        """Bring what was read to the caller; how many bytes that were. EFAULT if none."""
        return self.size


class FlushPiece(Piece):
    """All that was written before is on the medium."""

    __slots__ = ()

    def start(self) -> None:
        self.device.submit(FLUSH, 0, [], self)


class DirectPiece(Piece):
    __slots__ = ("offset", "pins", "space", "write")

    def __init__(self, device: BlockDevice, space: PinningSpace, write: bool) -> None:
        super().__init__(device)
        self.space = space
        self.write = write
        """To the disk."""
        self.pins: list[Pinned] = []
        self.offset = 0

    def start(self, spans: Spans, offset: int) -> None:
        """Pin the buffers and have the drive work on them. Whole sectors only: where memory ends
        inside the buffers, the piece ends with the last sector before. EFAULT if that is none."""
        self.wanted = sum(length for _addr, length in spans)
        try:
            for addr, length in spans:
                if not self.pin(addr, length):
                    break
        except BaseException:  # ENOMEM
            self.settle()
            raise
        pages = [page for pinned in self.pins for page in pinned.spans]
        size = sum(length for _frame, _offset, length in pages)
        self.size = size - size % SECTOR
        if not self.size:
            self.settle()
            raise EFAULT
        self.offset = offset
        operation = WRITE if self.write else READ
        self.device.submit(operation, offset // SECTOR, regions(pages, self.size), self)

    def pin(self, addr: int, length: int) -> bool:
        """Pin a buffer; False if only its beginning, or nothing, could be."""
        space, writes = self.space, not self.write
        try:
            self.pins.append(space.pin_user_pages(addr, length, writes))
            return True
        except EFAULT:
            pass
        for at, part in page_steps(addr, length):
            try:
                self.pins.append(space.pin_user_pages(at, part, writes))
            except EFAULT:
                return False
        return True

    def settle(self) -> None:
        pins, self.pins = self.pins, []
        for pinned in pins:
            pinned.release()
        if self.write and self.size:
            self.device.changed(self.offset, self.size)


def regions(pages: list[tuple[int, int, int]], size: int) -> list[tuple[int, int]]:
    """The first *size* bytes of *pages* as physical regions; neighbours are one region."""
    found: list[tuple[int, int]] = []
    for frame, offset, length in pages:
        length = min(length, size)
        if not length:
            break
        size -= length
        address = frame + offset
        if found and sum(found[-1]) == address:
            found[-1] = found[-1][0], found[-1][1] + length
        else:
            found.append((address, length))
    return found


class BouncedPiece(Piece):
    """By way of the kernel's own frames."""

    __slots__ = ("data", "frames", "head", "offset", "write")

    def __init__(self, device: BlockDevice, offset: int, size: int, write: bool) -> None:
        super().__init__(device)
        self.size = self.wanted = size
        self.offset = offset
        self.head = offset % SECTOR
        """Bytes of the first sector before the caller's."""
        self.write = write
        self.data = b""
        self.frames: list[int] = []

    def start(self, data: bytes = b"") -> None:
        """*data*: what to write. The rest of its first and last sector is read first, and nobody
        else writes meanwhile (``BlockDevice.mending``)."""
        device, first = self.device, self.offset - self.head
        if self.write:
            self.size = len(data)
        length = -(-(self.head + self.size) // SECTOR) * SECTOR
        if self.write:
            device.lock_sectors()
            if length != self.size:
                old = device.read_at(first, length)
                data = old[: self.head] + data + old[self.head + self.size :]
        try:
            for _page in range(0, length, PAGE):
                self.frames.append(device.frames.alloc_zeroed())
        except BaseException:
            self.settle()
            raise
        for number, frame in enumerate(self.frames if self.write else ()):
            part = data[number * PAGE : (number + 1) * PAGE]
            device.ram[frame : frame + len(part)] = part
        pages = [(frame, 0, PAGE) for frame in self.frames]
        operation = WRITE if self.write else READ
        device.submit(operation, first // SECTOR, regions(pages, length), self)

    def settle(self) -> None:
        device = self.device
        if not self.write:
            found = b"".join(bytes(device.ram[frame : frame + PAGE]) for frame in self.frames)
            self.data = found[self.head : self.head + self.size]
        for frame in self.frames:
            device.frames.release(frame)
        self.frames = []
        if self.write:
            device.changed(self.offset, self.size)
            device.unlock_sectors()

    def deliver(self, memory: Memory, spans: Spans, done: int) -> int:
        if self.write:
            return self.size
        moved = 0
        for addr, length in pieces(spans, done, len(self.data)):
            stored = store_some(memory, addr, self.data[moved : moved + length])
            moved += stored
            if stored < length:
                break
        if not moved:
            raise EFAULT
        return moved


# --- buffers -------------------------------------------------------------------------------------
def page_steps(addr: int, size: int) -> Spans:
    """The buffer page by page."""
    found = []
    while size:
        part = min(size, PAGE - addr % PAGE)
        found.append((addr, part))
        addr += part
        size -= part
    return found


def store_some(memory: Memory, addr: int, data: bytes) -> int:
    """Store as far as memory goes; how many bytes that were."""
    try:
        memory.store(addr, data)
        return len(data)
    except EFAULT:
        done = 0
        for at, length in page_steps(addr, len(data)):
            try:
                memory.store(at, data[done : done + length])
            except EFAULT:
                break
            done += length
        return done


def load_some(memory: Memory, spans: Spans) -> bytes:
    """The bytes of *spans* as far as memory goes. EFAULT if not even one."""
    found = bytearray()
    for addr, length in spans:
        for at, part in page_steps(addr, length):
            try:
                found += memory.load(at, part)
            except EFAULT:
                if not found:
                    raise
                return bytes(found)
    return bytes(found)
