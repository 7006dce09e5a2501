"""The file tree a guest sees: what of the host, what of its own.

By default: /usr /bin /sbin /lib* /etc /opt and the working directory of the host, readable, under
a private overlay that takes all writes; empty /tmp, /home and /root; own /proc, /sys and /dev.
``root`` replaces the host's part, ``rw`` writes through, ``ro`` shows more.
"""

from __future__ import annotations

import os

from ring3.abi.errno import EEXIST
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.mount import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RELATIME
from ring3.abi.stat import S_IFDIR, S_IFREG
from ring3.core.hostos import effective_user
from ring3.fs.host import HostFs
from ring3.fs.overlay import Change, OverlayFs
from ring3.fs.skeleton import SkeletonDir, SkeletonFs
from ring3.fs.tmpfs import TmpFs
from ring3.vfs import ops
from ring3.vfs.access import PlainCred
from ring3.vfs.context import FsContext
from ring3.vfs.mount import Filesystem, Mount, MountTable
from ring3.vfs.path import Place, walk
from ring3.views.guarded import GuardedFs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ring3.task.world import World

SYSTEM = (b"/usr", b"/bin", b"/sbin", b"/etc", b"/opt")
"""Granted always; /lib and its kin (/lib64, /lib32 ...) are found in the host's root."""
OWN = (b"/proc", b"/sys", b"/dev")
"""Never the host's."""
MOST_LINKS = 40
PLAIN = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME


class Boot:
    """The kernel itself, as who walks the tree while it is put together."""

    def __init__(self, root: Mount) -> None:
        place = Place(root, root.root)
        self.fs = FsContext(place, place)
        self.cred = PlainCred()


class View:
    """``table`` is the initial mount namespace. What guests changed is in ``changes``; what they
    changed below ``rw`` directories is on the host already."""

    def __init__(self, table: MountTable) -> None:
        self.table = table
        self.boot = Boot(table.root)
        self.overlays: list[tuple[bytes, OverlayFs]] = []
        """(where it is mounted, overlay), b"" for the root."""
        self.made: set[bytes] = set()
        """Mount points that had to be made: they are no changes."""

    def changes(self) -> Iterator[Change]:
        """Every path that a guest added, modified or deleted in the private layer."""
        for prefix, overlay in self.overlays:
            for change in overlay.changes():
                change.path = prefix + change.path
                if change.path not in self.made:
                    yield change

    def mkdir(self, path: bytes) -> Place:
        """The directory *path*, made with its parents where missing."""
        at = b""
        for name in path.split(b"/"):
            if name:
                at += b"/" + name
                try:
                    ops.mkdir(self.boot, None, at, 0o755)
                    self.made.add(at)
                except EEXIST:
                    pass
        return walk(self.boot, None, path)

    def mount(
        self, fs: Filesystem, path: bytes, flags: int = 0, source: bytes | None = None
    ) -> None:
        """Show *fs* at *path*, which is made if it is missing."""
        if fs.root.inode.is_dir:
            at = self.mkdir(path)
        else:
            self.mkdir(os.path.dirname(path))
            at = self.make_file(path)
        self.table.attach(Mount(fs, flags=flags, source=source or fs.name.encode()), at)

    def make_file(self, path: bytes) -> Place:
        """An empty file to mount another one on, unless *path* is there already."""
        try:
            ops.mknod(self.boot, None, path, S_IFREG | 0o644, 0)
            self.made.add(path)
        except EEXIST:
            pass
        return walk(self.boot, None, path)

    def close(self) -> None:
        """Give the memory and descriptors of every filesystem back."""
        for fs in {mount.fs for mount in self.table}:
            fs.shutdown()


def default_view(
    world: World,
    root: str | Filesystem | None,
    rw: Sequence[str],
    ro: Sequence[str],
    cwd: str,
    uid: int,
    gid: int,
) -> View:
    """The view that the options of ``ring3 run`` ask for. OSError for a path the host lacks.

    *root*: a host directory, or any filesystem, in place of the host's own tree.
    """
    shown = [os.fsencode(os.path.join(cwd, path)) for path in ro]
    through = [os.path.abspath(os.fsencode(os.path.join(cwd, path))) for path in rw]
    if root is not None:
        below = root if isinstance(root, Filesystem) else HostFs(os.fsencode(root))
    elif b"/" in map(os.path.abspath, shown + through):
        below = HostFs(b"/", writable=True) if b"/" in through else GuardedFs(b"/")
    else:
        below = skeleton(shown, through, os.fsencode(cwd), uid, gid)
    if isinstance(below, HostFs) and below.writable:
        view = View(MountTable(Mount(below, source=below.path)))
    else:
        overlay = OverlayFs(below)
        view = View(MountTable(Mount(overlay, source=b"overlay", flags=MS_RELATIME)))
        view.overlays.append((b"", overlay))
    mount_own(view, world, gid)
    if root is not None:
        for path in sorted(shown, key=len):
            layer = OverlayFs(HostFs(path))
            view.mount(layer, os.path.abspath(path), MS_RELATIME, b"overlay")
            view.overlays.append((os.path.abspath(path), layer))
    for path in sorted(through, key=len):
        if path != b"/":
            view.mount(HostFs(path, writable=True), path, MS_NODEV | MS_RELATIME, path)
    if world.forced_own:  # the machine is not there yet
        own_objects(view, world)
    return view


def own_objects(view: View, world: World) -> None:
    """Files in memory without host objects, stamps from the guest's clock, names in order."""
    for fs in {mount.fs for mount in view.table}:
        if isinstance(fs, TmpFs):
            fs.own_content = True
        if isinstance(fs, OverlayFs):
            order_names(fs.lower)
        order_names(fs)
        fs.use_clock(world.clock.realtime_ns)


def order_names(fs: Filesystem) -> None:
    """The order in which the host lists a directory is an input that two runs must share."""
    for each in (fs, *getattr(fs, "grants", ())):
        if isinstance(each, HostFs):
            each.in_order = True


def mount_own(view: View, world: World, gid: int) -> None:
    """The kernel's own filesystems."""
    from ring3.views.devfs import DevFs
    from ring3.views.devpts import DevPts
    from ring3.views.procfs import ProcFs
    from ring3.views.sysfs import SysFs

    view.mount(ProcFs(world), b"/proc", PLAIN)
    view.mount(SysFs(world), b"/sys", PLAIN)
    view.mount(DevFs(), b"/dev", MS_NOSUID | MS_RELATIME)
    pts = DevPts(world)
    view.mount(pts, b"/dev/pts", MS_NOSUID | MS_NOEXEC | MS_RELATIME)
    pts.table.mount = walk(view.boot, None, b"/dev/pts").mount
    view.mount(TmpFs(limit=64 << 20), b"/dev/shm", PLAIN & ~MS_NOEXEC, b"shm")


# --- the host's part --------------------------------------------------------------------------
def skeleton(
    shown: list[bytes], through: list[bytes], cwd: bytes, uid: int, gid: int
) -> SkeletonFs:
    """The lower tree of the default view: grants in an otherwise empty root."""
    lower = SkeletonFs()
    explicit = [*shown, *(path for path in through if not os.path.isdir(path))]
    libraries = [b"/" + name for name in os.listdir(b"/") if name.startswith(b"lib")]
    for path in (*SYSTEM, *sorted(libraries)):
        show(lower, path, explicit)
    # Outer directories first: what they cover needs no grant of its own.
    for path in sorted(explicit, key=len):
        if not show(lower, path, explicit):
            raise FileNotFoundError(2, "no such file or directory on the host", os.fsdecode(path))
    if cwd != b"/" and not cwd.startswith(OWN):
        if cwd not in through and not show(lower, cwd, explicit):
            raise FileNotFoundError(2, "no such directory on the host", os.fsdecode(cwd))
    empty_directories(lower, uid, gid)
    for path in (*OWN, *(path for path in through if os.path.isdir(path))):
        links, real = resolve(path) if path not in OWN else ([], path)
        show_links(lower, links)
        try:
            lower.directory(real)
        except EEXIST:
            pass  # below a grant: it is there already
    return lower


def show(lower: SkeletonFs, path: bytes, explicit: Sequence[bytes]) -> bool:
    """Grant *path* under its real name, with the links that lead there. False if it is missing.

    *explicit*: what the caller granted by name, secret or not."""
    links, real = resolve(path)
    show_links(lower, links)
    try:
        if real in (b"/", b"") or real.startswith(OWN):
            return True
        if real == b"/etc" and effective_user() == 0:
            lower.graft(real, GuardedFs(real, [resolve(each)[1] for each in explicit]))
            return True
        return lower.grant(real)
    except EEXIST:
        return os.path.lexists(real)  # covered by a grant of a directory above


def show_links(lower: SkeletonFs, links: list[tuple[bytes, bytes]]) -> None:
    for link, target in links:
        try:
            lower.link(link, target)
        except EEXIST:
            pass  # seen already, or below a grant


def resolve(path: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The host's symbolic links on the way of *path*, as (where, text), and its real path."""
    links: list[tuple[bytes, bytes]] = []
    at = b""
    todo = os.path.abspath(path).split(b"/")[::-1]
    while todo:
        name = todo.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            at = at.rpartition(b"/")[0]
            continue
        here = at + b"/" + name
        try:
            target = os.readlink(here)
        except OSError:
            at = here
            continue
        links.append((here, target))
        if len(links) > MOST_LINKS:
            raise OSError(40, "too many levels of symbolic links", os.fsdecode(path))
        if target[:1] == b"/":
            at = b""
        todo += target.split(b"/")[::-1]
    return links, at or b"/"


def empty_directories(lower: SkeletonFs, uid: int, gid: int) -> None:
    """Places of the guest's own, with nothing of the host's in them."""
    folders = ((b"/tmp", 0o1777), (b"/var/tmp", 0o1777), (b"/run", 0o755), (b"/mnt", 0o755))
    for path, mode in folders:
        own_directory(lower, path, mode, 0, 0)
    own_directory(lower, b"/root", 0o700, 0, 0)
    own_directory(lower, b"/home", 0o755, 0, 0)
    home = os.fsencode(os.environ.get("HOME", ""))
    if home[:1] == b"/" and not home.startswith(OWN) and os.path.abspath(home) != b"/":
        links, real = resolve(home)
        if not links:
            own_directory(lower, real, None, uid, gid)


def own_directory(lower: SkeletonFs, path: bytes, mode: int | None, uid: int, gid: int) -> None:
    """The empty directory *path*, unless a grant shows the host's. *mode* None: as the host has
    it, or 0755."""
    try:
        made: SkeletonDir = lower.directory(path)
    except EEXIST:
        return
    if mode is not None:
        made.mode = S_IFDIR | mode
        made.uid, made.gid = uid, gid
    elif not os.path.isdir(path):
        made.uid, made.gid = uid, gid
