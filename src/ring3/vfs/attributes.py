"""Changing attributes: mode, owner, times, size. Rules of fs/attr.c and fs/open.c."""

from __future__ import annotations

from ring3.abi.capability import CAP_CHOWN, CAP_FSETID
from ring3.abi.errno import EACCES, EINVAL, EISDIR, EOPNOTSUPP, EPERM, ETXTBSY
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.inotify import IN_ATTRIB, IN_MODIFY
from ring3.abi.stat import S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_IXGRP
from ring3.vfs import notify
from ring3.vfs.access import (
    MAY_WRITE,
    check,
    check_owner,
    check_writable,
    in_group,
    may,
    owner_or_capable,
    without_setid,
)
from ring3.vfs.regular import RegularFile

if TYPE_CHECKING:
    from ring3.vfs.access import Cred
    from ring3.vfs.path import Place

UNCHANGED = 0xFFFFFFFF
"""chown(2)'s -1: leave this one."""


def chmod(cred: Cred, place: Place, mode: int) -> None:
    check_writable(place)
    inode = place.dentry.inode
    if inode.is_symlink:
        raise EOPNOTSUPP("links have no mode")
    check_owner(cred, inode)
    mode &= 0o7777
    if mode & S_ISGID and not in_group(cred, inode.gid) and not cred.capable(CAP_FSETID):
        mode &= ~S_ISGID
    inode.setattr(mode=mode)
    if mode & (S_ISUID | S_ISGID):
        for file in inode.open_files():
            if isinstance(file, RegularFile):
                file.guard_setid()
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)


def chown(cred: Cred, place: Place, uid: int, gid: int) -> None:
    """*uid* and *gid* may be UNCHANGED. Set-ID bits of non-directories go, for root too."""
    check_writable(place)
    inode = place.dentry.inode
    owner = cred.fsuid == inode.uid
    if uid != UNCHANGED and not (owner and uid == inode.uid) and not cred.capable(CAP_CHOWN):
        raise EPERM("CAP_CHOWN")
    if gid != UNCHANGED and not (owner and (gid == inode.gid or in_group(cred, gid))):
        if not cred.capable(CAP_CHOWN):
            raise EPERM("CAP_CHOWN")
    mode = None
    if inode.mode & S_IFMT != S_IFDIR and inode.mode & (S_ISUID | S_ISGID):
        mode = inode.mode & 0o7777 & ~S_ISUID
        if mode & S_IXGRP or not (in_group(cred, inode.gid) or cred.capable(CAP_FSETID)):
            mode &= ~S_ISGID
    inode.setattr(
        uid=None if uid == UNCHANGED else uid,
        gid=None if gid == UNCHANGED else gid,
        mode=mode,
    )
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)


def set_times(cred: Cred, place: Place, atime_ns: int | None, mtime_ns: int | None) -> None:
    """utimensat(2) with explicit times; None leaves one as it is."""
    check_writable(place)
    inode = place.dentry.inode
    if not owner_or_capable(cred, inode):
        raise EPERM("not the owner")
    inode.setattr(atime_ns=atime_ns, mtime_ns=mtime_ns)
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)


def touch(cred: Cred, place: Place) -> None:
    """utimensat(2) setting both times to now: who may write may do that too."""
    check_writable(place)
    inode = place.dentry.inode
    if not owner_or_capable(cred, inode) and not may(cred, inode, MAY_WRITE):
        raise EACCES
    now = inode.fs.now_ns()
    inode.setattr(atime_ns=now, mtime_ns=now)
    if notify.active:
        notify.happened(place.dentry, IN_ATTRIB)


def truncate(cred: Cred, place: Place, size: int) -> None:
    """truncate(2), *size* not negative and within limits."""
    inode = place.dentry.inode
    if inode.is_dir:
        raise EISDIR
    if not inode.is_regular:
        raise EINVAL("not a regular file")
    check_writable(place)
    check(cred, inode, MAY_WRITE)
    if inode.texts:
        raise ETXTBSY
    inode.truncate(size)
    bits = without_setid(cred, inode.mode)
    if bits != inode.mode:
        inode.setattr(mode=bits & 0o7777)
    if notify.active:
        notify.happened(place.dentry, IN_MODIFY)
