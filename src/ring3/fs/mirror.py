"""A host memfd that stands for a file of ``fs.ownfile`` where a host process has to map it.

Only the native machine needs that, and only when it is told to do without host objects (a test of
the kernel's own ones): it is then the first user of the protocol by which machines follow a file.
"""

from __future__ import annotations

import os

from ring3.abi.fcntl import F_ADD_SEALS, F_SEAL_WRITE
from ring3.abi.hints import Any
from ring3.vfs.hostcall import close

PIECE = 1 << 20


class Mirror:
    """machine.base.FileMapping over a memfd."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self.fd = os.memfd_create("ring3-mirror", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.writable = False
        """Somebody may store through a shared mapping: the memfd has to be asked."""
        size = content.content_size()
        os.ftruncate(self.fd, size)
        self.after_write(0, size)

    def before_read(self, offset: int, size: int) -> None:
        if not self.writable:
            return
        end = min(offset + size, self.content.content_size())
        while offset < end:
            new = os.pread(self.fd, min(PIECE, end - offset), offset)
            if not new:
                return
            if new != self.content.read_at(offset, len(new)):
                self.content.write_at(offset, new)
            offset += len(new)

    def after_write(self, offset: int, size: int) -> None:
        end = offset + size
        while offset < end:
            data = self.content.read_at(offset, min(PIECE, end - offset))
            if not data:
                return
            if data != os.pread(self.fd, len(data), offset):
                os.pwrite(self.fd, data, offset)
            offset += len(data)

    def truncated(self, size: int) -> None:
        os.ftruncate(self.fd, size)

    def shared_writable(self) -> bool:
        """The host knows: it refuses to seal a memfd that is mapped for writing."""
        import fcntl

        if not self.writable:
            return False
        try:
            fcntl.fcntl(self.fd, F_ADD_SEALS, F_SEAL_WRITE)
        except OSError:
            return True
        self.close()  # what is sealed now cannot follow the file any more
        return False

    def gone(self) -> None:
        self.content.mapping = None
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Nobody maps it any more: take over what was stored, and give the memfd back."""
        self.before_read(0, self.content.content_size())
        self.gone()
