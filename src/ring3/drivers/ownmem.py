"""/dev/null, zero, full, random and urandom of the kernel's own: no host device behind them."""

from __future__ import annotations

from ring3.abi.errno import EINVAL, ENODEV, ENOSPC
from ring3.abi.hints import TYPE_CHECKING
from ring3.drivers.mem import FULL, NULL, RANDOM, URANDOM, ZERO, MemDevice
from ring3.vfs.file import File

if TYPE_CHECKING:
    from ring3.core.random import Random
    from ring3.machine.base import FileContent

MOST_RANDOM = (1 << 25) - 1
"""One read gives at most that much (get_random_bytes_user's caller, MAX_RW_COUNT aside)."""


class OwnMemDevice(MemDevice):
    __slots__ = ("random",)

    def __init__(self, minor: int, flags: int, random: Random) -> None:
        File.__init__(self, flags)
        self.minor = minor
        self.fd = -1
        self.random = random

    def set_status(self, flags: int) -> None:
        self.flags = flags

    def read(self, size: int) -> bytes:
        if self.minor in (RANDOM, URANDOM):
            return self.random.bytes(min(size, MOST_RANDOM))
        return b"" if self.minor == NULL else bytes(size)

    def write(self, data: bytes) -> int:
        """Entropy written to random is not used: numbers come from the world's source alone."""
        if self.minor == FULL:
            raise ENOSPC("/dev/full")
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """null, zero and full: null_lseek; random and urandom: noop_llseek. Both say 0."""
        if not 0 <= whence <= 4:
            raise EINVAL("whence")
        return 0

    def check_map(self, prot: int, shared: bool) -> None:
        from ring3.abi.errno import EACCES
        from ring3.abi.mman import PROT_WRITE

        if not self.readable or (shared and prot & PROT_WRITE and not self.writable):
            raise EACCES
        if self.minor != ZERO:
            raise ENODEV

    def map_content(self, prot: int, shared: bool) -> FileContent | None:
        self.check_map(prot, shared)
        return None

    def map_fd(self, prot: int, shared: bool) -> int:
        """The host's /dev/zero, for the native machine (a test of these devices)."""
        import os

        self.check_map(prot, shared)
        if self.fd < 0:
            self.fd = os.open("/dev/zero", os.O_RDWR | os.O_CLOEXEC)
        return self.fd

    def release(self) -> None:
        if self.fd >= 0:
            super().release()
