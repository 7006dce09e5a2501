"""Hooks through which inotify hears of what happens in the file tree.

Operations call these functions only where ``notify.active`` is not 0, so that a world without
watches pays one test. A watch is any object with ``mask`` and ``event``; syscalls/inotify.py
makes them. Events on bound descriptors never reach Python, hence ``DATA``: files that such a
watch covers are not bound (``covers_data``), and already bound ones are taken back (``unbind``).
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Protocol
from ring3.abi.inotify import (
    IN_ACCESS,
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
)

if TYPE_CHECKING:
    from ring3.vfs.dentry import Dentry
    from ring3.vfs.inode import Inode

DATA = IN_ACCESS | IN_MODIFY
active = 0
"""Watches that exist, in all worlds of this kernel process."""
_cookie = 0


class Watch(Protocol):
    mask: int

    def event(self, mask: int, cookie: int, name: bytes) -> None:
        """Something in ``mask`` happened (IN_ISDIR may be set too)."""

    def gone(self) -> None:
        """The inode is no more: IN_IGNORED, and the watch ends."""


def add(inode: Inode, watch: Watch) -> None:
    global active
    if inode.watches is None:
        inode.watches = []
    inode.watches.append(watch)
    active += 1


def remove(inode: Inode, watch: Watch) -> None:
    global active
    if inode.watches and watch in inode.watches:
        inode.watches.remove(watch)
        active -= 1
        if not inode.watches:
            inode.watches = None


def on_inode(inode: Inode, mask: int, name: bytes = b"", cookie: int = 0) -> None:
    """Tell *inode*'s own watches."""
    if inode.watches:
        kind = mask & ~IN_ISDIR
        for watch in list(inode.watches):
            if watch.mask & kind:
                watch.event(mask, cookie, name)


def happened(dentry: Dentry, mask: int) -> None:
    """*mask* happened to what *dentry* names: its parent hears it with the name, then itself."""
    if dentry.inode.is_dir:
        mask |= IN_ISDIR
    if dentry.parent is not None and not dentry.dead:
        on_inode(dentry.parent.inode, mask, dentry.name)
    on_inode(dentry.inode, mask)


def created(directory: Inode, name: bytes, inode: Inode) -> None:
    on_inode(directory, IN_CREATE | (IN_ISDIR if inode.is_dir else 0), name)


def removed(dentry: Dentry, inode: Inode) -> None:
    """*dentry* was taken out of its directory."""
    kind = IN_ISDIR if inode.is_dir else 0
    if not kind:
        on_inode(inode, IN_ATTRIB)  # its link count changed
    if dentry.parent is not None:
        on_inode(dentry.parent.inode, IN_DELETE | kind, dentry.name)


def destroyed(inode: Inode) -> None:
    """*inode* has no name and no user left."""
    on_inode(inode, IN_DELETE_SELF)
    for watch in list(inode.watches or ()):
        watch.gone()


def moved(old: Inode, old_name: bytes, new: Inode, new_name: bytes, inode: Inode) -> None:
    """A rename; the two events share a cookie."""
    global _cookie
    _cookie = _cookie % 0x7FFFFFFF + 1
    kind = IN_ISDIR if inode.is_dir else 0
    on_inode(old, IN_MOVED_FROM | kind, old_name, _cookie)
    on_inode(new, IN_MOVED_TO | kind, new_name, _cookie)
    on_inode(inode, IN_MOVE_SELF)


def covers_data(dentry: Dentry) -> bool:
    """True if a watch wants to hear of reads and writes of what *dentry* names."""
    for inode in (dentry.inode, dentry.parent.inode if dentry.parent is not None else None):
        if inode is not None and inode.watches and any(w.mask & DATA for w in inode.watches):
            return True
    return False
