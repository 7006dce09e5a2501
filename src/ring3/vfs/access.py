"""Who may do what with an inode: owner, group, others, and the capabilities that override them.

Source: credentials(7), capabilities(7), inode(7); Linux's fs/namei.c (generic_permission).
"""

from __future__ import annotations

from ring3.abi.capability import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
)
from ring3.abi.errno import EACCES, EPERM, EROFS
from ring3.abi.hints import TYPE_CHECKING, Final, Protocol
from ring3.abi.stat import S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP

if TYPE_CHECKING:
    from collections.abc import Container

    from ring3.vfs.inode import Inode
    from ring3.vfs.path import Place

MAY_EXEC: Final = 1
MAY_WRITE: Final = 2
MAY_READ: Final = 4


class Cred(Protocol):
    """What the file tree wants to know of credentials (task.credentials has the rest)."""

    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def fsuid(self) -> int: ...
    @property
    def fsgid(self) -> int: ...
    @property
    def groups(self) -> Container[int]: ...
    @property
    def permitted(self) -> int:
        """The permitted capability set, one bit per CAP_*."""

    def capable(self, cap: int) -> bool:
        """True if *cap* is in the effective set."""


class PlainCred:
    """Credentials of the kernel itself (root), or of whomever the kernel acts for."""

    __slots__ = ("fsgid", "fsuid", "gid", "groups", "permitted", "uid")

    def __init__(
        self, uid: int = 0, gid: int = 0, groups: Container[int] = (), permitted: int | None = None
    ) -> None:
        self.uid = self.fsuid = uid
        self.gid = self.fsgid = gid
        self.groups = groups
        self.permitted = permitted if permitted is not None else (0 if uid else (1 << 41) - 1)

    def capable(self, cap: int) -> bool:
        return bool(self.permitted >> cap & 1)


def real_cred(cred: Cred) -> PlainCred:
    """The credentials access(2) asks with: the real ids, and capabilities only for real root."""
    return PlainCred(cred.uid, cred.gid, cred.groups, 0 if cred.uid else cred.permitted)


def in_group(cred: Cred, gid: int) -> bool:
    return gid == cred.fsgid or gid in cred.groups


def may(cred: Cred, inode: Inode, mask: int) -> bool:
    """True if *cred* has all MAY_* of *mask* on *inode*."""
    mode = inode.mode
    bits = mode
    if cred.fsuid == inode.uid:
        bits >>= 6
    elif inode.gid == cred.fsgid or inode.gid in cred.groups:
        bits >>= 3
    if not mask & ~bits & 7:
        return True
    if mode & S_IFMT == S_IFDIR:
        if not mask & MAY_WRITE and cred.capable(CAP_DAC_READ_SEARCH):
            return True
        return cred.capable(CAP_DAC_OVERRIDE)
    if mask == MAY_READ and cred.capable(CAP_DAC_READ_SEARCH):
        return True
    if mask & MAY_EXEC and not mode & 0o111:
        return False
    return cred.capable(CAP_DAC_OVERRIDE)


def check(cred: Cred, inode: Inode, mask: int) -> None:
    """EACCES unless *cred* has all of *mask* on *inode*."""
    if not may(cred, inode, mask):
        raise EACCES


def check_writable(place: Place) -> None:
    """EROFS on a read-only mount or filesystem."""
    if place.mount.readonly:
        raise EROFS(place.mount.why_readonly())


def owner_or_capable(cred: Cred, inode: Inode) -> bool:
    return cred.fsuid == inode.uid or cred.capable(CAP_FOWNER)


def check_owner(cred: Cred, inode: Inode) -> None:
    """EPERM unless *cred* owns *inode* or has CAP_FOWNER."""
    if not owner_or_capable(cred, inode):
        raise EPERM("not the owner")


def check_entry_change(cred: Cred, directory: Inode) -> None:
    """EACCES unless names may be added to and removed from *directory*."""
    check(cred, directory, MAY_WRITE | MAY_EXEC)


def check_sticky(cred: Cred, directory: Inode, inode: Inode) -> None:
    """EPERM if *directory* is sticky and *inode* in it is somebody else's."""
    if (
        directory.mode & S_ISVTX
        and cred.fsuid not in (inode.uid, directory.uid)
        and not cred.capable(CAP_FOWNER)
    ):
        raise EPERM("sticky directory")


def new_owner(cred: Cred, directory: Inode, mode: int) -> tuple[int, int, int]:
    """(mode, uid, gid) of something made in *directory*: set-group-ID directories hand down their
    group, and the bit to directories below (inode_init_owner)."""
    if not directory.mode & S_ISGID:
        return mode, cred.fsuid, cred.fsgid
    gid = directory.gid
    if mode & S_IFMT == S_IFDIR:
        mode |= S_ISGID
    elif mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP and not (
        in_group(cred, gid) or cred.capable(CAP_FSETID)
    ):
        mode &= ~S_ISGID
    return mode, cred.fsuid, gid


def without_setid(cred: Cred | None, mode: int) -> int:
    """*mode* after a write or a chown by *cred*, or by anyone at all if None: no set-ID bits, but
    set-group-ID on a non-executable stays (should_remove_suid)."""
    if mode & S_IFMT == S_IFDIR or (cred is not None and cred.capable(CAP_FSETID)):
        return mode
    mode &= ~S_ISUID
    if mode & S_IXGRP:
        mode &= ~S_ISGID
    return mode
