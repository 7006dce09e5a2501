"""Files that memfd_create(2) makes: in memory, without a name, and possibly sealed.

Seals live on the host's memfd, so that a bound descriptor and a mapping obey them too.
"""

from __future__ import annotations

import os

from ring3.abi.errno import ENFILE, EPERM, from_os_error
from ring3.abi.fcntl import F_ADD_SEALS, F_GET_SEALS, F_SEAL_EXEC, F_SEAL_SEAL, O_RDWR
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mman import MFD_EXEC, MFD_NOEXEC_SEAL
from ring3.fs.memfile import MemFile
from ring3.fs.tmpfs import TmpFs
from ring3.vfs.dentry import Dentry
from ring3.vfs.mount import Mount
from ring3.vfs.path import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.fs.ownfile import OwnMemFd
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker


class MemFdInode(MemFile):
    """One memfd. It never gets a name, so its memory goes with its last user."""

    __slots__ = ()

    def __init__(self, fs: TmpFs, name: str, flags: int, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, fs.new_ino(), mode, uid, gid)
        self.nlink = 0
        try:
            # All are sealable for the host; what the program may seal is a seal of its own.
            self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
        except OSError as error:
            raise ENFILE(f"memfd: {error.strerror}") from None
        self.fs.live[self] = None

    def get_seals(self) -> int:
        import fcntl

        return fcntl.fcntl(self.content(), F_GET_SEALS)

    def add_seals(self, seals: int) -> None:
        """EPERM, EINVAL, EBUSY as the host finds (a writable mapping)."""
        import fcntl

        try:
            fcntl.fcntl(self.content(), F_ADD_SEALS, seals)
        except OSError as error:
            raise from_os_error(error) from None

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        if mode is not None and (mode ^ self.mode) & 0o111 and self.get_seals() & F_SEAL_EXEC:
            raise EPERM("F_SEAL_EXEC")
        super().setattr(mode=mode, uid=uid, gid=gid, atime_ns=atime_ns, mtime_ns=mtime_ns)


def memfd_mount(clock: Callable[[], int] | None = None, own: bool = False) -> Mount:
    """A filesystem for memfds, mounted nowhere. *own*: with no host object behind them."""
    fs = TmpFs()
    fs.own_content = own
    if clock is not None:
        fs.use_clock(clock)
    return Mount(fs)


def open_memfd(who: Walker, mount: Mount, name: bytes, *, sealing: bool, noexec: bool) -> File:
    """A new memfd called *name*, open for reading and writing. ENFILE."""
    fs = mount.fs
    assert isinstance(fs, TmpFs)
    host = MFD_NOEXEC_SEAL if noexec else MFD_EXEC
    mode = 0o666 if noexec else 0o777
    inode: MemFdInode | OwnMemFd
    if fs.own_content:
        from ring3.fs.ownfile import OwnMemFd

        inode = OwnMemFd(fs, mode, who.cred.fsuid, who.cred.fsgid)
        inode.seals = F_SEAL_EXEC if noexec else 0
    else:
        inode = MemFdInode(fs, "ring3", host, mode, who.cred.fsuid, who.cred.fsgid)
    if not sealing:
        inode.add_seals(F_SEAL_SEAL)
    dentry = Dentry(b"memfd:" + name, mount.root, inode)
    dentry.dead = True
    place = Place(mount, dentry)
    file = inode.open(who, place, O_RDWR)
    inode.writers = -1  # this description does not count as one (alloc_file)
    file.attach(place)
    return file
