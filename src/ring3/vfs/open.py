"""Opening: from a path and open(2)'s flags to an open file description.

The order of checks, and thus of errors, is that of Linux's fs/namei.c (open_last_lookups,
lookup_open, do_open, may_open).
"""

from __future__ import annotations

from ring3.abi.capability import CAP_FSETID
from ring3.abi.errno import EACCES, EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, EPERM, ETXTBSY
from ring3.abi.fcntl import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
)
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.inotify import IN_OPEN
from ring3.abi.mount import MS_NOATIME, MS_NODEV, MS_NOEXEC
from ring3.abi.stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID
from ring3.vfs import notify
from ring3.vfs.access import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    check,
    check_entry_change,
    check_writable,
    new_owner,
    owner_or_capable,
)
from ring3.vfs.dentry import Dentry
from ring3.vfs.directory import DirFile
from ring3.vfs.inode import DOT, DOTDOT
from ring3.vfs.path import FOLLOW, PARENT, Place, Walked, descend
from ring3.vfs.regular import RegularFile
from ring3.vfs.special import open_special

if TYPE_CHECKING:
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker

TMPFILE = O_TMPFILE & ~O_DIRECTORY
NOT_KEPT = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC
WANTED = {O_RDONLY: MAY_READ, O_WRONLY: MAY_WRITE, O_RDWR: MAY_READ | MAY_WRITE}


def open_at(
    who: Walker, base: Place | None, path: bytes, flags: int, mode: int = 0, resolve: int = 0
) -> File:
    """openat2(2) with flags already found consistent; *mode* is not yet cut by the umask."""
    if flags & TMPFILE:
        at = descend(who, base, path, 0 if flags & O_NOFOLLOW else FOLLOW, resolve).place
        return open_tmpfile(who, at, flags, mode)
    if not flags & O_CREAT:
        end = descend(who, base, path, 0 if flags & O_NOFOLLOW else FOLLOW, resolve)
        return open_place(who, Place(end.mount, end.dentry), flags)
    links, scope = 0, base or who.fs.cwd
    while True:
        end = descend(who, base, path, PARENT, resolve, scope, links)
        found = final_step(who, end, flags, mode, resolve)
        if not isinstance(found, bytes):
            return found
        # A symbolic link as last component: go on from its text, with what is left of 40.
        base, path, links = Place(end.mount, end.dentry), found, end.links + 1


def final_step(who: Walker, end: Walked, flags: int, mode: int, resolve: int) -> File | bytes:
    """O_CREAT's last component: opened, created, or the text of a link to follow."""
    if end.name in (b"", DOT, DOTDOT):
        raise EEXIST if flags & O_EXCL else EISDIR
    if end.slash:
        raise EISDIR("O_CREAT cannot make a directory")
    if end.dentry.dead:
        raise ENOENT("the directory was removed")
    child = end.child()
    if child is None:
        return open_created(who, end, flags, mode)
    if child.inode.is_symlink and not flags & (O_NOFOLLOW | O_EXCL):
        if child.inode.magic:
            return open_place(who, child.inode.jump(who), flags)
        from ring3.vfs.path import check_link

        check_link(end.mount, child.inode, end.links + 1, resolve)
        return child.inode.readlink(who)
    if flags & O_EXCL:
        raise EEXIST
    mount, dentry = end.mount, child
    while dentry.mounted and (over := mount.children.get(dentry)) is not None:
        mount, dentry = over, over.root
    if dentry.inode.is_dir:
        raise EISDIR
    return open_place(who, Place(mount, dentry), flags)


def open_created(who: Walker, end: Walked, flags: int, mode: int) -> File:
    """Make the file that *end* names and open it; its mode does not limit this first open."""
    place = Place(end.mount, end.dentry)
    check_writable(place)
    directory = end.dentry.inode
    check_entry_change(who.cred, directory)
    bits, uid, gid = new_owner(who.cred, directory, S_IFREG | (mode & 0o7777 & ~who.fs.umask))
    inode = directory.create(end.name, bits & 0o7777, uid, gid)
    dentry = end.dentry.add(end.name, inode)
    if notify.active:
        notify.created(directory, end.name, inode)
    return finish(who, Place(end.mount, dentry), flags & ~O_TRUNC)


def open_tmpfile(who: Walker, at: Place, flags: int, mode: int) -> File:
    """O_TMPFILE in directory *at*."""
    directory = at.dentry.inode
    if not directory.is_dir:
        raise ENOTDIR
    check_writable(at)
    check_entry_change(who.cred, directory)
    bits, uid, gid = new_owner(who.cred, directory, S_IFREG | (mode & 0o7777 & ~who.fs.umask))
    inode = directory.tmpfile(bits & 0o7777, uid, gid, not flags & O_EXCL)
    dentry = Dentry(b"#%d" % inode.ino, at.dentry, inode)
    dentry.dead = True
    return finish(who, Place(at.mount, dentry), flags & ~(O_TRUNC | O_TMPFILE))


def open_place(who: Walker, place: Place, flags: int) -> File:
    """Open what is there already, permissions checked."""
    inode = place.dentry.inode
    kind = inode.mode & S_IFMT
    if flags & O_DIRECTORY and kind != S_IFDIR:
        raise ENOTDIR
    if flags & O_PATH:
        file = inode.open_path(place, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW))
        file.attach(place)
        return file
    if kind == S_IFREG:
        if flags & O_TRUNC:
            check_writable(place)
    else:
        check_kind(place, kind, flags)
        flags &= ~O_TRUNC
    wanted = WANTED.get(flags & O_ACCMODE, MAY_READ | MAY_WRITE)
    check(who.cred, inode, wanted | (MAY_WRITE if flags & O_TRUNC else 0))
    if flags & O_NOATIME and not owner_or_capable(who.cred, inode):
        raise EPERM("O_NOATIME: not the owner")
    if wanted & MAY_WRITE and kind in (S_IFREG, S_IFDIR):
        check_writable(place)
    if inode.texts and (wanted & MAY_WRITE or flags & O_TRUNC):
        raise ETXTBSY
    return finish(who, place, flags)


def check_kind(place: Place, kind: int, flags: int) -> None:
    """What can never be opened, or not so (may_open)."""
    if kind == S_IFLNK:
        raise ELOOP("O_NOFOLLOW on a symbolic link")
    if kind == S_IFDIR and (flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC):
        raise EISDIR
    if kind in (S_IFCHR, S_IFBLK) and place.mount.flags & MS_NODEV:
        raise EACCES("mounted nodev")


def finish(who: Walker, place: Place, flags: int) -> File:
    """Make the open file description; nothing is left to check."""
    dentry = place.dentry
    inode = dentry.inode
    kind = inode.mode & S_IFMT
    file: File
    if kind == S_IFREG:
        if place.mount.flags & MS_NOATIME:
            flags |= O_NOATIME
        truncated = flags & O_TRUNC
        file = inode.open(who, place, flags & ~(NOT_KEPT & ~O_TRUNC))
        if truncated and notify.active:
            from ring3.abi.inotify import IN_MODIFY

            notify.happened(dentry, IN_MODIFY)
        if isinstance(file, RegularFile) and file.writable:
            file.privileged = who.cred.capable(CAP_FSETID)
            if inode.mode & (S_ISUID | S_ISGID):
                file.guard_setid()
    elif kind == S_IFDIR:
        file = DirFile(place, flags & ~NOT_KEPT)
    else:
        file = open_special(who, place, flags & ~(NOT_KEPT & ~O_NOCTTY))
    file.flags &= ~NOT_KEPT
    file.attach(place)
    if notify.active:
        if isinstance(file, RegularFile) and notify.covers_data(dentry):
            file.unbind()
        notify.happened(dentry, IN_OPEN)
    return file


def open_exec(who: Walker, place: Place) -> File:
    """A description to read a program by, as execve(2) opens it: x permission is enough."""
    inode = place.dentry.inode
    if not inode.is_regular:
        raise EACCES("not a regular file")
    if place.mount.flags & MS_NOEXEC:
        raise EACCES("mounted noexec")
    check(who.cred, inode, MAY_EXEC)
    if inode.writers > 0:
        raise ETXTBSY
    file = inode.open(who, place, O_RDONLY)
    file.attach(place)
    return file
