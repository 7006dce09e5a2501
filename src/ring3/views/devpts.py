"""/dev/pts: one node per terminal, named by its number."""

from __future__ import annotations

from ring3.abi.errno import EINVAL
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.abi.mount import DEVPTS_SUPER_MAGIC
from ring3.abi.stat import S_IFCHR, S_IFDIR, S_IFMT
from ring3.drivers.ptytable import PTS_MAJOR, PtyTable, ptys_of
from ring3.vfs.special import makedev
from ring3.views.nodes import ViewFs, ViewInode

if TYPE_CHECKING:
    from ring3.task.world import World
    from ring3.vfs.inode import Entry, Inode, Stat

FIRST_INO = 3
TTY_GROUP = 5
MODE = 0o620


class DevPts(ViewFs):
    name = "devpts"
    magic = DEVPTS_SUPER_MAGIC
    blksize = 1024

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.table: PtyTable = ptys_of(world)
        self.set_root(PtsDir(self))

    def options(self) -> str:
        return f",gid={TTY_GROUP},mode={MODE:o},ptmxmode=666"

    def remount(self, options: bytes) -> None:
        known = (b"gid=", b"uid=", b"mode=", b"ptmxmode=", b"max=", b"newinstance")
        for word in options.split(b","):
            if word and not word.startswith(known):
                raise EINVAL(f"devpts option {word.decode(errors='replace')}")


class PtsDir(ViewInode):
    __slots__ = ("nodes", "ptmx")

    fs: DevPts

    def __init__(self, fs: DevPts) -> None:
        super().__init__(fs, S_IFDIR | 0o755, ino=1)
        self.nodes: dict[int, PtsNode] = {}
        self.ptmx = PtsNode(fs, 0o666, makedev(5, 2), 2, None)

    def lookup(self, name: bytes) -> Inode | None:
        if name == b"ptmx":
            return self.ptmx
        if not name.isdigit() or len(name) > 5 or (name[:1] == b"0" and name != b"0"):
            return None
        index = int(name)
        pair = self.fs.table.pairs.get(index)
        node = self.nodes.get(index)
        if pair is None:
            self.nodes.pop(index, None)
            return None
        if node is None or node.pair is not pair:
            rdev = makedev(PTS_MAJOR, index)
            node = self.nodes[index] = PtsNode(self.fs, MODE, rdev, FIRST_INO + index, pair)
        return node

    def iterate(self) -> list[Entry]:
        found = [(b"ptmx", self.ptmx.ino, self.ptmx.mode)]
        for index in sorted(self.fs.table.pairs):
            node = self.lookup(b"%d" % index)
            assert node is not None
            found.append((b"%d" % index, node.ino, node.mode))
        return found


class PtsNode(ViewInode):
    """One terminal; *pair* None: the node that makes new ones."""

    __slots__ = ("pair",)
    trust = 0.0

    def __init__(self, fs: DevPts, mode: int, rdev: int, ino: int, pair: Any) -> None:
        super().__init__(fs, S_IFCHR | mode, ino=ino)
        self.rdev = rdev
        self.pair = pair
        if pair is not None:
            self.uid, self.gid = pair.uid, TTY_GROUP

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        if mode is not None:
            self.mode = self.mode & S_IFMT | mode
        if uid is not None:
            self.uid = uid
        if gid is not None:
            self.gid = gid
        self.stamp_ns = mtime_ns if mtime_ns is not None else self.fs.now_ns()

    def stat(self) -> Stat:
        return super().stat()
