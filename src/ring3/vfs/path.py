"""Path walks: from a string to a place in the tree, by Linux's rules.

Source: path_resolution(7), openat2(2); Linux's fs/namei.c for the order of errors.
"""

from __future__ import annotations

from time import monotonic

from ring3.abi.errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ESTALE, EXDEV
from ring3.abi.fcntl import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.abi.misc import NAME_MAX
from ring3.abi.mount import MS_NOSYMFOLLOW
from ring3.abi.stat import S_IFDIR, S_IFLNK
from ring3.vfs.access import MAY_EXEC, may
from ring3.vfs.inode import DOT, DOTDOT, FOREVER, Inode

if TYPE_CHECKING:
    from ring3.vfs.dentry import Dentry
    from ring3.vfs.file import File
    from ring3.vfs.inode import Walker
    from ring3.vfs.mount import Mount

FOLLOW: Final = 1
"""Follow a symbolic link that the last component is."""
EMPTY: Final = 2
"""An empty path names the base itself (AT_EMPTY_PATH)."""
PARENT: Final = 4
"""Stop before the last component and report its name."""
DIRECTORY: Final = 8
"""The result must be a directory."""
MAX_LINKS: Final = 40


class Place:
    """Where in the tree: a name of a mounted filesystem."""

    __slots__ = ("dentry", "mount")

    def __init__(self, mount: Mount, dentry: Dentry) -> None:
        self.mount = mount
        self.dentry = dentry

    @property
    def inode(self) -> Inode:
        return self.dentry.inode

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Place) and other.dentry is self.dentry and other.mount is self.mount
        )

    def __hash__(self) -> int:
        return hash((id(self.mount), id(self.dentry)))

    def __repr__(self) -> str:
        return f"<Place {path_of(self, None)!r}>"


class Walked:
    """Where a walk ended: ``mount`` and ``dentry``; of a PARENT walk also the last ``name`` (b""
    when the path was only slashes), whether slashes followed it, and the links it passed."""

    __slots__ = ("dentry", "links", "mount", "name", "slash")

    def __init__(self, mount: Mount, dentry: Dentry, name: bytes, slash: bool, links: int) -> None:
        self.mount = mount
        self.dentry = dentry
        self.name = name
        self.slash = slash
        self.links = links

    @property
    def place(self) -> Place:
        return Place(self.mount, self.dentry)

    def child(self) -> Dentry | None:
        """What the last name leads to now, attributes fresh; mounts on it are not crossed."""
        at = self.dentry.children.get(self.name)
        if at is None or at.fresh_until != FOREVER:
            if len(self.name) > NAME_MAX:
                raise ENAMETOOLONG
            at = self.dentry.look(self.name, monotonic())
        return at


def walk(
    who: Walker, base: Place | None, path: bytes, flags: int = FOLLOW, resolve: int = 0
) -> Place:
    """The place *path* leads to, its inode's attributes fresh.

    *base* is where relative paths start, None the working directory. *resolve*: RESOLVE_*.
    """
    end = descend(who, base, path, flags, resolve)
    return Place(end.mount, end.dentry)


def walk_parent(who: Walker, base: Place | None, path: bytes) -> Walked:
    """The directory that *path*'s last component is in, and its name; "x" permission checked."""
    return descend(who, base, path, PARENT)


def descend(
    who: Walker,
    base: Place | None,
    path: bytes,
    flags: int,
    resolve: int = 0,
    scope: Place | None = None,
    links: int = 0,
) -> Walked:
    """The walk itself. *scope* is what RESOLVE_BENEATH and RESOLVE_IN_ROOT confine it to (the
    start, by default); *links* counts those already followed on behalf of the same call.

    A name that led to what the host has removed meanwhile is looked up again, once."""
    try:
        return step_down(who, base, path, flags, resolve, scope, links, False)
    except ESTALE:
        pass
    try:
        return step_down(who, base, path, flags, resolve, scope, links, True)
    except ESTALE as error:
        raise ENOENT(error.reason) from None


def step_down(
    who: Walker,
    base: Place | None,
    path: bytes,
    flags: int,
    resolve: int,
    scope: Place | None,
    links: int,
    again: bool,
) -> Walked:
    """``descend``; *again*: trust no cached name of a volatile tree."""
    root = who.fs.root
    start = base or who.fs.cwd
    if not path and not flags & EMPTY:
        raise ENOENT("empty path")
    if resolve:
        scope = scope or start
        if resolve & RESOLVE_IN_ROOT:
            root = scope
    if path[:1] == b"/":
        start = jump_to_root(start, root, resolve)
    mount, dentry = start.mount, start.dentry
    cred = who.cred
    now = monotonic()
    limit = FOREVER if again else now
    stripped = path.rstrip(b"/")
    slash = len(stripped) != len(path)
    pending = stripped.split(b"/")
    pending.reverse()
    looked = False
    while pending:
        name = pending.pop()
        if not name:
            continue
        inode = dentry.inode
        mode = inode.mode
        if mode & 0o170000 != S_IFDIR:
            raise ENOTDIR
        # What all may enter needs no closer look; nearly all directories are so.
        if mode & 0o111 != 0o111 and not may(cred, inode, MAY_EXEC):
            raise EACCES
        last = not pending
        if last and flags & PARENT:
            if dentry.fresh_until != FOREVER:
                inode.check_alive()
            return Walked(mount, dentry, name, slash, links)
        if name == DOT:
            looked = False
            continue
        if name == DOTDOT:
            mount, dentry = step_up(mount, dentry, root, resolve, scope)
            looked = False
            continue
        child = dentry.children.get(name)
        looked = (
            child is None or child.fresh_until < limit or (last and child.fresh_until != FOREVER)
        )
        if looked:
            if len(name) > NAME_MAX:
                raise ENAMETOOLONG
            child = dentry.look(name, now)
        if child is None:
            raise ENOENT(inode.absent(name))
        inode = child.inode
        if inode.mode & 0o170000 == S_IFLNK and (not last or flags & FOLLOW or slash):
            links += 1
            check_link(mount, inode, links, resolve)
            if inode.magic:
                mount, dentry = jump(who, inode, mount, resolve)
                looked = False
                continue
            target = inode.readlink(who)
            if not target:
                raise ENOENT("empty link")
            if target[0] == 47:
                here = jump_to_root(Place(mount, dentry), root, resolve)
                mount, dentry = here.mount, here.dentry
            stripped = target.rstrip(b"/")
            if last and len(stripped) != len(target):
                slash = True
            pending.extend(reversed(stripped.split(b"/")))
            continue
        dentry = child
        while dentry.mounted and (over := mount.children.get(dentry)) is not None:
            if resolve & RESOLVE_NO_XDEV:
                raise EXDEV("openat2: RESOLVE_NO_XDEV")
            mount, dentry = over, over.root
            looked = False
    if (slash or flags & DIRECTORY) and not dentry.inode.is_dir:
        raise ENOTDIR
    if not looked:
        dentry.inode.refresh()
    return Walked(mount, dentry, b"", slash, links)


def jump_to_root(start: Place, root: Place, resolve: int) -> Place:
    """Where an absolute path (or link) starts."""
    if resolve & RESOLVE_BENEATH:
        raise EXDEV("openat2: RESOLVE_BENEATH")
    if resolve & RESOLVE_NO_XDEV and start.mount is not root.mount:
        raise EXDEV("openat2: RESOLVE_NO_XDEV")
    return root


def step_up(
    mount: Mount, dentry: Dentry, root: Place, resolve: int, scope: Place | None
) -> tuple[Mount, Dentry]:
    """ "..": stops at the root, leaves mounts, and enters what is mounted on the parent."""
    while True:
        if dentry is root.dentry and mount is root.mount:
            return mount, dentry
        if resolve & RESOLVE_BENEATH and scope is not None:
            if dentry is scope.dentry and mount is scope.mount:
                raise EXDEV("openat2: RESOLVE_BENEATH")
        if dentry is not mount.root:
            dentry = dentry.parent or dentry
            break
        up, point = mount.parent, mount.point
        if up is None or point is None:
            return mount, dentry
        if resolve & RESOLVE_NO_XDEV:
            raise EXDEV("openat2: RESOLVE_NO_XDEV")
        mount, dentry = up, point
    while dentry.mounted and (over := mount.children.get(dentry)) is not None:
        if resolve & RESOLVE_NO_XDEV:
            raise EXDEV("openat2: RESOLVE_NO_XDEV")
        mount, dentry = over, over.root
    return mount, dentry


def check_link(mount: Mount, inode: Inode, links: int, resolve: int) -> None:
    """ELOOP for a link that must not be followed."""
    if links > MAX_LINKS:
        raise ELOOP("more than 40 symbolic links")
    if mount.flags & MS_NOSYMFOLLOW:
        raise ELOOP("mounted nosymfollow")
    if resolve & RESOLVE_NO_SYMLINKS:
        raise ELOOP("openat2: RESOLVE_NO_SYMLINKS")
    if inode.magic and resolve & RESOLVE_NO_MAGICLINKS:
        raise ELOOP("openat2: RESOLVE_NO_MAGICLINKS")


def jump(who: Walker, inode: Inode, mount: Mount, resolve: int) -> tuple[Mount, Dentry]:
    """Follow a magic link. What confines a walk refuses them, as Linux does."""
    if resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
        raise EXDEV("openat2: a magic link leaves the scope")
    place = inode.jump(who)
    if resolve & RESOLVE_NO_XDEV and place.mount is not mount:
        raise EXDEV("openat2: RESOLVE_NO_XDEV")
    return place.mount, place.dentry


# --- and back: from a place to a string -------------------------------------------------------
def inner_path(top: Dentry, dentry: Dentry) -> bytes:
    """The path from *top* down to *dentry* in one filesystem, b"/" for *top* itself."""
    names = []
    at: Dentry | None = dentry
    while at is not None and at is not top:
        names.append(at.name)
        at = at.parent
    names.append(b"")
    return b"/".join(reversed(names)) or b"/"


def names_up(place: Place, root: Place | None) -> list[bytes]:
    """The names from *place* up to *root*, or to the top of everything."""
    mount, dentry = place.mount, place.dentry
    names = []
    while root is None or dentry is not root.dentry or mount is not root.mount:
        if dentry is not mount.root and dentry.parent is not None:
            names.append(dentry.name)
            dentry = dentry.parent
            continue
        up, point = mount.parent, mount.point
        if up is None or point is None:
            break
        mount, dentry = up, point
    return names


def reachable(place: Place, root: Place | None) -> bool:
    """True if *place* lies below *root*."""
    mount, dentry = place.mount, place.dentry
    while root is not None:
        if dentry is root.dentry and mount is root.mount:
            return True
        if dentry is not mount.root and dentry.parent is not None:
            dentry = dentry.parent
            continue
        up, point = mount.parent, mount.point
        if up is None or point is None:
            return False
        mount, dentry = up, point
    return True


def path_of(place: Place, root: Place | None) -> bytes:
    """*place* as seen from *root* (None: from the top), with " (deleted)" if it was removed.

    What is not below *root* is shown from the top, as /proc does.
    """
    names = names_up(place, root)
    names.append(b"")
    text = b"/".join(reversed(names)) or b"/"
    return text + b" (deleted)" if place.dentry.dead else text


def point_path(mount: Mount, root: Place) -> bytes | None:
    """Where *mount* appears below *root*, None if it does not."""
    here = Place(mount, mount.root)
    return path_of(here, root) if reachable(here, root) else None


def place_of(file: File) -> Place:
    """The place of an open file; for one that never had a name, a place of its own."""
    if file.place is None:
        from ring3.vfs.anon import anonymous_place

        file.attach(anonymous_place(file))
    assert file.place is not None
    return file.place
