"""Names: the cache of directory entries that path walks go by.

A :class:`Dentry` ties a name in a directory to an inode. Each filesystem has one tree of them,
shared by all its mounts. A dentry in use (open, working directory, mount point) stays in its
parent's ``children``, so that a rename moves it for everybody who holds it.
"""

from __future__ import annotations

from sys import getrefcount

from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.stat import S_IFDIR, S_IFMT
from ring3.vfs.inode import FOREVER, Inode

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CACHED = 20_000
"""Names of one filesystem that are entered before unused ones are dropped."""
NOTHING: dict[bytes, Dentry] = {}
"""The children of everything that is no directory; stays empty."""


class Dentry:
    """One name. *dead* ones were removed (or replaced): /proc shows " (deleted)"."""

    __slots__ = ("children", "dead", "fresh_until", "inode", "mounted", "name", "parent")

    def __init__(self, name: bytes, parent: Dentry | None, inode: Inode) -> None:
        self.name = name
        self.parent = parent
        """None: the root of its filesystem, or a file that never had a name."""
        self.inode = inode
        self.children: dict[bytes, Dentry] = {} if inode.mode & S_IFMT == S_IFDIR else NOTHING
        self.fresh_until = FOREVER
        """Monotonic seconds until which the name needs no new look into the directory."""
        self.mounted = 0
        """Mounts on this name, in whatever namespace."""
        self.dead = False

    def __repr__(self) -> str:
        return f"<Dentry {self.name!r}{' dead' if self.dead else ''}>"

    def add(self, name: bytes, inode: Inode, now: float = 0.0) -> Dentry:
        """Enter *name*, which leads to *inode* since *now* (monotonic seconds)."""
        child = Dentry(name, self, inode)
        trust = inode.trust
        if trust != FOREVER:
            child.fresh_until = now + trust
        self.children[name] = child
        fs = self.inode.fs
        fs.cached += 1
        if fs.cached > fs.most_cached:
            kept = shrink(fs.root)
            # What is in use now is likely to be so next time: look again after as many more.
            fs.cached, fs.most_cached = 0, max(MOST_CACHED, kept)
        return child

    def look(self, name: bytes, now: float) -> Dentry | None:
        """Ask the directory anew for *name*, at monotonic time *now*. ENAMETOOLONG, ENOTDIR."""
        old = self.children.get(name)
        inode = self.inode.lookup(name)
        if old is not None:
            if old.inode is inode:
                old.fresh_until = now + inode.trust
                return old
            if old.mounted:
                return old  # what is mounted on stays, whatever the host did below
            old.kill()
        return None if inode is None else self.add(name, inode, now)

    def kill(self) -> None:
        """The name is gone."""
        self.dead = True
        if self.parent is not None and self.parent.children.get(self.name) is self:
            del self.parent.children[self.name]

    def move(self, parent: Dentry, name: bytes) -> None:
        """rename(2): the same dentry under another name."""
        if self.parent is not None and self.parent.children.get(self.name) is self:
            del self.parent.children[self.name]
        self.parent = parent
        self.name = name
        parent.children[name] = self

    def below(self, other: Dentry) -> bool:
        """True if *other* is this dentry or one of its ancestors."""
        at: Dentry | None = self
        while at is not None:
            if at is other:
                return True
            at = at.parent
        return False

    def walk(self) -> Iterator[Dentry]:
        """All cached dentries below this one."""
        todo = [self]
        while todo:
            for child in todo.pop().children.values():
                yield child
                todo.append(child)


def shrink(root: Dentry) -> int:
    """Drop cached names that nobody else holds, deepest first; return how many stay."""
    kept = 0
    todo = list(root.walk())
    while todo:
        dentry = todo.pop()
        # Held by: its parent's dict, ``dentry``, getrefcount's argument; and by cached children.
        if getrefcount(dentry) > 3 or dentry.mounted:
            kept += 1
            continue
        parent = dentry.parent
        if parent is not None:
            parent.children.pop(dentry.name, None)
    return kept
