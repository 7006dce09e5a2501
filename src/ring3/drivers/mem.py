"""/dev/null, zero, full, random and urandom: the host's own devices, opened by the kernel.

Nothing they do depends on who asks, so the open host description is the guest's.
"""

from __future__ import annotations

import errno
import os

from ring3.abi.errno import EAGAIN, EINVAL, ENFILE, ENODEV, ENOTTY, ENXIO, EPERM, from_os_error
from ring3.abi.fcntl import O_ACCMODE, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING, ClassVar
from ring3.abi.poll import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.machine.base import FileContent
    from ring3.vfs.inode import Walker
    from ring3.vfs.path import Place

NULL, ZERO, FULL, RANDOM, URANDOM = 3, 5, 7, 8, 9
"""Minor numbers of major 1."""
NAMES = {NULL: "null", ZERO: "zero", FULL: "full", RANDOM: "random", URANDOM: "urandom"}
RNDGETENTCNT = 0x80045200
RNDADDTOENTCNT = 0x40045201
RNDGETPOOL = 0x80085202
RNDADDENTROPY = 0x40085203
RNDZAPENTCNT = 0x5204
RNDCLEARPOOL = 0x5206
RNDRESEEDCRNG = 0x5207
ENTROPY_BITS = 256
"""What Linux reports of a generator that is ready."""


class MemDevice(File):
    """One open description of device *minor*; *fd* is taken over where it is open already."""

    __slots__ = ("fd", "minor")
    kind: ClassVar[str] = "char"
    seekable: ClassVar[bool] = True

    def __init__(self, minor: int, flags: int, fd: int = -1) -> None:
        super().__init__(flags)
        self.minor = minor
        self.fd = fd if fd >= 0 else open_device(minor, flags)
        self.bind_fd = self.fd

    def set_status(self, flags: int) -> None:
        import fcntl

        if (flags ^ self.flags) & O_NONBLOCK:
            fcntl.fcntl(self.fd, fcntl.F_SETFL, flags & O_NONBLOCK)
        self.flags = flags

    @property
    def swallows(self) -> bool:
        return self.minor == NULL

    # --- data: none of these ever waits, but for random on a host that has just booted ----------
    def read(self, size: int) -> bytes:
        if self.minor == RANDOM:
            self.check_seeded()
        try:
            return os.read(self.fd, size)
        except OSError as error:
            raise from_os_error(error) from None

    def check_seeded(self) -> None:
        try:
            os.getrandom(1, os.GRND_NONBLOCK)
        except BlockingIOError:
            raise EAGAIN("the host's random generator is not ready yet") from None

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.fd, data)
        except OSError as error:
            raise from_os_error(error) from None

    def pread(self, size: int, offset: int) -> bytes:
        return self.read(size)

    def pwrite(self, data: bytes, offset: int) -> int:
        return self.write(data)

    def seek(self, offset: int, whence: int) -> int:
        try:
            return os.lseek(self.fd, offset, whence)
        except OSError as error:
            raise from_os_error(error) from None
        except OverflowError:
            raise EINVAL from None

    def poll(self) -> int:
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

    # --- the rest ------------------------------------------------------------------------------
    def ioctl(self, memory: Memory, request: int, arg: int) -> int:
        if self.minor not in (RANDOM, URANDOM):
            raise ENOTTY
        if request == RNDGETENTCNT:
            memory.store(arg, ENTROPY_BITS.to_bytes(4, "little"))
            return 0
        if request in (RNDADDTOENTCNT, RNDADDENTROPY, RNDZAPENTCNT, RNDCLEARPOOL, RNDRESEEDCRNG):
            raise EPERM("the random generator is the host's")
        raise EINVAL

    def map_fd(self, prot: int, shared: bool) -> int:
        from ring3.abi.errno import EACCES
        from ring3.abi.mman import PROT_WRITE

        if not self.readable or (shared and prot & PROT_WRITE and not self.writable):
            raise EACCES
        if self.minor != ZERO:
            raise ENODEV
        return self.fd

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        self.map_fd(prot, shared)
        return None

    def release(self) -> None:
        os.close(self.fd)


def open_device(minor: int, flags: int) -> int:
    """A host description of memory device *minor*. ENXIO if the host has none."""
    wanted = flags & (O_ACCMODE | O_NONBLOCK) | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open("/dev/" + NAMES[minor], wanted)
    except FileNotFoundError:
        raise ENXIO("the host has no such device") from None
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise ENFILE("the kernel is out of descriptors") from None
        raise from_os_error(error) from None


def open_mem(who: Walker, place: Place, flags: int) -> File:
    """Opener of major 1."""
    from ring3.vfs.special import minor

    number = minor(place.dentry.inode.rdev)
    if number not in NAMES:
        raise ENXIO(f"no memory device with minor number {number}")
    world = getattr(who, "world", None)
    if world is not None and world.own_objects:
        from ring3.drivers.ownmem import OwnMemDevice

        return OwnMemDevice(number, flags, world.random)
    return MemDevice(number, flags)
