"""Operations on names: make, link, move and remove, with all of Linux's checks.

Each function takes the caller (*who*), a base for relative paths (None: working directory) and a
path. The order of checks is that of fs/namei.c.
"""

from __future__ import annotations

from ring3.abi.capability import CAP_MKNOD
from ring3.abi.errno import (
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    EXDEV,
)
from ring3.abi.fcntl import RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.inotify import IN_ATTRIB
from ring3.abi.stat import (
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
)
from ring3.vfs import notify
from ring3.vfs.access import (
    MAY_WRITE,
    check,
    check_entry_change,
    check_sticky,
    check_writable,
    new_owner,
)
from ring3.vfs.inode import DOT, DOTDOT
from ring3.vfs.path import Place, Walked, walk_parent

if TYPE_CHECKING:
    from ring3.vfs.dentry import Dentry
    from ring3.vfs.inode import Inode, Walker


def vacant(who: Walker, base: Place | None, path: bytes, is_dir: bool = False) -> Walked:
    """The place for a new name, which may be made there (filename_create, may_create)."""
    end = walk_parent(who, base, path)
    if end.name in (b"", DOT, DOTDOT):
        raise EEXIST
    if end.child() is not None:
        raise EEXIST
    if end.slash and not is_dir:
        raise ENOENT("trailing slash")
    check_writable(end.place)
    if end.dentry.dead:
        raise ENOENT("the directory was removed")
    check_entry_change(who.cred, end.dentry.inode)
    return end


def entered(end: Walked, inode: Inode) -> Place:
    """*inode* has just been made as *end* says: enter the name."""
    dentry = end.dentry.add(end.name, inode)
    if notify.active:
        notify.created(end.dentry.inode, end.name, inode)
    return Place(end.mount, dentry)


def mkdir(who: Walker, base: Place | None, path: bytes, mode: int) -> Place:
    end = vacant(who, base, path, is_dir=True)
    mode = S_IFDIR | (mode & 0o1777 & ~who.fs.umask)
    mode, uid, gid = new_owner(who.cred, end.dentry.inode, mode)
    return entered(end, end.dentry.inode.mkdir(end.name, mode & 0o7777, uid, gid))


def mknod(who: Walker, base: Place | None, path: bytes, mode: int, rdev: int) -> Place:
    kind = mode & S_IFMT or S_IFREG
    if kind == S_IFDIR:
        raise EPERM("mknod makes no directories")
    if kind not in (S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK):
        raise EINVAL("file type")
    end = vacant(who, base, path)
    if kind in (S_IFCHR, S_IFBLK) and rdev and not who.cred.capable(CAP_MKNOD):
        raise EPERM("CAP_MKNOD")
    directory = end.dentry.inode
    mode, uid, gid = new_owner(who.cred, directory, kind | (mode & 0o7777 & ~who.fs.umask))
    if kind == S_IFREG:
        inode = directory.create(end.name, mode & 0o7777, uid, gid)
    else:
        rdev = rdev if kind in (S_IFCHR, S_IFBLK) else 0
        inode = directory.mknod(end.name, mode, rdev, uid, gid)
    return entered(end, inode)


def symlink(who: Walker, target: bytes, base: Place | None, path: bytes) -> Place:
    if not target:
        raise ENOENT("empty target")
    end = vacant(who, base, path)
    _, uid, gid = new_owner(who.cred, end.dentry.inode, S_IFLNK | 0o777)
    return entered(end, end.dentry.inode.symlink(end.name, target, uid, gid))


def link(who: Walker, old: Place, base: Place | None, path: bytes) -> Place:
    """Another name for what *old* is."""
    end = vacant(who, base, path)
    inode = old.dentry.inode
    if end.mount is not old.mount:
        raise EXDEV
    if inode.is_dir:
        raise EPERM("hard link to a directory")
    end.dentry.inode.link(end.name, inode)
    if notify.active:
        notify.on_inode(inode, IN_ATTRIB)
    return entered(end, inode)


def check_delete(who: Walker, parent: Dentry, victim: Dentry, is_dir: bool) -> None:
    """may_delete of fs/namei.c, and mount points."""
    inode = victim.inode
    check_entry_change(who.cred, parent.inode)
    check_sticky(who.cred, parent.inode, inode)
    if is_dir and not inode.is_dir:
        raise ENOTDIR
    if not is_dir and inode.is_dir:
        raise EISDIR
    if victim.mounted:
        raise EBUSY("a mount point")


def unlink(who: Walker, base: Place | None, path: bytes) -> None:
    end = walk_parent(who, base, path)
    if end.name in (b"", DOT, DOTDOT):
        raise EISDIR
    check_writable(end.place)
    victim = end.child()
    if victim is None:
        raise ENOENT(end.dentry.inode.absent(end.name))
    inode = victim.inode
    if end.slash:
        raise EISDIR if inode.is_dir else ENOTDIR
    check_delete(who, end.dentry, victim, is_dir=False)
    end.dentry.inode.unlink(end.name, inode)
    victim.kill()
    gone(victim)


def rmdir(who: Walker, base: Place | None, path: bytes) -> None:
    end = walk_parent(who, base, path)
    if end.name == DOTDOT:
        raise ENOTEMPTY
    if end.name == DOT:
        raise EINVAL
    if not end.name:
        raise EBUSY("the root directory")
    check_writable(end.place)
    victim = end.child()
    if victim is None:
        raise ENOENT(end.dentry.inode.absent(end.name))
    check_delete(who, end.dentry, victim, is_dir=True)
    end.dentry.inode.rmdir(end.name, victim.inode)
    victim.kill()
    gone(victim)


def gone(victim: Dentry) -> None:
    """Tell those who watch that *victim* has lost its name."""
    if notify.active:
        inode = victim.inode
        notify.removed(victim, inode)
        if (inode.is_dir or not inode.nlink) and not inode.opens:
            notify.destroyed(inode)


def rename(
    who: Walker,
    old_base: Place | None,
    old_path: bytes,
    new_base: Place | None,
    new_path: bytes,
    flags: int = 0,
) -> None:
    """renameat2(2)."""
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT):
        raise EINVAL("unknown rename flag")
    exchange = bool(flags & RENAME_EXCHANGE)
    if exchange and flags & (RENAME_NOREPLACE | RENAME_WHITEOUT):
        raise EINVAL("RENAME_EXCHANGE goes with no other flag")
    old = walk_parent(who, old_base, old_path)
    new = walk_parent(who, new_base, new_path)
    if old.mount is not new.mount:
        raise EXDEV
    if old.name in (b"", DOT, DOTDOT):
        raise EBUSY
    if new.name in (b"", DOT, DOTDOT):
        raise EEXIST if flags & RENAME_NOREPLACE else EBUSY
    check_writable(old.place)
    source = old.child()
    if source is None:
        raise ENOENT(old.dentry.inode.absent(old.name))
    target = new.child()
    if target is not None and flags & RENAME_NOREPLACE:
        raise EEXIST
    if exchange and target is None:
        raise ENOENT(new.dentry.inode.absent(new.name))
    check_shapes(old, source, new, target, exchange)
    if target is not None and source.inode is target.inode:
        return
    check_rename(who, old, source, new, target, exchange)
    if flags & RENAME_WHITEOUT and not who.cred.capable(CAP_MKNOD):
        raise EPERM("CAP_MKNOD")
    move(old, source, new, target, exchange)
    if flags & RENAME_WHITEOUT:
        _, uid, gid = new_owner(who.cred, old.dentry.inode, S_IFCHR)
        old.dentry.add(old.name, old.dentry.inode.mknod(old.name, S_IFCHR, 0, uid, gid))


def check_shapes(
    old: Walked, source: Dentry, new: Walked, target: Dentry | None, exchange: bool
) -> None:
    """Trailing slashes, and directories moved into themselves."""
    if exchange and target is not None:
        if new.slash and not target.inode.is_dir:
            raise ENOTDIR
    if not source.inode.is_dir:
        if old.slash or (new.slash and not exchange):
            raise ENOTDIR
    if new.dentry.below(source):
        raise EINVAL("a directory cannot be moved into itself")
    if target is not None and old.dentry.below(target):
        raise EINVAL("exchange with an ancestor") if exchange else ENOTEMPTY


def check_rename(
    who: Walker, old: Walked, source: Dentry, new: Walked, target: Dentry | None, exchange: bool
) -> None:
    """vfs_rename's permissions."""
    is_dir = source.inode.is_dir
    check_delete(who, old.dentry, source, is_dir)
    if target is None:
        if new.dentry.dead:
            raise ENOENT("the directory was removed")
        check_entry_change(who.cred, new.dentry.inode)
    else:
        check_delete(who, new.dentry, target, target.inode.is_dir if exchange else is_dir)
    if old.dentry is not new.dentry:
        # ".." of a moved directory changes: that is a write to it.
        if is_dir:
            check(who.cred, source.inode, MAY_WRITE)
        if exchange and target is not None and target.inode.is_dir:
            check(who.cred, target.inode, MAY_WRITE)


def move(old: Walked, source: Dentry, new: Walked, target: Dentry | None, exchange: bool) -> None:
    """Do it, in the filesystem and then in the cache of names."""
    old_dir, new_dir = old.dentry.inode, new.dentry.inode
    old_dir.rename(
        old.name,
        source.inode,
        new_dir,
        new.name,
        target.inode if target is not None else None,
        exchange,
    )
    if target is not None:
        if exchange:
            target.move(old.dentry, old.name)
        else:
            target.kill()
    source.move(new.dentry, new.name)
    if notify.active:
        notify.moved(old_dir, old.name, new_dir, new.name, source.inode)
        if target is not None:
            if exchange:
                notify.moved(new_dir, new.name, old_dir, old.name, target.inode)
            else:
                inode = target.inode
                if not inode.is_dir:
                    notify.on_inode(inode, IN_ATTRIB)
                if (inode.is_dir or not inode.nlink) and not inode.opens:
                    notify.destroyed(inode)
