"""What the host says, in the guest's terms."""

from __future__ import annotations

import os

from ring3.abi.errno import EIO, EMFILE, ENFILE, EPERM, from_os_error
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID

if TYPE_CHECKING:
    from ring3.abi.errno import Errno


def refused(error: OSError) -> Errno:
    """A host error as the guest's; what the host forbids to the kernel process is said so."""
    if isinstance(error, PermissionError):
        kind = from_os_error(error)
        return type(kind)("the host refuses this to the user who runs ring3")
    if error.errno == EMFILE.number:
        return ENFILE("the kernel process is out of descriptors")
    return from_os_error(error)


def kind_of(entry: os.DirEntry[str]) -> int:
    """The S_IFMT bits of a directory entry; asks the host only for the rarest kinds."""
    if entry.is_file(follow_symlinks=False):
        return S_IFREG
    if entry.is_dir(follow_symlinks=False):
        return S_IFDIR
    if entry.is_symlink():
        return S_IFLNK
    try:
        return entry.stat(follow_symlinks=False).st_mode & S_IFMT
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise EIO(str(error)) from None


def refuse_setid(mode: int, old: int) -> None:
    """EPERM for set-ID bits on a host file that were not there before: they would outlive us."""
    if mode & S_IFMT != S_IFDIR and mode & (S_ISUID | S_ISGID) & ~old:
        raise EPERM("set-user-ID and set-group-ID files do not reach the host")
