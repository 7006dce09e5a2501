"""/dev: a tmpfs with the kernel's device nodes in it, as devtmpfs is."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFCHR
from ring3.fs.tmpfs import TmpFs
from ring3.vfs.special import makedev

if TYPE_CHECKING:
    from ring3.fs.meminode import MemDir

NODES = (
    (b"null", 1, 3, 0o666),
    (b"zero", 1, 5, 0o666),
    (b"full", 1, 7, 0o666),
    (b"random", 1, 8, 0o666),
    (b"urandom", 1, 9, 0o666),
    (b"tty", 5, 0, 0o666),
    (b"console", 5, 1, 0o600),
    (b"ptmx", 5, 2, 0o666),
)
LINKS = (
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
)
DIRECTORIES = ((b"pts", 0o755), (b"shm", 0o1777))
LIMIT = 16 << 20
"""Bytes of ordinary files that root may put here."""


class DevFs(TmpFs):
    """*console_uid*: who owns /dev/console, the terminal the guest was started from."""

    name = "devtmpfs"

    def __init__(self, console_uid: int = 0) -> None:
        super().__init__(limit=LIMIT, mode=0o755)
        root: MemDir = self.root.inode  # type: ignore[assignment]
        for name, major, minor, mode in NODES:
            root.mknod(name, S_IFCHR | mode, makedev(major, minor), 0, 0)
        for name, target in LINKS:
            root.symlink(name, target, 0, 0)
        for name, mode in DIRECTORIES:
            root.mkdir(name, mode, 0, 0)
        if console_uid:
            root.entries[b"console"].uid = console_uid
